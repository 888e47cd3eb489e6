"""What holds of counters on every page: judged by the sums that the simulator has served, period by period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from tests.chaos.centre import HALF_DAY, Centre, Key, Record
from tests.chaos.laws import INTERVALS, LATE, MAX_AGE, Broken, Scraped, ids_of, with_ids
from tests.e2e.daemon import Labels

SHOWN = 150.0
"""Seconds for which a period's last value is shown, and then 0."""
LONGEST_REST = 2 * SHOWN + INTERVALS["counters"] + MAX_AGE + LATE
"""Seconds after a whole period was last asked for in which a counter may be 0 for that: AWS may be gone meanwhile."""

Series = tuple[str, Labels]


@dataclass(slots=True)
class Shown:
    """What one process has shown so far."""

    counters: dict[Series, tuple[float, float]] = field(default_factory=dict)
    """Anchor and value."""
    ahead: bool = False
    """Its clock was ahead: the end of a period that it has seen may be hours away, and counters are 0 until then."""

    def forget(self, alias: str) -> None:
        """What becomes of an instance that is gone begins anew when it is back."""
        for series in [each for each in self.counters if ("instance_alias", alias) in each[1]]:
            del self.counters[series]


def counters_are_true(page: Scraped, centre: Centre, record: Record, shown: Shown) -> None:
    """Each is a sum that AWS has said of this period, is no less than AWS said lately, and has not fallen in it. It is
    0 where AWS lately said that there was nothing, and between two periods.
    """
    ids = ids_of(centre)
    since = page.begun - MAX_AGE - LATE
    for series, value in page.series.items():
        name, pairs = series
        if not (name.startswith("amazon_connect_queue_") and name.endswith("_total")):
            continue
        given = dict(pairs)
        instance = ids[given.pop("instance_alias")]
        keys = [(name, instance, chosen) for chosen in with_ids(instance, tuple(given.items()), record)]
        anchors = {anchor for key in keys for anchor in _reasons(key, value, since, record)}
        if value == 0:
            anchors.update(_rests(instance, page, record, shown))
        if not anchors:
            raise Broken(
                f"{name}{given} of {instance} is {value:g} at {page.begun:.0f}; AWS said {_said(keys, record)}"
            )
        _created(page, series, anchors)
        if len(keys) == 1:
            _has_not_fallen(series, value, anchors, shown)


def _reasons(key: Key, value: float, since: float, record: Record) -> Iterator[float]:
    """Anchors of the periods of which that may be the sum."""
    for sums in record.sums[key[1]]:
        if sums.when < since or key not in sums.asked:
            continue
        least = sums.values.get(key, 0.0)
        if value == least or (value > least and value in record.counted.get((key, sums.anchor), ())):
            yield sums.anchor


def _rests(instance: str, page: Scraped, record: Record, shown: Shown) -> Iterator[float]:
    """The anchor of the period that is about to begin: the one before was asked for as a whole, and nothing since."""
    latest = [sums for sums in record.sums[instance] if sums.when < page.begun - LATE or sums.whole][-1:]
    for sums in latest:
        if sums.whole and (shown.ahead or page.begun - sums.when < LONGEST_REST):
            yield sums.anchor + HALF_DAY


def _has_not_fallen(series: Series, value: float, anchors: set[float], shown: Shown) -> None:
    """A series that two queues had, one after the other, may: only those are asked about that have one queue."""
    anchor, before = shown.counters.get(series, (-inf, -inf))
    if anchor not in anchors or value < before:
        later = [each for each in anchors if each > anchor]
        if not later:
            raise Broken(f"{series[0]}{dict(series[1])} falls from {before:g} to {value:g} in one period")
        anchor = min(later)
    shown.counters[series] = (anchor, value)


def _created(page: Scraped, series: Series, anchors: set[float]) -> None:
    name, pairs = series
    created = page.series.get((name.removesuffix("_total") + "_created", pairs))
    if page.openmetrics and created not in anchors:
        raise Broken(f"{name}{dict(pairs)} was created at {created}, its period began at one of {sorted(anchors)}")


def _said(keys: list[Key], record: Record) -> str:
    found = [
        f"{sums.values.get(key, 0.0):g} at {sums.when:.0f}{' (whole)' * sums.whole}"
        for key in keys
        for sums in record.sums[key[1]]
        if key in sums.asked
    ]
    return ", ".join(found[-5:]) or "nothing"
