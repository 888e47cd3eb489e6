"""A hundred reloads while twenty scrapers read: no failed scrape, no lost series, no more calls, nothing left over."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.accounts import FAR, HOME, centre, keys, simulator
from tests.e2e.daemon import OPERATIONS, OWN, Daemon, Series, about, daemon, ok, parse, settings
from tests.tools import fetch, wait_for

SCRAPERS = 20
RELOADS = 100
PAUSE = 0.2
"""Seconds between two scrapes of one scraper."""
PACE = 0.15
"""Seconds between two reloads: time for a new engine to begin to ask."""
RATE, BURST = 2.0, 5.0
"""Of every operation, and ours to use up: the simulator throttles whatever goes beyond. Engines that all begin anew
want much more than that."""
SLACK = 2.0
"""Calls that came later than they were sent, so that two stand closer together than they were."""
CENTRES = (centre(1, HOME, queues=3), centre(2, HOME, queues=3), centre(3, HOME, FAR, queues=3))
BAD = ("instances: [\n", "max_ages: 5m\n", "instances: [{id: x}]\n")


@dataclass
class Reader:
    """One scraper; what it has seen once must be on every later page."""

    url: str
    seen: set[Any] = field(default_factory=set)
    pages: int = 0
    faults: list[str] = field(default_factory=list)

    def read(self, stop: threading.Event) -> None:
        while not stop.is_set() and not self.faults:
            try:
                self.once()
            except Exception as fault:  # noqa: BLE001 (whatever it is, it is told by the test and not by the thread)
                self.faults.append(repr(fault))
            stop.wait(PAUSE)

    def once(self) -> None:
        answer = fetch(self.url + "/metrics")
        assert answer.status == 200, answer.status
        page = parse(answer.text)
        lost = self.seen - page.keys()
        assert not lost, f"{len(lost)} series lost: {sorted(lost)[:5]}"
        self.seen |= page.keys()
        self.pages += 1
        ready = fetch(self.url + "/-/ready")
        assert ready.status == 200, ready.text


@contextmanager
def scrapers(url: str, known: Series) -> Iterator[list[Reader]]:
    stop = threading.Event()
    readers = [Reader(url, set(known)) for _ in range(SCRAPERS)]
    threads = [threading.Thread(target=reader.read, args=(stop,)) for reader in readers]
    for thread in threads:
        thread.start()
    try:
        yield readers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def put(path: Path, text: str) -> None:
    """At once, as an editor or Kubernetes does: nobody ever reads half of it."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def reload_by_signal(running: Daemon, good: bool) -> None:
    said = "configuration reloaded" if good else "reload refused"
    before = running.program.stderr.count(said)
    running.program.send(signal.SIGHUP)
    wait_for(lambda: running.program.stderr.count(said) > before, said)


def reload_over_http(running: Daemon, good: bool) -> None:
    assert running.get("/-/reload", method="POST").status == (200 if good else 400)


def held(running: Daemon) -> tuple[int, int]:
    """Threads and file descriptors of the process."""
    process = Path("/proc") / str(running.program.process.pid)
    return len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))


def reload_many(running: Daemon, good: Sequence[Mapping[str, Any]], first: int, last: int) -> None:
    """By signal and over HTTP in turn; every fifth file is a bad one."""
    for number in range(first, last):
        bad = number % 5 == 4
        put(running.config, BAD[number // 5 % len(BAD)] if bad else yaml.safe_dump(dict(good[number % len(good)])))
        (reload_by_signal if number % 2 else reload_over_http)(running, not bad)
        time.sleep(PACE)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads by /proc")
def test_a_hundred_reloads_disturb_nobody(tmp_path: Path) -> None:
    with simulator(*CENTRES, keep=100_000, quotas=dict.fromkeys(OPERATIONS, (RATE, BURST + SLACK))) as aws:
        configured = settings(
            aws.url,
            [{"id": one.arn, "alias": one.alias} for one in CENTRES[:2]],
            discovery=[{"regions": [FAR]}],
            inventory={"interval": "1m"},
            max_age="2m",
        )
        configured["web"]["enable_lifecycle"] = True
        configured["aws"] |= {
            "quotas": {operation: {"rate": 2 * RATE, "burst": 2 * BURST} for operation in OPERATIONS},
            "quota_share": 0.5,
        }
        changed = {**configured, "max_age": "3m", "aws": {**configured["aws"], "read_timeout": "3s"}}
        other = {**configured, "inventory": {"interval": "2m"}, "log": {"format": "json"}}
        with daemon(tmp_path, configured, env=keys(aws)) as running:
            aliases = [one.alias or "" for one in CENTRES]
            known = running.wait(lambda page: all(ok(alias)(page) for alias in aliases), "all are collected")
            assert all(about(known, alias) for alias in aliases)
            wait_for(lambda: running.get("/-/ready").status == 200, "ready", timeout=30)
            with scrapers(running.url, known) as readers:
                good = [changed, other, configured]
                reload_many(running, good, 0, RELOADS // 2)
                halfway = held(running)
                reload_many(running, good, RELOADS // 2, RELOADS)
                page = running.scrape()
                assert all(not reader.faults for reader in readers), [r.faults for r in readers if r.faults]
            assert min(reader.pages for reader in readers) >= 5
            assert all(not reader.faults for reader in readers), [r.faults for r in readers if r.faults]
            put(running.config, yaml.safe_dump(configured))
            reload_over_http(running, good=True)
            assert page[OWN + "targets", ()] == len(CENTRES)
            # One thing left over by each reload would be fifty by now.
            wait_for(
                lambda: all(now <= then + 5 for now, then in zip(held(running), halfway, strict=True)),
                f"no more threads and descriptors than {halfway}",
            )
            running.wait(lambda page: all(ok(alias)(page) for alias in aliases), "all are collected still")
        asked = [served for served in aws.requests if served.operation == "GetCurrentMetricData"]
        assert len(asked) > 2 * BURST, "the quota was put to the test"
        refused = [(served.operation, served.account) for served in aws.requests if served.status != 200]
        assert not refused, "within its share it is never throttled"
