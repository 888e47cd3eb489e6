"""Days of an exporter in seconds: the real one, asking the real simulator over HTTP, on a clock that jumps.

Contacts come from a ledger that was written beforehand, so that every sum is known; each scrape is kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from exporter.app import App
from exporter.board import families as families_of
from exporter.catalogue import COUNTERS
from exporter.jobs import Clock
from exporter.settings import load
from exporter.simulator.faults import Faults
from exporter.simulator.identity import access_key_id
from exporter.simulator.quotas import UNLIMITED
from exporter.simulator.server import Simulator
from exporter.simulator.view import Metric
from tests.clockwork import Clockwork
from tests.e2e.daemon import labels, sample, settings, written
from tests.unit import simulator_stub as stub

T = TypeVar("T")

MARK, HALF_DAY, DAY = 300.0, 43200.0, 86400.0
SETTLE = 900.0
SCRAPES = 60.0
"""Seconds between two scrapes."""
NAMES = {spec.api: spec.name for spec in COUNTERS if not spec.only_if_listed}
ALIAS = "acme"

Key = tuple[str, str, str]
"""(queue id, channel, the API's metric)"""


# what happened


@dataclass(frozen=True, slots=True)
class Contact:
    """`ended` counts; AWS tells of it from `known` on, and no longer from `withdrawn` on. Unix seconds."""

    queue: str
    channel: str
    ended: float
    known: float
    counts: frozenset[str]
    """The metrics in which it is one."""
    withdrawn: float = inf


class Ledger:
    """A world for the simulator in which a list of contacts happens."""

    def __init__(self, instance: stub.Instance, contacts: Iterable[Contact], clock: Callable[[], float]) -> None:
        self.instances = (instance,)
        self.clock = clock
        self.contacts = sorted(contacts, key=lambda contact: contact.ended)
        self._lines: defaultdict[tuple[str, str], list[Contact]] = defaultdict(list)
        for contact in self.contacts:
            self._lines[contact.queue, contact.channel].append(contact)

    def current(self, instance_id: str, **_: Any) -> tuple[list[Any], float]:
        return [], self.clock()

    def historical(
        self,
        instance_id: str,
        *,
        start: float,
        end: float,
        queues: Sequence[str] | None,
        channels: Sequence[str],
        groupings: Sequence[str],
        metrics: Sequence[Metric],
    ) -> list[tuple[dict[str, str], dict[Metric, float | None]]]:
        assert tuple(groupings) == ("QUEUE", "CHANNEL")
        assert queues is not None
        now = self.clock()
        rows = []
        for queue in queues:
            for channel in channels:
                seen = [c for c in self.between(queue, channel, start, end) if c.known <= now < c.withdrawn]
                if seen:
                    values: dict[Metric, float | None] = {
                        m: float(sum(m[0] in c.counts for c in seen)) for m in metrics
                    }
                    rows.append(({"QUEUE": queue, "CHANNEL": channel}, values))
        return rows

    def between(self, queue: str, channel: str, start: float, end: float) -> list[Contact]:
        """Those that ended in [start, end), withdrawn ones included."""
        line = self._lines[queue, channel]
        first, last = (bisect_left(line, moment, key=lambda contact: contact.ended) for moment in (start, end))
        return line[first:last]

    def happened(self, start: float, end: float) -> dict[Key, int]:
        """How many contacts there were in truth: what AWS took back never happened."""
        sums: dict[Key, int] = {}
        for queue, channel in self._lines:
            for contact in self.between(queue, channel, start, end):
                for name in contact.counts if contact.withdrawn == inf else ():
                    sums[queue, channel, name] = sums.get((queue, channel, name), 0) + 1
        return sums


# the exporter


class AtOnce:
    """Instead of threads: a call is over before any simulated time has passed."""

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 (it belongs to whoever waits)
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing to end."""


@asynccontextmanager
async def running(config: Path, clock: Clock, chance: random.Random) -> AsyncIterator[App]:
    """An exporter that collects while the block runs; nothing publishes by itself."""
    app = App(load(config, {}), clock=clock)
    app.gateway._threads = app.gateway._openers = AtOnce()  # type: ignore[assignment]
    app.engine._chance = chance
    engine = asyncio.create_task(app.engine.run())
    try:
        yield app
    finally:
        engine.cancel()
        await asyncio.wait([engine])
        app.gateway.close()


@dataclass
class Days:
    """A machine on which exporters run, one after the other, and a Prometheus that scrapes whichever there is."""

    loop: Clockwork
    simulator: Simulator
    ledger: Ledger
    config: Path
    offset: float
    """Unix seconds less the clockwork's."""
    chance: random.Random
    app: App | None = None
    pages: list[tuple[float, Mapping[Key, float]]] = field(default_factory=list)
    """(unix seconds, every counter on the page); equal pages are the same object."""
    starts: int = 0
    failures: int = 0
    _parsed: dict[bytes, Mapping[Key, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._reader = _Reader(self.ledger)

    def now(self) -> float:
        return self.offset + self.loop.time()

    async def until(self, moment: float) -> None:
        await asyncio.sleep(moment - self.now())

    @asynccontextmanager
    async def exporter(self) -> AsyncIterator[None]:
        """A process that knows nothing of the one before, while the block runs."""
        clock = Clock(self.now, self.loop.time)
        async with running(self.config, clock, random.Random(self.chance.random())) as app:
            self.app, self.starts = app, self.starts + 1
            try:
                yield
            finally:
                self.app = None
                self.failures += sum(sum(state.errors.values()) for state in app.engine.states())

    async def scrape(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(SCRAPES)
            if self.app is not None:
                # The part of the page that is about counters: making all of it takes five times as long.
                fresh = self.app.shared.board.fresh(self.loop.time())
                page = b"".join(family.text for family in families_of(fresh, COUNTERS))
                if page not in self._parsed:
                    self._parsed[page] = self._reader.read(page.decode())
                self.pages.append((self.now(), self._parsed[page]))


class _Reader:
    """Reads pages of counters; what stands before a value is taken apart once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ids = {queue.name: queue.id for queue in ledger.instances[0].queues}
        self._apis = {name: api for api, name in NAMES.items()}
        self._keys: dict[str, Key] = {}

    def read(self, page: str) -> dict[Key, float]:
        lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
        return {self._keys.get(series) or self._key(series): float(value) for series, _, value in lines}

    def _key(self, series: str) -> Key:
        name, pairs, _ = sample(f"{series} 0")
        found = dict(pairs)
        key = self._keys[series] = (self._ids[found["queue"]], found["channel"], self._apis[name])
        return key


def settled(moment: float) -> float:
    """Until when everything was counted, for a process that looks at this moment."""
    return (moment - SETTLE) // MARK * MARK


def live(
    directory: Path,
    instance: stub.Instance,
    contacts: Iterable[Contact],
    begin: float,
    seed: int,
    story: Callable[[Days], Any],
) -> Days:
    """Lives through `story`, from the moment `begin` on."""
    with asyncio.Runner(loop_factory=Clockwork) as runner, credentials():
        loop = runner.get_loop()
        assert isinstance(loop, Clockwork)
        offset = begin - loop.time()
        ledger = Ledger(instance, contacts, lambda: offset + loop.time())
        with Simulator(ledger, faults=Faults(chance=random.Random(seed).random), quotas=UNLIMITED) as simulator:
            # A run that asks nothing only costs time here; when to ask, the collector says itself.
            collectors = {
                "counters": {"interval": "2m"},
                **{key: {"enabled": False} for key in ("current", "historical")},
            }
            told = settings(
                simulator.url,
                [{"id": instance.id, "alias": ALIAS}],
                collectors=collectors,
                inventory={"interval": "1h"},
                max_age="5m",
            )
            told["aws"] |= {"read_timeout": "1m"}  # a machine that is busy with other tests may take its time
            days = Days(loop, simulator, ledger, written(directory, told), offset, random.Random(seed))

            async def scenario() -> None:
                scraping = asyncio.create_task(days.scrape())
                await story(days)
                scraping.cancel()
                await asyncio.wait([scraping])

            runner.run(scenario())
    return days


@contextmanager
def credentials() -> Iterator[None]:
    given = {"AWS_ACCESS_KEY_ID": access_key_id(stub.ACCOUNT), "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            del os.environ[name]


# what Prometheus makes of it


def increase(values: Iterable[float]) -> float:
    """As Prometheus counts it over raw samples: what comes after a fall began at zero."""
    total, before = 0.0, None
    for value in values:
        if before is not None:
            total += value - before if value >= before else value
        before = value
    return total


def series(pages: Sequence[tuple[float, Mapping[Key, float]]]) -> dict[Key, list[tuple[float, float]]]:
    """(unix seconds, value) of every series, ascending."""
    found: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    for moment, page in pages:
        for key, value in page.items():
            found[key].append((moment, value))
    return found


def write_openmetrics(
    directory: Path, found: Mapping[Key, Sequence[tuple[float, float]]], ledger: Ledger
) -> Iterator[Path]:
    """For promtool: one family after the other, each series ascending in time.

    A file has 6 hours: promtool makes blocks of two, and for each of them it reads the file from its beginning.
    """
    names = {queue.id: queue.name for queue in ledger.instances[0].queues}
    parts: defaultdict[int, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (queue, channel, api), samples in found.items():
        told = labels(instance_alias=ALIAS, queue=names[queue] or queue, channel=channel)
        block = ",".join(f"{label}={json.dumps(value)}" for label, value in told)
        for moment, value in samples:
            part = parts[int(moment // (HALF_DAY / 2))][NAMES[api]]
            part.append(f"{NAMES[api]}{{{block}}} {value:g} {moment:.3f}\n")
    for number, families in parts.items():
        path = directory / f"pages-{number}.txt"
        with path.open("w") as file:
            for name, lines in families.items():
                file.write(f"# TYPE {name.removesuffix('_total')} counter\n")
                file.writelines(lines)
            file.write("# EOF\n")
        yield path
