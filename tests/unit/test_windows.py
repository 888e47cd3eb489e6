from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter import windows
from exporter.windows import DAY, HALF_DAY, MARK, SHOWN, SKEW, TODAY, Interval, Period, Showing

ZONES = sorted(
    zone for zone in zoneinfo.available_timezones() if zone not in {"Factory", "localtime"} and "right/" not in zone
)

moments = st.integers(
    int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2037, 1, 1, tzinfo=UTC).timestamp())
)
lengths = st.integers(1, 287).map(lambda marks: marks * MARK)
skews = st.sampled_from([-SKEW, -1.0, 0.0, 1.0, SKEW])


def at(zone: str, text: str, fold: int = 0) -> float:
    """Unix seconds of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def today(zone: str, text: str, fold: int = 0) -> Interval | None:
    return windows.interval(TODAY, 0.0, at(zone, text, fold), zone)


# intervals


@given(now=moments, fraction=st.floats(0, 1, exclude_max=True), skew=skews, zone=st.sampled_from(ZONES), length=lengths)
def test_what_is_asked_keeps_the_rules_of_aws_though_the_clocks_are_a_minute_apart(
    now: int, fraction: float, skew: float, zone: str, length: float
) -> None:
    ours = now + fraction
    for window in (TODAY, "some"):
        span = windows.interval(window, length, ours, zone)
        if span is None:
            continue
        assert span.start % MARK == span.end % MARK == 0
        assert span.start < span.end
        assert span.end <= ours + skew
        if windows.reachable(span, ours):
            assert span.start >= ours + skew - DAY
            assert span.end - span.start < DAY


@given(now=moments, length=lengths)
def test_a_window_has_its_length_and_ends_as_late_as_is_safe(now: int, length: float) -> None:
    span = windows.interval("some", length, now, "UTC")
    assert span is not None
    assert span.end - span.start == length
    assert 0 <= now - SKEW - span.end < MARK


@given(now=moments, length=lengths)
def test_every_window_can_be_asked_for_when_it_has_just_moved(now: int, length: float) -> None:
    moved = windows.floor(now, MARK) + SKEW + 3
    span = windows.interval("some", length, moved, "UTC")
    assert span is not None
    assert windows.reachable(span, moved)


@given(now=moments, zone=st.sampled_from(ZONES))
@example(now=1711922340, zone="Asia/Gaza")
def test_today_begins_with_the_first_moment_that_has_its_date(now: int, zone: str) -> None:
    begin = windows.midnight(now, zone)
    local = ZoneInfo(zone)
    date = datetime.fromtimestamp(now, local).date()
    assert begin <= now
    assert datetime.fromtimestamp(begin, local).date() == date
    assert datetime.fromtimestamp(begin - 1, local).date() < date


@pytest.mark.parametrize(
    ("zone", "date", "begins", "hours"),
    [
        ("UTC", "2026-03-29", "00:00", 24),
        ("Europe/Berlin", "2026-03-29", "00:00", 23),
        ("Europe/Berlin", "2026-10-25", "00:00", 25),
        ("America/New_York", "2026-03-08", "00:00", 23),
        ("America/New_York", "2026-11-01", "00:00", 25),
        ("Asia/Kolkata", "2026-03-29", "00:00", 24),
        ("Asia/Kathmandu", "2026-03-29", "00:00", 24),
        ("Australia/Lord_Howe", "2026-04-05", "00:00", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", "00:00", 23.5),
        # Clocks are put forward at midnight: the day begins at one.
        ("Asia/Beirut", "2026-03-29", "01:00", 23),
        ("America/Asuncion", "2023-10-01", "01:00", 23),
        ("Africa/Cairo", "2026-04-24", "01:00", 23),
        ("Atlantic/Azores", "2026-03-29", "01:00", 23),
        # Clocks are put back at midnight, into the day before, or at one, to midnight again.
        ("Asia/Beirut", "2026-10-24", "00:00", 25),
        ("America/Havana", "2026-11-01", "00:00", 25),
        ("America/Nuuk", "2026-10-24", "00:00", 25),
    ],
)
def test_days_are_as_long_as_the_zone_says(zone: str, date: str, begins: str, hours: float) -> None:
    first, last = at(zone, f"{date}T{begins}"), at(zone, f"{date}T23:59:59", fold=1)
    assert last + 1 - first == hours * 3600
    assert {windows.midnight(moment, zone) for moment in (first, first + 3600, last - 3600, last)} == {first}
    assert windows.midnight(first - 1, zone) < first


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"])
def test_today_is_empty_in_the_minutes_after_midnight(zone: str) -> None:
    for text in ("00:00:00", "00:04:59", "00:05:00", "00:05:59"):
        assert today(zone, f"2026-06-01T{text}") is None
    midnight = at(zone, "2026-06-01T00:00")
    assert today(zone, "2026-06-01T00:06") == Interval(midnight, midnight + MARK)
    assert today(zone, "2026-06-01T23:59:59") == Interval(midnight, midnight + DAY - MARK)


def test_today_is_empty_after_a_midnight_that_was_skipped_too() -> None:
    assert today("Asia/Beirut", "2026-03-29T01:05:59") is None
    begin = at("Asia/Beirut", "2026-03-29T01:00")
    assert today("Asia/Beirut", "2026-03-29T01:06") == Interval(begin, begin + MARK)


def test_the_first_hour_of_a_day_of_25_hours_is_out_of_reach_in_its_last() -> None:
    zone, date = "Europe/Berlin", "2026-10-25"
    for text, within in (("22:57:59", True), ("23:00:01", False), ("23:59:59", False)):
        span = today(zone, f"{date}T{text}")
        assert span is not None
        assert windows.reachable(span, at(zone, f"{date}T{text}")) is within


@given(now=moments, fraction=st.floats(0, 1, exclude_max=True), lag=st.integers(0, 299))
def test_the_next_mark_is_within_five_minutes(now: int, fraction: float, lag: int) -> None:
    ours = now + fraction
    wait = windows.next_mark(ours, lag)
    assert 0 < wait <= MARK
    assert (ours + wait - lag) % MARK == pytest.approx(0, abs=1e-6) or (ours + wait - lag) % MARK > MARK - 1e-6


# periods of the counters

NOON = datetime(2026, 9, 22, 12, tzinfo=UTC).timestamp()


class Process:
    """A counter as it is run: whenever it wants, once a minute at least, and never without AWS's answer.

    All times are whole seconds, so that sums of them are exact. `offset`: by how much the wall clock is wrong.
    """

    def __init__(self, true: float, settle: float) -> None:
        self.true, self.settle = true, settle
        self.offset = 0.0
        self.aws = True
        self.answer_takes = 0.0
        self.period: Period | None = None
        self.due = true
        self.shown: list[tuple[float, float, Period]] = []
        """(since when, now by the machine's clock, what) is on the page."""
        self.asked: list[tuple[float, Interval]] = []
        """(true time, interval)"""

    @property
    def now(self) -> float:
        return self.true + self.offset

    def restart(self, down: float) -> None:
        self.period = None
        self.true += down
        self.due = self.true

    def wait(self, seconds: float) -> None:
        end = self.true + seconds
        while self.due <= end:
            self.true = max(self.due, self.true)
            self.run()
        self.true = max(end, self.true)

    def run(self) -> None:
        # The true time does for monotonic: nothing puts either back.
        begun = self.true
        period = windows.period(self.period, self.now, self.true, self.settle)
        self.due = self.true + 60
        if period != self.period and period.showing is not Showing.ZERO:
            if not self.aws:
                return
            self.true += self.answer_takes
            self.asked.append((self.true, Interval(period.anchor, period.end)))
        if period != self.period:
            period = windows.shown_since(period, self.true - begun)
            self.shown.append((self.true, self.now, period))
        wait = windows.lasting(period, self.now, self.true, self.settle)
        assert wait > 0 or windows.period(period, self.now, self.true, self.settle) != period, (
            "it would run all the time"
        )
        self.period = period
        self.due = self.true + min(60, wait)

    def steps(self) -> list[tuple[float, Showing, float, float]]:
        """(seconds on the page, what, anchor, end), growth of a period as one; the last is still there."""
        merged: list[tuple[float, Period]] = []
        for since, _, period in self.shown:
            if merged and (merged[-1][1].anchor, merged[-1][1].showing) == (period.anchor, period.showing):
                merged[-1] = (merged[-1][0], period)
            else:
                merged.append((since, period))
        ends = [since for since, _ in merged[1:]]
        return [
            (end - since, p.showing, p.anchor, p.end) for (since, p), end in zip(merged[:-1], ends, strict=True)
        ] + [(0.0, p.showing, p.anchor, p.end) for _, p in merged[-1:]]


settles = st.sampled_from([1, 60, 450, 900, 1800, 6 * 3600])
waits = st.one_of(st.integers(1, 400), st.integers(1, 6 * 3600), st.integers(1, 40 * 3600))
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), waits),
        st.tuples(st.just("outage"), waits),
        st.tuples(st.just("slow"), st.integers(0, 200)),
    ),
    max_size=12,
)
steps_of_clocks = st.tuples(st.just("clock"), st.integers(-3 * 3600, 3 * 3600))


def live(process: Process, script: list[tuple[str, int]]) -> None:
    for what, amount in script:
        if what == "wait":
            process.wait(amount)
        elif what == "outage":
            process.aws = False
            process.wait(amount)
            process.aws = True
            process.wait(60)
        elif what == "slow":
            process.answer_takes = amount
        elif what == "clock":
            process.offset = float(amount)
        else:
            process.restart(amount)
    process.wait(1200)


starts = st.integers(int(NOON - HALF_DAY), int(NOON + HALF_DAY)).map(float)


@given(start=starts, settle=settles, script=happenings)
def test_a_period_ends_with_its_final_value_then_a_zero_each_long_enough_to_be_seen(
    start: float, settle: int, script: list[tuple[str, int]]
) -> None:
    process = Process(start, settle)
    live(process, script)
    steps = process.steps()
    for (_, what, anchor, _), (_, then, next_anchor, _) in pairwise(steps):
        if what is Showing.PRESENT:
            # Straight to zero only where AWS no longer reaches back to what is left of the period.
            assert (then, next_anchor) == (Showing.FINAL, anchor) or (then is Showing.ZERO and next_anchor > anchor)
        elif what is Showing.FINAL:
            assert (then, next_anchor) == (Showing.ZERO, anchor + HALF_DAY)
        else:
            assert next_anchor > anchor if then is Showing.ZERO else next_anchor == anchor
    for seconds, what, anchor, end in steps[1:-1]:
        if what is not Showing.PRESENT:
            assert seconds >= SHOWN
        assert end == {Showing.FINAL: anchor + HALF_DAY, Showing.ZERO: anchor}.get(what, end)


@given(start=starts, settle=settles, script=happenings)
def test_no_period_is_skipped_while_aws_reaches_it(start: float, settle: int, script: list[tuple[str, int]]) -> None:
    process = Process(start, settle)
    live(process, script)
    finals = [anchor for _, what, anchor, _ in process.steps() if what is Showing.FINAL]
    zeros = [(now, p.anchor) for _, now, p in process.shown if p.showing is Showing.ZERO]
    assert finals == sorted(set(finals))
    first = process.shown[0][2].anchor
    for now, anchor in zeros:
        for skipped in range(int(first), int(anchor), int(HALF_DAY)):
            assert skipped in finals or skipped < now - windows.REACH or (skipped == first == anchor)
        first = max(first, anchor)


@given(
    start=starts,
    settle=settles,
    script=st.lists(st.one_of(happenings.map(lambda h: h[:1]), steps_of_clocks.map(lambda c: [c])), max_size=12),
)
def test_nothing_that_was_counted_is_taken_back_whatever_the_clock_does(
    start: float, settle: int, script: list[list[tuple[str, int]]]
) -> None:
    process = Process(start, settle)
    live(process, [one for some in script for one in some])
    periods = [period for _, _, period in process.shown]
    for one, other in pairwise(periods):
        assert one.anchor <= other.anchor
        if (one.anchor, one.showing) == (other.anchor, other.showing):
            assert one.end <= other.end
        assert other.anchor % HALF_DAY == 0
        assert other.end % MARK == 0
        assert other.anchor <= other.end <= other.anchor + HALF_DAY
    for seconds, what, *_ in process.steps()[1:-1]:
        assert what is Showing.PRESENT or seconds >= SHOWN


@given(start=starts, settle=settles, offset=st.sampled_from([-60, -59, 0, 59, 60]), script=happenings)
def test_sums_are_asked_within_the_rules_of_aws_though_the_clocks_are_a_minute_apart(
    start: float, settle: int, offset: int, script: list[tuple[str, int]]
) -> None:
    process = Process(start, settle)
    live(process, [("clock", offset), *(one for one in script if one[0] != "slow")])
    for true, span in process.asked:
        assert span.start % MARK == span.end % MARK == 0
        assert true - DAY <= span.start < span.end <= true
        assert span.end - span.start < DAY


@given(
    start=st.integers(-1200, 900).map(lambda seconds: NOON + 900 + seconds),
    restarts=st.lists(st.tuples(st.integers(1, 200), st.integers(1, 8)), min_size=1, max_size=6),
)
def test_restarts_of_a_few_seconds_take_nothing_from_the_end_of_a_period_but_those_seconds(
    start: float, restarts: list[tuple[int, int]]
) -> None:
    process = Process(start - 7200, 900)
    process.wait(7200)
    down = 0
    for after, seconds in restarts:
        process.wait(after)
        process.restart(seconds)
        down += seconds
    process.wait(3600)
    steps = process.steps()
    assert [(what, anchor) for _, what, anchor, _ in steps if anchor >= NOON - HALF_DAY][-3:] == [
        (Showing.FINAL, NOON - HALF_DAY),
        (Showing.ZERO, NOON),
        (Showing.PRESENT, NOON),
    ]
    for seconds_shown, what, *_ in steps[1:-1]:
        assert what is Showing.PRESENT or seconds_shown >= SHOWN - down


def test_a_process_that_begins_goes_by_the_clock_alone() -> None:
    def first(since: float) -> tuple[Showing, float, float, float]:
        period = windows.period(None, NOON + 900 + since, 1000.0, 900)
        return period.showing, period.anchor, period.end, period.until

    morning = NOON - HALF_DAY
    assert first(-1) == (Showing.PRESENT, morning, NOON - MARK, 0)
    assert first(0) == (Showing.FINAL, morning, NOON, 1150)
    assert first(149) == (Showing.FINAL, morning, NOON, 1001)
    assert first(150) == (Showing.ZERO, NOON, NOON, 1150)
    assert first(299) == (Showing.ZERO, NOON, NOON, 1001)
    assert first(300) == (Showing.PRESENT, NOON, NOON + MARK, 0)


def test_after_an_outage_of_a_day_each_period_within_reach_is_closed() -> None:
    process = Process(NOON + 3600, 900)
    process.wait(60)
    live(process, [("outage", 20 * 3600)])
    assert [(what, (anchor - NOON) / HALF_DAY) for _, what, anchor, _ in process.steps()] == [
        (Showing.PRESENT, 0),
        (Showing.FINAL, 0),
        (Showing.ZERO, 1),
        (Showing.PRESENT, 1),
    ]
    live(process, [("outage", 30 * 3600)])
    assert [(what, (anchor - NOON) / HALF_DAY) for _, what, anchor, _ in process.steps()[4:]] == [
        # Each time that what came next had to be given up.
        (Showing.ZERO, 2),
        (Showing.ZERO, 3),
        (Showing.FINAL, 3),
        (Showing.ZERO, 4),
        (Showing.PRESENT, 4),
    ]


def test_a_clock_put_back_while_zero_is_shown_does_not_keep_the_process_busy() -> None:
    zero = Period(NOON, NOON, Showing.ZERO, until=1000.0)
    now = NOON + 900 + MARK - 40
    assert windows.period(zero, now, 1001.0, 900) == zero
    assert windows.lasting(zero, now, 1001.0, 900) == 40
