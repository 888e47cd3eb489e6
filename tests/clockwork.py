"""An event loop on which waiting takes no time: whenever all tasks wait, its clock jumps to what is due next.

Threads it has none: what is handed to one runs at once, so that every run of a test goes the same way.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_790_000_000.0
"""Unix seconds at which a clockwork begins."""


class Deadlock(Exception):
    """Everybody waits, and nothing is due ever."""


class Clockwork(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.moment = 1000.0
        super().__init__(_Impatient(self))

    def time(self) -> float:
        """Monotonic seconds, as all timers of asyncio see them."""
        return self.moment

    def wall(self) -> float:
        """Unix seconds."""
        return EPOCH + self.moment - 1000.0

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 (it belongs to whoever waits)
            future.set_exception(error)
        return future


class _Impatient(selectors.DefaultSelector):
    def __init__(self, loop: Clockwork) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise Deadlock
            self._loop.moment += timeout
        return events


def run(main: Callable[[Clockwork], Coroutine[Any, Any, T]]) -> T:
    """Like asyncio.run, on a clockwork, and no task may be left over."""
    with asyncio.Runner(loop_factory=Clockwork) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Clockwork)

        async def scenario() -> T:
            outcome = await main(loop)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left
            return outcome

        return runner.run(scenario())
