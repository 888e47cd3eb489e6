"""What GetMetricData would answer, from the sums of complete contact records and of agents' time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from exporter.simulator.numbers import added
from exporter.simulator.world_floor import Floor
from exporter.simulator.world_ledger import STEP, Sum, Tally, Total
from exporter.simulator.world_people import CONTACT, NOTHING, Line, Team

Values = dict[tuple[str, float | None], float | None]


def _count(place: int) -> Callable[[Total], float | None]:
    return lambda total: total.sums[place]


def _average(numerator: int, denominator: int) -> Callable[[Total], float | None]:
    return lambda total: total.sums[numerator] / n if (n := total.sums[denominator]) else None


def _talk_and_hold(total: Total) -> float | None:
    handled = total.sums[Sum.HANDLED]
    return (total.sums[Sum.INTERACTION_TIME] + total.sums[Sum.HOLD_TIME]) / handled if handled else None


_MEASURES: Final[dict[str, Callable[[Total], float | None]]] = {
    "CONTACTS_QUEUED": _count(Sum.QUEUED),
    "CONTACTS_HANDLED": _count(Sum.HANDLED),
    "CONTACTS_ABANDONED": _count(Sum.ABANDONED),
    # AWS stopped counting consultations in May 2019; reports show a dash.
    "CONTACTS_CONSULTED": lambda _: None,
    "CONTACTS_AGENT_HUNG_UP_FIRST": _count(Sum.AGENT_FIRST),
    "CONTACTS_HANDLED_INCOMING": _count(Sum.INCOMING),
    "CONTACTS_HANDLED_OUTBOUND": _count(Sum.OUTBOUND),
    "CONTACTS_HOLD_ABANDONS": _count(Sum.HOLD_DISCONNECTS),
    "CONTACTS_TRANSFERRED_IN": _count(Sum.TRANSFERRED_IN),
    "CONTACTS_TRANSFERRED_OUT": _count(Sum.TRANSFERRED_OUT),
    "CONTACTS_TRANSFERRED_IN_FROM_QUEUE": _count(Sum.TRANSFERRED_IN_FROM_QUEUE),
    "CONTACTS_TRANSFERRED_OUT_FROM_QUEUE": _count(Sum.TRANSFERRED_OUT_FROM_QUEUE),
    "CONTACTS_MISSED": _count(Sum.MISSED),
    "CALLBACK_CONTACTS_HANDLED": _count(Sum.CALLBACK),
    "API_CONTACTS_HANDLED": _count(Sum.API),
    "HANDLE_TIME": _average(Sum.HANDLE_TIME, Sum.HANDLED),
    "AFTER_CONTACT_WORK_TIME": _average(Sum.AFTER_TIME, Sum.HANDLED),
    "INTERACTION_TIME": _average(Sum.INTERACTION_TIME, Sum.HANDLED),
    "INTERACTION_AND_HOLD_TIME": _talk_and_hold,
    "HOLD_TIME": _average(Sum.HOLD_TIME, Sum.HELD),
    "ABANDON_TIME": _average(Sum.ABANDON_TIME, Sum.ABANDONED),
    "QUEUE_ANSWER_TIME": _average(Sum.ANSWER_TIME, Sum.ANSWERED),
    "QUEUED_TIME": lambda total: total.longest,
}


def historical(
    floor: Floor,
    lines: Iterable[Line],
    start: float,
    end: float,
    *,
    groupings: Sequence[str],
    metrics: Sequence[tuple[str, float | None]],
) -> list[tuple[dict[str, str], Values]]:
    """Rows over [start, end), on five-minute marks.

    Grouped, a row needs a contact that ended or was missed; ungrouped there always is one.
    """
    rows: dict[tuple[str, ...], tuple[list[Line], list[Tally]]] = {} if groupings else {(): ([], [])}
    for line in lines:
        tallies = line.tallies.between(start, end)
        if groupings and not tallies:
            continue
        dimension = {"QUEUE": line.key[0], "CHANNEL": line.key[1]}
        key = tuple(dimension[grouping] for grouping in groupings)
        of, found = rows.setdefault(key, ([], []))
        of.append(line)
        found.extend(tallies)
    spent = _spent(floor, start, end) if any(name == "OCCUPANCY" for name, _ in metrics) else {}
    return [
        (dict(zip(groupings, key, strict=True)), _values(Total(tallies), of, spent, metrics))
        for key, (of, tallies) in sorted(rows.items(), key=lambda entry: entry[0])
    ]


def _values(
    total: Total,
    lines: Sequence[Line],
    spent: dict[Team, tuple[float, float]],
    metrics: Sequence[tuple[str, float | None]],
) -> Values:
    values: Values = {}
    for name, threshold in metrics:
        if name == "SERVICE_LEVEL":
            values[name, threshold] = _service_level(total, threshold)
        elif name == "OCCUPANCY":
            values[name, threshold] = _occupancy(lines, spent)
        else:
            values[name, threshold] = _MEASURES[name](total)
    return values


def _service_level(total: Total, threshold: float | None) -> float | None:
    """Percent of those queued who left the queue in less than `threshold` seconds.

    Leaving is being answered, giving up or asking to be called back (Administrator Guide, "Service level X").
    """
    queued = total.sums[Sum.QUEUED]
    if threshold is None:
        raise ValueError("SERVICE_LEVEL needs a threshold")
    return 100.0 * total.below(threshold) / queued if queued else None


def _occupancy(lines: Sequence[Line], spent: dict[Team, tuple[float, float]]) -> float | None:
    """Percent of their contact and idle time that those who serve these lines were on contact, whatever the contact.

    An agent serves several queues at once and is idle for all of them, so the time can not be told apart by queue.
    """
    teams = dict.fromkeys(team for line in lines for team, _, _ in line.serves)
    contact = added(spent[team][0] for team in teams)
    idle = added(spent[team][1] for team in teams)
    return 100.0 * contact / (contact + idle) if contact + idle else None


def _spent(floor: Floor, start: float, end: float) -> dict[Team, tuple[float, float]]:
    """Seconds on contact and idle in [start, end), what is still going on included."""
    spent = {}
    steps = range(int(start // STEP), int(end // STEP))
    for team in floor.teams:
        found = [bucket for bucket in map(team.buckets.get, steps) if bucket is not None]
        sums = [added(bucket[0] for bucket in found), added(bucket[1] for bucket in found)]
        for agent in team.online:
            if agent.kind != NOTHING:
                sums[agent.kind - CONTACT] += max(0.0, min(end, floor.now) - max(start, agent.since))
        spent[team] = (sums[0], sums[1])
    return spent
