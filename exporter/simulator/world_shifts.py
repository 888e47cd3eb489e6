"""What happens to agents: they come, take breaks, call somebody, go home."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.simulator.world_floor import DAY, Floor
from exporter.simulator.world_ledger import HOUR
from exporter.simulator.world_people import AVAILABLE, OFFLINE, Agent, Line

_OUTBOUND_EVERY = 3.0 * HOUR
_ABSENT = 0.03


class Shifts:
    """Plays the working days of every agent on a floor."""

    def __init__(self, floor: Floor, *, short: int, long: int, others: Sequence[int], spread: float = 0.1) -> None:
        """`short` and `long` are the statuses of breaks, `others` those of everything else that is not a contact.

        `spread`: over which part of a shift those who began together have the same break.
        """
        self._floor = floor
        self._short = short
        self._long = long
        self._others = tuple(others)
        self._spread = spread

    def employ(self, agent: Agent) -> None:
        """Puts the agent's next shift on the calendar: the one they are in the middle of, or else the next."""
        floor, start = self._floor, self._shift(agent)
        floor.at(max(start, floor.now), self._come, (agent, start))

    def _come(self, due: tuple[Agent, float]) -> None:
        agent, start = due
        floor, draw = self._floor, self._floor.random.random
        floor.at(start + DAY + (draw() - 0.5) * 300.0, self._come, (agent, start + DAY))
        if agent.status != OFFLINE or draw() < _ABSENT or agent.team.absent:
            return
        self._begin(agent, start)

    def come_back(self, agent: Agent) -> None:
        """In the middle of their shift, where it is not over."""
        start = self._shift(agent)
        if agent.status == OFFLINE and start <= self._floor.now:
            self._begin(agent, start)

    def _shift(self, agent: Agent) -> float:
        """When the shift begins that the agent is in the middle of, or else the next."""
        floor = self._floor
        midnight = (floor.now + floor.utc_offset * HOUR) // DAY * DAY - floor.utc_offset * HOUR
        start = midnight + agent.start - DAY
        while start + agent.length <= floor.now:
            start += DAY
        return start

    def _begin(self, agent: Agent, start: float) -> None:
        floor, draw = self._floor, self._floor.random.random
        agent.day += 1
        agent.touched = floor.now
        floor.set_status(agent, AVAILABLE)
        end = start + agent.length + draw() * 300.0
        floor.at(end, self._go, (agent, agent.day))
        self._plan_breaks(agent, start, end)
        if agent.team.lines[0]:
            floor.at(floor.now + floor.random.expovariate(1 / _OUTBOUND_EVERY), self._call, (agent, agent.day))
        floor.settle(agent)

    def _plan_breaks(self, agent: Agent, start: float, end: float) -> None:
        draw = self._floor.random.random
        plan = [(0.25, self._short, 900.0), (0.75, self._short, 900.0)]
        if end - start > 6 * HOUR:
            plan.append((0.5, self._long, 1800.0 + 600.0 * draw()))
        if self._others and draw() < 0.4:
            plan.append((draw(), self._others[int(draw() * len(self._others))], 600.0 + 2400.0 * draw()))
        for share, status, seconds in plan:
            when = start + (end - start) * (share + (draw() - 0.5) * self._spread)
            if self._floor.now < when < end - seconds:
                self._floor.at(when, self._pause, (agent, agent.day, status, seconds))

    def _pause(self, due: tuple[Agent, int, int, float]) -> None:
        agent, day, status, seconds = due
        floor = self._floor
        if agent.day != day or agent.status != AVAILABLE or agent.leaving or agent.pending:
            return
        if agent.contacts and not agent.ringing and floor.random.random() < 0.25:
            # Some choose the status while they still talk: on contact and non-productive at once.
            floor.set_status(agent, status)
            floor.at(floor.now + seconds, floor.resume, (agent, day))
        else:
            agent.pending = (status, seconds)
        floor.settle(agent)

    def _call(self, due: tuple[Agent, int]) -> None:
        agent, day = due
        floor = self._floor
        if agent.day != day or agent.status == OFFLINE:
            return
        floor.at(floor.now + floor.random.expovariate(1 / _OUTBOUND_EVERY), self._call, due)
        if agent.routable and not agent.contacts:
            lines: list[Line] = [line for _, _, line in agent.team.lines[0] if line.open]
            if lines:
                floor.call_out(agent, lines[int(floor.random.random() * len(lines))])

    def _go(self, due: tuple[Agent, int]) -> None:
        agent, day = due
        if agent.day == day and agent.status != OFFLINE:
            agent.leaving = True
            self._floor.settle(agent)
