"""Token buckets that keep this process inside its share of AWS's request quotas.

AWS counts per account, region and operation, over everything the customer runs; so do the buckets here, over all
instances. https://docs.aws.amazon.com/connect/latest/adminguide/amazon-connect-service-limits.html#api-throttling-quotas
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from exporter.model import Quota

DEFAULT_QUOTA = Quota(2, 5)
DEFAULT_QUOTAS: Mapping[str, Quota] = MappingProxyType(
    {
        "GetCurrentMetricData": Quota(5, 8),
        "GetMetricData": Quota(5, 8),
        "GetMetricDataV2": Quota(10, 10),
        "StartChatContact": Quota(5, 8),
        "StopContact": Quota(10, 15),
    }
)

# Floating-point clocks: a wait computed to the last digit may end a hair before its token is whole.
_WHOLE = 1 - 1e-6


def quota_of(operation: str, quotas: Mapping[str, Quota] | None = None) -> Quota:
    """The whole quota of an operation: what the user says, else AWS's default."""
    return (quotas or {}).get(operation) or DEFAULT_QUOTAS.get(operation, DEFAULT_QUOTA)


class TokenBucket:
    """`rate` tokens a second, at most `burst` of them, full at first."""

    __slots__ = ("_burst", "_monotonic", "_rate", "_then", "_tokens")

    def __init__(self, rate: float, burst: float, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._monotonic = monotonic
        self._tokens = burst
        self._then = monotonic()

    def take(self) -> float:
        """0: a token was taken. Otherwise none was, and one may be there in this many seconds."""
        tokens = self.tokens()
        if tokens < _WHOLE:
            return (1 - tokens) / self._rate
        self._tokens = max(0.0, tokens - 1)
        return 0.0

    def give_back(self) -> None:
        """Returns a token that was taken and not used."""
        self._tokens = min(self._burst, self.tokens() + 1)

    def drain(self) -> None:
        """Empties the bucket: AWS says that its own is empty."""
        self.tokens()
        self._tokens = 0.0

    def configure(self, rate: float, burst: float) -> None:
        """Changes the quota and keeps what the bucket holds: a reload must not buy a second burst."""
        if (rate, burst) == (self._rate, self._burst):
            return
        self._tokens = min(burst, self.tokens())
        self._rate = rate
        self._burst = burst

    def is_full(self) -> bool:
        return self.tokens() >= self._burst

    def tokens(self) -> float:
        now = self._monotonic()
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._then) * self._rate)
        self._then = now
        return self._tokens


class Key(NamedTuple):
    """What AWS counts by."""

    account_id: str
    region: str
    operation: str


@dataclass(frozen=True, slots=True)
class BucketState:
    """A bucket as metrics show it; `waited` is in seconds, summed over all callers, the cancelled too."""

    tokens: float
    waited: float
    waiting: int


@dataclass(slots=True)
class _Entry:
    bucket: TokenBucket
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waited: float = 0.0
    waiting: int = 0


class Limiter:
    """All buckets of a process. Belongs to one event loop; outlives an engine, so that a reload refills no bucket."""

    def __init__(
        self,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._monotonic = monotonic
        self._entries: dict[Key, _Entry] = {}

    async def acquire(
        self, account_id: str, region: str, operation: str, quota: Quota | None = None, share: float = 0.6
    ) -> float:
        """Waits for a token, first come, first served, and returns the seconds it took.

        `quota` is the whole quota, `share` the part of it that is ours; where callers disagree, the latest holds.
        Cancelled, it leaves no trace: the next in line moves up.
        """
        entry = self._entry(Key(account_id, region, operation), quota or quota_of(operation), share)
        begin = self._monotonic()
        entry.waiting += 1
        try:
            # Only the head of the line watches the bucket: asyncio's lock wakes in the order of arrival.
            async with entry.turn:
                while (wait := entry.bucket.take()) > 0:
                    await self._sleep(wait)
        finally:
            waited = self._monotonic() - begin
            entry.waiting -= 1
            entry.waited += waited
        return waited

    def give_back(self, account_id: str, region: str, operation: str) -> None:
        """Returns a token with which nothing was sent."""
        entry = self._entries.get(Key(account_id, region, operation))
        if entry is not None:
            entry.bucket.give_back()

    def throttled(self, account_id: str, region: str, operation: str) -> None:
        """AWS refused a call for its rate: the bucket is emptied, and everybody in line slows down."""
        entry = self._entries.get(Key(account_id, region, operation))
        if entry is not None:
            entry.bucket.drain()

    def learned(self, account_id: str, region: str) -> None:
        """Who was called there without being known is this account: what was spent was of its quota, and it has no
        second burst. From now on both names mean the same buckets.
        """
        for key, entry in list(self._entries.items()):
            if (key.account_id, key.region) == ("", region):
                self._entries.setdefault(key._replace(account_id=account_id), entry)

    def retain(self, places: Collection[tuple[str, str]]) -> None:
        """Forgets the full buckets of other (account, region): a bucket that is not full still limits somebody."""
        regions = {region for _, region in places}
        for key, entry in list(self._entries.items()):
            needed = (key.account_id, key.region) in places or (not key.account_id and key.region in regions)
            if not needed and entry.bucket.is_full():
                del self._entries[key]

    def snapshot(self) -> dict[Key, BucketState]:
        return {
            key: BucketState(entry.bucket.tokens(), entry.waited, entry.waiting) for key, entry in self._entries.items()
        }

    def _entry(self, key: Key, quota: Quota, share: float) -> _Entry:
        rate, burst = quota.rate * share, max(1.0, quota.burst * share)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(TokenBucket(rate, burst, self._monotonic))
        entry.bucket.configure(rate, burst)
        return entry
