"""Time that several processes share, and that jumps where a daemon has nothing to do but wait.

It flows `RATE` times as fast as real time: so long as calls are under way they take about as long as AWS's do. When the
daemon is idle its event loop jumps to whatever is due next, but never beyond the horizon, at which somebody else wants
to do something.
"""

from __future__ import annotations

import asyncio
import mmap
import selectors
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tests.tools import Running

T = TypeVar("T")

RATE = 10.0
EPOCH = 1_789_991_400.0
"""Unix seconds at which shared time begins, by a clock that is right: a morning, and 25 minutes before the counters'
period ends.
"""
_BEGIN = 1000.0
_LOOK_EVERY = 0.002
"""Real seconds between looks at the horizon."""
_FIELDS = ("base", "jumped", "horizon", "step", "lost")
_DOUBLE = struct.Struct("@d")


class Moment:
    """Doubles in a file that is mapped into memory; each is written by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Begins anew where there is no such file."""
        fresh = not path.exists()
        if fresh:
            path.write_bytes(bytes(_DOUBLE.size * len(_FIELDS)))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        if fresh:
            self._put("base", time.monotonic())

    def monotonic(self) -> float:
        """Seconds."""
        return (time.monotonic() - self._get("base")) * RATE + self._get("jumped") + _BEGIN

    def true_time(self) -> float:
        """Unix seconds, as AWS has them."""
        return EPOCH - _BEGIN + self.monotonic()

    def wall(self) -> float:
        """Unix seconds, as the daemon's machine has them."""
        return self.true_time() + self._get("step")

    def jump(self, seconds: float) -> None:
        self._put("jumped", self._get("jumped") + seconds)

    @property
    def horizon(self) -> float:
        """Monotonic seconds."""
        return self._get("horizon")

    @horizon.setter
    def horizon(self, moment: float) -> None:
        self._put("horizon", moment)

    @property
    def step(self) -> float:
        """Seconds by which the clock of the daemon's machine is wrong."""
        return self._get("step")

    @step.setter
    def step(self, seconds: float) -> None:
        self._put("step", seconds)

    @property
    def lost(self) -> bool:
        """Whether the name of AWS's endpoint does not resolve."""
        return self._get("lost") != 0

    @lost.setter
    def lost(self, lost: bool) -> None:
        self._put("lost", float(lost))

    def close(self) -> None:
        self._memory.close()

    def _get(self, name: str) -> float:
        found: tuple[float] = _DOUBLE.unpack_from(self._memory, _FIELDS.index(name) * _DOUBLE.size)
        return found[0]

    def _put(self, name: str, value: float) -> None:
        _DOUBLE.pack_into(self._memory, _FIELDS.index(name) * _DOUBLE.size, value)


def let_pass(moment: Moment, until: float, program: Running) -> None:
    """Lets shared time go by until `until`, monotonic seconds, for the daemon that `program` is. AssertionError where
    that ends, or never waits.
    """
    moment.horizon = until
    deadline = time.monotonic() + 60
    while moment.monotonic() < until:
        if (status := program.process.poll()) is not None:
            raise AssertionError(f"the daemon ended with status {status}\n{program.stderr[-3000:]}")
        if time.monotonic() > deadline:
            raise AssertionError("time stands still: the daemon is not idle, or does not turn any more")
        time.sleep(0.001)


class FastLoop(asyncio.SelectorEventLoop):
    """An event loop by shared time. `busy`: pieces of work in threads, during which nothing jumps."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self.busy = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.moment.monotonic()

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        self.busy += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: object) -> None:
        self.busy -= 1


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: FastLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self._loop.busy:
            return super().select(None if timeout is None else timeout / RATE)
        if events := super().select(0):
            return events
        moment = self._loop.moment
        ahead = moment.horizon - moment.monotonic()
        if ahead > 0:
            moment.jump(ahead if timeout is None else min(ahead, timeout))
            return []
        return super().select(_LOOK_EVERY if timeout is None else min(_LOOK_EVERY, timeout / RATE))


class Submits(Protocol):
    """exporter.threads.Threads."""

    def submit(self, call: Callable[[], T]) -> Future[T]: ...
    def close(self) -> None: ...


class CountedThreads:
    """Threads whose work keeps time from jumping until its outcome has arrived on the loop."""

    def __init__(self, threads: Submits, loop: FastLoop) -> None:
        self._threads = threads
        self._loop = loop

    def submit(self, call: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            outcome: tuple[Callable[..., None], tuple[Any, ...]] = (_nothing, ())
            if future.set_running_or_notify_cancel():
                try:
                    outcome = future.set_result, (call(),)
                except BaseException as error:  # noqa: BLE001 (whatever it is belongs to the one who waits)
                    outcome = future.set_exception, (error,)
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(arrived, outcome)

        def arrived(outcome: tuple[Callable[..., None], tuple[Any, ...]]) -> None:
            outcome[0](*outcome[1])
            self._loop.busy -= 1

        self._loop.busy += 1
        self._threads.submit(work)
        return future

    def close(self) -> None:
        self._threads.close()


def _nothing() -> None:
    """The outcome of what was cancelled before it began."""
