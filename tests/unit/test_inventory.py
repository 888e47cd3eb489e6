from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.inventory import ENOUGH_FAILURES, account_of, instances, labels, refresh, serve
from exporter.model import CallFailed, Inventory, Reason
from tests.collectors.centre import DENIED, LATE, Centre, instance, target
from tests.unit import simulator_stub as stub

ARN = instance().arn


def refreshed(
    centre: Centre, before: Inventory | None = None, statuses: bool = False, **fields: Any
) -> tuple[Inventory, list[CallFailed]]:
    api = centre.api()
    return asyncio.run(refresh(api.call, api.pages, target(**fields), before or Inventory(), statuses))


def found(centre: Centre, **fields: Any) -> Inventory:
    inventory, failures = refreshed(centre, **fields)
    assert failures == []
    return inventory


# labels


def test_names_shared_by_two_become_their_ids() -> None:
    named = labels([("q1", "Sales"), ("q2", "Sales"), ("q3", "Support")])
    assert named == {"q1": "q1", "q2": "q2", "q3": "Support"}


@pytest.mark.parametrize("name", [None, ""])
def test_what_has_no_name_goes_by_its_id(name: str | None) -> None:
    assert labels([("q1", name)]) == {"q1": "q1"}


def test_names_that_differ_in_lone_surrogates_only_are_shared() -> None:
    assert labels([("q1", "a\ud800"), ("q2", "a\udfff"), ("q3", "b\ud800")]) == {"q1": "q1", "q2": "q2", "q3": "b?"}


def test_a_name_that_is_anothers_id_is_nobodys() -> None:
    assert labels([("q1", "q2"), ("q2", None)]) == {"q1": "q1", "q2": "q2"}


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), st.sampled_from(["a", "b", "x", "y", "", None])))
def test_no_two_ids_ever_have_one_label(named: dict[str, str | None]) -> None:
    found = labels(named.items())
    assert found.keys() == named.keys()
    assert len(set(found.values())) == len(found)


# refresh


def test_everything_an_instance_consists_of() -> None:
    assert found(Centre(instance(queues=2, profiles=1)), statuses=True) == Inventory(
        alias="acme",
        arn=ARN,
        account_id=stub.ACCOUNT,
        queues={"q0": "Queue 0", "q1": "Queue 1"},
        routing_profiles={"p0": "Profile 0"},
        agent_statuses={"s0": "Available", "s1": "Lunch"},
    )


def test_agents_own_queues_are_neither_asked_for_nor_taken() -> None:
    centre = Centre()
    assert set(found(centre).queues or ()) == {"q0", "q1", "q2"}
    (asked,) = centre.asked("ListQueues")
    assert asked["QueueTypes"] == ["STANDARD"]

    async def pages(operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        queues = [{"Id": "q1", "QueueType": "AGENT"}, {"Id": "q2", "QueueType": "STANDARD"}, {"Id": "q3"}]
        return [{key: queues if operation == "ListQueues" else []}]

    inventory, _ = asyncio.run(refresh(centre.api().call, pages, target(), Inventory(), False))
    assert set(inventory.queues or ()) == {"q2", "q3"}


def test_agent_statuses_are_listed_only_on_request() -> None:
    centre = Centre()
    assert found(centre).agent_statuses is None
    assert centre.asked("ListAgentStatuses") == []


def test_an_instance_is_described_for_what_is_not_known_of_it() -> None:
    for fields, calls in (
        ({}, 1),
        ({"arn": ARN}, 1),
        ({"alias": "x"}, 1),
        ({"arn": ARN, "alias": "x"}, 0),
        ({"arn": ARN, "discovered": True}, 0),
    ):
        centre = Centre()
        inventory = found(centre, **fields)
        assert len(centre.asked("DescribeInstance")) == calls
        assert inventory.arn == ARN


def test_an_account_that_is_known_from_the_arn_is_kept_without_asking() -> None:
    inventory = found(Centre(), arn=ARN, alias="x", account_id=stub.ACCOUNT)
    assert (inventory.alias, inventory.arn, inventory.account_id) == (None, ARN, stub.ACCOUNT)
    assert account_of("no arn") == ""


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        ("ListQueues", "queues"),
        ("ListRoutingProfiles", "routing_profiles"),
        ("ListAgentStatuses", "agent_statuses"),
        ("DescribeInstance", "alias"),
    ],
)
@pytest.mark.parametrize("failure", [DENIED, LATE])
def test_a_part_that_can_not_be_had_stays_as_it_was_and_the_others_are_new(
    operation: str, part: str, failure: CallFailed
) -> None:
    centre = Centre(instance(queues=1, profiles=1, alias="old"))
    before = found(centre, statuses=True)
    centre.world.instances = (instance(queues=2, profiles=2, alias="new", statuses=()),)
    centre.failing[operation] = failure
    after, failures = refreshed(centre, before, statuses=True)
    assert failures == [failure]
    assert getattr(after, part) == getattr(before, part)
    changed = {name for name in ("queues", "routing_profiles", "agent_statuses", "alias") if name != part}
    assert all(getattr(after, name) != getattr(before, name) for name in changed)


def test_a_part_that_was_never_had_is_none_rather_than_empty() -> None:
    centre = Centre()
    centre.failing["ListQueues"] = DENIED
    inventory, _ = refreshed(centre)
    assert inventory.queues is None
    assert inventory.routing_profiles is not None
    assert found(Centre(stub.Instance())).queues == {}


@pytest.mark.parametrize("item", [None, "q1", {}, {"Name": "Sales"}, {"Id": ""}, {"Id": None}])
@pytest.mark.parametrize("operation", ["ListQueues", "ListRoutingProfiles", "ListAgentStatuses"])
def test_a_list_of_something_else_is_a_bad_response_and_costs_only_its_part(operation: str, item: object) -> None:
    centre = Centre()

    async def pages(asked: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        return [{key: [{"Id": "q0"}, item if asked == operation else {"Id": "q1"}]}]

    inventory, failures = asyncio.run(refresh(centre.api().call, pages, target(), Inventory(), True))
    assert [(failure.operation, failure.reason) for failure in failures] == [(operation, Reason.BAD_RESPONSE)]
    parts = (inventory.queues, inventory.routing_profiles, inventory.agent_statuses)
    assert [part is None for part in parts].count(True) == 1


@pytest.mark.parametrize("answer", [{}, {"Instance": None}, {"Instance": {"InstanceAlias": "acme"}}])
def test_an_instance_without_an_arn_is_a_bad_response(answer: dict[str, Any]) -> None:
    async def call(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return answer

    inventory, failures = asyncio.run(refresh(call, Centre().api().pages, target(), Inventory(), False))
    assert [failure.reason for failure in failures] == [Reason.BAD_RESPONSE]
    assert (inventory.alias, inventory.arn) == (None, "")


# discovery


def test_instances_that_are_not_active_are_not_found() -> None:
    async def pages(operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        assert params["MaxResults"] <= 10
        return [
            {key: [{"Id": "i1", "InstanceAlias": "a", "Arn": ARN, "InstanceStatus": "ACTIVE"}, {"Id": "i2"}]},
            {key: [{"Id": "i3", "InstanceStatus": "CREATION_IN_PROGRESS"}]},
        ]

    assert asyncio.run(instances(pages)) == [("i1", "a", ARN), ("i2", None, "")]


# what profiles serve


def test_what_each_profile_serves() -> None:
    known = {"gone": frozenset({("q9", "VOICE")})}
    assert asyncio.run(serve(Centre().api().pages, target(), ["p0", "p1"], known)) == []
    assert known == {"p0": frozenset({("q0", "VOICE"), ("q1", "VOICE")}), "p1": frozenset()}


def test_a_profile_that_fails_keeps_what_was_known_and_the_next_is_asked() -> None:
    known = {"p9": frozenset({("q9", "VOICE")})}
    (failure,) = asyncio.run(serve(Centre().api().pages, target(), ["p9", "p0"], known))
    assert failure.reason is Reason.NOT_FOUND
    assert known == {"p9": frozenset({("q9", "VOICE")}), "p0": frozenset({("q0", "VOICE"), ("q1", "VOICE")})}


def test_three_hundred_profiles_that_may_not_be_seen_cost_one_call() -> None:
    centre = Centre()
    centre.failing["ListRoutingProfileQueues"] = DENIED
    known = {"p7": frozenset({("q1", "CHAT")})}
    profiles = [f"p{n}" for n in range(300)]
    assert asyncio.run(serve(centre.api().pages, target(), profiles, known)) == [DENIED]
    assert len(centre.calls) == 1
    assert known == {"p7": frozenset({("q1", "CHAT")})}


def test_three_hundred_profiles_that_hang_are_not_waited_for_one_after_the_other() -> None:
    centre = Centre()
    centre.failing["ListRoutingProfileQueues"] = LATE
    failures = asyncio.run(serve(centre.api().pages, target(), [f"p{n}" for n in range(300)], {}))
    assert failures == [LATE] * ENOUGH_FAILURES
    assert len(centre.calls) == ENOUGH_FAILURES


def test_some_profiles_that_are_gone_cost_no_other() -> None:
    known: dict[str, frozenset[tuple[str, str]]] = {}
    gone = [f"gone{number}" for number in range(ENOUGH_FAILURES - 1)]
    failures = asyncio.run(serve(Centre().api().pages, target(), [*gone, "p0", *gone, "p1"], known))
    assert len(failures) == 2 * len(gone)
    assert known.keys() == {"p0", "p1"}


@pytest.mark.parametrize("item", [None, {}, {"QueueId": "q1"}, {"Channel": "VOICE"}])
def test_an_odd_answer_about_a_profile_keeps_what_was_known(item: object) -> None:
    async def pages(operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        return [{key: [item]}]

    known = {"p0": frozenset({("q1", "CHAT")})}
    (failure,) = asyncio.run(serve(pages, target(), ["p0"], known))
    assert failure.reason is Reason.BAD_RESPONSE
    assert known == {"p0": frozenset({("q1", "CHAT")})}
