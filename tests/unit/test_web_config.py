"""The web configuration file: what is taken, and what is said of what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exporter import cli
from exporter.config_faults import ConfigError
from exporter.web.config import SUITES, SUITES_13, WebConfig, read
from exporter.web.guard import Guard
from tests.unit.certificates import Authority, Pair, authority, openssl

HASH = "$2y$04$mPF7ImQC7rpTNCoGwGz04ONaFX.eltVNBrFRrNIpyWpTYyPCbMSWy"
HASH_OF = "correct horse"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(signer: Authority) -> Pair:
    return signer.issue("server", "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture
def web(tmp_path: Path) -> Path:
    return tmp_path / "web.yml"


def faults(path: Path, text: str) -> list[str]:
    """What is said of such a file, without its name."""
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        Guard(str(path))
    assert all(fault.startswith(f"{path}: ") for fault in error.value.faults)
    return [fault.removeprefix(f"{path}: ") for fault in error.value.faults]


def taken(path: Path, text: str) -> WebConfig:
    path.write_text(text)
    Guard(str(path))
    config = read(path).config
    assert config is not None
    return config


def tls(server: Pair, *more: str) -> str:
    return "\n  ".join(
        ("tls_server_config:", f"cert_file: {server.cert}", f"key_file: {server.key}", *more)
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "{}\n", "# nothing yet\n", "tls_server_config:\nbasic_auth_users: {}\n"])
def test_an_empty_file_means_plain_http_for_everybody(web: Path, text: str) -> None:
    assert taken(web, text) == WebConfig()
    assert not Guard(str(web)).tls


def test_a_whole_file_is_taken(web: Path, signer: Authority, server: Pair) -> None:
    config = taken(
        web,
        f"""
{tls(server)}
  client_ca_file: {signer.ca.cert}
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus.example, 10.0.0.1]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
http_server_config:
  http2: true
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: sameorigin
    X-Content-Type-Options: nosniff
    X-XSS-Protection: ""
basic_auth_users:
  alice: {HASH}
  bob: {HASH.replace("$2y$", "$2a$")}
rate_limit:
  interval: 1s
  burst: 20
""",
    )
    assert config.tls is not None
    assert config.tls.allowed_sans == ("prometheus.example", "10.0.0.1")
    assert not config.tls.server_order
    assert dict(config.headers) == {
        "Strict-Transport-Security": "max-age=31536000",
        "X-Frame-Options": "sameorigin",
        "X-Content-Type-Options": "nosniff",
    }
    assert set(config.users) == {"alice", "bob"}
    assert config.rate == (1.0, 20)
    assert config.http2_wanted


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, server: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    for directory in (there, elsewhere):
        directory.mkdir()
    for source, name in ((server.cert, "tls.crt"), (server.key, "tls.key")):
        (there / name).write_bytes(source.read_bytes())
    (there / "web.yml").write_text("tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")
    monkeypatch.chdir(elsewhere)
    assert Guard(str(there / "web.yml")).tls
    assert Guard("../there/web.yml").tls


def test_certificate_key_and_authority_may_stand_in_the_file_itself(
    web: Path, signer: Authority, server: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inline(path: Path) -> str:
        return "|\n    " + path.read_text().replace("\n", "\n    ")

    text = f"""tls_server_config:
  cert: {inline(server.cert)}
  key: {inline(server.key)}
  client_ca: {inline(signer.ca.cert)}
  client_auth_type: RequireAndVerifyClientCert
"""
    taken(web, text)
    # Where the system has no files in memory.
    monkeypatch.delattr(os, "memfd_create", raising=False)
    taken(web, text)


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("1s", 1.0), ("0.5s", 0.5), ("100ms", 0.1), ("1h2m3.5s", 3723.5), (".5m", 30.0), ("250us", 0.00025), ("1.s", 1.0)],
)
def test_a_rate_is_written_as_go_writes_durations(web: Path, interval: str, seconds: float) -> None:
    assert taken(web, f"rate_limit: {{interval: {interval}, burst: 3}}").rate == pytest.approx((seconds, 3))


def test_no_time_between_requests_is_no_limit(web: Path) -> None:
    for interval in ("0", "0s", "0.0s", ""):
        assert taken(web, f"rate_limit: {{interval: '{interval}', burst: 3}}") == WebConfig()


def test_a_named_pipe_is_refused_and_not_waited_for(web: Path) -> None:
    os.mkfifo(web)
    with pytest.raises(ConfigError, match="is not a file"):
        Guard(str(web))


def test_every_cipher_suite_that_go_calls_secure_is_known(web: Path, server: Pair) -> None:
    for suite in SUITES:
        taken(web, tls(server, f"cipher_suites: [{suite}]"))
    taken(web, tls(server, f"cipher_suites: [{', '.join((*SUITES, *SUITES_13))}]"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tls_server_confg: {}", 'tls_server_confg: unknown key; did you mean "tls_server_config"?'),
        ("x: 1", "x: unknown key; known: tls_server_config, http_server_config, basic_auth_users, rate_limit"),
        ("- a", "must be a mapping: `tls_server_config:` and other keys, each with its value"),
        ("tls_server_config: yes", "tls_server_config: must be a mapping: write its keys indented beneath it"),
        ("basic_auth_users: [alice]", "basic_auth_users: must be a mapping: write its keys indented beneath it"),
        ("a: [", "line 2, column 1: not YAML: ends within a bracket that is never closed"),
        ("rate_limit: {}\nrate_limit: {}", 'line 2, column 1: the key "rate_limit" stands here twice'),
        ("http_server_config: {http2: maybe}", "http_server_config.http2: must be true or false"),
        ("http_server_config: {headers: {Server: x}}", "http_server_config.headers.Server: unknown key"),
        (
            "http_server_config: {headers: {X-Frame-Options: DENY}}",
            "http_server_config.headers.X-Frame-Options: must be deny or sameorigin",
        ),
        (
            'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nSet-Cookie: b"}}',
            "http_server_config.headers.Content-Security-Policy: must be one line of ASCII text",
        ),
        ("basic_auth_users: {alice: secret}", "basic_auth_users.alice: must be a bcrypt hash, as `htpasswd"),
        ("basic_auth_users: {alice: }", "basic_auth_users.alice: must be a bcrypt hash, as `htpasswd"),
        (f"basic_auth_users: {{alice: {HASH.replace('$04$', '$20$')}}}", "basic_auth_users.alice: cost must be from 4"),
        (f'basic_auth_users: {{"a:b": {HASH}}}', 'basic_auth_users.a:b: a user\'s name may hold no ":"'),
        (
            "rate_limit: {interval: soon, burst: 1}",
            "rate_limit.interval: not a duration: write it as 1s, 0.5s or 100ms",
        ),
        (
            "rate_limit: {interval: 1s}",
            "rate_limit.burst: must be a whole number, 1 or more, where rate_limit.interval",
        ),
    ],
)
def test_a_fault_is_one_line_that_names_the_key(web: Path, text: str, wanted: str) -> None:
    (line,) = faults(web, text + "\n")
    assert line.startswith(wanted)


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ("min_version: SSL30", "min_version: must be one of TLS10, TLS11, TLS12, TLS13"),
        ("min_version: TLS13\n  max_version: TLS12", "min_version: TLS13 is higher than max_version, TLS12"),
        ("cert: x", "cert_file: stands beside cert: give one of them"),
        ("client_auth_type: Required", "client_auth_type: must be one of NoClientCert, VerifyClientCertIfGiven, "),
        ("client_auth_type: RequireAnyClientCert", "client_auth_type: RequireAnyClientCert is not available: "),
        ("client_auth_type: RequestClientCert", "client_auth_type: RequestClientCert is not available: "),
        (
            "client_auth_type: RequireAndVerifyClientCert",
            "client_ca_file: is required by client_auth_type RequireAndVerifyClientCert: this, or client_ca",
        ),
        (
            "client_ca_file: {ca}",
            "client_auth_type: is required where a client CA stands: RequireAndVerifyClientCert",
        ),
        (
            "client_ca_file: {ca}\n  client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [a]",
            "client_allowed_sans: needs client_auth_type RequireAndVerifyClientCert",
        ),
        ("client_allowed_sans: a", "client_allowed_sans: must be a list of texts: write [a, b], or one a line after"),
        (
            "client_ca_file: {key}\n  client_auth_type: RequireAndVerifyClientCert",
            "client_ca_file: holds no certificate in PEM format, or a broken one",
        ),
        ("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", "cipher_suites.0: must be one of TLS_ECDHE_ECDSA_WITH_"),
        (
            "cipher_suites: [TLS_AES_128_GCM_SHA256]\n  max_version: TLS12",
            "cipher_suites: holds suites of TLS 1.3 only, and max_version is TLS12",
        ),
        ("curve_preferences: [P256]", "curve_preferences.0: must be one of CurveP256, CurveP384, CurveP521, X25519"),
    ],
)  # fmt: skip
def test_a_fault_of_tls_is_one_line_that_names_the_key(
    web: Path, signer: Authority, server: Pair, more: str, wanted: str
) -> None:
    (line,) = faults(web, tls(server, more.format(ca=signer.ca.cert, key=server.key)) + "\n")
    assert line.startswith(f"tls_server_config.{wanted}")


def test_what_this_python_can_not_do_is_said_and_not_passed_over(web: Path, server: Pair) -> None:
    import ssl

    text = tls(server, "curve_preferences: [X25519, CurveP256]")
    if hasattr(ssl.SSLContext, "set_groups"):
        taken(web, text)
    else:
        (line,) = faults(web, text)
        assert line == (
            "tls_server_config.curve_preferences: "
            "this version of Python takes one curve only: name one, or leave it out"
        )


def test_certificate_and_key_have_to_be_there_and_to_belong_together(
    web: Path, signer: Authority, server: Pair, tmp_path: Path
) -> None:
    other = signer.issue("other", "DNS:localhost")
    locked = tmp_path / "locked.key"
    openssl("pkey", "-in", server.key, "-aes256", "-passout", "pass:open sesame", "-out", locked)
    junk = tmp_path / "junk.pem"
    junk.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    def said(cert: Path, key: Path) -> list[str]:
        return faults(web, f"tls_server_config: {{cert_file: {cert}, key_file: {key}}}\n")

    begin = "tls_server_config."
    assert said(server.cert, tmp_path / "none") == [f"{begin}key_file: {tmp_path / 'none'}: no such file"]
    assert said(tmp_path, server.key) == [f"{begin}cert_file: {tmp_path}: is not a file"]
    assert said(server.cert, other.key) == [f"{begin}key_file: does not belong to the certificate in cert_file"]
    assert said(server.cert, server.cert) == [f"{begin}key_file: holds no private key in PEM format"]
    assert said(server.key, server.key) == [f"{begin}cert_file: holds no certificate in PEM format"]
    assert said(server.cert, locked) == [
        f"{begin}key_file: is protected by a passphrase, and nobody is there to type it"
    ]
    assert said(junk, server.key)[0].startswith(f"{begin}cert_file: certificate and key can not be used: ")
    assert faults(web, "tls_server_config: {min_version: TLS13}\n") == [
        f"{begin}cert_file: is required where tls_server_config stands: this, or cert",
        f"{begin}key_file: is required where tls_server_config stands: this, or key",
    ]


def test_all_faults_come_out_at_once(web: Path, server: Pair, signer: Authority) -> None:
    other = signer.issue("another", "DNS:localhost")
    found = faults(
        web,
        f"""
tls_server_config:
  cert_file: {server.cert}
  key_file: {other.key}
  min_version: TLS14
  colour: blue
http_server_config: {{headers: {{X-Frame-Options: never}}}}
basic_auth_users: {{alice: secret, bob: hidden}}
rate_limit: {{interval: x, burst: y}}
""",
    )
    assert [line.partition(":")[0] for line in found] == [
        "tls_server_config.colour",
        "tls_server_config.min_version",
        "http_server_config.headers.X-Frame-Options",
        "basic_auth_users.alice",
        "basic_auth_users.bob",
        "rate_limit.interval",
        "rate_limit.burst",
        "tls_server_config.key_file",
    ]
    assert all(line.isprintable() for line in found)


def test_no_message_and_no_repr_holds_a_hash_a_password_or_a_key(web: Path, server: Pair) -> None:
    secret = server.key.read_text().splitlines()[1]
    said = faults(
        web,
        f"""
tls_server_config: {{cert: "{secret}", key: "{secret}", client_ca: "{secret}", client_auth_type: "{secret}"}}
basic_auth_users: {{alice: "{HASH}x", "{HASH}": alice, bob: hunter2}}
"{HASH}": alice
""",
    )
    config = taken(web, tls(server) + f"\nbasic_auth_users: {{alice: {HASH}}}\n")
    for text in (*said, repr(config), repr(config.tls), repr(Guard(str(web)))):
        assert secret not in text
        assert HASH not in text
        assert "hunter2" not in text
        assert "PRIVATE" not in text


CONFIG = "instances: [{id: 0a1b2c3d, region: eu-west-2}]\nweb: {config_file: web.yml}\n"


def test_check_looks_through_the_web_configuration_too(web: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = web.with_name("config.yml")
    config.write_text(CONFIG)
    web.write_text("basic_auth_users: {alice: secret, bob: secret}\n")
    assert cli.main(["check", "--config", str(config)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(": must")[0] for line in said] == [
        f"{web}: basic_auth_users.alice",
        f"{web}: basic_auth_users.bob",
    ]
    web.unlink()
    assert cli.main(["check", "--config", str(config)]) == 2
    assert capsys.readouterr().err == f"{web}: no such file\n"
    web.write_text(f"basic_auth_users: {{alice: {HASH}}}\n")
    assert cli.main(["check", "--config", str(config)]) == 0


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_faulty_web_configuration_is_said_and_nothing_is_served(
    command: str, web: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = web.with_name("config.yml")
    config.write_text(CONFIG.partition("web:")[0])
    web.write_text("basic_auth_users: {alice: secret}\nx: y\n")
    given = {"run": ["--config", str(config)], "demo": ["--instances=1", "--queues=1"]}[command]
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(os, "environ", dict(os.environ))
        assert cli.main([command, *given, "--web-config-file", str(web), "--listen-address", "127.0.0.1:0"]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith(str(web))]
    assert len(said) == 2
