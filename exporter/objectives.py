"""Which service level is wanted for a queue and channel: the first objective that matches. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.model import Sample

CHANNELS = ("VOICE", "CHAT", "TASK", "EMAIL")


@dataclass(frozen=True, slots=True)
class Objective:
    """`target` of the contacts answered within `threshold` seconds; `queues` match whole names, none means all."""

    threshold: float
    target: float
    channels: tuple[str, ...] = CHANNELS
    queues: tuple[re.Pattern[str], ...] = ()

    def holds(self, queue: str, channel: str) -> bool:
        return channel in self.channels and (not self.queues or any(p.fullmatch(queue) for p in self.queues))


DEFAULTS = (
    Objective(20.0, 0.8, ("VOICE",)),
    Objective(60.0, 0.8, ("CHAT",)),
    Objective(4 * 3600.0, 0.9, ("TASK",)),
    Objective(24 * 3600.0, 0.9, ("EMAIL",)),
)
"""What contact centres commonly promise where nobody said otherwise."""


def objective(objectives: Sequence[Objective], queue: str, channel: str) -> Objective | None:
    """The one that holds for a queue's name and a channel; None for a channel that nobody knows."""
    return next((one for one in (*objectives, *DEFAULTS) if one.holds(queue, channel)), None)


def samples(
    objectives: Sequence[Objective], instance_alias: str, queues: Mapping[str, str], channels: Sequence[str]
) -> Iterator[Sample]:
    """Threshold and target of each queue (id to name) and channel."""
    for name in queues.values():
        for channel in channels:
            if (found := objective(objectives, name, channel)) is not None:
                labels = (instance_alias, name, channel)
                yield Sample("amazon_connect_queue_service_level_threshold_seconds", labels, found.threshold)
                yield Sample("amazon_connect_queue_service_level_target_ratio", labels, found.target)
