"""What a panel would show: its queries, asked as Grafana asks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exporter.durations import parse_duration
from tests.dashboards.promql import VALUES, substituted
from tests.tools import Prometheus

SCRAPE = 30.0
"""Seconds; the data source's `timeInterval`."""
POINTS = 1000
"""Of a graph, about."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of a panel of a dashboard."""

    uid: str
    panel: Mapping[str, Any]
    target: Mapping[str, Any]
    span: float
    """Seconds from the left edge to the right."""

    @property
    def name(self) -> str:
        return f"{self.uid.removeprefix('amazon-connect-')}, {self.panel['title']}, {self.target['refId']}"

    def promql(self, scrape: float = SCRAPE) -> str:
        step = self.step(scrape)
        told = {
            "__range": f"{self.span:g}s",
            "__interval": f"{step:g}s",
            "__rate_interval": f"{max(step + scrape, 4 * scrape):g}s",
        }
        return substituted(self.target["expr"], {**VALUES, **told})

    def step(self, scrape: float = SCRAPE) -> float:
        least = parse_duration(self.target["interval"]) if "interval" in self.target else scrape
        return max(least, self.span / POINTS // scrape * scrape)


def asked(dashboard: Mapping[str, Any]) -> Iterator[Asked]:
    span = parse_duration(dashboard["time"]["from"].removeprefix("now-"))
    for panel in dashboard["panels"]:
        own = parse_duration(panel["timeFrom"]) if "timeFrom" in panel else span
        for target in panel.get("targets", ()):
            yield Asked(dashboard["uid"], panel, target, own)


def answer(server: Prometheus, one: Asked, now: float, scrape: float = SCRAPE) -> list[dict[str, Any]]:
    """The series that come back; each `values` ascending, one of them for an instant query."""
    promql = one.promql(scrape)
    if one.target["instant"]:
        found = server.get("query", query=promql, time=f"{now:.3f}")["result"]
        return [{"metric": series["metric"], "values": [series["value"]]} for series in found]
    step = one.step(scrape)
    start, end = (moment // step * step for moment in (now - one.span, now))
    series: list[dict[str, Any]] = server.get(
        "query_range", query=promql, start=f"{start}", end=f"{end}", step=f"{step}"
    )["result"]
    return series
