"""Paging: every row once, one snapshot a chain, and tokens that are good for 5 minutes and one request only."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from exporter.simulator.errors import Refused, invalid_parameter
from exporter.simulator.pages import Listing, Pages
from tests.unit.simulator_stub import (
    AGENT_QUEUE,
    FAR_INSTANCE,
    INSTANCE,
    NOW,
    World,
    connect,
    current,
    error_of,
    historical,
    instance,
    simulated,
    talking,
)

QUEUES = [f"q{number}" for number in range(100)]
BY_QUEUE_AND_CHANNEL = current(groupings=["QUEUE", "CHANNEL"], Queues=QUEUES, Channels=["VOICE", "CHAT", "TASK"])
REFUSED = (400, "InvalidParameterException")


def chain(call: Callable[..., Any], params: dict[str, Any]) -> list[Any]:
    """All pages, to the end."""
    pages = [call(**params)]
    while token := pages[-1].get("NextToken"):
        pages.append(call(**params, NextToken=token))
    return pages


@pytest.mark.parametrize("size", [1, 7, 99, 100, None])
def test_paging_through_a_metric_request_brings_each_row_once(size: int | None) -> None:
    queues = QUEUES[:40] if size == 1 else QUEUES
    params = {**BY_QUEUE_AND_CHANNEL, "Filters": {"Queues": queues, "Channels": ["VOICE", "CHAT", "TASK"]}}
    params |= {} if size is None else {"MaxResults": size}
    with talking() as (_, aws):
        pages = chain(aws.get_current_metric_data, params)
    found = [
        (row["Dimensions"]["Queue"]["Id"], row["Dimensions"]["Channel"])
        for page in pages
        for row in page["MetricResults"]
    ]
    assert sorted(found) == sorted((queue, channel) for queue in queues for channel in ("VOICE", "CHAT", "TASK"))
    assert all(len(page["MetricResults"]) == (size or 100) for page in pages[:-1])
    assert {page["ApproximateTotalCount"] for page in pages} == {len(queues) * 3}


def test_botocores_own_paginator_reads_a_historical_answer_to_its_end() -> None:
    params = historical(Groupings=["QUEUE", "CHANNEL"], Filters={"Queues": QUEUES, "Channels": ["VOICE", "TASK"]})
    with talking() as (_, aws):
        pages = aws.get_paginator("get_metric_data").paginate(**params, PaginationConfig={"PageSize": 30})
        rows = [row["Dimensions"]["Queue"]["Id"] for page in pages for row in page["MetricResults"]]
    assert sorted(rows) == sorted(QUEUES * 2)


@pytest.mark.parametrize(
    ("operation", "key", "identity", "more", "expected"),
    [
        ("list_queues", "QueueSummaryList", "Id", {}, [*(f"q{number}" for number in range(150)), AGENT_QUEUE]),
        ("list_routing_profiles", "RoutingProfileSummaryList", "Id", {}, [f"p{number}" for number in range(130)]),
        ("list_agent_statuses", "AgentStatusSummaryList", "Id", {"MaxResults": 2}, ["s0", "s1", "s2"]),
        (
            "list_routing_profile_queues",
            "RoutingProfileQueueConfigSummaryList",
            "QueueId",
            {"RoutingProfileId": "p0"},
            [f"q{number}" for number in range(150)],
        ),
    ],
)
def test_paging_through_a_list_brings_each_item_once(
    operation: str, key: str, identity: str, more: dict[str, Any], expected: list[str]
) -> None:
    with talking() as (_, aws):
        pages = chain(getattr(aws, operation), {"InstanceId": INSTANCE, **more})
    assert [item[identity] for page in pages for item in page[key]] == expected
    assert len(pages) == 2


def test_ten_instances_make_a_page() -> None:
    ids = [f"instance-{number}" for number in range(23)]
    with talking(World(instances=tuple(instance(id=one) for one in ids))) as (_, aws):
        pages = chain(aws.list_instances, {})
    assert [len(page["InstanceSummaryList"]) for page in pages] == [10, 10, 3]
    assert [one["Id"] for page in pages for one in page["InstanceSummaryList"]] == ids


def test_an_answer_that_fills_its_page_exactly_has_no_next_one() -> None:
    with talking() as (_, aws):
        answer = aws.get_current_metric_data(**{**BY_QUEUE_AND_CHANNEL, "Groupings": ["QUEUE"], "MaxResults": 100})
    assert len(answer["MetricResults"]) == 100
    assert "NextToken" not in answer


def test_a_chain_is_one_snapshot() -> None:
    world = World(values={"AGENTS_ONLINE": 1.0})
    with talking(world) as (_, aws):
        first = aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL)
        world.values["AGENTS_ONLINE"] = 2.0
        world.now += 60
        second = aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL, NextToken=first["NextToken"])
        fresh = aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL)
    assert {one["Value"] for row in second["MetricResults"] for one in row["Collections"]} == {1.0}
    assert second["DataSnapshotTime"] == first["DataSnapshotTime"]
    assert {one["Value"] for row in fresh["MetricResults"] for one in row["Collections"]} == {2.0}
    assert len(world.asked) == 2


def test_a_page_can_be_asked_for_again() -> None:
    with talking() as (_, aws):
        token = aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL)["NextToken"]
        pages = [
            aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL, NextToken=token)["MetricResults"] for _ in range(2)
        ]
    assert pages[0] == pages[1]


def test_each_token_lives_five_minutes_from_its_own_page() -> None:
    world = World()
    with talking(world) as (_, aws):
        first = aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL)["NextToken"]
        world.now = NOW + 299
        second = aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL, NextToken=first)["NextToken"]
        world.now = NOW + 300
        assert error_of(lambda: aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL, NextToken=first))[:2] == REFUSED
        world.now = NOW + 598
        assert aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL, NextToken=second)["MetricResults"]


@pytest.mark.parametrize(
    "changed",
    [
        {"Filters": {"Queues": QUEUES[:99], "Channels": ["VOICE", "CHAT", "TASK"]}},
        {"Filters": {"Queues": QUEUES, "Channels": ["CHAT", "VOICE", "TASK"]}},
        {"Groupings": ["CHANNEL", "QUEUE"]},
        {"CurrentMetrics": [{"Name": "AGENTS_STAFFED", "Unit": "COUNT"}]},
        {"MaxResults": 100},
        {"InstanceId": FAR_INSTANCE},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_token_wants_the_parameters_it_was_issued_for(changed: dict[str, Any]) -> None:
    with talking(World(instances=(instance(), instance(id=FAR_INSTANCE)))) as (_, aws):
        token = aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL)["NextToken"]
        other = {**BY_QUEUE_AND_CHANNEL, **changed, "NextToken": token}
        assert error_of(lambda: aws.get_current_metric_data(**other))[:2] == REFUSED
        assert aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL, NextToken=token)["MetricResults"]


def test_a_token_is_good_for_its_operation_and_region_only() -> None:
    world = World(instances=(instance(), instance(id=FAR_INSTANCE, region="eu-west-2")))
    with simulated(world) as simulator:
        client, far = connect(simulator), connect(simulator, "eu-west-2")
        token = client.list_queues(InstanceId=INSTANCE)["NextToken"]
        assert error_of(lambda: client.list_routing_profiles(InstanceId=INSTANCE, NextToken=token))[:2] == REFUSED
        assert error_of(lambda: far.list_queues(InstanceId=INSTANCE, NextToken=token))[:2] == REFUSED
        assert client.list_queues(InstanceId=INSTANCE, NextToken=token)["QueueSummaryList"]


@pytest.mark.parametrize(
    "spoil", [lambda token: token[:-4], lambda token: token.swapcase(), lambda _: "", lambda _: "abc"]
)
def test_a_token_that_was_never_given_out_is_refused(spoil: Callable[[str], str]) -> None:
    with talking() as (_, aws):
        token = aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL)["NextToken"]
        call = lambda: aws.get_current_metric_data(**BY_QUEUE_AND_CHANNEL, NextToken=spoil(token))  # noqa: E731
        assert error_of(call)[:2] == REFUSED


def test_a_wrong_token_for_instances_is_refused_in_that_operations_own_code() -> None:
    with talking() as (_, aws):
        assert error_of(lambda: aws.list_instances(NextToken="abc"))[:2] == (400, "InvalidRequestException")


def turn(pages: Pages, params: dict[str, Any]) -> dict[str, Any]:
    return pages.next(("scope",), params, 1, invalid_parameter)


def test_memory_for_rows_is_bounded_and_the_oldest_chain_goes_first() -> None:
    numbers = count()
    pages = Pages(lambda: 0.0, most_rows=30, new_token=lambda: f"token {next(numbers)}")
    listing = Listing("Rows", list(range(10)), lambda _, row: row)
    tokens = [pages.first(("scope",), {}, listing, 1)["NextToken"] for _ in range(4)]
    with pytest.raises(Refused):
        turn(pages, {"NextToken": tokens[0]})
    assert turn(pages, {"NextToken": tokens[3]})["Rows"] == [1]


def test_a_chain_larger_than_the_bound_can_still_be_read_alone() -> None:
    pages = Pages(lambda: 0.0, most_rows=3)
    page = pages.first(("scope",), {}, Listing("Rows", list(range(10)), lambda _, row: row), 1)
    rows = list(page["Rows"])
    while "NextToken" in page:
        page = turn(pages, {"NextToken": page["NextToken"]})
        rows += page["Rows"]
    assert rows == list(range(10))
