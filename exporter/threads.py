"""Daemon threads, for whatever blocks or takes long.

Not concurrent.futures.ThreadPoolExecutor, nor what asyncio and anyio have: the interpreter waits for their threads when
it exits, and a call that hangs would hold up SIGTERM for as long as its timeouts; and theirs never end.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

LINGER = 5.0
"""Seconds that a thread waits for work before it ends: a burst leaves none behind. Starting one takes 0.1 ms."""


class Threads(Executor):
    """At most `limit` threads, started when needed; what is submitted beyond that waits its turn."""

    def __init__(self, limit: int, name: str, linger: float = LINGER) -> None:
        self._limit = limit
        self._name = name
        self._linger = linger
        self._work: deque[Callable[[], None]] = deque()
        self._idle = 0
        self._started = 0
        self._closed = False
        self._changed = threading.Condition()

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Runs `call` in a thread. The future can be cancelled until a thread takes it up. RuntimeError once closed."""
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("closed")
            self._work.append(lambda: _run(future, partial(call, *args, **kwargs)))
            if len(self._work) > self._idle and self._started < self._limit:
                self._started += 1
                threading.Thread(target=self._serve, name=self._name, daemon=True).start()
            else:
                self._changed.notify()
        return future

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """The outcome of `call`, in the context of whoever waits for it, who alone can be cancelled."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self, context.run, call, *args)

    def close(self) -> None:
        """Lets idle threads end, busy ones when they are done; waits for none."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            work()
            del work  # an idle thread must not keep the last answer alive

    def _next(self) -> Callable[[], None] | None:
        """What is to be done next; None where the thread is to end."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._work or self._closed, self._linger)
            self._idle -= 1
            if self._work:
                return self._work.popleft()
            self._started -= 1
            return None


ASIDE = Threads(4, "aside")
"""For all that computes for more than a few milliseconds, which the loop must not wait for."""


def _run(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 (whatever it is belongs to the one who waits)
        future.set_exception(error)
    else:
        future.set_result(result)
