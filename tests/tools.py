"""What tests share: real programs, started, watched and stopped for certain."""

from __future__ import annotations

import email.message
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]

T = TypeVar("T")

# Seconds for a program to end by itself when a test is over; then it is killed.
GRACE = 5.0

# Directly, whatever proxy the machine uses: everything tests talk to is on loopback.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def need(program: str) -> str:
    """Its path. Without it the test is skipped, which in CI is a failure (conftest.py)."""
    # Debian puts runc and debootstrap where only root's PATH looks.
    path = shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"needs the program {program}, which is not installed")
    return path


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(look: Callable[[], T], what: str, *, timeout: float = 20.0, ignore: tuple[type[Exception], ...] = ()) -> T:
    """What `look` returns, as soon as it is true; looked at every 50 ms for `timeout` seconds.

    Exceptions in `ignore` mean "not yet". Fails with `what`, and with what was seen last.
    """
    deadline = time.monotonic() + timeout
    seen: object = None
    while True:
        try:
            if found := look():
                return found
            seen = found
        except ignore as error:
            seen = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}; last seen: {seen!r}")
        time.sleep(0.05)


# HTTP


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; of any status, none is an exception."""

    status: int
    headers: email.message.Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def fetch(url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, timeout: float = 10.0) -> Answer:
    """One request, without following a proxy. OSError where no answer came."""
    request = urllib.request.Request(url, method=method, headers=dict(headers or {}))
    try:
        with _direct.open(request, timeout=timeout) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.headers, refused.read())


# Programs


@dataclass(frozen=True, slots=True)
class Running:
    """A program in a process group of its own. stdout and stderr go to files, so no pipe fills up and blocks it."""

    process: subprocess.Popen[bytes]
    stdout_file: Path
    stderr_file: Path

    @property
    def stdout(self) -> str:
        return self.stdout_file.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self.stderr_file.read_text(errors="replace")

    @property
    def output(self) -> str:
        """Everything it said, for the message of a failure."""
        return f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"

    def send(self, number: signal.Signals) -> None:
        """To the program alone, as Kubernetes does."""
        self.process.send_signal(number)

    def wait(self, timeout: float = 10.0) -> int:
        """Its exit status; fails where it still runs after `timeout` seconds."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s\n{self.output}") from None

    def stop(self, timeout: float = 10.0) -> int:
        """SIGTERM, then its exit status."""
        self.send(signal.SIGTERM)
        return self.wait(timeout)


@contextmanager
def running(
    argv: Sequence[str | Path],
    directory: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Running]:
    """The program while the block runs; afterwards it and everything it started are gone, whatever happened.

    `env` is added to this process's environment. `directory` receives the output (a test's tmp_path).
    """
    directory.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix=f"{Path(argv[0]).name}-", dir=directory))
    stdout_file, stderr_file = own / "stdout", own / "stderr"
    with stdout_file.open("wb") as stdout, stderr_file.open("wb") as stderr:
        process = subprocess.Popen(
            [str(argument) for argument in argv],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
    program = Running(process, stdout_file, stderr_file)
    try:
        yield program
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    # Children that outlived it are in its group; usually there are none.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def started(program: Running, url: str, *, timeout: float = 30.0) -> Answer:
    """The first 200 from `url`; a program that ends instead fails at once, with what it said."""

    def look() -> Answer | None:
        if (status := program.process.poll()) is not None:
            raise AssertionError(f"ended with status {status}\n{program.output}")
        answer = fetch(url)
        return answer if answer.status == http.HTTPStatus.OK else None

    try:
        found = wait_for(look, f"200 from {url}", timeout=timeout, ignore=(OSError, http.client.HTTPException))
    except AssertionError as failure:
        raise AssertionError(f"{failure}\n{program.output}") from failure
    assert found is not None
    return found


# Prometheus


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A real one, and its API's `data`."""

    url: str
    program: Running

    def get(self, path: str, **parameters: str | Iterable[str]) -> Any:
        """`/api/v1/<path>`; fails with Prometheus's own words where it refuses."""
        answer = fetch(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}")
        document = json.loads(answer.body)
        assert document["status"] == "success", document
        return document["data"]

    def query(self, promql: str) -> dict[tuple[tuple[str, str], ...], float]:
        """An instant vector: sorted pairs of label and value -> number."""
        data = self.get("query", query=promql)
        assert data["resultType"] == "vector", data
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in data["result"]}

    def targets(self) -> list[dict[str, Any]]:
        """Each with `health`, `lastError`, `scrapeUrl`, `lastScrapeDuration` and more."""
        found: list[dict[str, Any]] = self.get("targets", state="active")["activeTargets"]
        return found

    def wait_until_scraped(self, *, timeout: float = 30.0) -> None:
        """Until every target was scraped with success at least once."""
        wait_for(
            lambda: all(target["health"] == "up" for target in self.targets()) and self.targets(),
            "every target up",
            timeout=timeout,
        )


@dataclass(frozen=True, slots=True)
class Scrape:
    """One job: addresses as host:port, and whatever else a scrape configuration takes."""

    targets: Sequence[str]
    job: str = "amazon-connect"
    interval: str = "1s"
    more: Mapping[str, Any] = field(default_factory=dict)

    def configuration(self) -> dict[str, Any]:
        return {
            "job_name": self.job,
            "scrape_interval": self.interval,
            "scrape_timeout": self.interval,
            "static_configs": [{"targets": list(self.targets)}],
            **self.more,
        }


@contextmanager
def prometheus(directory: Path, *scrapes: Scrape, rule_files: Sequence[Path] = ()) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `scrapes`, ready. Skips where none is installed."""
    binary = need("prometheus")
    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / "prometheus.yml"
    configuration.write_text(
        yaml.safe_dump(
            {
                "global": {"evaluation_interval": "1s"},
                "rule_files": [str(path) for path in rule_files],
                "scrape_configs": [scrape.configuration() for scrape in scrapes],
            }
        )
    )
    address = f"127.0.0.1:{free_port()}"
    argv = [
        binary,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
    ]
    with running(argv, directory) as program:
        started(program, f"http://{address}/-/ready")
        yield Prometheus(f"http://{address}", program)
