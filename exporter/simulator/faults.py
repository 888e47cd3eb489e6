"""Scripted faults: what goes wrong, for which requests, how often.

| kind | what the caller gets |
|---|---|
| throttle | 429, in the three spellings in turn |
| deny | 403 AccessDeniedException with AWS's sentence |
| delay | the true answer, `delay` seconds late |
| hang | nothing, until the caller or the simulator gives up |
| cut | half of the true answer, then the end of the connection |
| drip | the true answer, a byte every `delay` seconds |
| reset | a connection that ends without an answer |
| garbage | 200 with HTML, broken JSON, JSON of another shape, `{}`, in turn |
| html500 | 500 with an HTML page, as from a proxy |
| error500, error503 | the service's own 500 and 503 |
| expired_token | 403 ExpiredTokenException: the credentials ended |
| expired_page | 400 for a request with a NextToken |
| refuse_metric | 400 wherever `metric` is asked for; the message names nothing |
| refuse_queue | 404 (or 400, by `code`) wherever `queue` is filtered by |
| refuse_channels | 400 wherever `channel` is filtered by; without `channel`, wherever channels are the only filter |
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from exporter.simulator.identity import Caller

KINDS = frozenset(
    {
        "throttle",
        "deny",
        "delay",
        "hang",
        "cut",
        "drip",
        "reset",
        "garbage",
        "html500",
        "error500",
        "error503",
        "expired_token",
        "expired_page",
        "refuse_metric",
        "refuse_queue",
        "refuse_channels",
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of failure and the requests it befalls: those that agree with every condition that is given."""

    kind: str
    operation: str | None = None
    instance: str | None = None
    metric: str | None = None
    """The request asks for this metric."""
    queue: str | None = None
    """The request's filter names this queue (id or ARN)."""
    channel: str | None = None
    """The request's filter names this channel."""
    region: str | None = None
    account: str | None = None
    """The caller's account."""
    times: int | None = None
    """How many requests it befalls; None: all."""
    after: int = 0
    """How many requests it lets pass first."""
    delay: float = 0.0
    """Seconds, for `delay` and `drip`."""
    probability: float = 1.0
    code: str = "ResourceNotFoundException"
    """The error of `refuse_queue`; InvalidParameterException is the other that is known."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of fault: {self.kind}; known: {', '.join(sorted(KINDS))}")
        for kind, condition in (("refuse_metric", self.metric), ("refuse_queue", self.queue)):
            if self.kind == kind and condition is None:
                raise ValueError(f"{kind} needs its {kind.removeprefix('refuse_')}")


@dataclass(frozen=True, slots=True)
class Request:
    """What faults can be told apart by. `params` as read from the wire, before any check."""

    service: str
    """connect or sts."""
    operation: str
    caller: Caller
    params: Mapping[str, Any]


class Faults:
    """The faults in force. Safe to change while requests are served; `chance` gives numbers in [0, 1)."""

    def __init__(self, *faults: Fault, chance: Callable[[], float] | None = None) -> None:
        self._chance = chance or random.Random(0).random
        self._faults: list[_Counted] = [_Counted(fault) for fault in faults]
        self._turns: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._faults.extend(_Counted(fault) for fault in faults)

    def remove(self, *faults: Fault) -> None:
        """Ends these; of equal ones all."""
        with self._lock:
            self._faults = [each for each in self._faults if each.fault not in faults]

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def in_force(self) -> list[dict[str, Any]]:
        """Every fault's fields, and `befell`: how many requests it has befallen."""
        with self._lock:
            return [{**asdict(each.fault), "befell": each.befell} for each in self._faults]

    def befalling(self, request: Request) -> tuple[Fault, ...]:
        """What befalls this request: delays, and at most one fault of another kind, the first that was added.

        Counts `after` and `times` down: to be called once for a request.
        """
        found: list[Fault] = []
        with self._lock:
            for each in self._faults:
                if _concerns(each.fault, request) and each.strikes(self._chance):
                    found.append(each.fault)
                    if each.fault.kind != "delay":
                        break
        return tuple(found)

    def turn(self, kind: str, variants: Sequence[Any]) -> Any:
        """One of `variants` after the other, over all requests."""
        with self._lock:
            number = self._turns.get(kind, 0)
            self._turns[kind] = number + 1
        return variants[number % len(variants)]


class _Counted:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.befell = 0
        self._passed = 0

    def strikes(self, chance: Callable[[], float]) -> bool:
        if self._passed < self.fault.after:
            self._passed += 1
            return False
        if self.fault.times is not None and self.befell >= self.fault.times:
            return False
        if self.fault.probability < 1 and chance() >= self.fault.probability:
            return False
        self.befell += 1
        return True


def _concerns(fault: Fault, request: Request) -> bool:
    exact = (
        (fault.operation, request.operation),
        (fault.instance, request.params.get("InstanceId")),
        (fault.region, request.caller.region),
        (fault.account, request.caller.account_id),
    )
    if any(wanted is not None and wanted != found for wanted, found in exact):
        return False
    if fault.metric is not None and fault.metric not in _metrics(request.params):
        return False
    if fault.queue is not None and not _names_queue(request.params, fault.queue):
        return False
    if fault.channel is not None and fault.channel not in _filters(request.params).get("Channels", ()):
        return False
    return _kind_concerns(fault, request)


def _kind_concerns(fault: Fault, request: Request) -> bool:
    if fault.kind == "expired_page":
        return "NextToken" in request.params
    if fault.kind == "refuse_channels" and fault.channel is None:
        return set(_filters(request.params)) == {"Channels"}
    return True


def _filters(params: Mapping[str, Any]) -> Mapping[str, Any]:
    filters: Mapping[str, Any] = params.get("Filters", {})
    return filters


def _metrics(params: Mapping[str, Any]) -> set[str]:
    return {metric.get("Name", "") for key in ("CurrentMetrics", "HistoricalMetrics") for metric in params.get(key, ())}


def _names_queue(params: Mapping[str, Any], queue: str) -> bool:
    return any(text.rpartition("/")[2] == queue.rpartition("/")[2] for text in _filters(params).get("Queues", ()))
