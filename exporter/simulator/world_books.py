"""What an instance keeps of its past: enough to check every answer by hand, and no more than a day or so of it."""

from __future__ import annotations

from collections import deque

from exporter.simulator.world_ledger import HOUR, Contact

KEEP = 26 * HOUR
"""Seconds that are kept: the API reaches back 24 h, and an answer may be asked for a little late."""


class Books:
    """Each in the order in which it happened."""

    __slots__ = ("changes", "finished", "misses", "spans")

    def __init__(self) -> None:
        self.finished: deque[Contact] = deque()
        """Complete records, by when they became so."""
        self.misses: deque[tuple[float, str, str, str]] = deque()
        """(time, queue id, channel, agent id)"""
        self.spans: deque[tuple[str, str, int, float, float]] = deque()
        """What agents' time went to, by its end: (routing profile id, agent id, kind, start, end)."""
        self.changes: deque[tuple[float, str, str, int]] = deque()
        """Of agents' statuses: (time, routing profile id, agent id, place of the status)."""

    def drop(self, before: float) -> None:
        while self.finished and (self.finished[0].completed or 0.0) < before:
            self.finished.popleft()
        while self.misses and self.misses[0][0] < before:
            self.misses.popleft()
        while self.spans and self.spans[0][4] < before:
            self.spans.popleft()
        while self.changes and self.changes[0][0] < before:
            self.changes.popleft()
