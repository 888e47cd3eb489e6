"""GetMetricData without a socket: the simulator's own rules for requests, and values that a test has written down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore import session
from botocore.validate import ParamValidator

from exporter.collectors import Context
from exporter.collectors.refusals import Memory
from exporter.model import CallFailed, Inventory, Reason, Result, Target
from exporter.simulator import rules
from exporter.simulator.errors import Refused
from tests.collectors.centre import REASONS, target
from tests.unit import simulator_stub as stub

OPERATION = "GetMetricData"
MORNING = 1_790_067_600.0
"""2026-09-22 09:00:00 UTC."""

Value = Callable[[str, str, str, float | None, float, float], float | None]
"""(queue id, channel, metric, threshold, start, end); nothing where there is no number."""


def one(*_: object) -> float:
    return 1.0


@dataclass
class History:
    """An Amazon Connect instance with `queues` queues named after their number, and the machine that asks it."""

    queues: int = 2
    value: Value = one
    target: Target = field(default_factory=lambda: target(alias="acme", channels=("VOICE", "CHAT")))
    served: frozenset[tuple[str, str]] = frozenset()
    now: float = MORNING
    monotonic: float = 1000.0
    skew: float = 0.0
    """Seconds by which AWS's clock is ahead of the machine's."""
    takes: float = 0.0
    """Seconds that an answer takes."""
    late: float = 0.0
    """Real seconds after which a failure comes."""
    silent: Sequence[tuple[str, str]] = ()
    """Queue id and channel of which AWS has no row."""
    refused: Callable[[Mapping[str, Any]], CallFailed | None] = lambda _: None
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    memory: Memory = field(default_factory=lambda: Memory(600.0))
    result: Result | None = None

    def __post_init__(self) -> None:
        self.names = {f"q{number:03}": f"Queue {number:03}" for number in range(self.queues)}
        self._shuffle = random.Random(1).shuffle

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds

    async def run(self, collect: Callable[[Context], Awaitable[Result]]) -> Result:
        """One run, which gets what the last one carried."""
        context = Context(
            target=self.target,
            instance_alias="acme",
            inventory=await self.inventory(),
            pages=self.pages,
            refresh=self.inventory,
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
            memory=self.memory,
            carry=self.result.carry if self.result else None,
        )
        self.result = await collect(context)
        series = [(sample.name, sample.labels) for sample in self.result.samples]
        assert len(set(series)) == len(series)
        return self.result

    def restart(self) -> None:
        """Another process, which remembers nothing."""
        self.result, self.memory = None, Memory(600.0)

    def asked(self) -> list[Mapping[str, Any]]:
        """The calls since the last look."""
        calls, self.calls = self.calls, []
        return calls

    async def inventory(self) -> Inventory:
        return Inventory(alias="acme", queues=dict(self.names), routing_profiles={}, served=self.served)

    async def pages(self, operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        assert (operation, key) == (OPERATION, "MetricResults")
        assert_shape(params)
        self.calls.append(params)
        self.wait(self.takes)
        if failure := self.refused(params):
            await asyncio.sleep(self.late)
            raise failure
        asked, metrics = self._understood(params)
        start, end = params["StartTime"].timestamp(), params["EndTime"].timestamp()
        rows = [
            self._row(dimensions, metrics, start, end)
            for dimensions in self._dimensions(asked)
            if (dimensions.get("Queue", {}).get("Id", ""), dimensions.get("Channel", "")) not in self.silent
        ]
        # Two pages, if there are rows enough.
        half = len(rows) // 2
        return [{"MetricResults": part} for part in ([rows[:half], rows[half:]] if half else [rows])]

    def _understood(self, params: Mapping[str, Any]) -> tuple[rules.Asked, Sequence[tuple[str, float | None]]]:
        instance = stub.Instance(
            id=self.target.instance_id, queues=tuple(stub.Queue(i, name) for i, name in self.names.items())
        )
        plain = {name: value.timestamp() if isinstance(value, datetime) else value for name, value in params.items()}
        try:
            return rules.historical(plain, instance, "ResourceNotFoundException", self.now + self.skew)
        except Refused as refused:
            raise CallFailed(OPERATION, REASONS[refused.code], refused.code, refused.message) from None

    def _dimensions(self, asked: rules.Asked) -> list[dict[str, Any]]:
        if not asked.groupings:
            return [{}]
        return [
            {"Queue": {"Id": queue, "Arn": f"arn:aws:connect:…/queue/{queue}"}, "Channel": channel}
            for queue in asked.queues or ()
            for channel in asked.channels
        ]

    def _row(
        self, dimensions: dict[str, Any], metrics: Sequence[tuple[str, float | None]], start: float, end: float
    ) -> dict[str, Any]:
        collections = []
        for name, threshold in metrics:
            queue, channel = dimensions.get("Queue", {}).get("Id", ""), dimensions.get("Channel", "")
            value = self.value(queue, channel, name, threshold, start, end)
            limit = {} if threshold is None else {"Threshold": {"Comparison": "LT", "ThresholdValue": float(threshold)}}
            given = {} if value is None else {"Value": value}
            collections.append({"Metric": {"Name": name, "Unit": "COUNT", "Statistic": "SUM", **limit}, **given})
        # AWS does not keep the order of the request.
        self._shuffle(collections)
        return {"Dimensions": dimensions, "Collections": collections} if dimensions else {"Collections": collections}


_INPUT = session.get_session().get_service_model("connect").operation_model(OPERATION).input_shape


def assert_shape(params: Mapping[str, Any]) -> None:
    """What botocore would refuse to send is wrong before any rule."""
    assert _INPUT is not None
    report = ParamValidator().validate(dict(params), _INPUT)
    assert not report.has_errors(), report.generate_report()


def named(result: Result | None) -> dict[tuple[str, ...], float]:
    """(name, *labels but the instance's) to value."""
    assert result is not None
    assert all(sample.labels[0] == "acme" for sample in result.samples)
    return {(sample.name, *sample.labels[1:]): sample.value for sample in result.samples}


def no(reason: Reason = Reason.INVALID_REQUEST) -> CallFailed:
    return CallFailed(OPERATION, reason, f"{reason.value}Exception", "no")


def without(history: History, queue: str) -> None:
    """Somebody deletes a queue."""
    history.names = {identity: name for identity, name in history.names.items() if identity != queue}
