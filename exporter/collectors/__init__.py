"""What a collector is: an async function from a Context to a Result, made of a pure plan and a pure mapping."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from exporter.collectors.refusals import Memory
from exporter.model import Inventory, Result, Target

Pages = Callable[[str, Mapping[str, Any], str], Awaitable[list[dict[str, Any]]]]
"""(operation, parameters, name of the list in the answer) -> every page of one chain; raises CallFailed."""


@dataclass(frozen=True, slots=True)
class Context:
    """All that a collector may know of the world."""

    target: Target
    instance_alias: str
    inventory: Inventory
    pages: Pages
    refresh: Callable[[], Awaitable[Inventory]]
    """Lists queues and routing profiles anew, at most every few seconds: for ids that AWS no longer knows."""
    now: Callable[[], float]
    """Unix seconds."""
    monotonic: Callable[[], float]
    memory: Memory
    carry: object = None
    """What this collector's last result carried."""


class Collector(Protocol):
    """Collects one target once. Raises CallFailed where nothing whole could be had."""

    async def __call__(self, context: Context, /) -> Result: ...
