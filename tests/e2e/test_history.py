"""Recent windows and counters, value by value, from a table of finished contacts."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.daemon import Series, current, daemon, differences, labels, ok, parse, run, settings, written
from tests.e2e.other_connect import (
    CHANNELS,
    HISTORICAL,
    MARK,
    Asked,
    Contact,
    Instance,
    OtherConnect,
    Service,
    computed,
    refuse,
)
from tests.e2e.tables import instance

HOUR = 3600
ZONE = "Asia/Kathmandu"
"""A quarter of an hour off: its days begin at 18:15 UTC."""
COUNTER = re.compile(r"amazon_connect_(?!exporter_)\w+_total")
THRESHOLDS = [20, 600]
SUFFIXES = {"COUNT": "", "SECONDS": "_seconds", "PERCENT": "_ratio"}
SUMS = [name for name, (_, statistic) in HISTORICAL.items() if statistic == "SUM"]
PUBLISHED = [name for name in HISTORICAL if name != "CONTACTS_CONSULTED"]


def contacts(one: Instance, chance: random.Random, now: float) -> Iterator[Contact]:
    """About every third queue and channel; each contact of its own kind, with percents that are awkward as ratios."""
    for queue in one.queues:
        for channel in chance.sample(CHANNELS, chance.randrange(3)):
            for _ in range(chance.randrange(1, 12)):
                handled = chance.random() < 0.8
                counts = {"CONTACTS_QUEUED", "CONTACTS_HANDLED" if handled else "CONTACTS_ABANDONED"}
                counts |= set(chance.sample(SUMS[3:], 3))
                seconds: dict[str, float] = {"QUEUED_TIME": chance.randrange(4000) / 4}
                if handled:
                    names = ("HANDLE_TIME", "AFTER_CONTACT_WORK_TIME", "INTERACTION_TIME", "QUEUE_ANSWER_TIME")
                    seconds |= {name: chance.randrange(9000) / 8 for name in names}
                    seconds["OCCUPANCY"] = float(chance.choice((35, 41, 47, 57, 69, 70, 100, 0)))
                else:
                    seconds["ABANDON_TIME"] = chance.randrange(400) / 4
                ended = now - chance.choice((1, 24)) * chance.uniform(0, HOUR)
                yield Contact(queue, channel, ended, frozenset(counts), seconds)


@pytest.fixture(scope="module")
def centre() -> Instance:
    chance = random.Random(11)
    one = instance(1, 110, 9, chance, "north")
    one.contacts = list(contacts(one, chance, time.time()))
    return one


def asked(service: Service) -> set[tuple[float, float, bool]]:
    """(start, end, whether grouped) of every question about finished contacts."""
    return {
        (one.params["StartTime"], one.params["EndTime"], bool(one.params.get("Groupings")))
        for one, _ in service.asked
        if one.operation == "GetMetricData"
    }


def values(level: str, where: dict[str, str], window: str, found: list[Contact]) -> Series:
    """Every metric of one row. What can not be computed has no sample."""
    series: Series = {}
    for name in PUBLISHED:
        unit, statistic = HISTORICAL[name]
        for threshold in THRESHOLDS if name == "SERVICE_LEVEL" else [None]:
            metric: dict[str, Any] = {"Name": name, "Unit": unit, "Statistic": statistic}
            extra = {} if threshold is None else {"threshold_seconds": str(threshold)}
            metric["Threshold"] = {"Comparison": "LT", "ThresholdValue": threshold}
            value = computed(metric, found)
            if value is not None:
                full = f"amazon_connect_{level}_recent_{name.lower()}{SUFFIXES[unit]}"
                key = (full, labels(**where, window=window, **extra))
                series[key] = value / 100 if unit == "PERCENT" else value
    return series


def expected(one: Instance, window: str, start: float, end: float) -> Series:
    meant = [contact for contact in one.contacts if start <= contact.disconnected < end]
    wanted = values("instance", {"instance_alias": one.alias}, window, meant) if meant else {}
    for queue, name in one.queues.items():
        for channel in CHANNELS:
            here = [contact for contact in meant if (contact.queue, contact.channel) == (queue, channel)]
            where = {"instance_alias": one.alias, "queue": name, "channel": channel}
            if here:
                wanted |= values("queue", where, window, here)
    return wanted


def once(url: str, directory: Path, one: Instance, **collectors: Any) -> Series:
    off = {name: {"enabled": False} for name in ("current", "historical", "counters")}
    config = settings(url, [{"id": one.id, "region": one.region, "timezone": ZONE}], collectors=off | collectors)
    done = run("once", "--config", written(directory, config))
    assert done.status == 0, done.stderr
    return parse(done.stdout)


def marks_before(moment: float, count: int) -> set[float]:
    return {moment // MARK * MARK - number * MARK for number in range(count)}


def test_every_value_of_every_window_is_that_of_the_contacts_in_it(centre: Instance, tmp_path: Path) -> None:
    service = Service([centre], page_limit={"GetMetricData": 37})
    begun = time.time()
    collector = {"windows": ["30m", "3h", "today"], "service_level_thresholds": THRESHOLDS}
    with OtherConnect(service) as aws:
        page = once(aws.url, tmp_path, centre, historical=collector)
    assert set(service.statuses()) == {200}
    local = datetime.fromtimestamp(begun, ZoneInfo(ZONE))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC).timestamp()
    wanted: Series = {}
    for window, length in (("30m", HOUR / 2), ("3h", 3 * HOUR), ("today", None)):
        spans = {
            (start, end)
            for start, end, _ in asked(service)
            if (start == midnight if length is None else end - start == length) and end in marks_before(begun + 60, 3)
        }
        assert len(spans) == 1, f"{window}: {spans} of {asked(service)}"
        wanted |= expected(centre, window, *spans.pop())
    # Of service levels also those of the queues' objectives are asked for.
    recent = {
        key: value
        for key, value in page.items()
        if "_recent_" in key[0] and int(dict(key[1]).get("threshold_seconds", THRESHOLDS[0])) in THRESHOLDS
    }
    assert len(wanted) > 3000
    assert not differences(recent, wanted)


def test_a_counter_is_the_number_of_contacts_since_its_anchor(centre: Instance, tmp_path: Path) -> None:
    service = Service([centre], page_limit={"GetMetricData": 37})
    with OtherConnect(service) as aws:
        page = once(aws.url, tmp_path, centre, counters={"settle": "20m"})
    counted = {key: value for key, value in page.items() if COUNTER.fullmatch(key[0])}
    assert counted
    spans = {(start, end) for start, end, _ in asked(service)}
    assert len(spans) == 1
    start, end = spans.pop()
    assert start % (12 * HOUR) == 0
    assert end in marks_before(time.time() - 20 * 60, 2)
    meant = [contact for contact in centre.contacts if start <= contact.disconnected < end]
    served = frozenset().union(*(profile.serves for profile in centre.profiles.values()))
    active = {(contact.queue, contact.channel) for contact in meant}
    wanted: Series = {
        (
            f"amazon_connect_queue_{name.lower()}_total",
            labels(instance_alias=centre.alias, queue=centre.queues[queue], channel=channel),
        ): float(sum((c.queue, c.channel) == (queue, channel) and name in c.counts for c in meant))
        for queue, channel in served | active
        for name in SUMS
        if name in PUBLISHED
    }
    assert not differences(counted, wanted)


def test_openmetrics_says_since_when_a_counter_counts(centre: Instance, tmp_path: Path) -> None:
    service = Service([centre])
    with OtherConnect(service) as aws:
        config = settings(aws.url, [centre], collectors=current(enabled=False) | {"counters": {"interval": "2s"}})
        with daemon(tmp_path, config) as running:
            running.wait(ok("north", "counters"), "counters")
            page = running.scrape(openmetrics=True)
    created = {value for key, value in page.items() if key[0] == "amazon_connect_queue_contacts_queued_created"}
    assert len(created) == 1
    assert created.pop() in {start for start, _, _ in asked(service)}
    totals = {key[1] for key in page if key[0] == "amazon_connect_queue_contacts_queued_total"}
    assert totals == {key[1] for key in page if key[0] == "amazon_connect_queue_contacts_queued_created"}


def test_a_refused_historical_metric_costs_only_itself(centre: Instance, tmp_path: Path) -> None:
    def refused(one: Asked) -> bool:
        return "OCCUPANCY" in one.metrics

    service = Service([centre], troubles=[refuse(400, "InvalidParameterException", "OCCUPANCY", refused)])
    with OtherConnect(service) as aws:
        page = once(aws.url, tmp_path, centre, historical={"windows": ["30m"], "service_level_thresholds": THRESHOLDS})
    names = {key[0] for key in page if key[0].startswith("amazon_connect_queue_recent_")}
    assert "amazon_connect_queue_recent_occupancy_ratio" not in names
    assert "amazon_connect_queue_recent_handle_time_seconds" in names
    rejected = labels(instance_alias="north", collector="historical", metric="OCCUPANCY")
    assert page["amazon_connect_exporter_metric_rejected", rejected] == 1
