"""TLS against a real server: versions, suites, client certificates, and certificates that change while it runs."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.web import protocol
from exporter.web.app import build_app
from exporter.web.guard import Guard
from exporter.web.tls import allowed
from tests.tools import wait_for
from tests.unit.certificates import Authority, Pair, authority
from tests.unit.web_site import TEXT, FakeSite, Running, running

HOST = "localhost"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("servers"), "servers")


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("clients"), "clients")


@pytest.fixture(scope="module")
def pair(signer: Authority) -> Pair:
    return signer.issue("first", "DNS:localhost")


@pytest.fixture(scope="module")
def prometheus(clients: Authority) -> Pair:
    return clients.issue("prometheus", "DNS:prometheus.example", "IP:0:0:0:0:0:0:0:1", usage="clientAuth")


class Clock:
    """The guard's; far ahead of every file, so that none is young, until it is set back."""

    def __init__(self) -> None:
        self.now = time.time() + 3600

    def __call__(self) -> float:
        return self.now


@contextmanager
def serving(web: Path, text: str, clock: Callable[[], float] | None = None) -> Iterator[Running]:
    web.write_text(text)
    guard = Guard(str(web), clock or Clock())
    with running(build_app(FakeSite(), guard=guard), guard) as server:
        yield server


def config(pair: Pair, *more: str) -> str:
    return "\n  ".join(("tls_server_config:", f"cert_file: {pair.cert}", f"key_file: {pair.key}", *more)) + "\n"


def client(signer: Authority, own: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(signer.ca.cert))
    if own:
        context.load_cert_chain(*own.files)
    return context


def ask(port: int, context: ssl.SSLContext, path: str = "/metrics") -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection(HOST, port, timeout=10, context=context)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def handshake(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    with socket.create_connection((HOST, port), timeout=10) as sock:
        return context.wrap_socket(sock, server_hostname=HOST)


def presented(port: int, context: ssl.SSLContext) -> str:
    """The serial number of the server's certificate."""
    with handshake(port, context) as connection:
        found = connection.getpeercert()
        assert found
        return str(found["serialNumber"])


def test_metrics_are_served_over_tls_and_over_nothing_less(tmp_path: Path, signer: Authority, pair: Pair) -> None:
    with serving(tmp_path / "web.yml", config(pair)) as server:
        assert ask(server.port, client(signer)) == (200, TEXT)
        with handshake(server.port, client(signer)) as connection:
            assert connection.version() == "TLSv1.3"
        with socket.create_connection((HOST, server.port), timeout=10) as plain:
            plain.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = plain.recv(1000)
        assert not answer.startswith(b"HTTP")
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(server.port, ssl.create_default_context())


def test_a_client_that_can_do_only_old_versions_is_refused_unless_they_are_asked_for(
    tmp_path: Path, signer: Authority, pair: Pair
) -> None:
    old = client(signer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with serving(tmp_path / "web.yml", config(pair)) as server, pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(server.port, old)
    if not ssl.HAS_TLSv1_1:
        pytest.skip("needs an OpenSSL with TLS 1.1")
    with (
        serving(tmp_path / "web.yml", config(pair, "min_version: TLS10")) as server,
        handshake(server.port, old) as connection,
    ):
        assert connection.version() == "TLSv1.1"


def test_versions_are_kept_within_both_bounds(tmp_path: Path, signer: Authority, pair: Pair) -> None:
    with (
        serving(tmp_path / "web.yml", config(pair, "max_version: TLS12")) as server,
        handshake(server.port, client(signer)) as connection,
    ):
        assert connection.version() == "TLSv1.2"
    no_newer = client(signer)
    no_newer.maximum_version = ssl.TLSVersion.TLSv1_2
    for setting in ("min_version: TLS13", "cipher_suites: [TLS_AES_128_GCM_SHA256]"):
        with (
            serving(tmp_path / "web.yml", config(pair, setting)) as server,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):
            handshake(server.port, no_newer)


def test_the_suites_are_those_of_the_list_in_the_order_that_was_asked_for(
    tmp_path: Path, signer: Authority, pair: Pair
) -> None:
    small, large = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
    both = "[TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"
    likes_large = client(signer)
    likes_large.maximum_version = ssl.TLSVersion.TLSv1_2
    likes_large.set_ciphers(f"{large}:{small}")

    def chosen(*more: str) -> str:
        with (
            serving(tmp_path / "web.yml", config(pair, *more)) as server,
            handshake(server.port, likes_large) as connection,
        ):
            cipher = connection.cipher()
            assert cipher
            return cipher[0]

    assert chosen("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]") == small
    assert chosen(f"cipher_suites: {both}") == small
    assert chosen(f"cipher_suites: {both}", "prefer_server_cipher_suites: false") == large


def test_a_curve_that_the_client_does_not_have_is_not_used(tmp_path: Path, signer: Authority, pair: Pair) -> None:
    only = client(signer)
    only.set_ecdh_curve("secp384r1")
    with serving(tmp_path / "web.yml", config(pair, "curve_preferences: [CurveP384]")) as server:
        assert ask(server.port, only)[0] == 200
    with (
        serving(tmp_path / "web.yml", config(pair, "curve_preferences: [X25519]")) as server,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        handshake(server.port, only)


# Client certificates


def refused(port: int, context: ssl.SSLContext, path: str = "/metrics") -> bool:
    """Whether no answer came. In TLS 1.3 a client learns only afterwards that its certificate was not liked."""
    try:
        ask(port, context, path)
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return True
    return False


def mutual(clients: Authority, *more: str, kind: str = "RequireAndVerifyClientCert") -> tuple[str, ...]:
    return (f"client_ca_file: {clients.ca.cert}", f"client_auth_type: {kind}", *more)


def test_a_client_certificate_is_required_and_verified(
    tmp_path: Path, signer: Authority, clients: Authority, pair: Pair, prometheus: Pair
) -> None:
    expired = clients.issue("expired", usage="clientAuth", days=-1)
    for_servers = clients.issue("for-servers", usage="serverAuth")
    with serving(tmp_path / "web.yml", config(pair, *mutual(clients))) as server:
        assert ask(server.port, client(signer, prometheus)) == (200, TEXT)
        assert refused(server.port, client(signer))
        for other in (pair, expired, for_servers):
            assert refused(server.port, client(signer, other))
        # The handshake comes before any path: probes need a certificate too.
        assert refused(server.port, client(signer), "/-/healthy")


def test_a_client_certificate_may_be_left_out_but_not_be_a_wrong_one(
    tmp_path: Path, signer: Authority, clients: Authority, pair: Pair, prometheus: Pair
) -> None:
    text = config(pair, *mutual(clients, kind="VerifyClientCertIfGiven"))
    with serving(tmp_path / "web.yml", text) as server:
        assert ask(server.port, client(signer, prometheus)) == (200, TEXT)
        assert ask(server.port, client(signer)) == (200, TEXT)
        assert refused(server.port, client(signer, pair))


@pytest.mark.parametrize("name", ["prometheus.example", "::1"])
def test_a_client_with_an_allowed_name_is_let_in(
    name: str, tmp_path: Path, signer: Authority, clients: Authority, pair: Pair, prometheus: Pair
) -> None:
    text = config(pair, *mutual(clients, f'client_allowed_sans: [somebody.example, "{name}"]'))
    with serving(tmp_path / "web.yml", text) as server:
        assert ask(server.port, client(signer, prometheus)) == (200, TEXT)


def test_a_client_with_a_good_certificate_and_no_allowed_name_gets_nothing(
    tmp_path: Path, signer: Authority, clients: Authority, pair: Pair, prometheus: Pair
) -> None:
    nameless = clients.issue("nameless", usage="clientAuth")
    text = config(pair, *mutual(clients, "client_allowed_sans: [other.example, example, prometheus]"))
    with serving(tmp_path / "web.yml", text) as server:
        for own in (prometheus, nameless):
            assert refused(server.port, client(signer, own))
        for sans in ("DNS:other.example", "URI:other.example", "email:a@b.example,DNS:x,DNS:other.example"):
            own = clients.issue("allowed", sans, usage="clientAuth")
            assert ask(server.port, client(signer, own))[0] == 200


def test_only_whole_alternative_names_count() -> None:
    certificate = {"subject": ((("commonName", "a.example"),),), "subjectAltName": (("DNS", "b.a.example"),)}
    assert allowed(certificate, ["b.a.example"])
    for name in ("a.example", "*.a.example", "B.A.EXAMPLE.", ""):
        assert not allowed(certificate, [name])
    assert not allowed(None, ["a"])
    assert not allowed({}, ["a"])


# What changes while it runs


def replace_with(source: Pair, target: Pair) -> None:
    """As a careful writer does: each file as a whole."""
    for new, old in zip(source.files, target.files, strict=True):
        fresh = Path(old + ".new")
        fresh.write_bytes(Path(new).read_bytes())
        fresh.replace(old)


def copied(pair: Pair, directory: Path) -> Pair:
    copy = Pair(directory / "tls.crt", directory / "tls.key")
    replace_with(pair, copy)
    return copy


def test_a_new_handshake_sees_the_new_certificate_and_old_connections_go_on(
    tmp_path: Path, signer: Authority, pair: Pair
) -> None:
    used, second = copied(pair, tmp_path), signer.issue("second", "DNS:localhost")
    with serving(tmp_path / "web.yml", config(used)) as server:
        first = presented(server.port, client(signer))
        kept = http.client.HTTPSConnection(HOST, server.port, timeout=10, context=client(signer))
        kept.request("GET", "/metrics")
        assert kept.getresponse().read() == TEXT
        replace_with(second, used)
        assert presented(server.port, client(signer)) != first
        kept.request("GET", "/metrics")
        assert kept.getresponse().read() == TEXT
        kept.close()


def test_a_certificate_that_was_exchanged_as_kubernetes_does_is_seen(
    tmp_path: Path, signer: Authority, pair: Pair
) -> None:
    second = signer.issue("third", "DNS:localhost")
    for name, source in (("..1", pair), ("..2", second)):
        (tmp_path / name).mkdir()
        copied(source, tmp_path / name)
    (tmp_path / "..data").symlink_to("..1")
    mounted = Pair(tmp_path / "tls.crt", tmp_path / "tls.key")
    for path in (mounted.cert, mounted.key):
        path.symlink_to(f"..data/{path.name}")
    with serving(tmp_path / "web.yml", config(mounted)) as server:
        first = presented(server.port, client(signer))
        (tmp_path / "..tmp").symlink_to("..2")
        (tmp_path / "..tmp").replace(tmp_path / "..data")
        assert presented(server.port, client(signer)) != first


def test_a_file_that_changes_twice_within_a_tick_of_the_clock_is_still_seen(
    tmp_path: Path, signer: Authority, pair: Pair
) -> None:
    used, second = copied(pair, tmp_path), signer.issue("fourth", "DNS:localhost")
    stamps: dict[Path, object] = {}
    with pytest.MonkeyPatch.context() as changed:
        # A clock of the file system that stands still: no stamp ever differs.
        for module in ("exporter.web.config", "exporter.web.guard"):
            changed.setattr(f"{module}.stamp_of", lambda path: stamps.setdefault(path, (0, 0, 0, 0, 1_000_000_000)))
        with serving(tmp_path / "web.yml", config(used), lambda: 2.5) as server:
            first = presented(server.port, client(signer))
            replace_with(second, used)
            assert presented(server.port, client(signer)) != first


def test_a_broken_new_certificate_leaves_the_old_one_in_force_and_is_logged_once(
    tmp_path: Path, signer: Authority, pair: Pair
) -> None:
    used, second = copied(pair, tmp_path), signer.issue("fifth", "DNS:localhost")
    with serving(tmp_path / "web.yml", config(used)) as server:
        first = presented(server.port, client(signer))
        with capture_logs() as logs:
            # Half of a change: the new certificate with the old key.
            used.cert.write_bytes(second.cert.read_bytes())
            for _ in range(3):
                assert presented(server.port, client(signer)) == first
            used.cert.unlink()
            for _ in range(3):
                assert presented(server.port, client(signer)) == first
            replace_with(second, used)
            assert presented(server.port, client(signer)) != first
        assert [(line["log_level"], line["event"]) for line in logs] == [
            ("error", "web configuration refused, the old one stays in force"),
            ("error", "web configuration refused, the old one stays in force"),
            ("info", "web configuration read again"),
        ]
        assert logs[0]["fault"].endswith("key_file: does not belong to the certificate in cert_file")


def test_tls_can_neither_be_switched_off_nor_on_while_running(tmp_path: Path, signer: Authority, pair: Pair) -> None:
    web = tmp_path / "web.yml"
    with serving(web, config(pair)) as server:
        for text in ("", "{}", "tls_server_config: {}", "tls_server_config: [", "basic_auth_users: {}"):
            web.write_text(text)
            assert ask(server.port, client(signer)) == (200, TEXT)
        web.unlink()
        assert ask(server.port, client(signer)) == (200, TEXT)
        with socket.create_connection((HOST, server.port), timeout=10) as plain:
            plain.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not plain.recv(1000).startswith(b"HTTP")
    with serving(web, "") as server, capture_logs() as logs:
        web.write_text(config(pair))
        assert server.ask("/metrics").status == 200
        assert logs[0]["fault"] == f"{web}: tls_server_config: TLS is switched on or off by a restart only"


def test_another_client_authority_holds_for_the_next_connection(
    tmp_path: Path, signer: Authority, clients: Authority, pair: Pair, prometheus: Pair
) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_bytes(clients.ca.cert.read_bytes())
    text = config(pair, f"client_ca_file: {ca}", "client_auth_type: RequireAndVerifyClientCert")
    with serving(tmp_path / "web.yml", text) as server:
        context = client(signer, prometheus)
        assert ask(server.port, context)[0] == 200
        ca.write_bytes(signer.ca.cert.read_bytes())
        assert refused(server.port, context)


def test_requests_go_on_while_certificates_change_all_the_time(tmp_path: Path, signer: Authority, pair: Pair) -> None:
    used, others = copied(pair, tmp_path), [pair, signer.issue("sixth", "DNS:localhost")]
    stop = threading.Event()

    def change() -> None:
        for turn in range(1_000_000):
            if stop.is_set():
                return
            replace_with(others[turn % 2], used)

    with serving(tmp_path / "web.yml", config(used)) as server, capture_logs():
        changing = threading.Thread(target=change)
        changing.start()
        try:
            for _ in range(40):
                assert ask(server.port, client(signer)) == (200, TEXT)
        finally:
            stop.set()
            changing.join(10)


# Clients that do not keep to it


def test_a_client_that_never_finishes_its_handshake_is_cut_off_and_holds_up_nobody(
    tmp_path: Path, signer: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_HANDSHAKE", 0.5)
    with serving(tmp_path / "web.yml", config(pair)) as server:
        silent = socket.create_connection((HOST, server.port), timeout=5)
        silent.sendall(b"\x16\x03\x01")
        assert ask(server.port, client(signer))[0] == 200
        assert silent.recv(1) == b""
        silent.close()


def test_stopping_waits_for_no_handshake_and_for_no_idle_connection(
    tmp_path: Path, signer: Authority, pair: Pair
) -> None:
    with serving(tmp_path / "web.yml", config(pair)) as server:
        silent = socket.create_connection((HOST, server.port), timeout=5)
        idle = handshake(server.port, client(signer))
        begun = time.monotonic()
        server.stop()
        server.thread.join(6)
        assert not server.thread.is_alive()
        assert time.monotonic() - begun < 2.5
        silent.close()
        idle.close()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_handshakes_that_fail_fill_no_log_and_leave_nothing_open(
    tmp_path: Path, signer: Authority, clients: Authority, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path / "web.yml", config(pair, *mutual(clients))) as server:
        before = open_files()
        for _ in range(20):
            assert refused(server.port, client(signer))
            with socket.create_connection((HOST, server.port), timeout=5) as junk:
                # TLS or SSL of any version would begin with another byte, and with a length to wait for.
                junk.sendall(bytes(1) + os.urandom(299))
                junk.settimeout(5)
                while junk.recv(1000):
                    pass
        wait_for(lambda: open_files() <= before, "every connection closed")
    assert [record.getMessage() for record in caplog.records] == []
