"""Real-time values, compared with what the ledger says was going on at that moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from exporter.simulator.world import CHANNELS, Contact, Instance, World

NOON = 1_759_939_200.0 + 86400.0  # a Thursday, 16:00 UTC
COUNTS = (
    "AGENTS_ONLINE",
    "AGENTS_STAFFED",
    "AGENTS_AVAILABLE",
    "AGENTS_NON_PRODUCTIVE",
    "AGENTS_ERROR",
    "AGENTS_ON_CONTACT",
    "AGENTS_ON_CALL",
    "AGENTS_AFTER_CONTACT_WORK",
    "SLOTS_ACTIVE",
    "SLOTS_AVAILABLE",
    "CONTACTS_IN_QUEUE",
    "CONTACTS_SCHEDULED",
)
METRICS = (*COUNTS, "OLDEST_CONTACT_AGE", "ESTIMATED_WAIT_TIME")
Key = tuple[str, ...]


@dataclass
class Look:
    """All answers of one moment, by their dimensions."""

    time: float
    by_line: dict[Key, dict[str, float | None]] = field(default_factory=dict)
    by_queue: dict[Key, dict[str, float | None]] = field(default_factory=dict)
    by_channel: dict[Key, dict[str, float | None]] = field(default_factory=dict)
    by_profile: dict[Key, dict[str, float | None]] = field(default_factory=dict)
    everything: dict[str, float | None] = field(default_factory=dict)


@dataclass
class Watched:
    world: World
    instance: Instance
    looks: list[Look]
    contacts: list[Contact]
    """All there ever were."""


def ask(
    world: World, instance: Instance, groupings: Sequence[str], *, by_profile: bool = False
) -> dict[Key, dict[str, float | None]]:
    standard = [q.id for q in instance.queues if q.kind == "STANDARD"]
    rows, _ = world.current(
        instance.id,
        queues=None if by_profile else standard,
        profiles=[p.id for p in instance.profiles] if by_profile else None,
        channels=CHANNELS,
        groupings=groupings,
        metrics=METRICS,
    )
    return {tuple(dimensions[g] for g in groupings): values for dimensions, values in rows}


def look(world: World, instance: Instance, now: float) -> Look:
    return Look(
        now,
        ask(world, instance, ("QUEUE", "CHANNEL")),
        ask(world, instance, ("QUEUE",)),
        ask(world, instance, ("CHANNEL",)),
        ask(world, instance, ("ROUTING_PROFILE",), by_profile=True),
        ask(world, instance, ())[()],
    )


@pytest.fixture(scope="module")
def watched() -> Watched:
    now = NOON
    world = World(seed=11, clock=lambda: now, instances=1, queues=9, history=30000.0)
    instance = world.instances[0]
    looks = []
    for _ in range(240):
        looks.append(look(world, instance, now))
        now += 131.3
    contacts = [*world.ledger(instance.id), *world.open_contacts(instance.id)]
    return Watched(world, instance, looks, contacts)


def during(start: float | None, time: float, end: float | None) -> bool:
    return start is not None and start <= time and (end is None or time < end)


def waiting(contact: Contact, time: float) -> bool:
    return during(contact.enqueued, time, contact.dequeued)


def on_agent(contact: Contact, time: float) -> bool:
    return during(contact.accepted, time, contact.completed)


def lines(instance: Instance) -> set[tuple[str, str]]:
    return {(queue, channel) for p in instance.profiles for queue, channel, _, _ in p.serves}


def each(watched: Watched) -> Iterator[tuple[Look, dict[Key, list[Contact]]]]:
    for seen in watched.looks:
        alive: dict[Key, list[Contact]] = defaultdict(list)
        for c in watched.contacts:
            if during(c.initiated, seen.time, c.completed):
                alive[c.queue, c.channel].append(c)
        yield seen, alive


def test_contacts_in_queue_are_those_that_were_enqueued_and_have_not_left(watched: Watched) -> None:
    most = 0
    for seen, alive in each(watched):
        for line, contacts in alive.items():
            expected = sum(waiting(c, seen.time) for c in contacts)
            most = max(most, expected)
            assert seen.by_line.get(line, {}).get("CONTACTS_IN_QUEUE", 0.0) == expected
        assert seen.everything["CONTACTS_IN_QUEUE"] == sum(waiting(c, seen.time) for cs in alive.values() for c in cs)
    assert most > 5


def test_a_row_says_zero_waiting_only_where_nobody_waits(watched: Watched) -> None:
    for seen, alive in each(watched):
        for line, values in seen.by_line.items():
            assert values["CONTACTS_IN_QUEUE"] == sum(waiting(c, seen.time) for c in alive[line])


def test_the_oldest_age_is_the_longest_wait_in_seconds_and_null_where_nobody_waits(watched: Watched) -> None:
    for seen, alive in each(watched):
        for line, values in seen.by_line.items():
            ages = [seen.time - c.enqueued for c in alive[line] if c.enqueued is not None and waiting(c, seen.time)]
            assert values["OLDEST_CONTACT_AGE"] == (max(ages) if ages else None)


def test_the_oldest_age_comes_in_milliseconds_when_nothing_is_grouped(watched: Watched) -> None:
    for seen in watched.looks:
        ages = [v for values in seen.by_line.values() if (v := values["OLDEST_CONTACT_AGE"]) is not None]
        assert seen.everything["OLDEST_CONTACT_AGE"] == (max(ages) * 1000 if ages else None)
    assert any(seen.everything["OLDEST_CONTACT_AGE"] for seen in watched.looks)


def test_scheduled_are_callbacks_still_in_their_delay_and_not_in_queue(watched: Watched) -> None:
    total = 0
    for seen, alive in each(watched):
        expected = sum(during(c.initiated, seen.time, c.due) for cs in alive.values() for c in cs if c.due is not None)
        assert seen.everything["CONTACTS_SCHEDULED"] == expected
        total += expected
    assert total > 0


def test_active_slots_agents_on_contact_and_after_contact_work_follow_the_contacts(watched: Watched) -> None:
    after = 0
    for seen, alive in each(watched):
        for line, values in seen.by_line.items():
            active = [c for c in alive[line] if on_agent(c, seen.time)]
            working_after = [c for c in active if during(c.disconnected, seen.time, c.completed)]
            after += len(working_after)
            assert values["SLOTS_ACTIVE"] == len(active)
            assert values["AGENTS_ON_CONTACT"] == len({c.agent for c in active}) == values["AGENTS_ON_CALL"]
            assert values["AGENTS_AFTER_CONTACT_WORK"] == len(working_after)
        agents = {c.agent for cs in alive.values() for c in cs if on_agent(c, seen.time)}
        assert seen.everything["AGENTS_ON_CONTACT"] == len(agents)
    assert after > 0


def test_online_staffed_and_non_productive_are_what_agents_set_themselves_to(watched: Watched) -> None:
    kinds = {s.id: s.kind for s in watched.instance.statuses}
    changes = watched.world.status_changes(watched.instance.id)
    non_productive = 0
    for seen in watched.looks:
        status = {agent: (profile, kinds[to]) for time, profile, agent, to in changes if time <= seen.time}
        for profile in watched.instance.profiles:
            mine = [kind for p, kind in status.values() if p == profile.id and kind != "OFFLINE"]
            values = seen.by_profile.get((profile.id,), dict.fromkeys(METRICS, 0.0))
            assert values["AGENTS_ONLINE"] == len(mine)
            assert values["AGENTS_STAFFED"] == mine.count("ROUTABLE")
            assert values["AGENTS_NON_PRODUCTIVE"] == mine.count("CUSTOM")
            non_productive += mine.count("CUSTOM")
    assert non_productive > 0


def test_in_every_row_the_counts_agree_with_each_other(watched: Watched) -> None:
    errors = 0.0
    for seen in watched.looks:
        rows = [*seen.by_line.values(), *seen.by_queue.values(), *seen.by_channel.values(), *seen.by_profile.values()]
        for values in (*rows, seen.everything):
            v = {name: values[name] or 0.0 for name in COUNTS}
            assert v["AGENTS_ONLINE"] == v["AGENTS_STAFFED"] + v["AGENTS_NON_PRODUCTIVE"]
            assert v["AGENTS_AVAILABLE"] + v["AGENTS_ERROR"] <= v["AGENTS_STAFFED"]
            assert v["AGENTS_AVAILABLE"] <= v["SLOTS_AVAILABLE"]
            assert v["AGENTS_ON_CONTACT"] <= min(v["AGENTS_ONLINE"], v["SLOTS_ACTIVE"])
            assert v["AGENTS_AFTER_CONTACT_WORK"] <= v["SLOTS_ACTIVE"]
            assert all(values[name] is not None for name in COUNTS)
            errors += v["AGENTS_ERROR"]
    assert errors > 0


def test_an_agent_of_a_voice_profile_is_available_if_idle_and_not_in_error(watched: Watched) -> None:
    voice_only = [p for p in watched.instance.profiles if {channel for _, channel, _, _ in p.serves} == {"VOICE"}]
    spans = watched.world.agent_time(watched.instance.id)
    found = 0
    for seen in watched.looks:
        for profile in voice_only:
            idle = sum(p == profile.id and k == "IDLE" and s <= seen.time < e for p, _, k, s, e in spans)
            values = seen.by_profile.get((profile.id,), dict.fromkeys(METRICS, 0.0))
            assert values["AGENTS_AVAILABLE"] == idle - (values["AGENTS_ERROR"] or 0.0) == values["SLOTS_AVAILABLE"]
            found += idle
    assert found > 100


def test_head_counts_add_up_over_profiles_but_not_over_queues(watched: Watched) -> None:
    more = 0
    for seen in watched.looks:
        for metric in ("AGENTS_ONLINE", "AGENTS_STAFFED", "AGENTS_ERROR", "AGENTS_ON_CONTACT", "SLOTS_ACTIVE"):
            assert sum(v[metric] or 0.0 for v in seen.by_profile.values()) == seen.everything[metric]
        more += sum(v["AGENTS_ONLINE"] or 0.0 for v in seen.by_queue.values()) > (
            seen.everything["AGENTS_ONLINE"] or 0.0
        )
    assert more == len(watched.looks)


def test_contacts_add_up_over_queues_and_channels(watched: Watched) -> None:
    for seen in watched.looks:
        for metric in ("CONTACTS_IN_QUEUE", "CONTACTS_SCHEDULED", "SLOTS_ACTIVE"):
            whole = seen.everything[metric]
            assert sum(v[metric] or 0.0 for v in seen.by_channel.values()) == whole
            if metric != "CONTACTS_SCHEDULED":  # a queue with nothing but scheduled callbacks is idle and has no row
                assert sum(v[metric] or 0.0 for v in seen.by_line.values()) == whole
                assert sum(v[metric] or 0.0 for v in seen.by_queue.values()) == whole


def test_a_queue_with_nobody_online_and_nobody_waiting_has_no_row(watched: Watched) -> None:
    for seen in watched.looks:
        for values in (*seen.by_line.values(), *seen.by_profile.values()):
            assert values["AGENTS_ONLINE"] or values["CONTACTS_IN_QUEUE"]
    standard = [q.id for q in watched.instance.queues if q.kind == "STANDARD"]
    unserved = next(q for q in standard if q not in {queue for queue, _ in lines(watched.instance)})
    rows = [seen.by_line.get((unserved, "VOICE")) for seen in watched.looks]
    assert None in rows
    assert any(row is not None and row["AGENTS_ONLINE"] == 0.0 for row in rows)


def test_rows_come_with_most_agents_online_first(watched: Watched) -> None:
    for seen in watched.looks:
        online = [values["AGENTS_ONLINE"] or 0.0 for values in seen.by_line.values()]
        assert online == sorted(online, reverse=True)


def test_the_estimated_wait_is_known_for_queue_and_channel_only(watched: Watched) -> None:
    estimates = [v["ESTIMATED_WAIT_TIME"] for seen in watched.looks for v in seen.by_line.values()]
    assert None in estimates
    assert 0.0 in estimates
    assert any(e is not None and e > 0.0 for e in estimates)
    for seen in watched.looks:
        others = (*seen.by_queue.values(), *seen.by_channel.values(), *seen.by_profile.values(), seen.everything)
        assert all(values["ESTIMATED_WAIT_TIME"] is None for values in others)
        assert all(v["ESTIMATED_WAIT_TIME"] is None for v in seen.by_line.values() if not v["AGENTS_STAFFED"])


def test_agents_by_status_add_up_to_the_agents_online_of_the_queue(watched: Watched) -> None:
    rows, _ = watched.world.current(
        watched.instance.id,
        queues=None,
        profiles=None,
        channels=CHANNELS,
        groupings=("QUEUE", "AGENT_STATUS"),
        metrics=("AGENTS_ONLINE",),
    )
    known = {s.id for s in watched.instance.statuses if s.kind != "OFFLINE"}
    sums: dict[str, float] = defaultdict(float)
    for dimensions, values in rows:
        assert dimensions["AGENT_STATUS"] in known
        assert values["AGENTS_ONLINE"]
        sums[dimensions["QUEUE"]] += values["AGENTS_ONLINE"]
    by_queue = ask(watched.world, watched.instance, ("QUEUE",))
    assert sums == {queue: v["AGENTS_ONLINE"] for (queue,), v in by_queue.items() if v["AGENTS_ONLINE"]}


def test_filters_narrow_the_answer_to_their_queues_and_channels(watched: Watched) -> None:
    whole = ask(watched.world, watched.instance, ("QUEUE", "CHANNEL"))
    queue = next(q for q, channel in whole if channel == "CHAT")
    rows, snapshot = watched.world.current(
        watched.instance.id,
        queues=[queue, "unknown"],
        profiles=None,
        channels=("CHAT",),
        groupings=("QUEUE", "CHANNEL"),
        metrics=METRICS,
    )
    assert rows == [({"QUEUE": queue, "CHANNEL": "CHAT"}, whole[queue, "CHAT"])]
    assert snapshot == watched.looks[-1].time + 131.3


def test_ungrouped_there_is_one_row_even_where_nothing_matches(watched: Watched) -> None:
    rows, _ = watched.world.current(
        watched.instance.id, queues=[], profiles=None, channels=CHANNELS, groupings=(), metrics=METRICS
    )
    assert [dimensions for dimensions, _ in rows] == [{}]
    assert rows[0][1]["AGENTS_ONLINE"] == 0.0
    assert rows[0][1]["OLDEST_CONTACT_AGE"] is None


def test_an_unknown_instance_is_a_key_error(watched: Watched) -> None:
    with pytest.raises(KeyError):
        watched.world.current(
            "nowhere", queues=None, profiles=None, channels=CHANNELS, groupings=(), metrics=("AGENTS_ONLINE",)
        )
