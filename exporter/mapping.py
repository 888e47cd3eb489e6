"""Rows of AWS's answers to samples: names, scale, what is missing, what is zero. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from exporter.catalogue.spec import Level, Spec, Unit
from exporter.model import Answer, Inventory, Metric, Request, Row, Sample

Specs = Mapping[tuple[str, str], Spec]
"""(level, the API's metric name) to the family it becomes."""

OLDEST_CONTACT_AGE = "OLDEST_CONTACT_AGE"

DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    Level.QUEUE: ("QUEUE", "CHANNEL"),
    Level.ROUTING_PROFILE: ("ROUTING_PROFILE",),
    Level.INSTANCE: (),
    Level.AGENT_STATUS: ("QUEUE", "AGENT_STATUS"),
    Level.QUEUE_ALL_CHANNELS: ("QUEUE",),
}
"""The dimensions whose values become a level's labels, in the labels' order."""


def rows_to_samples(
    answers: Iterable[Answer], specs: Specs, instance_alias: str, inventory: Inventory
) -> Iterator[Sample]:
    """A sample for every value that AWS gave for a metric the catalogue knows.

    A null, a missing or a non-finite value gives none; neither does a row that lacks one of its level's dimensions.
    """
    for answer in answers:
        for row in answer.rows:
            labels = row_labels(answer.request.level, row, instance_alias, inventory)
            if labels is None:
                continue
            for metric, value in row.values.items():
                spec = specs.get((answer.request.level, metric.name))
                if spec is None or value is None or not math.isfinite(value):
                    continue
                own = labels + request_labels(answer.request, metric)
                # A service level without its threshold says nothing; no other metric has one.
                if len(own) == len(spec.labels):
                    yield Sample(spec.name, own, value / spec.unit.divisor)


def zeros(
    answers: Iterable[Answer], specs: Specs, instance_alias: str, inventory: Inventory, served_only: bool
) -> Iterator[Sample]:
    """0 for each COUNT metric asked for a queue and channel that AWS, who omits idle queues, returned no row for.

    Only for what was asked and answered; with `served_only`, only where some routing profile serves the pair.
    """
    for answer in answers:
        request = answer.request
        if request.level != Level.QUEUE:
            continue
        answered = {(row.dimensions.get("QUEUE"), row.dimensions.get("CHANNEL")) for row in answer.rows}
        counted = [
            (spec.name, request_labels(request, metric))
            for metric in request.metrics
            if (spec := specs.get((request.level, metric.name))) is not None and spec.unit is Unit.COUNT
        ]
        for pair in ((queue, channel) for queue in request.queues for channel in request.channels):
            if pair in answered or (served_only and pair not in (inventory.served or ())):
                continue
            labels = (instance_alias, label_value("QUEUE", pair[0], inventory), pair[1])
            for name, extra in counted:
                yield Sample(name, labels + extra, 0.0)


def oldest_of_all(answers: Iterable[Answer], specs: Specs, instance_alias: str) -> Iterator[Sample]:
    """The instance's oldest contact age: the greatest of its queues', since ungrouped AWS answers in milliseconds."""
    spec = specs.get((Level.INSTANCE, OLDEST_CONTACT_AGE))
    ages = [
        value
        for answer in answers
        if answer.request.level == Level.QUEUE
        for row in answer.rows
        if (value := row.values.get(Metric(OLDEST_CONTACT_AGE))) is not None and math.isfinite(value)
    ]
    if spec is not None and ages:
        yield Sample(spec.name, (instance_alias,), max(ages))


def snapshots(answers: Iterable[Answer], instance_alias: str) -> Iterator[Sample]:
    """When AWS took the values of each level; of several answers the oldest moment."""
    oldest: dict[str, float] = {}
    for answer in answers:
        if answer.snapshot is not None:
            level = answer.request.level
            oldest[level] = min(oldest.get(level, math.inf), answer.snapshot)
    for level, moment in oldest.items():
        yield Sample("amazon_connect_data_snapshot_timestamp_seconds", (instance_alias, level), moment)


def information(inventory: Inventory, instance_alias: str, instance_id: str, region: str) -> Iterator[Sample]:
    """The info series, value 1, that join names with ids."""
    instance = (instance_alias, instance_id, inventory.arn, inventory.account_id, region)
    yield Sample("amazon_connect_instance_info", instance, 1.0)
    for queue_id, name in (inventory.queues or {}).items():
        yield Sample("amazon_connect_queue_info", (instance_alias, name, queue_id), 1.0)
    for profile_id, name in (inventory.routing_profiles or {}).items():
        yield Sample("amazon_connect_routing_profile_info", (instance_alias, name, profile_id), 1.0)


def without_doubles(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """The first of each series, should AWS ever answer a row twice."""
    first: dict[tuple[str, tuple[str, ...]], Sample] = {}
    for sample in samples:
        first.setdefault((sample.name, sample.labels), sample)
    return tuple(first.values())


def row_labels(level: str, row: Row, instance_alias: str, inventory: Inventory) -> tuple[str, ...] | None:
    """Label values of a row, instance_alias first; None where the row lacks a dimension of its level."""
    labels = [instance_alias]
    for dimension in DIMENSIONS[level]:
        value = row.dimensions.get(dimension)
        if not value:
            return None
        labels.append(label_value(dimension, value, inventory))
    return tuple(labels)


def label_value(dimension: str, value: str, inventory: Inventory) -> str:
    """The name behind an id; the id itself where no name can be had."""
    names = {
        "QUEUE": inventory.queues,
        "ROUTING_PROFILE": inventory.routing_profiles,
        "AGENT_STATUS": inventory.agent_statuses,
    }.get(dimension)
    return (names or {}).get(value, value)


def request_labels(request: Request, metric: Metric) -> tuple[str, ...]:
    """What a series carries of the question: the window and, for a service level, the threshold."""
    window = () if request.window is None else (request.window,)
    return window if metric.threshold is None else (*window, f"{metric.threshold:g}")
