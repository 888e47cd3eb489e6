"""Two things measured in turns, A B A B …: this machine's speed drifts, a ratio of neighbours hardly does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

Measured = Callable[[], Sequence[float]]
"""One round: at least one number."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of the table: our rounds and the peer's, pairwise neighbours in time; `note` says what else is true."""

    what: str
    peer: str
    unit: str
    ours: tuple[Sequence[float], ...]
    theirs: tuple[Sequence[float], ...]
    quantile: float = 0.5
    note: str = ""

    def ratios(self) -> list[float]:
        """The peer's number divided by ours, round by round."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return [quantile(theirs, self.quantile) / quantile(ours, self.quantile) for ours, theirs in pairs]

    def cells(self) -> tuple[str, ...]:
        ratios = self.ratios()
        spread = f"{_short(min(ratios))}–{_short(max(ratios))}" if len(ratios) > 1 else "-"
        return (
            self.what,
            _shown(self.ours, self.quantile, self.unit),
            _shown(self.theirs, self.quantile, self.unit),
            _short(median(ratios)),
            spread,
            self.peer,
        )


HEAD = ("", "exporter", "peer", "ratio", "spread", "the peer")


def table(lines: Sequence[Comparison]) -> str:
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(shown)


def in_turns(
    ours: Measured, theirs: Measured, rounds: int, seconds: float
) -> tuple[tuple[Sequence[float], ...], tuple[Sequence[float], ...]]:
    """Up to `rounds` of each; no new round once `seconds` have passed. Each has been run once before it counts."""
    ours(), theirs()
    end = time.monotonic() + seconds
    first: list[Sequence[float]] = []
    second: list[Sequence[float]] = []
    while not first or (len(first) < rounds and time.monotonic() < end):
        first.append(ours())
        second.append(theirs())
    return tuple(first), tuple(second)


def timed(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> Measured:
    """A round that is one run of `work`, in milliseconds."""

    def once() -> Sequence[float]:
        begun = clock()
        work()
        return ((clock() - begun) * 1000,)

    return once


def quantile(numbers: Sequence[float], share: float) -> float:
    """The smallest number that at least this share of them does not exceed; the median where the share is a half."""
    if share == 0.5:
        return median(numbers)
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _shown(rounds: Sequence[Sequence[float]], share: float, unit: str) -> str:
    everything = [number for one in rounds for number in one]
    return f"{_short(quantile(everything, share))} {unit}"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}" if number < 10 else f"{number:.3g}"
