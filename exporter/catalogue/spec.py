"""What a metric family is. The tables beside this file hold nothing but these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Level(StrEnum):
    """What a series is about; the part of its name before the metric."""

    QUEUE = "queue"
    ROUTING_PROFILE = "routing_profile"
    INSTANCE = "instance"
    AGENT_STATUS = "agent_status"
    QUEUE_ALL_CHANNELS = "queue_all_channels"


class Unit(Enum):
    """AWS's unit, and what it does to name and value."""

    COUNT = ("", 1.0)
    SECONDS = ("_seconds", 1.0)
    PERCENT = ("_ratio", 100.0)

    @property
    def suffix(self) -> str:
        return self.value[0]

    @property
    def divisor(self) -> float:
        """What AWS's value is divided by: percent become ratios. (Times 0.01 would make 0.7000000000000001 of 70 %.)"""
        return self.value[1]


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


QUEUE = ("instance_alias", "queue", "channel")
ROUTING_PROFILE = ("instance_alias", "routing_profile")
INSTANCE = ("instance_alias",)
AGENT_STATUS = ("instance_alias", "queue", "agent_status")
QUEUE_ALL_CHANNELS = ("instance_alias", "queue")


@dataclass(frozen=True, slots=True)
class Spec:
    """The whole truth about one metric family."""

    name: str
    help: str
    labels: tuple[str, ...]
    unit: Unit = Unit.COUNT
    kind: Kind = Kind.GAUGE
    operation: str = ""
    """The API it comes from; empty for the exporter's own."""
    api: str = ""
    """The metric's name there."""
    level: Level | None = None
    statistic: str = ""
    """GetMetricData: SUM, AVG or MAX, fixed for each metric."""
    only_if_listed: bool = False
    """Left out of `metrics: all`: AWS keeps the name for old callers."""
