"""The world behind the simulator: seeded contact centres that work by a clock.

Events make every number: nothing that a query answers is drawn when it is asked. The same seed and the same start give
the same world, and its state at a moment does not depend on how often anybody looked in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from random import Random
from threading import RLock

from exporter.simulator import world_current, world_historical, world_incidents, world_plan
from exporter.simulator.world_books import KEEP
from exporter.simulator.world_floor import Floor
from exporter.simulator.world_ledger import STEP, Contact
from exporter.simulator.world_names import UTC_OFFSETS
from exporter.simulator.world_people import CONTACT, IDLE, NOTHING, Line, Team
from exporter.simulator.world_places import CHANNELS, Instance, Profile, Queue, Status
from exporter.simulator.world_shifts import Shifts

__all__ = ["CHANNELS", "HISTORY", "Contact", "Instance", "Profile", "Queue", "Status", "World"]

HISTORY = float(KEEP)
"""Seconds lived before a world is handed out: 24 h that can be asked about, and two more to get going."""
_AGE = 400 * 86400.0
_LIVING_STEPS = 100
_ATTENTIVE = 0.2
"""Where a day is to go well, agents miss a contact so many times as often as elsewhere."""
_SPREAD = 0.4
"""There, breaks are spread over so much of a shift: half of a team is never at lunch."""
_KINDS = {CONTACT: "CONTACT", IDLE: "IDLE"}

CurrentRows = list[tuple[dict[str, str], dict[str, float | None]]]
HistoricalRows = list[tuple[dict[str, str], dict[tuple[str, float | None], float | None]]]


class World:
    """Some instances of one account. Every method may be called from any thread."""

    def __init__(
        self,
        *,
        seed: int = 1,
        clock: Callable[[], float] = time.time,
        instances: int = 2,
        queues: int = 12,
        regions: Sequence[str] = ("us-east-1",),
        account_id: str = "123456789012",
        queue_names: Sequence[str] | None = None,
        history: float = HISTORY,
        volume: float = 1.0,
        calm: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        """Lives through `history` seconds, which takes a while; `progress` hears of it in steps from 0 to 1.

        `queue_names` are those of each instance's first queues. `volume` multiplies contacts, and agents with them.
        `calm`: a day goes well unless something is done to it, with enough attentive people at every hour, and
        customers who do not hang up while it rings.
        """
        self.clock = clock
        """Unix seconds; the one time there is in this world."""
        self._lock = RLock()
        self._floors: dict[str, Floor] = {}
        self._shifts: dict[str, Shifts] = {}
        self.instances: tuple[Instance, ...] = ()
        now = clock()
        start = (now - history) // STEP * STEP
        for number in range(instances):
            region = regions[number % len(regions)]
            draft = world_plan.instance(
                Random(f"{seed}/{number}/plan"),
                number=number,
                queues=queues,
                names=queue_names,
                region=region,
                account_id=account_id,
                created=now // 86400 * 86400.0 - _AGE,
                volume=volume,
                calm=calm,
            )
            floor = Floor(
                random=Random(f"{seed}/{number}/floor"),
                start=start,
                utc_offset=UTC_OFFSETS.get(region, 0),
                neglect=_ATTENTIVE if calm else 1.0,
            )
            self._shifts[draft.instance.id] = _begin(floor, draft, _SPREAD if calm else 0.1)
            self._floors[draft.instance.id] = floor
            self.instances += (draft.instance,)
        self._live(start, now, progress or (lambda _: None))

    def _live(self, start: float, now: float, progress: Callable[[float], None]) -> None:
        floors = list(self._floors.values())
        progress(0.0)
        for number, floor in enumerate(floors):
            for step in range(1, _LIVING_STEPS + 1):
                floor.play(start + (now - start) * step / _LIVING_STEPS if step < _LIVING_STEPS else now)
                progress((number + step / _LIVING_STEPS) / len(floors))

    # what there is

    def instance(self, instance_id: str) -> Instance | None:
        return next((i for i in self.instances if i.id == instance_id), None)

    def _known(self, instance_id: str) -> Instance:
        instance = self.instance(instance_id)
        if instance is None:
            raise KeyError(instance_id)
        return instance

    def advance(self) -> None:
        """Lets everything happen that is due by the clock."""
        with self._lock:
            now = self.clock()
            for floor in self._floors.values():
                floor.play(now)

    # what can be asked

    def current(
        self,
        instance_id: str,
        *,
        queues: Sequence[str] | None,
        profiles: Sequence[str] | None,
        channels: Sequence[str],
        groupings: Sequence[str],
        metrics: Sequence[str],
    ) -> tuple[CurrentRows, float]:
        """Rows and the moment they are of. `None`: no filter; unknown ids are skipped. KeyError: no such instance."""
        with self._lock:
            instance, floor = self._known(instance_id), self._floors[instance_id]
            self.advance()
            lines = _lines(floor, queues, channels)
            only = None if profiles is None else frozenset(profiles)
            if only is not None:
                lines = [line for line in lines if any(team.profile in only for team, _, _ in line.serves)]
            if "AGENT_STATUS" in groupings:
                return world_current.by_status(floor, lines, instance.statuses), floor.now
            return world_current.current(floor, lines, only, groupings, metrics), floor.now

    def historical(
        self,
        instance_id: str,
        *,
        start: float,
        end: float,
        queues: Sequence[str] | None,
        channels: Sequence[str],
        groupings: Sequence[str],
        metrics: Sequence[tuple[str, float | None]],
    ) -> HistoricalRows:
        """Rows over [start, end), five-minute marks in unix seconds. A metric is (name, threshold in seconds)."""
        with self._lock:
            self._known(instance_id)
            self.advance()
            floor = self._floors[instance_id]
            lines = _lines(floor, queues, channels)
            return world_historical.historical(floor, lines, start, end, groupings=groupings, metrics=metrics)

    # what happened: for sums by hand

    def ledger(self, instance_id: str) -> tuple[Contact, ...]:
        """Complete contact records of the last day or so, in the order in which they became complete."""
        with self._lock:
            self.advance()
            return tuple(self._floors[instance_id].books.finished)

    def open_contacts(self, instance_id: str) -> tuple[Contact, ...]:
        """Contacts whose record is not complete: scheduled, waiting, talking or worked after. They go on changing."""
        with self._lock:
            self.advance()
            return tuple(self._floors[instance_id].open)

    def missed(self, instance_id: str) -> tuple[tuple[float, str, str, str], ...]:
        """(time, queue id, channel, agent id) of every contact that an agent did not answer."""
        with self._lock:
            self.advance()
            return tuple(self._floors[instance_id].books.misses)

    def agent_time(self, instance_id: str) -> tuple[tuple[str, str, str, float, float], ...]:
        """(routing profile id, agent id, "CONTACT" or "IDLE", start, end); what still goes on ends now."""
        with self._lock:
            self.advance()
            floor = self._floors[instance_id]
            online = [agent for team in floor.teams for agent in team.online]
            running = [(agent.team.profile, agent.id, agent.kind, agent.since, floor.now) for agent in online]
            return tuple(
                (p, a, _KINDS[kind], s, e) for p, a, kind, s, e in (*floor.books.spans, *running) if kind != NOTHING
            )

    def status_changes(self, instance_id: str) -> tuple[tuple[float, str, str, str], ...]:
        """(time, routing profile id, agent id, status id): who was in no status yet is Offline."""
        with self._lock:
            self.advance()
            instance, floor = self._known(instance_id), self._floors[instance_id]
            return tuple((t, profile, agent, instance.statuses[s].id) for t, profile, agent, s in floor.books.changes)

    # what can be done to it

    def rename_queue(self, instance_id: str, queue_id: str, name: str) -> None:
        with self._lock:
            instance = self._known(instance_id)
            _standard(instance, queue_id)
            renamed = (replace(q, name=name) if q.id == queue_id else q for q in instance.queues)
            self._put(replace(instance, queues=tuple(renamed)))

    def remove_queue(self, instance_id: str, queue_id: str) -> None:
        """Deletes a queue. Those who wait are cut off, those who talk finish; its past stays in the ledger."""
        with self._lock:
            self.advance()
            instance, floor = self._known(instance_id), self._floors[instance_id]
            _standard(instance, queue_id)
            for line in _lines(floor, (queue_id,), CHANNELS):
                line.open = False
                for team in floor.teams:
                    team.drop(line)
                for contact in (*line.waiting, *line.scheduled):
                    floor.remove(contact)
                line.serves.clear()
            kept = tuple(queue for queue in instance.queues if queue.id != queue_id)
            self._put(replace(instance, queues=kept, profiles=_profiles(instance, floor)))

    def add_queue(
        self, instance_id: str, name: str, *, channels: Sequence[str] = ("VOICE",), per_hour: float = 30.0
    ) -> Queue:
        """Makes a queue with so many contacts an hour on each channel, served by every profile that has the channel."""
        with self._lock:
            self.advance()
            instance, floor = self._known(instance_id), self._floors[instance_id]
            queue = Queue(world_plan.uuid(floor.random), name, "STANDARD")
            for channel in channels:
                line = world_plan.steady_line(queue.id, CHANNELS.index(channel), per_hour / 3600.0)
                for team in floor.teams:
                    if team.lines[line.channel]:
                        team.serve(line)
                floor.open_line(line)
            self._put(replace(instance, queues=(*instance.queues, queue), profiles=_profiles(instance, floor)))
            return queue

    def surge(self, instance_id: str, queue_id: str, factor: float) -> None:
        """From now on the queue gets `factor` times its usual contacts; 1 ends it."""
        with self._lock:
            self.advance()
            floor = self._floors[instance_id]
            for line in _lines(floor, (queue_id,), CHANNELS):
                line.factor = factor
                line.changes += 1
                floor.next_arrival(line)

    # what can happen to it: from `start` to `end`, unix seconds, scripted beforehand

    def lose_staff(self, instance_id: str, profile_id: str, start: float, end: float) -> None:
        """The agents of a routing profile go offline once their contact is done; then those return who are on shift."""
        with self._lock:
            floor, team = self._team(instance_id, profile_id)
            world_incidents.lose_staff(floor, self._shifts[instance_id], team, start, end)

    def hold_meeting(self, instance_id: str, profile_id: str, share: float, start: float, end: float) -> None:
        """A share of a routing profile's agents who work at `start` are in a custom status."""
        with self._lock:
            floor, team = self._team(instance_id, profile_id)
            names = [status.name for status in self._known(instance_id).statuses]
            world_incidents.hold_meeting(floor, team, names.index("Meeting"), share, start, end)

    def agents_error(self, instance_id: str, profile_id: str, share: float, start: float, end: float) -> None:
        """A share of a routing profile's agents online at `start` miss the next contact, and stay in error."""
        with self._lock:
            floor, team = self._team(instance_id, profile_id)
            world_incidents.agents_error(floor, team, share, start, end)

    def stall_routing(
        self, instance_id: str, queue_id: str, start: float, end: float, *, channels: Sequence[str] = CHANNELS
    ) -> None:
        """Contacts of a queue reach nobody, whoever is free."""
        with self._lock:
            _standard(self._known(instance_id), queue_id)
            floor, lines = self._lines_of(instance_id, (queue_id,), channels)
            world_incidents.stall_routing(floor, lines, start, end)

    def silence(self, instance_id: str, channel: str, start: float, end: float) -> None:
        """No contact arrives on a channel."""
        with self._lock:
            floor, lines = self._lines_of(instance_id, None, (channel,))
            world_incidents.silence(floor, lines, start, end)

    def lose_patience(
        self,
        instance_id: str,
        queue_id: str,
        factor: float,
        start: float,
        end: float,
        *,
        channels: Sequence[str] = CHANNELS,
    ) -> None:
        """Those who come to a queue give up `factor` times as soon as usual."""
        with self._lock:
            _standard(self._known(instance_id), queue_id)
            floor, lines = self._lines_of(instance_id, (queue_id,), channels)
            world_incidents.lose_patience(floor, lines, factor, start, end)

    def _lines_of(
        self, instance_id: str, queues: Iterable[str] | None, channels: Iterable[str]
    ) -> tuple[Floor, list[Line]]:
        self.advance()
        floor = self._floors[instance_id]
        return floor, _lines(floor, queues, channels)

    def _team(self, instance_id: str, profile_id: str) -> tuple[Floor, Team]:
        self.advance()
        floor = self._floors[instance_id]
        for team in floor.teams:
            if team.profile == profile_id:
                return floor, team
        raise KeyError(profile_id)

    def _put(self, instance: Instance) -> None:
        self.instances = tuple(instance if i.id == instance.id else i for i in self.instances)


def _begin(floor: Floor, draft: world_plan.Draft, spread: float) -> Shifts:
    floor.teams = draft.teams
    for line in draft.lines:
        floor.open_line(line)
    named = {status.name: place for place, status in enumerate(draft.instance.statuses)}
    custom = {status.name for status in draft.instance.statuses if status.kind == "CUSTOM"}
    others = [named[name] for name in sorted(custom - {"Break", "Lunch"})]
    shifts = Shifts(floor, short=named["Break"], long=named["Lunch"], others=others, spread=spread)
    for team in draft.teams:
        for agent in team.agents:
            shifts.employ(agent)
    return shifts


def _lines(floor: Floor, queues: Iterable[str] | None, channels: Iterable[str]) -> list[Line]:
    """The open lines of these queues and channels, in the floor's order."""
    queue_set, channel_set = None if queues is None else frozenset(queues), frozenset(channels)
    return [
        line
        for (queue, channel), line in floor.lines.items()
        if line.open and channel in channel_set and (queue_set is None or queue in queue_set)
    ]


def _standard(instance: Instance, queue_id: str) -> Queue:
    for queue in instance.queues:
        if queue.id == queue_id and queue.kind == "STANDARD":
            return queue
    raise KeyError(queue_id)


def _profiles(instance: Instance, floor: Floor) -> tuple[Profile, ...]:
    return tuple(replace(p, serves=world_plan.serves(t)) for p, t in zip(instance.profiles, floor.teams, strict=True))
