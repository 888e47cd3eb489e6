"""Real-time values from GetCurrentMetricData: by queue and channel, routing profile, instance, agent status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from exporter import mapping
from exporter.catalogue import CURRENT
from exporter.catalogue.spec import Level
from exporter.collectors import Context, Pages, wire
from exporter.collectors.asking import ask_all
from exporter.model import Answer, Inventory, Metric, Request, Result, Sample, Target
from exporter.threads import ASIDE

OPERATION = "GetCurrentMetricData"

SPECS: mapping.Specs = {(spec.level, spec.api): spec for spec in CURRENT if spec.level is not None}
UNITS: Mapping[str, str] = {spec.api: spec.unit.name for spec in CURRENT}

GROUPINGS: Mapping[str, tuple[str, ...]] = {
    Level.QUEUE: ("QUEUE", "CHANNEL"),
    Level.ROUTING_PROFILE: ("ROUTING_PROFILE",),
    Level.INSTANCE: (),
    Level.AGENT_STATUS: ("QUEUE", "AGENT_STATUS"),
    Level.QUEUE_ALL_CHANNELS: ("QUEUE",),
}

OLDEST = mapping.OLDEST_CONTACT_AGE


@dataclass(frozen=True, slots=True)
class Options:
    """`metrics` are the API's names; `zero_fill` is served, all or off."""

    levels: tuple[str, ...]
    metrics: tuple[str, ...]
    zero_fill: str


def metric_names(listed: Sequence[str]) -> tuple[str, ...]:
    """The API's names behind the setting `metrics`: `all` is every metric but those only published where listed."""
    names = dict.fromkeys(
        spec.api for spec in CURRENT if spec.api in listed or ("all" in listed and not spec.only_if_listed)
    )
    return tuple(names)


def plan(target: Target, inventory: Inventory, options: Options) -> Iterator[Request]:
    """The fewest requests that the API allows for the levels that are on."""
    queues = wire.selected(inventory.queues, target.queues)
    profiles = wire.selected(inventory.routing_profiles, target.routing_profiles)
    for level, metrics in _questions(options):
        ask = Request(level, metrics, GROUPINGS[level], target.channels)
        if level == Level.ROUTING_PROFILE:
            yield from (replace(ask, routing_profiles=batch) for batch in wire.batches(profiles))
        elif level != Level.INSTANCE:
            yield from (replace(ask, queues=batch) for batch in wire.batches(queues))
        elif queues or not inventory.queues:
            # Beyond a hundred queues no filter can name them all; AWS does not say whether channels alone will do.
            yield replace(ask, queues=queues if len(queues) <= wire.PER_FILTER else ())


def resources(options: Options) -> tuple[str, ...]:
    """What the filters of these requests name: queue, routing_profile; instance where they may name neither."""
    levels = {level for level, _ in _questions(options)}
    named = {
        "queue": bool(levels - {Level.ROUTING_PROFILE}),
        "routing_profile": Level.ROUTING_PROFILE in levels,
        "instance": Level.INSTANCE in levels,
    }
    return tuple(kind for kind, is_named in named.items() if is_named)


def parameters(target: Target, request: Request) -> dict[str, object]:
    metrics = [{"Name": metric.name, "Unit": UNITS[metric.name]} for metric in request.metrics]
    return wire.question(target, request, "CurrentMetrics", metrics)


async def ask(pages: Pages, target: Target, request: Request) -> Answer:
    """One request, all its pages. Raises CallFailed."""
    found = await pages(OPERATION, parameters(target, request), "MetricResults")
    return Answer(request, await ASIDE.run(wire.rows, OPERATION, found), wire.snapshot(found))


async def collect(context: Context, options: Options) -> Result:
    """Everything at once; what AWS refuses is left out and reported. Raises CallFailed."""
    planned = tuple(plan(context.target, context.inventory, options))
    answers = await ask_all(
        partial(ask, context.pages, context.target), planned, context.memory, context.refresh, context.monotonic
    )
    found = await ASIDE.run(samples, answers, options, context.instance_alias, context.inventory)
    return Result(found, context.memory.current())


def samples(
    answers: Sequence[Answer], options: Options, instance_alias: str, inventory: Inventory
) -> tuple[Sample, ...]:
    """What the levels that are on publish of these answers, each series once."""
    return mapping.without_doubles(_samples(answers, options, instance_alias, inventory))


def _samples(
    answers: Sequence[Answer], options: Options, instance_alias: str, inventory: Inventory
) -> Iterator[Sample]:
    published = [answer for answer in answers if answer.request.level in options.levels]
    yield from mapping.rows_to_samples(published, SPECS, instance_alias, inventory)
    if options.zero_fill != "off":
        yield from mapping.zeros(published, SPECS, instance_alias, inventory, options.zero_fill == "served")
    if Level.INSTANCE in options.levels:
        yield from mapping.oldest_of_all(answers, SPECS, instance_alias)
    yield from mapping.snapshots(published, instance_alias)


def _questions(options: Options) -> Iterator[tuple[str, tuple[Metric, ...]]]:
    """Each level to ask for, with the metrics that can be had there."""
    for level in options.levels:
        # Ungrouped, AWS gives the oldest contact's age in milliseconds; the instance's is taken from its queues'.
        names = [
            name for name in options.metrics if (level, name) in SPECS and (level, name) != (Level.INSTANCE, OLDEST)
        ]
        if names:
            yield level, tuple(Metric(name) for name in names)
    if Level.INSTANCE in options.levels and Level.QUEUE not in options.levels and OLDEST in options.metrics:
        yield Level.QUEUE, (Metric(OLDEST),)
