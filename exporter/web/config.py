"""The web configuration file: TLS, users and headers in the format of Prometheus's exporter-toolkit.

Format: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. Relative paths are
relative to the file. What the toolkit would take and Python can not do is a fault here, never passed over.
No message holds a password's hash, a key or a certificate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporter.config_faults import ConfigError, did_you_mean
from exporter.config_file import Tree, read_file

TLS = "tls_server_config"
CLIENT_AUTH = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
"""Go can ask for a certificate and not look at it. The last is an old name of the one before."""
VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")
CURVES = ("CurveP256", "CurveP384", "CurveP521", "X25519")
SUITES: Mapping[str, str] = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
"""Go's names of the suites up to TLS 1.2 that it calls secure, and OpenSSL's."""
SUITES_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""May be listed; as in Go, a list does not change what TLS 1.3 uses."""
HEADERS: Mapping[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""Those that may be set, and their values where only some are allowed."""

_TLS_KEYS = (
    "cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "client_auth_type", "client_allowed_sans",
    "min_version", "max_version", "cipher_suites", "prefer_server_cipher_suites", "curve_preferences",
)  # fmt: skip
_BLOCKS = (TLS, "http_server_config", "basic_auth_users", "rate_limit")
_HASH = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}")
_COSTS = range(4, 17)
"""A check of cost 16 takes some five seconds, as long as the whole program may take to stop."""
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_GO_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_GO_PART = re.compile(r"([0-9]{1,10}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(h|ms|us|µs|μs|ns|m|s)")
_GO_DURATION = re.compile(rf"(?:{_GO_PART.pattern})+")
"""As Go writes durations, not as Prometheus does: 0.5s and 1.5h, but no days."""
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_PEM_LIMIT = 4 << 20
"""Bytes; the certificates of all the world's public authorities take 250 kB."""

Stamp = tuple[int, ...]
"""Device, inode, size, times of change in ns (the latter last): other ones for a file that was changed or replaced."""
Fault = tuple[str, str]
"""The path of a key, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificates and keys are the PEM texts themselves, wherever they came from."""

    cert: bytes = field(repr=False)
    key: bytes = field(repr=False)
    client_ca: bytes | None = field(repr=False)
    client_auth: str
    allowed_sans: tuple[str, ...]
    min_version: str
    max_version: str
    suites: tuple[str, ...]
    server_order: bool
    curves: tuple[str, ...]
    names: Mapping[str, str]
    """`cert`, `key` and `client_ca` to the key that brought each: `cert` or `cert_file`."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    """A file's meaning. Two are equal where the file and all that it names say the same."""

    tls: TlsSettings | None = None
    http2_wanted: bool = False
    """Said in so many words; by default it is not missed."""
    headers: tuple[tuple[str, str], ...] = ()
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Name to bcrypt hash; none: everybody is let in."""
    rate: tuple[float, int] | None = None
    """Seconds between two requests, and how many may come at once."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found. With a fault `config` is not to be used, only to be searched for more; None: no file to read."""

    config: WebConfig | None
    faults: tuple[Fault, ...]
    stamps: Mapping[Path, Stamp | None]
    """Of the file and of all it names, taken before each was read; None: there is no such file."""


def read(path: Path) -> Reading:
    """Reads the file and what it names; all faults at once, none is raised."""
    return _Reader(path).read()


def stamp_of(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def lines(path: Path, faults: Iterable[Fault]) -> list[str]:
    """One for each fault: file, key, what is wrong."""
    return [f"{path}: {key}: {words}" if key else f"{path}: {words}" for key, words in faults]


def _sayable(name: str) -> str:
    """A key's name, unless it may be a hash or a piece of a key that slipped to the left of the colon."""
    return name if len(name) <= 64 and "$" not in name and "--" not in name else "(not shown)"


def _tree(path: Path) -> dict[str, Tree]:
    if path.exists() and not (path.is_file() or path.is_dir()):
        # A named pipe would hold up the loop.
        raise ConfigError([f"{path}: is not a file"])
    return read_file(path, f"{TLS}:")


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._faults: list[Fault] = []
        self._stamps: dict[Path, Stamp | None] = {}

    def read(self) -> Reading:
        self._stamps[self._path] = stamp_of(self._path)
        config = None
        try:
            tree = _tree(self._path)
        except ConfigError as error:
            # Each line begins with the file's name, which `lines` puts before it again.
            self._faults += [("", fault.removeprefix(f"{self._path}: ")) for fault in error.faults]
        else:
            config = self._config(self._known("", tree, _BLOCKS))
        return Reading(config, tuple(self._faults), self._stamps)

    def _config(self, tree: Mapping[str, Tree]) -> WebConfig:
        http = self._block(tree, "http_server_config", ("http2", "headers"))
        return WebConfig(
            tls=self._tls(self._block(tree, TLS, _TLS_KEYS)),
            http2_wanted=self._switch(http, "http_server_config.http2", default=False),
            headers=self._headers(http),
            users=self._users(tree),
            rate=self._rate(self._block(tree, "rate_limit", ("interval", "burst"))),
        )

    # tls_server_config

    def _tls(self, block: Mapping[str, Tree]) -> TlsSettings | None:
        if not any(value not in (None, "", [], {}) for value in block.values()):
            return None
        cert, key = self._pem(block, "cert"), self._pem(block, "key")
        for name, pem in (("cert", cert), ("key", key)):
            if pem is None and not any(block.get(given) for given in (name, f"{name}_file")):
                self._fault(f"{TLS}.{name}_file", f"is required where {TLS} stands: this, or {name}")
        auth, ca, sans = self._clients(block)
        low = self._choice(block, "min_version", VERSIONS, "TLS12")
        high = self._choice(block, "max_version", VERSIONS, "TLS13")
        if VERSIONS.index(low) > VERSIONS.index(high):
            self._fault(f"{TLS}.min_version", f"{low} is higher than max_version, {high}")
        if cert is None or key is None:
            return None
        return TlsSettings(
            cert=cert,
            key=key,
            client_ca=ca,
            client_auth=auth,
            allowed_sans=sans,
            min_version=low,
            max_version=high,
            suites=self._choices(block, "cipher_suites", (*SUITES, *SUITES_13)),
            server_order=self._switch(block, f"{TLS}.prefer_server_cipher_suites", default=True),
            curves=self._choices(block, "curve_preferences", CURVES),
            names={name: name if block.get(name) else f"{name}_file" for name in ("cert", "key", "client_ca")},
        )

    def _clients(self, block: Mapping[str, Tree]) -> tuple[str, bytes | None, tuple[str, ...]]:
        """client_auth_type, the authorities, the names that are let in."""
        auth = self._auth_type(block)
        ca = self._pem(block, "client_ca")
        asks = auth in ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
        ca_given = bool(block.get("client_ca") or block.get("client_ca_file"))
        if asks and not ca_given:
            self._fault(f"{TLS}.client_ca_file", f"is required by client_auth_type {auth}: this, or client_ca")
        if ca_given and auth == "NoClientCert":
            self._fault(f"{TLS}.client_auth_type", "is required where a client CA stands: RequireAndVerifyClientCert")
        sans = self._texts(block, "client_allowed_sans")
        if sans and auth in ("NoClientCert", "VerifyClientCertIfGiven"):
            self._fault(f"{TLS}.client_allowed_sans", "needs client_auth_type RequireAndVerifyClientCert")
        return auth, ca, sans

    def _auth_type(self, block: Mapping[str, Tree]) -> str:
        given = self._text(block, f"{TLS}.client_auth_type")
        if given in UNVERIFIED:
            words = "Python's TLS can not ask for a certificate without verifying it; use RequireAndVerifyClientCert"
            self._fault(f"{TLS}.client_auth_type", f"{given} is not available: {words}")
            return ""
        return self._choice(block, "client_auth_type", CLIENT_AUTH, "NoClientCert")

    def _pem(self, block: Mapping[str, Tree], name: str) -> bytes | None:
        inline = self._text(block, f"{TLS}.{name}")
        file = self._text(block, f"{TLS}.{name}_file")
        if inline and file:
            self._fault(f"{TLS}.{name}_file", f"stands beside {name}: give one of them")
            return None
        if inline:
            return inline.encode()
        return self._file(f"{TLS}.{name}_file", file) if file else None

    def _file(self, key: str, name: str) -> bytes | None:
        path = self._path.parent / name
        self._stamps[path] = stamp_of(path)
        try:
            # A named pipe or a device would hold up whoever reads it.
            if not path.is_file():
                self._fault(key, f"{path}: {'is not a file' if path.exists() else 'no such file'}")
                return None
            with path.open("rb") as file:
                data = file.read(_PEM_LIMIT + 1)
        except (OSError, ValueError) as error:
            self._fault(key, f"{path}: can not be read: {getattr(error, 'strerror', None) or error}")
            return None
        if len(data) > _PEM_LIMIT:
            self._fault(key, f"{path}: is larger than 4 MiB: not a PEM file")
            return None
        return data

    # the other blocks

    def _headers(self, http: Mapping[str, Tree]) -> tuple[tuple[str, str], ...]:
        block = self._block(http, "http_server_config.headers", tuple(HEADERS))
        found = []
        for name in block:
            key = f"http_server_config.headers.{name}"
            value = self._text(block, key)
            allowed = HEADERS[name]
            if value and allowed and value not in allowed:
                self._fault(key, f"must be {' or '.join(allowed)}")
            elif not _HEADER_VALUE.fullmatch(value):
                self._fault(key, "must be one line of ASCII text")
            elif value:
                found.append((name, value))
        return tuple(found)

    def _users(self, tree: Mapping[str, Tree]) -> dict[str, str]:
        users = self._mapping(tree, "basic_auth_users")
        for name in users:
            key = f"basic_auth_users.{_sayable(name)}"
            given = users[name]
            match = _HASH.fullmatch(given) if isinstance(given, str) else None
            if match is None:
                self._fault(key, 'must be a bcrypt hash, as `htpasswd -nBC 10 ""` prints it')
            elif int(match["cost"]) not in _COSTS:
                self._fault(key, f"cost must be from {_COSTS[0]} to {_COSTS[-1]}: with more a check takes too long")

            if ":" in name:
                self._fault(key, 'a user\'s name may hold no ":"')
        return {name: str(given) for name, given in users.items()}

    def _rate(self, block: Mapping[str, Tree]) -> tuple[float, int] | None:
        interval = self._text(block, "rate_limit.interval")
        burst = self._text(block, "rate_limit.burst")
        if interval in ("", "0"):
            return None
        seconds = sum(float(count) * _GO_UNITS[unit] for count, unit in _GO_PART.findall(interval))
        if _GO_DURATION.fullmatch(interval) is None:
            self._fault("rate_limit.interval", "not a duration: write it as 1s, 0.5s or 100ms")
        elif seconds == 0:
            return None
        if not burst.isascii() or not burst.isdigit() or not 0 < int(burst[:10]) < 1_000_000:
            self._fault("rate_limit.burst", "must be a whole number, 1 or more, where rate_limit.interval is set")
            return None
        return seconds, int(burst)

    # kinds of values

    def _fault(self, key: str, words: str) -> None:
        self._faults.append((key, words))

    def _known(self, at: str, block: Mapping[str, Tree], known: tuple[str, ...]) -> dict[str, Tree]:
        for name in (name for name in block if name not in known):
            hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
            self._fault(f"{at}.{_sayable(name)}" if at else _sayable(name), "unknown key" + hint)
        return {name: block[name] for name in known if name in block}

    def _mapping(self, parent: Mapping[str, Tree], at: str) -> dict[str, Tree]:
        given = parent.get(at.rpartition(".")[2])
        if isinstance(given, dict):
            return given
        if given not in (None, ""):
            self._fault(at, "must be a mapping: write its keys indented beneath it")
        return {}

    def _block(self, parent: Mapping[str, Tree], at: str, known: tuple[str, ...]) -> dict[str, Tree]:
        return self._known(at, self._mapping(parent, at), known)

    def _text(self, block: Mapping[str, Tree], at: str) -> str:
        """Empty where nothing stands there."""
        given = block.get(at.rpartition(".")[2])
        if given is None or isinstance(given, str):
            return given or ""
        self._fault(at, "must be a single text")
        return ""

    def _texts(self, block: Mapping[str, Tree], name: str) -> tuple[str, ...]:
        given = block.get(name)
        if given is None:
            return ()
        if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
            self._fault(f"{TLS}.{name}", "must be a list of texts: write [a, b], or one a line after a dash")
            return ()
        return tuple(str(one) for one in given)

    def _choice(self, block: Mapping[str, Tree], name: str, allowed: tuple[str, ...], default: str) -> str:
        given = self._text(block, f"{TLS}.{name}") or default
        return given if self._allowed(f"{TLS}.{name}", given, allowed) else default

    def _choices(self, block: Mapping[str, Tree], name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        given = self._texts(block, name)
        return tuple(one for i, one in enumerate(given) if self._allowed(f"{TLS}.{name}.{i}", one, allowed))

    def _allowed(self, at: str, given: str, allowed: tuple[str, ...]) -> bool:
        if given not in allowed:
            self._fault(at, f"must be one of {', '.join(allowed)}" + did_you_mean(given, allowed))
        return given in allowed

    def _switch(self, block: Mapping[str, Tree], at: str, default: bool) -> bool:
        given = self._text(block, at).lower()
        if given and given not in _BOOLEANS:
            self._fault(at, "must be true or false")
        return _BOOLEANS.get(given, default)
