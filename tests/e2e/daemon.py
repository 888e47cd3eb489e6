"""The real program with a configuration, and what it publishes, read by a strict parser of our own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.other_connect import Instance
from tests.tools import Answer, Running, fetch, free_port, running, started, wait_for

EXPORTER = (sys.executable, "-m", "exporter")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDOFTHETESTS", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
OWN = "amazon_connect_exporter_"
OTHER_COLLECTORS = re.compile(r"_recent_|_total$|_created$|_service_level_")
ABOUT_THE_PROCESS = ("process_", "python_")
# Enough for intervals of a second, on either side.
PLENTY = {"rate": 500, "burst": 1000}
OPERATIONS = (
    "GetCurrentMetricData",
    "GetMetricData",
    "ListInstances",
    "DescribeInstance",
    "ListQueues",
    "ListRoutingProfiles",
    "ListRoutingProfileQueues",
    "ListAgentStatuses",
)

Labels = tuple[tuple[str, str], ...]
"""Pairs of label and value, sorted."""
Series = dict[tuple[str, Labels], float]


def labels(**given: str) -> Labels:
    return tuple(sorted(given.items()))


# The page

_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,?)')
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?P<labels>.*)\})? (?P<value>[^ {}]+)", re.DOTALL)
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_SUFFIXES = ("_bucket", "_sum", "_count", "_total", "_created", "_info")


def parse(text: str, openmetrics: bool = False) -> Series:
    """Every sample of a page; fails on whatever the format forbids: doubles, scattered families, timestamps, NaN."""
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    if openmetrics:
        assert lines.pop() == "# EOF"
    found: Series = {}
    done: set[str] = set()
    family, types = "", {}
    for line in lines:
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            if name != family:
                assert name not in done, f"{name} stands in two places"
                done.add(name)
                family = name
            if word == "TYPE":
                assert name not in types, f"{name} has two types"
                types[name] = rest
            continue
        name, pairs, value = sample(line)
        assert name == family or name.removeprefix(family) in _SUFFIXES, f"{name} among {family}"
        key = (name, tuple(sorted(pairs)))
        assert key not in found, f"twice: {line}"
        assert len(dict(pairs)) == len(pairs), f"a label twice: {line}"
        found[key] = value
    return found


@lru_cache(50_000)
def sample(line: str) -> tuple[str, Labels, float]:
    """(name, pairs of label and value, value) of one line. Of page after page most lines are the same."""
    match = _SAMPLE.fullmatch(line)
    assert match, f"not a sample, or one with a timestamp: {line!r}"
    pairs, text, at = [], match["labels"] or "", 0
    while at < len(text):
        label = _LABEL.match(text, at)
        assert label, f"labels are wrong at {at}: {line!r}"
        pairs.append((label[1], re.sub(r'\\[\\"n]', lambda escape: _ESCAPES[escape[0]], label[2])))
        at = label.end()
        assert bool(label[3]) == (at < len(text)), f"commas are wrong: {line!r}"
    return match[1], tuple(pairs), float(match["value"])


def of_connect(series: Series) -> Series:
    """Real-time values and information about Amazon Connect: all there is but what other collectors publish, what the
    configuration itself says, and what the exporter says of itself.
    """
    return {
        key: value
        for key, value in series.items()
        if not key[0].startswith((OWN, *ABOUT_THE_PROCESS)) and not OTHER_COLLECTORS.search(key[0])
    }


def differences(found: Series, wanted: Series) -> list[str]:
    """In words, a few lines at most; nothing where both are the same."""
    missing = [f"missing: {key} = {wanted[key]}" for key in wanted.keys() - found.keys()]
    surplus = [f"surplus: {key} = {found[key]}" for key in found.keys() - wanted.keys()]
    wrong = [
        f"wrong: {key} = {found[key]} instead of {wanted[key]}"
        for key in found.keys() & wanted.keys()
        if found[key] != wanted[key]
    ]
    everything = sorted(missing) + sorted(surplus) + sorted(wrong)
    counted = [f"{len(missing)} missing, {len(surplus)} surplus, {len(wrong)} wrong of {len(wanted)}"]
    return counted + everything[:20] if everything else []


# The program


@dataclass(frozen=True)
class Daemon:
    program: Running
    url: str
    config: Path

    def page(self, *, openmetrics: bool = False, path: str = "/metrics") -> str:
        accept = "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain"
        answer = fetch(self.url + path, headers={"Accept": accept})
        assert answer.status == 200, answer.text
        return answer.body.decode()

    def scrape(self, *, openmetrics: bool = False) -> Series:
        return parse(self.page(openmetrics=openmetrics), openmetrics)

    def get(self, path: str, **more: Any) -> Answer:
        return fetch(self.url + path, **more)

    def own(self, name: str, **given: str) -> float | None:
        """A sample of amazon_connect_exporter_…; None where there is none."""
        return self.scrape().get((OWN + name, labels(**given)))

    def wait(self, look: Callable[[Series], object], what: str, timeout: float = 20.0) -> Series:
        """The first page on which `look` is true."""

        def once() -> Series | None:
            page = self.scrape()
            return page if look(page) else None

        found = wait_for(once, f"{what}\n{self.program.stderr[-3000:]}", timeout=timeout)
        assert found is not None
        return found


def ok(alias: str, collector: str = "current") -> Callable[[Series], object]:
    """Whether a collector says that its last refresh succeeded."""
    return lambda page: page.get((OWN + "collector_success", labels(instance_alias=alias, collector=collector))) == 1


def failed(alias: str, collector: str = "current") -> Callable[[Series], object]:
    return lambda page: page.get((OWN + "collector_success", labels(instance_alias=alias, collector=collector))) == 0


def refreshed_since(when: float, alias: str, collector: str = "current") -> Callable[[Series], object]:
    """Whether a refresh that began after `when`, unix seconds, has succeeded."""
    key = (OWN + "collector_last_success_timestamp_seconds", labels(instance_alias=alias, collector=collector))
    return lambda page: page.get(key, 0.0) > when


def errors(page: Series, alias: str, reason: str, collector: str = "current") -> float:
    key = labels(instance_alias=alias, collector=collector, reason=reason)
    return page.get((OWN + "collector_errors_total", key), 0.0)


def settings(url: str, instances: Sequence[Instance | Mapping[str, Any]] = (), **changed: Any) -> dict[str, Any]:
    """A configuration for tests: second by second, current values alone. `changed` replaces whole blocks."""
    return {
        "web": {"listen_address": f"127.0.0.1:{free_port()}"},
        "aws": {
            "region": "us-east-1",
            "endpoint_url": url,
            "connect_timeout": "1s",
            "read_timeout": "2s",
            "quota_share": 1,
            "quotas": dict.fromkeys(OPERATIONS, PLENTY),
        },
        "instances": [{"id": one.id, "region": one.region} if isinstance(one, Instance) else one for one in instances],
        "inventory": {"interval": "2s"},
        "collectors": current(),
        "max_age": "5s",
        **changed,
    }


def current(**changed: Any) -> dict[str, Any]:
    return {
        "current": {"interval": "1s", **changed},
        "historical": {"enabled": False},
        "counters": {"enabled": False},
    }


def written(directory: Path, settings: Mapping[str, Any], name: str = "config.yml") -> Path:
    path = directory / name
    path.write_text(yaml.safe_dump(dict(settings), allow_unicode=True))
    return path


@contextmanager
def nobody() -> Iterator[str]:
    """An address that takes connections and never says a word: STS in a network that has no way to it."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


@contextmanager
def daemon(
    directory: Path,
    settings: Mapping[str, Any],
    *,
    env: Mapping[str, str] | None = None,
    command: Sequence[str] = ("run",),
    healthy: bool = True,
) -> Iterator[Daemon]:
    """The daemon while the block runs, answering on loopback. Nobody answers for STS."""
    config = written(directory, settings)
    url = f"http://{settings['web']['listen_address']}"
    with nobody() as sts:
        environment = {"AWS_ENDPOINT_URL_STS": sts, **KEYS, **(env or {})}
        with running([*EXPORTER, *command, "--config", config], directory, env=environment) as program:
            if healthy:
                started(program, url + "/-/healthy")
            yield Daemon(program, url, config)


@dataclass(frozen=True)
class Done:
    status: int
    stdout: str
    stderr: str


def run(*arguments: str | Path, env: Mapping[str, str] | None = None, timeout: float = 30) -> Done:
    """A command that ends by itself; it prints no traceback, whatever happens."""
    with nobody() as sts:
        done = subprocess.run(
            [*EXPORTER, *map(str, arguments)],
            capture_output=True,
            env={**os.environ, "AWS_ENDPOINT_URL_STS": sts, **KEYS, **(env or {})},
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def eventually(look: Callable[[], object], what: str, timeout: float = 20.0) -> None:
    wait_for(look, what, timeout=timeout, ignore=(OSError,))


def about(page: Series, alias: str) -> Series:
    """What is said of one instance, by Amazon Connect."""
    return {key: value for key, value in of_connect(page).items() if dict(key[1])["instance_alias"] == alias}
