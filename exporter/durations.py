"""Durations as Prometheus writes them: `15s`, `5m`, `1h30m`, `1d`, `500ms`."""

from __future__ import annotations

import re

MILLISECONDS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
"""A year is 365 days, as in Prometheus."""

PATTERN = re.compile("".join(f"(?:([0-9]{{1,10}}){unit})?" for unit in MILLISECONDS))
HINT = "not a duration: write it as 15s, 5m or 1h30m"


def parse_duration(text: object) -> float:
    """Seconds. Units stand once each, the largest first; a number without a unit is refused, 0 too.

    Raises ValueError with a message for users.
    """
    match = PATTERN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or not any(match.groups()):
        raise ValueError(HINT)
    counts = (int(count or 0) for count in match.groups())
    return sum(count * size for count, size in zip(counts, MILLISECONDS.values(), strict=True)) / 1000


def format_duration(seconds: float) -> str:
    """The inverse, exact to a millisecond: 5400.0 is `1h30m`. Days are the largest unit, nobody reads weeks."""
    left = round(seconds * 1000)
    text = ""
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, MILLISECONDS[unit])
        text += f"{count}{unit}" if count else ""
    return text or "0s"
