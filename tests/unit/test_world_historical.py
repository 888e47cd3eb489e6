"""Historical values, compared with sums by hand over the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

import pytest

from exporter.simulator.world import CHANNELS, Contact, Instance, World

NOW = 1_760_025_723.0  # a Thursday, a few minutes past 16:00 UTC
MARK = NOW // 300 * 300
DAY = (MARK - 86400 + 300, MARK)
WINDOWS = (DAY, (MARK - 1800, MARK), (MARK - 300, MARK), (MARK - 36000, MARK - 7500), (MARK - 80700, MARK - 77100))
Key = tuple[str, ...]
Records = list[Contact]


def seconds(late: float | None, early: float | None) -> float:
    assert late is not None
    assert early is not None
    return late - early


def handled(records: Records, *methods: str) -> Records:
    return [c for c in records if c.connected is not None and (not methods or c.method in methods)]


def queued(records: Records, *left: str) -> Records:
    return [c for c in records if c.enqueued is not None and (not left or c.left in left)]


def wait(contact: Contact) -> float:
    return seconds(contact.dequeued, contact.enqueued)


def mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def met(records: Records, threshold: float) -> float | None:
    within = [c for c in queued(records, "ANSWERED", "ABANDONED", "CALLBACK") if wait(c) < threshold]
    return 100.0 * len(within) / len(queued(records)) if queued(records) else None


def close(value: float | None) -> object:
    return None if value is None else pytest.approx(value, rel=1e-9)


def count(choose: Callable[[Contact], bool]) -> Callable[[Records], float]:
    return lambda records: float(sum(map(choose, records)))


def average(
    choose: Callable[[Records], Records], value: Callable[[Contact], float]
) -> Callable[[Records], float | None]:
    return lambda records: mean([value(c) for c in choose(records)])


# Written from the metric definitions of the Administrator Guide, not from the simulator's tables.
BY_HAND: dict[tuple[str, float | None], Callable[[Records], float | None]] = {
    ("CONTACTS_QUEUED", None): count(lambda c: c.enqueued is not None),
    ("CONTACTS_HANDLED", None): count(lambda c: c.connected is not None),
    ("CONTACTS_ABANDONED", None): count(lambda c: c.left == "ABANDONED"),
    ("CONTACTS_CONSULTED", None): lambda _: None,
    ("CONTACTS_AGENT_HUNG_UP_FIRST", None): count(lambda c: c.connected is not None and c.ended == "AGENT"),
    ("CONTACTS_HANDLED_INCOMING", None): lambda r: len(handled(r, "INBOUND", "TRANSFER", "QUEUE_TRANSFER")),
    ("CONTACTS_HANDLED_OUTBOUND", None): lambda r: len(handled(r, "OUTBOUND")),
    ("CALLBACK_CONTACTS_HANDLED", None): lambda r: len(handled(r, "CALLBACK")),
    ("API_CONTACTS_HANDLED", None): lambda r: len(handled(r, "API")),
    ("CONTACTS_HOLD_ABANDONS", None): count(lambda c: c.held_at_end),
    ("CONTACTS_TRANSFERRED_IN", None): count(lambda c: c.method in ("TRANSFER", "QUEUE_TRANSFER")),
    ("CONTACTS_TRANSFERRED_IN_FROM_QUEUE", None): count(lambda c: c.method == "QUEUE_TRANSFER"),
    ("CONTACTS_TRANSFERRED_OUT", None): count(lambda c: c.ended in ("TRANSFER", "EXTERNAL") or c.left == "TRANSFERRED"),
    ("CONTACTS_TRANSFERRED_OUT_FROM_QUEUE", None): count(lambda c: c.left == "TRANSFERRED"),
    ("HANDLE_TIME", None): average(handled, lambda c: seconds(c.completed, c.connected)),
    ("AFTER_CONTACT_WORK_TIME", None): average(handled, lambda c: seconds(c.completed, c.disconnected)),
    ("INTERACTION_TIME", None): average(handled, lambda c: seconds(c.disconnected, c.connected) - c.hold),
    ("INTERACTION_AND_HOLD_TIME", None): average(handled, lambda c: seconds(c.disconnected, c.connected)),
    ("HOLD_TIME", None): average(lambda r: [c for c in r if c.hold], lambda c: c.hold),
    ("ABANDON_TIME", None): average(lambda r: queued(r, "ABANDONED"), wait),
    ("QUEUE_ANSWER_TIME", None): average(lambda r: handled(queued(r)), wait),
    ("QUEUED_TIME", None): lambda r: max(map(wait, queued(r)), default=None),
    ("SERVICE_LEVEL", 15.0): lambda r: met(r, 15.0),
    ("SERVICE_LEVEL", 20.0): lambda r: met(r, 20.0),
    ("SERVICE_LEVEL", 600.0): lambda r: met(r, 600.0),
}
RARE = {("CONTACTS_CONSULTED", None)}


@dataclass
class Past:
    world: World
    instance: Instance
    records: Records
    clock: list[float]

    def ask(
        self,
        window: tuple[float, float],
        metrics: Sequence[tuple[str, float | None]],
        groupings: Sequence[str] = ("QUEUE", "CHANNEL"),
        **filters: Any,
    ) -> dict[Key, dict[tuple[str, float | None], float | None]]:
        rows = self.world.historical(
            self.instance.id,
            start=window[0],
            end=window[1],
            groupings=groupings,
            metrics=metrics,
            queues=filters.get("queues"),
            channels=filters.get("channels", CHANNELS),
        )
        assert len(rows) == len({tuple(d.values()) for d, _ in rows})
        return {tuple(dimensions[g] for g in groupings): values for dimensions, values in rows}

    def within(self, window: tuple[float, float]) -> dict[Key, Records]:
        found: dict[Key, Records] = defaultdict(list)
        for c in self.records:
            if c.disconnected is not None and window[0] <= c.disconnected < window[1]:
                found[c.queue, c.channel].append(c)
        return found


@pytest.fixture(scope="module")
def past() -> Past:
    clock = [NOW]
    world = World(seed=2, clock=lambda: clock[0], instances=1, queues=12)
    instance = world.instances[0]
    return Past(world, instance, list(world.ledger(instance.id)), clock)


@pytest.mark.parametrize(("name", "threshold"), BY_HAND)
def test_every_metric_is_what_the_ledger_says(past: Past, name: str, threshold: float | None) -> None:
    by_hand = BY_HAND[name, threshold]
    told = set()
    for window in WINDOWS:
        records = past.within(window)
        rows = past.ask(window, [(name, threshold)])
        for line, values in rows.items():
            assert values == {(name, threshold): close(by_hand(records[line]))}
            told.add(values[name, threshold])
        assert set(rows) >= set(records)
        [(_, whole)] = past.ask(window, [(name, threshold)], ()).items()
        everything = [c for found in records.values() for c in found]
        assert whole[name, threshold] == close(by_hand(everything))
    # It would prove little if all that was ever compared was nothing.
    assert any(told) or (name, threshold) in RARE


def test_handled_contacts_came_in_or_went_out_or_were_called_back_or_begun_by_a_program(past: Past) -> None:
    parts = (
        "CONTACTS_HANDLED_INCOMING",
        "CONTACTS_HANDLED_OUTBOUND",
        "CALLBACK_CONTACTS_HANDLED",
        "API_CONTACTS_HANDLED",
    )
    for values in past.ask(DAY, [(name, None) for name in ("CONTACTS_HANDLED", *parts)]).values():
        assert values["CONTACTS_HANDLED", None] == sum(values[part, None] or 0.0 for part in parts)


def test_missed_contacts_count_when_they_were_missed(past: Past) -> None:
    missed = past.world.missed(past.instance.id)
    for window in WINDOWS:
        expected: dict[Key, float] = defaultdict(float)
        for time, queue, channel, _ in missed:
            expected[queue, channel] += window[0] <= time < window[1]
        for line, values in past.ask(window, [("CONTACTS_MISSED", None)]).items():
            assert values["CONTACTS_MISSED", None] == expected[line]
        assert past.ask(window, [("CONTACTS_MISSED", None)], ())[()]["CONTACTS_MISSED", None] == sum(expected.values())
    assert missed


def test_a_customer_who_hangs_up_while_it_rings_was_missed_too_and_so_was_one_who_kept_waiting(past: Past) -> None:
    gave_up = {(c.dequeued, c.queue) for c in past.records if c.left == "ABANDONED"}
    during_ring = [(time, queue) in gave_up for time, queue, _, _ in past.world.missed(past.instance.id)]
    assert any(during_ring)
    assert not all(during_ring)


def test_occupancy_is_the_share_of_contact_time_of_those_who_serve_the_queue(past: Past) -> None:
    spans = past.world.agent_time(past.instance.id)
    busy = 0
    for start, end in WINDOWS:
        spent: dict[tuple[str, str], float] = defaultdict(float)
        for profile, _, kind, since, until in spans:
            spent[profile, kind] += max(0.0, min(until, end) - max(since, start))
        for line, values in past.ask((start, end), [("OCCUPANCY", None)]).items():
            serving = [p.id for p in past.instance.profiles if line in {entry[:2] for entry in p.serves}]
            contact = sum(spent[profile, "CONTACT"] for profile in serving)
            idle = sum(spent[profile, "IDLE"] for profile in serving)
            expected = 100.0 * contact / (contact + idle) if contact + idle else None
            assert values["OCCUPANCY", None] == close(expected)
            busy += expected is not None and 0 < expected < 100
    assert busy > 20


def test_an_agent_counts_once_however_many_contacts_they_have_at_a_time(past: Past) -> None:
    spans = past.world.agent_time(past.instance.id)
    by_agent: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _, agent, _, start, end in spans:
        by_agent[agent].append((start, end))
    for times in by_agent.values():
        times.sort()
        assert all(a[1] <= b[0] for a, b in pairwise(times))


def test_contact_time_is_the_time_in_which_some_contact_was_with_the_agent(past: Past) -> None:
    held: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for c in past.records:
        if c.agent is not None and c.accepted is not None and c.completed is not None:
            held[c.agent].append((c.accepted, c.completed))
    opened = {c.agent for c in past.world.open_contacts(past.instance.id)}
    spans = past.world.agent_time(past.instance.id)
    compared = 0
    for agent, times in held.items():
        if agent in opened:
            continue
        union, last = 0.0, 0.0
        for start, end in sorted(times):
            union += max(0.0, end - max(start, last))
            last = max(last, end)
        told = sum(e - s for _, a, kind, s, e in spans if a == agent and kind == "CONTACT")
        assert told == pytest.approx(union, abs=1e-3)
        compared += 1
    assert compared > 50


def test_service_level_is_a_percentage_that_rises_with_its_threshold(past: Past) -> None:
    thresholds: list[tuple[str, float | None]] = [("SERVICE_LEVEL", t) for t in (1.0, 15.0, 60.0, 600.0, 604800.0)]
    for values in past.ask(DAY, thresholds).values():
        levels = [v for t in thresholds if (v := values[t]) is not None]
        assert levels == sorted(levels)
        assert all(0.0 <= level <= 100.0 for level in levels)


def test_counts_of_neighbouring_intervals_add_up(past: Past) -> None:
    metrics: list[tuple[str, float | None]] = [
        ("CONTACTS_QUEUED", None),
        ("CONTACTS_HANDLED", None),
        ("CONTACTS_MISSED", None),
    ]
    end = MARK - 1500
    whole = past.ask((end - 25200, end), metrics, ())[()]
    parts = [past.ask((end - s, end - s + 300), metrics, ())[()] for s in range(300, 25500, 300)]
    for metric in metrics:
        assert whole[metric] == sum(part[metric] or 0.0 for part in parts)
    assert whole["CONTACTS_HANDLED", None]


def test_where_nothing_happened_averages_are_null_and_there_is_no_row(past: Past) -> None:
    metrics: list[tuple[str, float | None]] = [("HANDLE_TIME", None), ("SERVICE_LEVEL", 20.0), ("QUEUED_TIME", None)]
    future = (MARK + 3600, MARK + 7200)
    assert past.ask(future, metrics) == {}
    assert past.ask(future, metrics, ()) == {(): dict.fromkeys(metrics, None)}
    assert past.ask(future, [("CONTACTS_HANDLED", None)], ()) == {(): {("CONTACTS_HANDLED", None): 0.0}}


def test_filters_and_single_groupings_choose_among_the_same_records(past: Past) -> None:
    metric = ("CONTACTS_HANDLED", None)
    lines = past.ask(DAY, [metric])
    queue = next(iter(lines))[0]
    by_queue = past.ask(DAY, [metric], ("QUEUE",), queues=[queue, "unknown"])
    assert by_queue == {(queue,): {metric: sum(v[metric] or 0.0 for line, v in lines.items() if line[0] == queue)}}
    chats = past.ask(DAY, [metric], ("CHANNEL",), channels=("CHAT",))
    assert chats == {("CHAT",): {metric: sum(v[metric] or 0.0 for line, v in lines.items() if line[1] == "CHAT")}}


def test_a_service_level_without_a_threshold_is_refused(past: Past) -> None:
    with pytest.raises(ValueError, match="threshold"):
        past.ask(DAY, [("SERVICE_LEVEL", None)], ())


def test_a_closed_interval_grows_for_up_to_fifteen_minutes_and_then_no_more() -> None:
    now = [MARK + 0.5]
    world = World(seed=4, clock=lambda: now[0], instances=1, queues=8, history=14400.0)
    instance = world.instances[0].id

    def handled_in_the_last_interval() -> float:
        rows = world.historical(
            instance,
            start=MARK - 300,
            end=MARK,
            queues=None,
            channels=CHANNELS,
            groupings=(),
            metrics=[("CONTACTS_HANDLED", None)],
        )
        return rows[0][1]["CONTACTS_HANDLED", None] or 0.0

    seen = [handled_in_the_last_interval()]
    while now[0] < MARK + 900:
        now[0] += 60
        seen.append(handled_in_the_last_interval())
    assert seen == sorted(seen)
    assert seen[0] < seen[-1]
    now[0] += 7200
    assert handled_in_the_last_interval() == seen[-1]
