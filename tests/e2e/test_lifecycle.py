"""How the daemon ends, and how it takes a new configuration."""

from __future__ import annotations

import base64
import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from tests.e2e.daemon import (
    EXPORTER,
    KEYS,
    OWN,
    Daemon,
    Series,
    about,
    current,
    daemon,
    differences,
    errors,
    ok,
    refreshed_since,
    settings,
    written,
)
from tests.e2e.other_connect import Instance, OtherConnect, Reply, Service, say
from tests.e2e.tables import expected, instance
from tests.tools import running as running_program
from tests.tools import wait_for

HANGS = say(Reply(hang=True), lambda _: True)
PATIENT = {"connect_timeout": "20s", "read_timeout": "60s"}


@pytest.fixture
def pair() -> tuple[Instance, Instance]:
    return instance(1, 5, 2, random.Random(1), "north"), instance(2, 5, 2, random.Random(2), "south")


def ended(running: Daemon, number: signal.Signals = signal.SIGTERM) -> float:
    """Seconds from the signal to the end, which must be a good one."""
    begin = time.monotonic()
    running.program.send(number)
    assert running.program.wait(10) == 0, running.program.output
    assert "Traceback" not in running.program.stderr
    return time.monotonic() - begin


def basic(login: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}


# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_well(
    number: signal.Signals, pair: tuple[Instance, Instance], tmp_path: Path
) -> None:
    with OtherConnect(Service(list(pair))) as aws, daemon(tmp_path, settings(aws.url, pair)) as running:
        running.wait(ok("north"), "values")
        assert ended(running, number) < 3


def test_it_ends_in_time_while_aws_hangs(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    service = Service(list(pair), troubles=[HANGS])
    with OtherConnect(service) as aws:
        config = settings(aws.url, pair)
        config["aws"] |= PATIENT
        with daemon(tmp_path, config) as running:
            wait_for(lambda: len(service.asked) >= 2, "requests that hang")
            assert ended(running) < 5


def test_it_ends_in_time_while_credentials_hang(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    called = tmp_path / "called"
    file = tmp_path / "config"
    file.write_text(f"[default]\ncredential_process = sh -c 'touch {called}; exec sleep 30'\n")
    env = {"AWS_CONFIG_FILE": str(file), **dict.fromkeys(KEYS, "")}
    with OtherConnect(Service(list(pair))) as aws, daemon(tmp_path, settings(aws.url, pair), env=env) as running:
        wait_for(called.exists, "somebody waits for credentials")
        assert ended(running) < 5


def test_it_ends_before_the_first_answer_of_a_discovery(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    service = Service(list(pair), troubles=[HANGS])
    with OtherConnect(service) as aws:
        config = settings(aws.url, discovery=[{"regions": ["us-east-1"]}])
        del config["instances"]
        config["aws"] |= PATIENT
        with daemon(tmp_path, config) as running:
            wait_for(lambda: service.asked, "a request that hangs")
            assert running.get("/-/ready").status == 503
            assert ended(running) < 5


def test_it_ends_in_time_while_passwords_are_being_checked(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(15)).decode()  # a check takes seconds
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users: {{somebody: {hashed}}}\n")
    with OtherConnect(Service(list(pair))) as aws:
        config = settings(aws.url, pair)
        config["web"]["config_file"] = str(web)
        with daemon(tmp_path, config) as running:

            def guess(number: int) -> None:
                with contextlib.suppress(OSError):  # cut off in the end
                    running.get("/metrics", headers=basic(f"x:{number}"))

            guesses = [threading.Thread(target=guess, args=(number,)) for number in range(8)]
            for each in guesses:
                each.start()
            time.sleep(0.5)  # let them arrive; the check itself is the bound
            assert ended(running) < 5
            for each in guesses:
                each.join()


def test_it_ends_in_time_while_a_reload_hangs_on_its_file(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    with OtherConnect(Service(list(pair))) as aws, daemon(tmp_path, settings(aws.url, pair)) as running:
        running.wait(ok("north"), "values")
        running.config.unlink()
        os.mkfifo(running.config)
        running.program.send(signal.SIGHUP)
        # Nobody reads it, nobody writes it: whoever opens it waits, as on a disk that has gone.
        with running.config.open("wb"):
            assert running.get("/-/healthy").status == 200
            assert ended(running) < 5


def masked(process: subprocess.Popen[bytes], field: str, number: signal.Signals) -> bool:
    """Whether a signal is among those that the process catches (SigCgt) or ignores (SigIgn)."""
    found = re.findall(rf"(?m)^{field}:\s+([0-9a-f]+)$", Path(f"/proc/{process.pid}/status").read_text())
    return bool(int(found[0], 16) >> (number - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads signals off /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_signal_before_anything_is_imported_ends_it_well_too(
    command: str, number: signal.Signals, tmp_path: Path
) -> None:
    """Also the first process of a container, for which the kernel ignores what is not handled."""
    with running_program([*EXPORTER, command, "--listen-address", "127.0.0.1:0"], tmp_path) as program:
        wait_for(lambda: masked(program.process, "SigCgt", signal.SIGTERM), "signals are handled")
        wait_for(lambda: masked(program.process, "SigIgn", signal.SIGHUP), "a reload has nothing to read yet")
        program.send(number)
        assert program.wait(10) == 0
        assert (program.stdout, program.stderr) == ("", "")


def test_a_command_that_ends_by_itself_has_failed_where_it_is_killed(tmp_path: Path) -> None:
    config = written(tmp_path, settings("http://127.0.0.1:9", discovery=[{"regions": ["us-east-1"]}]))
    with running_program([*EXPORTER, "once", "--config", config], tmp_path) as program:
        assert not masked(program.process, "SigCgt", signal.SIGTERM)
        program.send(signal.SIGTERM)
        assert program.wait(10) == -signal.SIGTERM


@pytest.fixture(scope="module")
def broad() -> Instance:
    """Most of a megabyte of page: more than the sockets hold here."""
    return instance(3, 130, 12, random.Random(3), "broad")


@contextmanager
def slow_scrape(running: Daemon) -> Iterator[socket.socket]:
    """A scrape of which nothing but the first bytes has been read."""
    host, port = running.url.removeprefix("http://").split(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect((host, int(port)))
        client.sendall(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        yield client


def test_a_scrape_under_way_is_finished_before_the_end(broad: Instance, tmp_path: Path) -> None:
    config = {"collectors": current(levels=["queue", "queue_all_channels"], zero_fill="all")}
    with OtherConnect(Service([broad])) as aws, daemon(tmp_path, settings(aws.url, [broad], **config)) as running:
        running.wait(ok("broad"), "values")
        with slow_scrape(running) as client:
            read = client.recv(100)
            running.program.send(signal.SIGTERM)
            begin = time.monotonic()
            wait_for(lambda: "stopping" in running.program.stderr, "the signal was noticed")
            assert running.program.process.poll() is None
            while more := client.recv(65536):
                read += more
            head, _, body = read.partition(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            assert length > 500_000
            assert len(body) == length
        assert running.program.wait(10) == 0
        assert time.monotonic() - begin < 5


def test_a_scrape_that_nobody_reads_does_not_keep_it_alive(broad: Instance, tmp_path: Path) -> None:
    config = {"collectors": current(levels=["queue", "queue_all_channels"], zero_fill="all")}
    with OtherConnect(Service([broad])) as aws, daemon(tmp_path, settings(aws.url, [broad], **config)) as running:
        running.wait(ok("broad"), "values")
        with slow_scrape(running) as client:
            client.recv(100)
            assert ended(running) < 5


# A new configuration


class Watcher:
    """Scrapes all the time, to see what a reload does to others."""

    def __init__(self, running: Daemon, look: Callable[[Series], object]) -> None:
        self._running = running
        self._look = look
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.scrapes = 0
        self.holes: list[str] = []

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                seen = self._look(self._running.scrape())
            except (AssertionError, OSError) as error:
                self.holes.append(repr(error))
            else:
                self.scrapes += 1
                if not seen:
                    self.holes.append(f"scrape {self.scrapes}")

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def the_values_of(one: Instance) -> Callable[[Series], object]:
    return lambda page: not differences(about(page, one.alias), expected(one))


def reloads(running: Daemon, number: int) -> bool:
    return running.program.stderr.count("configuration reloaded") == number


def test_sighup_adds_and_removes_instances_and_tears_no_hole(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    north, south = pair
    with OtherConnect(Service(list(pair))) as aws:
        config = settings(aws.url, [north])
        with daemon(tmp_path, config) as running:
            before = running.wait(the_values_of(north), "north")
            requests = sum(value for key, value in before.items() if key[0] == OWN + "api_requests_total")
            with Watcher(running, the_values_of(north)) as watcher:
                written(tmp_path, {**config, "instances": [{"id": north.id}, {"id": south.id}]})
                running.program.send(signal.SIGHUP)
                page = running.wait(the_values_of(south), "south too")
                assert page[OWN + "targets", ()] == 2
                written(tmp_path, config)
                running.program.send(signal.SIGHUP)
                page = running.wait(lambda page: not about(page, "south"), "south gone")
                wait_for(lambda: reloads(running, 2), "both reloads")
            assert watcher.scrapes > 10
            assert not watcher.holes
            page = running.scrape()
            assert page[OWN + "targets", ()] == 1
            assert not [key for key in page if ("instance_alias", "south") in key[1] and "errors" not in key[0]]
            assert page[OWN + "config_last_reload_successful", ()] == 1
            assert sum(value for key, value in page.items() if key[0] == OWN + "api_requests_total") > requests


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors by /proc")
def test_reloads_that_change_how_aws_is_called_leave_nothing_behind(
    pair: tuple[Instance, Instance], tmp_path: Path
) -> None:
    with OtherConnect(Service(list(pair))) as aws:
        config = settings(aws.url, pair)
        with daemon(tmp_path, config) as running:
            held = []
            for number in range(12):
                changed = {"read_timeout": f"{2000 + number}ms", "session_name": f"session-{number}"}
                written(tmp_path, {**config, "aws": {**config["aws"], **changed}})
                running.program.send(signal.SIGHUP)
                wait_for(lambda number=number: reloads(running, number + 1), "a reload")  # type: ignore[misc]
                begun = time.time()
                running.wait(refreshed_since(begun, "north"), "north, by a client of its own")
                running.wait(refreshed_since(begun, "south"), "south too")
                held.append(len(list((Path("/proc") / str(running.program.process.pid) / "fd").iterdir())))
            # Clients of a configuration would have three or four connections each.
            assert max(held[6:]) <= max(held[:6]) + 3, held


def test_a_bad_file_leaves_the_old_configuration_running(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    north, south = pair
    with OtherConnect(Service(list(pair))) as aws:
        config = settings(aws.url, [north])
        with daemon(tmp_path, config) as running:
            first = running.wait(the_values_of(north), "north")
            assert first[OWN + "config_last_reload_successful", ()] == 1
            with Watcher(running, the_values_of(north)) as watcher:
                written(tmp_path, {**config, "instances": [{"id": south.id}], "max_age": "soon"})
                running.program.send(signal.SIGHUP)
                page = running.wait(lambda page: page[OWN + "config_last_reload_successful", ()] == 0, "refused")
                success = OWN + "config_last_reload_success_timestamp_seconds", ()
                assert page[success] == first[success]
                assert page[OWN + "config_hash", ()] == first[OWN + "config_hash", ()]
                assert "config.yml: max_age: not a duration" in running.program.stderr
                assert "max_age: not a duration" in running.get("/").text
                running.config.unlink()
                running.program.send(signal.SIGHUP)
                wait_for(lambda: "no such file" in running.program.stderr, "a missing file refused too")
                written(tmp_path, {**config, "max_age": "6s"})
                running.program.send(signal.SIGHUP)
                page = running.wait(lambda page: page[OWN + "config_last_reload_successful", ()] == 1, "mended")
                assert page[OWN + "config_hash", ()] != first[OWN + "config_hash", ()]
                assert page[success] > first[success]
            assert not watcher.holes


def test_a_reload_over_http_must_be_allowed(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    with OtherConnect(Service(list(pair))) as aws, daemon(tmp_path, settings(aws.url, pair)) as running:
        assert running.get("/-/reload", method="POST").status == 403
        assert running.get("/-/reload").status == 405
        assert "configuration reloaded" not in running.program.stderr


def test_a_reload_over_http_answers_with_the_faults(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    with OtherConnect(Service(list(pair))) as aws:
        config = settings(aws.url, pair)
        config["web"]["enable_lifecycle"] = True
        with daemon(tmp_path, config) as running:
            assert running.get("/-/reload", method="POST").status == 200
            written(tmp_path, {**config, "max_age": "soon", "shard": {"index": 5}})
            answer = running.get("/-/reload", method="POST")
            assert answer.status == 400
            assert "max_age: not a duration" in answer.text
            assert "shard" in answer.text
            assert answer.headers["Content-Type"].startswith("text/plain")
            written(tmp_path, config)
            assert running.get("/-/reload", method="POST").status == 200


def test_a_reload_buys_no_second_burst_of_the_quota(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    """Each engine begins with lists of everything; ten reloads at once would be a burst that AWS refuses."""
    quota = {"ListQueues": (2.0, 5.0), "ListRoutingProfiles": (2.0, 5.0), "GetCurrentMetricData": (5.0, 8.0)}
    service = Service(list(pair), quota=quota)
    with OtherConnect(service) as aws:
        small: dict[str, Any] = {"endpoint_url": aws.url, "region": "us-east-1"}
        with daemon(tmp_path, settings(aws.url, pair, aws=small, max_age="1m")) as running:
            running.wait(ok("south"), "values")
            for number in range(1, 6):
                running.program.send(signal.SIGHUP)
                wait_for(partial(reloads, running, number), "a reload")
            running.wait(lambda page: ok("north")(page) and ok("south")(page), "well again")
            page = running.scrape()
    assert 429 not in service.statuses()
    assert not errors(page, "north", "throttled")


def test_two_instances_of_one_alias_are_refused_or_told_apart(pair: tuple[Instance, Instance], tmp_path: Path) -> None:
    """AWS's own aliases are known only at run time: the second must not publish under the first one's name."""
    pair[1].alias = pair[0].alias
    with OtherConnect(Service(list(pair))) as aws, daemon(tmp_path, settings(aws.url, pair)) as running:
        page = running.wait(
            lambda page: any(errors(page, one.id, "invalid_request") for one in pair), "the second says so", timeout=15
        )
        other = next(one for one in pair if errors(page, one.id, "invalid_request"))
        first = next(one for one in pair if one is not other)
        running.wait(the_values_of(first), "the first alone")
        assert "already published" in running.get("/").text
