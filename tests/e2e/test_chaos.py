"""The daemon lives through random faults; and what judges it would notice if it lied."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from exporter.simulator.faults import Request
from exporter.simulator.identity import Caller
from tests.chaos import laws
from tests.chaos.centre import Centre, Record
from tests.chaos.laws import Broken, Scraped
from tests.chaos.moment import Moment
from tests.e2e.daemon import OWN, Series, labels
from tests.tools import REPOSITORY, in_ci

SEEDS = int(os.environ.get("CHAOS_SEEDS") or (200 if in_ci() else 20))
"""Episodes, each of ten minutes by the daemon's clock. CI runs them by themselves, then a few beside all other tests.
"""
LIVES = 2

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads and descriptors are read from /proc")


@pytest.mark.timeout(900)
def test_whatever_happens_every_page_is_true_and_in_the_end_all_is_well() -> None:
    each = SEEDS // LIVES
    argv = [sys.executable, "-m", "tests.chaos", "--seeds", str(each), "--first"]
    lives = [
        subprocess.Popen([*argv, str(number * each)], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for number in range(LIVES)
    ]
    try:
        told = [life.communicate()[0].decode() for life in lives]
    finally:
        for life in lives:
            life.kill()
            life.wait()
    assert [life.returncode for life in lives] == [0] * LIVES, "\n".join(told)


def test_a_soak_runs_to_its_end_and_tells_what_memory_did() -> None:
    argv = [sys.executable, "-m", "tests.bench.soak", "--quick"]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "memory has grown by " in done.stdout


# What judges


@pytest.fixture
def moment(tmp_path: Path) -> Iterator[Moment]:
    with closing(Moment(tmp_path / "moment")) as moment:
        yield moment


@pytest.fixture
def centre(moment: Moment) -> Centre:
    return Centre(moment, queues=2)


IN_QUEUE = "amazon_connect_queue_contacts_in_queue"


def served(record: Record, instance: str, value: float | None, **more: object) -> None:
    """A page of real-time values: one row, or none, of queue q."""
    params = {
        "InstanceId": instance,
        "Filters": {"Queues": ["q"], "Channels": ["VOICE"]},
        "Groupings": ["QUEUE", "CHANNEL"],
        "CurrentMetrics": [{"Name": "CONTACTS_IN_QUEUE", "Unit": "COUNT"}],
    }
    collections = [{"Metric": {"Name": "CONTACTS_IN_QUEUE", "Unit": "COUNT"}, "Value": value}]
    row = {"Dimensions": {"Queue": {"Id": "q"}, "Channel": "VOICE"}, "Collections": collections}
    caller = Caller("111122223333", "us-east-1", "", "")
    page = {"MetricResults": [] if value is None else [row], **more}
    record.observe(Request("connect", "GetCurrentMetricData", caller, params), page)


def scraped(moment: Moment, centre: Centre, value: float) -> Scraped:
    now = moment.monotonic()
    key = (IN_QUEUE, labels(instance_alias=centre.everybody[0].alias, queue="q", channel="VOICE"))
    return Scraped({key: value}, now, now, moment.wall(), openmetrics=False)


def test_a_value_that_was_served_is_right_and_any_other_is_not(moment: Moment, centre: Centre) -> None:
    record = Record(moment)
    served(record, centre.everybody[0].id, 3.0)
    laws.values_were_served(scraped(moment, centre, 3.0), centre, record)
    for wrong in (0.0, 2.0):
        with pytest.raises(Broken, match="contacts_in_queue"):
            laws.values_were_served(scraped(moment, centre, wrong), centre, record)


def test_a_value_of_another_instance_is_not_right(moment: Moment, centre: Centre) -> None:
    record = Record(moment)
    served(record, centre.everybody[1].id, 3.0)
    with pytest.raises(Broken, match="nothing"):
        laws.values_were_served(scraped(moment, centre, 3.0), centre, record)


def test_a_value_that_is_too_old_is_not_right(moment: Moment, centre: Centre) -> None:
    record = Record(moment)
    served(record, centre.everybody[0].id, 3.0)
    moment.jump(laws.MAX_AGE + laws.LATE)
    with pytest.raises(Broken, match="contacts_in_queue"):
        laws.values_were_served(scraped(moment, centre, 3.0), centre, record)


def test_zero_is_right_where_a_whole_answer_had_no_row_and_only_there(moment: Moment, centre: Centre) -> None:
    record, first = Record(moment), centre.everybody[0].id
    served(record, first, None, NextToken="more")
    with pytest.raises(Broken, match="contacts_in_queue"):
        laws.values_were_served(scraped(moment, centre, 0.0), centre, record)
    served(record, first, None)
    laws.values_were_served(scraped(moment, centre, 0.0), centre, record)


def state(alias: str, success: float, last: float, **errors: float) -> Series:
    found: Series = {}
    for collector in laws.INTERVALS:
        who = {"instance_alias": alias, "collector": collector}
        found[OWN + "collector_success", labels(**who)] = success
        found[OWN + "collector_last_success_timestamp_seconds", labels(**who)] = last
        for reason in laws.REASONS:
            found[OWN + "collector_errors_total", labels(**who, reason=reason)] = errors.get(reason, 0.0)
    return found


def test_whoever_is_well_is_not_behind_and_whoever_fails_says_why(moment: Moment) -> None:
    now, wall = moment.monotonic(), moment.wall()

    def page(series: Series) -> Scraped:
        return Scraped(series, now, now, wall, openmetrics=False)

    laws.is_well(page(state("a", 1, wall - 100)), "a", "current")
    for sick in (state("a", 1, wall - 200), state("a", 0, wall - 10)):
        with pytest.raises(Broken, match="nothing troubles it"):
            laws.is_well(page(sick), "a", "current")
    throttled = frozenset({"throttled"})
    laws.says_that_it_fails(page(state("a", 0, wall, throttled=1)), "a", throttled)
    for liar in (state("a", 1, wall, throttled=1), state("a", 0, wall, timeout=1)):
        with pytest.raises(Broken, match="a: n"):
            laws.says_that_it_fails(page(liar), "a", throttled)


def test_series_of_an_instance_that_is_gone_are_noticed(moment: Moment) -> None:
    now, wall = moment.monotonic(), moment.wall()
    page = Scraped(state("a", 0, wall), now, now, wall, openmetrics=False)
    laws.is_not_told_of(page, "b")
    with pytest.raises(Broken, match="is gone"):
        laws.is_not_told_of(page, "a")


def test_success_is_a_lie_where_aws_has_answered_nothing(moment: Moment, centre: Centre) -> None:
    record, first = Record(moment), centre.everybody[0]
    page = Scraped(
        state(first.alias, 1, moment.wall() - 5), moment.monotonic(), moment.monotonic(), moment.wall(), False
    )
    with pytest.raises(Broken, match="answered nothing"):
        laws.success_is_true(page, centre, record)
    served(record, first.id, 3.0)
    laws.success_is_true(page, centre, record)


def test_a_reason_out_of_the_set_and_a_collector_that_is_not_told_of_are_noticed(moment: Moment) -> None:
    now, wall = moment.monotonic(), moment.wall()
    whole = state("a", 1, wall)
    laws.states_are_whole(Scraped(whole, now, now, wall, False))
    key = (OWN + "collector_errors_total", labels(instance_alias="a", collector="current", reason="bad luck"))
    less = {k: v for k, v in whole.items() if "counters" not in dict(k[1]).values()}
    for broken in ({**whole, key: 1.0}, less, state("a", 1, wall, internal=1)):
        with pytest.raises(Broken):
            laws.states_are_whole(Scraped(broken, now, now, wall, False))
