"""Basic authentication against bcrypt hashes: the dear check is made once, in a thread, and remembered.

Nobody learns from the time of an answer whether a user exists: each check takes the time of the dearest hash, and
what was refused once is refused from memory, whoever it was.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import bcrypt

from exporter.threads import Threads

_REMEMBERED = 1000
"""Results of each kind. Right ones are kept apart, so that no guessing pushes them out."""
_WAITING = 16
"""Checks in line; beyond these a client is told to come again."""
_BCRYPT_BYTES = 72
"""bcrypt looks at no more of a password; what hashed it did not either."""


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: bytes = field(repr=False)


class Busy(Exception):
    """More passwords to check than can be."""


def login_of(authorization: str) -> Login | None:
    """What a header `Authorization: Basic …` says (RFC 7617); None where it says nothing of the kind."""
    scheme, _, given = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(given.strip(), validate=True).partition(b":")
        return Login(user.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


class Passwords:
    """Whom to let in, and which logins were right or wrong a while ago. No password is kept, only its HMAC."""

    def __init__(self, users: Mapping[str, str], before: Passwords | None = None) -> None:
        """`users`: name to bcrypt hash, at least one. Whoever was right `before`, and has the same hash, still is."""
        self._hashes = {user: given.encode() for user, given in users.items()}
        self._dearest = max(map(_cost, self._hashes.values()))
        self._secret: bytes = before._secret if before else secrets.token_bytes(32)
        self._thread: Threads = before._thread if before else Threads(1, "passwords")
        self._right: OrderedDict[bytes, str] = OrderedDict()
        self._wrong: OrderedDict[bytes, str] = OrderedDict()
        if before:
            same = {user for user, given in self._hashes.items() if before._hashes.get(user) == given}
            self._right.update((mark, user) for mark, user in before._right.items() if user in same)
        self._waiting = 0
        self._one_at_a_time = asyncio.Lock()

    async def right(self, login: Login) -> bool:
        """Busy: it could not be said now. A right login that is remembered never waits."""
        mark = self._mark(login)
        known = self._remembered(mark)
        if known is not None:
            return known
        if self._waiting >= _WAITING:
            raise Busy
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                known = self._remembered(mark)
                if known is None:
                    known = await self._thread.run(self._check, login)
                    self._remember(mark, login.user, known)
        finally:
            self._waiting -= 1
        return known

    def _check(self, login: Login) -> bool:
        """Always as much work as one check of the dearest hash, 2^cost rounds."""
        password = login.password[:_BCRYPT_BYTES]
        given = self._hashes.get(login.user)
        if given is None:
            _burn(password, self._dearest)
            return False
        # A password with a zero byte is cut there by most programs that make hashes, and means another one here.
        matches = bcrypt.checkpw(password, given) and b"\0" not in login.password
        for cost in range(_cost(given), self._dearest):
            _burn(password, cost)
        return matches

    def _mark(self, login: Login) -> bytes:
        user = login.user.encode()
        return hmac.digest(self._secret, len(user).to_bytes(4, "big") + user + login.password, "sha256")

    def _remembered(self, mark: bytes) -> bool | None:
        for results, meaning in ((self._right, True), (self._wrong, False)):
            if mark in results:
                results.move_to_end(mark)
                return meaning
        return None

    def _remember(self, mark: bytes, user: str, right: bool) -> None:
        results = self._right if right else self._wrong
        results[mark] = user
        if len(results) > _REMEMBERED:
            results.popitem(last=False)


def _cost(given: bytes) -> int:
    return int(given[4:6])


def _burn(password: bytes, cost: int) -> None:
    """The work of a check with 2^cost rounds, for nothing."""
    bcrypt.hashpw(password, bcrypt.gensalt(cost))
