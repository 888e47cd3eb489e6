"""Recent windows from GetMetricData: the last half hour, today, … by queue and channel, and of the instance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from exporter import mapping, windows
from exporter.catalogue import HISTORICAL
from exporter.collectors import Context, metric_data, wire
from exporter.collectors.asking import ask_all
from exporter.collectors.metric_data import Cache
from exporter.model import Answer, Inventory, Metric, Request, Result, Row, Sample, Target
from exporter.objectives import Objective, objective
from exporter.threads import ASIDE
from exporter.windows import Interval

SPECS: mapping.Specs = {(spec.level, spec.api): spec for spec in HISTORICAL if spec.level is not None}

LAG = 3.0
"""Seconds after a mark at which windows that have moved are asked for."""


@dataclass(frozen=True, slots=True)
class Options:
    """`windows`: label to length in seconds, 0 for `today`; `metrics` are the API's names; `thresholds` in seconds."""

    levels: tuple[str, ...]
    windows: Mapping[str, float]
    metrics: tuple[str, ...]
    thresholds: tuple[float, ...]
    interval: float
    objectives: tuple[Objective, ...] = ()
    good_for: float = metric_data.LONGEST
    """Seconds for which the answer for a window that has not moved is good."""


def plan(target: Target, inventory: Inventory, options: Options, now: float) -> Iterator[Request]:
    """The fewest requests that the API allows: all metrics in one, for each window, level and hundred queues."""
    queues = wire.selected(inventory.queues, target.queues)
    thresholds = wanted_thresholds(options, inventory, queues, target.channels)
    for window, length in options.windows.items():
        span = windows.interval(window, length, now, target.timezone)
        if span is None or (inventory.queues and not queues):
            continue
        for metrics in metric_data.metric_sets(options.metrics, thresholds):
            for level in options.levels:
                yield from metric_data.requests(level, metrics, span, target, queues, window)


def wanted_thresholds(
    options: Options, inventory: Inventory, queues: Sequence[str], channels: Sequence[str]
) -> tuple[float, ...]:
    """The listed ones, and those of the objectives of these queues."""
    named = inventory.queues or {}
    goals = (objective(options.objectives, named[queue], channel) for queue in queues for channel in channels)
    return tuple(dict.fromkeys((*options.thresholds, *sorted({goal.threshold for goal in goals if goal}))))


def samples(
    answers: Sequence[Answer], options: Options, instance_alias: str, inventory: Inventory
) -> tuple[Sample, ...]:
    """All that is published of these answers, each series once."""
    wanted = (only_wanted(answer, options, inventory) for answer in answers)
    return mapping.without_doubles(mapping.rows_to_samples(wanted, SPECS, instance_alias, inventory))


def only_wanted(answer: Answer, options: Options, inventory: Inventory) -> Answer:
    """The answer less service levels that nobody listed, but where the threshold is the queue's own objective."""
    rows = tuple(replace(row, values=dict(_wanted(row, options, inventory))) for row in answer.rows)
    return replace(answer, rows=rows)


def _wanted(row: Row, options: Options, inventory: Inventory) -> Iterator[tuple[Metric, float | None]]:
    queue, channel = row.dimensions.get("QUEUE", ""), row.dimensions.get("CHANNEL", "")
    name = mapping.label_value("QUEUE", queue, inventory)
    goal = objective(options.objectives, name, channel) if queue else None
    listed = {None, *options.thresholds, goal.threshold if goal else None}
    return ((metric, value) for metric, value in row.values.items() if metric.threshold in listed)


async def collect(context: Context, options: Options) -> Result:
    """Windows that have moved, and those last asked for a while ago. Raises CallFailed."""
    now = context.now()
    cache = Cache(options.good_for, context.monotonic, context.memory.answers)
    fetch = partial(metric_data.ask, context.pages, context.target)

    async def ask(request: Request) -> Answer:
        span = Interval(request.start or now, request.end or now)
        return await cache.ask(request, fetch, windows.reachable(span, now))

    planned = tuple(plan(context.target, context.inventory, options, now))
    answers = await ask_all(ask, planned, context.memory, context.refresh, context.monotonic)
    return Result(
        await ASIDE.run(samples, answers, options, context.instance_alias, context.inventory),
        context.memory.current(),
        since=cache.tidy(),
        again=windows.next_mark(context.now(), windows.SKEW + LAG) if options.interval <= windows.MARK else None,
    )
