"""Which targets are watched: the configured ones always, the discovered ones as they come and go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from exporter.jobs import PROFILE_QUEUES, RETRY, Api, Plan, Shared
from exporter.model import CallFailed, Reason, Target
from exporter.telemetry import Discovery, State
from exporter.watch import Watch

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

PATIENCE = 15.0
"""Seconds for which it counts as waiting that what profiles serve, and so the zeros of idle queues, is not yet known:
a few profiles are looked through in that time, three hundred are not.
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A place where instances are looked for: number of the block and region. `seek` raises CallFailed."""

    place: tuple[str, str]
    seek: Callable[[], Awaitable[list[Target]]]


class Engine:
    """Watches every target; those that are discovered come and go."""

    def __init__(
        self,
        plan: Plan,
        targets: tuple[Target, ...],
        places: tuple[Found, ...],
        api_of: Callable[[Target], Api],
        shared: Shared,
        chance: random.Random,
    ) -> None:
        self.plan = plan
        self.shared = shared
        self.fixed = targets
        self.places = places
        self.discovery: dict[tuple[str, str], Discovery] = {place.place: Discovery() for place in places}
        self._looked: set[tuple[str, str]] = set()
        """Places that this engine has looked at, with or without success."""
        self.watches: dict[tuple[str, str], Watch] = {}
        self._api_of = api_of
        self._chance = chance
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._begun = shared.clock.monotonic()

    async def run(self) -> None:
        """Until cancelled; then every task has ended."""
        try:
            async with asyncio.TaskGroup() as group:
                self._settle(group)
                for place in self.places:
                    group.create_task(self._discover(place, group))
                await asyncio.Event().wait()
        finally:
            self._tasks.clear()

    def inherit(self, before: Engine) -> None:
        """Watch what the engine before had found, until the places have been looked at anew."""
        for place in self.discovery.keys() & before.discovery.keys():
            self.discovery[place] = before.discovery[place].copy()
        self._begun = before._begun
        self.settle()

    def settle(self) -> None:
        """Know the targets, so that each has its series from the first page on; nothing runs yet."""
        self._settle(None)

    async def look(self) -> None:
        """Find the targets, one time; collect nothing."""
        for place in self.places:
            await self._look(place)
        self._settle(None)

    async def once(self) -> None:
        """Everything one time."""
        await self.look()
        async with asyncio.TaskGroup() as group:
            for watch in self.watches.values():
                group.create_task(watch.once())

    def targets(self) -> dict[tuple[str, str], Target]:
        """All there are: what is configured first, then what was found, each once."""
        found = {target.key: target for target in self.fixed}
        aliases = {target.alias for target in self.fixed}
        for discovery in self.discovery.values():
            for target in discovery.targets:
                if target.key in found or (target.alias and target.alias in aliases):
                    continue
                found[target.key] = target
                aliases.add(target.alias)
        return found

    def states(self) -> list[State]:
        return [
            self.shared.states[key, name] for key, watch in self.watches.items() for name in watch.plan.collectors()
        ]

    def waiting_for(self) -> str:
        """What has neither succeeded nor failed yet, in words; nothing once all have. What is slow by nature is waited
        for a little only.
        """
        places = [region for (_, region), discovery in self.discovery.items() if discovery.success is None]
        if places:
            return f"instances are being listed: {', '.join(places)}"
        patient = self.shared.clock.monotonic() - self._begun < PATIENCE
        waiting = [s for s in self.states() if s.success is None and (patient or s.collector != PROFILE_QUEUES)]
        if waiting:
            return f"{len(waiting)} collectors have not run yet"
        owed = sum(len(watch.owed) for watch in self.watches.values()) if patient else 0
        return f"{owed} collectors have yet to add the zeros of idle queues" if owed else ""

    def _settle(self, group: asyncio.TaskGroup | None) -> None:
        """Watch what is there now, and nothing else."""
        targets = self.targets()
        for key in [key for key, watch in self.watches.items() if targets.get(key) != watch.target]:
            del self.watches[key]
            if task := self._tasks.pop(key, None):
                task.cancel()
        self._forget_all_but(targets)
        for key, target in targets.items():
            if key not in self.watches:
                self.watches[key] = Watch(target, self.plan, self._api_of(target), self.shared, self._chance)
            if group is not None and key not in self._tasks:
                self._tasks[key] = group.create_task(self.watches[key].run())
        self.shared.changed.set()

    def _forget_all_but(self, targets: Mapping[tuple[str, str], Any]) -> None:
        """Results, states and names of what is gone: but only once every place has been looked at."""
        if self._looked != self.discovery.keys():
            return
        shared, names = self.shared, self.plan.collectors()
        shared.board.retain({(key, name) for key in targets for name in names})
        shared.states = {(key, name): s for (key, name), s in shared.states.items() if key in targets and name in names}
        shared.known = {key: known for key, known in shared.known.items() if key in targets}
        shared.names = {name: key for name, key in shared.names.items() if key in targets}

    async def _discover(self, place: Found, group: asyncio.TaskGroup) -> None:
        while True:
            await self._look(place)
            self._settle(group)
            failed = not self.discovery[place.place].success
            await asyncio.sleep(min(RETRY, self.plan.inventory_interval) if failed else self.plan.inventory_interval)

    async def _look(self, place: Found) -> None:
        """A failure keeps what was found before."""
        discovery = self.discovery[place.place]
        discovery.failure = None
        try:
            targets = await place.seek()
        except CallFailed as failure:
            if discovery.success is not False or discovery.error != str(failure):
                log.warning("discovery failed", region=place.place[1], reason=failure.reason.value, error=str(failure))
            discovery.success, discovery.error = False, str(failure)
            discovery.failure = failure.with_traceback(None)
            discovery.errors[failure.reason] += 1
        except Exception as fault:
            error = f"{type(fault).__name__}: {fault}"
            if discovery.error != error:
                log.exception("fault in the exporter", region=place.place[1])
            discovery.success, discovery.error = False, error
            discovery.errors[Reason.INTERNAL] += 1
        else:
            self._say_doubles(discovery, targets)
            discovery.success, discovery.error, discovery.targets = True, "", tuple(targets)
            discovery.last_success = self.shared.clock.time()
        self._looked.add(place.place)

    def _say_doubles(self, discovery: Discovery, targets: list[Target]) -> None:
        """The first that has a name keeps it."""
        others = {t.alias: t.key for t in self.targets().values() if t.alias and t not in discovery.targets}
        left_out = {t.key: t for t in targets if others.setdefault(t.alias or t.instance_id, t.key) != t.key}
        for target in [target for key, target in left_out.items() if key not in discovery.left_out]:
            log.warning("instance left out, its alias is taken", alias=target.alias, instance_id=target.instance_id)
        discovery.left_out = frozenset(left_out)
