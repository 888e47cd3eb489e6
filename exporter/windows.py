"""Time as GetMetricData wants it: intervals on 5-minute marks, days in a zone, the periods of the counters. Pure.

All moments are unix seconds. AWS's rules: start and end on 5-minute marks, start at most 24 h ago, less than 24 h
between them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

MARK = 300.0
DAY = 86400.0
HALF_DAY = DAY / 2
SKEW = 60.0
"""Seconds by which this machine's clock may differ from AWS's without a rule being broken."""
TURN = 60.0
"""Seconds that a request may wait for its turn before it reaches AWS."""
REACH = DAY - SKEW - TURN
"""How far back, in seconds, AWS surely still answers for."""
SHOWN = 150.0
"""Seconds that a period's last value, and the zero after it, stand on the page: more than one scrape sees them."""
TODAY = "today"


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` until before `end`."""

    start: float
    end: float


def floor(moment: float, step: float) -> float:
    return moment // step * step


def interval(window: str, length: float, now: float, zone: str) -> Interval | None:
    """The latest interval of a window that ends on a mark that has surely passed at AWS.

    `length` in seconds is that of every window but `today`, which begins at midnight in `zone`. None where it would be
    empty: in the minutes after midnight.
    """
    end = floor(now - SKEW, MARK)
    start = midnight(now, zone) if window == TODAY else end - length
    return Interval(start, end) if start < end else None


def midnight(now: float, zone: str) -> float:
    """When the day of `now` began in `zone`; where a change of clocks skips midnight, the first moment after it."""
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    return floor(local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp(), MARK)


def reachable(span: Interval, now: float) -> bool:
    """Whether AWS surely still answers for it: the last hour of a day of 25 hours can not have its first."""
    return span.start >= now - REACH and span.end - span.start < DAY


def next_mark(now: float, lag: float) -> float:
    """Seconds until `lag` after the next mark."""
    return floor(now - lag, MARK) + MARK + lag - now


class Showing(StrEnum):
    """What a counter shows: the sum so far; a period's last value; the zero after it."""

    PRESENT = "present"
    FINAL = "final"
    ZERO = "zero"


@dataclass(frozen=True, slots=True)
class Period:
    """Counting since `anchor`, a 12-hour mark in UTC, until before `end`; all but PRESENT for monotonic `until`."""

    anchor: float
    end: float
    showing: Showing
    until: float = 0.0


def period(before: Period | None, now: float, monotonic: float, settle: float) -> Period:
    """What the counters are to show next, after `before` was shown.

    Up to `settle` seconds ago every contact is complete; that is at least what clocks may differ by. When a period of
    12 hours is over, its last value is shown for 150 s, then 0 for 150 s, so that Prometheus misses neither the end of
    the old nor the reset. A process that has just begun (`before` is None) goes by the clock alone; one that could not
    read AWS meanwhile catches up.
    """
    settled = now - max(settle, SKEW)
    end = floor(settled, MARK)
    anchor = floor(end, HALF_DAY)
    if before is None:
        return _first(anchor, end, settled - anchor, monotonic)
    if before.showing is not Showing.PRESENT and (monotonic < before.until or end < before.anchor + MARK):
        return before
    if before.showing is Showing.FINAL:
        return _zero(before.anchor + HALF_DAY, monotonic)
    if before.anchor < anchor:
        return _close(before.anchor, now, monotonic)
    # A clock that was set back must not take back what was counted.
    return Period(before.anchor, max(end, before.end), Showing.PRESENT)


def _first(anchor: float, end: float, since_anchor: float, monotonic: float) -> Period:
    if end > anchor:
        return Period(anchor, end, Showing.PRESENT)
    if since_anchor < SHOWN:
        return Period(anchor - HALF_DAY, anchor, Showing.FINAL, monotonic + SHOWN - since_anchor)
    return Period(anchor, anchor, Showing.ZERO, monotonic + 2 * SHOWN - since_anchor)


def _close(anchor: float, now: float, monotonic: float) -> Period:
    """The last value of a period that is over; or, out of AWS's reach, a zero before the first that is within it."""
    oldest = -floor(REACH - now, HALF_DAY)
    if oldest > anchor:
        return _zero(oldest, monotonic)
    return Period(anchor, anchor + HALF_DAY, Showing.FINAL, monotonic + SHOWN)


def _zero(anchor: float, monotonic: float) -> Period:
    return Period(anchor, anchor, Showing.ZERO, monotonic + SHOWN)


def lasting(showing: Period, now: float, monotonic: float, settle: float) -> float:
    """Seconds for which a period is to be shown as it is."""
    settle = max(settle, SKEW)
    if showing.showing is Showing.PRESENT:
        return next_mark(now, settle % MARK)
    # A clock that was set back meanwhile: nothing new can be shown before it is past the first mark again.
    return max(showing.until - monotonic, showing.anchor + MARK + settle - now, 0.0)


def shown_since(showing: Period, seconds: float) -> Period:
    """The same, but on the page only `seconds` after it was decided: it stays there for as much longer."""
    return showing if showing.showing is Showing.PRESENT else replace(showing, until=showing.until + seconds)
