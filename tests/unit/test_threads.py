from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import wait

import pytest

from exporter.threads import Threads
from tests.tools import wait_for

NAME = "threads under test"


def alive() -> int:
    return sum(thread.name == NAME for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def none_left() -> None:
    wait_for(lambda: alive() == 0, "threads of the test before have ended")


def together(number: int) -> Callable[[], bool]:
    """A call that returns only once `number` of its kind run at the same time."""
    meeting = threading.Barrier(number, timeout=10)
    return lambda: meeting.wait() >= 0


def test_calls_run_at_the_same_time_up_to_the_limit() -> None:
    threads = Threads(3, NAME)
    call = together(3)
    futures = [threads.submit(call) for _ in range(9)]
    assert all(future.result(10) for future in futures)
    assert alive() == 3
    threads.close()


def test_a_burst_leaves_no_thread_behind_and_the_next_one_gets_its_own() -> None:
    threads = Threads(8, NAME, linger=0.05)
    for _ in range(2):
        call = together(8)
        wait([threads.submit(call) for _ in range(8)], 10)
        wait_for(lambda: alive() == 0, "all have ended")
    threads.close()


def test_after_more_work_than_threads_a_call_still_gets_a_thread_of_its_own() -> None:
    threads = Threads(2, NAME)
    wait([threads.submit(lambda: None) for _ in range(100)], 10)
    call = together(2)
    futures = [threads.submit(call) for _ in range(2)]
    assert all(future.result(10) for future in futures)
    threads.close()


def test_what_a_call_raises_is_the_futures_and_the_thread_goes_on() -> None:
    threads = Threads(1, NAME)
    failed = threads.submit(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        failed.result(10)
    assert threads.submit(lambda: 7).result(10) == 7
    threads.close()


def test_what_was_cancelled_in_line_is_never_called() -> None:
    threads, go, called = Threads(1, NAME), threading.Event(), threading.Event()
    first = threads.submit(lambda: go.wait(10))
    second = threads.submit(called.set)
    assert second.cancel()
    go.set()
    assert first.result(10)
    threads.submit(lambda: None).result(10)
    assert not called.is_set()
    threads.close()


def test_an_idle_thread_does_not_keep_the_last_answer() -> None:
    class Answer:
        pass

    threads = Threads(1, NAME)
    answer = weakref.ref(threads.submit(Answer).result(10))
    wait_for(lambda: answer() is None, "the answer is gone")
    threads.close()


def test_closed_it_takes_nothing_finishes_what_is_in_line_and_ends() -> None:
    threads, go = Threads(1, NAME), threading.Event()
    futures = [threads.submit(lambda: go.wait(10)) for _ in range(2)]
    threads.close()
    with pytest.raises(RuntimeError):
        threads.submit(lambda: None)
    go.set()
    assert all(future.result(10) for future in futures)
    wait_for(lambda: alive() == 0, "all have ended")
