"""The tests' own tools: what they promise would otherwise be believed for the wrong reason."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tools import REPOSITORY, Scrape, free_port, need, prometheus, running, started, wait_for

SKIPS = """
import pytest
from tests.tools import need

def test_passes():
    pass

def test_wants_a_program():
    need("a-program-nobody-has")

@pytest.mark.xfail
def test_fails_as_expected():
    raise ValueError
"""
SKIPS_AS_A_WHOLE = "import pytest\npytest.importorskip('a_module_nobody_has')\n"


def pytest_says(directory: Path, source: str, ci: str) -> tuple[int, str]:
    """Exit status and closing line of a pytest that has our conftest.py and one file."""
    file = directory / "test_one.py"
    file.write_text(source)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(file)]
    done = subprocess.run(
        argv, cwd=REPOSITORY, env={**os.environ, "CI": ci}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout.strip().splitlines()[-1]


def test_a_missing_program_skips_on_a_developers_machine(tmp_path: Path) -> None:
    status, closing = pytest_says(tmp_path, SKIPS, ci="")
    assert status == 0
    assert closing.startswith("1 passed, 1 skipped, 1 xfailed")


def test_a_skipped_test_fails_in_ci_and_an_expected_failure_does_not(tmp_path: Path) -> None:
    status, closing = pytest_says(tmp_path, SKIPS, ci="true")
    assert status == 1
    assert closing.startswith("1 failed, 1 passed, 1 xfailed")


def test_a_skipped_file_fails_in_ci(tmp_path: Path) -> None:
    status, _ = pytest_says(tmp_path, SKIPS_AS_A_WHOLE, ci="true")
    assert status not in {0, 5}


def test_tests_see_no_aws_account_of_the_developer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "example")
    source = "import boto3\ndef test_it():\n    assert boto3.Session().get_credentials() is None\n"
    assert pytest_says(tmp_path, source, ci="")[0] == 0


def test_waiting_ends_with_what_was_seen_last() -> None:
    with pytest.raises(AssertionError, match=r"the moon; last seen: 0"):
        wait_for(lambda: 0, "the moon", timeout=0.1)


PARENT = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
signal.pause()
"""


def test_a_program_that_will_not_end_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.tools.GRACE", 0.2)
    with running([sys.executable, "-c", PARENT], tmp_path) as program:
        child = int(wait_for(lambda: program.stdout, "the child's number"))
    assert program.process.returncode == -signal.SIGKILL
    wait_for(lambda: not alive(child), "the child's end")


def alive(pid: int) -> bool:
    """Whether it runs; one that ended and waits for its parent to notice does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")  # Linux only; elsewhere somebody always notices
    return not status.exists() or "State:\tZ" not in status.read_text()


def test_a_program_that_ends_at_once_is_reported_with_what_it_said(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; sys.exit('no port')"]
    with running(argv, tmp_path) as program, pytest.raises(AssertionError, match=r"status 1[\s\S]*no port"):
        started(program, f"http://127.0.0.1:{free_port()}/")


@contextmanager
def page(text: str) -> Iterator[str]:
    """host:port of a server that answers everything with `text`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_real_prometheus_scrapes_and_answers(tmp_path: Path) -> None:
    need("prometheus")
    with page('things{kind="a"} 3\nthings{kind="b"} 4\n') as address, prometheus(tmp_path, Scrape([address])) as server:
        server.wait_until_scraped()
        found = wait_for(lambda: server.query("sum by (kind) (things)"), "the series")
        assert found == {(("kind", "a"),): 3.0, (("kind", "b"),): 4.0}
        assert server.targets()[0]["scrapeUrl"] == f"http://{address}/metrics"
