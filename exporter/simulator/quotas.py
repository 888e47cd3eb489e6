"""Request quotas: token buckets per account, region and operation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

Quota = tuple[float, float]
"""Calls per second, and calls at once."""

AWS_DEFAULTS: Mapping[str, Quota] = {
    "GetCurrentMetricData": (5.0, 8.0),
    "GetMetricData": (5.0, 8.0),
    "ListInstances": (2.0, 5.0),
    "DescribeInstance": (2.0, 5.0),
    "ListQueues": (2.0, 5.0),
    "ListRoutingProfiles": (2.0, 5.0),
    "ListRoutingProfileQueues": (2.0, 5.0),
    "ListAgentStatuses": (2.0, 5.0),
}
UNLIMITED: Mapping[str, Quota] = dict.fromkeys(AWS_DEFAULTS, (1e9, 1e9))

_MOST_BUCKETS = 4096


class Quotas:
    """`ticks` gives seconds, of a real clock: AWS's buckets fill by it, whatever clock the simulated world has."""

    def __init__(self, quotas: Mapping[str, Quota] | None, ticks: Callable[[], float]) -> None:
        self._quotas = {**AWS_DEFAULTS, **(quotas or {})}
        self._ticks = ticks
        self._buckets: dict[tuple[str, str, str], tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, account_id: str, region: str, operation: str) -> bool:
        """Whether this call is within the quota; a call beyond it costs nothing."""
        quota = self._quotas.get(operation)
        if quota is None:
            return True
        rate, burst = quota
        key = (account_id, region, operation)
        with self._lock:
            now = self._ticks()
            level, then = self._buckets.pop(key, (burst, now))
            level = min(burst, level + (now - then) * rate)
            granted = level >= 1
            self._buckets[key] = (level - 1 if granted else level, now)
            while len(self._buckets) > _MOST_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
        return granted
