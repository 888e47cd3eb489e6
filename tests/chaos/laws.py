"""What holds on every page, whatever happens: judged by what the simulator has served, not by the exporter's code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.simulator.world import Instance
from tests.chaos.centre import Centre, Labels, Record
from tests.chaos.daemon import PAUSE
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
INTERVALS = {"current": 60.0, "historical": 60.0, "counters": 60.0, "inventory": 150.0, "profile_queues": 150.0}
"""Seconds."""
METRICS = ("current", "historical", "counters")
MAX_AGE = 150.0
GOOD_FOR = {"historical": MAX_AGE / 2, "counters": MAX_AGE / 2}
"""Seconds for which an answer is not asked for again, and a run succeeds without AWS."""
THRESHOLDS = ("20",)
SLOW = 10.0
"""Seconds that a busy machine may take, over all that has to be done: a real one."""
LATE = PAUSE + SLOW
"""Seconds that a page may be old: in these episodes one is made less often than elsewhere."""
FAILING = 30.0
"""Seconds that a run may take to fail: a hang, or retries and searches at the pace of the quota."""
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

    def errors(self, alias: str, collector: str, reasons: frozenset[str] = REASONS) -> float:
        who = {"instance_alias": alias, "collector": collector}
        return sum(self.own("collector_errors_total", **who, reason=reason) or 0.0 for reason in reasons)


def fresh_after(collector: str) -> float:
    """Seconds until all is well again: two intervals, and what the page is old.

    Whatever fails is tried again within a minute, but instances are looked for, and what was refused is asked for
    again, only after an interval of the inventory.
    """
    return 2 * INTERVALS[collector] + LATE


def told_after(collector: str) -> float:
    """Seconds until it is told that nothing can succeed: an interval, but for what is not asked for each time."""
    return GOOD_FOR.get(collector, 0.0) + INTERVALS[collector] + FAILING + LATE


AGAIN = 60.0 + FAILING + LATE
"""Seconds between a page and another that surely counts one failure more."""
GONE_AFTER = INTERVALS["inventory"] + LATE
"""Seconds until nothing is told of an instance that is gone."""


def ids_of(centre: Centre) -> dict[str, str]:
    """By what an instance may be called on a page."""
    return {i.alias: i.id for i in centre.everybody} | {i.id: i.id for i in centre.everybody}


def values_were_served(page: Scraped, centre: Centre, record: Record) -> None:
    """Every value of Amazon Connect's was served for that very series, within max_age; counters have a law of their own
    (tests.chaos.counting).
    """
    ids = ids_of(centre)
    since = page.begun - MAX_AGE - LATE
    for (name, pairs), value in page.series.items():
        if name.startswith((OWN, "process_", "python_")) or name.endswith(("_created", "_total")):
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
            _value_was_served(name, instance, tuple(given.items()), value, since, record)
        for kind in ("queue", "routing_profile"):
            if f"{kind}_id" in given and given[f"{kind}_id"] not in record.names[instance, kind].get(given[kind], ()):
                raise Broken(f"{name}: AWS has never listed {given}")


def _value_was_served(name: str, instance: str, given: Labels, value: float, since: float, record: Record) -> None:
    seen: list[tuple[float, float]] = []
    for chosen in with_ids(instance, given, record):
        served = record.values.get((name, instance, chosen), {})
        if served.get(value, float("-inf")) >= since:
            return
        seen += [(when, number) for number, when in served.items()]
    if name == "amazon_connect_instance_oldest_contact_age_seconds":
        for (family, owner, _), served in list(record.values.items()):
            if (family, owner) == (name, instance) and served.get(value, float("-inf")) >= since:
                return
    last = ", ".join(f"{number:g} at {when:.0f}" for when, number in sorted(seen)[-5:])
    raise Broken(f"{name}{dict(given)} of {instance} is {value:g}; served since {since:.0f}: {last or 'nothing'}")


def with_ids(instance: str, given: Labels, record: Record) -> Iterator[Labels]:
    """The labels, as sorted as they are, with the id for the name, of each queue or profile that ever had it."""
    for place, (label, text) in enumerate(given):
        if label in ("queue", "routing_profile"):
            for identity in record.names[instance, label].get(text, (text,)):
                yield (*given[:place], (label, identity), *given[place + 1 :])
            return
    yield given


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


def failures_are_counted(page: Scraped, before: Scraped) -> None:
    """Whoever has failed since the page before has counted it, and no count of errors has become less."""
    for alias in page.aliases() & before.aliases():
        for collector in INTERVALS:
            who = {"instance_alias": alias, "collector": collector}
            more = page.errors(alias, collector) - before.errors(alias, collector)
            failed = page.own("collector_success", **who) == 0 and before.own("collector_success", **who) == 1
            if more < 0 or (failed and more == 0):
                raise Broken(f"{alias}, {collector}: {more:+g} errors, and {_told(page, alias, collector)}")


def success_is_true(page: Scraped, centre: Centre, record: Record) -> None:
    """Whoever says that all is fresh has been answered everything since, and not long ago. By a clock that is right."""
    for instance in centre.everybody:
        for collector, interval in INTERVALS.items():
            who = {"instance_alias": instance.alias, "collector": collector}
            if page.own("collector_success", **who) != 1:
                continue
            age = page.wall - (page.own("collector_last_success_timestamp_seconds", **who) or 0.0)
            if not -1 <= age <= interval + max(60.0, 4 * interval) + LATE:
                raise Broken(f"{instance.alias}, {collector}: success, but {age:.0f} s ago")
            since = page.ended - age - GOOD_FOR.get(collector, 0.0) - 1
            lacking = [
                f"{operation} {about}".strip()
                for operation, about in _questions(page, instance, collector, record)
                if record.answered.get((operation, instance.id, about), 0.0) < since
            ]
            if lacking and not _refused(page, instance.alias, collector):
                raise Broken(f"{instance.alias}, {collector}: success of {age:.0f} s ago, unanswered: {lacking}")


def _questions(page: Scraped, instance: Instance, collector: str, record: Record) -> Iterator[tuple[str, str]]:
    """Operations, and what about: all that a collector has to ask. Of routing profiles, if it knew them by then."""
    listed, last = (
        page.own("collector_last_success_timestamp_seconds", instance_alias=instance.alias, collector=name) or 0.0
        for name in ("inventory", collector)
    )
    known = instance.profiles if 0 < listed <= last else ()
    match collector:
        case "current":
            levels = ("queue", "instance", *("routing_profile",) * bool(known))
            yield from (("GetCurrentMetricData", level) for level in levels)
        case "historical":
            yield from (("GetMetricData", f"{level} 30m") for level in ("queue", "instance"))
        case "counters":
            # Between two periods there is nothing to ask.
            if not any(sums.whole for sums in record.sums[instance.id][-1:]):
                yield "GetMetricData", "sums"
        case "inventory":
            yield from (("ListQueues", ""), ("ListRoutingProfiles", ""))
        case "profile_queues":
            yield from (("ListRoutingProfileQueues", profile.id) for profile in known)


def _refused(page: Scraped, alias: str, collector: str) -> bool:
    """Whether it says that it carries on without something."""
    who = {("instance_alias", alias), ("collector", collector)}
    told = (f"{OWN}metric_rejected", f"{OWN}filter_rejected")
    return any(name in told and who <= set(pairs) for name, pairs in page.series)


def is_well(page: Scraped, alias: str, collector: str) -> None:
    """At most two intervals behind."""
    who = {"instance_alias": alias, "collector": collector}
    age = page.wall - (page.own("collector_last_success_timestamp_seconds", **who) or 0.0)
    if page.own("collector_success", **who) != 1 or not -1 <= age <= 2 * INTERVALS[collector]:
        raise Broken(f"{alias}, {collector}: nothing troubles it, yet {_told(page, alias, collector)}")


def says_that_it_fails(page: Scraped, before: Scraped, alias: str, collector: str, reasons: frozenset[str]) -> None:
    """`before`: a page of the same trouble and process, more than one run ago."""
    if page.own("collector_success", instance_alias=alias, collector=collector) != 0:
        raise Broken(f"{alias}, {collector}: nothing can succeed, yet {_told(page, alias, collector)}")
    if page.errors(alias, collector, reasons) <= before.errors(alias, collector, reasons):
        raise Broken(f"{alias}, {collector}: no more of {sorted(reasons)}, but {_told(page, alias, collector)}")


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
    # A day's windows are on the page of another configuration.
    answers = [(chain.when, chain.keys) for chain in latest.values() if chain.window != "today"]
    sums = [(each.when, each.values) for instance in centre.everybody for each in record.sums[instance.id][-1:]]
    for when, keys in (*answers, *sums):
        for name, instance, pairs in keys if when <= page.begun - LATE else ():
            given = {**dict(pairs), "instance_alias": centre.alias(instance)}
            if given.get("threshold_seconds", "20") not in THRESHOLDS:
                continue  # it was asked for as the goal of some queues
            if name == "amazon_connect_instance_oldest_contact_age_seconds":
                del given["queue"], given["channel"]
            if "queue" in given:
                given["queue"] = _labels_of(centre, instance)[given["queue"]]
            if "routing_profile" in given:
                profiles = {p.id: p.name for i in centre.everybody if i.id == instance for p in i.profiles}
                given["routing_profile"] = profiles[given["routing_profile"]]
            if (name, labels(**given)) not in page.series:
                raise Broken(f"AWS has answered {name}{given}, but it is not on the page")
