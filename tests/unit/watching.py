"""Targets being watched on a clockwork, and the page that would be scraped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from random import Random
from typing import Any, Protocol

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.board import Board
from exporter.catalogue import by_name
from exporter.collectors import Context
from exporter.jobs import Clock, Job, Plan, Shared
from exporter.model import Result, Sample, Target
from exporter.plan import plan_of
from exporter.publisher import Publisher
from exporter.settings import load
from exporter.telemetry import State, Telemetry, state_samples
from exporter.watch import Watch
from tests.clockwork import Clockwork
from tests.collectors.centre import Centre, target

PREFIX = "amazon_connect_"
SUCCESS = "exporter_collector_success"
ONLINE = "queue_agents_online"
INTERVAL = 15.0

Page = dict[tuple[str, ...], float]
"""Name without prefix and label values in the order of the catalogue, to value."""


class Runs(Protocol):
    def run(self) -> Coroutine[Any, Any, None]: ...


def plan(*jobs: Job, **fields: Any) -> Plan:
    """That of a configuration of real-time metrics by queue alone; `jobs` stand for its collectors if there are any."""
    collectors = {
        "current": {"levels": ["queue"], "metrics": ["AGENTS_ONLINE"], "interval": f"{INTERVAL:g}s"},
        "historical": {"enabled": False},
        "counters": {"enabled": False},
    }
    made = plan_of(
        load(
            None,
            {
                "AMAZON_CONNECT_EXPORTER_COLLECTORS": json.dumps(collectors),
                "AMAZON_CONNECT_EXPORTER_DISCOVERY": '[{"regions": ["us-east-1"]}]',
            },
        )
    )
    return replace(made, jobs=jobs or made.jobs, **fields)


def everything() -> Plan:
    """That of a configuration with nothing but a region to search."""
    return plan_of(load(None, {"AMAZON_CONNECT_EXPORTER_DISCOVERY": '[{"regions": ["us-east-1"]}]'}))


def job(collect: Callable[[Context], Awaitable[Result]], name: str = "current", interval: float = INTERVAL) -> Job:
    (like,) = plan().jobs
    return replace(like, name=name, interval=interval, collect=collect)


def online(alias: str, value: float) -> Sample:
    return Sample(f"{PREFIX}instance_agents_online", (alias,), value)


class Site:
    """What all targets share, and the page made of it."""

    def __init__(self, loop: Clockwork) -> None:
        self.loop = loop
        self.shared = Shared(Board(), Clock(loop.wall, loop.time))
        self.watched: list[Watch] = []

    def watch(self, centre: Centre, plan: Plan, target: Target = target()) -> Watch:  # noqa: B008 (frozen)
        made = Watch(target, plan, centre.api(), self.shared, Random(1))
        self.watched.append(made)
        return made

    def state(self, collector: str = "current", of: Watch | None = None) -> State:
        return self.shared.states[(of or self.watched[0]).target.key, collector]

    async def page(self) -> Page:
        """What a scrape would get now. An AssertionError where a series stands on it twice."""

        def own() -> list[Sample]:
            now = self.loop.time()
            board, states = self.shared.board, self.shared.states.values()
            return list(state_samples((s, board.series((s.target.key, s.collector), now)) for s in states))

        made = await Publisher(self.shared.board, Telemetry(), own, str, self.loop.time).make()
        found: Page = {}
        for family in text_string_to_metric_families(made.openmetrics.decode()):  # type: ignore[no-untyped-call]
            for sample in family.samples:
                names = by_name[sample.name].labels if sample.name in by_name else sorted(sample.labels)
                key = (sample.name.removeprefix(PREFIX), *(sample.labels[name] for name in names))
                assert key not in found, key
                found[key] = sample.value
        return found


def of(page: Page, name: str) -> Page:
    return {key[1:]: value for key, value in page.items() if key[0] == name}


@asynccontextmanager
async def running(*all_of: Runs) -> AsyncIterator[None]:
    """While inside, they run; afterwards they have been cancelled and have ended."""
    tasks = [asyncio.create_task(each.run()) for each in all_of]
    try:
        yield
        for task in tasks:
            assert not task.done(), task
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
