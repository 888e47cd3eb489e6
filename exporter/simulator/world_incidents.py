"""What can go wrong in a contact centre, each with a beginning and an end.

Nothing here draws from the floor's generator before the incident begins: until then the world is the one it would have
been without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from exporter.simulator.world_floor import Floor
from exporter.simulator.world_people import AVAILABLE, Line, Team
from exporter.simulator.world_shifts import Shifts


def _between(floor: Floor, start: float, end: float, begin: Callable[[], None], finish: Callable[[], None]) -> None:
    """Unix seconds; what should have begun already begins now."""
    if not start < end:
        raise ValueError(f"an incident ends after it begins: {start}, {end}")
    floor.at(max(start, floor.now), lambda _: begin(), None)
    floor.at(max(end, floor.now), lambda _: finish(), None)


def lose_staff(floor: Floor, shifts: Shifts, team: Team, start: float, end: float) -> None:
    """Everybody goes offline once their contact is done, and nobody comes; then those come back who are on shift."""

    def begin() -> None:
        team.absent = True
        for agent in list(team.online):
            agent.leaving = True
            floor.settle(agent)

    def finish() -> None:
        team.absent = False
        for agent in team.agents:
            shifts.come_back(agent)

    _between(floor, start, end, begin, finish)


def hold_meeting(floor: Floor, team: Team, status: int, share: float, start: float, end: float) -> None:
    """A share of those online go to a custom status once their contact is done, and return at the end."""

    def begin() -> None:
        working = [agent for agent in team.online if agent.status == AVAILABLE and not agent.leaving]
        for agent in working[: math.ceil(share * len(working))]:
            agent.pending = (status, end - floor.now)
            floor.settle(agent)

    _between(floor, start, end, begin, lambda: None)


def stall_routing(floor: Floor, lines: Sequence[Line], start: float, end: float) -> None:
    """Contacts of these lines are offered to nobody, whoever is free."""

    def begin() -> None:
        for line in lines:
            line.stalled = True

    def finish() -> None:
        for line in lines:
            line.stalled = False
        for line in lines:
            for contact in list(line.waiting):
                floor.place(contact)

    _between(floor, start, end, begin, finish)


def silence(floor: Floor, lines: Sequence[Line], start: float, end: float) -> None:
    """No contact arrives on these lines; those who are there stay."""

    def change(factor: float) -> None:
        for line in lines:
            line.factor = factor
            line.changes += 1
            floor.next_arrival(line)

    _between(floor, start, end, lambda: change(0.0), lambda: change(1.0))


def lose_patience(floor: Floor, lines: Sequence[Line], factor: float, start: float, end: float) -> None:
    """Those who arrive give up `factor` times as soon as usual."""

    def change(haste: float) -> None:
        for line in lines:
            line.haste = haste

    _between(floor, start, end, lambda: change(factor), lambda: change(1.0))


def agents_error(floor: Floor, team: Team, share: float, start: float, end: float) -> None:
    """A share of those online answer nothing any more: the next contact that rings puts them in error until the end."""

    def begin() -> None:
        online = list(team.online)
        team.deaf.update(dict.fromkeys(online[: math.ceil(share * len(online))]))

    def finish() -> None:
        deaf = list(team.deaf)
        team.deaf.clear()
        for agent in deaf:
            floor.reset(agent)

    _between(floor, start, end, begin, finish)
