"""An HTTP request and response, as the simulated service sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

JSON = "application/json"
HTML = "text/html"
XML = "text/xml"

Ending = Literal["whole", "cut", "reset", "hang", "drip"]


@dataclass(frozen=True, slots=True)
class Message:
    """A request; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, `delay` seconds from now, and how much of it the caller gets to see."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    ending: Ending = "whole"
    pace: float = 0.0
    """Seconds between two bytes of a `drip`."""
