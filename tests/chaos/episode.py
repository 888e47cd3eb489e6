"""Episodes in the life of one daemon: troubles from a seed, then peace, then everything has to be well again."""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import yaml

from exporter.simulator.identity import access_key_id
from exporter.simulator.server import Simulator
from tests.chaos import laws
from tests.chaos.centre import FAR, HOME, REGION, Centre, Record
from tests.chaos.counting import Shown, counters_are_true
from tests.chaos.daemon import ENDPOINT, HEARTBEAT
from tests.chaos.laws import INTERVALS, LATE, MAX_AGE, Broken, Scraped, fresh_after, told_after
from tests.chaos.moment import RATE, Moment, let_pass
from tests.chaos.troubles import Trouble, draw
from tests.e2e.daemon import parse
from tests.tools import REPOSITORY, Running, fetch, free_port, running, started

OUTAGES = 0.3
"""Part of the episodes in which some collectors get no answer for longer than max_age."""
EXIT_WITHIN = 5.0
"""Seconds after SIGTERM."""
EXIT = 0.5
"""Real seconds that the interpreter takes to end on a busy machine."""
MOST_THREADS = 1 + (os.cpu_count() or 1) + 4 + 4 * (3 + 2) + 3
"""Of the loop; of asyncio's pool; four for each instance and for each account's lists; one that opens each session."""
MOST_FILES = 40
"""A connection for each call that runs, and about 15 of the process."""
GROWTH = 40.0
"""MB by which resident memory may grow after the first episodes."""
SETTLED_AFTER = 10
PAGE_ITEMS = 8
CURRENT = ["CONTACTS_IN_QUEUE", "OLDEST_CONTACT_AGE", "AGENTS_ONLINE", "AGENTS_AVAILABLE", "ESTIMATED_WAIT_TIME"]
RECENT = ["CONTACTS_HANDLED", "HANDLE_TIME", "OCCUPANCY", "SERVICE_LEVEL", "QUEUED_TIME"]
"""Items of a page: chains have several."""


def configuration(port: int, endpoint: str, centre: Centre, other: bool = False) -> dict[str, Any]:
    far = {"id": centre.far, "role_arn": f"arn:aws:iam::{FAR}:role/reader"}
    return {
        "web": {"listen_address": f"127.0.0.1:{port}"},
        "log": {"format": "logfmt"},
        "aws": {"region": REGION, "endpoint_url": endpoint, "connect_timeout": "3s", "read_timeout": "10s"},
        "discovery": [{"regions": [REGION]}],
        "inventory": {"interval": _seconds("inventory")},
        "max_age": f"{MAX_AGE:g}s",
        "slo": [],
        "collectors": {
            "current": {
                "interval": _seconds("current"),
                "metrics": CURRENT,
                "levels": ["queue", "routing_profile", "instance"] + ["queue_all_channels"] * other,
            },
            "historical": {
                "interval": _seconds("historical"),
                "metrics": RECENT,
                "service_level_thresholds": [20],
                "windows": ["30m"] + ["today"] * other,
            },
            "counters": {"interval": _seconds("counters")},
        },
        **({} if other else {"instances": [far]}),
    }


def _seconds(collector: str) -> str:
    return f"{INTERVALS[collector]:g}s"


@dataclass
class Life:
    """The daemon, now one process and now the next, and the world around it."""

    directory: Path
    moment: Moment
    centre: Centre
    record: Record
    simulator: Simulator
    port: int
    lie: str = ""
    """Which the daemon tells: one of tests.chaos.lies."""
    program: Running | None = None
    reloaded: tuple[float, float] = (0.0, 1.0)
    """When the latest reload was asked for, and what the daemon has to say of it."""
    born: float = 0.0
    refusing: bool = False
    scrapes: int = 0
    before: Scraped | None = None
    """The latest page of this process."""
    shown: Shown = field(default_factory=Shown)
    resident: float = 0.0
    """MB."""
    memory: list[float] = field(default_factory=list)
    """Resident MB after each episode."""
    most: dict[str, int] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.directory / "config.yml"

    def start(self) -> None:
        self._write("same")
        argv = [sys.executable, "-m", "tests.chaos.daemon", str(self.config), str(self.directory / "moment")]
        argv += [HEARTBEAT, self.lie] if self.lie else []
        env = {
            "AWS_ACCESS_KEY_ID": access_key_id(HOME),
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_ENDPOINT_URL_STS": self.simulator.url,
            "NO_PROXY": "*",
            "PYTHONASYNCIODEBUG": "",
        }
        self.moment.horizon = 0.0
        self.program = self._stack.enter_context(running(argv, self.directory, env=env, cwd=REPOSITORY))
        started(self.program, f"{self.url}/-/healthy")
        self.born = self.moment.monotonic()
        self.reloaded = (self.born, 1.0)
        self.before, self.shown = None, Shown()

    def end(self) -> None:
        """SIGTERM: it has to end well, and soon."""
        assert self.program is not None
        begun = time.monotonic()
        self.program.send(signal.SIGTERM)
        status = self.program.wait(10)
        took = time.monotonic() - begun
        # What it waits for goes by shared time, and so do the timeouts of calls that hang.
        if status != 0 or took > EXIT_WITHIN / RATE + EXIT:
            raise Broken(f"SIGTERM: status {status} after {took:.1f} s\n{self.program.stderr[-3000:]}")
        self._judge_log()
        self.program = None
        self._stack.close()

    def kill(self) -> None:
        self.program = None
        self._stack.close()

    def refuse(self, refusing: bool) -> None:
        self.refusing = refusing
        if refusing:
            self.simulator.stop()
        else:
            self.simulator.start()

    def drop(self) -> None:
        if not self.refusing:
            self.simulator.stop()
            self.simulator.start()

    def restart(self, down: float) -> None:
        self.end()
        self.moment.jump(down)
        self.start()

    def reload(self, name: str) -> None:
        assert self.program is not None
        good = self._write(name)
        self.program.send(signal.SIGHUP)
        self.reloaded = (self.moment.monotonic(), float(good))

    def until(self, moment: float) -> None:
        """Lets shared time go by."""
        assert self.program is not None
        let_pass(self.moment, moment, self.program)

    def scrape(self) -> Scraped:
        self.scrapes += 1
        openmetrics = self.scrapes % 5 == 0
        accept = "application/openmetrics-text; version=1.0.0" if openmetrics else "text/plain"
        begun = self.moment.monotonic()
        answer = fetch(f"{self.url}/metrics", headers={"Accept": accept})
        ended, wall = self.moment.monotonic(), self.moment.wall()
        if answer.status != 200:
            raise Broken(f"a scrape got {answer.status}: {answer.text[:300]}")
        try:
            series = parse(answer.text, openmetrics)
        except (AssertionError, ValueError) as fault:
            raise Broken(f"the page does not parse: {fault}") from fault
        return Scraped(series, begun, ended, wall, openmetrics)

    def judge_resources(self) -> None:
        assert self.program is not None
        process = Path(f"/proc/{self.program.process.pid}")
        status = (process / "status").read_text()
        files = len(os.listdir(process / "fd"))  # noqa: PTH208 — names are enough, and some vanish meanwhile
        taken = {"threads": int(re.findall(r"(?m)^Threads:\s+(\d+)", status)[0]), "files": files}
        self.resident = int(re.findall(r"(?m)^VmRSS:\s+(\d+) kB", status)[0]) * 1024 / 1e6
        self.most = {name: max(number, self.most.get(name, 0)) for name, number in taken.items()}
        if taken["threads"] > MOST_THREADS or taken["files"] > MOST_FILES:
            raise Broken(f"{taken}")

    def judge_memory(self) -> None:
        resident = self.resident
        self.memory.append(resident)
        if len(self.memory) > SETTLED_AFTER and resident > self.memory[SETTLED_AFTER - 1] + GROWTH:
            raise Broken(f"memory has grown from {self.memory[SETTLED_AFTER - 1]:.0f} to {resident:.0f} MB")
        self._judge_log()

    def _judge_log(self) -> None:
        assert self.program is not None
        said = self.program.stderr
        for words in laws.NEVER_LOGGED:
            if words in said:
                at = said.index(words)
                raise Broken(f"it logs {words!r}: …{said[max(0, at - 500) : at + 3000]}")

    def _write(self, name: str) -> bool:
        """Whether that configuration is a good one."""
        good = configuration(self.port, f"http://{ENDPOINT}:{self.simulator.url.rpartition(':')[2]}", self.centre)
        match name:
            case "same":
                self.config.write_text(yaml.safe_dump(good))
            case "other":
                self.config.write_text(
                    yaml.safe_dump(configuration(self.port, good["aws"]["endpoint_url"], self.centre, other=True))
                )
            case "unknown key":
                self.config.write_text(yaml.safe_dump({**good, "colectors": {}}))
            case "no YAML":
                self.config.write_text("instances: [\n")
            case "no file":
                self.config.unlink(missing_ok=True)
        return name in ("same", "other")


@contextmanager
def life(directory: Path, lie: str = "") -> Iterator[Life]:
    """A world, a daemon in it that may tell a lie, and everything gone in the end."""
    directory.mkdir(parents=True, exist_ok=True)
    moment = Moment(directory / "moment")
    centre = Centre(moment)
    record = Record(moment)
    simulator = Simulator(centre, ticks=moment.monotonic, observe=record.observe, largest_page=PAGE_ITEMS)
    with simulator:
        living = Life(directory, moment, centre, record, simulator, free_port(), lie)
        try:
            living.start()
            living.until(moment.monotonic() + fresh_after("current"))
            yield living
        finally:
            living.kill()
            moment.close()


class Episode:
    """What one seed says."""

    def __init__(self, living: Life, seed: int) -> None:
        self.life = living
        self.chance = random.Random(f"chaos/{seed}")
        outage = self.chance.random() < OUTAGES
        self.length = self.chance.uniform(250, 330) if outage else self.chance.uniform(90, 330)
        self.begun = living.moment.monotonic()
        self.troubles = draw(self.chance, living, self.length, outage)
        self._now: list[Trouble] = []
        self._sick: dict[str, float] = {}
        """Instance to the moment at which its last trouble ended."""
        self._back: dict[str, float] = {}
        """Instance to the moment at which lists had it again."""
        self._wrong_clock = any("clock" in trouble.name for trouble in self.troubles)
        self.story: list[str] = []

    def run(self) -> None:
        """Raises Broken, with what had happened until then."""
        try:
            self._run()
        except AssertionError as broken:
            at = self.life.moment.monotonic() - self.begun
            told = "\n".join(f"    {line}" for line in self.story)
            raise Broken(f"after {at:.0f} s: {broken}\n{told}") from broken

    def _run(self) -> None:
        self.life.record.forget(self.begun - 1000)
        for moment, act in sorted(self._acts(), key=lambda each: each[0]):
            self.life.until(self.begun + moment)
            act()
        peace, wall = self.life.moment.monotonic(), self.life.moment.wall()
        for collector in ("current", "inventory"):
            self._watch_until(peace + fresh_after(collector) + 1)
            page = self._look()
        laws.all_is_well(page, self.life.centre, self.life.record, peace + fresh_after("current"), wall)
        if fetch(f"{self.life.url}/-/ready").status != 200:
            raise Broken("all is well, but it is not ready")
        self.life.judge_memory()

    def _acts(self) -> Iterator[tuple[float, Callable[[], object]]]:
        for trouble in self.troubles:
            yield trouble.start, lambda trouble=trouble: self._begin(trouble)  # type: ignore[misc]
            yield trouble.end, lambda trouble=trouble: self._finish(trouble)  # type: ignore[misc]
        moment = 0.0
        while (moment := moment + self.chance.uniform(15, 45)) < self.length:
            yield moment, self._look

    def _begin(self, trouble: Trouble) -> None:
        self._say("begins", trouble)
        self._now.append(trouble)
        trouble.begun = self.life.moment.monotonic()
        trouble.begin()
        self.life.shown.ahead |= self.life.moment.step > 0

    def _finish(self, trouble: Trouble) -> None:
        self._say("ends", trouble)
        trouble.finish()
        self._now.remove(trouble)
        self._sick.update(dict.fromkeys(trouble.touches, self.life.moment.monotonic()))
        self._back.update(dict.fromkeys(trouble.gone, self.life.moment.monotonic()))

    def _say(self, what: str, trouble: Trouble) -> None:
        self.story.append(f"{self.life.moment.monotonic() - self.begun:4.0f} s {what}: {trouble.name}")

    def _watch_until(self, moment: float) -> None:
        while (next_look := self.life.moment.monotonic() + self.chance.uniform(30, 60)) < moment:
            self.life.until(next_look)
            self._look()
        self.life.until(moment)

    def _look(self) -> Scraped:
        """A page, and all that holds of every page."""
        page, life = self.life.scrape(), self.life
        laws.values_were_served(page, life.centre, life.record)
        counters_are_true(page, life.centre, life.record, life.shown)
        laws.states_are_whole(page)
        if life.before is not None:
            laws.failures_are_counted(page, life.before)
        if not self._wrong_clock:
            laws.success_is_true(page, life.centre, life.record)
        asked, told = life.reloaded
        if page.begun - asked > LATE and page.own("config_last_reload_successful") != told:
            raise Broken(f"the latest reload went {told}, but the page says otherwise")
        for trouble in self._now:
            if trouble.first is None or trouble.first.begun < life.born:
                trouble.first = page
        for instance in life.centre.everybody:
            self._judge(page, instance.id, instance.alias)
        if life.scrapes % 4 == 0:
            for path in ("/-/healthy", "/", "/config"):
                if (status := fetch(life.url + path).status) != 200:
                    raise Broken(f"{path} got {status}")
        life.judge_resources()
        life.before = page
        return page

    def _judge(self, page: Scraped, instance: str, alias: str) -> None:
        touching = [trouble for trouble in self._now if instance in trouble.touches]
        if alias not in page.aliases():
            self.life.shown.forget(alias)
        found = page.begun > self._back.get(instance, -inf) + fresh_after("inventory")
        for collector in INTERVALS:
            well = page.begun > max(self._sick.get(instance, -inf), self.life.born) + fresh_after(collector)
            if well and found and not touching:
                laws.is_well(page, alias, collector)
        # Whatever else goes on may give another reason, or take the instance away.
        for trouble in touching if len(touching) == 1 else ():
            since = max(trouble.begun, self.life.born)
            for collector in trouble.silent if instance in trouble.total and found else ():
                if page.begun - since > told_after(collector):
                    self._fails(page, trouble, alias, collector)
            # Whatever keeps instances from being listed touches this one too.
            alone = sum(instance in one.touches for one in self.troubles) == 1
            if instance in trouble.gone and page.begun - since > laws.GONE_AFTER and alone:
                laws.is_not_told_of(page, alias)

    def _fails(self, page: Scraped, trouble: Trouble, alias: str, collector: str) -> None:
        """What was not known when the process began is not told of at all."""
        first = trouble.first
        if first and page.begun - first.begun > laws.AGAIN and alias in first.aliases():
            laws.says_that_it_fails(page, first, alias, collector, trouble.reasons)
