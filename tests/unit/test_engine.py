from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest
import structlog

from exporter.engine import PATIENCE, Engine, Found
from exporter.jobs import RETRY, Api, Plan
from exporter.model import Reason, Target
from tests.clockwork import Clockwork, run
from tests.collectors.centre import DENIED, LATE, METRICS, Centre, instance, target
from tests.unit.watching import INTERVAL, ONLINE, SUCCESS, Page, Site, of, plan, running

REGION = "us-east-1"
PLACE = ("0", REGION)


def identity(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def found(number: int, alias: str | None = None, **fields: object) -> Target:
    """An instance as discovery finds it."""
    return target(identity(number), alias=alias or f"centre-{number}", arn=f"arn:{number}", discovered=True, **fields)


class Region:
    """A place where instances come and go; each is a centre of its own, made when it is first asked about."""

    def __init__(self, *targets: Target) -> None:
        self.targets = list(targets)
        self.failure: Exception | None = None
        self.looks = 0
        self.centres: dict[str, Centre] = {}

    async def seek(self) -> list[Target]:
        self.looks += 1
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return list(self.targets)

    def centre(self, instance_id: str) -> Centre:
        return self.centres.setdefault(instance_id, Centre(instance(id=instance_id, alias=f"aws-{instance_id[-1]}")))

    def api(self, target: Target) -> Api:
        return self.centre(target.instance_id).api()

    def place(self, number: int = 0) -> Found:
        return Found((str(number), REGION), self.seek)


class Engines(Site):
    """Engines one after the other over what outlives them."""

    def engine(
        self, region: Region, *fixed: Target, places: tuple[Found, ...] | None = None, plan: Plan | None = None
    ) -> Engine:
        return Engine(plan or short(), fixed, places or (region.place(),), region.api, self.shared, Random(1))


def short() -> Plan:
    return plan(inventory_interval=30.0)


def aliases(page: Page) -> set[str]:
    return {key[0] for key in of(page, ONLINE)}


def running_in(scenario: Callable[[Engines], Awaitable[None]]) -> None:
    async def main(loop: Clockwork) -> None:
        await scenario(Engines(loop))

    run(main)


# discovery


def test_instances_that_come_are_watched_and_those_that_go_leave_nothing() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1))
        engine = site.engine(region)
        async with running(engine):
            await asyncio.sleep(INTERVAL)
            assert aliases(await site.page()) == {"centre-1"}
            region.targets.append(found(2))
            await asyncio.sleep(30 + INTERVAL)
            assert aliases(await site.page()) == {"centre-1", "centre-2"}
            region.targets.pop(0)
            await asyncio.sleep(30 + INTERVAL)
            page = await site.page()
            assert not [key for key in page if "centre-1" in key]
            assert aliases(page) == {"centre-2"}
            calls = len(region.centre(identity(1)).calls)
            await asyncio.sleep(4 * INTERVAL)
            assert len(region.centre(identity(1)).calls) == calls
            assert set(site.shared.known) == {target(identity(2)).key}
            assert set(site.shared.names) == {"centre-2"}

    running_in(scenario)


def test_a_list_that_can_not_be_had_keeps_the_instances_that_were_found() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1))
        engine = site.engine(region)
        with structlog.testing.capture_logs() as logs:
            async with running(engine):
                await asyncio.sleep(INTERVAL)
                region.failure, region.targets = DENIED, []
                await asyncio.sleep(4 * RETRY)
                assert aliases(await site.page()) == {"centre-1"}
                known = engine.discovery[PLACE]
                assert (known.success, known.error) == (False, str(DENIED))
                assert known.errors[Reason.ACCESS_DENIED] >= 3
        assert len([line for line in logs if line["event"] == "discovery failed"]) == 1

    running_in(scenario)


def test_discovery_that_is_down_at_the_start_is_tried_again_soon() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1))
        region.failure = LATE
        engine = site.engine(region, plan=plan(inventory_interval=3600.0))
        async with running(engine):
            await asyncio.sleep(1)
            assert engine.waiting_for() == ""
            region.failure = None
            await asyncio.sleep(RETRY + INTERVAL)
            assert aliases(await site.page()) == {"centre-1"}

    running_in(scenario)


def test_a_fault_of_our_own_in_discovery_ends_no_engine() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1))
        engine = site.engine(region)
        async with running(engine):
            await asyncio.sleep(INTERVAL)
            region.failure = KeyError("of our own")
            await asyncio.sleep(4 * RETRY)
            assert aliases(await site.page()) == {"centre-1"}
            assert engine.discovery[PLACE].errors[Reason.INTERNAL] >= 3
            region.failure = None
            await asyncio.sleep(RETRY)
            assert engine.discovery[PLACE].success is True

    running_in(scenario)


def test_one_region_that_hangs_holds_up_no_other() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1))

        async def never() -> list[Target]:
            await asyncio.Event().wait()
            return []

        engine = site.engine(region, places=(Found(("0", "eu-west-2"), never), region.place(1)))
        async with running(engine):
            await asyncio.sleep(INTERVAL)
            assert aliases(await site.page()) == {"centre-1"}
            assert engine.waiting_for() == "instances are being listed: eu-west-2"

    running_in(scenario)


def test_an_instance_that_is_configured_and_found_is_watched_once_as_configured() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1))
        engine = site.engine(region, target(identity(1), alias="mine"))
        async with running(engine):
            await asyncio.sleep(INTERVAL)
            assert aliases(await site.page()) == {"mine"}
            assert len(engine.watches) == 1

    running_in(scenario)


def test_of_two_that_are_found_under_one_alias_the_first_is_watched_and_the_other_is_named() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1, "same"), found(2, "same"))
        engine = site.engine(region)
        with structlog.testing.capture_logs() as logs:
            async with running(engine):
                await asyncio.sleep(INTERVAL)
                page = await site.page()
                assert aliases(page) == {"same"}
                assert list(engine.watches) == [target(identity(1)).key]
        told = [line for line in logs if line["event"].startswith("instance left out")]
        assert [(line["alias"], line["instance_id"]) for line in told] == [("same", identity(2))]

    running_in(scenario)


def test_a_configured_instance_whose_alias_at_aws_is_that_of_a_found_one_says_so() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(2, "aws-1"))
        engine = site.engine(region, target(identity(1)))
        async with running(engine):
            for _ in range(8):
                await asyncio.sleep(INTERVAL / 2)
                await site.page()
            page = await site.page()
            assert len(of(page, ONLINE)) == 12
            failing = {key[0] for key, value in of(page, SUCCESS).items() if value == 0}
            assert len(failing) == 1

    running_in(scenario)


def test_changed_settings_of_an_instance_begin_a_new_watch_with_what_was_known() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1))
        engine = site.engine(region)
        async with running(engine):
            await asyncio.sleep(INTERVAL)
            region.targets = [found(1, channels=("VOICE",))]
            await asyncio.sleep(30 + INTERVAL)
            page = await site.page()
            assert {key[2] for key in of(page, ONLINE)} == {"VOICE"}
            assert len(engine.watches) == 1
            before = len(region.centre(identity(1)).asked(METRICS))
            await asyncio.sleep(10 * INTERVAL)
            assert len(region.centre(identity(1)).asked(METRICS)) - before in (9, 10, 11)

    running_in(scenario)


# readiness


def test_ready_is_when_every_collector_has_run_or_failed_once() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1), found(2))
        region.centre(identity(1)).failing[METRICS] = DENIED
        region.centre(identity(2)).delay[METRICS] = 20.0
        engine = site.engine(region)
        assert engine.waiting_for() == f"instances are being listed: {REGION}"
        async with running(engine):
            await asyncio.sleep(10)
            assert engine.waiting_for() == "1 collectors have not run yet"
            await asyncio.sleep(INTERVAL)
            assert engine.waiting_for() == ""

    running_in(scenario)


def test_ready_waits_for_what_profiles_serve_but_not_for_ever() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1), found(2))
        region.centre(identity(1)).delay["ListRoutingProfileQueues"] = 5.0
        region.centre(identity(2)).delay["ListRoutingProfileQueues"] = 300.0
        engine = site.engine(region, plan=plan(inventory_interval=30.0, with_profile_queues=True))
        async with running(engine):
            await asyncio.sleep(3)
            assert engine.waiting_for() == "2 collectors have not run yet"
            await asyncio.sleep(PATIENCE - 4)
            assert engine.waiting_for() == "1 collectors have not run yet"
            await asyncio.sleep(2)
            assert engine.waiting_for() == ""

    running_in(scenario)


def test_ready_waits_for_the_zeros_that_follow_from_what_profiles_serve() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1))
        centre = region.centre(identity(1))
        centre.delay["ListRoutingProfileQueues"] = 3.0
        engine = site.engine(region, plan=plan(inventory_interval=30.0, with_profile_queues=True))
        async with running(engine):
            await asyncio.sleep(5)
            centre.delay[METRICS] = 4.0
            for _ in range(50):
                if "not run yet" in engine.waiting_for():
                    await asyncio.sleep(0.1)
            assert engine.waiting_for() == "1 collectors have yet to add the zeros of idle queues"
            await asyncio.sleep(4.5)
            assert engine.waiting_for() == ""

    running_in(scenario)


# one instance and the others


@pytest.mark.parametrize("failure", [DENIED, LATE, ZeroDivisionError("of our own")])
def test_one_failing_instance_hides_no_other(failure: Exception) -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1), found(2), found(3))
        for operation in (METRICS, "ListQueues", "ListRoutingProfiles"):
            region.centre(identity(2)).failing[operation] = failure
        engine = site.engine(region)
        async with running(engine):
            await asyncio.sleep(4 * INTERVAL)
            page = await site.page()
            assert aliases(page) == {"centre-1", "centre-3"}
            assert {key[0] for key, value in of(page, SUCCESS).items() if value == 0} == {"centre-2"}

    running_in(scenario)


# reload


def test_a_new_engine_tears_no_hole_and_forgets_what_is_gone() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1))
        one, other = target(identity(5), alias="five"), target(identity(6), alias="six")
        async with running(site.engine(region, one, other)):
            await asyncio.sleep(INTERVAL)
            before = await site.page()
            assert aliases(before) == {"centre-1", "five", "six"}
        assert of(await site.page(), ONLINE) == of(before, ONLINE)

        after = site.engine(region, one)
        after.discovery[PLACE].targets = (found(1),)
        region.failure = LATE
        async with running(after):
            await asyncio.sleep(INTERVAL)
            assert aliases(await site.page()) == {"centre-1", "five"}
            assert not [key for key in await site.page() if "six" in key]

    running_in(scenario)


def test_an_alias_that_moves_to_another_instance_in_a_reload_never_stands_twice() -> None:
    async def scenario(site: Engines) -> None:
        region = Region()
        fixed = plan(inventory_interval=600.0)
        async with running(site.engine(region, target(identity(1), alias="main"), plan=fixed)):
            await asyncio.sleep(INTERVAL)
            assert aliases(await site.page()) == {"main"}
        moved = (target(identity(2), alias="main"), target(identity(1), alias="old"))
        region.centre(identity(1)).delay[METRICS] = 20.0
        async with running(site.engine(region, *moved, plan=fixed)):
            for _ in range(40):
                await asyncio.sleep(INTERVAL / 5)
                await site.page()
            assert aliases(await site.page()) == {"main", "old"}
            assert set(of(await site.page(), SUCCESS).values()) == {1.0}

    running_in(scenario)


def test_everything_one_time_and_the_failed_are_told_apart() -> None:
    async def scenario(site: Engines) -> None:
        region = Region(found(1), found(2))
        region.centre(identity(2)).failing[METRICS] = DENIED
        engine = site.engine(region)
        await engine.once()
        assert {(s.instance_alias, s.success) for s in engine.states() if s.collector == "current"} == {
            ("centre-1", True),
            ("centre-2", False),
        }
        assert aliases(await site.page()) == {"centre-1"}
        assert len(region.centre(identity(1)).asked(METRICS)) == 1

    running_in(scenario)
