"""What a client asked for in Accept and Accept-Encoding (RFC 9110, 12.5): pure, and never an error.

An element that can not be read is left out, as if the client had not sent it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_QUALITY = re.compile(r"(?:0|1)(?:\.[0-9]*)?")
_TEXT_VERSION = "0.0.4"
_OPENMETRICS_VERSION = "1.0.0"


class Wish(NamedTuple):
    """One element of an Accept header: a media range or coding in lower case, its parameters, its quality (0 to 1)."""

    value: str
    parameters: Mapping[str, str]
    quality: float


def wishes(header: str) -> Iterator[Wish]:
    """The elements of an Accept or Accept-Encoding header in their order."""
    for element in header.split(","):
        value, *rest = (part.strip() for part in element.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): text.strip().strip('"') for key, _, text in pairs}
        quality = parameters.pop("q", "1")
        if value and _QUALITY.fullmatch(quality):
            yield Wish(value.lower(), parameters, min(float(quality), 1.0))


def wants_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics 1.0.0 is to be sent rather than text 0.0.4.

    Only to a client that names the format: a wildcard (curl, browsers) gets text, and so does one that
    nothing here would suit. Where both are liked equally, the one that has to be asked for wins.
    """
    openmetrics = 0.0
    # Of several ranges that cover text/plain the most specific one counts.
    text = (-1, 0.0)
    for wish in wishes(accept):
        version = wish.parameters.get("version")
        if wish.value == "application/openmetrics-text" and version in (None, _OPENMETRICS_VERSION):
            openmetrics = max(openmetrics, wish.quality)
        elif wish.value == "text/plain" and version in (None, _TEXT_VERSION):
            text = max(text, (2 if version is None else 3, wish.quality))
        elif wish.value in ("*/*", "text/*"):
            text = max(text, (("*/*", "text/*").index(wish.value), wish.quality))
    return openmetrics > 0 and openmetrics >= text[1]


def wants_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip, and likes it no less than the plain bytes. No header at all: plain bytes."""
    likes = {wish.value: wish.quality for wish in wishes(accept_encoding)}
    other = likes.get("*", 0.0)
    gzip = likes.get("gzip", likes.get("x-gzip", other))
    return gzip > 0 and gzip >= likes.get("identity", other)
