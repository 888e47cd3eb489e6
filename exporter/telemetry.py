"""The exporter's own metrics: what each collector does, what AWS is asked, what the process costs."""

from __future__ import annotations

import platform
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from typing import Any

import prometheus_client

from exporter import __version__
from exporter.catalogue import by_name
from exporter.exposition import Family, client_family
from exporter.model import CallFailed, Reason, Refusal, Sample, Target

PREFIX = "amazon_connect_exporter_"

# Its "_created" series tell nobody anything and double the text.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class State:
    """What is known of one collector of one target. Written on the loop only; moments are unix seconds."""

    target: Target
    instance_alias: str
    collector: str
    interval: float
    success: bool | None = None
    """None: not tried yet."""
    last_attempt: float | None = None
    last_success: float | None = None
    duration: float | None = None
    errors: Tally[Reason] = field(default_factory=Tally)
    dropped: int = 0
    error: str = ""
    reason: Reason | None = None
    refusals: tuple[Refusal, ...] = ()

    def copy(self) -> State:
        """As of now, counts included: what happens later does not change it."""
        return replace(self, errors=self.errors.copy())


@dataclass(slots=True)
class Discovery:
    """What is known of one place where instances are looked for."""

    success: bool | None = None
    """None: not tried yet."""
    error: str = ""
    failure: CallFailed | None = None
    """What AWS said, where the last look failed for that."""
    errors: Tally[Reason] = field(default_factory=Tally)
    last_success: float | None = None
    """Unix seconds."""
    targets: tuple[Target, ...] = ()
    left_out: frozenset[tuple[str, str]] = frozenset()
    """Keys of those whose alias another instance has."""

    def copy(self) -> Discovery:
        """As of now, counts included: what happens later does not change it."""
        return replace(self, errors=self.errors.copy())


class Telemetry:
    """What prometheus_client keeps for us: counts of calls, the process, the interpreter."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        prometheus_client.PlatformCollector(registry=self.registry)
        prometheus_client.GCCollector(registry=self.registry)
        self._requests = prometheus_client.Counter(**self._described("api_requests_total"))
        self._waits = prometheus_client.Counter(**self._described("api_quota_wait_seconds_total"))
        self._durations = prometheus_client.Histogram(**self._described("api_request_duration_seconds"))

    def attempt(self, account_id: str, region: str, operation: str, code: str, seconds: float) -> None:
        """One request to AWS has ended; `code` is 200, AWS's error code, or what went wrong where no answer came."""
        self._requests.labels(account_id, region, operation, code).inc()
        self._durations.labels(operation).observe(seconds)

    def waited(self, account_id: str, region: str, operation: str, seconds: float) -> None:
        """So long a request waited for its share of the quota."""
        self._waits.labels(account_id, region, operation).inc(seconds)

    def families(self) -> Iterator[Family]:
        for metric in self.registry.collect():
            yield client_family(metric)

    def _described(self, name: str) -> dict[str, Any]:
        spec = by_name[PREFIX + name]
        return {"name": spec.name, "documentation": spec.help, "labelnames": spec.labels, "registry": self.registry}


@dataclass(frozen=True, slots=True)
class Process:
    """What the process as a whole says of itself."""

    revision: str
    reload_successful: bool
    reload_success: float
    """Unix seconds."""
    config_hash: float
    targets: int


def process_samples(process: Process) -> Iterator[Sample]:
    build = (__version__, process.revision, platform.python_version(), _boto3_version())
    yield Sample(PREFIX + "build_info", build, 1.0)
    yield Sample(PREFIX + "config_last_reload_successful", (), float(process.reload_successful))
    yield Sample(PREFIX + "config_last_reload_success_timestamp_seconds", (), process.reload_success)
    yield Sample(PREFIX + "config_hash", (), process.config_hash)
    yield Sample(PREFIX + "targets", (), float(process.targets))


def state_samples(states: Iterable[tuple[State, int]]) -> Iterator[Sample]:
    """The series about each collector of each target, from the start; with each, how many series it shows now."""
    for state, series in states:
        who = (state.instance_alias, state.collector)
        yield Sample(PREFIX + "collector_success", who, float(bool(state.success)))
        yield Sample(PREFIX + "collector_duration_seconds", who, state.duration or 0.0)
        yield Sample(PREFIX + "collector_last_success_timestamp_seconds", who, state.last_success or 0.0)
        yield Sample(PREFIX + "collector_interval_seconds", who, state.interval)
        yield Sample(PREFIX + "collector_series", who, float(series))
        yield Sample(PREFIX + "series_dropped_total", who, float(state.dropped))
        for reason in Reason:
            yield Sample(PREFIX + "collector_errors_total", (*who, reason.value), float(state.errors[reason]))
        metrics = {r.name.partition("(")[0]: None for r in state.refusals if r.kind == "metric"}  # of any threshold
        filters = {(r.kind, r.name): None for r in state.refusals if r.kind != "metric"}
        yield from (Sample(PREFIX + "metric_rejected", (*who, metric), 1.0) for metric in metrics)
        yield from (Sample(PREFIX + "filter_rejected", (*who, *element), 1.0) for element in filters)


def quota_samples(buckets: Iterable[tuple[tuple[str, str, str], float]]) -> Iterator[Sample]:
    """From (account, region, operation) and the tokens left there."""
    for key, tokens in buckets:
        yield Sample(PREFIX + "api_quota_tokens", key, tokens)


def discovery_samples(places: Mapping[tuple[str, str], Discovery]) -> Iterator[Sample]:
    """From (number of the block, region) and what is known of it."""
    for place, discovery in places.items():
        yield Sample(PREFIX + "discovery_success", place, float(bool(discovery.success)))
        last = discovery.last_success or 0.0
        yield Sample(PREFIX + "discovery_last_success_timestamp_seconds", place, last)
        yield Sample(PREFIX + "discovery_instances", place, float(len(discovery.targets)))
        for reason in Reason:
            yield Sample(PREFIX + "discovery_errors_total", (*place, reason.value), float(discovery.errors[reason]))


@cache
def _boto3_version() -> str:
    return metadata.version("boto3")
