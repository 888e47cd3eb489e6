"""One target being watched, a task per collector: when to collect, how long it may take, what becomes of the outcome.

Each target has its inventory, and every collector of it waits for that. A failure is the collector's own: it is
counted, said once, and the last whole result stays on the board until it is too old.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import chain

import structlog

from exporter import inventory as inventories
from exporter import mapping, objectives
from exporter.board import Entry
from exporter.catalogue import by_name
from exporter.collectors import Context, wire
from exporter.collectors.refusals import Memory
from exporter.exposition import render
from exporter.jobs import INVENTORY, PROFILE_QUEUES, RETRY, Api, Job, Known, Plan, Shared
from exporter.model import CallFailed, Inventory, Reason, Refusal, Sample, Target
from exporter.telemetry import State
from exporter.threads import ASIDE

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

LONGEST = 60.0
"""Seconds that a refresh may take, or four of its intervals where that is more: room for retries and quota waits."""
SOONEST = 5.0
"""Seconds between two lists of one inventory, however many collectors ask for it."""
TRIES_FOR_A_NAME = 3
"""How often an instance's own alias is waited for before its id stands for it."""


class Watch:
    """One target being watched: its inventory, its collectors, each in a loop of its own."""

    def __init__(self, target: Target, plan: Plan, api: Api, shared: Shared, chance: random.Random) -> None:
        self.target = target
        self.plan = plan
        self.shared = shared
        self.api = api
        self._chance = chance
        self._known = shared.known.setdefault(target.key, Known())
        self._listing = asyncio.Lock()
        self._listed: float | None = None
        self._unlisted: CallFailed | None = None
        self._ready = asyncio.Event()
        self._nudges: dict[str, asyncio.Event] = {}
        self.owed: set[str] = set()
        """Collectors that have been nudged, and have not run since."""
        if target.alias:
            # A name that is known is taken before anybody can learn that it is theirs too.
            shared.names.setdefault(target.alias, target.key)
        self._states: dict[str, State] = {}
        """By collector; a reload may take them out of `shared` while a last run is being cancelled."""
        for name, interval in plan.collectors().items():
            state = shared.states.setdefault((target.key, name), State(target, self._name(), name, interval))
            state.target, state.interval = target, interval
            self._states[name] = state

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(INVENTORY, self.plan.inventory_interval, self._refresh_inventory))
            await self._ready.wait()
            if self.plan.with_profile_queues:
                group.create_task(self._repeat(PROFILE_QUEUES, self.plan.inventory_interval, self._refresh_served))
            for job in self.plan.jobs:
                group.create_task(self._repeat(job.name, job.interval, lambda job=job: self._collect(job)))  # type: ignore[misc]

    async def once(self) -> None:
        """Everything one time: the inventory, all that profiles serve, each collector."""
        await self._attempt(INVENTORY, self.plan.inventory_interval, self._refresh_inventory)
        if self.plan.with_profile_queues:
            await self._attempt(PROFILE_QUEUES, self.plan.inventory_interval, self._refresh_served, bounded=False)
        async with asyncio.TaskGroup() as group:
            for job in self.plan.jobs:
                group.create_task(self._attempt(job.name, job.interval, lambda job=job: self._collect(job)))  # type: ignore[misc]

    async def inventory(self) -> Inventory:
        """The inventory, listed anew unless that was just tried. Raises CallFailed where no queues could be had yet."""
        await self._list()
        return self._usable()

    async def _repeat(self, name: str, interval: float, work: Callable[[], Awaitable[None]]) -> None:
        """On a grid of its own, with a random first step, so that a hundred instances do not ask at one moment."""
        monotonic = self.shared.clock.monotonic
        await asyncio.sleep(self._chance.uniform(0.0, min(1.0, interval / 10)))
        due = monotonic() + self._chance.uniform(0.5, 1.0) * interval
        nudge = self._nudges.setdefault(name, asyncio.Event())
        while True:
            # A nudge in the midst of a run is about something that this run may have missed.
            nudge.clear()
            await self._attempt(name, interval, work, bounded=name != PROFILE_QUEUES)
            if not nudge.is_set():
                self.owed.discard(name)
            while due <= monotonic():
                due += interval
            state = self._states[name]
            sooner = self._known.again.get(name, interval) if state.success else RETRY
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(due - monotonic(), sooner)):
                    await nudge.wait()

    async def _attempt(
        self, name: str, interval: float, work: Callable[[], Awaitable[None]], bounded: bool = True
    ) -> None:
        """One run: its outcome goes into the state, whatever it is."""
        state = self._states[name]
        clock = self.shared.clock
        begun, begun_wall = clock.monotonic(), clock.time()
        bound = max(LONGEST, 4 * interval) if bounded else None
        try:
            async with asyncio.timeout(bound):
                await work()
        except CallFailed as failure:
            self._failed(state, failure.reason, str(failure))
        except TimeoutError as late:
            told = str(late) or f"not done after {clock.monotonic() - begun:.0f} s"
            self._failed(state, Reason.TIMEOUT, told)
        except TooManySeries as too_many:
            self._failed(state, Reason.INTERNAL, str(too_many))
        except Exception as fault:
            error = f"{type(fault).__name__}: {fault}"
            if state.error != error:
                log.exception("fault in the exporter", instance_alias=state.instance_alias, collector=name)
            self._failed(state, Reason.INTERNAL, error)
        else:
            self._succeeded(state, begun_wall)
        state.last_attempt = begun_wall
        state.duration = clock.monotonic() - begun
        self.shared.changed.set()

    def _failed(self, state: State, reason: Reason, error: str) -> None:
        state.errors[reason] += 1
        if state.success is not False or state.reason is not reason:
            log.warning(
                "refresh failed",
                instance_alias=state.instance_alias,
                collector=state.collector,
                reason=reason.value,
                error=error,
                kept_series=self.shared.board.series((self.target.key, state.collector), self.shared.clock.monotonic()),
            )
        state.success, state.reason, state.error = False, reason, error

    def _succeeded(self, state: State, when: float) -> None:
        if state.success is not True:
            series = self.shared.board.series((self.target.key, state.collector), self.shared.clock.monotonic())
            log.info("collecting", instance_alias=state.instance_alias, collector=state.collector, series=series)
        state.success, state.reason, state.error, state.last_success = True, None, "", when

    async def _refresh_inventory(self) -> None:
        try:
            failures = await self._list(always=True)
            published = False
            while not published:
                inventory, alias = self._usable(), self._name()
                samples = await ASIDE.run(self._information, inventory, alias)
                published = await self._publish(INVENTORY, alias, samples, self._known.listed + self.plan.max_age)
            if failures:
                raise failures[0]
        finally:
            self._ready.set()

    async def _list(self, always: bool = False) -> list[CallFailed]:
        """List what the instance consists of; parts that failed stay as they were. At most every few seconds."""
        async with self._listing:
            now = self.shared.clock.monotonic()
            soonest = min([SOONEST, *(job.interval for job in self.plan.jobs)])
            if not always and self._listed is not None and now - self._listed < soonest:
                return []
            known = self._known
            found, failures = await inventories.refresh(
                self.api.call, self.api.pages, self.target, known.inventory, self.plan.with_agent_statuses
            )
            known.inventory = found
            described = not any(failure.operation == "DescribeInstance" for failure in failures)
            known.nameless = 0 if described else known.nameless + 1
            if not any(failure.operation == "ListQueues" for failure in failures):
                known.listed = now
            self._unlisted = next(iter(failures), None)
            self._listed = self.shared.clock.monotonic()
            self._rename()
            return failures

    def _usable(self) -> Inventory:
        known = self._known
        failure = self._unlisted or CallFailed("ListQueues", Reason.INTERNAL, message="no inventory yet")
        if known.inventory.queues is None:
            raise failure
        unnamed = not (self.target.alias or known.inventory.alias)
        passing = failure.reason not in (Reason.ACCESS_DENIED, Reason.NOT_FOUND, Reason.INVALID_REQUEST)
        if unnamed and 0 < known.nameless < TRIES_FOR_A_NAME and passing:
            raise failure
        if self.shared.names.get(self._name()) != self.target.key:
            taken = f"another instance is already published as {self._wanted_name()!r}: give this one an alias"
            raise CallFailed("DescribeInstance", Reason.INVALID_REQUEST, message=taken)
        return known.inventory

    def _wanted_name(self) -> str:
        return self.target.alias or self._known.inventory.alias or self.target.instance_id

    def _name(self) -> str:
        """The label value: the wanted one, unless another target has it."""
        names = self.shared.names
        wanted = self._wanted_name()
        return wanted if names.get(wanted, self.target.key) == self.target.key else self.target.instance_id

    def _rename(self) -> None:
        """Take the name that the inventory gave, unless another target was first."""
        names, wanted = self.shared.names, self._wanted_name()
        for name in [name for name, owner in names.items() if owner == self.target.key and name != wanted]:
            # Whoever takes the old name must not find our series under it.
            self.shared.board.drop(self.target.key)
            del names[name]
        if names.setdefault(wanted, self.target.key) != self.target.key:
            self.shared.board.drop(self.target.key)
        name = self._name()
        for state in self._states.values():
            state.instance_alias = name

    async def _refresh_served(self) -> None:
        """Slow: what is known already is used meanwhile."""
        profiles = self._usable().routing_profiles or {}
        before = dict(self._known.served)
        failures = await inventories.serve(self.api.pages, self.target, profiles, self._known.served)
        if self._known.served != before:
            # What is served is filled with zeros: at once, not a whole interval later.
            for job in self.plan.jobs:
                self._nudges.setdefault(job.name, asyncio.Event()).set()
                self.owed.add(job.name)
        if failures:
            raise failures[0]

    async def _collect(self, job: Job) -> None:
        known, clock = self._known, self.shared.clock
        begun = clock.monotonic()
        try:
            inventory = self._usable()
        except CallFailed:
            inventory = await self.inventory()
        served = frozenset(chain.from_iterable(known.served.values()))
        context = Context(
            target=self.target,
            instance_alias=self._name(),
            inventory=replace(inventory, served=served),
            pages=self.api.pages,
            refresh=self.inventory,
            now=clock.time,
            monotonic=clock.monotonic,
            memory=known.memories.setdefault(job.name, Memory(self.plan.inventory_interval)),
            carry=known.carries.get(job.name),
        )
        result = await job.collect(context)
        since = begun if result.since is None else min(begun, result.since)
        if not await self._publish(job.name, context.instance_alias, result.samples, since + self.plan.max_age):
            await self._collect(job)
            return
        known.carries[job.name] = result.carry
        known.again[job.name] = job.interval if result.again is None else result.again
        self._refused(job.name, result.refusals)

    async def _publish(self, name: str, alias: str, samples: tuple[Sample, ...], expires: float) -> bool:
        """False where the target was named anew meanwhile: another one may own the old name by now."""
        key = (self.target.key, name)
        entry = Entry(await ASIDE.run(render, samples, by_name), expires, lasting=name == INVENTORY)
        most = self.plan.max_series
        room = max(0, most - self.shared.board.series_beside(key, self.shared.clock.monotonic()))
        if entry.series > room:
            self._states[name].dropped += entry.series
            raise TooManySeries(f"{entry.series} series dropped: limits.max_series ({most}) has room for {room}")
        if alias != self._name():
            return False
        self.shared.board.put(key, entry)
        return True

    def _information(self, inventory: Inventory, alias: str) -> tuple[Sample, ...]:
        """The names of what is collected, not of what the filters leave out."""
        queues, profiles = inventory.queues or {}, inventory.routing_profiles or {}
        shown = replace(
            inventory,
            queues={i: queues[i] for i in wire.selected(queues, self.target.queues)},
            routing_profiles={i: profiles[i] for i in wire.selected(profiles, self.target.routing_profiles)},
        )
        target = self.target
        goals = objectives.samples(self.plan.objectives, alias, shown.queues or {}, target.channels)
        return (*mapping.information(shown, alias, target.instance_id, target.access.region), *goals)

    def _refused(self, name: str, refusals: tuple[Refusal, ...]) -> None:
        """Say once what AWS refused while the rest carried on."""
        state = self._states[name]
        before = {(refusal.kind, refusal.name) for refusal in state.refusals}
        state.refusals = tuple(replace(refusal, name=self._readable(refusal)) for refusal in refusals)
        for refusal in state.refusals:
            if (refusal.kind, refusal.name) not in before:
                before.add((refusal.kind, refusal.name))
                state.errors[refusal.reason] += 1
                log.warning(
                    "refused by AWS, carrying on without it",
                    instance_alias=state.instance_alias,
                    collector=name,
                    level=refusal.level,
                    kind=refusal.kind,
                    name=refusal.name,
                    reason=refusal.reason.value,
                    error=refusal.message,
                )

    def _readable(self, refusal: Refusal) -> str:
        dimension = {"queue": "QUEUE", "routing_profile": "ROUTING_PROFILE"}.get(refusal.kind, "")
        return mapping.label_value(dimension, refusal.name, self._known.inventory)


class TooManySeries(Exception):
    """A result that the limit has no room for."""
