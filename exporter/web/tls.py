"""From TLS settings to Python's ssl, and the names in a client's certificate."""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from exporter.web.config import SUITES, TLS, Fault, TlsSettings

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_OLD = ("TLS10", "TLS11")
_CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_MODES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


def context_of(settings: TlsSettings) -> tuple[ssl.SSLContext | None, list[Fault]]:
    """A context for servers, and none where there is a fault."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    faults = [
        *_certificate(context, settings),
        *_clients(context, settings),
        *_versions(context, settings),
        *_suites(context, settings),
        *_curves(context, settings),
    ]
    return (None if faults else context), faults


def allowed(certificate: Mapping[str, Any] | None, sans: Iterable[str]) -> bool:
    """Whether a client's certificate, as `getpeercert()` gives it, holds one of these alternative names."""
    wanted = {_normal(name) for name in sans}
    names = (certificate or {}).get("subjectAltName", ())
    kinds = ("DNS", "email", "IP Address", "URI")
    return any(kind in kinds and _normal(name) in wanted for kind, name in names)


def _normal(name: str) -> str:
    """An IP address in its short form, as Go writes it; anything else as it is."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _certificate(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[Fault]:
    cert, key = (f"{TLS}.{settings.names[name]}" for name in ("cert", "key"))
    if b"-----BEGIN CERTIFICATE-----" not in settings.cert:
        yield cert, "holds no certificate in PEM format"
        return
    asked = False

    def no_password() -> str:
        nonlocal asked
        asked = True
        return ""

    try:
        with _file(settings.cert) as cert_path, _file(settings.key) as key_path:
            context.load_cert_chain(cert_path, key_path, no_password)
    except ssl.SSLError as error:
        if asked:
            yield key, "is protected by a passphrase, and nobody is there to type it"
        elif error.reason == "KEY_VALUES_MISMATCH":
            yield key, f"does not belong to the certificate in {settings.names['cert']}"
        elif b"PRIVATE KEY-----" not in settings.key:
            yield key, "holds no private key in PEM format"
        else:
            yield cert, f"certificate and key can not be used: {_words(error)}"
    except (OSError, ValueError) as error:
        yield cert, f"certificate and key can not be used: {_words(error)}"


def _clients(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[Fault]:
    if settings.client_ca is not None:
        key = f"{TLS}.{settings.names['client_ca']}"
        try:
            with _file(settings.client_ca) as path:
                context.load_verify_locations(path)
        except (OSError, ValueError):
            yield key, "holds no certificate in PEM format, or a broken one"
        # What the file names is trusted itself, be it a root or not.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = _MODES.get(settings.client_auth, ssl.CERT_REQUIRED)


def _versions(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[Fault]:
    with warnings.catch_warnings():
        # Python thinks ill of old versions; so do we, but who asks for one has it.
        warnings.simplefilter("ignore", DeprecationWarning)
        for key, name in (("min_version", settings.min_version), ("max_version", settings.max_version)):
            if name in _OLD and not (ssl.HAS_TLSv1 if name == "TLS10" else ssl.HAS_TLSv1_1):
                yield f"{TLS}.{key}", f"{name} is not available: the OpenSSL of this Python was built without it"
        lowest, highest = _VERSIONS[settings.min_version], _VERSIONS[settings.max_version]
        if lowest <= highest:  # else it was said already
            context.minimum_version, context.maximum_version = lowest, highest


def _suites(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[Fault]:
    if not settings.server_order:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    # OpenSSL signs nothing for TLS 1.0 and 1.1 on a higher level.
    level = ":@SECLEVEL=0" if settings.min_version in _OLD else ""
    wanted = [SUITES[name] for name in settings.suites if name in SUITES]
    if settings.suites and not wanted:
        # Those of TLS 1.3 alone: then nothing older is spoken.
        if settings.max_version != "TLS13":
            yield f"{TLS}.cipher_suites", f"holds suites of TLS 1.3 only, and max_version is {settings.max_version}"
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        return
    if not wanted and not level:
        return
    try:
        context.set_ciphers((":".join(wanted) or "DEFAULT") + level)
    except ssl.SSLError as error:
        yield f"{TLS}.cipher_suites", f"can not be used: {_words(error)}"
        return
    # OpenSSL leaves out what it does not know as long as it knows one.
    known = {suite["name"] for suite in context.get_ciphers()}
    for name in settings.suites:
        if name in SUITES and SUITES[name] not in known:
            yield f"{TLS}.cipher_suites", f"{name} is not available in the OpenSSL of this Python"


def _curves(context: ssl.SSLContext, settings: TlsSettings) -> Iterator[Fault]:
    names = [_CURVES[curve] for curve in settings.curves]
    # From Python 3.15 on.
    set_groups = getattr(context, "set_groups", None)
    try:
        if set_groups is not None and names:
            set_groups(":".join(names))
        elif len(names) > 1:
            yield f"{TLS}.curve_preferences", "this version of Python takes one curve only: name one, or leave it out"
        elif names:
            context.set_ecdh_curve(names[0])
    except (ssl.SSLError, ValueError) as error:
        yield f"{TLS}.curve_preferences", f"can not be used: {_words(error)}"


def _words(error: Exception) -> str:
    """What OpenSSL calls the fault, without where in its sources it stands."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    return str(reason).replace("_", " ").lower()


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """The path of a file with this content for as long as the block runs: Python's ssl takes keys from files only.

    In memory where the system can (Linux): a key given inline never touches a disk, and none needs to be writable.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile() as named:
        named.write(content)
        named.flush()
        yield named.name
