from __future__ import annotations

import re

from exporter import objectives
from exporter.collectors import historical
from exporter.model import Access, Answer, Inventory, Metric, Request, Row, Target
from exporter.objectives import Objective, objective
from exporter.settings import load
from exporter.targets import objectives as of_settings

VIP = Objective(10.0, 0.9, ("VOICE",), (re.compile("VIP.*"),))
SALES = Objective(30.0, 0.7, queues=(re.compile("Sales"), re.compile("VIP Sales")))
INVENTORY = Inventory(queues={"q1": "VIP Sales", "q2": "Sales", "q3": "Billing"})
TARGET = Target("i", Access("us-east-1"), channels=("VOICE", "CHAT"))
NOON = 1_790_000_100.0


def options(*thresholds: float, goals: tuple[Objective, ...] = (VIP, SALES)) -> historical.Options:
    return historical.Options(("queue", "instance"), {"30m": 1800.0}, ("SERVICE_LEVEL",), thresholds, 60.0, goals)


def test_the_first_objective_that_matches_holds() -> None:
    assert objective((VIP, SALES), "VIP Sales", "VOICE") is VIP
    assert objective((SALES, VIP), "VIP Sales", "VOICE") is SALES
    assert objective((VIP, SALES), "VIP Sales", "CHAT") is SALES


def test_expressions_match_whole_names() -> None:
    assert objective((SALES,), "Sales North", "VOICE") == Objective(20.0, 0.8, ("VOICE",))


def test_without_a_match_the_defaults_hold_by_channel() -> None:
    found = {channel: objective((), "any", channel) for channel in ("VOICE", "CHAT", "TASK", "EMAIL")}
    assert {channel: (goal.threshold, goal.target) for channel, goal in found.items() if goal} == {
        "VOICE": (20.0, 0.8),
        "CHAT": (60.0, 0.8),
        "TASK": (14_400.0, 0.9),
        "EMAIL": (86_400.0, 0.9),
    }
    assert objective((), "any", "PIGEON") is None


def test_threshold_and_target_are_published_for_each_queue_and_channel() -> None:
    queues = INVENTORY.queues or {}
    found = {(s.name, *s.labels): s.value for s in objectives.samples((VIP, SALES), "acme", queues, TARGET.channels)}
    threshold, target = (f"amazon_connect_queue_service_level_{end}" for end in ("threshold_seconds", "target_ratio"))
    assert len(found) == 2 * 3 * 2
    assert found[threshold, "acme", "VIP Sales", "VOICE"] == 10
    assert found[target, "acme", "VIP Sales", "CHAT"] == 0.7
    assert found[threshold, "acme", "Billing", "CHAT"] == 60


def test_aws_is_asked_for_the_listed_thresholds_and_those_of_the_objectives() -> None:
    asked = {
        metric.threshold for r in historical.plan(TARGET, INVENTORY, options(15, 45), NOON) for metric in r.metrics
    }
    assert asked == {15, 45, 10, 30, 20, 60}


def test_a_level_nobody_listed_is_published_only_where_it_is_the_queues_own() -> None:
    levels = {Metric("SERVICE_LEVEL", seconds): 50.0 for seconds in (15.0, 10.0, 30.0, 60.0)}
    request = Request("queue", tuple(levels), ("QUEUE", "CHANNEL"), TARGET.channels, queues=("q1", "q3"))
    rows = [Row({"QUEUE": queue, "CHANNEL": "VOICE"}, levels) for queue in ("q1", "q3")]
    rows.append(Row({}, levels))
    kept = historical.only_wanted(Answer(request, tuple(rows)), options(15), INVENTORY).rows
    assert [{metric.threshold for metric in row.values} for row in kept] == [{15, 10}, {15}, {15}]


def test_the_configuration_says_them_in_order() -> None:
    text = '[{"queues": ["VIP.*"], "channels": ["VOICE"], "threshold": "10s", "target": 0.9}]'
    variables = {"INSTANCES": '[{"id": "abc", "region": "eu-west-2"}]', "SLO": text}
    found = of_settings(load(None, {f"AMAZON_CONNECT_EXPORTER_{name}": value for name, value in variables.items()}))
    assert [(goal.threshold, goal.target, goal.channels) for goal in found] == [(10.0, 0.9, ("VOICE",))]
    assert found[0].holds("VIP Sales", "VOICE")
    assert not found[0].holds("No VIP", "VOICE")
