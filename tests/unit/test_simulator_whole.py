"""The wire side before the real world: what an exporter would ask, asked over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from exporter.simulator import rules
from exporter.simulator.quotas import UNLIMITED
from exporter.simulator.server import Simulator
from exporter.simulator.world import World
from tests.unit.simulator_stub import connect

NOON = 1_790_000_100.0 + 3 * 3600
COUNTS = [{"Name": name, "Unit": unit} for name, unit in rules.CURRENT_METRICS.items()]


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=7, clock=lambda: NOON, instances=1, queues=6, history=7200.0)


@pytest.fixture(scope="module")
def aws(world: World) -> Iterator[Any]:
    with Simulator(world, quotas=UNLIMITED) as simulator:
        yield connect(simulator, account=world.instances[0].account_id)


def standard(world: World) -> list[str]:
    return [queue.id for queue in world.instances[0].queues if queue.kind == "STANDARD"]


def test_what_the_lists_say_is_what_the_world_has(world: World, aws: Any) -> None:
    [instance] = aws.list_instances()["InstanceSummaryList"]
    there = world.instances[0]
    assert (instance["Id"], instance["Arn"], instance["InstanceAlias"]) == (there.id, there.arn, there.alias)
    queues = aws.list_queues(InstanceId=there.id, QueueTypes=["STANDARD"])["QueueSummaryList"]
    assert {queue["Id"]: queue["Name"] for queue in queues} == {
        q.id: q.name for q in there.queues if q.kind == "STANDARD"
    }
    for profile in aws.list_routing_profiles(InstanceId=there.id)["RoutingProfileSummaryList"]:
        served = aws.list_routing_profile_queues(InstanceId=there.id, RoutingProfileId=profile["Id"])
        lines = {(one["QueueId"], one["Channel"]) for one in served["RoutingProfileQueueConfigSummaryList"]}
        [real] = [one for one in there.profiles if one.id == profile["Id"]]
        assert lines == {(queue, channel) for queue, channel, _, _ in real.serves}
    statuses = aws.list_agent_statuses(InstanceId=there.id)["AgentStatusSummaryList"]
    assert {one["Id"] for one in statuses} == {one.id for one in there.statuses}


@pytest.mark.parametrize(
    ("groupings", "by_profile", "left_out"),
    [
        (["QUEUE", "CHANNEL"], False, set()),
        (["QUEUE"], False, {"ESTIMATED_WAIT_TIME"}),
        (["CHANNEL"], False, {"ESTIMATED_WAIT_TIME"}),
        (["ROUTING_PROFILE"], True, {"ESTIMATED_WAIT_TIME"}),
        ([], False, {"ESTIMATED_WAIT_TIME"}),
    ],
)
def test_every_current_metric_has_a_collection_in_every_row(
    world: World, aws: Any, groupings: list[str], by_profile: bool, left_out: set[str]
) -> None:
    there = world.instances[0]
    ids = {"RoutingProfiles": [one.id for one in there.profiles]} if by_profile else {"Queues": standard(world)}
    answer = aws.get_current_metric_data(
        InstanceId=there.id,
        Filters={**ids, "Channels": list(rules.CHANNELS)},
        Groupings=groupings,
        CurrentMetrics=[metric for metric in COUNTS if metric["Name"] not in left_out],
    )
    assert answer["MetricResults"]
    for row in answer["MetricResults"]:
        assert {one["Metric"]["Name"] for one in row["Collections"]} == set(rules.CURRENT_METRICS) - left_out
        assert len(row.get("Dimensions", {})) == len(groupings)


def test_agents_are_counted_by_status(world: World, aws: Any) -> None:
    answer = aws.get_current_metric_data(
        InstanceId=world.instances[0].id,
        Filters={"Queues": standard(world), "Channels": list(rules.CHANNELS)},
        Groupings=["QUEUE", "AGENT_STATUS"],
        CurrentMetrics=[{"Name": "AGENTS_ONLINE", "Unit": "COUNT"}],
    )
    names = {status.id for status in world.instances[0].statuses}
    assert answer["MetricResults"]
    assert {row["Dimensions"]["AgentStatus"]["Id"] for row in answer["MetricResults"]} <= names


@pytest.mark.parametrize("groupings", [["QUEUE", "CHANNEL"], ["QUEUE"], ["CHANNEL"], []])
def test_every_historical_metric_has_a_collection_in_every_row(world: World, aws: Any, groupings: list[str]) -> None:
    metrics: list[dict[str, Any]] = [
        {"Name": name, "Unit": unit, "Statistic": statistic}
        for name, (unit, statistic) in rules.HISTORICAL_METRICS.items()
        if name != "SERVICE_LEVEL"
    ]
    levels = [{"Comparison": "LT", "ThresholdValue": threshold} for threshold in (20, 60)]
    metrics += [
        {"Name": "SERVICE_LEVEL", "Unit": "PERCENT", "Statistic": "AVG", "Threshold": level} for level in levels
    ]
    answer = aws.get_metric_data(
        InstanceId=world.instances[0].id,
        StartTime=NOON - 3600,
        EndTime=NOON,
        Filters={"Queues": standard(world), "Channels": list(rules.CHANNELS)},
        Groupings=groupings,
        HistoricalMetrics=metrics,
    )
    assert answer["MetricResults"]
    for row in answer["MetricResults"]:
        found = [
            (one["Metric"]["Name"], one["Metric"].get("Threshold", {}).get("ThresholdValue"))
            for one in row["Collections"]
        ]
        assert len(set(found)) == len(found) == len(metrics)
