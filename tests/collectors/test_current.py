from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from exporter import mapping
from exporter.aws.gateway import Gateway
from exporter.aws.limiter import Limiter
from exporter.aws.sessions import Sessions
from exporter.catalogue import CURRENT
from exporter.collectors import Context, current, wire
from exporter.collectors.current import Options, metric_names, plan
from exporter.collectors.refusals import Memory
from exporter.inventory import refresh
from exporter.model import Access, CallFailed, Inventory, Metric, Names, Quota, Reason, Request, Result, Target
from exporter.simulator.faults import Fault, Faults
from exporter.simulator.identity import access_key_id
from exporter.simulator.server import Simulator
from exporter.telemetry import Telemetry
from tests.collectors.centre import Floor, instance, target
from tests.unit import simulator_stub as stub

LEVELS = ("queue", "routing_profile", "instance")
EVERY_LEVEL = (*LEVELS, "agent_status", "queue_all_channels")
METRICS = metric_names(("all",))


def named(prefix: str, number: int) -> dict[str, str]:
    return {f"{prefix}{n:03}": f"{prefix} {n:03}" for n in range(number)}


def planned(
    queues: int = 3,
    profiles: int = 3,
    levels: tuple[str, ...] = LEVELS,
    metrics: tuple[str, ...] = METRICS,
    **fields: Any,
) -> list[Request]:
    known = Inventory(queues=named("q", queues), routing_profiles=named("p", profiles))
    return list(plan(target(**fields), known, Options(levels, metrics, "served")))


def at(level: str, requests: list[Request]) -> list[Request]:
    return [request for request in requests if request.level == level]


def names(request: Request) -> set[str]:
    return {metric.name for metric in request.metrics}


# the plan


@pytest.mark.parametrize(
    ("number", "batches"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_a_level_takes_a_request_for_each_hundred(number: int, batches: list[int]) -> None:
    requests = planned(queues=number, profiles=number)
    assert [len(request.queues) for request in at("queue", requests)] == batches
    assert [len(request.routing_profiles) for request in at("routing_profile", requests)] == batches
    assert len(at("instance", requests)) == 1
    for level in ("queue", "routing_profile"):
        asked = [i for request in at(level, requests) for i in (*request.queues, *request.routing_profiles)]
        assert len(set(asked)) == len(asked) == number


def test_no_request_filters_by_queues_and_profiles_both_and_all_name_their_channels() -> None:
    requests = planned(queues=250, profiles=250, levels=EVERY_LEVEL, channels=("VOICE", "CHAT"))
    assert requests
    for request in requests:
        assert not (request.queues and request.routing_profiles)
        assert request.channels == ("VOICE", "CHAT")


@pytest.mark.parametrize(("number", "filtered"), [(1, 1), (100, 100), (101, 0), (250, 0)])
def test_the_instance_level_names_its_queues_as_long_as_one_filter_can(number: int, filtered: int) -> None:
    (request,) = at("instance", planned(queues=number))
    assert len(request.queues) == filtered
    assert request.groupings == ()


def test_where_every_queue_is_filtered_out_nothing_is_asked_of_queues_or_instance() -> None:
    known = Inventory(queues=named("q", 3), routing_profiles=named("p", 3))
    nobody = target(queues=Names(include=(re.compile("none"),)))
    requests = plan(nobody, known, Options(LEVELS, METRICS, "served"))
    assert {request.level for request in requests} == {"routing_profile"}


def test_only_what_is_meant_is_asked_for() -> None:
    meant = Names(include=(re.compile("q 00.*"),), exclude=(re.compile("q 005"),))
    known = Inventory(queues=named("q", 50), routing_profiles=named("p", 50))
    wanted = target(queues=meant, routing_profiles=Names(exclude=(re.compile(".*[1-9]"),)))
    requests = list(plan(wanted, known, Options(LEVELS, METRICS, "served")))
    assert at("queue", requests)[0].queues == tuple(f"q{n:03}" for n in range(10) if n != 5)
    assert at("instance", requests)[0].queues == at("queue", requests)[0].queues
    assert at("routing_profile", requests)[0].routing_profiles == tuple(f"p{n:03}" for n in range(0, 50, 10))


def test_a_part_of_the_inventory_that_is_not_known_is_not_asked_for() -> None:
    options = Options(LEVELS, METRICS, "served")
    assert {r.level for r in plan(target(), Inventory(queues=named("q", 3)), options)} == {"queue", "instance"}
    assert {r.level for r in plan(target(), Inventory(routing_profiles=named("p", 3)), options)} == {
        "routing_profile",
        "instance",
    }


def test_the_oldest_contact_age_is_asked_for_grouped_only() -> None:
    requests = planned(levels=EVERY_LEVEL)
    assert {r.level for r in requests if "OLDEST_CONTACT_AGE" in names(r)} >= {"queue", "routing_profile"}
    assert all(r.groupings for r in requests if "OLDEST_CONTACT_AGE" in names(r))


def test_for_the_instances_oldest_contact_age_alone_the_queues_are_asked_for_nothing_else() -> None:
    requests = planned(levels=("instance",))
    assert [names(request) for request in at("queue", requests)] == [{"OLDEST_CONTACT_AGE"}]
    assert at("queue", planned(levels=("instance",), metrics=("AGENTS_ONLINE",))) == []
    assert [r.level for r in planned(levels=("instance",), metrics=("OLDEST_CONTACT_AGE",))] == ["queue"]


def test_the_estimated_wait_time_is_asked_for_by_queue_and_channel_only() -> None:
    asked = {r.groupings for r in planned(levels=EVERY_LEVEL) if "ESTIMATED_WAIT_TIME" in names(r)}
    assert asked == {("QUEUE", "CHANNEL")}


def test_all_is_every_metric_but_the_old_name_which_can_be_listed_beside_it() -> None:
    everything = {spec.api for spec in CURRENT}
    assert set(METRICS) == everything - {"AGENTS_ON_CALL"}
    assert set(metric_names(("all", "AGENTS_ON_CALL"))) == everything
    assert metric_names(("AGENTS_ONLINE", "AGENTS_ON_CALL")) == ("AGENTS_ONLINE", "AGENTS_ON_CALL")


def test_agent_statuses_are_asked_for_by_queue_with_agents_online_alone() -> None:
    requests = planned(queues=101, levels=("agent_status",))
    assert [(r.groupings, names(r), len(r.queues)) for r in requests] == [
        (("QUEUE", "AGENT_STATUS"), {"AGENTS_ONLINE"}, 100),
        (("QUEUE", "AGENT_STATUS"), {"AGENTS_ONLINE"}, 1),
    ]
    assert planned(levels=("agent_status",), metrics=("SLOTS_ACTIVE",)) == []


def test_queues_over_all_channels_are_grouped_by_queue() -> None:
    (request,) = planned(levels=("queue_all_channels",))
    assert request.groupings == ("QUEUE",)
    assert "AGENTS_ONLINE" in names(request)


def test_batches_stay_the_same_while_queues_do() -> None:
    known = named("q", 250)
    turned = dict(reversed(known.items()))
    options = Options(("queue",), METRICS, "served")
    assert list(plan(target(), Inventory(queues=known), options)) == list(
        plan(target(), Inventory(queues=turned), options)
    )


# answers of odd shapes


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"MetricResults": None},
        {"MetricResults": [None]},
        {"MetricResults": ["row"]},
        {"MetricResults": [{"Dimensions": ["VOICE"]}]},
        {"MetricResults": [{"Dimensions": {"Queue": "q1"}}]},
        {"MetricResults": [{"Collections": [None]}]},
        {"MetricResults": [{"Collections": [{"Metric": {"Name": "AGENTS_ONLINE"}, "Value": "many"}]}]},
        {"MetricResults": [{"Collections": [{"Metric": {"Name": "X", "Threshold": {"ThresholdValue": "x"}}}]}]},
    ],
)
def test_an_answer_of_another_shape_is_a_bad_response(page: dict[str, Any]) -> None:
    with pytest.raises(CallFailed) as caught:
        wire.rows("GetCurrentMetricData", [page])
    assert caught.value.reason is Reason.BAD_RESPONSE


def test_a_value_that_is_missing_or_null_is_none_and_an_arn_stands_in_for_an_id() -> None:
    online, oldest = {"Name": "AGENTS_ONLINE", "Unit": "COUNT"}, {"Name": "OLDEST_CONTACT_AGE", "Unit": "SECONDS"}
    queue = {"Arn": "arn:aws:connect:us-east-1:1:instance/i/queue/q1"}
    collections = [{"Metric": online}, {"Metric": oldest, "Value": None}, {}, {"Metric": None, "Value": 1.0}]
    (row,) = wire.rows("Op", [{"MetricResults": [{"Dimensions": {"Queue": queue}, "Collections": collections}]}])
    assert row.dimensions == {"QUEUE": "q1"}
    assert row.values == {Metric("AGENTS_ONLINE"): None, Metric("OLDEST_CONTACT_AGE"): None}


def test_rows_without_dimensions_and_collections_are_rows() -> None:
    (row,) = wire.rows("Op", [{"MetricResults": [{}]}])
    assert (row.dimensions, row.values) == ({}, {})


# with the simulator, over HTTP


@pytest.fixture(scope="module")
def sessions() -> Iterator[Sessions]:
    made = Sessions(renew_after=1e9)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key_id(stub.ACCOUNT))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


HOSTILE = ['say "no"', "back\\slash", "two\nlines", "naïve ☎ café", "\u2028", "{braces}", "a=b,c", " ", "# HELP", "NaN"]


def collected(
    sessions: Sessions,
    simulator: Simulator,
    options: Options,
    refreshes: int = 1,
    between: Any = None,
    target_fields: Mapping[str, Any] | None = None,
) -> list[Result | CallFailed]:
    """So many refreshes against a running simulator, with the inventory as it was before the first."""

    async def main() -> list[Result | CallFailed]:
        gateway = Gateway(sessions=sessions, limiter=Limiter(), observer=Telemetry(), attempts=1)
        access = Access(stub.REGION, endpoint_url=simulator.url)
        wanted = target(access=access, **(target_fields or {}))

        async def call(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
            return await gateway.call(access, operation, params, quota=Quota(1e6, 1e6))

        async def pages(operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
            return await gateway.pages(access, operation, params, key=key, quota=Quota(1e6, 1e6))

        async def listed() -> Inventory:
            return (await refresh(call, pages, wanted, Inventory(), True))[0]

        try:
            known, memory, results = await listed(), Memory(600.0), list[Result | CallFailed]()
            for number in range(refreshes):
                if number and between:
                    between()
                context = Context(wanted, "acme", known, pages, listed, lambda: 0.0, lambda: 0.0, memory)
                try:
                    results.append(await current.collect(context, options))
                except CallFailed as failure:
                    results.append(failure)
            return results
        finally:
            gateway.close()

    return asyncio.run(main())


def result(outcome: Result | CallFailed) -> Result:
    assert isinstance(outcome, Result)
    return outcome


def values(outcome: Result | CallFailed, name: str) -> dict[tuple[str, ...], float]:
    return {sample.labels: sample.value for sample in result(outcome).samples if sample.name == name}


def test_130_queues_with_hostile_names_come_out_value_by_value(sessions: Sessions) -> None:
    queues = tuple(stub.Queue(f"q{n}", f"{HOSTILE[n % len(HOSTILE)]} {n}") for n in range(130))
    world = stub.World(instances=(stub.instance(queues=queues),))
    with stub.simulated(world) as simulator:
        (outcome,) = collected(sessions, simulator, Options(("queue",), ("CONTACTS_IN_QUEUE",), "off"))
    # The stub numbers the rows of each request, and a request holds a hundred queues in the order of their names.
    by_name = sorted(queue.name or "" for queue in queues)
    expected = {
        ("acme", name, channel): float(4 * (place % 100) + number)
        for place, name in enumerate(by_name)
        for number, channel in enumerate(("VOICE", "CHAT", "TASK", "EMAIL"))
    }
    assert values(outcome, "amazon_connect_queue_contacts_in_queue") == expected


def test_every_level_and_metric_is_accepted_and_becomes_its_family(sessions: Sessions) -> None:
    with stub.simulated(stub.World(instances=(instance(queues=5),))) as simulator:
        (outcome,) = collected(
            sessions, simulator, Options(EVERY_LEVEL, metric_names(("all", "AGENTS_ON_CALL")), "off")
        )
        assert {served.status for served in simulator.requests} == {200}
    published = {sample.name for sample in result(outcome).samples}
    assert published == {spec.name for spec in CURRENT} | {"amazon_connect_data_snapshot_timestamp_seconds"}
    assert values(outcome, "amazon_connect_data_snapshot_timestamp_seconds") == {
        ("acme", level): stub.NOW for level in EVERY_LEVEL
    }
    assert set(values(outcome, "amazon_connect_agent_status_agents_online")) == {
        ("acme", f"Queue {n}", status) for n in range(5) for status in ("Available", "s2")
    }


def test_the_instances_oldest_contact_age_is_that_of_its_queues_in_seconds(sessions: Sessions) -> None:
    world = stub.World(instances=(instance(queues=5),))
    with stub.simulated(world) as simulator:
        (outcome,) = collected(sessions, simulator, Options(("instance",), METRICS, "off"))
    assert values(outcome, "amazon_connect_instance_oldest_contact_age_seconds") == {("acme",): 5 * 4 - 1}
    assert not values(outcome, "amazon_connect_queue_oldest_contact_age_seconds")
    assert values(outcome, "amazon_connect_data_snapshot_timestamp_seconds") == {("acme", "instance"): stub.NOW}


def test_nulls_give_no_series_and_the_rest_does(sessions: Sessions) -> None:
    world = stub.World(instances=(instance(),), values={"AGENTS_ONLINE": None})
    with stub.simulated(world) as simulator:
        (outcome,) = collected(sessions, simulator, Options(("queue",), METRICS, "all"))
    assert values(outcome, "amazon_connect_queue_agents_online") == {}
    assert len(values(outcome, "amazon_connect_queue_agents_staffed")) == 3 * 4


def test_a_refused_metric_costs_itself_at_every_level_that_asks_for_it(sessions: Sessions) -> None:
    faults = Faults(Fault("refuse_metric", metric="SLOTS_ACTIVE"))
    with stub.simulated(stub.World(instances=(instance(),)), faults=faults) as simulator:
        first, second = collected(sessions, simulator, Options(LEVELS, METRICS, "off"), refreshes=2)
        last = [served for served in simulator.requests if served.operation == "GetCurrentMetricData"][-3:]
    assert {served.status for served in last} == {200}
    for outcome in (first, second):
        assert {(refusal.kind, refusal.name) for refusal in result(outcome).refusals} == {("metric", "SLOTS_ACTIVE")}
        published = {sample.name for sample in result(outcome).samples}
        assert {f"amazon_connect_{level}_agents_online" for level in LEVELS} <= published
        assert not {name for name in published if "slots_active" in name}


def test_a_queue_that_was_deleted_since_the_list_was_made_costs_nobody_else(sessions: Sessions) -> None:
    world = stub.World(instances=(instance(queues=30),))

    def delete() -> None:
        world.instances = (instance(queues=29),)

    with stub.simulated(world) as simulator:
        before, after = collected(
            sessions, simulator, Options(("queue",), ("AGENTS_ONLINE",), "off"), refreshes=2, between=delete
        )
    assert len(values(before, "amazon_connect_queue_agents_online")) == 30 * 4
    assert len(values(after, "amazon_connect_queue_agents_online")) == 29 * 4
    assert result(after).refusals == ()


def test_more_than_a_hundred_queues_still_have_an_instance_level_or_do_without(sessions: Sessions) -> None:
    world = stub.World(instances=(instance(queues=120),))
    options = Options(("queue", "instance"), ("AGENTS_ONLINE",), "off")
    with stub.simulated(world) as simulator:
        (outcome,) = collected(sessions, simulator, options)
        assert len(values(outcome, "amazon_connect_instance_agents_online")) == 1
        simulator.faults.add(Fault("refuse_channels"))
        (outcome,) = collected(sessions, simulator, options)
    assert values(outcome, "amazon_connect_instance_agents_online") == {}
    assert len(values(outcome, "amazon_connect_queue_agents_online")) == 120 * 4
    assert [(refusal.kind, refusal.name) for refusal in result(outcome).refusals] == [("level", "instance")]


def test_one_throttled_request_fails_the_refresh(sessions: Sessions) -> None:
    faults = Faults(Fault("throttle", operation="GetCurrentMetricData", times=1))
    with stub.simulated(stub.World(instances=(instance(),)), faults=faults) as simulator:
        first, second = collected(sessions, simulator, Options(LEVELS, METRICS, "off"), refreshes=2)
    assert isinstance(first, CallFailed)
    assert first.reason is Reason.THROTTLED
    assert isinstance(second, Result)


def test_idle_queues_are_zero_where_a_profile_serves_them_and_absent_elsewhere(sessions: Sessions) -> None:
    world = Floor(instances=(instance(queues=3),), idle={"q1", "q2"})
    served = frozenset({("q1", "VOICE")})
    with stub.simulated(world) as simulator:
        (outcome,) = collected(sessions, simulator, Options(("queue",), METRICS, "off"))
        assert {labels[1] for labels in values(outcome, "amazon_connect_queue_agents_online")} == {"Queue 0"}

        async def main() -> list[Any]:
            gateway = Gateway(sessions=sessions, limiter=Limiter(), observer=Telemetry())
            access = Access(stub.REGION, endpoint_url=simulator.url)

            async def pages(operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
                return await gateway.pages(access, operation, params, key=key)

            known = Inventory(queues={f"q{n}": f"Queue {n}" for n in range(3)}, served=served)
            try:
                wanted: Target = target(access=access)
                request = next(plan(wanted, known, Options(("queue",), METRICS, "served")))
                answer = await current.ask(pages, wanted, request)
                return list(current.samples([answer], Options(("queue",), METRICS, "served"), "acme", known))
            finally:
                gateway.close()

        found = {(s.name, s.labels): s.value for s in mapping.without_doubles(asyncio.run(main()))}
    queue = "amazon_connect_queue_"
    assert found[queue + "agents_online", ("acme", "Queue 1", "VOICE")] == 0
    assert (queue + "agents_online", ("acme", "Queue 1", "CHAT")) not in found
    assert (queue + "agents_online", ("acme", "Queue 2", "VOICE")) not in found
    assert (queue + "oldest_contact_age_seconds", ("acme", "Queue 1", "VOICE")) not in found
