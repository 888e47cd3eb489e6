"""Contact centres of several accounts behind one simulator, and an exporter in this process that asks them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.app import App
from exporter.settings import load
from exporter.simulator.identity import access_key_id
from exporter.simulator.server import Simulator
from tests.e2e.daemon import OPERATIONS, PLENTY
from tests.unit.simulator_stub import Instance, Profile, Queue, Status, World, simulated

HOME, SALES, SUPPORT = "111122223333", "444455556666", "777788889999"
NEAR, FAR = "us-east-1", "eu-west-2"


class Living(World):
    """Its clock is the machine's, so that recent windows can be asked for."""

    @property
    def clock(self) -> Callable[[], float]:
        return time.time


def centre(number: int, account_id: str, region: str = NEAR, queues: int = 120) -> Instance:
    """Named `centre-N`; with more than a hundred queues, no filter can name all of them."""
    return Instance(
        id=f"00000000-0000-4000-8000-{number:012}",
        alias=f"centre-{number}",
        account_id=account_id,
        region=region,
        queues=tuple(Queue(f"q{n}", f"Queue {n}") for n in range(queues)),
        profiles=tuple(Profile(f"p{n}", f"Profile {n}", (("q0", "VOICE", 1, 0),)) for n in range(2)),
        statuses=(Status("s0", "Available", "ROUTABLE"),),
    )


def role(account_id: str, name: str = "reader") -> str:
    return f"arn:aws:iam::{account_id}:role/{name}"


def keys(simulator: Simulator, account_id: str = HOME) -> dict[str, str]:
    """The environment of a process whose own credentials are of that account."""
    return {
        "AWS_ACCESS_KEY_ID": access_key_id(account_id),
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_ENDPOINT_URL_STS": simulator.url,
    }


@contextmanager
def simulator(*instances: Instance, **more: Any) -> Iterator[Simulator]:
    with world(Living(instances=instances), **more) as running:
        yield running


@contextmanager
def world(living: Living, **more: Any) -> Iterator[Simulator]:
    """The same, of which the test keeps hold: its `instances` may be replaced at any time."""
    with simulated(living, **more) as running:
        yield running


def configuration(simulator: Simulator, **more: Any) -> dict[str, Any]:
    """Quotas that are in nobody's way. `more` replaces whole blocks."""
    aws = {"region": NEAR, "endpoint_url": simulator.url, "quotas": dict.fromkeys(OPERATIONS, PLENTY), "quota_share": 1}
    return {"aws": {**aws, "connect_timeout": "5s", "read_timeout": "10s"}, **more}


def app(directory: Path, configured: Mapping[str, Any]) -> App:
    path = directory / "app.yml"
    path.write_text(yaml.safe_dump(dict(configured)))
    return App(load(path, {}))


@dataclass(frozen=True)
class Statement:
    """A part of a policy that can be taken away."""

    caller: str
    number: int
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key} {self.value} of statement {self.number} of {self.caller}"


def parts(documents: Mapping[str, Any]) -> Iterator[Statement]:
    for caller, document in documents.items():
        for number, statement in enumerate(document["Statement"]):
            for key in ("Action", "Resource"):
                yield from (Statement(caller, number, key, value) for value in statement[key])


def without(documents: Mapping[str, Any], part: Statement) -> dict[str, Any]:
    """The same policies less that part; a statement of which nothing is left goes whole."""
    document = documents[part.caller]
    kept: list[Mapping[str, Any]] = []
    for number, statement in enumerate(document["Statement"]):
        left = [value for value in statement[part.key] if (number, value) != (part.number, part.value)]
        if left:
            kept.append({**statement, part.key: left})
    return {**documents, part.caller: {**document, "Statement": kept}}
