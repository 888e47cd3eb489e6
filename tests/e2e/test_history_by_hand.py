"""Recent windows and counters of two large instances, each value compared with a sum by hand over contact records."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from exporter.app import App
from exporter.catalogue import HISTORICAL
from exporter.jobs import Clock
from exporter.simulator.quotas import UNLIMITED
from exporter.simulator.server import Simulator
from exporter.simulator.world import CHANNELS, Contact, Instance, World
from tests.clockwork import Clockwork
from tests.e2e.daemon import Series, differences, labels, parse, settings, written
from tests.e2e.fast_days import NAMES, credentials, running
from tests.unit.test_world_historical import BY_HAND, met

BEGIN = 1_760_025_723.0
"""2025-10-09 16:02:03 UTC."""
MARK, SETTLE = 300.0, 900.0
ZONES = ("UTC", "America/New_York")
WINDOWS = {"30m": 1800.0, "2h": 7200.0}
THRESHOLDS = (15, 20, 600)
PROMISED = {"VOICE": 20, "CHAT": 60, "TASK": 4 * 3600, "EMAIL": 24 * 3600}
"""Seconds: the service level that a queue has by default is published too."""
Line = tuple[str, str]
"""(queue id, channel)"""


@dataclass
class Books:
    """One instance as it was at a moment, to be added up by hand."""

    world: World
    instance: Instance
    zone: str
    moment: float
    records: list[Contact] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.records = [c for c in self.world.ledger(self.instance.id) if (c.completed or 0.0) <= self.moment]
        self.names = {q.id: q.name for q in self.instance.queues if q.kind == "STANDARD" and q.name}

    def window(self, label: str) -> tuple[float, float]:
        # The end has surely passed at AWS.
        end = (self.moment - 60) // MARK * MARK
        if label != "today":
            return end - WINDOWS[label], end
        local = datetime.fromtimestamp(self.moment, ZoneInfo(self.zone))
        return local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp(), end

    def period(self) -> tuple[float, float]:
        end = (self.moment - SETTLE) // MARK * MARK
        return end // 43200 * 43200, end

    def within(self, start: float, end: float) -> dict[Line, list[Contact]]:
        found: dict[Line, list[Contact]] = defaultdict(list)
        for record in self.records:
            if record.disconnected is not None and start <= record.disconnected < end:
                found[record.queue, record.channel].append(record)
        return found

    def missed(self, start: float, end: float) -> dict[Line, int]:
        found: dict[Line, int] = defaultdict(int)
        for time, queue, channel, _ in self.world.missed(self.instance.id):
            if start <= time < end and time <= self.moment:
                found[queue, channel] += 1
        return found

    def occupancy(self, start: float, end: float) -> Callable[[Iterable[Line]], float | None]:
        """Of lines: the share of contact time of all who serve any of them, in percent."""
        spent: dict[tuple[str, str], float] = defaultdict(float)
        for profile, _, kind, since, until in self.world.agent_time(self.instance.id):
            spent[profile, kind] += max(0.0, min(until, end) - max(since, start))

        def of(lines: Iterable[Line]) -> float | None:
            wanted = set(lines)
            serving = [p.id for p in self.instance.profiles if wanted & {entry[:2] for entry in p.serves}]
            contact, idle = (sum(spent[profile, kind] for profile in serving) for kind in ("CONTACT", "IDLE"))
            return 100 * contact / (contact + idle) if contact + idle else None

        return of

    def served(self) -> set[Line]:
        return {(queue, channel) for profile in self.instance.profiles for queue, channel, *_ in profile.serves}


def values(
    records: Sequence[Contact], missed: int, occupancy: float | None, thresholds: Iterable[int]
) -> Iterator[tuple[str, int | None, float]]:
    """(the API's name, threshold, value by hand) of all there is a value of."""
    for (name, threshold), by_hand in BY_HAND.items():
        if threshold is None and (value := by_hand(list(records))) is not None:
            yield name, None, value
    yield "CONTACTS_MISSED", None, missed
    if occupancy is not None:
        yield "OCCUPANCY", None, occupancy
    for limit in thresholds:
        if (level := met(list(records), limit)) is not None:
            yield "SERVICE_LEVEL", limit, level


SPECS = {(spec.level, spec.api): spec for spec in HISTORICAL}


def recent(books: Books, label: str) -> Series:
    start, end = books.window(label)
    by_line, missed = books.within(start, end), books.missed(start, end)
    occupancy = books.occupancy(start, end)
    found: Series = {}

    def add(level: str, given: Mapping[str, str], told: Iterable[tuple[str, int | None, float]]) -> None:
        for name, threshold, value in told:
            spec = SPECS[level, name]  # type: ignore[index]
            limit = {} if threshold is None else {"threshold_seconds": str(threshold)}
            key = labels(instance_alias=books.instance.alias or "", window=label, **given, **limit)
            found[spec.name, key] = value / 100 if spec.name.endswith("_ratio") else value

    for queue, channel in by_line.keys() | missed.keys():
        line = (queue, channel)
        told = values(
            by_line[line],
            missed[line],
            occupancy([line]),
            dict.fromkeys((*THRESHOLDS, PROMISED[channel])),
        )
        add("queue", {"queue": books.names[queue], "channel": channel}, told)
    everything = [record for records in by_line.values() for record in records]
    add(
        "instance",
        {},
        values(everything, sum(missed.values()), occupancy(books.served()), THRESHOLDS),
    )
    return found


def counted(books: Books) -> Series:
    start, end = books.period()
    by_line, missed = books.within(start, end), books.missed(start, end)
    found: Series = {}
    for queue, channel in by_line.keys() | missed.keys() | books.served():
        told = {name: value for name, _, value in values(by_line[queue, channel], missed[queue, channel], None, ())}
        for api, name in NAMES.items():
            key = labels(instance_alias=books.instance.alias or "", queue=books.names[queue], channel=channel)
            found[name, key] = told[api]
    return found


def rounded(found: Series) -> Series:
    """Nine digits: sums in another order differ in the last."""
    return {key: float(f"{value:.9g}") for key, value in found.items()}


def about_history(page: str) -> Series:
    return {
        key: value
        for key, value in parse(page).items()
        if "_recent_" in key[0] or (key[0].startswith("amazon_connect_queue_") and key[0].endswith("_total"))
    }


def moments(app: App, offset: float, region: str, instance_id: str) -> dict[str, float]:
    """When (unix seconds) the answers that the page shows were asked for, by collector."""
    found = {}
    for collector in ("historical", "counters"):
        (asked,) = {asked for asked, _ in app.shared.known[region, instance_id].memories[collector].answers.values()}
        found[collector] = offset + asked
    return found


def test_every_value_of_two_large_instances_is_that_of_the_contact_records(tmp_path: Path) -> None:
    compared: list[int] = []
    with asyncio.Runner(loop_factory=Clockwork) as runner, credentials():
        loop = runner.get_loop()
        assert isinstance(loop, Clockwork)
        offset = BEGIN - loop.time()
        clock = Clock(lambda: offset + loop.time(), loop.time)
        world = World(seed=7, clock=clock.time, instances=2, queues=120, volume=0.2, account_id="111122223333")

        async def look(seconds: float) -> None:
            """Begin, work for so many seconds, and compare the page."""
            async with running(config, clock, random.Random(3)) as app:
                await asyncio.sleep(seconds)
                page = about_history((await app.publisher.make()).text.decode())
                asked_at = {key: moments(app, offset, *key) for key in app.shared.known}
            wanted: Series = {}
            for instance, zone in zip(world.instances, ZONES, strict=True):
                for collector, asked in asked_at[instance.region, instance.id].items():
                    books = Books(world, instance, zone, asked)
                    if collector == "counters":
                        wanted |= counted(books)
                    else:
                        for label in (*WINDOWS, "today"):
                            wanted |= recent(books, label)
            assert not differences(rounded(page), rounded(wanted))
            compared.append(len(wanted))

        with Simulator(world, quotas=UNLIMITED) as simulator:
            instances: list[dict[str, Any]] = [
                {"id": instance.id, "timezone": zone} for instance, zone in zip(world.instances, ZONES, strict=True)
            ]
            collectors = {
                "current": {"enabled": False},
                "historical": {"windows": [*WINDOWS, "today"], "service_level_thresholds": list(THRESHOLDS)},
                "counters": {"settle": "15m"},
            }
            told = settings(simulator.url, instances, collectors=collectors, inventory={"interval": "1h"}, max_age="5m")
            told["aws"] |= {"read_timeout": "1m"}  # a machine that is busy with other tests may take its time
            config = written(tmp_path, told)

            async def scenario() -> None:
                await look(30)
                await asyncio.sleep(4)
                await look(20)
                # The windows have moved, the counters have grown.
                await asyncio.sleep(15 * 60)
                await look(30)

            runner.run(scenario())
    print(f"{compared} values compared")
    assert min(compared) > 10_000
    assert {
        channel for instance in world.instances for c in world.ledger(instance.id) for channel in [c.channel]
    } == set(CHANNELS)
