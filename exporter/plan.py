"""What a configuration makes of the collectors: which run, how often, and what they ask for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from exporter.collectors import counters, current, historical, metric_data
from exporter.durations import format_duration, parse_duration
from exporter.jobs import Job, Plan
from exporter.settings import Settings
from exporter.targets import objectives
from exporter.windows import TODAY


def plan_of(settings: Settings) -> Plan:
    """What is to be collected, how often."""
    on = settings.collectors
    filled = on.current.enabled and on.current.zero_fill == "served" and "queue" in on.current.levels
    return Plan(
        jobs=tuple(job for enabled, job in _jobs(settings) if enabled),
        inventory_interval=settings.inventory.interval,
        max_age=settings.max_age,
        max_series=settings.limits.max_series,
        objectives=objectives(settings),
        with_agent_statuses=on.current.enabled and "agent_status" in on.current.levels,
        with_profile_queues=filled or on.counters.enabled,
    )


def advice(settings: Settings) -> Iterator[str]:
    """What is allowed and will hardly be meant, a line each."""
    on, max_age = settings.collectors, settings.max_age
    needs = {"current": on.current.interval}
    for name, interval in (("historical", on.historical.interval), ("counters", on.counters.interval)):
        needs[name] = metric_data.oldest(interval, metric_data.good_for(interval, max_age))
    for name, seconds in needs.items():
        if getattr(on, name).enabled and seconds >= max_age:
            told = f"as long as it can take until they are new ({format_duration(seconds)})"
            yield f"max_age: values of collectors.{name} will come and go: {format_duration(max_age)} is not {told}"


def _jobs(settings: Settings) -> Iterator[tuple[bool, Job]]:
    """Every collector there is, and whether it is on."""
    on = settings.collectors
    now = current.Options(on.current.levels, current.metric_names(on.current.metrics), on.current.zero_fill)
    yield (
        on.current.enabled,
        Job(
            name="current",
            interval=on.current.interval,
            collect=partial(current.collect, options=now),
            requests=lambda target, known, _: current.plan(target, known, now),
            ask=current.ask,
            operation=current.OPERATION,
            resources=current.resources(now),
        ),
    )
    recent = historical.Options(
        levels=on.historical.levels,
        windows={w: 0.0 if w == TODAY else parse_duration(w) for w in on.historical.windows},
        metrics=metric_data.metric_names(on.historical.metrics),
        thresholds=on.historical.service_level_thresholds,
        objectives=objectives(settings),
        interval=on.historical.interval,
        good_for=metric_data.good_for(on.historical.interval, settings.max_age),
    )
    yield (
        on.historical.enabled,
        Job(
            name="historical",
            interval=on.historical.interval,
            collect=partial(historical.collect, options=recent),
            requests=lambda target, known, moment: historical.plan(target, known, recent, moment),
            ask=metric_data.ask,
            operation=metric_data.OPERATION,
            rounds=metric_data.rounds_per_hour(recent.interval, recent.good_for),
        ),
    )
    sums = counters.Options(
        counters.metric_names(on.historical.metrics),
        on.counters.settle,
        metric_data.good_for(on.counters.interval, settings.max_age),
    )
    yield (
        on.counters.enabled,
        Job(
            name="counters",
            interval=on.counters.interval,
            collect=partial(counters.collect, options=sums),
            requests=lambda target, known, moment: counters.plan(target, known, sums, counters.latest(sums, moment)),
            ask=metric_data.ask,
            operation=metric_data.OPERATION,
            rounds=metric_data.rounds_per_hour(on.counters.interval, sums.good_for),
        ),
    )
