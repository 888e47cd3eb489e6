"""`make soak`: a day of steady work in minutes. What memory, threads and descriptors do is printed, not judged.

The daemon is a real process by the accelerated clock of tests.chaos; the world is as busy in the end as it was when the
warm-up was over, at the same time of another day.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from exporter.simulator.identity import access_key_id
from exporter.simulator.server import Simulator
from exporter.threads import LINGER
from tests.chaos.centre import FAR, HOME, REGION, Centre
from tests.chaos.moment import Moment, let_pass
from tests.conftest import forget_the_developers_settings
from tests.tools import REPOSITORY, Running, fetch, free_port, running, started

STEP = 300.0
"""Seconds between two scrapes, as between two refreshes: a day of 15 seconds each would be an hour of CPU time."""
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Size:
    instances: int
    queues: int
    warm_up: float
    """Seconds of shared time, as the others."""
    lasting: float
    told_every: float


# Warm after a whole day: by then each hour's page has been made once.
FULL = Size(instances=4, queues=50, warm_up=24 * HOUR, lasting=24 * HOUR, told_every=2 * HOUR)
QUICK = Size(instances=2, queues=2, warm_up=300.0, lasting=300.0, told_every=300.0)


@dataclass(frozen=True, slots=True)
class Taken:
    """What the process holds."""

    resident: float
    """MB; the median of the last hour, since a page that is being made takes some for a moment."""
    threads: int
    files: int
    series: int

    def __str__(self) -> str:
        return f"{self.resident:6.1f} MB  {self.threads:3} threads  {self.files:3} descriptors  {self.series:,} series"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description="A day of steady work.")
    parser.add_argument("--quick", action="store_true", help="minutes instead of a day: whether it runs")
    options = parser.parse_args()
    forget_the_developers_settings()
    size, begun = (QUICK if options.quick else FULL), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        first, last = soak(Path(directory), size)
    growth = (last.resident / first.resident - 1) * 100
    print(f"{size.instances} × {size.queues} queues, {size.lasting / HOUR:g} h in {time.monotonic() - begun:.0f} s:")
    print(f"after the warm-up  {first}\nin the end         {last}")
    threads, files = last.threads - first.threads, last.files - first.files
    print(f"memory has grown by {growth:.2f} %, threads by {threads}, descriptors by {files}")
    return 0


def soak(directory: Path, size: Size) -> tuple[Taken, Taken]:
    """What was taken after the warm-up, and in the end."""
    with _daemon(directory, size) as (program, url, moment):
        begun = moment.monotonic()
        first = last = _lived(program, url, moment, begun, size.warm_up)
        told = 0.0
        print(f"{0:5.1f} h  {first}", file=sys.stderr, flush=True)
        while told < size.lasting:
            told += size.told_every
            last = _lived(program, url, moment, begun, size.warm_up + told)
            print(f"{told / HOUR:5.1f} h  {last}", file=sys.stderr, flush=True)
        assert program.stop() == 0, program.output
    return first, last


def _lived(program: Running, url: str, moment: Moment, begun: float, until: float) -> Taken:
    """Scrapes until so many seconds after `begun`."""
    process = Path(f"/proc/{program.process.pid}")
    page, resident = "", []

    def number(field: str) -> int:
        return int(re.findall(rf"(?m)^{field}:\s+(\d+)", (process / "status").read_text())[0])

    while moment.monotonic() < begun + until:
        let_pass(moment, min(moment.monotonic() + STEP, begun + until), program)
        page = fetch(f"{url}/metrics").text
        resident.append(number("VmRSS") * 1024 / 1e6)
    time.sleep(LINGER + 1)  # what a burst of calls has started ends by itself
    files = len(os.listdir(process / "fd"))  # noqa: PTH208 (names are enough)
    series = sum(not line.startswith("#") for line in page.splitlines())
    return Taken(median(resident[-int(HOUR / STEP) :]), number("Threads"), files, series)


@contextmanager
def _daemon(directory: Path, size: Size) -> Iterator[tuple[Running, str, Moment]]:
    with closing(Moment(directory / "moment")) as moment:
        yield from _daemon_by(moment, directory, size)


def _daemon_by(moment: Moment, directory: Path, size: Size) -> Iterator[tuple[Running, str, Moment]]:
    centre = Centre(moment, instances=size.instances, queues=size.queues)
    address = f"127.0.0.1:{free_port()}"
    with Simulator(centre, ticks=moment.monotonic) as simulator:
        config = directory / "config.yml"
        config.write_text(yaml.safe_dump(_configuration(address, simulator.url, centre)))
        env = {
            "AWS_ACCESS_KEY_ID": access_key_id(HOME),
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_ENDPOINT_URL_STS": simulator.url,
        }
        argv = [sys.executable, "-m", "tests.chaos.daemon", str(config), str(directory / "moment"), str(STEP)]
        with running(argv, directory, env=env, cwd=REPOSITORY) as program:
            started(program, f"http://{address}/-/healthy")
            yield program, f"http://{address}", moment


def _configuration(address: str, url: str, centre: Centre) -> dict[str, Any]:
    """The defaults, but every few minutes."""
    often = {"interval": f"{STEP:g}s"}
    return {
        "web": {"listen_address": address},
        "aws": {"region": REGION, "endpoint_url": url},
        "discovery": [{"regions": [REGION]}],
        "instances": [{"id": centre.far, "role_arn": f"arn:aws:iam::{FAR}:role/reader"}],
        "inventory": {"interval": "30m"},
        "max_age": "15m",
        "collectors": {"current": often, "historical": often, "counters": often},
    }


if __name__ == "__main__":
    sys.exit(main())
