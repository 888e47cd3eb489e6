"""What the wire side needs of a world: the simulated contact centre behind the service.

`world.World` has it; a test that wants exact values brings its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

Metric = tuple[str, float | None]
"""A historical metric: its name, and the threshold in seconds of a SERVICE_LEVEL."""


class QueueView(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str | None:
        """None for the queues of single agents."""

    @property
    def kind(self) -> str:
        """STANDARD or AGENT."""


class ProfileView(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def serves(self) -> Sequence[tuple[str, str, int, int]]:
        """(queue id, channel, priority, delay in seconds)."""


class StatusView(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str:
        """ROUTABLE, OFFLINE or CUSTOM."""


class InstanceView(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def alias(self) -> str | None: ...
    @property
    def account_id(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def arn(self) -> str: ...
    @property
    def created(self) -> float:
        """Unix seconds."""

    @property
    def queues(self) -> Sequence[QueueView]: ...
    @property
    def profiles(self) -> Sequence[ProfileView]: ...
    @property
    def statuses(self) -> Sequence[StatusView]: ...


class WorldView(Protocol):
    """Asked from many threads at once."""

    @property
    def instances(self) -> Sequence[InstanceView]: ...
    @property
    def clock(self) -> Callable[[], float]:
        """Unix seconds: the world's now."""

    def current(
        self,
        instance_id: str,
        *,
        queues: Sequence[str] | None,
        profiles: Sequence[str] | None,
        channels: Sequence[str],
        groupings: Sequence[str],
        metrics: Sequence[str],
    ) -> tuple[list[tuple[dict[str, str], dict[str, float | None]]], float]:
        """Rows (dimension to id, metric to value) and the moment they were taken, unix seconds."""

    def historical(
        self,
        instance_id: str,
        *,
        start: float,
        end: float,
        queues: Sequence[str] | None,
        channels: Sequence[str],
        groupings: Sequence[str],
        metrics: Sequence[Metric],
    ) -> list[tuple[dict[str, str], dict[Metric, float | None]]]:
        """Rows over [start, end), unix seconds."""
