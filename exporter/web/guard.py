"""Who is let in, and how: the web configuration as it holds now, read again when a file of it changes."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from exporter.config_faults import ConfigError
from exporter.web.config import TLS, Fault, Reading, Stamp, WebConfig, lines, read, stamp_of
from exporter.web.passwords import Busy, Passwords, login_of
from exporter.web.tls import allowed, context_of

_FRESH = 2.0
"""Seconds. A file younger than this may change once more without its stamp changing: clocks of file systems tick."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


def check(path: str | None) -> None:
    """Raises ConfigError with every fault of the web configuration file; None: there is none."""
    if path is not None:
        Guard(path)


class Guard:
    """One for the whole process. All is asked on the event loop; a look at unchanged files takes microseconds.

    A file that was changed for the worse changes nothing: the old configuration stays in force, and one line a fault is
    logged. TLS is switched on and off by a restart only, so that nothing meant to be secret is ever served plain.
    """

    def __init__(self, path: str | None = None, clock: Callable[[], float] = time.time) -> None:
        """`path` None: plain HTTP, open to everybody. `clock`: unix seconds. Raises ConfigError."""
        self._path = None if path is None else Path(path)
        self._clock = clock
        self._config = WebConfig()
        self._context: ssl.SSLContext | None = None
        self._passwords: Passwords | None = None
        self._bucket: _Bucket | None = None
        self._stamps: Mapping[Path, Stamp | None] = {}
        self._told: tuple[Fault, ...] = ()
        if self._path is not None:
            faults = self._take(self._path, starting=True)
            if faults:
                raise ConfigError(lines(self._path, faults))

    @property
    def tls(self) -> bool:
        """Whether TLS is spoken. Never changes."""
        return self._context is not None

    def announce(self) -> None:
        """Log what a user who wrote the file should know, and could not see."""
        if self._config.http2_wanted:
            _log.warning("http2 is not available, HTTP/1.1 is spoken", file=str(self._path))

    def context(self) -> ssl.SSLContext | None:
        """For the next connection."""
        self._look()
        return self._context

    def knows(self, certificate: Mapping[str, object] | None) -> bool:
        """Whether a client with this certificate, verified already, is let in."""
        sans = self._config.tls.allowed_sans if self._config.tls else ()
        return not sans or allowed(certificate, sans)

    def headers(self) -> dict[str, str]:
        """To be set in every answer; names as in the file."""
        self._look()
        return dict(self._config.headers)

    async def refusal(self, authorizations: list[str]) -> int:
        """The status that a request with these Authorization headers is refused with: 401, 429, 503; or 0."""
        self._look()
        if self._bucket is not None and not self._bucket.take():
            return 429
        if self._passwords is None:
            return 0
        login = login_of(authorizations[0]) if len(authorizations) == 1 else None
        if login is None:
            return 401
        try:
            return 0 if await self._passwords.right(login) else 401
        except Busy:
            return 503

    def _look(self) -> None:
        """Read again what changed. Where nothing did, this costs a few calls of stat."""
        if self._path is None:
            return
        youngest = max((stamp[-1] for stamp in self._stamps.values() if stamp), default=0) / 1e9
        fresh = self._clock() - youngest < _FRESH
        if not fresh and all(stamp_of(path) == stamp for path, stamp in self._stamps.items()):
            return
        faults = tuple(self._take(self._path))
        if faults and faults != self._told:
            for line in lines(self._path, faults):
                _log.error("web configuration refused, the old one stays in force", fault=line)
        self._told = faults

    def _take(self, path: Path, starting: bool = False) -> list[Fault]:
        """Read, and only where all of it is good put it in force."""
        reading: Reading = read(path)
        self._stamps = reading.stamps
        config, faults = reading.config, list(reading.faults)
        if config is None or (config == self._config and not faults):
            return faults
        if not starting and not faults and (config.tls is None) != (self._config.tls is None):
            return [(TLS, "TLS is switched on or off by a restart only")]
        context = self._context
        if config.tls is not None and config.tls != self._config.tls:
            context, found = context_of(config.tls)
            faults += found
        if faults:
            return faults
        if config.users != self._config.users:
            self._passwords = Passwords(config.users, self._passwords) if config.users else None
        if config.rate != self._config.rate:
            self._bucket = _Bucket(*config.rate) if config.rate else None
        self._config, self._context = config, context
        if not starting:
            _log.info("web configuration read again", file=str(path))
        return []


class _Bucket:
    """A token bucket: `burst` at once, then one each `interval` seconds."""

    def __init__(self, interval: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._last = clock()

    def take(self) -> bool:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._last) / self._interval)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
