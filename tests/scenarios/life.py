"""What an exporter says, minute by minute, of a contact centre in which things happen: hours in seconds.

The program collects a simulated contact centre on a clock that jumps. Incidents of the contact centre are lived through
with nothing between the program and the simulator's answers; where it is requests that fail, boto3, HTTP and the
simulator's server are between.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from exporter.app import App
from exporter.board import Entry
from exporter.board import families as families_of
from exporter.catalogue import ALL, COUNTERS, CURRENT, HISTORICAL, by_name
from exporter.catalogue.spec import Spec
from exporter.exposition import render
from exporter.jobs import Api, Clock
from exporter.model import Target
from exporter.settings import Settings, load
from exporter.simulator.faults import Faults
from exporter.simulator.identity import Caller, access_key_id
from exporter.simulator.operations import HANDLERS, Question
from exporter.simulator.pages import Listing
from exporter.simulator.quotas import UNLIMITED
from exporter.simulator.server import Simulator
from exporter.simulator.world import World
from tests.clockwork import Clockwork
from tests.e2e.fast_days import AtOnce
from tests.rules.files import metrics, recordings, rules

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
REGION = "eu-west-2"
"""Where people live by UTC."""
MIDNIGHT = datetime(2026, 11, 17, tzinfo=UTC).timestamp()
WARMING_UP = 5 * MINUTE
"""How long the exporter runs before the first page."""

WANTED = frozenset().union(*(metrics(rule.ast) for rule in rules())) - {rule.name for rule in recordings()}
"""The families that the rules read. The others are neither collected nor kept: all would take several times as long."""

Page = Mapping[str, float]
"""Name and labels as in an exposition -> value."""


@dataclass(frozen=True, slots=True)
class Centre:
    """The contact centre of every scenario, unless it says otherwise."""

    seed: int = 3
    queues: int = 5
    calm: bool = True


@dataclass(slots=True)
class Life:
    """One contact centre, its exporter, and the clock that both go by. Moments are unix seconds."""

    loop: Clockwork
    offset: float
    """Unix seconds less the clockwork's."""
    world: World
    faults: Faults
    app: App
    pages: list[Page] = field(default_factory=list)
    """One a minute."""
    collecting: asyncio.Task[None] | None = None

    def now(self) -> float:
        return self.offset + self.loop.time()

    @property
    def id(self) -> str:
        return self.world.instances[0].id

    def queue(self, name: str) -> str:
        return next(queue.id for queue in self.world.instances[0].queues if queue.name == name)

    def profile(self, name: str) -> str:
        return next(profile.id for profile in self.world.instances[0].profiles if profile.name == name)

    def hang(self) -> None:
        """Nothing is collected any more; what there is is still served."""
        assert self.collecting is not None
        self.collecting.cancel()

    def collect(self) -> None:
        self.collecting = asyncio.create_task(self.app.engine.run())


Act = Callable[[Life], object]


def lived(
    start: float, minutes: int, acts: Iterable[tuple[int, Act]] = (), *, centre: Centre = Centre(), wire: bool = False
) -> list[Page]:
    """The pages of so many minutes from `start` on. Acts come at their minute, before its page.

    `wire`: requests are made, so that they can fail.
    """
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner(loop_factory=Clockwork))
        loop = runner.get_loop()
        assert isinstance(loop, Clockwork)
        offset = start - WARMING_UP - loop.time()
        clock = Clock(lambda: offset + loop.time(), loop.time)
        world = World(
            seed=centre.seed,
            clock=clock.time,
            instances=1,
            queues=centre.queues,
            regions=(REGION,),
            calm=centre.calm,
        )
        faults = Faults(chance=random.Random(centre.seed).random)
        if wire:
            stack.enter_context(_credentials(world.instances[0].account_id))
            url = stack.enter_context(Simulator(world, faults=faults, quotas=UNLIMITED)).url
            app = App(_settings(world, url), clock=clock)
        else:
            app = _Near(world, clock)
        app.gateway._threads = app.gateway._openers = AtOnce()  # type: ignore[assignment]
        for watch in app.engine.watches.values():
            watch._chance = random.Random(centre.seed)
        stack.callback(app.gateway.close)
        life = Life(loop, offset, world, faults, app)
        runner.run(_minutes(life, minutes, list(acts)))
    return life.pages


async def _minutes(life: Life, minutes: int, acts: Sequence[tuple[int, Act]]) -> None:
    life.collect()
    start = life.now() + WARMING_UP
    for minute in range(minutes):
        await asyncio.sleep(start + minute * MINUTE - life.now())
        for due, act in acts:
            if due == minute:
                act(life)
        life.pages.append(dict(_page(life.app)))
    if life.collecting is not None:
        life.collecting.cancel()
        await asyncio.wait([life.collecting])


def _page(app: App) -> Iterator[tuple[str, float]]:
    own = Entry(render(tuple(app.own_samples()), by_name), float("inf"))
    fresh = app.shared.board.fresh(app.clock.monotonic())
    wanted = (spec for spec in ALL if spec.name in WANTED)
    for family in (*families_of([*fresh, own], wanted), *app.telemetry.families()):
        for line in family.text.decode().splitlines():
            name = line.partition("{")[0].partition(" ")[0]
            if name in WANTED:
                series, _, value = line.rpartition(" ")
                yield series, float(value)


# the exporter


def _settings(world: World, url: str | None) -> Settings:
    told: dict[str, Any] = {
        "INSTANCES": [{"id": instance.id, "region": instance.region} for instance in world.instances],
        "COLLECTORS__CURRENT__METRICS": _of_aws(CURRENT),
        # Often enough for one page a minute.
        "COLLECTORS__CURRENT__INTERVAL": "1m",
        "COLLECTORS__HISTORICAL__INTERVAL": "2m",
        "COLLECTORS__COUNTERS__INTERVAL": "2m",
        "COLLECTORS__CURRENT__LEVELS": ["queue", "routing_profile"],
        "COLLECTORS__HISTORICAL__LEVELS": ["queue"],
        "COLLECTORS__HISTORICAL__METRICS": _of_aws((*HISTORICAL, *COUNTERS)),
        **({"AWS__ENDPOINT_URL": url} if url else {}),
    }
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}
    return load(None, {f"AMAZON_CONNECT_EXPORTER_{key}": value for key, value in text.items()})


def _of_aws(specs: Iterable[Spec]) -> list[str]:
    """What AWS calls the metrics that are wanted."""
    return sorted({spec.api for spec in specs if spec.name in WANTED})


class _Near(App):
    """Asks the simulator without a request: a fifth of the time."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        super().__init__(_settings(world, None), clock=clock)

    def _api_of(self, target: Target) -> Api:
        instance = self._world.instances[0]
        caller = Caller(instance.account_id, instance.region, "", "")

        async def call(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
            return self._answer(operation, params, caller)

        async def pages(operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
            return [self._answer(operation, params, caller)]

        return Api(call, pages)

    def _answer(self, operation: str, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        plain = {k: v.timestamp() if isinstance(v, datetime) else v for k, v in params.items()}
        answer = HANDLERS[operation](Question(self._world, caller, plain, "ResourceNotFoundException"))
        if not isinstance(answer, Listing):
            return answer
        rest = dict(answer.rest)
        if "DataSnapshotTime" in rest:
            rest["DataSnapshotTime"] = datetime.fromtimestamp(rest["DataSnapshotTime"], UTC)
        return {answer.key: [answer.show(n, row) for n, row in enumerate(answer.rows)], **rest}


@contextmanager
def _credentials(account: str) -> Iterator[None]:
    keys = {"AWS_ACCESS_KEY_ID": access_key_id(account), "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
    with mock.patch.dict(os.environ, keys):
        yield
