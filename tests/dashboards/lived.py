"""Days of an exporter in seconds, in a real Prometheus.

The program collects a simulated contact centre on a clock that jumps; between the two there is neither boto3 nor HTTP,
which other tests are about. What its pages say is written as OpenMetrics and made blocks of; then the recording rules
are evaluated over all of it, layer after layer, as Prometheus would have recorded them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from exporter.app import App
from exporter.board import Entry
from exporter.board import families as families_of
from exporter.catalogue import ALL, COUNTERS, CURRENT, HISTORICAL, by_name
from exporter.catalogue.spec import Spec
from exporter.exposition import render
from exporter.jobs import Api, Clock
from exporter.model import Target
from exporter.settings import Settings, load
from exporter.simulator.identity import Caller
from exporter.simulator.operations import HANDLERS, Question
from exporter.simulator.pages import Listing
from exporter.simulator.world import World
from tests.dashboards.promql import names
from tests.tools import REPOSITORY, Prometheus, free_port, need, running, started

RULES = REPOSITORY / "grafana" / "rules" / "recording.yaml"
JOB, EXPORTER = "amazon-connect", "exporter:10042"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

Span = tuple[float, float, float]
"""(start, end, step): unix seconds, ends included."""
Series = dict[str, list[tuple[float, float]]]
"""Name and labels as in an exposition -> (unix seconds, value), ascending."""


# from the world to series


@dataclass(slots=True)
class Life:
    """A simulated contact centre, an exporter that collects it, and the clock that both go by."""

    now: float
    """Unix seconds."""
    wanted: frozenset[str]
    """The families that are collected and kept: all of them would take several times as long."""
    queues: int = 6
    volume: float = 1.0
    seed: int = 3
    world: World = field(init=False)
    app: App = field(init=False)
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def __post_init__(self) -> None:
        self.world = World(seed=self.seed, clock=lambda: self.now, instances=1, queues=self.queues, volume=self.volume)
        told = [{"id": instance.id, "region": instance.region} for instance in self.world.instances]
        keys = {
            "INSTANCES": told,
            "COLLECTORS__CURRENT__METRICS": _of_aws(self.wanted, CURRENT),
            "COLLECTORS__HISTORICAL__LEVELS": ["queue"],
            "COLLECTORS__HISTORICAL__METRICS": _of_aws(self.wanted, (*HISTORICAL, *COUNTERS)),
        }
        settings = load(None, {f"AMAZON_CONNECT_EXPORTER_{key}": json.dumps(value) for key, value in keys.items()})
        self.app = _AppBeside(settings, self.world, Clock(lambda: self.now, lambda: self.now))

    def page(self) -> Iterator[tuple[str, float]]:
        """Every sample of a page made now, less what is of requests and of the process."""
        self.runner.run(self.app.engine.once())
        failed = [f"{state.collector}: {state.error}" for state in self.app.engine.states() if not state.success]
        assert not failed, failed
        own = Entry(render(tuple(self.app.own_samples()), by_name), float("inf"))
        for family in families_of([*self.app.shared.board.fresh(self.now), own], ALL):
            for line in family.text.decode().splitlines():
                if not line.startswith("#"):
                    series, _, value = line.rpartition(" ")
                    yield series, float(value)

    def close(self) -> None:
        self.app.gateway.close()
        self.runner.close()


class _AppBeside(App):
    """The program, with a world beside it instead of AWS: calls are answered as the simulator would."""

    def __init__(self, settings: Settings, world: World, clock: Clock) -> None:
        self._world = world
        super().__init__(settings, clock=clock)

    def _api_of(self, target: Target) -> Api:
        instance = self._world.instances[0]
        caller = Caller(instance.account_id, instance.region, "", "")

        async def call(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
            return _answer(Question(self._world, caller, _plain(params), "ResourceNotFoundException"), operation)

        async def pages(operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
            return [await call(operation, params)]

        return Api(call, pages)


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one.timestamp() if isinstance(one, datetime) else one for key, one in params.items()}


def _answer(question: Question, operation: str) -> dict[str, Any]:
    answer = HANDLERS[operation](question)
    if not isinstance(answer, Listing):
        return answer
    rest = dict(answer.rest)
    if "DataSnapshotTime" in rest:
        rest["DataSnapshotTime"] = datetime.fromtimestamp(rest["DataSnapshotTime"], UTC)
    return {answer.key: [answer.show(n, row) for n, row in enumerate(answer.rows)], **rest}


def _of_aws(wanted: frozenset[str], specs: Iterable[Spec]) -> list[str]:
    """What AWS calls them; all where none is wanted, as an empty list is refused."""
    return sorted({spec.api for spec in specs if spec.name in wanted}) or ["all"]


def lived(life: Life, moments: Iterable[float], story: Callable[[Life], None] = lambda _: None) -> Series:
    """What was scraped at these moments; `story` is told before each."""
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    target = f'job="{JOB}",instance="{EXPORTER}"'
    full: dict[str, str | None] = {}
    for moment in moments:
        life.now = moment
        story(life)
        for series, value in life.page():
            if series not in full:
                name, brace, labels = series.partition("{")
                told = f"{name}{{{target},{labels}" if brace else f"{name}{{{target}}}"
                full[series] = told if name in life.wanted else None
            if (key := full[series]) is not None:
                found[key].append((moment, value))
    life.close()
    return dict(found)


def steps(*parts: Span) -> list[float]:
    """Moments of several spans, each once."""
    found = {start + n * step for start, end, step in parts for n in range(int((end - start) // step) + 1)}
    return sorted(found)


# from series to blocks


def write_blocks(series: Series, directory: Path, scratch: Path) -> None:
    """Blocks in `directory`, of files in `scratch`, two at a time.

    promtool makes blocks of two hours, and reads a file from its beginning for each: much goes into several files.
    """
    span = 12 * HOUR if sum(map(len, series.values())) > 100_000 else 3 * DAY
    parts: defaultdict[int, list[str]] = defaultdict(list)
    for key, samples in series.items():
        for moment, value in samples:
            parts[int(moment // span)].append(f"{key} {value!r} {moment:.3f}\n")
    promtool = need("promtool")
    scratch.mkdir(parents=True, exist_ok=True)

    def one(number: int) -> None:
        path = scratch / f"{number}.txt"
        with path.open("w") as file:
            file.writelines(parts[number])
            file.write("# EOF\n")
        argv = [promtool, "tsdb", "create-blocks-from", "--quiet", "openmetrics", str(path), str(directory)]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        path.unlink()

    directory.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, parts))


@contextmanager
def serving(directory: Path, lookback: str) -> Iterator[Prometheus]:
    """A Prometheus on the blocks in `directory`/data, that scrapes nothing.

    `lookback`: less than the shortest step. Of a series that was scraped and is gone, Prometheus knows that it is; of
    one in a file it does not, and would show its last value for as long as this.
    """
    configuration = directory / "prometheus.yml"
    configuration.write_text("{}\n")
    address = f"127.0.0.1:{free_port()}"
    argv = [
        need("prometheus"),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={address}",
        "--storage.tsdb.retention.time=3650d",
        f"--query.lookback-delta={lookback}",
        "--query.timeout=30s",
    ]
    with running(argv, directory) as program:
        started(program, f"http://{address}/-/ready")
        yield Prometheus(f"http://{address}", program)


def _lookback(spans: Sequence[Span]) -> str:
    return f"{min(step for _, _, step in spans) - 1:g}s"


# recording rules


def rules(path: Path = RULES) -> dict[str, str]:
    """Name -> expression, in the file's order."""
    groups = yaml.safe_load(path.read_text())["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


def layers(recorded: Mapping[str, str]) -> list[list[str]]:
    """Rules that need no other first, then those that need only these, and so on."""
    needs = {name: names(promql_parser.parse(expr)) & recorded.keys() for name, expr in recorded.items()}
    done: list[list[str]] = []
    while needs:
        ready = [name for name, needed in needs.items() if not needed & needs.keys()]
        assert ready, f"rules in a circle: {sorted(needs)}"
        done.append(ready)
        needs = {name: needed for name, needed in needs.items() if name not in ready}
    return done


def evaluated(server: Prometheus, expr: str, name: str, spans: Sequence[Span]) -> Series:
    """What a rule would have recorded, at the steps of each span."""
    found: defaultdict[str, dict[float, float]] = defaultdict(dict)
    for start, end, step in spans:
        for one in server.get("query_range", query=expr, start=f"{start}", end=f"{end}", step=f"{step}")["result"]:
            labels = ",".join(
                f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in one["metric"].items() if k != "__name__"
            )
            samples = found[f"{name}{{{labels}}}"]
            samples.update((float(moment), float(value)) for moment, value in one["values"])
    return {key: sorted(samples.items()) for key, samples in found.items()}


def record(directory: Path, spans: Sequence[Span], recorded: Mapping[str, str]) -> None:
    """Adds what the rules record to `directory`/data, at the moments of the pages."""
    for number, layer in enumerate(layers(recorded)):
        found: Series = {}
        with serving(directory, _lookback(spans)) as server, ThreadPoolExecutor(2) as pool:
            for series in pool.map(lambda name: evaluated(server, recorded[name], name, spans), layer):
                found |= series
        write_blocks(found, directory / "data", directory / f"layer-{number}")


@contextmanager
def prometheus_of(
    directory: Path,
    series: Series,
    spans: Sequence[Span],
    recorded: Mapping[str, str] | None = None,
) -> Iterator[Prometheus]:
    """A Prometheus that has scraped `series` and recorded the rules."""
    with ExitStack() as stack:
        write_blocks(series, directory / "data", directory / "pages")
        record(directory, spans, rules() if recorded is None else recorded)
        yield stack.enter_context(serving(directory, _lookback(spans)))
