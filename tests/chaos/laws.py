"""What holds on every page, whatever happens: judged by what the simulator has served, not by the exporter's code."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.centre import Centre, Labels, Record
from tests.e2e.daemon import OWN, Series, labels

REASONS = frozenset(
    {
        "throttled",
        "access_denied",
        "credentials",
        "not_found",
        "invalid_request",
        "timeout",
        "connection",
        "server_error",
        "bad_response",
        "internal",
    }
)
INTERVALS = {"current": 60.0, "historical": 120.0, "counters": 120.0, "inventory": 150.0, "profile_queues": 150.0}
"""Seconds."""
METRICS = ("current", "historical", "counters")
MAX_AGE = 300.0
THRESHOLDS = ("20",)
RETRY = 60.0
"""Seconds after which what failed is tried again at the latest."""
LATE = 30.0
"""Seconds by which a page may lag behind: the making of it, and calls that take their time."""
OF_NO_METRIC = re.compile(
    r"amazon_connect_((instance|queue|routing_profile)_info|queue_service_level_(threshold_seconds|target_ratio))"
)
"""Names, and what the configuration says."""
NEVER_LOGGED = (
    "Traceback",
    "fault in the exporter",
    "ended with a fault",
    "never retrieved",
    "never awaited",
    "not-a-secret",  # the key of the tests
    "simulated.ey",  # the simulator's session tokens
)


class Broken(AssertionError):
    """A law was broken."""


@dataclass(frozen=True, slots=True)
class Scraped:
    """A page, and between which moments (shared monotonic seconds) it was fetched; `wall` as the daemon's machine has
    it.
    """

    series: Series
    begun: float
    ended: float
    wall: float
    openmetrics: bool

    def own(self, name: str, **given: str) -> float | None:
        return self.series.get((OWN + name, labels(**given)))

    def aliases(self) -> set[str]:
        return {dict(pairs)["instance_alias"] for name, pairs in self.series if name == f"{OWN}collector_success"}


def values_were_served(page: Scraped, centre: Centre, record: Record) -> None:
    """Every value of Amazon Connect's was served for that very series, within max_age."""
    ids = {i.alias: i.id for i in centre.everybody} | {i.id: i.id for i in centre.everybody}
    since = page.begun - MAX_AGE - LATE
    for (name, pairs), value in page.series.items():
        if name.startswith((OWN, "process_", "python_")) or name.endswith("_created"):
            continue
        given = dict(pairs)
        instance = ids.get(given.pop("instance_alias", ""))
        if instance is None:
            raise Broken(f"{name} of an instance that there is not: {dict(pairs)}")
        if name == "amazon_connect_data_snapshot_timestamp_seconds":
            moments = record.snapshots[instance, given["level"]]
            if not any(when >= since and abs(moment - value) < 0.01 for when, moment in moments):
                raise Broken(f"{name}{given} of {centre.alias(instance)} is {value}, served were {moments[-5:]}")
        elif not OF_NO_METRIC.fullmatch(name):
            _value_was_served(name, instance, given, value, since, record)


def _value_was_served(
    name: str, instance: str, given: dict[str, str], value: float, since: float, record: Record
) -> None:
    if name.endswith("_total"):
        # A counter stands for its whole period; before the first contact it is 0, and between two periods.
        held, since = record.sums, float("-inf")
        if value == 0:
            return
    else:
        held = record.values
    seen: list[tuple[float, float]] = []
    for chosen in _with_ids(instance, given, record):
        served = held.get((name, instance, chosen), {})
        if served.get(value, float("-inf")) >= since:
            return
        seen += [(when, number) for number, when in served.items()]
    if name == "amazon_connect_instance_oldest_contact_age_seconds":
        for (family, owner, _), served in list(held.items()):
            if (family, owner) == (name, instance) and served.get(value, float("-inf")) >= since:
                return
    last = ", ".join(f"{number:g} at {when:.0f}" for when, number in sorted(seen)[-5:])
    raise Broken(f"{name}{given} of {instance} is {value:g}; served since {since:.0f}: {last or 'nothing'}")


def _with_ids(instance: str, given: dict[str, str], record: Record) -> Iterator[Labels]:
    """The labels with ids for names, in each way in which that can be."""
    choices = []
    for label, text in given.items():
        named = record.names[instance, label] if label in ("queue", "routing_profile") else {}
        choices.append([(label, identity) for identity in named.get(text, {text})])
    for chosen in itertools.product(*choices):
        yield tuple(sorted(chosen))


def states_are_whole(page: Scraped) -> None:
    """Each (instance, collector) says all that there is to say of it; reasons are those of the closed set."""
    reasons = {dict(pairs)["reason"] for name, pairs in page.series if name == f"{OWN}collector_errors_total"}
    if reasons - REASONS:
        raise Broken(f"reasons out of the set: {reasons - REASONS}")
    for alias in page.aliases():
        for collector in INTERVALS:
            who = {"instance_alias": alias, "collector": collector}
            success, last = (
                page.own("collector_success", **who),
                page.own("collector_last_success_timestamp_seconds", **who),
            )
            if success not in (0, 1) or last is None or (success == 1 and last == 0):
                raise Broken(f"{alias}, {collector}: success {success}, last success {last}")
            for reason in REASONS:
                count = page.own("collector_errors_total", **who, reason=reason)
                if count is None or (reason == "internal" and count > 0):
                    raise Broken(f"{alias}, {collector}: {count} errors for {reason}")


def success_is_true(page: Scraped, centre: Centre, record: Record) -> None:
    """Whoever says that values are fresh has been answered since, and not long ago. With a clock that is right."""
    for instance in centre.everybody:
        for collector, interval in INTERVALS.items():
            who = {"instance_alias": instance.alias, "collector": collector}
            if page.own("collector_success", **who) != 1:
                continue
            last = page.own("collector_last_success_timestamp_seconds", **who) or 0.0
            age = page.wall - last
            longest = 2 * interval + max(60.0, 4 * interval) + LATE
            if not -1 <= age <= longest:
                raise Broken(f"{instance.alias}, {collector}: success, but {age:.0f} s ago")
            if collector != "current":
                continue
            asked = [
                chain
                for chain in record.since(page.ended - age - 5)
                if (chain.instance, chain.operation) == (instance.id, "GetCurrentMetricData")
            ]
            if not asked:
                raise Broken(f"{instance.alias}: success of {age:.0f} s ago, but AWS has answered nothing since")


def is_well(page: Scraped, alias: str, collector: str) -> None:
    """At most two intervals behind."""
    who = {"instance_alias": alias, "collector": collector}
    age = page.wall - (page.own("collector_last_success_timestamp_seconds", **who) or 0.0)
    if page.own("collector_success", **who) != 1 or age > 2 * INTERVALS[collector] + LATE:
        raise Broken(f"{alias}, {collector}: nothing troubles it, yet {_told(page, alias, collector)}")


def says_that_it_fails(page: Scraped, alias: str, reasons: frozenset[str]) -> None:
    who = {"instance_alias": alias, "collector": "current"}
    if page.own("collector_success", **who) != 0:
        raise Broken(f"{alias}: nothing can succeed, yet {_told(page, alias, 'current')}")
    if not any(page.own("collector_errors_total", **who, reason=reason) for reason in reasons):
        raise Broken(f"{alias}: none of {sorted(reasons)}, but {_told(page, alias, 'current')}")


def is_not_told_of(page: Scraped, alias: str) -> None:
    told = [name for name, pairs in page.series if ("instance_alias", alias) in pairs]
    if told:
        raise Broken(f"{alias} is gone, yet {len(told)} series tell of it: {told[0]}")


def _told(page: Scraped, alias: str, collector: str) -> str:
    who = {"instance_alias": alias, "collector": collector}
    age = page.wall - (page.own("collector_last_success_timestamp_seconds", **who) or 0.0)
    errors = {r: page.own("collector_errors_total", **who, reason=r) for r in REASONS}
    counted = {reason: int(count) for reason, count in errors.items() if count}
    return f"success is {page.own('collector_success', **who)}, the last one {age:.0f} s ago, errors {counted}"


def all_is_well(page: Scraped, centre: Centre, record: Record, since: float, since_wall: float) -> None:
    """Everything that AWS has served since is there, under the names of today, and nothing is refused any more."""
    for instance in centre.everybody:
        for collector in INTERVALS:
            last = page.own(
                "collector_last_success_timestamp_seconds", instance_alias=instance.alias, collector=collector
            )
            success = page.own("collector_success", instance_alias=instance.alias, collector=collector)
            if success != 1 or last is None or last < since_wall:
                raise Broken(
                    f"{instance.alias}, {collector}: not fresh again: {_told(page, instance.alias, collector)}"
                )
    refused = [key for key in page.series if key[0] in (f"{OWN}metric_rejected", f"{OWN}filter_rejected")]
    if refused:
        raise Broken(f"still left out: {refused}")
    for name in ("discovery_success", "config_last_reload_successful"):
        if not all(value == 1 for (found, _), value in page.series.items() if found == OWN + name):
            raise Broken(f"{name} is not 1")
    if page.own("targets") != len(centre.everybody):
        raise Broken(f"{page.own('targets')} targets")
    _names_are_of_today(page, centre)
    _everything_is_there(page, centre, record, since)


def _names_are_of_today(page: Scraped, centre: Centre) -> None:
    for instance in centre.everybody:
        known = _labels_of(centre, instance.id)
        for name, pairs in page.series:
            given = dict(pairs)
            if name.startswith(OWN) or given.get("instance_alias") != instance.alias or "queue" not in given:
                continue
            if given["queue"] not in known.values():
                raise Broken(f"{name}: there is no queue {given['queue']!r} at {instance.alias} any more")


def _labels_of(centre: Centre, instance: str) -> dict[str, str]:
    """Id to label value."""
    queues = centre.queues(instance)
    names = [queue.name for queue in queues]
    return {q.id: q.name if q.name and names.count(q.name) == 1 else q.id for q in queues}


def _everything_is_there(page: Scraped, centre: Centre, record: Record, since: float) -> None:
    """What was answered last, where that is not so recent that the page may not have it yet."""
    latest = {(chain.operation, chain.instance, chain.level, chain.window): chain for chain in record.since(since)}
    for chain in latest.values():
        # A day's sums may have been asked for by the counters alone.
        if chain.when > page.begun - LATE or chain.window == "today":
            continue
        queues = _labels_of(centre, chain.instance)
        profiles = {p.id: p.name for i in centre.everybody if i.id == chain.instance for p in i.profiles}
        for name, _, pairs in chain.keys:
            given = {**dict(pairs), "instance_alias": centre.alias(chain.instance)}
            if given.get("threshold_seconds", "20") not in THRESHOLDS:
                continue  # it was asked for as the goal of some queues
            if name == "amazon_connect_instance_oldest_contact_age_seconds":
                del given["queue"], given["channel"]
            if "queue" in given:
                given["queue"] = queues[given["queue"]]
            if "routing_profile" in given:
                given["routing_profile"] = profiles[given["routing_profile"]]
            if (name, labels(**given)) not in page.series:
                raise Broken(f"AWS has answered {name}{given}, but it is not on the page")
