from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

from exporter.board import Board, Entry
from exporter.catalogue import by_name
from exporter.exposition import render
from exporter.model import Sample
from exporter.publisher import HEARTBEAT, LONGEST_PAUSE, PAUSE, Publisher
from exporter.telemetry import Telemetry
from tests.clockwork import Clockwork, run

ONLINE = "amazon_connect_instance_agents_online"
TARGETS = "amazon_connect_exporter_targets"
KEY = (("us-east-1", "i1"), "current")


def result(value: float, expires: float, alias: str = "acme") -> Entry:
    return Entry(render([Sample(ONLINE, (alias,), value)], by_name), expires)


class Site:
    """A publisher at work, and how often it asked for the samples about the exporter itself."""

    def __init__(self, loop: Clockwork) -> None:
        self.loop = loop
        self.board = Board()
        self.made = 0
        self.lacking = ""
        self.publisher = Publisher(self.board, Telemetry(), self._own, lambda: self.lacking, loop.time)

    def put(self, entry: Entry) -> None:
        self.board.put(KEY, entry)
        self.publisher.changed.set()

    def shows(self, line: str) -> bool:
        return f"\n{line}\n" in self.publisher.page.text.decode()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.publisher.run())
        try:
            await asyncio.sleep(0.01)
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _own(self) -> Iterator[Sample]:
        self.made += 1
        yield Sample(TARGETS, (), float(self.made))


def test_there_is_a_page_before_the_first_is_made_and_it_is_empty() -> None:
    async def scenario(loop: Clockwork) -> None:
        assert Site(loop).publisher.page.openmetrics == b"# EOF\n"

    run(scenario)


def test_a_change_is_on_the_page_a_moment_later() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        async with site.working():
            assert site.shows(f"{TARGETS} 1")
            await asyncio.sleep(1)
            site.put(result(7, loop.time() + 100))
            await asyncio.sleep(0.01)
            assert site.shows(f'{ONLINE}{{instance_alias="acme"}} 7')

    run(scenario)


def test_nothing_is_lacking_only_once_the_page_that_has_everything_is_out() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        assert site.publisher.lacking
        make = site.publisher.make

        async def slow() -> object:
            page = await make()
            await asyncio.sleep(0.1)
            return page

        site.publisher.make = slow  # type: ignore[method-assign, assignment]
        site.lacking = "one of two"
        async with site.working():
            site.put(result(7, loop.time() + 100))
            site.lacking = ""
            await asyncio.sleep(0.2)
            assert site.publisher.lacking == "one of two"
            await asyncio.sleep(4 * PAUSE)
            assert (site.publisher.lacking, site.shows(f'{ONLINE}{{instance_alias="acme"}} 7')) == ("", True)
            site.lacking = "an instance that was found later"
            await asyncio.sleep(2 * HEARTBEAT)
            assert site.publisher.lacking == ""

    run(scenario)


def test_what_changes_together_is_rendered_together() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        async with site.working():
            before = site.made
            for value in range(100):
                site.put(result(value, loop.time() + 100))
                await asyncio.sleep(PAUSE / 100)
            await asyncio.sleep(PAUSE)
            assert site.shows(f'{ONLINE}{{instance_alias="acme"}} 99')
            assert site.made - before <= 3

    run(scenario)


def test_a_result_leaves_the_page_when_it_grows_too_old_though_nothing_else_happens() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        async with site.working():
            expires = loop.time() + 2.0
            site.put(result(7, expires))
            await asyncio.sleep(expires - loop.time() - 0.01)
            assert ONLINE in site.publisher.page.text.decode()
            await asyncio.sleep(0.01 + 2 * PAUSE)
            assert ONLINE not in site.publisher.page.text.decode()

    run(scenario)


def test_a_result_that_grows_too_old_while_the_page_is_being_made_does_not_stay_on_it() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        make = site.publisher.make

        async def slow() -> object:
            page = await make()
            await asyncio.sleep(0.02)
            return page

        site.publisher.make = slow  # type: ignore[method-assign, assignment]
        site.put(result(7, loop.time() + 0.01))
        async with site.working():
            await asyncio.sleep(4 * PAUSE)
            assert ONLINE not in site.publisher.page.text.decode()

    run(scenario)


def test_the_page_is_made_anew_now_and_then_for_what_moves_by_itself() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        async with site.working():
            before = site.made
            await asyncio.sleep(10 * (HEARTBEAT + PAUSE))
            assert site.made - before in (9, 10)
            assert loop.time() - site.publisher.latest <= HEARTBEAT + 2 * PAUSE

    run(scenario)


def test_making_pages_takes_no_more_than_a_tenth_of_the_time() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        make, seconds = site.publisher.make, 1.5

        async def slow() -> object:
            await asyncio.sleep(seconds)
            return await make()

        site.publisher.make = slow  # type: ignore[method-assign, assignment]
        async with site.working():
            for _ in range(1000):
                site.publisher.changed.set()
                await asyncio.sleep(0.5)
            assert site.made * seconds <= 500 / 10

    run(scenario)


def test_a_page_that_took_very_long_once_is_not_the_last_for_minutes() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        make, seconds = site.publisher.make, [20.0]

        async def slow() -> object:
            await asyncio.sleep(seconds.pop() if seconds else 0.01)
            return await make()

        site.publisher.make = slow  # type: ignore[method-assign, assignment]
        async with site.working():
            await asyncio.sleep(20 + LONGEST_PAUSE + HEARTBEAT + 1)
            assert site.made == 2

    run(scenario)


def test_the_families_of_the_client_library_are_on_the_page_too() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        page = await site.publisher.make()
        assert b"# TYPE python_info gauge" in page.text
        assert b"# TYPE process_cpu_seconds counter" in page.openmetrics
        assert page.openmetrics.count(b"# EOF") == 1

    run(scenario)
