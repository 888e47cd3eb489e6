"""Counters made of GetMetricData's sums: how, and why it counts every contact once, is said in windows.period."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from exporter import mapping, windows
from exporter.catalogue import COUNTERS
from exporter.catalogue.spec import Level
from exporter.collectors import Context, metric_data, wire
from exporter.collectors.asking import ask_all
from exporter.collectors.metric_data import Cache
from exporter.model import Answer, Inventory, Metric, Request, Result, Sample, Target
from exporter.threads import ASIDE
from exporter.windows import Interval, Period, Showing

NAMES: Mapping[str, str] = {spec.api: spec.name for spec in COUNTERS}

Sums = Mapping[tuple[str, str, str], float]
"""(queue id, channel, the API's metric) to the sum over the period."""


@dataclass(frozen=True, slots=True)
class Options:
    """`metrics` are the API's names of the sums to count; seconds: `settle`, and for how long the sums of an interval
    that has not grown are `good_for`.
    """

    metrics: tuple[str, ...]
    settle: float
    good_for: float = metric_data.LONGEST


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted last: for which period and requests, and the highest sums seen in that period."""

    period: Period
    since: float
    """Monotonic seconds of the oldest answer in it."""
    asked: tuple[Request, ...] = ()
    queues: frozenset[str] = frozenset()
    """Those that AWS has answered for: what is listed may have been deleted since."""
    sums: Sums = field(default_factory=dict)


def metric_names(listed: Sequence[str]) -> tuple[str, ...]:
    """Every sum, and of those that are only published where listed the ones that the recent windows list."""
    return tuple(spec.api for spec in COUNTERS if not spec.only_if_listed or spec.api in listed)


def plan(target: Target, inventory: Inventory, options: Options, span: Interval) -> Iterator[Request]:
    """All sums of each hundred queues over the period so far."""
    queues = wire.selected(inventory.queues, target.queues)
    metrics = tuple(Metric(name) for name in options.metrics)
    yield from metric_data.requests(Level.QUEUE, metrics, span, target, queues, None)


def latest(options: Options, now: float) -> Interval:
    """The interval that a process which begins now would ask for."""
    period = windows.period(None, now, 0.0, options.settle)
    return Interval(period.anchor, max(period.end, period.anchor + windows.MARK))


async def collect(context: Context, options: Options) -> Result:
    """Asks when the period has grown, the queues have changed, or the last answer is old. Raises CallFailed."""
    before = context.carry if isinstance(context.carry, Counted) else None
    now, monotonic = context.now(), context.monotonic()
    period = windows.period(before.period if before else None, now, monotonic, options.settle)
    sums = inherited(before, period)
    planned, since, queues = (before.asked, before.since, before.queues) if before else ((), monotonic, frozenset())
    zero = period.showing is Showing.ZERO
    if before is None or not zero:
        planned = tuple(plan(context.target, context.inventory, options, asked_for(period)))
    if before is None or planned != before.asked or (not zero and monotonic - since >= options.good_for):
        cache = Cache(options.good_for, context.monotonic, context.memory.answers)
        ask = partial(cache.ask, fetch=partial(metric_data.ask, context.pages, context.target))
        answers = await ask_all(ask, planned, context.memory, context.refresh, context.monotonic)
        oldest = cache.tidy()
        since = monotonic if oldest is None else oldest
        sums = await ASIDE.run(highest, sums, answers)
        queues = frozenset(queue for answer in answers for queue in answer.request.queues)
    if zero:
        sums = dict.fromkeys(sums, 0.0)
    if before is None or period != before.period:
        # It is on the page from now on, however long AWS took.
        period = windows.shown_since(period, context.monotonic() - monotonic)
    counted = Counted(period, since, planned, queues, sums)
    return Result(
        await ASIDE.run(lambda: mapping.without_doubles(samples(counted, context, options))),
        context.memory.current(),
        since=None if zero else since,
        again=windows.lasting(period, context.now(), context.monotonic(), options.settle),
        carry=counted,
    )


def asked_for(period: Period) -> Interval:
    """The interval whose sums a period needs; a zero, those before it: they tell which series there are."""
    start = period.anchor - windows.HALF_DAY if period.showing is Showing.ZERO else period.anchor
    return Interval(start, period.end)


def inherited(before: Counted | None, period: Period) -> Sums:
    """What the period has so far; for one that begins, 0 for every series that the one before had."""
    if before is None:
        return {}
    if before.period.anchor == period.anchor:
        return before.sums
    return dict.fromkeys(before.sums, 0.0)


def highest(sums: Sums, answers: list[Answer]) -> Sums:
    """Within a period no sum falls, whatever AWS corrects: Prometheus would take that for a reset."""
    grown = dict(sums)
    for answer in answers:
        for row in answer.rows:
            queue, channel = row.dimensions.get("QUEUE"), row.dimensions.get("CHANNEL")
            for metric, value in row.values.items():
                if queue and channel and metric.name in NAMES and value is not None and math.isfinite(value):
                    key = (queue, channel, metric.name)
                    grown[key] = max(value, grown.get(key, 0.0))
    return grown


def samples(counted: Counted, context: Context, options: Options) -> Iterator[Sample]:
    """Every sum, and 0 for what a routing profile serves and no contact has come to yet; nothing of what is refused."""
    inventory, period = context.inventory, counted.period
    refused = {refusal.name for refusal in context.memory.current()}
    queues = counted.queues.intersection(wire.selected(inventory.queues, context.target.queues))
    channels = set(context.target.channels) - refused
    idle = {(queue, channel, name): 0.0 for queue, channel in inventory.served or () for name in options.metrics}
    sums: Sums = {**idle, **counted.sums}
    for (queue, channel, name), value in sorted(sums.items()):
        if queue in queues and channel in channels and name not in refused:
            labels = (context.instance_alias, mapping.label_value("QUEUE", queue, inventory), channel)
            yield Sample(NAMES[name], labels, value, created=period.anchor)
