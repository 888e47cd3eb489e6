from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aws.limiter import DEFAULT_QUOTA, Key, Limiter, TokenBucket, quota_of
from exporter.model import Quota

KEY = ("111122223333", "us-east-1", "GetCurrentMetricData")


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    now: float = 1e6
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.now += seconds


def limiter(clock: Clock, sleep: Callable[[float], Awaitable[object]] | None = None) -> Limiter:
    return Limiter(sleep=sleep or clock.sleep, monotonic=clock)


def test_an_account_that_becomes_known_gets_no_second_burst() -> None:
    async def scenario() -> None:
        clock = Clock()
        buckets = limiter(clock)
        for account in ("", "", "111122223333", "111122223333", "", "444455556666"):
            await buckets.acquire(account, "us-east-1", "ListQueues", Quota(1, 2), 1.0)
            buckets.learned("111122223333", "us-east-1")
        # Two at once, and three that wait, as all of them are the first account's; the second has its own.
        assert sum(clock.slept) == pytest.approx(3.0)
        assert {key.account_id for key in buckets.snapshot()} == {"", "111122223333", "444455556666"}

    asyncio.run(scenario())


def test_a_bucket_of_whom_nobody_asks_about_any_more_is_forgotten_once_it_is_full() -> None:
    async def scenario() -> None:
        clock = Clock()
        buckets = limiter(clock)
        await buckets.acquire("old", "us-east-1", "ListQueues", Quota(2, 5), 1.0)
        await buckets.acquire("new", "us-east-1", "ListQueues", Quota(2, 5), 1.0)
        buckets.retain({("new", "us-east-1")})
        assert {key.account_id for key in buckets.snapshot()} == {"old", "new"}
        clock.now += 1
        buckets.retain({("new", "us-east-1")})
        assert {key.account_id for key in buckets.snapshot()} == {"new"}

    asyncio.run(scenario())


steps = st.lists(st.one_of(st.floats(0, 3), st.just("take"), st.just("drain"), st.just("use not")), max_size=80)


@given(rate=st.floats(0.1, 50), burst=st.floats(1, 20), steps=steps)
def test_no_stretch_of_time_sees_more_than_the_burst_and_what_was_earned_in_it(
    rate: float, burst: float, steps: list[float | str]
) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock)
    taken: list[float] = []
    for step in steps:
        if isinstance(step, float):
            clock.now += step
        elif step == "drain":
            bucket.drain()
        elif bucket.take() == 0:
            if step == "take":
                taken.append(clock.now)
            else:
                bucket.give_back()

    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - begin) + 1e-3


@given(rate=st.floats(0.1, 50), burst=st.floats(1, 20), taken=st.integers(0, 30))
def test_after_the_wait_that_a_bucket_names_it_has_a_token_and_not_before(
    rate: float, burst: float, taken: int
) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock)
    for _ in range(taken):
        bucket.take()
    wait = bucket.take()
    if wait:
        clock.now += wait * 0.99
        assert bucket.take() > 0
        clock.now += wait * 0.01
    assert bucket.take() == 0 or not wait


def test_a_bucket_is_full_at_first_and_never_fuller() -> None:
    clock = Clock()
    bucket = TokenBucket(3, 4, clock)
    clock.now += 1000
    assert [bucket.take() == 0 for _ in range(5)] == [True] * 4 + [False]


def test_a_new_quota_neither_refills_a_bucket_nor_forgets_what_it_earned_before() -> None:
    clock = Clock()
    bucket = TokenBucket(1, 4, clock)
    for _ in range(4):
        bucket.take()
    clock.now += 2
    bucket.configure(10, 100)
    assert bucket.tokens() == pytest.approx(2)
    bucket.configure(1, 1)
    assert bucket.tokens() == pytest.approx(1)


def test_the_line_is_served_in_the_order_of_arrival() -> None:
    async def scenario() -> list[int]:
        served: list[int] = []
        limits = limiter(Clock())

        async def one(number: int) -> None:
            await limits.acquire(*KEY, Quota(1, 1), 1)
            served.append(number)

        await asyncio.gather(*(one(number) for number in range(20)))
        return served

    assert asyncio.run(scenario()) == list(range(20))


def test_the_line_moves_at_our_share_of_the_quota() -> None:
    async def scenario() -> float:
        clock = Clock()
        limits = limiter(clock)
        for _ in range(13):
            await limits.acquire(*KEY, Quota(5, 5), 0.6)
        return clock.now - 1e6

    assert asyncio.run(scenario()) == pytest.approx(10 / 3, abs=1e-3)


def test_a_small_share_still_lets_one_call_through_at_a_time() -> None:
    async def scenario() -> float:
        return await limiter(Clock()).acquire(*KEY, Quota(2, 5), 0.01)

    assert asyncio.run(scenario()) == 0


def test_who_is_cancelled_in_line_costs_those_behind_nothing() -> None:
    async def scenario() -> tuple[float, float]:
        clock = Clock()
        gate = asyncio.Event()

        async def sleep(seconds: float) -> None:
            await gate.wait()
            clock.now += seconds

        limits = limiter(clock, sleep)
        await limits.acquire(*KEY, Quota(1, 1), 1)
        line = [asyncio.create_task(limits.acquire(*KEY, Quota(1, 1), 1)) for _ in range(4)]
        await asyncio.sleep(0)
        for leaving in line[:3]:  # the head, who sleeps, and two who wait for their turn
            leaving.cancel()
        await asyncio.gather(*line[:3], return_exceptions=True)
        gate.set()
        waited = await line[3]
        state = limits.snapshot()[Key(*KEY)]
        assert state.waiting == 0
        return waited, state.tokens

    waited, tokens = asyncio.run(scenario())
    assert waited == pytest.approx(1)
    assert tokens == pytest.approx(0, abs=1e-3)


def test_a_token_that_was_not_used_goes_to_the_next() -> None:
    async def scenario() -> float:
        limits = limiter(Clock())
        await limits.acquire(*KEY, Quota(1, 1), 1)
        limits.give_back(*KEY)
        return await limits.acquire(*KEY, Quota(1, 1), 1)

    assert asyncio.run(scenario()) == 0


def test_after_aws_throttled_one_everybody_in_line_waits_for_a_new_token() -> None:
    async def scenario() -> list[float]:
        clock = Clock()
        limits = limiter(clock)
        await limits.acquire(*KEY, Quota(2, 8), 1)
        limits.throttled(*KEY)
        return [await limits.acquire(*KEY, Quota(2, 8), 1) for _ in range(2)]

    assert asyncio.run(scenario()) == [pytest.approx(0.5), pytest.approx(0.5)]


def test_accounts_regions_and_operations_do_not_wait_for_each_other() -> None:
    async def scenario() -> float:
        limits = limiter(Clock())
        keys = [(account, region, operation) for account in "12" for region in "ab" for operation in ("X", "Y")]
        return sum([await limits.acquire(*key, Quota(1, 1), 1) for key in keys])

    assert asyncio.run(scenario()) == 0


def test_the_snapshot_sums_what_everybody_waited() -> None:
    async def scenario() -> float:
        limits = limiter(Clock())
        for _ in range(3):
            await limits.acquire(*KEY, Quota(1, 1), 1)
        return limits.snapshot()[Key(*KEY)].waited

    assert asyncio.run(scenario()) == pytest.approx(2)


def test_what_the_user_says_of_a_quota_goes_before_what_aws_publishes() -> None:
    assert quota_of("GetCurrentMetricData") == Quota(5, 8)
    assert quota_of("GetCurrentMetricData", {"GetCurrentMetricData": Quota(1, 2)}) == Quota(1, 2)
    assert quota_of("ListQueues", {"GetCurrentMetricData": Quota(1, 2)}) == DEFAULT_QUOTA
