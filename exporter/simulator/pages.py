"""Pages of an answer, and the tokens that lead from one to the next.

A token lives 5 minutes and wants the parameters it was issued for. The rows of a chain are taken once, when its first
page is asked for: one chain is one snapshot.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.simulator.errors import Refused

TOKEN_LIFE = 300.0
"""Seconds."""

Scope = tuple[object, ...]
"""What a token is bound to: account, region, operation."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A whole answer: `rows`, each through `show` with its index, become the list `key`; `rest` is on every page."""

    key: str
    rows: Sequence[Any]
    show: Callable[[int, Any], Any]
    rest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Next:
    scope: Scope
    params: Mapping[str, Any]
    listing: Listing
    offset: int
    expires: float


def _random_token() -> str:
    # Base64 with its +, / and =: a client that does not escape them fails here as it would at AWS.
    return base64.b64encode(os.urandom(48)).decode()


class Pages:
    """Tokens given out, with at most `most_rows` rows behind them: the oldest are forgotten, as if expired."""

    def __init__(
        self, clock: Callable[[], float], most_rows: int = 100_000, new_token: Callable[[], str] = _random_token
    ) -> None:
        self._clock = clock
        self._most_rows = most_rows
        self._new_token = new_token
        self._next: dict[str, _Next] = {}
        self._rows = 0
        self._lock = threading.Lock()

    def first(self, scope: Scope, params: Mapping[str, Any], listing: Listing, size: int) -> dict[str, Any]:
        return self._page(scope, params, listing, 0, size)

    def next(
        self, scope: Scope, params: Mapping[str, Any], size: int, refusal: Callable[[str], Refused]
    ) -> dict[str, Any]:
        """The page that the request's NextToken stands for; a refusal where the token is not good for this request."""
        with self._lock:
            issued = self._next.get(params["NextToken"])
        if issued is None or issued.expires <= self._clock():
            raise refusal("The NextToken is invalid or has expired.")
        if issued.scope != scope or issued.params != _without_token(params):
            raise refusal("The NextToken was issued for a request with other parameters.")
        return self._page(scope, params, issued.listing, issued.offset, size)

    def _page(
        self, scope: Scope, params: Mapping[str, Any], listing: Listing, offset: int, size: int
    ) -> dict[str, Any]:
        end = min(offset + size, len(listing.rows))
        page = {listing.key: [listing.show(index, listing.rows[index]) for index in range(offset, end)], **listing.rest}
        if end < len(listing.rows):
            page["NextToken"] = self._issue(scope, params, listing, end)
        return page

    def _issue(self, scope: Scope, params: Mapping[str, Any], listing: Listing, offset: int) -> str:
        now = self._clock()
        issued = _Next(scope, _without_token(params), listing, offset, now + TOKEN_LIFE)
        token = self._new_token()
        with self._lock:
            self._next[token] = issued
            self._rows += len(listing.rows)
            self._forget(now)
        return token

    def _forget(self, now: float) -> None:
        """Drops what expired, and the oldest while too many rows are held. Tokens stand in the order of issue."""
        while len(self._next) > 1:
            oldest = next(iter(self._next))
            if self._next[oldest].expires > now and self._rows <= self._most_rows:
                return
            self._rows -= len(self._next.pop(oldest).listing.rows)


def _without_token(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != "NextToken"}
