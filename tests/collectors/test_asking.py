from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collectors.asking import ask_all, together
from exporter.collectors.refusals import LEVEL_RETRY, MOST_PROBES, Memory
from exporter.model import Answer, CallFailed, Inventory, Reason, Request
from tests.collectors.asked import Aws, Element, cells, good_cells, refused, request

RETRY = 600.0


def level_of(queues: int, level: str = "queue") -> list[Request]:
    """The batches of a level of so many queues."""
    return [request(level, queues=min(100, queues - first), first=first) for first in range(0, queues, 100)]


PROFILES = request("routing_profile", profiles=10)
INSTANCE = request("instance")


@dataclass
class Collector:
    """What refreshes share: AWS, a memory, a clock and an inventory that still lists everything."""

    aws: Aws
    planned: Sequence[Request]
    monotonic: float = 0.0
    memory: Memory = field(default_factory=lambda: Memory(RETRY))
    inventory: Inventory = field(default_factory=Inventory)
    refreshed: int = 0

    def refresh(self, after: float = 15.0) -> list[Answer]:
        """One refresh, so many seconds after the last."""
        self.monotonic += after
        self.aws.calls.clear()
        return asyncio.run(ask_all(self.aws, self.planned, self.memory, self._list, lambda: self.monotonic))

    def refused(self) -> set[Element]:
        return {(refusal.kind, refusal.name) for refusal in self.memory.current()}

    async def _list(self) -> Inventory:
        self.refreshed += 1
        return self.inventory


def answered(answers: Sequence[Answer]) -> set[tuple[str, str, str, str]]:
    found = cells(answer.request for answer in answers)
    assert len(set(found)) == len(found)
    return set(found)


def good(planned: Sequence[Request], bad: set[Element]) -> set[tuple[str, str, str, str]]:
    return {cell for asked in planned for cell in good_cells(asked, bad)}


def test_every_request_is_answered_in_as_many_calls() -> None:
    planned = [*level_of(250), PROFILES, INSTANCE]
    collector = Collector(Aws(), planned)
    assert [answer.request for answer in collector.refresh()] == planned
    assert len(collector.aws.calls) == 5
    assert collector.refused() == set()
    assert collector.refreshed == 0


def test_nothing_planned_is_nothing_asked() -> None:
    assert Collector(Aws(), []).refresh() == []


def test_a_bad_queue_costs_itself_and_is_tried_again_later() -> None:
    bad: set[Element] = {("queue", "q120")}
    collector = Collector(Aws(set(bad)), level_of(250))
    assert answered(collector.refresh()) == good(collector.planned, bad)
    assert collector.refused() == bad

    for _ in range(10):
        assert answered(collector.refresh()) == good(collector.planned, bad)
        assert len(collector.aws.calls) == 3

    assert answered(collector.refresh(RETRY)) == good(collector.planned, bad)
    # Asked in full, then without the one that was bad before.
    assert len(collector.aws.calls) == 4
    assert collector.refused() == bad


def test_a_metric_that_aws_relents_on_comes_back() -> None:
    bad: set[Element] = {("metric", "M2")}
    collector = Collector(Aws(set(bad)), [*level_of(150), PROFILES])
    assert answered(collector.refresh()) == good(collector.planned, bad)
    collector.aws.bad.clear()
    assert answered(collector.refresh()) == good(collector.planned, bad)
    assert answered(collector.refresh(RETRY)) == good(collector.planned, set())
    assert collector.refused() == set()


def test_what_one_batch_taught_is_not_searched_for_in_the_next() -> None:
    collector = Collector(Aws({("metric", "M2")}), [*level_of(1000), PROFILES])
    collector.refresh()
    alone = Collector(Aws({("metric", "M2")}), level_of(100))
    alone.refresh()
    assert len(collector.aws.calls) <= len(alone.aws.calls) + 2 * 10


def test_a_bad_queue_that_is_alone_in_its_batch_costs_the_other_batches_nothing() -> None:
    bad: set[Element] = {("queue", "q100")}
    collector = Collector(Aws(set(bad)), level_of(101))
    for _ in range(5):
        assert answered(collector.refresh()) == good(collector.planned, bad)
        assert collector.refused() == bad
    assert len(collector.aws.calls) == 1


def test_a_batch_of_nothing_but_denied_queues_is_searched_once() -> None:
    bad: set[Element] = {("queue", f"q{number}") for number in range(100, 200)}
    collector = Collector(Aws(set(bad), Reason.ACCESS_DENIED), level_of(300))
    assert answered(collector.refresh()) == good(collector.planned, bad)
    assert collector.refused() == bad
    assert answered(collector.refresh()) == good(collector.planned, bad)
    assert len(collector.aws.calls) == 2


def test_a_deleted_queue_vanishes_from_the_request_and_is_not_reported() -> None:
    deleted: set[Element] = {("queue", "q7")}
    collector = Collector(Aws(set(deleted), Reason.NOT_FOUND), level_of(150))
    collector.inventory = Inventory(queues={f"q{n}": f"q{n}" for n in range(150) if n != 7})
    assert answered(collector.refresh()) == good(collector.planned, deleted)
    assert collector.refused() == set()
    assert collector.refreshed == 1
    assert len(collector.aws.calls) == 3


def test_a_deleted_routing_profile_vanishes_too() -> None:
    deleted: set[Element] = {("routing_profile", "p3")}
    collector = Collector(Aws(set(deleted), Reason.NOT_FOUND), [PROFILES])
    collector.inventory = Inventory(routing_profiles={f"p{n}": f"p{n}" for n in range(10) if n != 3})
    assert answered(collector.refresh()) == good(collector.planned, deleted)
    assert collector.refused() == set()


def test_a_batch_of_which_every_queue_is_gone_is_no_failure() -> None:
    collector = Collector(Aws({("queue", "q0")}, Reason.NOT_FOUND), [request(queues=1)])
    collector.inventory = Inventory(queues={})
    assert collector.refresh() == []
    assert collector.refused() == set()


def test_a_bad_metric_is_found_behind_a_deleted_queue() -> None:
    """Without the queue AWS refuses for another reason, and that one is searched for."""
    gone = refused(Reason.NOT_FOUND)
    collector = Collector(
        Aws({("metric", "M1")}, also=lambda asked: gone if "q7" in asked.queues else None), level_of(100)
    )
    collector.inventory = Inventory(queues={f"q{n}": f"q{n}" for n in range(100) if n != 7})
    found = answered(collector.refresh())
    assert found == good(collector.planned, {("metric", "M1"), ("queue", "q7")})
    assert collector.refused() == {("metric", "M1")}


def test_a_level_that_takes_no_channels_alone_leaves_the_others() -> None:
    planned = [*level_of(150), PROFILES, INSTANCE]
    collector = Collector(Aws(also=lambda asked: refused() if asked.level == "instance" else None), planned)
    for _ in range(4):
        assert answered(collector.refresh()) == good(planned[:-1], set())
        assert collector.refused() == {("level", "instance")}
    assert len(collector.aws.calls) == 3
    assert len(collector.refresh(LEVEL_RETRY)) == 3
    # The level itself, and not more than the suspects of all levels.
    assert len(collector.aws.calls) <= 6
    collector.aws.also = lambda _: None
    assert answered(collector.refresh(LEVEL_RETRY)) == good(planned, set())
    assert collector.refused() == set()


def test_routing_profiles_that_are_denied_leave_the_others_and_come_back_when_granted() -> None:
    planned = [*level_of(150), PROFILES, INSTANCE]
    denied = refused(Reason.ACCESS_DENIED)
    collector = Collector(Aws(also=lambda asked: denied if asked.routing_profiles else None), planned)
    assert answered(collector.refresh()) == good([*level_of(150), INSTANCE], set())
    assert collector.refused() == {("level", "routing_profile")}
    collector.refresh()
    assert len(collector.aws.calls) == 4
    collector.aws.also = lambda _: None
    assert answered(collector.refresh()) == good(planned, set())
    assert collector.refused() == set()


def test_a_denied_instance_costs_a_bounded_number_of_calls_and_not_again_at_every_refresh() -> None:
    planned = [*level_of(1000), PROFILES, INSTANCE]
    denied = refused(Reason.ACCESS_DENIED)
    collector = Collector(Aws(also=lambda _: denied), planned)
    costs = []
    for _ in range(39):
        with pytest.raises(CallFailed) as caught:
            collector.refresh()
        assert caught.value is denied
        costs.append(len(collector.aws.calls))
    assert costs[0] <= len(planned) + 3 * 18
    assert costs[1:] == [len(planned)] * 38


def test_a_right_to_some_of_the_queues_is_found_when_the_search_is_due_again() -> None:
    denied = refused(Reason.ACCESS_DENIED)
    collector = Collector(Aws(also=lambda _: denied), level_of(100))
    for _ in range(10):
        with pytest.raises(CallFailed):
            collector.refresh()
    collector.aws.also = lambda asked: denied if "q5" in asked.queues else None
    with pytest.raises(CallFailed):
        collector.refresh()
    assert answered(collector.refresh(RETRY)) == good(collector.planned, {("queue", "q5")})
    assert collector.refused() == {("queue", "q5")}


def test_what_is_refused_whole_keeps_failing_and_never_turns_into_an_empty_success() -> None:
    collector = Collector(Aws({("queue", "q0")}), [request(metrics=1, queues=1, channels=1)])
    for after in (15.0, 15.0, LEVEL_RETRY, 15.0, RETRY, 15.0):
        with pytest.raises(CallFailed) as caught:
            collector.refresh(after)
        assert caught.value.reason is Reason.INVALID_REQUEST


def test_queues_refused_one_after_the_other_until_none_is_left_are_a_failure() -> None:
    collector = Collector(Aws({("queue", "q0")}), [request(queues=2)])
    collector.refresh()
    collector.aws.bad.add(("queue", "q1"))
    for _ in range(4):
        with pytest.raises(CallFailed):
            collector.refresh()


@pytest.mark.parametrize("reason", [Reason.THROTTLED, Reason.TIMEOUT, Reason.CONNECTION, Reason.SERVER_ERROR])
def test_a_passing_failure_of_one_request_fails_them_all_and_stops_the_others(reason: Reason) -> None:
    ended: list[str] = []

    async def ask(asked: Request) -> Answer:
        if asked.level == "instance":
            await asyncio.sleep(0)
            raise refused(reason)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(asked.level)
            raise
        return Answer(asked, ())

    async def refresh() -> Inventory:
        return Inventory()

    planned = [*level_of(200), INSTANCE]
    with pytest.raises(CallFailed) as caught:
        asyncio.run(ask_all(ask, planned, Memory(RETRY), refresh, lambda: 0.0))
    assert caught.value.reason is reason
    assert ended == ["queue", "queue"]


def test_a_failure_in_the_midst_of_a_search_leaves_no_suspicion() -> None:
    collector = Collector(Aws({("metric", "M1")}), level_of(50))
    collector.aws.also = lambda _: refused(Reason.THROTTLED) if len(collector.aws.calls) > 3 else None
    with pytest.raises(CallFailed) as caught:
        collector.refresh()
    assert caught.value.reason is Reason.THROTTLED
    assert collector.refused() == set()


def test_a_call_that_was_never_sent_is_no_refusal() -> None:
    """botocore's own validation gives no code of AWS: nothing to search for."""
    collector = Collector(Aws(also=lambda _: CallFailed("Op", Reason.INVALID_REQUEST, "", "too long")), level_of(50))
    with pytest.raises(CallFailed):
        collector.refresh()
    assert len(collector.aws.calls) == 1


def test_the_first_failure_is_raised_as_itself_and_an_end_from_outside_ends_all() -> None:
    async def fail(after: int) -> str:
        for _ in range(after):
            await asyncio.sleep(0)
        raise refused(message=str(after))

    async def scenario() -> None:
        with pytest.raises(CallFailed, match=r"Exception: 1\)"):
            await together([fail(3), fail(1), fail(2)])
        task = asyncio.create_task(together([asyncio.Event().wait(), asyncio.Event().wait()]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())


@given(
    queues=st.integers(1, 250),
    bad_queues=st.sets(st.integers(0, 249), max_size=3),
    bad_metrics=st.sets(st.integers(0, 3), max_size=2),
    reason=st.sampled_from([Reason.INVALID_REQUEST, Reason.NOT_FOUND]),
)
def test_the_next_refresh_asks_for_what_the_last_one_found_good(
    queues: int, bad_queues: set[int], bad_metrics: set[int], reason: Reason
) -> None:
    """Whatever is bad: what is asked for is at most once and good, and after a search the memory spares the next."""
    bad: set[Element] = {("queue", f"q{n}") for n in bad_queues if n < queues} | {
        ("metric", f"M{n}") for n in bad_metrics
    }
    planned = [*level_of(queues), PROFILES]
    collector = Collector(Aws(bad, reason), planned)
    try:
        first = answered(collector.refresh())
    except CallFailed:
        first = set()
    assert len(collector.aws.calls) <= len(planned) * (MOST_PROBES + 1)
    assert first <= good(planned, bad)
    assert (
        first == good(planned, bad)
        or len({kind for kind, _ in bad}) == 2
        or reason is Reason.NOT_FOUND
        or (bad and not good(planned, bad))
    )
    try:
        second = answered(collector.refresh())
    except CallFailed:
        second = set()
    assert first <= second
    if first == good(planned, bad):
        assert len(collector.aws.calls) <= len(planned)


def test_a_level_that_was_whole_is_given_up_only_when_two_refreshes_find_it_refused() -> None:
    queues = level_of(3)
    collector = Collector(Aws(), [*queues, PROFILES])
    collector.refresh()
    denied = refused(Reason.ACCESS_DENIED)
    collector.aws.also = lambda asked: denied if asked.level == "queue" else None
    with pytest.raises(CallFailed):
        collector.refresh()
    assert {answer.request.level for answer in collector.refresh()} == {"routing_profile"}
    assert ("level", "queue") in collector.refused()
    collector.aws.also = lambda _: None
    assert answered(collector.refresh()) == good([*queues, PROFILES], set())
    assert collector.refused() == set()
