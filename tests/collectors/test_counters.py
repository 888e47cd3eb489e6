from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.board import Entry, families
from exporter.catalogue import COUNTERS, by_name
from exporter.collectors import Context, counters, metric_data
from exporter.collectors.counters import Options, metric_names
from exporter.exposition import assemble, render
from exporter.model import CallFailed, Reason, Result
from exporter.simulator import rules
from tests.collectors.history import MORNING, History, named, no, without

SETTLE = 900.0
MIDNIGHT = datetime(2026, 9, 22, tzinfo=UTC).timestamp()
NOON = MIDNIGHT + 43200
HANDLED = "amazon_connect_queue_contacts_handled_total"
ALL = metric_names([])
FEW = ("CONTACTS_HANDLED", "CONTACTS_QUEUED")


def run(history: History, metrics: tuple[str, ...] = FEW, settle: float = SETTLE) -> Result:
    return asyncio.run(history.run(partial(counters.collect, options=Options(metrics, settle))))


def handled(history: History, queue: str = "Queue 000", channel: str = "VOICE") -> float | None:
    return named(history.result).get((HANDLED, queue, channel))


def minutes(queue: str, channel: str, name: str, threshold: float | None, start: float, end: float) -> float:
    """A contact a minute."""
    return (end - start) / 60


def spans(history: History) -> list[tuple[float, float]]:
    """Start and end of what was asked since the last look, in seconds after midnight."""
    calls = history.asked()
    return [(p["StartTime"].timestamp() - MIDNIGHT, p["EndTime"].timestamp() - MIDNIGHT) for p in calls]


# what is asked


def test_every_sum_is_counted_but_the_one_aws_has_given_up() -> None:
    sums = {name for name, (_, statistic) in rules.HISTORICAL_METRICS.items() if statistic == "SUM"}
    assert set(ALL) == sums - {"CONTACTS_CONSULTED"}
    assert set(metric_names(["CONTACTS_CONSULTED"])) == sums


@pytest.mark.parametrize(("queues", "calls"), [(1, 1), (100, 1), (101, 2), (250, 3)])
def test_a_hundred_queues_with_all_their_sums_are_one_call(queues: int, calls: int) -> None:
    history = History(queues=queues)
    found = named(run(history, ALL))
    assert len(found) == queues * 2 * len(ALL)
    assert len(history.asked()) == calls


def test_aws_is_asked_when_the_period_has_grown_and_once_in_between() -> None:
    history = History(value=minutes)
    begun = history.monotonic
    asked = []
    for _ in range(5):
        result = run(history)
        assert result.again == pytest.approx(MORNING + 300 - history.now)
        asked += [(history.now - MORNING, *span) for span in spans(history)]
        assert result.since == begun + asked[-1][0]
        history.wait(60)
    assert asked == [(0, 0, 9 * 3600 - SETTLE), (180, 0, 9 * 3600 - SETTLE)]
    run(history)
    assert spans(history) == [(0, 9 * 3600 - SETTLE + 300)]
    assert handled(history) == 9 * 60 - 15 + 5


def test_sums_are_as_old_as_their_answer_and_asked_for_again_before_they_are_too_old() -> None:
    for max_age in (20.0, 60.0, 300.0, 600.0):
        good = metric_data.good_for(15.0, max_age)
        history = History(value=minutes)
        for _ in range(100):
            result = asyncio.run(history.run(partial(counters.collect, options=Options(FEW, SETTLE, good))))
            assert result.since is not None
            assert history.monotonic - result.since < max_age
            history.wait(min(15.0, result.again or 15.0))


def test_no_interval_ends_before_contacts_are_settled_or_in_the_future_of_aws() -> None:
    for settle in (1.0, 60.0, 450.0, 6 * 3600.0):
        history = History(skew=-60.0, now=MORNING + 3)
        run(history, settle=settle)
        ((start, end),) = spans(history)
        assert 0 <= history.now - max(settle, 60) - (MIDNIGHT + end) < 300
        assert start in (0, -43200)


# the life of a period


def lived(history: History, start: float, end: float) -> list[tuple[float, float | None, float | None]]:
    """(seconds after noon, value, created) of each change, with runs as the engine makes them."""
    history.wait(start - history.now)
    changes: list[tuple[float, float | None, float | None]] = []
    while history.now < end:
        result = run(history)
        assert result.again is not None
        shown = next(s for s in result.samples if s.name == HANDLED)
        if not changes or changes[-1][1:] != (shown.value, shown.created):
            changes.append((history.now - NOON, shown.value, shown.created))
        history.wait(min(60.0, result.again))
    return changes


def test_at_the_end_of_a_period_its_final_value_stands_for_150_seconds_and_a_zero_for_150_more() -> None:
    assert lived(History(value=minutes), NOON + SETTLE - 200, NOON + SETTLE + 700) == [
        (SETTLE - 200, 715, MIDNIGHT),
        (SETTLE, 720, MIDNIGHT),
        (SETTLE + 150, 0, NOON),
        (SETTLE + 300, 5, NOON),
        (SETTLE + 600, 10, NOON),
    ]


def test_a_final_value_that_aws_was_slow_to_tell_stands_as_long_as_any() -> None:
    history = History(value=minutes, takes=140.0)
    changes = lived(history, NOON + SETTLE - 200, NOON + SETTLE + 900)
    shown = {value: since for since, value, _ in changes}
    assert shown[0] - shown[720] >= 150
    assert shown[5] - shown[0] >= 150


def test_a_process_that_begins_within_those_minutes_goes_on_where_the_other_was() -> None:
    for since, value in ((0, 720), (149, 720), (150, 0), (299, 0), (300, 5)):
        history = History(value=minutes, now=NOON + SETTLE + since)
        run(history)
        assert handled(history) == value


def test_a_process_that_begins_with_the_zero_knows_all_series_from_the_period_before() -> None:
    """Also those that nobody serves: a first value that is no zero would be lost."""
    history = History(value=minutes, now=NOON + SETTLE + 200, silent=[("q001", "CHAT")])
    found = named(run(history))
    assert spans(history) == [(0, 43200)]
    assert set(found.values()) == {0.0}
    assert len(found) == 3 * len(FEW)
    history.wait(100)
    run(history)
    assert handled(history) == 5


def test_what_aws_could_not_tell_while_a_period_ended_is_told_afterwards() -> None:
    history = History(value=minutes, now=NOON)
    run(history)
    history.refused = lambda _: no(Reason.SERVER_ERROR)
    for _ in range(120):
        history.wait(60)
        if history.now % 300 == 0:
            with pytest.raises(CallFailed):
                run(history)
    history.refused = lambda _: None
    assert [(value, created) for _, value, created in lived(history, history.now + 60, history.now + 400)] == [
        (720, MIDNIGHT),
        (0, NOON),
        (110, NOON),
    ]


def test_a_lower_answer_of_aws_is_held_at_the_highest_until_the_period_ends() -> None:
    answers = iter((100.0, 97.0, 99.0, 101.0, 90.0))
    history = History(queues=1, silent=[("q000", "CHAT")], now=NOON + SETTLE - 1200)
    seen = []
    for _ in range(5):
        told = next(answers)
        history.value = lambda *_, told=told: told
        run(history)
        seen.append(handled(history))
        history.wait(300)
    assert seen == [100, 100, 100, 101, 101]
    history.wait(-150)
    run(history)
    assert handled(history) == 0
    history.wait(150)
    history.value = lambda *_: 3.0
    run(history)
    assert handled(history) == 3


def test_created_is_the_beginning_of_the_period() -> None:
    history = History(value=minutes)
    chunks = render(run(history, ALL).samples, by_name)
    page = assemble(families([Entry(chunks, 0.0)], COUNTERS)).openmetrics.decode()
    parsed = list(text_string_to_metric_families(page))  # type: ignore[no-untyped-call]
    created = [s for family in parsed for s in family.samples if s.name.endswith("_created")]
    totals = [s for family in parsed for s in family.samples if s.name.endswith("_total")]
    assert {sample.value for sample in created} == {MIDNIGHT}
    assert len(created) == len(totals) == 2 * 2 * len(ALL)


# which series there are


def test_what_some_profile_serves_is_zero_before_its_first_contact() -> None:
    nobody = [(queue, channel) for queue in ("q000", "q001") for channel in ("VOICE", "CHAT")]
    history = History(silent=nobody, served=frozenset({("q000", "VOICE"), ("q001", "EMAIL"), ("q777", "VOICE")}))
    found = named(run(history, ALL))
    assert set(found.values()) == {0.0}
    assert {tuple(labels) for _, *labels in found} == {("Queue 000", "VOICE")}
    assert len(found) == len(ALL)


def test_once_served_and_then_called_a_series_begins_at_zero() -> None:
    history = History(value=minutes, silent=[("q000", "VOICE")], served=frozenset({("q000", "VOICE")}))
    run(history)
    assert handled(history) == 0
    history.silent = ()
    history.wait(300)
    run(history)
    assert handled(history) == 530


def test_a_new_queue_is_asked_for_at_once_and_the_others_keep_their_values() -> None:
    history = History(value=minutes)
    run(history)
    history.asked()
    history.names["q002"] = "Queue 002"
    history.wait(20)
    run(history)
    assert len(history.asked()) == 1
    assert handled(history, "Queue 002") == handled(history) == 525


def test_the_counter_of_a_deleted_queue_goes_also_when_the_period_ends() -> None:
    history = History(value=minutes, now=NOON + SETTLE - 300)
    run(history)
    without(history, "q000")
    history.wait(10)
    run(history)
    assert handled(history) is None
    assert handled(history, "Queue 001") == 715
    for _ in range(12):
        history.wait(60)
        run(history)
        assert handled(history) is None


def test_a_queue_that_was_deleted_since_it_was_listed_has_no_counter_that_nobody_told() -> None:
    served = frozenset(("q000", channel) for channel in ("VOICE", "CHAT"))
    history = History(value=minutes, served=served)
    run(history)

    async def collect(context: Context) -> Result:
        # The list that the run begins with is older than the deletion; the one that it makes is not.
        without(history, "q000")
        return await counters.collect(context, Options(FEW, SETTLE))

    history.wait(300)
    found = named(asyncio.run(history.run(collect)))
    assert {queue for _, queue, _ in found} == {"Queue 001"}
    assert found[HANDLED, "Queue 001", "VOICE"] == 530


def test_a_renamed_queue_goes_on_under_its_new_name() -> None:
    history = History(value=minutes)
    run(history)
    history.names["q000"] = "Zebra"
    history.wait(10)
    run(history)
    assert handled(history) is None
    assert handled(history, "Zebra") == 525


def test_a_channel_that_is_no_longer_collected_has_no_counters() -> None:
    history = History(value=minutes)
    run(history)
    history.target = replace(history.target, channels=("VOICE",))
    for _ in range(3):
        history.wait(300)
        assert {channel for *_, channel in named(run(history))} == {"VOICE"}


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("metric", "CONTACTS_HANDLED", Reason.INVALID_REQUEST),
        ("queue", "q001", Reason.NOT_FOUND),
        ("queue", "q001", Reason.ACCESS_DENIED),
        ("channel", "CHAT", Reason.INVALID_REQUEST),
    ],
)
def test_what_aws_refuses_is_not_filled_with_zeros_at_any_time(kind: str, name: str, reason: Reason) -> None:
    def refuse(params: Mapping[str, Any]) -> CallFailed | None:
        filters = params["Filters"]
        asked = {"metric": [m["Name"] for m in params["HistoricalMetrics"]], "queue": filters["Queues"]}
        return no(reason) if name in {**asked, "channel": filters["Channels"]}[kind] else None

    pairs = frozenset((queue, channel) for queue in ("q000", "q001") for channel in ("VOICE", "CHAT"))
    history = History(value=minutes, served=pairs, refused=refuse, now=NOON + SETTLE - 300)
    bad = {"metric": {HANDLED}, "queue": {"Queue 001"}, "channel": {"CHAT"}}[kind]
    for _ in range(15):
        result = run(history)
        assert [(r.kind, r.name) for r in result.refusals] == [(kind, name)]
        found = named(result)
        assert len(found) == 4
        assert not any(bad & set(key) for key in found)
        history.wait(60)
    # Once it was found out, and at most once more when that was long ago.
    assert len(history.asked()) < 40


def test_a_value_that_is_no_number_counts_nothing() -> None:
    values = iter([float("inf"), float("nan")])
    history = History(queues=1, value=lambda *_: next(values, None))
    assert named(run(history)) == {}


def test_half_an_answer_is_none() -> None:
    history = History(queues=150, value=minutes)
    history.refused = lambda p: no(Reason.TIMEOUT) if "q149" in p["Filters"]["Queues"] else None
    history.late = 0.3
    with pytest.raises(CallFailed):
        run(history)
    history.refused = lambda _: None
    assert len(history.asked()) >= 1
    history.wait(60)
    assert len(named(run(history))) == 150 * 2 * len(FEW)
    # The first hundred were answered already.
    assert len(history.asked()) == 1
