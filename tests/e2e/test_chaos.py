"""The daemon lives through random faults; and what judges it would notice if it lied."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from exporter.simulator.faults import Request
from exporter.simulator.identity import Caller
from tests.chaos import laws
from tests.chaos.centre import HALF_DAY, Centre, Record
from tests.chaos.counting import SHOWN, Shown, counters_are_true
from tests.chaos.laws import Broken, Scraped
from tests.chaos.lies import LIES
from tests.chaos.moment import Moment
from tests.e2e.daemon import OWN, Series, labels
from tests.tools import REPOSITORY, in_ci

SEEDS = int(os.environ.get("CHAOS_SEEDS") or (200 if in_ci() else 20))
"""Episodes, each of ten minutes by the daemon's clock. CI runs them by themselves, then a few beside all other tests.
"""
LIVES = 2
REFUSED, CORRECTED = 9, 46
"""Seeds: of an outage of everything, and of sums that AWS takes back."""
TELLTALE: Mapping[str, tuple[int, str]] = {
    "counters-are-zero": (REFUSED, r"_total.* is 0 at .*; AWS said"),
    "counters-fall": (CORRECTED, "falls from"),
    "failures-are-not-counted": (REFUSED, "[+]0 errors"),
    "counters-never-vanishes": (REFUSED, r"_total.*; AWS said"),
    "current-never-vanishes": (REFUSED, "_queue_(?!recent_).*; served since"),
    "historical-never-vanishes": (REFUSED, "_recent_.*; served since"),
    **{f"{name}-never-fails": (REFUSED, f", {name}: success of .*unanswered") for name in laws.INTERVALS},
}
"""By lie: from which seed on it is caught at once, and for what."""

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


def test_a_daemon_that_lies_is_caught_by_a_handful_of_seeds() -> None:
    assert LIES.keys() == TELLTALE.keys()

    def told(lie: str) -> str:
        argv = [sys.executable, "-m", "tests.chaos", "--lie", lie, "--first", str(TELLTALE[lie][0]), "--seeds", "2"]
        done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
        return done.stdout + done.stderr

    with ThreadPoolExecutor(LIVES) as pool:
        found = dict(zip(LIES, pool.map(told, LIES), strict=True))
    missed = {lie: said for lie, said in found.items() if not re.search(f"seed .*{TELLTALE[lie][1]}", said)}
    assert not missed, "\n".join(f"{lie}:\n{said}" for lie, said in missed.items())


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
HANDLED = "amazon_connect_queue_contacts_handled_total"
ANCHOR = 41_432 * HALF_DAY
OF_ONE_QUEUE = {"Filters": {"Queues": ["q"], "Channels": ["VOICE"]}, "Groupings": ["QUEUE", "CHANNEL"]}


def answered(record: Record, operation: str, page: Mapping[str, object], **params: object) -> None:
    caller = Caller("111122223333", "us-east-1", "", "")
    record.observe(Request("connect", operation, caller, params), page)


def served(record: Record, instance: str, value: float | None, **more: object) -> None:
    """A page of real-time values: one row, or none, of queue q."""
    metric = {"Name": "CONTACTS_IN_QUEUE", "Unit": "COUNT"}
    asked = {**OF_ONE_QUEUE, "InstanceId": instance, "CurrentMetrics": [metric]}
    answered(record, "GetCurrentMetricData", {"MetricResults": rows(metric, value), **more}, **asked)


def summed(
    record: Record, instance: str, value: float | None, since: float = ANCHOR, until: float = ANCHOR + 3600
) -> None:
    """An answer about queue q's sum between these moments: one row, or none."""
    metric = {"Name": "CONTACTS_HANDLED", "Unit": "COUNT", "Statistic": "SUM"}
    other = {"Name": "CONTACTS_QUEUED", "Unit": "COUNT", "Statistic": "SUM"}
    asked = {**OF_ONE_QUEUE, "InstanceId": instance, "HistoricalMetrics": [metric, other]}
    answered(record, "GetMetricData", {"MetricResults": rows(metric, value)}, **asked, StartTime=since, EndTime=until)


def rows(metric: Mapping[str, object], value: float | None) -> list[object]:
    collections = [{"Metric": metric, "Value": value}]
    row = {"Dimensions": {"Queue": {"Id": "q"}, "Channel": "VOICE"}, "Collections": collections}
    return [] if value is None else [row]


def scraped(moment: Moment, centre: Centre, value: float, name: str = IN_QUEUE) -> Scraped:
    now = moment.monotonic()
    key = (name, labels(instance_alias=centre.everybody[0].alias, queue="q", channel="VOICE"))
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


def counter(moment: Moment, centre: Centre, record: Record, shown: Shown, value: float) -> None:
    counters_are_true(scraped(moment, centre, value, HANDLED), centre, record, shown)


def test_a_counter_is_what_aws_said_of_its_period_and_nothing_else(moment: Moment, centre: Centre) -> None:
    record, first = Record(moment), centre.everybody[0].id
    for value in (7.0, 9.0):
        summed(record, first, value)
    summed(record, centre.everybody[1].id, 30.0)
    counter(moment, centre, record, Shown(), 9.0)
    counter(moment, centre, record, Shown(), 7.0)  # the later answer may have been lost
    for wrong in (0.0, 8.0, 30.0):
        with pytest.raises(Broken, match=r"AWS said 7 at .*, 9 at"):
            counter(moment, centre, record, Shown(), wrong)


def test_a_counter_is_the_highest_sum_of_its_period_and_does_not_fall(moment: Moment, centre: Centre) -> None:
    record, shown, first = Record(moment), Shown(), centre.everybody[0].id
    summed(record, first, 9.0)
    counter(moment, centre, record, shown, 9.0)
    moment.jump(laws.MAX_AGE + laws.LATE)
    summed(record, first, 8.0)
    counter(moment, centre, record, shown, 9.0)
    with pytest.raises(Broken, match="falls from 9 to 8"):
        counter(moment, centre, record, shown, 8.0)
    counter(moment, centre, record, Shown(), 8.0)  # another process knows of no 9
    summed(record, first, 3.0, ANCHOR + HALF_DAY, ANCHOR + HALF_DAY + 300)
    counter(moment, centre, record, shown, 3.0)


def test_a_counter_of_which_aws_has_said_nothing_for_max_age_is_a_lie(moment: Moment, centre: Centre) -> None:
    record, first = Record(moment), centre.everybody[0].id
    for value in (9.0, None):
        summed(record, first, value)
    moment.jump(laws.MAX_AGE + laws.LATE)
    for value in (9.0, 0.0):
        with pytest.raises(Broken, match="AWS said"):
            counter(moment, centre, record, Shown(), value)


def test_a_counter_is_0_where_aws_was_asked_and_had_no_row(moment: Moment, centre: Centre) -> None:
    record, first = Record(moment), centre.everybody[0].id
    with pytest.raises(Broken, match="AWS said nothing"):
        counter(moment, centre, record, Shown(), 0.0)
    summed(record, first, None)
    counter(moment, centre, record, Shown(), 0.0)


def test_a_counter_is_0_between_two_periods_and_not_for_long(moment: Moment, centre: Centre) -> None:
    record, shown, first = Record(moment), Shown(), centre.everybody[0].id
    summed(record, first, 9.0, until=ANCHOR + HALF_DAY)
    counter(moment, centre, record, shown, 9.0)
    moment.jump(SHOWN)
    counter(moment, centre, record, shown, 0.0)
    summed(record, first, 2.0, ANCHOR + HALF_DAY, ANCHOR + HALF_DAY + 300)
    counter(moment, centre, record, shown, 0.0)  # the page may be of a moment ago
    moment.jump(laws.LATE)
    with pytest.raises(Broken, match="is 0"):
        counter(moment, centre, record, shown, 0.0)
    counter(moment, centre, record, shown, 2.0)


def test_a_counter_whose_period_does_not_begin_is_a_lie_unless_the_clock_was_ahead(
    moment: Moment, centre: Centre
) -> None:
    record = Record(moment)
    summed(record, centre.everybody[0].id, 9.0, until=ANCHOR + HALF_DAY)
    moment.jump(3600)
    with pytest.raises(Broken, match="is 0"):
        counter(moment, centre, record, Shown(), 0.0)
    counter(moment, centre, record, Shown(ahead=True), 0.0)


def state(alias: str, success: float, last: float, **errors: float) -> Series:
    found: Series = {}
    for collector in laws.INTERVALS:
        who = {"instance_alias": alias, "collector": collector}
        found[OWN + "collector_success", labels(**who)] = success
        found[OWN + "collector_last_success_timestamp_seconds", labels(**who)] = last
        for reason in laws.REASONS:
            found[OWN + "collector_errors_total", labels(**who, reason=reason)] = errors.get(reason, 0.0)
    return found


def of_states(moment: Moment, series: Series) -> Scraped:
    now, wall = moment.monotonic(), moment.wall()
    return Scraped(series, now, now, wall, openmetrics=False)


@pytest.mark.parametrize("collector", laws.INTERVALS)
def test_whoever_is_well_is_not_two_intervals_behind(moment: Moment, collector: str) -> None:
    wall, two = moment.wall(), 2 * laws.INTERVALS[collector]
    laws.is_well(of_states(moment, state("a", 1, wall - two + 5)), "a", collector)
    for sick in (state("a", 1, wall - two - 5), state("a", 0, wall - 10), state("a", 1, wall + 3600)):
        with pytest.raises(Broken, match="nothing troubles it"):
            laws.is_well(of_states(moment, sick), "a", collector)


@pytest.mark.parametrize("collector", laws.INTERVALS)
def test_whoever_can_not_succeed_says_so_and_counts_each_failure(moment: Moment, collector: str) -> None:
    wall, throttled = moment.wall(), frozenset({"throttled"})
    before = of_states(moment, state("a", 0, wall, throttled=1, timeout=1))
    told = of_states(moment, state("a", 0, wall, throttled=2, timeout=1))
    laws.says_that_it_fails(told, before, "a", collector, throttled)
    for liar in (state("a", 1, wall, throttled=2), state("a", 0, wall, throttled=1, timeout=2)):
        with pytest.raises(Broken, match=f"a, {collector}: no"):
            laws.says_that_it_fails(of_states(moment, liar), before, "a", collector, throttled)


def test_a_failure_that_is_not_counted_and_a_count_that_falls_are_noticed(moment: Moment) -> None:
    wall = moment.wall()
    before = of_states(moment, state("a", 1, wall, throttled=1))
    laws.failures_are_counted(of_states(moment, state("a", 0, wall, throttled=2)), before)
    laws.failures_are_counted(of_states(moment, state("a", 1, wall, throttled=1)), before)
    for liar in (state("a", 0, wall, throttled=1), state("a", 1, wall)):
        with pytest.raises(Broken, match="errors, and success is"):
            laws.failures_are_counted(of_states(moment, liar), before)


def test_series_of_an_instance_that_is_gone_are_noticed(moment: Moment) -> None:
    now, wall = moment.monotonic(), moment.wall()
    page = Scraped(state("a", 0, wall), now, now, wall, openmetrics=False)
    laws.is_not_told_of(page, "b")
    with pytest.raises(Broken, match="is gone"):
        laws.is_not_told_of(page, "a")


def all_answered(record: Record, centre: Centre, but: str = "") -> None:
    """Everything that collectors ask about the first instance, `but` one operation."""
    first = centre.everybody[0]
    empty: Mapping[str, object] = {"MetricResults": []}
    for groupings in (["QUEUE", "CHANNEL"], ["ROUTING_PROFILE"], []):
        asked = {"InstanceId": first.id, "Filters": {"Channels": []}, "Groupings": groupings}
        if but != "GetCurrentMetricData":
            answered(record, "GetCurrentMetricData", empty, **asked, CurrentMetrics=[])
        if but != "GetMetricData" and groupings != ["ROUTING_PROFILE"]:
            answered(record, "GetMetricData", empty, **asked, HistoricalMetrics=[], StartTime=300.0, EndTime=2100.0)
    if but != "sums":
        summed(record, first.id, 1.0)
    if but != "ListQueues":
        answered(record, "ListQueues", {"QueueSummaryList": []}, InstanceId=first.id)
    answered(record, "ListRoutingProfiles", {"RoutingProfileSummaryList": []}, InstanceId=first.id)
    for profile in first.profiles[1 if but == "ListRoutingProfileQueues" else 0 :]:
        answered(record, "ListRoutingProfileQueues", {}, InstanceId=first.id, RoutingProfileId=profile.id)


@pytest.mark.parametrize(
    ("collector", "operation"),
    [
        ("current", "GetCurrentMetricData"),
        ("historical", "GetMetricData"),
        ("counters", "sums"),
        ("inventory", "ListQueues"),
        ("profile_queues", "ListRoutingProfileQueues"),
    ],
)
def test_success_is_a_lie_where_aws_has_not_answered(
    moment: Moment, centre: Centre, collector: str, operation: str
) -> None:
    record, first = Record(moment), centre.everybody[0]
    all_answered(record, centre)
    moment.jump(laws.MAX_AGE)
    all_answered(record, centre, but=operation)
    page = of_states(moment, state(first.alias, 1, moment.wall() - 5))
    with pytest.raises(Broken, match=f"{first.alias}, {collector}: success of 5 s ago, unanswered: ..*{operation}"):
        laws.success_is_true(page, centre, record)
    all_answered(record, centre)
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
