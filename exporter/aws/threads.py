"""Daemon threads for calls that block.

Not concurrent.futures.ThreadPoolExecutor: the interpreter waits for its threads when it exits, and a call that hangs
would hold up SIGTERM for as long as its timeouts.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """At most `limit` threads, started when needed; what is submitted beyond that waits its turn."""

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._started = 0
        self._closed = False

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Runs `call` in a thread. The future can be cancelled until a thread takes it up. RuntimeError once closed."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("closed")
            self._work.put(lambda: _run(future, call))
            if not self._idle.acquire(blocking=False) and self._started < self._limit:
                self._started += 1
                threading.Thread(target=self._serve, name=f"{self._name}-{self._started}", daemon=True).start()
        return future

    def close(self) -> None:
        """Lets idle threads end, busy ones when they are done; waits for none."""
        with self._lock:
            self._closed = True
            for _ in range(self._started):
                self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # an idle thread must not keep the last answer alive
            self._idle.release()


def _run(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 (whatever it is belongs to the one who waits)
        future.set_exception(error)
    else:
        future.set_result(result)
