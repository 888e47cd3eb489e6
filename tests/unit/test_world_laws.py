"""Laws that hold in any queueing system, checked on a whole day."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from exporter.simulator.world import CHANNELS, Contact, World

NOW = 1_760_025_600.0
HISTORY = 26 * 3600.0


class Day:
    def __init__(self) -> None:
        self.world = World(seed=8, clock=lambda: NOW, instances=1, queues=10, history=HISTORY)
        self.instance = self.world.instances[0]
        self.complete = self.world.ledger(self.instance.id)
        self.open = self.world.open_contacts(self.instance.id)
        self.all: list[Contact] = [*self.complete, *self.open]
        self.start = NOW - HISTORY


@pytest.fixture(scope="module")
def day() -> Day:
    return Day()


def test_queued_is_handled_and_abandoned_and_called_back_and_moved_on_and_unreached_and_still_there(day: Day) -> None:
    fates: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for c in day.all:
        if c.enqueued is None:
            continue
        fate = c.left or "WAITING"
        if fate == "ANSWERED":
            fate = "HANDLED" if c.connected is not None else "DIALLING" if c.disconnected is None else "UNREACHED"
        fates[c.queue, c.channel]["QUEUED"] += 1
        fates[c.queue, c.channel][fate] += 1
    seen: Counter[str] = Counter()
    for counts in fates.values():
        queued = counts.pop("QUEUED")
        assert queued == counts.total()
        assert set(counts) <= {"HANDLED", "ABANDONED", "CALLBACK", "TRANSFERRED", "UNREACHED", "WAITING", "DIALLING"}
        seen += counts
    assert set(seen) >= {"HANDLED", "ABANDONED", "CALLBACK", "TRANSFERRED", "UNREACHED", "WAITING"}


def test_the_time_average_of_the_queue_is_arrivals_times_their_mean_wait() -> None:
    """Little's law, with the queue's length as the API tells it and the waits as the records tell them."""
    now = [NOW]
    world = World(seed=9, clock=lambda: now[0], instances=1, queues=3, history=7200.0)
    instance = world.instances[0].id
    step, looks, area = 5.0, 2000, 0.0
    for _ in range(looks):
        now[0] += step
        rows, _ = world.current(
            instance, queues=None, profiles=None, channels=CHANNELS, groupings=(), metrics=("CONTACTS_IN_QUEUE",)
        )
        area += (rows[0][1]["CONTACTS_IN_QUEUE"] or 0.0) * step
    contacts = [*world.ledger(instance), *world.open_contacts(instance)]
    waited = sum(
        max(0.0, (now[0] if c.dequeued is None else c.dequeued) - max(NOW, c.enqueued))
        for c in contacts
        if c.enqueued is not None and (c.dequeued is None or c.dequeued > NOW)
    )
    assert waited > 5000
    assert area == pytest.approx(waited, rel=0.02)


def test_what_one_queue_transfers_out_another_gets_in(day: Day) -> None:
    by_id = {c.id: c for c in day.all}
    followers = Counter(c.previous for c in day.all if c.previous is not None)
    assert set(followers.values()) == {1}
    reasons: Counter[str] = Counter()
    for c in day.all:
        if c.previous is None:
            assert c.method in ("INBOUND", "API", "OUTBOUND")
            continue
        before = by_id[c.previous]
        reasons[c.method] += 1
        assert c.initiated == before.disconnected
        if c.method == "CALLBACK":
            assert before.left == "CALLBACK"
            assert c.queue == before.queue
        else:
            assert (before.left, before.ended) in (("TRANSFERRED", None), ("ANSWERED", "TRANSFER"), (None, "TRANSFER"))
            assert c.queue != before.queue
            assert c.channel == before.channel
    assert set(reasons) == {"CALLBACK", "TRANSFER", "QUEUE_TRANSFER"}
    moved = sum(
        c.left in ("TRANSFERRED", "CALLBACK") or (c.ended == "TRANSFER" and c.disconnected is not None) for c in day.all
    )
    assert moved == reasons.total()


def test_no_agent_has_more_contacts_than_slots_and_none_besides_a_call(day: Day) -> None:
    steps: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
    for c in day.all:
        if c.agent is not None and c.accepted is not None:
            steps[c.agent].append((c.accepted, 1, c.channel))
            steps[c.agent].append((c.completed or NOW + 1, -1, c.channel))
    most: Counter[str] = Counter()
    for times in steps.values():
        now: Counter[str] = Counter()
        for _, change, channel in sorted(times):
            now[channel] += change
            busy = {name for name, number in now.items() if number}
            assert len(busy) <= 1
            most[channel] = max(most[channel], now[channel])
    assert most["VOICE"] == 1
    assert 2 <= most["CHAT"] <= 3
    assert most["TASK"] >= 2
    assert most["EMAIL"] >= 2


def test_the_times_of_a_record_follow_each_other(day: Day) -> None:
    for c in day.complete:
        marks = (c.initiated, c.due, c.enqueued, c.dequeued, c.accepted, c.connected, c.disconnected, c.completed)
        times = [mark for mark in marks if mark is not None]
        assert times == sorted(times)
        assert (c.completed or 0.0) - (c.disconnected or 0.0) <= 900.0
        assert c.connected is None or 0.0 <= c.hold < (c.disconnected or 0.0) - c.connected


def test_contacts_come_with_the_day_and_some_queues_rest_at_night(day: Day) -> None:
    hours: dict[str, Counter[int]] = defaultdict(Counter)
    for c in day.all:
        if c.method == "INBOUND" and c.channel in ("VOICE", "CHAT") and c.initiated >= NOW - 86400:
            hours[c.queue][int((c.initiated - 5 * 3600) // 3600 % 24)] += 1
    total = sum(hours.values(), Counter())
    assert sum(total[h] for h in (9, 10, 11)) > 4 * sum(total[h] for h in (1, 2, 3))
    assert any(not sum(hour[h] for h in (1, 2, 3)) for hour in hours.values())
    assert any(sum(hour[h] for h in (1, 2, 3)) for hour in hours.values())


def test_a_delay_keeps_contacts_from_a_profile_until_they_have_waited_so_long(day: Day) -> None:
    delays = {(p.id, q, c): delay for p in day.instance.profiles for q, c, _, delay in p.serves}
    profile_of = {agent: profile for profile, agent, _, _, _ in day.world.agent_time(day.instance.id)}
    helped = 0
    for c in day.complete:
        if c.agent is None or c.enqueued is None or c.dequeued is None:
            continue
        delay = delays[profile_of[c.agent], c.queue, c.channel]
        assert c.dequeued - c.enqueued >= delay - 1e-6
        helped += delay > 0
    assert helped > 0
