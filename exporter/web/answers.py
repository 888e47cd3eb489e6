"""What every answer has in common, also those that no application makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporter.web.style import STYLE_HASH

Headers = list[tuple[bytes, bytes]]

_OURS = {
    "cache-control": "no-store",
    "content-security-policy": f"default-src 'none'; style-src '{STYLE_HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Security headers, in force where the web configuration file says nothing else."""


class Plain(NamedTuple):
    status: int
    headers: Headers
    body: bytes


def plain(status: int, words: str, **more: str) -> Plain:
    """A line of text. `more`: headers, `_` for a dash."""
    body = f"{words}\n".encode()
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), **more}
    return Plain(status, [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()], body)


def headers_with(configured: Mapping[str, str], own: Iterable[tuple[bytes, bytes]]) -> Headers:
    """An answer's own headers and those of every answer; what is configured stands over ours."""
    common = {**_OURS, **{name.lower(): value for name, value in configured.items()}}
    return [*own, *((name.encode(), value.encode()) for name, value in common.items())]


BAD_REQUEST = plain(400, "bad request", connection="close")
HAS_BODY = plain(400, "no request here takes a body", connection="close")
UNAUTHORIZED = plain(
    401, "user and password, please", www_authenticate='Basic realm="amazon-connect-exporter", charset="UTF-8"'
)
NOT_FOUND = plain(404, "not found")
TOO_MANY = plain(429, "too many requests", retry_after="1")
INTERNAL = plain(500, "internal error")
BUSY = plain(503, "busy", retry_after="1")
REFUSALS = {401: UNAUTHORIZED, 429: TOO_MANY, 503: BUSY}
