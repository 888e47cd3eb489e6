from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from exporter.collectors import historical, metric_data
from exporter.collectors.historical import Options
from exporter.collectors.metric_data import metric_names
from exporter.model import CallFailed, Reason, Result
from tests.collectors.centre import target
from tests.collectors.history import MORNING, History, named, no, without

WINDOWS = {"30m": 1800.0, "1h30m": 5400.0, "today": 0.0}
ALL = metric_names(["all"])
MOVES = 63.0
"""Seconds after a mark at which a window is first asked for."""


def options(**changed: Any) -> Options:
    given: dict[str, Any] = {
        "levels": ("queue", "instance"),
        "windows": WINDOWS,
        "metrics": ("CONTACTS_HANDLED", "HANDLE_TIME", "SERVICE_LEVEL"),
        "thresholds": (20, 60),
        "interval": 60.0,
    }
    return Options(**{**given, **changed})


def run(history: History, **changed: Any) -> Result:
    return asyncio.run(history.run(partial(historical.collect, options=options(**changed))))


def spans(calls: list[Mapping[str, Any]]) -> set[tuple[float, float]]:
    """Start and end, in seconds before the morning."""
    return {(MORNING - p["StartTime"].timestamp(), MORNING - p["EndTime"].timestamp()) for p in calls}


def told(queue: str, channel: str, name: str, threshold: float | None, start: float, end: float) -> float | None:
    """A number that says what it is about."""
    if name == "HANDLE_TIME":
        return None if channel == "CHAT" else end - start
    place = (int(queue[1:]) + 1) * 10 if queue else 5
    return place + (threshold or 0) / 4 if name == "SERVICE_LEVEL" else place + (channel == "CHAT") + (end - start)


# what is published


def test_every_value_stands_under_its_window_and_threshold_however_aws_orders_them() -> None:
    history = History(value=told, silent=[("q001", "CHAT")], now=MORNING + MOVES)
    found = named(run(history))
    wanted: dict[tuple[str, ...], float] = {}
    for window, seconds in (("30m", 1800.0), ("1h30m", 5400.0), ("today", 9 * 3600.0)):
        for queue, name, place in (("q000", "Queue 000", 10.0), ("q001", "Queue 001", 20.0)):
            for channel in ("VOICE", "CHAT"):
                if (queue, channel) in history.silent:
                    continue
                base = (name, channel, window)
                stem = "amazon_connect_queue_recent_"
                wanted[stem + "contacts_handled", *base] = place + (channel == "CHAT") + seconds
                wanted[stem + "service_level_ratio", *base, "20"] = (place + 5) / 100
                wanted[stem + "service_level_ratio", *base, "60"] = (place + 15) / 100
                if channel == "VOICE":
                    wanted[stem + "handle_time_seconds", *base] = seconds
        stem = "amazon_connect_instance_recent_"
        wanted[stem + "contacts_handled", window] = 5 + seconds
        wanted[stem + "handle_time_seconds", window] = seconds
        wanted[stem + "service_level_ratio", window, "20"] = 0.1
        wanted[stem + "service_level_ratio", window, "60"] = 0.2
    assert found == pytest.approx(wanted)


def test_all_metrics_and_fifty_thresholds_of_250_queues_are_all_there() -> None:
    history = History(queues=250, now=MORNING + MOVES)
    found = named(run(history, windows={"30m": 1800.0}, metrics=ALL, thresholds=tuple(range(11, 61))))
    plain = len(ALL) - 1
    assert len(found) == 250 * 2 * (plain + 50) + plain + 50
    # Three sets of metrics, each over three batches of queues and once over the instance.
    assert len(history.asked()) == 3 * (3 + 1)


def test_in_the_minutes_after_midnight_there_is_no_today_and_nothing_breaks() -> None:
    midnight = datetime(2026, 9, 22, tzinfo=UTC).timestamp()
    history = History(now=midnight - 200)
    for _ in range(2):
        assert {labels[-1] for name, *labels in named(run(history)) if "contacts_handled" in name} == set(WINDOWS)
        history.wait(170)
    for seconds in (0, 59, 299, 359):
        history.now = midnight + seconds
        found = named(run(history))
        assert {labels[-1] for name, *labels in found if "contacts_handled" in name} == {"30m", "1h30m"}
    assert not named(run(history, windows={"today": 0.0}))
    history.now = midnight + 363
    assert len(named(run(history, windows={"today": 0.0}))) == 4 * 4 + 4


def test_today_begins_in_the_zone_of_the_instance() -> None:
    history = History(now=MORNING + MOVES, target=target(alias="acme", timezone="Asia/Kathmandu"))
    run(history, windows={"today": 0.0})
    assert spans(history.asked()) == {((14 * 60 + 45) * 60, 0.0)}


def test_no_queues_no_queue_level_and_none_that_is_meant_no_calls() -> None:
    history = History(queues=0, now=MORNING + MOVES)
    assert {name.split("_")[2] for name, *_ in named(run(history))} == {"instance"}


# what is asked, and when


def test_a_window_is_asked_for_when_it_moves_and_once_more_while_late_contacts_still_come_in() -> None:
    history = History(now=MORNING + MOVES)
    all_windows = {(1800.0, 0.0), (5400.0, 0.0), (9 * 3600.0, 0.0)}
    run(history)
    assert spans(history.asked()) == all_windows
    for _ in range(2):
        history.wait(60)
        run(history)
        assert history.asked() == []
    history.wait(60)
    run(history)
    assert len(history.asked()) == 6
    history.wait(60)
    run(history)
    assert history.asked() == []
    history.wait(60)
    run(history)
    assert spans(history.asked()) == {(1500.0, -300.0), (5100.0, -300.0), (9 * 3600.0, -300.0)}


def test_a_run_is_wanted_as_soon_as_windows_have_surely_moved_at_aws() -> None:
    for seconds, again in ((0.0, 63.0), (62.0, 1.0), (63.0, 300.0), (299.0, 64.0)):
        history = History(now=MORNING + seconds)
        assert run(history).again == again


@pytest.mark.parametrize("interval", [15.0, 40.0, 60.0, 100.0, 120.0, 150.0, 300.0, 400.0, 600.0, 1800.0])
@pytest.mark.parametrize("phase", [0.0, 7.0, 100.0])
def test_the_calls_that_are_foretold_are_the_calls_that_are_made(interval: float, phase: float) -> None:
    history = History(now=MORNING + phase)
    good = metric_data.good_for(interval, 300.0)
    due = history.now + interval * 0.7
    while history.now < MORNING + 5 * 3600:
        if history.now < MORNING + 3600:
            history.asked()
        # As the engine does it: on a grid, and sooner where the collector wants it.
        again = (
            run(history, windows={"30m": 1800.0}, levels=("queue",), interval=interval, good_for=good).again or interval
        )
        while due <= history.now:
            due += interval
        history.wait(min(due - history.now, again))
    made = len(history.asked()) / 4
    assert made == pytest.approx(metric_data.rounds_per_hour(interval, good), abs=0.5)


def test_a_result_is_as_old_as_its_oldest_answer() -> None:
    history = History(now=MORNING + MOVES)
    assert run(history).since == 1000.0
    history.wait(60)
    assert run(history).since == 1000.0
    history.wait(100)
    assert run(history).since == 1160.0


def test_what_was_answered_before_a_failure_is_not_asked_for_again() -> None:
    history = History(now=MORNING + MOVES)
    midnight = MORNING - 9 * 3600
    history.refused = lambda p: no(Reason.THROTTLED) if p["StartTime"].timestamp() == midnight else None
    with pytest.raises(CallFailed):
        run(history)
    history.refused = lambda _: None
    history.asked()
    history.wait(60)
    assert len(named(run(history))) == 3 * (4 * 4 + 4)
    assert (9 * 3600.0, 0.0) in spans(history.asked())


def test_rules_of_aws_hold_all_day_long_though_its_clock_is_a_minute_apart() -> None:
    windows = {"today": 0.0, "23h55m": 86100.0, "5m": 300.0}
    for skew in (-60.0, 60.0):
        history = History(queues=1, now=datetime(2026, 10, 24, 21, 56, 30, tzinfo=UTC).timestamp(), skew=skew)
        history.target = target(alias="acme", channels=("VOICE",), timezone="Europe/Berlin")
        # From shortly before a day of 25 hours: in its last, AWS no longer reaches back to its first.
        for minute in range(25 * 60):
            result = run(history, windows=windows, levels=("instance",), metrics=("CONTACTS_HANDLED",))
            assert not result.refusals
            shown = {window for _, window in named(result)}
            assert shown >= {"23h55m", "5m"}
            if 10 <= minute < 24 * 60:
                assert "today" in shown
            elif minute > 24 * 60 + 6:
                assert "today" not in shown
            history.wait(60)


def test_a_metric_that_aws_refuses_costs_only_itself() -> None:
    def refuse(params: Mapping[str, Any]) -> CallFailed | None:
        return no() if any(m["Name"] == "HANDLE_TIME" for m in params["HistoricalMetrics"]) else None

    history = History(now=MORNING + MOVES, refused=refuse)
    result = run(history)
    assert {(r.kind, r.name) for r in result.refusals} == {("metric", "HANDLE_TIME")}
    assert len(named(result)) == 3 * (4 * 3 + 3)


def test_a_threshold_that_aws_refuses_costs_only_itself() -> None:
    def refuse(params: Mapping[str, Any]) -> CallFailed | None:
        asked = [m["Threshold"]["ThresholdValue"] for m in params["HistoricalMetrics"] if "Threshold" in m]
        return no() if any(threshold > 3600 for threshold in asked) else None

    history = History(now=MORNING + MOVES, refused=refuse)
    result = run(history, thresholds=(20, 60, 7200, 14400))
    assert {(r.kind, r.name) for r in result.refusals} == {
        ("metric", "SERVICE_LEVEL(7200)"),
        ("metric", "SERVICE_LEVEL(14400)"),
    }
    found = named(result)
    assert {labels[-1] for name, *labels in found if "service_level" in name} == {"20", "60"}
    assert len(found) == 3 * (4 * 4 + 4)


def test_a_queue_that_was_deleted_is_gone_at_once_from_all_windows() -> None:
    history = History(now=MORNING + MOVES)
    run(history)
    without(history, "q000")
    history.wait(10)
    assert {labels[0] for name, *labels in named(run(history)) if "_queue_" in name} == {"Queue 001"}
