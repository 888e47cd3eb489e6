"""The real daemon behind TLS and a password, asked by curl and scraped by a real Prometheus."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from tests.e2e.daemon import EXPORTER
from tests.tools import Running, Scrape, free_port, need, prometheus, running, wait_for
from tests.unit.certificates import Authority, Pair, authority

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Site:
    """The daemon, and what a client needs."""

    program: Running
    address: str
    web: Path
    signer: Authority
    server: Pair
    client: Pair

    def curl(self, path: str, *arguments: str, certificate: bool = True, password: str | None = PASSWORD) -> list[str]:
        """Status and body; status 000 where no answer came."""
        argv = [need("curl"), "--silent", "--noproxy", "*", "--max-time", "10", "--write-out", "\\n%{http_code}"]
        argv += ["--cacert", str(self.signer.ca.cert)]
        if certificate:
            argv += ["--cert", str(self.client.cert), "--key", str(self.client.key)]
        if password is not None:
            argv += ["--user", f"prometheus:{password}"]
        done = subprocess.run(
            [*argv, *arguments, f"https://{self.address}{path}"], capture_output=True, check=False, timeout=20
        )
        body, _, code = done.stdout.decode().rpartition("\n")
        return [code, body]

    def scrape(self, **changed: Any) -> Scrape:
        """A job of Prometheus that has all it needs, but for what is changed."""
        more = {
            "scheme": "https",
            "basic_auth": {"username": "prometheus", "password": PASSWORD},
            "tls_config": {
                "ca_file": str(self.signer.ca.cert),
                "cert_file": str(self.client.cert),
                "key_file": str(self.client.key),
            },
            **changed,
        }
        return Scrape([self.address], more=more, job=str(len(changed)) + "".join(changed))


def written(web: Path, signer: Authority, server: Pair, password: str) -> None:
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()
    web.write_text(
        f"""
tls_server_config:
  cert_file: {server.cert}
  key_file: {server.key}
  client_ca_file: {signer.ca.cert}
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus.example]
http_server_config:
  http2: true
  headers: {{Strict-Transport-Security: max-age=31536000}}
basic_auth_users:
  prometheus: {hashed}
"""
    )


@contextmanager
def demo(directory: Path, arguments: Sequence[str | Path], environment: Mapping[str, str]) -> Iterator[Running]:
    given = [*EXPORTER, "demo", "--instances", "1", "--queues", "2", "--log-format", "logfmt", *arguments]
    with running(given, directory, env=environment) as program:
        yield program


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("secure")
    signer = authority(directory)
    server = signer.issue("server", "IP:127.0.0.1", "DNS:localhost")
    client = signer.issue("client", "DNS:prometheus.example", usage="clientAuth")
    web, address = directory / "web.yml", f"127.0.0.1:{free_port()}"
    written(web, signer, server, PASSWORD)
    with demo(directory, ["--listen-address", address, "--web-config-file", web], {}) as program:
        one = Site(program, address, web, signer, server, client)

        def ready() -> bool:
            assert program.process.poll() is None, program.output
            return one.curl("/-/ready", password=None)[0] == "200"

        wait_for(ready, "ready", timeout=60)
        yield one


def test_curl_with_certificate_and_password_gets_the_metrics(site: Site) -> None:
    code, body = site.curl("/metrics")
    assert code == "200"
    assert "amazon_connect_queue_contacts_in_queue{" in body
    assert "strict-transport-security: max-age=31536000" in site.curl("/metrics", "--head")[1].lower()


def test_curl_without_a_password_gets_the_probes_alone(site: Site) -> None:
    for path, code in {
        "/-/healthy": "200",
        "/-/ready": "200",
        "/metrics": "401",
        "/": "401",
        "/nowhere": "401",
    }.items():
        assert site.curl(path, password=None)[0] == code
    for path in ("/metrics", "/config", "/-/reload"):
        assert site.curl(path, password="wrong") == ["401", "user and password, please\n"]


def test_curl_without_a_certificate_or_without_tls_gets_nothing(site: Site) -> None:
    for path in ("/metrics", "/-/healthy"):
        assert site.curl(path, certificate=False) == ["000", ""]
    plain = subprocess.run(
        [need("curl"), "--silent", "--noproxy", "*", "--max-time", "10", f"http://{site.address}/metrics"],
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (plain.returncode != 0, plain.stdout) == (True, b"")


def test_prometheus_scrapes_it_and_a_wrong_password_is_down(site: Site, tmp_path: Path) -> None:
    right = site.scrape()
    wrong_password = site.scrape(basic_auth={"username": "prometheus", "password": "wrong"})
    no_certificate = site.scrape(tls_config={"ca_file": str(site.signer.ca.cert)})
    jobs = [right, wrong_password, no_certificate]
    with prometheus(tmp_path, *jobs) as server:
        up = wait_for(
            lambda: found if len(found := server.query("up")) == 3 and 1.0 in found.values() else None,
            "one target up of three",
            timeout=30,
        )
        assert up is not None
        assert {dict(labels)["job"]: value for labels, value in up.items()} == {
            right.job: 1.0,
            wrong_password.job: 0.0,
            no_certificate.job: 0.0,
        }
        errors = {target["labels"]["job"]: target["lastError"] for target in server.targets()}
        assert "401 Unauthorized" in errors[wrong_password.job]
        assert server.query('amazon_connect_exporter_collector_success{collector="current"} == 1')


def test_a_new_password_and_a_new_certificate_hold_without_a_restart(site: Site) -> None:
    try:
        again = site.signer.issue("again", "IP:127.0.0.1")
        site.server.cert.write_bytes(again.cert.read_bytes())
        site.server.key.write_bytes(again.key.read_bytes())
        written(site.web, site.signer, site.server, "another one")
        assert site.curl("/metrics")[0] == "401"
        assert site.curl("/metrics", password="another one")[0] == "200"
        shown = subprocess.run(
            [need("openssl"), "s_client", "-connect", site.address],
            input=b"",
            capture_output=True,
            check=False,
            timeout=20,
        )
        assert b"CN = again" in shown.stdout
    finally:
        written(site.web, site.signer, site.server, PASSWORD)
    assert site.curl("/metrics")[0] == "200"


def test_a_reload_looks_through_the_web_configuration_and_keeps_the_old_one(site: Site) -> None:
    good = site.web.read_text()
    try:
        site.web.write_text(good.replace("http2: true", "http3: true"))
        site.program.send(signal.SIGHUP)
        wait_for(lambda: "reload refused" in site.program.stderr, "the reload refused")
        assert "http_server_config.http3: unknown key" in site.program.stderr
        assert site.curl("/metrics")[0] == "200"
        assert site.curl("/metrics", password=None)[0] == "401"
    finally:
        site.web.write_text(good)
    site.program.send(signal.SIGHUP)
    wait_for(lambda: "configuration reloaded" in site.program.stderr, "the reload done")


def test_what_it_said_holds_no_secret_and_that_http2_is_not_spoken(site: Site) -> None:
    said = site.program.output
    assert said.count("http2 is not available") == 1
    assert f"https://{site.address}" in said
    assert "Traceback" not in said
    key = site.server.key.read_text().splitlines()[1]
    for secret in (PASSWORD, "$2b$", key):
        assert secret not in said
        assert secret not in site.curl("/config")[1]
        assert secret not in site.curl("/")[1]
