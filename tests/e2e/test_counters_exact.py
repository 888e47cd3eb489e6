"""Every contact is counted once: three days of restarts, late records, an outage and a correction, in Prometheus."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from exporter.simulator.faults import Fault
from tests.e2e.fast_days import (
    DAY,
    HALF_DAY,
    MARK,
    NAMES,
    SCRAPES,
    SETTLE,
    Contact,
    Days,
    Key,
    increase,
    live,
    series,
    settled,
    write_openmetrics,
)
from tests.tools import need, prometheus
from tests.unit import simulator_stub as stub

# A minute of CPU time, on a machine that may have other things to do.
pytestmark = pytest.mark.timeout(900)

SEED = 20261122
NOON = datetime(2026, 9, 21, 12, tzinfo=UTC).timestamp()
BEGIN = NOON - 10_367.0
"""A quarter past nine; the scrapes fall on no mark."""
END = NOON + 3 * DAY + 7200
HOUR = 3600.0
QUEUES, CHANNELS = 20, ("VOICE", "CHAT", "TASK")
NOT_SERVED = "EMAIL"
IN_PROMETHEUS = ("CONTACTS_QUEUED", "CONTACTS_HANDLED", "CONTACTS_ABANDONED")

OUTAGE = (NOON + DAY - HOUR, NOON + DAY + 2 * HOUR)
CORRECTION = NOON + 2 * DAY + 5 * HOUR
ALONE = ((OUTAGE[0] - 600, OUTAGE[1] + 3600), (CORRECTION - HOUR, CORRECTION + 5 * HOUR))
"""What a process remembers and the next could not know: an outage it sits out, the highest value seen."""


def centre(queues: int) -> stub.Instance:
    """Half of the queues are also reached by e-mail, which no routing profile serves."""
    held = tuple(stub.Queue(f"q{number:02}", f'Queue "{number}"') for number in range(queues))
    halves = (held[: queues // 2], held[queues // 2 :])
    return stub.Instance(
        queues=held,
        profiles=tuple(
            stub.Profile(f"p{number}", f"Profile {number}", tuple((q.id, c, 1, 0) for q in half for c in CHANNELS))
            for number, half in enumerate(halves)
        ),
    )


def contacts(chance: random.Random, queues: int, begin: float, end: float) -> Iterator[Contact]:
    """One or two in a quiet night, and then more in the first minutes after noon than in all of it."""
    lines = [(f"q{n:02}", channel) for n in range(queues) for channel in CHANNELS]
    lines += [(f"q{n:02}", NOT_SERVED) for n in range(0, queues, 2)]
    for noon in range(int(NOON - 2 * DAY), int(end), int(DAY)):
        for queue, channel in lines:
            night = [noon - chance.uniform(0, HALF_DAY) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
            rush = [noon + chance.uniform(0, MARK) for _ in range(chance.choice((0, 2, 4, 5)))]
            day = [noon + chance.uniform(MARK, HALF_DAY) for _ in range(chance.randint(4, 14))]
            for moment in (*night, *rush, *day):
                if begin <= moment < end:
                    yield contact(chance, queue, channel, moment)
            if channel == NOT_SERVED and begin <= noon - 11 * HOUR < end:
                # A series that nothing announces begins with its first contact: here always before anybody looks.
                yield Contact(queue, channel, noon - 11 * HOUR, noon - 11 * HOUR, frozenset(NAMES))


def contact(chance: random.Random, queue: str, channel: str, ended: float) -> Contact:
    """Its record is complete at once, or late, or as late as `settle` allows."""
    late = chance.choice((0.0, chance.uniform(0, SETTLE), chance.uniform(0, SETTLE), SETTLE))
    way = chance.choice((IN_PROMETHEUS[0:3:2], IN_PROMETHEUS[0:2], IN_PROMETHEUS[0:2], IN_PROMETHEUS[1:2]))
    more = (name for name in sorted(NAMES.keys() - set(IN_PROMETHEUS)) if chance.random() < 0.2)
    return Contact(queue, channel, ended, ended + late, frozenset((*way, *more)))


def lifetimes(chance: random.Random) -> list[tuple[float, float]]:
    """From start to end of each process: restarts at random moments, and in the minutes in which a period ends."""
    moments = [chance.uniform(BEGIN + HOUR, END - HOUR) for _ in range(20)]
    for number in range(6):
        shown = NOON + number * HALF_DAY + SETTLE
        moments += [shown + offset for offset in (chance.uniform(-20, 0), *(chance.uniform(0, 320) for _ in range(2)))]
    moments = sorted(m for m in moments if not any(start < m < end for start, end in ALONE))
    moments = [m for m, after in pairwise([*moments, END]) if after - m > 20]
    starts = [BEGIN, *(moment + chance.uniform(1, 6) for moment in moments)]
    return list(zip(starts, [*moments, END], strict=True))


def with_a_correction(found: list[Contact], chance: random.Random) -> tuple[list[Contact], Contact]:
    """AWS takes back one contact that it told of for hours; others come to its queue and channel afterwards."""
    period = CORRECTION - 5 * HOUR
    for number in chance.sample(range(len(found)), len(found)):
        one = found[number]
        if not period <= one.ended < CORRECTION - HOUR:
            continue
        later = [c for c in found if (c.queue, c.channel) == (one.queue, one.channel)]
        later = [c for c in later if CORRECTION + HOUR < c.ended < CORRECTION + 4 * HOUR]
        if all(any(name in c.counts for c in later) for name in one.counts):
            wrong = replace(one, withdrawn=CORRECTION)
            return [*found[:number], wrong, *found[number + 1 :]], wrong
    raise AssertionError("no contact can be taken back")


NOW_AND_THEN = tuple(Fault(kind, probability=0.02) for kind in ("error503", "throttle", "reset", "cut"))


def weather() -> list[tuple[float, tuple[Fault, ...]]]:
    """From when on AWS fails how: now and then, in the outage always, and not while restarts meet a period's end.

    A process that is restarted there *and* can not read AWS has too little of the five minutes left to be scraped.
    """
    calm = [NOON + number * HALF_DAY + SETTLE for number in range(8)]
    changes = [(BEGIN, NOW_AND_THEN), (OUTAGE[0], (Fault("garbage"),)), (OUTAGE[1], NOW_AND_THEN)]
    for moment in calm:
        if not OUTAGE[0] < moment < OUTAGE[1]:
            changes += [(moment - 60, ()), (moment + 2 * MARK, NOW_AND_THEN)]
    return sorted(changes, key=lambda change: change[0])


async def three_days(days: Days) -> None:
    async def change() -> None:
        for moment, faults in weather():
            await days.until(moment)
            days.simulator.faults.clear()
            days.simulator.faults.add(*faults)

    changing = asyncio.create_task(change())
    for start, end in lifetimes(days.chance):
        await days.until(start)
        async with days.exporter():
            await days.until(end)
    changing.cancel()
    await asyncio.wait([changing])


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    chance = random.Random(SEED)
    found, _ = with_a_correction(list(contacts(chance, QUEUES, BEGIN - DAY, END)), chance)
    lived = live(tmp_path_factory.mktemp("days"), centre(QUEUES), found, BEGIN, SEED, three_days)
    lived.pages = [page for page in lived.pages if page[0] >= BEGIN + 900]
    return lived


def expected(days: Days) -> dict[Key, int]:
    """What happened in the time that the first and the last scrape span."""
    return days.ledger.happened(settled(days.pages[0][0]), settled(days.pages[-1][0]))


def differences(found: Mapping[Key, float], wanted: Mapping[Key, float]) -> list[str]:
    return [
        f"{key}: {found.get(key, 0.0):g} instead of {wanted.get(key, 0):g}"
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key, 0.0) != wanted.get(key, 0)
    ]


def test_the_days_have_all_that_makes_counting_hard(days: Days) -> None:
    span = days.pages[-1][0] - days.pages[0][0]
    assert span >= 3 * DAY
    assert days.starts >= 25
    assert days.failures >= 50
    late = [c for c in days.ledger.contacts if c.known >= c.ended + SETTLE]
    assert len(late) > 1000
    keys = {(c.queue, c.channel, name) for c in days.ledger.contacts for name in IN_PROMETHEUS}
    for noon in (NOON, NOON + DAY, NOON + 2 * DAY):
        night, rush = days.ledger.happened(noon - HALF_DAY, noon), days.ledger.happened(noon, noon + MARK)
        # Without the zero between two periods, these would not be seen to have begun anew.
        assert sum(0 < night.get(key, 0) <= rush.get(key, 0) for key in keys) >= 30
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(days.pages)]
    assert max(gaps) <= 2 * SCRAPES
    empty = [moment for moment, page in days.pages if not page]
    assert min(empty) > OUTAGE[0]
    assert max(empty) < OUTAGE[1] + 120
    assert len(empty) > 100


def test_the_sum_of_increases_is_the_number_of_contacts_to_the_last_one(days: Days) -> None:
    wanted = expected(days)
    counted = {key: increase(value for _, value in samples) for key, samples in series(days.pages).items()}
    samples = sum(len(page) for _, page in days.pages)
    happened = sum(wanted.values())
    print(f"{samples} samples of {len(counted)} series, {len(days.pages)} scrapes of {days.starts} processes")
    print(f"{happened} counted")
    assert not differences(counted, {key: float(number) for key, number in wanted.items()})
    assert len(counted) >= QUEUES * len(CHANNELS) * len(NAMES)
    assert happened > 10_000


def test_a_counter_falls_only_to_zero(days: Days) -> None:
    """No correction and no restart may look like a reset."""
    falls = {
        (moment, after)
        for samples in series(days.pages).values()
        for (_, before), (moment, after) in pairwise(samples)
        if after < before
    }
    assert {value for _, value in falls} == {0.0}
    late = {moment for moment, _ in falls if settled(moment) % HALF_DAY}
    # In the outage a period ended, which is closed as soon as AWS is there again; all others end on time.
    assert len(late) == 1
    assert OUTAGE[1] < min(late) < OUTAGE[1] + MARK
    assert len({settled(moment) for moment, _ in falls} - set(map(settled, late))) == 6


def test_prometheus_computes_the_same(days: Days, tmp_path: Path) -> None:
    promtool = need("promtool")
    wanted = expected(days)
    scraped = {key: samples for key, samples in series(days.pages).items() if key[2] in IN_PROMETHEUS}
    first, last = days.pages[0][0], days.pages[-1][0]
    for path in write_openmetrics(tmp_path, scraped, days.ledger):
        argv = [promtool, "tsdb", "create-blocks-from", "--quiet", "openmetrics", str(path), str(tmp_path / "data")]
        subprocess.run(argv, check=True, capture_output=True, timeout=120)
    ids = {queue.name: queue.id for queue in days.ledger.instances[0].queues}
    stored = 0
    with prometheus(tmp_path) as server:

        def ask(promql: str, name: str) -> dict[Key, Any]:
            """Of each series the sample, or the list of samples: pairs of time and value."""
            found = server.get("query", query=promql, time=f"{last:.3f}")["result"]
            told = {(ids[one["metric"]["queue"]], one["metric"]["channel"], name): one for one in found}
            return {key: one.get("values") or one["value"] for key, one in told.items()}

        for name in IN_PROMETHEUS:
            mine = {key: samples for key, samples in scraped.items() if key[2] == name}
            raw = ask(f"{NAMES[name]}[4d]", name)
            assert raw.keys() == mine.keys()
            for key, samples in mine.items():
                kept = [(float(moment), float(value)) for moment, value in raw[key]]
                assert kept == [(round(moment, 3), value) for moment, value in samples]
                assert increase(value for _, value in kept) == wanted.get(key, 0)
                stored += len(kept)
            # Over exactly the time that the samples span there is nothing to extrapolate.
            over = round((last - first) * 1000)
            for key, (_, value) in ask(f"increase({NAMES[name]}[{over}ms])", name).items():
                span = mine[key][-1][0] - mine[key][0][0]
                assert float(value) == pytest.approx(wanted.get(key, 0) * over / 1000 / span, rel=1e-9)
            # Over rounder times it adds half a gap between samples on either side, at most.
            for key, (_, value) in ask(f"increase({NAMES[name]}[{over + 40_000}ms])", name).items():
                most = 1 + 2 * 1.1 * SCRAPES / (last - first)
                assert wanted.get(key, 0) - 1e-6 <= float(value) <= wanted.get(key, 0) * most * (1 + 1e-6)
    print(f"{stored} samples of {len(scraped)} series in Prometheus")
    assert stored == sum(len(samples) for samples in scraped.values())


# a process that is down while a period ends


@pytest.mark.parametrize("anchor", [NOON + HALF_DAY, NOON + DAY], ids=["a busy day", "a quiet night"])
def test_a_process_that_was_down_at_the_end_of_a_period_loses_what_was_not_seen_of_it(
    anchor: float, tmp_path: Path
) -> None:
    """And no more than that, unless the new period has outgrown the old one before anybody could see it begin anew."""
    down, up = anchor + SETTLE - 47 * 60, anchor + SETTLE + 38 * 60
    first, last = down - 6 * HOUR, up + 5 * HOUR

    async def story(days: Days) -> None:
        for start, end in ((first, down), (up, last)):
            await days.until(start)
            async with days.exporter():
                await days.until(end)

    found = contacts(random.Random(SEED), 6, first - DAY, last)
    days = live(tmp_path, centre(6), found, first, SEED, story)
    lost = 0
    pages = [page for page in days.pages if page[0] >= first + 900]
    happened = days.ledger.happened
    seen_last = settled(down)
    whole = happened(settled(pages[0][0]), settled(pages[-1][0]))
    unseen = happened(seen_last, anchor)
    old, new = happened(anchor - HALF_DAY, seen_last), happened(anchor, settled(up))
    for key, samples in series(pages).items():
        if key[1] == NOT_SERVED:
            # Nothing says that such a series exists before its first contact, which it then begins with.
            continue
        outgrown = old.get(key, 0) if new.get(key, 0) >= old.get(key, 0) else 0
        counted = increase(value for _, value in samples)
        assert counted == whole.get(key, 0) - unseen.get(key, 0) - outgrown, key
        lost += outgrown
    assert sum(unseen.values()) > 0
    assert (lost > 0) is (anchor == NOON + DAY)
