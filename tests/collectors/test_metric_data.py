from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collectors import metric_data
from exporter.collectors.metric_data import Cache, metric_names, metric_sets
from exporter.model import Answer, CallFailed, Metric, Reason, Request
from exporter.simulator import rules
from exporter.windows import Interval
from tests.collectors.centre import target
from tests.collectors.history import MORNING, assert_shape
from tests.unit import simulator_stub as stub

SPAN = Interval(MORNING - 1800, MORNING)
ALL = metric_names(["all"])


def asked(metrics: tuple[Metric, ...], level: str = "queue", queues: int = 2) -> list[Request]:
    ids = tuple(f"q{number}" for number in range(queues))
    return list(metric_data.requests(level, metrics, SPAN, target(), ids, "30m"))


# what is asked


def test_all_is_every_metric_that_aws_still_counts() -> None:
    assert set(ALL) == rules.HISTORICAL_METRICS.keys() - {"CONTACTS_CONSULTED"}
    assert set(metric_names(["all", "CONTACTS_CONSULTED"])) == rules.HISTORICAL_METRICS.keys()
    assert metric_names(["OCCUPANCY"]) == ("OCCUPANCY",)


@pytest.mark.parametrize(
    ("thresholds", "levels"), [(1, [1]), (2, [2]), (20, [20]), (21, [20, 1]), (40, [20, 20]), (45, [20, 20, 5])]
)
def test_beyond_twenty_thresholds_take_another_request_for_service_levels_alone(
    thresholds: int, levels: list[int]
) -> None:
    sets = list(metric_sets(ALL, tuple(range(1, thresholds + 1))))
    found = [[m.threshold for m in metrics if m.name == "SERVICE_LEVEL"] for metrics in sets]
    assert [len(some) for some in found] == levels
    assert [threshold for some in found for threshold in some] == [float(n) for n in range(1, thresholds + 1)]
    assert {m.name for m in sets[0]} == set(ALL)
    assert all({m.name for m in metrics} == {"SERVICE_LEVEL"} for metrics in sets[1:])


def test_thresholds_nobody_asks_service_levels_for_cost_nothing() -> None:
    assert list(metric_sets(("OCCUPANCY",), (20, 60))) == [(Metric("OCCUPANCY"),)]
    assert list(metric_sets(("SERVICE_LEVEL",), ())) == []


@pytest.mark.parametrize(
    ("queues", "batches"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_queues_are_asked_for_in_hundreds_and_the_instance_at_once(queues: int, batches: list[int]) -> None:
    requests = asked((Metric("OCCUPANCY"),), queues=queues)
    assert [len(request.queues) for request in requests] == batches
    assert len({queue for request in requests for queue in request.queues}) == queues
    (whole,) = asked((Metric("OCCUPANCY"),), "instance", queues)
    assert len(whole.queues) == (queues if queues <= 100 else 0)
    assert whole.groupings == ()


def test_a_request_is_exactly_what_aws_wants() -> None:
    (request,) = asked((Metric("CONTACTS_HANDLED"), Metric("QUEUED_TIME"), Metric("SERVICE_LEVEL", 20.0)), queues=1)
    assert metric_data.parameters(target(), request) == {
        "InstanceId": stub.INSTANCE,
        "StartTime": datetime(2026, 9, 22, 8, 30, tzinfo=UTC),
        "EndTime": datetime(2026, 9, 22, 9, 0, tzinfo=UTC),
        "Filters": {"Queues": ["q0"], "Channels": ["VOICE", "CHAT", "TASK", "EMAIL"]},
        "Groupings": ["QUEUE", "CHANNEL"],
        "HistoricalMetrics": [
            {"Name": "CONTACTS_HANDLED", "Unit": "COUNT", "Statistic": "SUM"},
            {"Name": "QUEUED_TIME", "Unit": "SECONDS", "Statistic": "MAX"},
            {
                "Name": "SERVICE_LEVEL",
                "Unit": "PERCENT",
                "Statistic": "AVG",
                "Threshold": {"Comparison": "LT", "ThresholdValue": 20.0},
            },
        ],
        "MaxResults": 100,
    }


@pytest.mark.parametrize("level", ["queue", "instance"])
@pytest.mark.parametrize("queues", [1, 100, 101])
def test_every_metric_is_asked_for_with_the_unit_and_statistic_that_aws_has_for_it(level: str, queues: int) -> None:
    instance = stub.Instance(queues=tuple(stub.Queue(f"q{number}", f"Queue {number}") for number in range(queues)))
    seen = set()
    for metrics in metric_sets((*ALL, "CONTACTS_CONSULTED"), range(1, 46)):
        for request in asked(metrics, level, queues):
            params = metric_data.parameters(target(), request)
            assert_shape(params)
            times = {name: params[name].timestamp() for name in ("StartTime", "EndTime")}
            _, understood = rules.historical({**params, **times}, instance, "ResourceNotFoundException", MORNING)
            seen |= set(understood)
    assert len(seen) == 24 + 45


# what is not asked twice


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.fetched: list[Request] = []
        self.held: dict[Request, tuple[float, Answer]] = {}

    def cache(self, good_for: float = 150.0) -> Cache:
        """As each run has one, over what the runs before held."""
        return Cache(good_for, lambda: self.now, self.held)

    async def fetch(self, request: Request) -> Answer:
        self.fetched.append(request)
        return Answer(request, (), snapshot=self.now)

    def ask(self, cache: Cache, request: Request, may_ask: bool = True) -> Answer:
        return asyncio.run(cache.ask(request, self.fetch, may_ask))


(REQUEST,) = asked((Metric("OCCUPANCY"),))
(OTHER,) = asked((Metric("OCCUPANCY"),), "instance")


@given(waits=st.lists(st.integers(1, 400), max_size=12), good_for=st.integers(1, 300))
def test_an_answer_is_never_older_than_it_is_good_for(waits: list[int], good_for: int) -> None:
    clock = Clock()
    last = None
    for wait in waits:
        clock.now += wait
        cache = clock.cache(good_for)
        answer = clock.ask(cache, REQUEST)
        assert answer.snapshot is not None
        assert clock.now - answer.snapshot < good_for
        if last is not None and clock.now - last < good_for:
            assert answer.snapshot == last
        last = answer.snapshot
        assert cache.tidy() == last


def test_the_age_of_a_result_is_that_of_its_oldest_answer_and_what_is_not_used_is_dropped() -> None:
    clock = Clock()
    first = clock.cache()
    clock.ask(first, REQUEST)
    clock.now = 100.0
    clock.ask(first, OTHER)
    assert first.tidy() == 0.0
    second = clock.cache()
    clock.now = 120.0
    clock.ask(second, OTHER)
    assert second.tidy() == 100.0
    assert clock.held.keys() == {OTHER}
    assert clock.cache().tidy() is None
    assert not clock.held


def test_what_is_out_of_reach_is_shown_as_it_was_and_never_asked_for() -> None:
    clock = Clock()
    cache = clock.cache()
    assert clock.ask(cache, REQUEST, may_ask=False) == Answer(REQUEST, ())
    assert clock.ask(cache, OTHER).snapshot == 0.0
    clock.now = 400.0
    assert clock.ask(clock.cache(), OTHER, may_ask=False).snapshot == 0.0
    assert clock.fetched == [OTHER]


def test_what_failed_is_asked_for_again_and_the_answers_beside_it_are_not() -> None:
    clock = Clock()

    async def fail(request: Request) -> Answer:
        raise CallFailed("GetMetricData", Reason.THROTTLED)

    cache = clock.cache()
    clock.ask(cache, REQUEST)
    with pytest.raises(CallFailed):
        asyncio.run(cache.ask(OTHER, fail))
    again = clock.cache()
    clock.ask(again, REQUEST)
    clock.ask(again, OTHER)
    assert clock.fetched == [REQUEST, OTHER]


def test_where_each_run_fails_what_the_others_got_does_not_pile_up() -> None:
    clock = Clock()
    for number in range(100):
        clock.now += 300
        clock.ask(clock.cache(), replace(REQUEST, end=float(number)))
    assert len(clock.held) <= 4
