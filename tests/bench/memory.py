"""Resident memory, once everything has been collected and scraped a few times."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from exporter.simulator.quotas import UNLIMITED
from tests.bench.measure import Comparison
from tests.bench.servers import server
from tests.bench.sizes import Sizes
from tests.tools import REPOSITORY, Running, fetch, free_port, running, started, wait_for

PEER = "a process with one boto3 client"
KEYS = {"AWS_ACCESS_KEY_ID": "an-access-key", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
CLIENT = """
import signal, boto3
client = boto3.client("connect", region_name="us-east-1")
print(client.meta.endpoint_url, flush=True)
signal.pause()
"""
COLLECTORS = ("current", "historical", "counters", "inventory", "profile_queues")
SCRAPES = 20


def compare(sizes: Sizes, directory: Path) -> Iterator[Comparison]:
    peer = _client_alone(directory)
    for instances, queues in sizes.centres:
        rss, note = _daemon(directory, instances, queues, sizes.history)
        what = f"memory, {instances} × {queues} queues"
        yield Comparison(what, PEER, "MB", ((rss,),), ((peer,),), note=note)
    instances, queues = sizes.centres[0]
    rss, note = _demo(directory, instances, queues)
    what = f"memory of the demo, {instances} × {queues} queues"
    yield Comparison(what, PEER, "MB", ((rss,),), ((peer,),), note=f"the simulator included; {note}")


def _client_alone(directory: Path) -> float:
    with running([sys.executable, "-c", CLIENT], directory) as program:
        wait_for(lambda: program.stdout, "the client")
        return _status(program, "VmRSS")


def _daemon(directory: Path, instances: int, queues: int, history: int) -> tuple[float, str]:
    with server(directory, "simulator", instances, queues, history) as (_, url):
        plenty = {operation: {"rate": rate, "burst": burst} for operation, (rate, burst) in UNLIMITED.items()}
        address = f"127.0.0.1:{free_port()}"
        file = directory / "config.yml"
        settings = {
            "web": {"listen_address": address},
            "aws": {"endpoint_url": url, "quota_share": 1, "quotas": plenty},
            "discovery": [{"regions": ["us-east-1"]}],
        }
        file.write_text(yaml.safe_dump(settings))
        argv = [sys.executable, "-m", "exporter", "run", "--config", str(file)]
        with running(argv, directory, env={**KEYS, "AWS_ENDPOINT_URL_STS": url}, cwd=REPOSITORY) as program:
            return _measured(program, f"http://{address}", instances)


def _demo(directory: Path, instances: int, queues: int) -> tuple[float, str]:
    address = f"127.0.0.1:{free_port()}"
    centre = ["--instances", str(instances), "--queues", str(queues)]
    argv = [sys.executable, "-m", "exporter", "demo", "--listen-address", address, *centre]
    with running(argv, directory, cwd=REPOSITORY) as program:
        return _measured(program, f"http://{address}", instances)


def _measured(program: Running, url: str, instances: int) -> tuple[float, str]:
    """(resident MB, what there was to keep)"""
    started(program, url + "/-/ready", timeout=60)
    wanted = instances * len(COLLECTORS)

    def collected() -> bool:
        return len(re.findall(r"(?m)^amazon_connect_exporter_collector_success\{.*\} 1$", _page(url))) == wanted

    wait_for(collected, f"{wanted} collectors to succeed", timeout=60)
    for _ in range(SCRAPES):
        page = _page(url)
    series = sum(not line.startswith("#") for line in page.splitlines())
    return _status(program, "VmRSS"), f"{series:,} series, at most {_status(program, 'VmHWM'):.0f} MB so far"


def _page(url: str) -> str:
    return fetch(url + "/metrics", timeout=30).text


def _status(program: Running, key: str) -> float:
    """A size in /proc, in MB (Linux only)."""
    text = Path(f"/proc/{program.process.pid}/status").read_text()
    found = re.search(rf"(?m)^{key}:\s+(\d+) kB$", text)
    assert found, text
    return int(found[1]) * 1024 / 1e6
