"""What is to be collected, and what those who collect know and share. No behaviour: that is in `watch` and `engine`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from exporter import inventory as inventories
from exporter.board import Board, Key
from exporter.collectors import Context
from exporter.collectors.refusals import Memory
from exporter.model import Answer, Inventory, Request, Result, Target
from exporter.objectives import Objective
from exporter.telemetry import State

INVENTORY = "inventory"
PROFILE_QUEUES = "profile_queues"
RETRY = 60.0
"""Seconds, at most, until an inventory or a discovery that failed is tried again."""


class Clock:
    """The two clocks: `time` for what people read, `monotonic` for ages and waits, which no correction can bend."""

    def __init__(self, time: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self.time = time
        self.monotonic = monotonic


@dataclass(frozen=True, slots=True)
class Job:
    """A collector as configured: its options are bound in `collect`; `interval` in seconds."""

    name: str
    interval: float
    collect: Callable[[Context], Awaitable[Result]]
    requests: Callable[[Target, Inventory, float], Iterable[Request]]
    """What one run asks for at a moment (unix seconds), as far as the inventory tells."""
    ask: Callable[[inventories.Pages, Target, Request], Awaitable[Answer]]
    operation: str
    resources: tuple[str, ...] = ("queue",)
    """What AWS judges its calls by, which is what their filters name: queue, routing_profile, or instance for none."""
    rounds: float | None = None
    """How often in an hour it asks AWS at all; None: whenever it runs."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the engine is told of the configuration."""

    jobs: tuple[Job, ...]
    inventory_interval: float
    max_age: float
    max_series: int
    objectives: tuple[Objective, ...] = ()
    with_agent_statuses: bool = False
    with_profile_queues: bool = True

    def collectors(self) -> dict[str, float]:
        """Name and interval of all that gets series of its own."""
        slow = {PROFILE_QUEUES: self.inventory_interval} if self.with_profile_queues else {}
        return {INVENTORY: self.inventory_interval, **slow, **{job.name: job.interval for job in self.jobs}}


class Api:
    """AWS as the engine sees it, for one target."""

    def __init__(self, call: inventories.Call, pages: inventories.Pages) -> None:
        self.call = call
        self.pages = pages


@dataclass(slots=True)
class Known:
    """What is remembered of a target across refreshes and reloads."""

    inventory: Inventory = field(default_factory=Inventory)
    served: dict[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)
    carries: dict[str, object] = field(default_factory=dict)
    """What each collector wants to be given the next time."""
    again: dict[str, float] = field(default_factory=dict)
    """Seconds after which each collector wants to run again at the latest."""
    listed: float = float("-inf")
    """Monotonic seconds at which the list of queues that is known was asked for."""
    nameless: int = 0
    """Times in a row that the instance could not be described."""


@dataclass(slots=True)
class Shared:
    """What all targets have in common, and what outlives a reload."""

    board: Board
    clock: Clock
    states: dict[Key, State] = field(default_factory=dict)
    known: dict[tuple[str, str], Known] = field(default_factory=dict)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Which target publishes under an instance_alias: two never do."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever a page made before would be out of date."""
