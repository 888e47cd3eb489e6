"""What the collectors of GetMetricData share: its requests, and not asking twice for what can not have changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.catalogue import HISTORICAL
from exporter.catalogue.spec import Level
from exporter.collectors import Pages, wire
from exporter.model import Answer, Metric, Request, Target
from exporter.threads import ASIDE
from exporter.windows import MARK, Interval

OPERATION = "GetMetricData"
PER_REQUEST = 20
"""Service levels, each with its threshold, that one request may ask for."""
SERVICE_LEVEL = "SERVICE_LEVEL"
PATIENCE = 2.5
"""Intervals after which what has not moved is asked for again: contacts still come in late, and AWS may be gone."""
LONGEST = MARK / 2
"""Seconds of that, at most."""
KEPT = 2 * MARK
"""Seconds after which an answer is of no use to any run: its interval has ended twice over."""

GROUPINGS: Mapping[str, tuple[str, ...]] = {Level.QUEUE: ("QUEUE", "CHANNEL"), Level.INSTANCE: ()}

STATISTICS: Mapping[str, str] = {spec.api: spec.statistic for spec in HISTORICAL}
UNITS: Mapping[str, str] = {spec.api: spec.unit.name for spec in HISTORICAL}


def metric_names(listed: Sequence[str]) -> tuple[str, ...]:
    """The API's names behind the setting `metrics`: `all` is every metric but those only published where listed."""
    wanted = [s.api for s in HISTORICAL if s.api in listed or ("all" in listed and not s.only_if_listed)]
    return tuple(dict.fromkeys(wanted))


def metric_sets(names: Sequence[str], thresholds: Sequence[float]) -> Iterator[tuple[Metric, ...]]:
    """The metrics of each request: all in one, but for service levels beyond the twentieth."""
    plain = tuple(Metric(name) for name in names if name != SERVICE_LEVEL)
    levels = [Metric(SERVICE_LEVEL, float(threshold)) for threshold in thresholds] if SERVICE_LEVEL in names else []
    yield from filter(None, (plain + tuple(levels[:PER_REQUEST]),))
    for start in range(PER_REQUEST, len(levels), PER_REQUEST):
        yield tuple(levels[start : start + PER_REQUEST])


def good_for(interval: float, max_age: float) -> float:
    """Seconds for which an answer about an interval that has not moved is good; all arguments in seconds."""
    return min(LONGEST, PATIENCE * interval, max_age / 2) if interval < MARK else MARK


def oldest(interval: float, good: float) -> float:
    """Seconds after which, at the latest, a collector that runs so often has a new answer where AWS gives one."""
    return interval if interval >= MARK else min(good + interval, MARK)


def rounds_per_hour(interval: float, good: float) -> float:
    """How often a collector asks AWS: at each mark, and now and then between two."""
    if interval > MARK:
        return 3600 / interval
    runs = -(-good // interval) * interval
    return 3600 / MARK * -(-MARK // runs)


def requests(
    level: str, metrics: tuple[Metric, ...], span: Interval, target: Target, queues: tuple[str, ...], window: str | None
) -> Iterator[Request]:
    """One level over one interval: batches of a hundred queues; the instance in one, by name where a filter can."""
    ask = Request(level, metrics, GROUPINGS[level], target.channels, start=span.start, end=span.end, window=window)
    if level == Level.INSTANCE:
        yield replace(ask, queues=queues if len(queues) <= wire.PER_FILTER else ())
    else:
        yield from (replace(ask, queues=batch) for batch in wire.batches(queues))


def parameters(target: Target, request: Request) -> dict[str, Any]:
    return wire.question(target, request, "HistoricalMetrics", map(_metric, request.metrics))


async def ask(pages: Pages, target: Target, request: Request) -> Answer:
    """One request, all its pages. Raises CallFailed."""
    found = await pages(OPERATION, parameters(target, request), "MetricResults")
    return Answer(request, await ASIDE.run(wire.rows, OPERATION, found))


@dataclass(slots=True)
class Cache:
    """Answers that are still good: a request that is the same, its interval too, is not asked again for a while.

    `held` outlives the run, also one that fails: where the quota is short, each run gets a little further.
    """

    good_for: float
    """Seconds."""
    monotonic: Callable[[], float]
    held: dict[Request, tuple[float, Answer]]
    used: set[Request] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Where some request fails for hours, the others' answers for one interval after the other would pile up.
        for request in [r for r, (asked, _) in self.held.items() if self.monotonic() - asked > KEPT]:
            del self.held[request]

    async def ask(
        self, request: Request, fetch: Callable[[Request], Awaitable[Answer]], may_ask: bool = True
    ) -> Answer:
        """What is held while it is good, or while AWS may not be asked; else what `fetch` gets."""
        held = self.held.get(request)
        if may_ask and (held is None or self.monotonic() - held[0] >= self.good_for):
            asked = self.monotonic()
            held = self.held[request] = (asked, await fetch(request))
        self.used.add(request)
        return held[1] if held else Answer(request, ())

    def tidy(self) -> float | None:
        """Drop what was not used. Monotonic seconds of the oldest answer that was."""
        for request in self.held.keys() - self.used:
            del self.held[request]
        return min((asked for asked, _ in self.held.values()), default=None)


def _metric(metric: Metric) -> dict[str, Any]:
    sent: dict[str, Any] = {
        "Name": metric.name,
        "Unit": UNITS[metric.name],
        "Statistic": STATISTICS[metric.name],
    }
    if metric.threshold is not None:
        sent["Threshold"] = {"Comparison": "LT", "ThresholdValue": metric.threshold}
    return sent
