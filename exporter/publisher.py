"""The page that scrapes get: made anew when something changed, swapped as one reference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import chain

from exporter.board import Board, Entry, families
from exporter.catalogue import ALL, by_name
from exporter.exposition import Exposition, assemble, render
from exporter.model import Sample
from exporter.telemetry import Telemetry
from exporter.threads import ASIDE

HEARTBEAT = 5.0
"""Seconds after which the page is made anew though nothing changed: CPU time, memory and quota levels move on."""
PAUSE = 0.25
"""Seconds between two pages, at least: what changes together is rendered together."""
LONGEST_PAUSE = 15.0
"""Seconds between them, at most: one that took long, because the process was not given any CPU time, must not be the
last for minutes, in which values grow old and the process looks dead.
"""
SHARE = 0.1
"""Of all time, what making pages may take: a page of 100,000 series every few seconds rather than several a second."""


class Publisher:
    """`own` gives the samples about the exporter itself, `lacking` says in words what a page made now would not have
    yet; both are called on the loop, the samples themselves are taken in a thread.
    """

    def __init__(
        self,
        board: Board,
        telemetry: Telemetry,
        own: Callable[[], Iterable[Sample]],
        lacking: Callable[[], str],
        monotonic: Callable[[], float],
    ) -> None:
        self.changed = asyncio.Event()
        self.lacking = "no page has been made yet"
        """What the page still waits for; nothing from the first page on that had everything."""
        self.latest = float("-inf")
        """Monotonic seconds at which the latest page was made."""
        self._board = board
        self._telemetry = telemetry
        self._own = own
        self._lacking = lacking
        self._monotonic = monotonic
        self.page = assemble(())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.changed.clear()
            begun = self._monotonic()
            lacking = self.lacking and self._lacking()
            self.page = await self.make()
            self.lacking = lacking
            self.latest = self._monotonic()
            await asyncio.sleep(max(PAUSE, min(LONGEST_PAUSE, (self.latest - begun) / SHARE)))
            await self._something_new(begun)

    async def make(self) -> Exposition:
        """The page as of now. What takes more than a few milliseconds is done in a thread."""
        entries = self._board.fresh(self._monotonic())
        own = self._own()
        return await ASIDE.run(self._assemble, entries, own)

    def _assemble(self, entries: list[Entry], own: Iterable[Sample]) -> Exposition:
        about_us = Entry(render(own, by_name), float("inf"))
        return assemble(chain(families([*entries, about_us], ALL), self._telemetry.families()))

    async def _something_new(self, since: float) -> None:
        """A change, the moment after `since` at which a result grows too old, or the heartbeat."""
        now = self._monotonic()
        expiry = self._board.next_expiry(since)
        until = HEARTBEAT if expiry is None else min(HEARTBEAT, max(0.0, expiry - now))
        try:
            async with asyncio.timeout(until):
                await self.changed.wait()
        except TimeoutError:
            pass
