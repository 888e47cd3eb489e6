from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collectors.refusals import KINDS, LEVEL_RETRY, MOST_PROBES, SAMPLES, Memory, names_of, salvage, without
from exporter.model import Answer, CallFailed, Metric, Reason, Refusal, Request
from tests.collectors.asked import Aws, Element, cells, elements, good_cells, refused, request


def rescue(aws: Aws, asked: Request, **options: object) -> tuple[list[Answer], set[Element]]:
    answers, refusals = asyncio.run(salvage(aws, asked, refused(aws.reason), **options))  # type: ignore[arg-type]
    named = [(refusal.kind, refusal.name) for refusal in refusals]
    assert len(set(named)) == len(named)
    return answers, set(named)


def answered(answers: list[Answer]) -> list[tuple[str, str, str, str]]:
    return cells(answer.request for answer in answers)


# what a search finds


@pytest.mark.parametrize("kind", KINDS)
def test_one_bad_element_costs_only_itself(kind: str) -> None:
    asked = request(queues=100) if kind != "routing_profile" else request("routing_profile", profiles=100)
    for name in names_of(asked, kind):
        aws = Aws({(kind, name)})
        answers, bad = rescue(aws, asked)
        assert bad == {(kind, name)}
        assert set(answered(answers)) == good_cells(asked, bad)
        assert len(aws.calls) <= 34


@pytest.mark.parametrize("name", [f"q{number}" for number in (0, 49, 50, 99)])
def test_a_queue_that_is_denied_is_found_without_doubting_metrics(name: str) -> None:
    aws = Aws({("queue", name)}, Reason.ACCESS_DENIED)
    asked = request(queues=100)
    answers, bad = rescue(aws, asked)
    assert bad == {("queue", name)}
    assert set(answered(answers)) == good_cells(asked, bad)
    assert {len(call.metrics) for call in aws.calls} == {4}


def test_the_usual_suspects_cost_a_call_each() -> None:
    asked = Request("queue", (Metric("M0"), Metric("ESTIMATED_WAIT_TIME")), ("QUEUE",), ("VOICE", "EMAIL"), ("q0",))
    for suspect, calls in ((("metric", "ESTIMATED_WAIT_TIME"), 1), (("channel", "EMAIL"), 2)):
        aws = Aws({suspect})
        assert rescue(aws, asked)[1] == {suspect}
        assert len(aws.calls) == calls


def test_an_old_region_may_refuse_both_of_the_usual_suspects() -> None:
    asked = Request(
        "queue", (Metric("M0"), Metric("ESTIMATED_WAIT_TIME")), ("QUEUE",), ("VOICE", "EMAIL"), ("q0", "q1")
    )
    bad = {("metric", "ESTIMATED_WAIT_TIME"), ("channel", "EMAIL")}
    answers, found = rescue(Aws(bad), asked)
    assert found == bad
    assert set(answered(answers)) == good_cells(asked, bad)


def test_a_bad_queue_is_found_where_a_usual_suspect_is_bad_too() -> None:
    asked = Request(
        "queue",
        (*(Metric(f"M{n}") for n in range(13)), Metric("ESTIMATED_WAIT_TIME")),
        ("QUEUE", "CHANNEL"),
        ("VOICE", "CHAT", "TASK", "EMAIL"),
        tuple(f"q{n}" for n in range(100)),
    )
    bad = {("metric", "ESTIMATED_WAIT_TIME"), ("queue", "q77")}
    answers, found = rescue(Aws(bad), asked)
    assert found == bad
    assert set(answered(answers)) == good_cells(asked, bad)


def test_innocent_suspects_are_acquitted() -> None:
    asked = request(queues=10)
    aws = Aws({("queue", "q3")})
    suspects = [("queue", "q2"), ("queue", "q3"), ("queue", "q4"), ("metric", "M1"), ("queue", "elsewhere")]
    answers, bad = rescue(aws, asked, suspects=suspects)
    assert bad == {("queue", "q3")}
    assert set(answered(answers)) == good_cells(asked, bad)
    assert len(answers) == 1


def test_more_suspects_than_probes_still_leave_what_was_answered() -> None:
    asked = request(queues=100)
    bad: set[Element] = {("queue", f"q{number}") for number in range(80)}
    aws = Aws(bad)
    answers, found = rescue(aws, asked, suspects=tuple(bad))
    assert found == bad
    assert set(answered(answers)) == good_cells(asked, bad)
    assert len(aws.calls) <= MOST_PROBES


def test_no_search_is_made_where_only_suspects_are_to_be_tried() -> None:
    aws = Aws({("channel", "VOICE")})
    with pytest.raises(CallFailed):
        rescue(aws, request("instance"), thorough=False)
    assert len(aws.calls) == 1
    assert rescue(Aws({("channel", "EMAIL")}), request("instance"), thorough=False)[1] == {("channel", "EMAIL")}


@pytest.mark.parametrize("reason", [Reason.THROTTLED, Reason.TIMEOUT, Reason.SERVER_ERROR, Reason.CREDENTIALS])
def test_a_failure_that_is_no_refusal_ends_the_search_at_once(reason: Reason) -> None:
    aws = Aws(also=lambda asked: refused(reason) if len(asked.metrics) < 4 else refused())
    with pytest.raises(CallFailed) as caught:
        rescue(aws, request(queues=10))
    assert caught.value.reason is reason


@pytest.mark.parametrize("reason", [Reason.INVALID_REQUEST, Reason.ACCESS_DENIED, Reason.NOT_FOUND])
def test_where_everything_is_refused_the_first_failure_comes_back_after_a_bounded_number_of_calls(
    reason: Reason,
) -> None:
    aws = Aws(also=lambda _: refused(reason, "something else"), reason=reason)
    asked = request(metrics=14, queues=100)
    failure = refused(reason)
    with pytest.raises(CallFailed) as caught:
        asyncio.run(salvage(aws, asked, failure))
    assert caught.value is failure
    assert len(aws.calls) <= (MOST_PROBES if reason is Reason.INVALID_REQUEST else 18)


@pytest.mark.parametrize("size", [1, 12, 100])
def test_a_refusal_that_is_for_no_element_is_told_after_few_calls(size: int) -> None:
    aws = Aws(also=lambda _: refused())
    asked = Request(
        "queue",
        (*(Metric(f"M{n}") for n in range(13)), Metric("ESTIMATED_WAIT_TIME")),
        ("QUEUE", "CHANNEL"),
        ("VOICE", "CHAT", "TASK", "EMAIL"),
        tuple(f"q{n}" for n in range(size)),
    )
    failure = refused()
    with pytest.raises(CallFailed) as caught:
        asyncio.run(salvage(aws, asked, failure))
    assert caught.value is failure
    assert len(aws.calls) <= 3 + SAMPLES


@st.composite
def spoiled(draw: st.DrawFn, kinds: int) -> tuple[Request, set[Element]]:
    by_profile = draw(st.booleans())
    size = draw(st.integers(1, 100))
    asked = request(
        "routing_profile" if by_profile else "queue",
        metrics=draw(st.integers(1, 14)),
        queues=0 if by_profile else size,
        profiles=size if by_profile else 0,
        channels=draw(st.integers(1, 4)),
    )
    held = sorted({kind for kind, _ in elements(asked)})
    chosen = draw(st.lists(st.sampled_from(held), min_size=1, max_size=kinds, unique=True))
    bad: set[Element] = set()
    for kind in chosen:
        names = names_of(asked, kind)
        most = max(1, min(len(names), 8))
        bad |= {(kind, name) for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=most, unique=True))}
    return asked, bad


@given(spoiled(kinds=1), st.sampled_from([Reason.INVALID_REQUEST, Reason.ACCESS_DENIED, Reason.NOT_FOUND]))
def test_of_one_kind_exactly_what_is_bad_is_left_out(case: tuple[Request, set[Element]], reason: Reason) -> None:
    asked, bad = case
    aws = Aws(bad, reason)
    try:
        answers, found = rescue(aws, asked)
    except CallFailed:
        # Nothing good was left, or it was not found within the bound, or its kind is beyond suspicion.
        assert len(aws.calls) <= MOST_PROBES
        assert beyond_a_search(asked, bad, reason, len(aws.calls))
        return
    assert found == bad
    assert set(answered(answers)) == good_cells(asked, bad)
    assert len(answered(answers)) == len(set(answered(answers)))
    assert len(aws.calls) <= MOST_PROBES


def beyond_a_search(asked: Request, bad: set[Element], reason: Reason, calls: int) -> bool:
    kind = next(iter(bad))[0]
    if not good_cells(asked, bad) or calls == MOST_PROBES:
        return True
    names = names_of(asked, kind)
    sampled = {names[n * (len(names) - 1) // (SAMPLES - 1)] for n in range(SAMPLES)}
    if reason is Reason.INVALID_REQUEST and all((kind, name) in bad for name in sampled):
        return True
    if kind in ("metric", "channel"):
        return reason is not Reason.INVALID_REQUEST
    # Of 100 queues a search goes down to an eighth: each eighth holds one that is bad.
    parts = [names[len(names) * n // 8 : len(names) * (n + 1) // 8] for n in range(8)]
    return all(any((kind, name) in bad for name in part) for part in parts if part)


@given(spoiled(kinds=3))
def test_whatever_is_bad_nothing_good_is_reported_and_nothing_is_answered_twice(
    case: tuple[Request, set[Element]],
) -> None:
    asked, bad = case
    aws = Aws(bad)
    try:
        answers, found = rescue(aws, asked)
    except CallFailed:
        pass
    else:
        assert found <= bad
        assert set(answered(answers)) <= good_cells(asked, bad)
        assert len(answered(answers)) == len(set(answered(answers)))
        assert set(answered(answers)) == good_cells(asked, found)
    assert len(aws.calls) <= MOST_PROBES


# what is remembered


def memory_of(*refusals: Refusal, at: float = 0.0) -> Memory:
    memory = Memory(retry_after=600.0)
    memory.remember(refusals, at)
    return memory


def refusal(kind: str, name: str, level: str = "queue", reason: Reason = Reason.INVALID_REQUEST) -> Refusal:
    return Refusal(level, kind, name, reason, "no")


def test_a_refused_element_is_left_out_until_it_is_tried_again() -> None:
    memory = memory_of(refusal("metric", "M1"), refusal("queue", "q1"))
    asked = request(queues=3)
    reduced = memory.reduce(asked, 599.0)
    assert reduced is not None
    assert [metric.name for metric in reduced.metrics] == ["M0", "M2", "M3"]
    assert reduced.queues == ("q0", "q2")
    assert memory.reduce(asked, 600.0) == asked


def test_what_one_level_was_refused_is_left_in_at_the_others() -> None:
    memory = memory_of(refusal("metric", "M1"))
    asked = request("routing_profile", profiles=3)
    assert memory.reduce(asked, 1.0) == asked


def test_a_request_of_which_nothing_is_left_is_not_asked() -> None:
    memory = memory_of(*(refusal("queue", f"q{number}") for number in range(3)))
    assert memory.reduce(request(queues=3), 1.0) is None


def test_a_level_refused_as_invalid_is_left_out_for_a_minute_but_a_denied_one_is_asked_for() -> None:
    asked = request("instance")
    invalid = memory_of(refusal("level", "instance", "instance"))
    assert invalid.reduce(asked, LEVEL_RETRY - 1) is None
    assert invalid.reduce(asked, LEVEL_RETRY) == asked
    denied = memory_of(refusal("level", "instance", "instance", Reason.ACCESS_DENIED))
    assert denied.reduce(asked, 1.0) == asked
    assert denied.searched("instance", 599.0)
    assert not denied.searched("instance", 600.0)


def test_an_answer_clears_everything_that_was_in_its_request() -> None:
    memory = memory_of(refusal("queue", "q1"), refusal("queue", "q9"), refusal("level", "queue"))
    memory.answered([request(queues=3)])
    assert [kept.name for kept in memory.current()] == ["q9"]


def test_what_is_no_longer_planned_is_forgotten() -> None:
    memory = memory_of(refusal("queue", "q1"), refusal("queue", "gone"), refusal("metric", "M1", "instance"))
    memory.keep_only([request(queues=3)])
    assert [kept.name for kept in memory.current()] == ["q1"]


@given(spoiled(kinds=3))
def test_without_leaves_out_what_it_is_told_and_nothing_else(case: tuple[Request, set[Element]]) -> None:
    asked, bad = case
    less = without(asked, bad)
    if less is None:
        assert any(set(names_of(asked, kind)) <= {n for k, n in bad if k == kind} for kind, _ in bad)
    else:
        assert elements(less) == elements(asked) - bad
        assert set(cells([less])) == good_cells(asked, bad)
