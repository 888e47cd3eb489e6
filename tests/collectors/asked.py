"""An `ask` function that AWS's metric APIs are for `refusals` and `asking`: one bad element spoils a whole request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from exporter.collectors.refusals import KINDS, names_of
from exporter.model import Answer, CallFailed, Metric, Reason, Request

Element = tuple[str, str]
"""(kind, name)"""


def refused(reason: Reason = Reason.INVALID_REQUEST, message: str = "no") -> CallFailed:
    return CallFailed("GetCurrentMetricData", reason, f"{reason.value}Exception", message)


@dataclass
class Aws:
    """Refuses what holds a bad element, without saying which."""

    bad: set[Element] = field(default_factory=set)
    reason: Reason = Reason.INVALID_REQUEST
    calls: list[Request] = field(default_factory=list)
    also: Callable[[Request], CallFailed | None] = lambda _: None
    """What else may be wrong with a request."""

    async def __call__(self, request: Request) -> Answer:
        self.calls.append(request)
        await asyncio.sleep(0)
        if failure := self.also(request):
            raise failure
        if self.bad & elements(request):
            raise refused(self.reason)
        return Answer(request, (), None)


def elements(request: Request) -> set[Element]:
    return {(kind, name) for kind in KINDS for name in names_of(request, kind)}


Cell = tuple[str, str, str, str]
"""(level, metric, queue or routing profile, channel)"""


def cells(requests: Iterable[Request]) -> list[Cell]:
    """Everything that the requests ask for, one by one; twice what is asked for twice."""
    return [
        (request.level, metric.name, thing, channel)
        for request in requests
        for metric in request.metrics
        for thing in (request.queues or request.routing_profiles or ("",))
        for channel in request.channels
    ]


def good_cells(request: Request, bad: Collection[Element]) -> set[Cell]:
    kind = "queue" if request.queues else "routing_profile"
    return {
        cell for cell in cells([request]) if not {("metric", cell[1]), (kind, cell[2]), ("channel", cell[3])} & set(bad)
    }


def request(
    level: str = "queue", metrics: int = 4, queues: int = 0, profiles: int = 0, channels: int = 4, first: int = 0
) -> Request:
    return Request(
        level=level,
        metrics=tuple(Metric(f"M{number}") for number in range(metrics)),
        groupings=() if level == "instance" else (level.upper(),),
        channels=("VOICE", "CHAT", "TASK", "EMAIL")[:channels],
        queues=tuple(f"q{number}" for number in range(first, first + queues)),
        routing_profiles=tuple(f"p{number}" for number in range(first, first + profiles)),
    )
