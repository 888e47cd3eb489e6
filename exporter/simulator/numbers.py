"""Arithmetic that comes out the same on every Python: one seed, one contact centre."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add


def added(values: Iterable[float]) -> float:
    """One after the other, rounded each time. `sum` makes up for the rounding of floats from Python 3.12 on."""
    return reduce(add, values, 0)
