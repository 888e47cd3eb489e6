"""A world of exact values for the simulator's wire side, and boto3 clients that talk to it."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from exporter.simulator.identity import access_key_id
from exporter.simulator.quotas import UNLIMITED
from exporter.simulator.server import Simulator
from exporter.simulator.view import Metric

NOW = 1_790_000_100.0
"""Monday 2026-09-21 14:15:00 UTC, on a 5-minute mark."""
ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
REGION = "us-east-1"
INSTANCE = "00000000-0000-4000-8000-000000000001"
FAR_INSTANCE = "00000000-0000-4000-8000-000000000002"
FOREIGN_INSTANCE = "00000000-0000-4000-8000-000000000003"
AGENT_QUEUE = "agent-queue"
NOT_A_QUEUE = "no-such-queue"


@dataclass(frozen=True)
class Queue:
    id: str
    name: str | None
    kind: str = "STANDARD"


@dataclass(frozen=True)
class Profile:
    id: str
    name: str
    serves: tuple[tuple[str, str, int, int], ...] = ()


@dataclass(frozen=True)
class Status:
    id: str
    name: str
    kind: str


@dataclass(frozen=True)
class Instance:
    id: str = INSTANCE
    alias: str | None = "acme"
    account_id: str = ACCOUNT
    region: str = REGION
    created: float = NOW - 1000
    queues: tuple[Queue, ...] = ()
    profiles: tuple[Profile, ...] = ()
    statuses: tuple[Status, ...] = ()

    @property
    def arn(self) -> str:
        return f"arn:aws:connect:{self.region}:{self.account_id}:instance/{self.id}"


def instance(**fields: Any) -> Instance:
    """150 queues and an agent's, 130 profiles of which the first serves 150 lines, three statuses."""
    queues = tuple(Queue(f"q{number}", f"Queue {number}") for number in range(150))
    lines = tuple((queue.id, "VOICE", 1, 0) for queue in queues)
    profiles = tuple(Profile(f"p{number}", f"Profile {number}", lines if number == 0 else ()) for number in range(130))
    statuses = (
        Status("s0", "Available", "ROUTABLE"),
        Status("s1", "Offline", "OFFLINE"),
        Status("s2", "Lunch", "CUSTOM"),
    )
    everything = {"queues": (*queues, Queue(AGENT_QUEUE, None, "AGENT")), "profiles": profiles, "statuses": statuses}
    return Instance(**{**everything, **fields})


@dataclass
class World:
    """Answers every query with one row for each combination of what was filtered by, numbered in that order.

    A metric's value is the row's number, except those in `values`; what it was asked stands in `asked`.
    """

    instances: tuple[Instance, ...] = field(default_factory=lambda: (instance(),))
    now: float = NOW
    values: dict[str, float | None] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def clock(self) -> Callable[[], float]:
        return lambda: self.now

    def current(
        self, instance_id: str, **query: Any
    ) -> tuple[list[tuple[dict[str, str], dict[str, float | None]]], float]:
        self.asked.append({"instance_id": instance_id, **query})
        rows = _rows(query["groupings"], query["channels"], query["queues"], query["profiles"], query["metrics"])
        shown = [
            (dimensions, {name: self.values.get(name, number) for name, number in row.items()})
            for dimensions, row in rows
        ]
        return shown, self.now

    def historical(self, instance_id: str, **query: Any) -> list[tuple[dict[str, str], dict[Metric, float | None]]]:
        self.asked.append({"instance_id": instance_id, **query})
        rows = _rows(query["groupings"], query["channels"], query["queues"], None, query["metrics"])
        return [
            (dimensions, {key: self.values.get(key[0], number) for key, number in row.items()})
            for dimensions, row in rows
        ]


def _rows(
    groupings: Sequence[str],
    channels: Sequence[str],
    queues: Sequence[str] | None,
    profiles: Sequence[str] | None,
    metrics: Sequence[Any],
) -> list[tuple[dict[str, str], dict[Any, float]]]:
    ids: Mapping[str, Sequence[str]] = {
        "QUEUE": queues or (),
        "CHANNEL": channels,
        "ROUTING_PROFILE": profiles or ("p1", "p2"),
        "AGENT_STATUS": ("s0", "s2"),
    }
    combinations = itertools.product(*(ids[grouping] for grouping in groupings))
    return [
        (dict(zip(groupings, key, strict=True)), dict.fromkeys(metrics, float(number)))
        for number, key in enumerate(combinations)
    ]


# Clients. The session is shared: the service model is read from disk once.

_session = boto3.Session()


def _client(service: str, simulator: Simulator, region: str, account: str, **more: Any) -> Any:
    keys = {"aws_access_key_id": access_key_id(account), "aws_secret_access_key": "secret"}
    return _session.client(
        service,  # type: ignore[call-overload]
        endpoint_url=simulator.url,
        region_name=region,
        config=Config(
            retries={"total_max_attempts": 1}, **{"connect_timeout": 5, "read_timeout": 20, **more.pop("config", {})}
        ),
        **{**keys, **more},
    )


def connect(simulator: Simulator, region: str = REGION, account: str = ACCOUNT, **more: Any) -> Any:
    return _client("connect", simulator, region, account, **more)


def unchecked(simulator: Simulator) -> Any:
    """A client that sends what botocore's own validator would not."""
    return connect(simulator, config={"parameter_validation": False})


def sts(simulator: Simulator, region: str = REGION, account: str = ACCOUNT, **more: Any) -> Any:
    return _client("sts", simulator, region, account, **more)


def simulated(world: World | None = None, **more: Any) -> Simulator:
    """Not started; without quotas unless `more` says so."""
    return Simulator(world or World(), **{"quotas": UNLIMITED, **more})


@contextmanager
def talking(world: World | None = None, **more: Any) -> Iterator[tuple[Simulator, Any]]:
    """A running simulator and a client of it that checks nothing itself."""
    with simulated(world, **more) as simulator:
        client = unchecked(simulator)
        try:
            yield simulator, client
        finally:
            client.close()


def error_of(call: Callable[[], Any]) -> tuple[int, str, str]:
    """Status, code and message of the error that `call` must end in."""
    try:
        call()
    except ClientError as error:
        found = error.response
        return found["ResponseMetadata"]["HTTPStatusCode"], found["Error"]["Code"], found["Error"].get("Message", "")
    raise AssertionError("the call was accepted")


# Requests that are right in every respect, to be changed in one.


def current(
    *, metrics: Sequence[str] = ("AGENTS_ONLINE",), groupings: Sequence[str] | None = None, **filters: Any
) -> dict[str, Any]:
    """Parameters of GetCurrentMetricData; filters by queue q0 and VOICE where none is given."""
    seconds = ("OLDEST_CONTACT_AGE", "ESTIMATED_WAIT_TIME")
    params: dict[str, Any] = {
        "InstanceId": INSTANCE,
        "Filters": filters or {"Queues": ["q0"], "Channels": ["VOICE"]},
        "CurrentMetrics": [{"Name": name, "Unit": "SECONDS" if name in seconds else "COUNT"} for name in metrics],
    }
    return params if groupings is None else {**params, "Groupings": list(groupings)}


HANDLED = {"Name": "CONTACTS_HANDLED", "Unit": "COUNT", "Statistic": "SUM"}


def service_level(threshold: float) -> dict[str, Any]:
    limit = {"Comparison": "LT", "ThresholdValue": threshold}
    return {"Name": "SERVICE_LEVEL", "Unit": "PERCENT", "Statistic": "AVG", "Threshold": limit}


def historical(*metrics: Mapping[str, Any], start: float = NOW - 3600, end: float = NOW, **more: Any) -> dict[str, Any]:
    """Parameters of GetMetricData; `more` stands over them."""
    return {
        "InstanceId": INSTANCE,
        "StartTime": start,
        "EndTime": end,
        "Filters": {"Queues": ["q0"], "Channels": ["VOICE"]},
        "HistoricalMetrics": list(metrics or (HANDLED,)),
        **more,
    }


def signed(simulator: Simulator, method: str, path: str, body: bytes = b"", *, service: str = "connect") -> Answer:
    """A request that no AWS client would make, signed all the same."""
    return plain(simulator, method, path, body, signature(simulator, method, path, body, service))


def signature(
    simulator: Simulator, method: str, path: str, body: bytes = b"", service: str = "connect"
) -> dict[str, str]:
    """Headers."""
    request = AWSRequest(method, f"{simulator.url}{path}", data=body, headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials(access_key_id(ACCOUNT), "secret"), service, REGION).add_auth(request)
    return dict(request.headers.items())


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def plain(
    simulator: Simulator, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Answer:
    connection = http.client.HTTPConnection(simulator.url.removeprefix("http://"), timeout=20)
    with closing(connection):
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
