"""Lies that a daemon can be made to tell, so that what judges it can be judged: `python -m tests.chaos --lie NAME`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from math import inf

from exporter.collectors import Context, counters
from exporter.collectors.counters import Counted, Options, Sums
from exporter.jobs import INVENTORY, PROFILE_QUEUES
from exporter.model import Answer, Reason, Sample
from exporter.telemetry import State
from exporter.watch import Watch

METRICS = ("current", "historical", "counters")


def _counters_are_zero() -> None:
    told = counters.samples

    def samples(counted: Counted, context: Context, options: Options) -> Iterator[Sample]:
        return (replace(sample, value=0.0) for sample in told(counted, context, options))

    counters.samples = samples


def _counters_fall() -> None:
    """The latest sum instead of the highest."""

    def highest(sums: Sums, answers: list[Answer]) -> Sums:
        return found({}, answers)

    found, counters.highest = counters.highest, highest


def _never_vanish(collector: str) -> None:
    publish = Watch._publish

    async def _publish(self: Watch, name: str, alias: str, samples: tuple[Sample, ...], expires: float) -> bool:
        return await publish(self, name, alias, samples, inf if name == collector else expires)

    Watch._publish = _publish  # type: ignore[method-assign]


def _never_fail(collector: str) -> None:
    failed = Watch._failed

    def _failed(self: Watch, state: State, reason: Reason, error: str) -> None:
        if state.collector == collector:
            self._succeeded(state, self.shared.clock.time())
        else:
            failed(self, state, reason, error)

    Watch._failed = _failed  # type: ignore[method-assign]


def _failures_are_not_counted() -> None:
    failed = Watch._failed

    def _failed(self: Watch, state: State, reason: Reason, error: str) -> None:
        failed(self, state, reason, error)
        state.errors[reason] -= 1

    Watch._failed = _failed  # type: ignore[method-assign]


LIES: Mapping[str, Callable[[], None]] = {
    "counters-are-zero": _counters_are_zero,
    "counters-fall": _counters_fall,
    "failures-are-not-counted": _failures_are_not_counted,
    **{f"{name}-never-vanishes": partial(_never_vanish, name) for name in METRICS},
    **{f"{name}-never-fails": partial(_never_fail, name) for name in (*METRICS, INVENTORY, PROFILE_QUEUES)},
}
