"""Between our values and the shapes of AWS's metric APIs (GetCurrentMetricData and GetMetricData share them). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from exporter.model import CallFailed, Metric, Names, Reason, Request, Row, Target

PER_FILTER = 100
"""Queues or routing profiles that a filter may name."""
PER_PAGE = 100
"""Rows of a page."""

_REFERENCES = {"Queue": "QUEUE", "RoutingProfile": "ROUTING_PROFILE", "AgentStatus": "AGENT_STATUS"}


def selected(named: Mapping[str, str] | None, names: Names) -> tuple[str, ...]:
    """The ids whose name is meant, in the order of names, so that batches stay the same from refresh to refresh."""
    return tuple(
        sorted((i for i, name in (named or {}).items() if is_meant(name, names)), key=(named or {}).__getitem__)
    )


def is_meant(name: str, names: Names) -> bool:
    if any(pattern.fullmatch(name) for pattern in names.exclude):
        return False
    return not names.include or any(pattern.fullmatch(name) for pattern in names.include)


def batches(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), PER_FILTER):
        yield tuple(ids[start : start + PER_FILTER])


def question(
    target: Target, request: Request, metrics_key: str, metrics: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The parameters that both APIs have in common. Channels are always sent: no default is documented."""
    filters: dict[str, Any] = {"Channels": list(request.channels)}
    if request.queues:
        filters["Queues"] = list(request.queues)
    if request.routing_profiles:
        filters["RoutingProfiles"] = list(request.routing_profiles)
    params: dict[str, Any] = {
        "InstanceId": target.instance_id,
        "Filters": filters,
        metrics_key: list(metrics),
        "MaxResults": PER_PAGE,
    }
    if request.start is not None and request.end is not None:
        params["StartTime"] = datetime.fromtimestamp(request.start, UTC)
        params["EndTime"] = datetime.fromtimestamp(request.end, UTC)
    if request.groupings:
        params["Groupings"] = list(request.groupings)
    return params


def rows(operation: str, pages: Iterable[Mapping[str, Any]]) -> tuple[Row, ...]:
    """The rows of all pages. Raises CallFailed(BAD_RESPONSE) for an answer of another shape."""
    try:
        return tuple(
            Row(_dimensions(result.get("Dimensions") or {}), dict(_values(result.get("Collections") or ())))
            for page in pages
            for result in page["MetricResults"]
        )
    except (AttributeError, KeyError, TypeError, ValueError) as odd:
        raise CallFailed(operation, Reason.BAD_RESPONSE, message=f"unexpected shape: {odd}") from odd


def snapshot(pages: Iterable[Mapping[str, Any]]) -> float | None:
    """DataSnapshotTime in unix seconds, of several pages the oldest."""
    moments = [moment.timestamp() for page in pages if isinstance(moment := page.get("DataSnapshotTime"), datetime)]
    return min(moments, default=None)


def _dimensions(given: Mapping[str, Any]) -> dict[str, str]:
    """Dimension to id; where AWS names a thing only by its ARN, the id is the ARN's end."""
    found = {}
    for key, dimension in _REFERENCES.items():
        reference = given.get(key) or {}
        identity = reference.get("Id") or str(reference.get("Arn") or "").rpartition("/")[2]
        if identity:
            found[dimension] = identity
    if given.get("Channel"):
        found["CHANNEL"] = given["Channel"]
    return found


def _values(collections: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Metric, float | None]]:
    """A null value has no key at all here: botocore drops it."""
    for item in collections:
        metric = item.get("Metric") or {}
        threshold = (metric.get("Threshold") or {}).get("ThresholdValue")
        value = item.get("Value")
        if name := metric.get("Name"):
            yield Metric(name, None if threshold is None else float(threshold)), None if value is None else float(value)
