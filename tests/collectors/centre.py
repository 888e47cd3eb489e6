"""Amazon Connect without a socket: the simulator's handlers behind the two functions through which the engine asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from exporter.jobs import Api
from exporter.model import Access, CallFailed, Reason, Target
from exporter.simulator.errors import Refused
from exporter.simulator.identity import Caller
from exporter.simulator.operations import HANDLERS, Question
from exporter.simulator.pages import Listing
from tests.unit import simulator_stub as stub

METRICS = "GetCurrentMetricData"
REASONS = {
    "InvalidParameterException": Reason.INVALID_REQUEST,
    "InvalidRequestException": Reason.INVALID_REQUEST,
    "ResourceNotFoundException": Reason.NOT_FOUND,
}
DENIED = CallFailed("AnyOperation", Reason.ACCESS_DENIED, "AccessDeniedException", "not for you")
THROTTLED = CallFailed("AnyOperation", Reason.THROTTLED, "TooManyRequestsException", "slow down")
LATE = CallFailed("AnyOperation", Reason.TIMEOUT, "", "no whole answer")
INVALID = CallFailed("AnyOperation", Reason.INVALID_REQUEST, "InvalidParameterException", "no")


@dataclass
class Floor(stub.World):
    """Answers as its parent, but has nothing to tell of queues that are idle."""

    idle: set[str] = field(default_factory=set)

    def current(self, instance_id: str, **query: Any) -> tuple[list[Any], float]:
        rows, snapshot = super().current(instance_id, **query)
        return [row for row in rows if row[0].get("QUEUE") not in self.idle], snapshot


class Centre:
    """`failing`: operation to what it raises. `delay`: operation to seconds on the loop. `calls`: what was asked."""

    def __init__(self, *instances: stub.Instance) -> None:
        self.world = Floor(instances=instances or (instance(),))
        self.failing: dict[str, BaseException] = {}
        self.delay: dict[str, float] = {}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.running: dict[str, int] = {}
        self.most_running: dict[str, int] = {}

    def api(self, _: Target | None = None) -> Api:
        async def pages(operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
            answer = await self.call(operation, params)
            assert key in answer
            return [answer]

        return Api(self.call, pages)

    def asked(self, operation: str) -> list[Mapping[str, Any]]:
        return [params for name, params in self.calls if name == operation]

    async def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append((operation, params))
        self.running[operation] = self.running.get(operation, 0) + 1
        self.most_running[operation] = max(self.most_running.get(operation, 0), self.running[operation])
        try:
            await asyncio.sleep(self.delay.get(operation, 0.0))
            if failure := self.failing.get(operation):
                raise failure
            return self._answer(operation, params)
        finally:
            self.running[operation] -= 1

    def _answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        region = next(iter(self.world.instances)).region
        caller = Caller(stub.ACCOUNT, region, "", "")
        plain = {name: value.timestamp() if isinstance(value, datetime) else value for name, value in params.items()}
        try:
            answer = HANDLERS[operation](Question(self.world, caller, plain, "ResourceNotFoundException"))
        except Refused as refused:
            raise CallFailed(operation, REASONS[refused.code], refused.code, refused.message) from None
        if not isinstance(answer, Listing):
            return answer
        rest = dict(answer.rest)
        if "DataSnapshotTime" in rest:
            rest["DataSnapshotTime"] = datetime.fromtimestamp(rest["DataSnapshotTime"], UTC)
        return {answer.key: [answer.show(number, row) for number, row in enumerate(answer.rows)], **rest}


def instance(queues: int = 3, profiles: int = 2, **fields: Any) -> stub.Instance:
    """`queues` queues and an agent's, `profiles` profiles; the first serves all queues but the last by VOICE."""
    held = tuple(stub.Queue(f"q{number}", f"Queue {number}") for number in range(queues))
    served = tuple((queue.id, "VOICE", 1, 0) for queue in held[:-1])
    named = tuple(
        stub.Profile(f"p{number}", f"Profile {number}", served if number == 0 else ()) for number in range(profiles)
    )
    agents = (stub.Queue(stub.AGENT_QUEUE, None, "AGENT"),)
    statuses = (stub.Status("s0", "Available", "ROUTABLE"), stub.Status("s1", "Lunch", "CUSTOM"))
    return stub.Instance(**{"queues": held + agents, "profiles": named, "statuses": statuses, **fields})


def target(instance_id: str = stub.INSTANCE, **fields: Any) -> Target:
    return Target(instance_id, fields.pop("access", Access(stub.REGION)), **fields)
