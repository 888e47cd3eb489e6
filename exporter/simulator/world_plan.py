"""Makes an instance: names, who serves what, how busy the day is, and enough people for it. All from one seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from exporter.simulator import world_names
from exporter.simulator.numbers import added
from exporter.simulator.world_ledger import HOUR
from exporter.simulator.world_people import Agent, Line, Nature, Team
from exporter.simulator.world_places import CHANNELS, CHAT, EMAIL, TASK, VOICE, Instance, Profile, Queue, Status

QUARTERS = 96
_SLOTS = (1, 3, 4, 5)
_USEFUL = (1.0, 1.9, 2.4, 2.6)
"""How many contacts of a channel an agent gets through at once, on average: fewer than the slots."""
_NATURES = (
    Nature(talk=240.0, after=45.0, patience=260.0, callback=0.35, api=0.03),
    Nature(talk=420.0, after=25.0, patience=320.0, api=0.25),
    Nature(talk=300.0, after=0.0, patience=None, api=0.7),
    Nature(talk=360.0, after=0.0, patience=None),
)
_MIXES: tuple[dict[int, float], ...] = (
    {VOICE: 0.7, CHAT: 0.3},
    {VOICE: 1.0},
    {VOICE: 0.55, CHAT: 0.25, TASK: 0.08, EMAIL: 0.12},
    {VOICE: 0.8, EMAIL: 0.2},
    {CHAT: 0.7, EMAIL: 0.3},
    {VOICE: 0.6, CHAT: 0.25, TASK: 0.15},
)


# Where a day is to go well: so many times the people that are just enough, and so many more, at every hour; and
# customers who do not hang up while it rings.
_PLENTY = 1.5
_AT_LEAST = 4.0
_PATIENT = 5.0


@dataclass(slots=True)
class Draft:
    """An instance in the making; `teams` run parallel to the instance's profiles."""

    instance: Instance
    lines: list[Line]
    teams: list[Team]


def uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def instance(
    random: Random,
    *,
    number: int,
    queues: int,
    names: Sequence[str] | None,
    region: str,
    account_id: str,
    created: float,
    volume: float,
    calm: bool,
) -> Draft:
    """Draws one instance, its lines (none open yet) and its teams with their agents (none employed yet)."""
    id_ = uuid(random)
    partition = "aws-us-gov" if region.startswith("us-gov-") else "aws"
    count = max(queues, len(names or ()))
    titles = list(names or ()) + [world_names.queue_name(n) for n in range(len(names or ()), count)]
    standard = [Queue(uuid(random), title, "STANDARD") for title in titles]
    by_queue = _lines(random, [queue.id for queue in standard], volume, _PATIENT if calm else 1.0)
    lines = [line for group in by_queue for line in group]
    teams, profile_names = _teams(random, by_queue)
    for team in teams:
        _staff(random, team, calm)
    profiles = tuple(Profile(team.profile, name, serves(team)) for team, name in zip(teams, profile_names, strict=True))
    own = [Queue(agent.id, None, "AGENT") for team in teams for agent in team.agents]
    made = Instance(
        id=id_,
        alias=_alias(number),
        account_id=account_id,
        region=region,
        arn=f"arn:{partition}:connect:{region}:{account_id}:instance/{id_}",
        created=created,
        queues=(*standard, *own),
        profiles=profiles,
        statuses=_statuses(random),
    )
    return Draft(made, lines, teams)


def serves(team: Team) -> tuple[tuple[str, str, int, int], ...]:
    """What a team serves, as an administrator would read it."""
    lines = [entry for part in team.lines for entry in part]
    entries = [(*line.key, priority, int(delay)) for priority, delay, line in lines]
    return tuple(sorted(entries, key=lambda entry: (entry[2], entry[0], CHANNELS.index(entry[1]))))


def _alias(number: int) -> str:
    round_, place = divmod(number, len(world_names.ALIASES))
    return world_names.ALIASES[place] + (f"-{round_ + 1}" if round_ else "")


def _statuses(random: Random) -> tuple[Status, ...]:
    custom = [Status(uuid(random), name, "CUSTOM") for name in world_names.CUSTOM_STATUSES]
    return (Status(uuid(random), "Available", "ROUTABLE"), Status(uuid(random), "Offline", "OFFLINE"), *custom)


# demand


def _shape(opens: float, closes: float, night: float) -> list[float]:
    """Arrivals over the local day, summing to 1: two humps while open, `night` of the peak (or nothing) otherwise."""
    values = []
    for quarter in range(QUARTERS):
        hour = (quarter + 0.5) / 4
        hump = math.exp(-(((hour - 10.5) / 2.4) ** 2)) + 0.85 * math.exp(-(((hour - 15.5) / 2.8) ** 2))
        values.append(max(0.18 + 0.82 * hump, night) if opens <= hour < closes else night)
    total = added(values)
    return [value / total for value in values]


_ALWAYS = _shape(6, 23, 0.14)
_DAY = _shape(7, 21, 0.0)
_OFFICE = _shape(8, 18, 0.0)


def _hours(random: Random, number: int) -> list[float]:
    """Every other four queues, about a team's, are closed at night."""
    if number // 4 % 2:
        return random.choice((_DAY, _DAY, _OFFICE))
    return _ALWAYS if number % 4 == 0 else random.choice((_ALWAYS, _DAY))


def _channel_hours(shape: Sequence[float], channel: int) -> list[float]:
    """Mail and tasks come at night too, when nobody is there: the morning begins with what was left."""
    return list(shape) if channel in (VOICE, CHAT) else [0.7 * x + 0.3 * y for x, y in zip(shape, _ALWAYS, strict=True)]


def daily_contacts(queues: int) -> float:
    """Contacts a day in an instance of so many queues. A large instance has many quiet queues."""
    return 900.0 * queues if queues <= 16 else 900.0 * 16 * (queues / 16) ** 0.72


def _lines(random: Random, queues: Sequence[str], volume: float, patient: float) -> list[list[Line]]:
    """The channels of each queue. One of the later queues is served by nobody and overflows into the first."""
    weights = [random.lognormvariate(0.0, 0.6) for _ in queues]
    contacts = daily_contacts(len(queues)) * volume
    result = []
    for number, (queue, weight) in enumerate(zip(queues, weights, strict=True)):
        mix = {VOICE: 1.0} if _unserved(number, len(queues)) else _MIXES[number % len(_MIXES)]
        shape = _hours(random, number)
        share = contacts * weight / added(weights) * (0.15 if _unserved(number, len(queues)) else 1.0)
        pace = random.uniform(0.75, 1.3)
        lines = []
        for channel, part in mix.items():
            rates = [share * part * value * QUARTERS / (24 * HOUR) for value in _channel_hours(shape, channel)]
            nature = _NATURES[channel]
            patience = None if nature.patience is None else nature.patience * patient
            lines.append(Line(queue, channel, replace(nature, talk=nature.talk * pace, patience=patience), rates))
        result.append(lines)
    _overflows(result)
    return result


def _unserved(number: int, queues: int) -> bool:
    return queues >= 6 and number % 40 == min(11, queues - 1)


def _overflows(by_queue: list[list[Line]]) -> None:
    """Where a call goes that has waited too long: every fifth queue has such a rule, and the one nobody serves."""
    for number, lines in enumerate(by_queue):
        target = by_queue[0][0] if _unserved(number, len(by_queue)) else by_queue[(number + 1) % len(by_queue)][0]
        applies = _unserved(number, len(by_queue)) or number % 5 == 2
        if applies and target.channel == VOICE == lines[0].channel and target is not lines[0]:
            lines[0].overflow = target
            lines[0].overflow_after = 45.0 if _unserved(number, len(by_queue)) else 180.0


def steady_line(queue: str, channel: int, rate: float) -> Line:
    """A line with so many arrivals a second all day."""
    return Line(queue, channel, _NATURES[channel], [rate] * QUARTERS)


# supply


def _teams(random: Random, by_queue: list[list[Line]]) -> tuple[list[Team], list[str]]:
    """Routing profiles for every four queues: voice and digital apart, or one for both; and one that nobody is in."""
    teams: list[Team] = []
    names: list[str] = []
    served = [lines for number, lines in enumerate(by_queue) if not _unserved(number, len(by_queue))]
    groups = [served[i : i + 4] for i in range(0, len(served), 4)]
    for number, group in enumerate(groups):
        lines = [line for queue in group for line in queue]
        neighbour = groups[(number + 1) % len(groups)][0][0] if len(groups) > 1 else None
        for label, channels in _split(number):
            mine = [line for line in lines if line.channel in channels]
            if not mine:
                continue
            team = Team(uuid(random), _SLOTS)
            for line in mine:
                team.serve(line, 1 if line.channel in (VOICE, CHAT) else 2)
            if neighbour is not None and neighbour.channel == VOICE and VOICE in channels:
                team.serve(neighbour, 3, 30.0)
            teams.append(team)
            names.append(f"{world_names.team_name(number)} {label}")
    trainees = Team(uuid(random), _SLOTS)
    for line in served[0]:
        trainees.serve(line, 2, 60.0)
    return [*teams, trainees], [*names, "Trainees"]


def _split(number: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    if number % 3 == 2:
        return (("Blended", (VOICE, CHAT, TASK, EMAIL)),)
    return (("Voice", (VOICE,)), ("Digital", (CHAT, TASK, EMAIL)))


def _load(team: Team) -> list[float]:
    """Agents that a team's own lines keep busy, by quarter of the day. The trainees' lines are others' work."""
    load = [0.0] * QUARTERS
    for channel, lines in enumerate(team.lines):
        for _, delay, line in lines:
            if delay:
                continue
            seconds = (line.nature.talk + line.nature.after + 6.0) / _USEFUL[channel]
            rates = line.rates if line.nature.patience is not None else _deferred(line.rates)
            load = [total + rate * seconds for total, rate in zip(load, rates, strict=True)]
    return load


def _deferred(rates: Sequence[float]) -> list[float]:
    """Work that can wait is done in the busier hours: the same sum, nothing in the quiet ones."""
    mean = added(rates) / len(rates)
    busy = [rate if rate >= 0.5 * mean else 0.0 for rate in rates]
    return [rate * added(rates) / added(busy) for rate in busy] if any(busy) else busy


def _staff(random: Random, team: Team, calm: bool) -> None:
    """Hires until every quarter has enough people, breaks included; shifts of eight hours and of four."""
    load = _load(team)
    need = [1.12 * x + 0.45 * math.sqrt(x) + (0.6 if x > 0.02 else 0.0) for x in load]
    if calm and any(load):
        need = [_PLENTY * x + _AT_LEAST for x in need]
    while max(need) > 0.5:
        gain, start, length = max(
            (_gain(need, start, length), start, length) for length in (32, 32, 16) for start in range(0, QUARTERS, 4)
        )
        if gain <= 0:
            break
        for quarter in range(start, start + length):
            need[quarter % QUARTERS] -= 1.0
        begin = start * 900.0 + random.uniform(-300.0, 300.0)
        team.agents.append(Agent(uuid(random), team, begin % (24 * HOUR), length * 900.0))


def _gain(need: Sequence[float], start: int, length: int) -> float:
    """How much of what is needed a shift would give, less a little for the hours in which it would give too much."""
    window = [need[q % QUARTERS] for q in range(start, start + length)]
    return added(min(1.0, x) if x > 0 else -0.1 for x in window) / math.pow(length, 0.9)
