"""Who is let in: passwords, what stays open without one, and what a guess costs and tells."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import bcrypt
import pytest
from structlog.testing import capture_logs

from exporter.web import passwords
from exporter.web.app import build_app
from exporter.web.guard import Guard
from exporter.web.passwords import Busy, Login, Passwords, login_of
from tests.tools import wait_for
from tests.unit.web_site import TEXT, Answer, FakeSite, Running, running

PASSWORD = "correct horse: battery"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
OTHER = bcrypt.hashpw(b"staple", bcrypt.gensalt(4)).decode()


def basic(user: str, password: str | bytes, scheme: str = "Basic") -> dict[str, str]:
    given = password.encode() if isinstance(password, str) else password
    return {"Authorization": f"{scheme} {base64.b64encode(user.encode() + b':' + given).decode()}"}


@contextmanager
def serving(web: Path, text: str, site: FakeSite | None = None) -> Iterator[Running]:
    web.write_text(text)
    guard = Guard(str(web))
    with running(build_app(site or FakeSite(lifecycle=True), guard=guard), guard) as server:
        yield server


@pytest.fixture
def web(tmp_path: Path) -> Path:
    return tmp_path / "web.yml"


@pytest.fixture
def server(web: Path) -> Iterator[Running]:
    with serving(web, f"basic_auth_users: {{alice: {HASH}, bob: {OTHER}}}\n") as running_one:
        yield running_one


def refused(answer: Answer) -> bool:
    return answer.status == 401 and answer.body == b"user and password, please\n"


def test_who_knows_a_password_is_let_in(server: Running) -> None:
    for user, password in (("alice", PASSWORD), ("bob", "staple")):
        for scheme in ("Basic", "basic", "BASIC"):
            answer = server.ask("/metrics", headers=basic(user, password, scheme))
            assert (answer.status, answer.body) == (200, TEXT)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("alice", "staple"),
        basic("bob", PASSWORD),
        basic("Alice", PASSWORD),
        basic("carol", PASSWORD),
        basic("", ""),
        basic("alice", ""),
        basic("alice", PASSWORD + " "),
        basic("alice", PASSWORD.encode() + b"\0"),
        basic("alice", b"\xff\xfe"),
        basic("alice", "x" * 5000),
        basic("alice", PASSWORD, "Bearer"),
        {"Authorization": "Basic"},
        {"Authorization": "Basic ="},
        {"Authorization": "Basic " + base64.b64encode(b"alice").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xff:x").decode()},
        {"Authorization": f"alice:{PASSWORD}"},
        {"Authorization": ""},
    ],
)
def test_who_does_not_is_refused_and_asked_for_it(server: Running, headers: dict[str, str]) -> None:
    answer = server.ask("/metrics", headers=headers)
    assert refused(answer)
    assert answer.header("WWW-Authenticate") == 'Basic realm="amazon-connect-exporter", charset="UTF-8"'
    assert answer.header("X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready", "/-/healthy?x=1"])
def test_probes_need_no_password(server: Running, path: str, method: str) -> None:
    assert server.ask(path, method).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/", "/metrics", "/config", "/-/reload", "/no/such", "/favicon.ico", "//")),
        *(("GET", path) for path in ("/-/healthy/", "//-/healthy", "/-/healthy/../../metrics", "/-/HEALTHY")),
        *(("GET", path) for path in ("/-/healthy;x", "/-/healthy%0a", "/-/healthy%00", "/-/healthy%2f")),
        *(("HEAD", path) for path in ("/", "/metrics", "/config", "/no/such")),
        *((method, "/-/healthy") for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "X")),
        ("POST", "/-/reload"),
        ("POST", "/metrics"),
    ],
)  # fmt: skip
def test_everything_else_needs_one_even_what_does_not_exist(server: Running, method: str, path: str) -> None:
    answer = server.ask(path, method)
    assert answer.status == 401
    assert method == "HEAD" or refused(answer)


def test_without_a_password_nothing_is_reloaded(web: Path) -> None:
    site = FakeSite(lifecycle=True)
    with serving(web, f"basic_auth_users: {{alice: {HASH}}}\n", site) as server:
        assert refused(server.ask("/-/reload", "POST"))
        assert site.reloads == 0
        assert server.ask("/-/reload", "POST", basic("alice", PASSWORD)).status == 200
        assert site.reloads == 1


def test_two_authorizations_are_none(server: Running) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("GET", "/metrics")
    for user, password in (("alice", "wrong"), ("alice", PASSWORD)):
        connection.putheader("Authorization", basic(user, password)["Authorization"])
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_a_percent_encoded_path_of_a_probe_is_the_same_path(server: Running) -> None:
    # One reading of a path for the lock and for the routes: it is open, and it is the probe's.
    assert server.ask("/-/health%79").body == b"healthy\n"


def test_users_and_headers_change_while_it_runs(web: Path) -> None:
    with serving(web, f"basic_auth_users: {{alice: {HASH}}}\n") as server, capture_logs():
        assert server.ask("/metrics", headers=basic("alice", PASSWORD)).status == 200
        web.write_text(
            f"basic_auth_users: {{alice: {OTHER}}}\n"
            "http_server_config: {headers: {X-Frame-Options: sameorigin, Strict-Transport-Security: max-age=60}}\n"
        )
        assert refused(server.ask("/metrics", headers=basic("alice", PASSWORD)))
        answer = server.ask("/metrics", headers=basic("alice", "staple"))
        assert answer.status == 200
        assert answer.headers.get_all("X-Frame-Options") == ["sameorigin"]
        assert answer.headers.get_all("Strict-Transport-Security") == ["max-age=60"]
        assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
        web.write_text("{}\n")
        assert server.ask("/metrics").status == 200


def test_a_broken_change_keeps_the_password_asked_for(web: Path) -> None:
    with serving(web, f"basic_auth_users: {{alice: {HASH}}}\n") as server, capture_logs() as logs:
        for text in ("basic_auth_users: [", "basic_auth_users: {alice: secret}", "basic_auth_user: {}"):
            web.write_text(text)
            for _ in range(3):
                assert refused(server.ask("/metrics"))
            assert server.ask("/metrics", headers=basic("alice", PASSWORD)).status == 200
        web.unlink()
        assert refused(server.ask("/metrics"))
    assert [line["log_level"] for line in logs] == ["error"] * 4
    assert not any("secret" in str(line) for line in logs)


def test_more_requests_than_the_limit_are_sent_away_but_no_probe(web: Path) -> None:
    with serving(web, "rate_limit: {interval: 1h, burst: 3}\n") as server:
        answers = [server.ask("/metrics") for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].header("Retry-After") == "1"
        assert server.ask("/-/healthy").status == 200


# What a check costs and tells


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_hashes_of_every_usual_program_are_understood(prefix: str) -> None:
    users = Passwords({"alice": prefix + HASH[4:]})
    assert asyncio.run(users.right(Login("alice", PASSWORD.encode())))


def test_of_a_long_password_as_much_counts_as_bcrypt_looks_at() -> None:
    users = Passwords({"alice": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()})
    assert asyncio.run(users.right(Login("alice", b"x" * 100)))
    assert not asyncio.run(users.right(Login("alice", b"x" * 71)))


class Counter:
    """bcrypt's two functions, counted: rounds of work by login."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rounds = 0
        self._check, self._hash = bcrypt.checkpw, bcrypt.hashpw
        monkeypatch.setattr(bcrypt, "checkpw", self.checkpw)
        monkeypatch.setattr(bcrypt, "hashpw", self.hashpw)

    def checkpw(self, password: bytes, given: bytes) -> bool:
        self.rounds += 1 << int(given[4:6])
        return self._check(password, given)

    def hashpw(self, password: bytes, salt: bytes) -> bytes:
        self.rounds += 1 << int(salt[4:6])
        return self._hash(password, salt)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def test_a_right_and_a_wrong_password_are_each_hashed_once(counter: Counter) -> None:
    users = Passwords({"alice": HASH})
    for password, right in ((PASSWORD, True), ("wrong", False)):
        counter.rounds = 0
        for _ in range(5):
            assert asyncio.run(users.right(Login("alice", password.encode()))) is right
        assert counter.rounds == 16


def test_every_check_is_the_same_amount_of_work_whoever_the_user_is(counter: Counter) -> None:
    costs = {"cheap": 4, "middle": 6, "dear": 8}
    users = Passwords({user: bcrypt.hashpw(b"x", bcrypt.gensalt(cost)).decode() for user, cost in costs.items()})
    work = {}
    for user in (*costs, "nobody", "", "dear\0"):
        for password in (b"x", b"wrong", b"", b"nul\0", b"long" * 50):
            counter.rounds = 0
            asyncio.run(users.right(Login(user, password)))
            work[user, password] = counter.rounds
    assert set(work.values()) == {1 << 8}


def test_guessing_pushes_no_right_password_out_of_memory(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_REMEMBERED", 5)
    users = Passwords({"alice": HASH})

    async def main() -> None:
        assert await users.right(Login("alice", PASSWORD.encode()))
        for guess in range(20):
            assert not await users.right(Login("alice", b"%d" % guess))
        counter.rounds = 0
        assert await users.right(Login("alice", PASSWORD.encode()))
        assert counter.rounds == 0
        assert len(users._wrong) == 5

    asyncio.run(main())


def test_no_password_is_kept() -> None:
    users = Passwords({"alice": HASH})
    for password in (PASSWORD, "wrong"):
        asyncio.run(users.right(Login("alice", password.encode())))
    kept = [*users._right, *users._wrong]
    assert len(kept) == 2
    assert all(len(mark) == 32 for mark in kept)
    assert Passwords({"alice": HASH})._mark(Login("alice", b"wrong")) not in kept
    # User and password are told apart, not just strung together.
    assert users._mark(Login("ab", b"c")) != users._mark(Login("a", b"bc"))


class Held:
    """A check that waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.most, self._now = 0, 0
        real: Callable[[Passwords, Login], bool] = Passwords._check

        def check(users: Passwords, login: Login) -> bool:
            self._now += 1
            self.most = max(self.most, self._now)
            self.begun.set()
            assert self.go.wait(10)
            self._now -= 1
            return real(users, login)

        monkeypatch.setattr(Passwords, "_check", check)


def test_many_who_come_at_once_with_the_same_password_cost_one_check(counter: Counter) -> None:
    users = Passwords({"alice": HASH})

    async def main() -> list[bool]:
        return await asyncio.gather(*(users.right(Login("alice", PASSWORD.encode())) for _ in range(10)))

    assert asyncio.run(main()) == [True] * 10
    assert counter.rounds == 16


def test_a_flood_of_guesses_holds_up_neither_who_is_known_nor_the_probes(
    web: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(web, f"basic_auth_users: {{alice: {HASH}}}\n") as server:
        assert server.ask("/metrics", headers=basic("alice", PASSWORD)).status == 200
        held = Held(monkeypatch)
        answers: list[Answer] = []

        def guess(number: int) -> None:
            answers.append(server.ask("/metrics", headers=basic("alice", f"guess {number}")))

        guesses = [threading.Thread(target=guess, args=(number,)) for number in range(passwords._WAITING + 5)]
        for thread in guesses:
            thread.start()
        assert held.begun.wait(10)
        # Those for whom there is no room in the line are told so while the others wait.
        wait_for(lambda: len(answers) == 5, "five told to come again")
        assert [answer.status for answer in answers] == [503] * 5
        assert server.ask("/metrics", headers=basic("alice", PASSWORD)).body == TEXT
        assert server.ask("/-/healthy").status == 200
        held.go.set()
        for thread in guesses:
            thread.join(10)
        assert sorted(answer.status for answer in answers) == [401] * passwords._WAITING + [503] * 5
        assert held.most == 1


def test_beyond_the_line_one_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_WAITING", 0)
    with pytest.raises(Busy):
        asyncio.run(Passwords({"alice": HASH}).right(Login("alice", b"x")))


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("Basic YTpi", Login("a", b"b")),
        ("basic  YTpi ", Login("a", b"b")),
        ("Basic " + base64.b64encode("ä:ß:x".encode()).decode(), Login("ä", "ß:x".encode())),
        ("Basic YTpi!", None),
        ("Basic YTp", None),
        ("Basic ätsch", None),
        ("BasicYTpi", None),
        ("", None),
    ],
)
def test_a_header_is_read_as_the_rfc_says(header: str, wanted: Login | None) -> None:
    assert login_of(header) == wanted


def test_no_answer_and_no_log_repeats_a_password(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    given: Mapping[str, str] = basic("alice", "hunter2")
    with capture_logs() as logs:
        answer = server.ask("/metrics", headers=given)
        server.ask("/config", headers=basic("alice", PASSWORD))
    for text in (str(answer), str(logs), caplog.text):
        assert "hunter2" not in text
        assert given["Authorization"][6:] not in text
