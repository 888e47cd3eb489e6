from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter
from random import Random
from typing import Any

import pytest
import structlog

from exporter import mapping, watch
from exporter.board import Board
from exporter.collectors import Context, counters, historical, wire
from exporter.collectors.refusals import Memory
from exporter.jobs import RETRY, Clock, Shared
from exporter.model import CallFailed, Reason, Refusal, Result
from exporter.watch import LONGEST, Watch
from tests.clockwork import EPOCH, Clockwork, run
from tests.collectors.centre import DENIED, INVALID, LATE, METRICS, THROTTLED, Centre, instance, target
from tests.unit import simulator_stub as stub
from tests.unit.watching import INTERVAL, ONLINE, SUCCESS, Page, Site, everything, job, of, online, plan, running

ALIVE = {("acme", "current"): 1.0, ("acme", "inventory"): 1.0, ("acme", "profile_queues"): 1.0}
OTHER = "00000000-0000-4000-8000-00000000000f"


# success and failure


def test_from_nothing_to_every_number_within_an_interval() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        async with running(site.watch(Centre(), plan())):
            before = await site.page()
            assert set(of(before, SUCCESS).values()) == {0.0}
            await asyncio.sleep(INTERVAL)
            page = await site.page()
            assert of(page, SUCCESS) == ALIVE
            assert len(of(page, ONLINE)) == 12
            assert len(of(page, "queue_info")) == 3
            assert of(page, "exporter_collector_series")["acme", "current"] == 13
            assert (
                EPOCH <= of(page, "exporter_collector_last_success_timestamp_seconds")["acme", "current"] <= loop.wall()
            )

    run(scenario)


@pytest.mark.parametrize("failure", [THROTTLED, LATE, DENIED])
def test_a_failure_keeps_the_last_whole_result_and_says_so(failure: CallFailed) -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        async with running(site.watch(centre, plan())):
            await asyncio.sleep(INTERVAL)
            good = await site.page()
            centre.failing[METRICS] = failure
            await asyncio.sleep(4 * INTERVAL)
            bad = await site.page()
            assert of(bad, ONLINE) == of(good, ONLINE)
            assert of(bad, SUCCESS) == ALIVE | {("acme", "current"): 0.0}
            last = "exporter_collector_last_success_timestamp_seconds"
            assert of(bad, last)["acme", "current"] == of(good, last)["acme", "current"]
            errors = of(bad, "exporter_collector_errors_total")
            assert errors["acme", "current", failure.reason.value] == 4
            assert sum(errors.values()) == 4
            assert site.state().error == str(failure)
            centre.failing.clear()
            await asyncio.sleep(INTERVAL)
            assert of(await site.page(), SUCCESS) == ALIVE
            assert (site.state().error, site.state().reason) == ("", None)

    run(scenario)


def test_results_that_are_too_old_disappear_and_come_back() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        async with running(site.watch(centre, plan(max_age=60.0))):
            await asyncio.sleep(INTERVAL)
            centre.failing[METRICS] = LATE
            await asyncio.sleep(60)
            page = await site.page()
            assert of(page, ONLINE) == {}
            assert of(page, "exporter_collector_series")["acme", "current"] == 0
            assert of(page, "queue_info") == {}
            centre.failing.clear()
            await asyncio.sleep(INTERVAL)
            page = await site.page()
            assert len(of(page, ONLINE)) == 12
            assert len(of(page, "queue_info")) == 3

    run(scenario)


def test_names_that_can_not_be_listed_again_stay_as_long_as_there_are_values_of_them() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        async with running(site.watch(centre, plan(max_age=60.0, inventory_interval=20.0))):
            await asyncio.sleep(INTERVAL)
            centre.failing["ListQueues"] = CallFailed("ListQueues", Reason.TIMEOUT)
            await asyncio.sleep(300)
            page = await site.page()
            assert of(page, SUCCESS)["acme", "inventory"] == 0
            assert (len(of(page, ONLINE)), len(of(page, "queue_info"))) == (12, 3)
            centre.failing[METRICS] = LATE
            await asyncio.sleep(61)
            page = await site.page()
            assert not {key[0] for key in page if key[0].startswith(("queue_", "instance_", "routing_profile_"))}

    run(scenario)


def test_a_fault_of_our_own_is_told_once_with_its_traceback_and_the_loop_goes_on() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, faulty = Site(loop), True

        async def collect(context: Context) -> Result:
            if faulty:
                raise ZeroDivisionError("of our own")
            return Result((online("acme", 1.0),))

        with structlog.testing.capture_logs() as logs:
            async with running(site.watch(Centre(), plan(job(collect)))):
                await asyncio.sleep(4 * INTERVAL)
                assert site.state().reason is Reason.INTERNAL
                assert site.state().error == "ZeroDivisionError: of our own"
                assert site.state().errors[Reason.INTERNAL] >= 3
                faulty = False
                await asyncio.sleep(INTERVAL)
                assert site.state().success is True
        assert [line["event"] for line in logs if line.get("exc_info")] == ["fault in the exporter"]

    run(scenario)


def test_one_line_is_logged_for_each_change_of_state() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        with structlog.testing.capture_logs() as logs:
            async with running(site.watch(centre, plan())):
                for failure in (None, LATE, THROTTLED, None):
                    if failure:
                        centre.failing[METRICS] = failure
                    else:
                        centre.failing.clear()
                    await asyncio.sleep(4 * INTERVAL)
        told = [(line["event"], line.get("reason")) for line in logs if line.get("collector") == "current"]
        assert told == [
            ("collecting", None),
            ("refresh failed", "timeout"),
            ("refresh failed", "throttled"),
            ("collecting", None),
        ]

    run(scenario)


# time


def test_a_run_never_overlaps_itself_and_the_grid_is_kept() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        centre.delay[METRICS] = 1.5 * INTERVAL
        async with running(site.watch(centre, plan())):
            await asyncio.sleep(20 * INTERVAL)
        assert centre.most_running[METRICS] == 1
        assert len(centre.asked(METRICS)) in (9, 10, 11)

    run(scenario)


def test_collectors_run_once_an_interval_whatever_they_take() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        centre.delay[METRICS] = 5.0
        async with running(site.watch(centre, plan())):
            await asyncio.sleep(INTERVAL)
            before = len(centre.asked(METRICS))
            await asyncio.sleep(100 * INTERVAL)
        assert len(centre.asked(METRICS)) - before in (99, 100, 101)

    run(scenario)


def test_a_hundred_instances_do_not_ask_at_one_moment() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centres = Site(loop), [Centre(instance(id=f"{number:036}", alias=f"c{number}")) for number in range(100)]
        moments: list[float] = []

        async def collect(context: Context) -> Result:
            moments.append(loop.time())
            return Result(())

        targets = [target(f"{number:036}", alias=f"c{number}") for number in range(100)]
        chance = Random(7)
        watches = [
            Watch(one, plan(job(collect)), centre.api(), site.shared, chance)
            for one, centre in zip(targets, centres, strict=True)
        ]
        begun = loop.time()
        async with running(*watches):
            await asyncio.sleep(3 * INTERVAL)
        first, later = moments[:100], [moment for moment in moments if moment > begun + 5.0]
        for some, span in ((first, 1.0), (later, INTERVAL)):
            # Of each tenth of the time no more than thrice its share.
            tenths = Counter(int((moment - begun) % span / span * 10) for moment in some)
            assert max(tenths.values()) <= 0.3 * len(some), tenths

    run(scenario)


def test_what_takes_long_is_computed_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of a thousand queues takes most of a second from AWS's answer to text; scrapes and probes go on."""
    computed: dict[str, set[int]] = {}

    def watched(module: Any, name: str) -> None:
        work = getattr(module, name)

        def noting(*given: Any, **more: Any) -> Any:
            computed.setdefault(name, set()).add(threading.get_ident())
            return work(*given, **more)

        monkeypatch.setattr(module, name, noting)

    for module, name in (
        (wire, "rows"), (mapping, "without_doubles"), (counters, "highest"),
        (historical, "only_wanted"), (mapping, "information"), (watch, "render"),
    ):  # fmt: skip
        watched(module, name)

    async def scenario() -> None:
        shared = Shared(Board(), Clock(lambda: stub.NOW, time.monotonic))
        await Watch(target(), everything(), Centre().api(), shared, Random(1)).once()
        assert {state.error for state in shared.states.values()} == {""}

    asyncio.run(scenario())
    assert computed.keys() == {"rows", "without_doubles", "highest", "only_wanted", "information", "render"}
    assert threading.get_ident() not in set().union(*computed.values())


def test_a_run_that_hangs_is_given_up_and_the_next_begins() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        async with running(site.watch(centre, plan())):
            await asyncio.sleep(INTERVAL)
            centre.delay[METRICS] = math.inf
            await asyncio.sleep(LONGEST + INTERVAL)
            assert site.state().reason is Reason.TIMEOUT
            assert site.state().error == "not done after 60 s"
            assert site.state().duration == pytest.approx(LONGEST)
            centre.delay.clear()
            await asyncio.sleep(LONGEST + INTERVAL)
            assert site.state().success is True
        assert centre.running[METRICS] == 0

    run(scenario)


def test_hanging_real_time_metrics_hold_up_no_other_collector_and_no_inventory() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre, runs = Site(loop), Centre(), 0

        async def other(context: Context) -> Result:
            nonlocal runs
            runs += 1
            return Result(())

        centre.delay[METRICS] = math.inf
        both = plan(*plan().jobs, job(other, "historical"), inventory_interval=30.0)
        async with running(site.watch(centre, both)):
            await asyncio.sleep(10 * INTERVAL)
        assert runs >= 9
        assert len(centre.asked("ListQueues")) >= 4

    run(scenario)


def test_cancelled_in_the_midst_of_everything_nothing_is_left_behind() -> None:
    async def scenario(loop: Clockwork) -> None:
        for moment in range(40):
            site, centre = Site(loop), Centre()
            centre.delay.update({METRICS: 3.0, "ListQueues": 1.0, "ListRoutingProfileQueues": 2.0})
            async with running(site.watch(centre, plan())):
                await asyncio.sleep(moment / 4)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert set(centre.running.values()) <= {0}

    run(scenario)


# inventory


def test_an_inventory_that_is_down_at_the_start_is_fetched_as_soon_as_it_can_be_had() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        centre.failing.update({"ListQueues": LATE, "ListRoutingProfiles": LATE, "DescribeInstance": LATE})
        async with running(site.watch(centre, plan())):
            await asyncio.sleep(7 * INTERVAL)
            page = await site.page()
            assert of(page, ONLINE) == {}
            assert set(of(page, SUCCESS).values()) == {0.0}
            assert site.state().reason is Reason.TIMEOUT
            assert centre.asked(METRICS) == []
            centre.failing.clear()
            await asyncio.sleep(2 * INTERVAL)
            assert len(of(await site.page(), ONLINE)) == 12
            await asyncio.sleep(RETRY)
            assert of(await site.page(), SUCCESS) == ALIVE

    run(scenario)


def test_a_refresh_of_the_inventory_that_fails_costs_no_number() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        async with running(site.watch(centre, plan(inventory_interval=30.0))):
            await asyncio.sleep(INTERVAL)
            centre.failing.update({"ListQueues": LATE, "ListRoutingProfiles": LATE})
            await asyncio.sleep(120)
            page = await site.page()
            assert len(of(page, ONLINE)) == 12
            assert len(of(page, "queue_info")) == 3
            assert of(page, SUCCESS) == ALIVE | {("acme", "inventory"): 0.0}

    run(scenario)


def test_new_queues_are_collected_and_deleted_ones_are_gone_after_a_refresh() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        async with running(site.watch(centre, plan(inventory_interval=30.0))):
            await asyncio.sleep(INTERVAL)
            centre.world.instances = (instance(queues=2, profiles=1),)
            await asyncio.sleep(30 + INTERVAL)
            page = await site.page()
            assert {key[1] for key in of(page, ONLINE)} == {"Queue 0", "Queue 1"}
            assert {key[1] for key in of(page, "queue_info")} == {"Queue 0", "Queue 1"}
            centre.world.instances = (instance(queues=4),)
            await asyncio.sleep(30 + INTERVAL)
            assert len(of(await site.page(), ONLINE)) == 16

    run(scenario)


def test_what_three_hundred_profiles_serve_never_delays_the_first_numbers() -> None:
    async def scenario(loop: Clockwork) -> None:
        queues = tuple(stub.Queue(f"q{n}", f"Queue {n}") for n in range(2))
        profiles = tuple(stub.Profile(f"p{n}", f"Profile {n}", ((f"q{n % 2}", "VOICE", 1, 0),)) for n in range(300))
        site, centre = Site(loop), Centre(stub.Instance(queues=queues, profiles=profiles))
        centre.world.idle = {"q0", "q1"}
        centre.delay["ListRoutingProfileQueues"] = 0.5
        async with running(site.watch(centre, plan())):
            await asyncio.sleep(2 * INTERVAL)
            page = await site.page()
            assert of(page, SUCCESS) == ALIVE | {("acme", "profile_queues"): 0.0}
            # What is known already is used meanwhile.
            assert set(of(page, ONLINE)) == {("acme", "Queue 0", "VOICE"), ("acme", "Queue 1", "VOICE")}
            await asyncio.sleep(160)
            assert of(await site.page(), SUCCESS) == ALIVE

    run(scenario)


@pytest.mark.parametrize("seconds", [0.5, 4.0])
def test_zeros_are_there_as_soon_as_it_is_known_what_profiles_serve(seconds: float) -> None:
    """Also where that becomes known in the midst of a run, which began without it."""

    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        centre.world.idle = {"q0", "q1", "q2"}
        centre.delay.update({"ListRoutingProfileQueues": 1.0, METRICS: seconds})
        async with running(site.watch(centre, plan(inventory_interval=600.0))):
            await asyncio.sleep(12)
            assert len(of(await site.page(), ONLINE)) == 2

    run(scenario)


# names


def test_an_alias_that_is_learned_late_renames_every_series() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        centre.failing["DescribeInstance"] = LATE
        watch = site.watch(centre, plan(inventory_interval=60.0))
        async with running(watch):
            await asyncio.sleep(5 * INTERVAL)
            page = await site.page()
            assert {key[0] for key in of(page, ONLINE)} == {watch.target.instance_id}
            centre.failing.clear()
            await asyncio.sleep(RETRY + INTERVAL)
            page = await site.page()
            assert {key[0] for key in of(page, ONLINE)} == {"acme"}
            assert of(page, SUCCESS) == ALIVE
            assert watch.target.instance_id not in {label for key in page if "_info" not in key[0] for label in key}

    run(scenario)


def test_a_renamed_instance_leaves_nothing_under_its_old_name() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        async with running(site.watch(centre, plan(inventory_interval=30.0))):
            await asyncio.sleep(INTERVAL)
            centre.failing[METRICS] = LATE
            centre.world.instances = (instance(alias="new-name"),)
            await asyncio.sleep(30)
            page = await site.page()
            assert not [key for key in page if "acme" in key]
            assert len(of(page, "queue_info")) == 3
            # Whoever is called acme now may publish under it.
            assert site.shared.names == {"new-name": site.watched[0].target.key}

    run(scenario)


def test_a_result_that_was_being_collected_when_the_name_changed_is_collected_again() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        async with running(site.watch(centre, plan(inventory_interval=8.0))):
            await asyncio.sleep(INTERVAL)
            centre.delay[METRICS] = 25.0
            await asyncio.sleep(INTERVAL)
            assert centre.running[METRICS] == 1
            centre.world.instances = (instance(alias="new-name"),)
            await asyncio.sleep(8.5)
            assert "new-name" in site.shared.names
            assert centre.running[METRICS] == 1
            for _ in range(60):
                await asyncio.sleep(1)
                assert not [key for key in await site.page() if "acme" in key]
            assert {key[0] for key in of(await site.page(), ONLINE)} == {"new-name"}

    run(scenario)


async def two(site: Site, first: Watch, second: Watch) -> Page:
    async with running(first, second):
        for _ in range(12):
            await asyncio.sleep(INTERVAL / 3)
            await site.page()
        return await site.page()


def test_of_two_instances_under_one_alias_the_first_publishes_and_the_other_says_why_not() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        slow, quick = Centre(instance(alias="acme")), Centre(instance(id=OTHER, alias="acme", queues=7))
        quick.delay["DescribeInstance"] = 3.0
        page = await two(site, site.watch(slow, plan()), site.watch(quick, plan(), target(OTHER)))
        assert len(of(page, ONLINE)) == 12
        assert of(page, SUCCESS) == ALIVE | {(OTHER, name): 0.0 for _, name in ALIVE}
        refused = site.state(of=site.watched[1])
        assert refused.reason is Reason.INVALID_REQUEST
        assert "another instance is already published as 'acme'" in refused.error

    run(scenario)


@pytest.mark.parametrize("delay", [0.0, 20.0])
def test_a_configured_alias_is_its_instances_however_late_that_one_answers(delay: float) -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        configured, found = Centre(instance(alias="something-else")), Centre(instance(id=OTHER, alias="acme", queues=7))
        configured.delay["ListQueues"] = delay
        page = await two(
            site, site.watch(configured, plan(), target(alias="acme")), site.watch(found, plan(), target(OTHER))
        )
        assert {key[0] for key in of(page, ONLINE)} == {"acme"}
        assert {key[1] for key in of(page, ONLINE)} == {"Queue 0", "Queue 1", "Queue 2"}

    run(scenario)


def test_when_the_first_gives_its_name_up_the_other_gets_it() -> None:
    async def scenario(loop: Clockwork) -> None:
        site = Site(loop)
        first, second = Centre(instance(alias="acme")), Centre(instance(id=OTHER, alias="acme", queues=7))
        second.delay["DescribeInstance"] = 1.0
        fast = plan(inventory_interval=30.0)
        async with running(site.watch(first, fast), site.watch(second, fast, target(OTHER))):
            await asyncio.sleep(INTERVAL)
            first.world.instances = (instance(alias="new-name"),)
            for _ in range(20):
                await asyncio.sleep(INTERVAL / 3)
                await site.page()
            page = await site.page()
        assert set(of(page, SUCCESS).values()) == {1.0}
        assert {key[0] for key in of(page, ONLINE)} == {"acme", "new-name"}
        assert len([key for key in of(page, ONLINE) if key[0] == "acme"]) == 7 * 4

    run(scenario)


# limits and refusals


def test_a_result_beyond_the_limit_is_dropped_whole_counted_and_hides_no_other() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()

        async def small(context: Context) -> Result:
            return Result((online("acme", 1.0),))

        with structlog.testing.capture_logs() as logs:
            limited = plan(*plan().jobs, job(small, "historical"), max_series=36)
            async with running(site.watch(centre, limited)):
                await asyncio.sleep(3 * INTERVAL)
                page = await site.page()
        assert of(page, ONLINE) == {}
        assert of(page, SUCCESS) == ALIVE | {("acme", "current"): 0.0, ("acme", "historical"): 1.0}
        assert of(page, "instance_agents_online") == {("acme",): 1.0}
        runs = of(page, "exporter_collector_errors_total")["acme", "current", "internal"]
        assert of(page, "exporter_series_dropped_total")["acme", "current"] == 13 * runs
        assert "limits.max_series (36)" in site.state().error
        assert [line for line in logs if line.get("exc_info")] == []

    run(scenario)


def test_a_result_that_expired_leaves_its_room_to_others() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre, late = Site(loop), Centre(), False

        async def sometimes(context: Context) -> Result:
            if late:
                raise LATE
            return Result(tuple(online(f"{n}", 1.0) for n in range(10)))

        limited = plan(*plan().jobs, job(sometimes, "historical", interval=1.0), max_series=50, max_age=60.0)
        async with running(site.watch(centre, limited)):
            await asyncio.sleep(2 * INTERVAL)
            assert of(await site.page(), ONLINE) == {}
            late = True
            await asyncio.sleep(60 + INTERVAL)
            assert len(of(await site.page(), ONLINE)) == 12

    run(scenario)


def test_what_aws_refuses_is_said_once_by_name_and_shown_as_long_as_it_lasts() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, refusals = Site(loop), [Refusal("queue", "queue", "q1", Reason.ACCESS_DENIED, "no")]

        async def collect(context: Context) -> Result:
            return Result((), tuple(refusals))

        with structlog.testing.capture_logs() as logs:
            async with running(site.watch(Centre(), plan(job(collect)))):
                await asyncio.sleep(4 * INTERVAL)
                page = await site.page()
                assert of(page, "exporter_filter_rejected") == {("acme", "current", "queue", "Queue 1"): 1.0}
                assert of(page, "exporter_collector_errors_total")["acme", "current", "access_denied"] == 1
                refusals.clear()
                await asyncio.sleep(INTERVAL)
                assert of(await site.page(), "exporter_filter_rejected") == {}
        told = [line for line in logs if line["event"].startswith("refused by AWS")]
        assert [(line["kind"], line["name"], line["reason"]) for line in told] == [
            ("queue", "Queue 1", "access_denied")
        ]

    run(scenario)


def test_a_denied_instance_costs_little_once_and_less_afterwards() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre(instance(queues=250))
        async with running(site.watch(centre, plan())):
            await asyncio.sleep(INTERVAL)
            centre.failing[METRICS] = DENIED
            centre.calls.clear()
            await asyncio.sleep(INTERVAL)
            assert len(centre.asked(METRICS)) <= 3 + 18
            centre.calls.clear()
            await asyncio.sleep(20 * INTERVAL)
            assert len(centre.asked(METRICS)) <= 3 * 21
            assert site.state().reason is Reason.ACCESS_DENIED

    run(scenario)


def test_a_level_that_is_refused_whole_never_passes_for_an_empty_success() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre(instance(queues=1))
        async with running(site.watch(centre, plan())):
            await asyncio.sleep(INTERVAL)
            good = await site.page()
            centre.failing[METRICS] = INVALID
            for _ in range(12):
                await asyncio.sleep(INTERVAL)
                page = await site.page()
                assert of(page, SUCCESS)["acme", "current"] == 0
                assert of(page, ONLINE) == of(good, ONLINE)

    run(scenario)


# once


def test_once_everything_runs_a_single_time_even_what_is_slow() -> None:
    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        centre.world.idle = {"q0", "q1", "q2"}
        centre.delay["ListRoutingProfileQueues"] = 100.0
        await site.watch(centre, plan()).once()
        page = await site.page()
        assert of(page, SUCCESS) == ALIVE
        assert len(of(page, ONLINE)) == 2
        assert len(centre.asked(METRICS)) == 1

    run(scenario)


def test_what_is_known_outlives_a_watch() -> None:
    """A reload: the new one has names, what profiles serve and what AWS refused before it asks for anything."""

    async def scenario(loop: Clockwork) -> None:
        site, centre = Site(loop), Centre()
        async with running(site.watch(centre, plan())):
            await asyncio.sleep(INTERVAL)
        memory: Memory = site.shared.known[target().key].memories["current"]
        centre.failing.update(dict.fromkeys(("ListQueues", "ListRoutingProfiles", "DescribeInstance"), LATE))
        async with running(site.watch(centre, plan())):
            await asyncio.sleep(INTERVAL)
            page = await site.page()
            assert of(page, SUCCESS) == ALIVE | {("acme", "inventory"): 0.0}
            assert len(of(page, ONLINE)) == 12
        assert site.shared.known[target().key].memories["current"] is memory

    run(scenario)
