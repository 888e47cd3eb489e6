"""What GetCurrentMetricData would answer, from the state of a floor. Nothing is remembered between two answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from exporter.simulator.world_floor import Floor
from exporter.simulator.world_people import AVAILABLE, Line, Team
from exporter.simulator.world_places import Status

Key = tuple[str, ...]
Values = dict[str, float | None]

_RECENT = 1800.0
"""How far back answers tell how fast a queue moves, seconds."""


class _Heads:
    """Agents of one team at one moment, counted once for all rows they stand in."""

    __slots__ = ("error", "free", "idle", "non_productive", "online", "slots")

    def __init__(self, team: Team) -> None:
        agents = list(team.online)
        self.online = len(agents)
        self.non_productive = sum(agent.status != AVAILABLE for agent in agents)
        self.error = sum(agent.error for agent in agents)
        served = [bool(lines) for lines in team.lines]
        rooms = [tuple(agent.room(channel) if mine else 0 for channel, mine in enumerate(served)) for agent in agents]
        self.free = [sum(1 << channel for channel, room in enumerate(row) if room > 0) for row in rooms]
        """A bit for each channel in which an agent could take a contact."""
        self.slots = tuple(sum(max(0, room) for room in column) for column in zip(*rooms, strict=True)) or (0, 0, 0, 0)

    def available(self, channels: int) -> int:
        return sum(1 for bits in self.free if bits & channels)


class _Row:
    """What belongs to one row of the answer: lines, and for each team the channels in which it serves them."""

    __slots__ = ("after", "lines", "on_contact", "slots_active", "teams")

    def __init__(self) -> None:
        self.lines: dict[Line, None] = {}
        self.teams: dict[Team, int] = {}
        self.on_contact = 0
        self.slots_active = 0
        self.after = 0


def current(
    floor: Floor,
    lines: Sequence[Line],
    profiles: frozenset[str] | None,
    groupings: Sequence[str],
    metrics: Sequence[str],
) -> list[tuple[dict[str, str], Values]]:
    """Rows over these lines, busiest first as AWS sorts them (AGENTS_ONLINE, descending).

    Head counts of a queue are those of everybody whose profile serves it, whatever they work on; AGENTS_ON_CONTACT,
    AGENTS_AFTER_CONTACT_WORK and SLOTS_ACTIVE follow the contact's own queue and channel. `profiles` limits the agents
    and, grouped by profile, the contacts.
    """
    rows = _rows(lines, profiles, groupings)
    _busy(floor, rows, frozenset(lines), profiles, groupings)
    heads = {team: _Heads(team) for team in floor.teams}
    answer = []
    for key, row in rows.items():
        online = sum(heads[team].online for team in row.teams)
        if not groupings or online or any(line.waiting for line in row.lines):
            answer.append((-online, key, _values(floor, row, heads, groupings, metrics)))
    answer.sort(key=lambda entry: entry[:2])
    return [(dict(zip(groupings, key, strict=True)), values) for _, key, values in answer]


def _keys(line: Line, teams: Iterable[Team], groupings: Sequence[str]) -> Iterator[Key]:
    choices = {"QUEUE": (line.key[0],), "CHANNEL": (line.key[1],), "ROUTING_PROFILE": tuple(t.profile for t in teams)}
    return product(*(choices[grouping] for grouping in groupings))


def _serving(line: Line, profiles: frozenset[str] | None) -> list[Team]:
    return [team for team, _, _ in line.serves if profiles is None or team.profile in profiles]


def _rows(lines: Sequence[Line], profiles: frozenset[str] | None, groupings: Sequence[str]) -> dict[Key, _Row]:
    rows: dict[Key, _Row] = {} if groupings else {(): _Row()}
    for line in lines:
        teams = _serving(line, profiles)
        for key in _keys(line, teams, groupings):
            rows.setdefault(key, _Row()).lines[line] = None
        for team in teams:
            for key in _keys(line, (team,), groupings):
                mine = rows[key].teams
                mine[team] = mine.get(team, 0) | 1 << line.channel
    return rows


def _busy(
    floor: Floor,
    rows: Mapping[Key, _Row],
    lines: frozenset[Line],
    profiles: frozenset[str] | None,
    groupings: Sequence[str],
) -> None:
    """Counts the contacts that agents have, and the agents who have any, an agent once in each row."""
    for team in floor.teams:
        if profiles is not None and team.profile not in profiles:
            continue
        for agent in team.online:
            seen: set[Key] = set()
            for contact in agent.contacts:
                line = floor.lines[contact.queue, contact.channel]
                if line not in lines:
                    continue
                for key in _keys(line, (team,), groupings):
                    row = rows.get(key)
                    if row is None:
                        continue
                    row.slots_active += 1
                    row.after += contact.stage == "AFTER"
                    row.on_contact += key not in seen
                    seen.add(key)


def _values(
    floor: Floor, row: _Row, heads: Mapping[Team, _Heads], groupings: Sequence[str], metrics: Sequence[str]
) -> Values:
    mine = [(heads[team], channels) for team, channels in row.teams.items()]
    online = sum(head.online for head, _ in mine)
    non_productive = sum(head.non_productive for head, _ in mine)
    oldest = min((next(iter(line.waiting)).enqueued or 0.0 for line in row.lines if line.waiting), default=None)
    age = None if oldest is None else (floor.now - oldest) * (1.0 if groupings else 1000.0)
    everything: Values = {
        "AGENTS_ONLINE": online,
        "AGENTS_STAFFED": online - non_productive,
        "AGENTS_NON_PRODUCTIVE": non_productive,
        "AGENTS_ERROR": sum(head.error for head, _ in mine),
        "AGENTS_AVAILABLE": sum(head.available(channels) for head, channels in mine),
        "AGENTS_ON_CONTACT": row.on_contact,
        "AGENTS_ON_CALL": row.on_contact,
        "AGENTS_AFTER_CONTACT_WORK": row.after,
        "SLOTS_ACTIVE": row.slots_active,
        "SLOTS_AVAILABLE": sum(
            slots for head, channels in mine for channel, slots in enumerate(head.slots) if channels >> channel & 1
        ),
        "CONTACTS_IN_QUEUE": sum(len(line.waiting) for line in row.lines),
        "CONTACTS_SCHEDULED": sum(len(line.scheduled) for line in row.lines),
        "OLDEST_CONTACT_AGE": age,
        "ESTIMATED_WAIT_TIME": None,
    }
    if "ESTIMATED_WAIT_TIME" in metrics and sorted(groupings) == ["CHANNEL", "QUEUE"]:
        everything["ESTIMATED_WAIT_TIME"] = _estimate(floor, row, everything)
    return {metric: None if (v := everything[metric]) is None else float(v) for metric in metrics}


def _estimate(floor: Floor, row: _Row, values: Values) -> float | None:
    """Seconds the next contact would wait: none if somebody is free, else its place times the pace of half an hour.

    None where nobody is staffed or too few contacts were taken to know a pace. (AWS does not publish its formula.)
    """
    if not values["AGENTS_STAFFED"]:
        return None
    waiting = values["CONTACTS_IN_QUEUE"] or 0.0
    if values["AGENTS_AVAILABLE"] and not waiting:
        return 0.0
    answers = [time for line in row.lines for time in line.answers if time >= floor.now - _RECENT]
    if len(answers) < 2:
        return None
    return (waiting + 1) * (floor.now - answers[0]) / len(answers)


def by_status(floor: Floor, lines: Sequence[Line], statuses: Sequence[Status]) -> list[tuple[dict[str, str], Values]]:
    """Agents online by queue and status: the one answer AWS gives for the grouping AGENT_STATUS."""
    counts: Counter[tuple[str, str]] = Counter()
    for queue in dict.fromkeys(line.key[0] for line in lines):
        teams = dict.fromkeys(team for line in lines if line.key[0] == queue for team in _serving(line, None))
        counts.update((queue, statuses[agent.status].id) for team in teams for agent in team.online)
    ranked = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return [({"QUEUE": queue, "AGENT_STATUS": status}, {"AGENTS_ONLINE": float(n)}) for (queue, status), n in ranked]
