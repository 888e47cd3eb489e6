"""The composition root: settings become targets, collectors, an engine and a page; signals and reloads end here."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from functools import partial
from itertools import chain
from typing import Any

import structlog

from exporter import __version__, allocator, inventory, logs
from exporter.aws.gateway import Gateway
from exporter.aws.limiter import Limiter
from exporter.aws.sessions import Identity, Sessions, identity_of
from exporter.board import Board
from exporter.collectors import counters, current, historical, metric_data
from exporter.collectors.wire import is_meant
from exporter.durations import format_duration, parse_duration
from exporter.engine import Engine, Found
from exporter.exposition import Exposition
from exporter.model import Access, CallFailed, Quota, Sample, Target
from exporter.publisher import Publisher
from exporter.settings import ConfigError, DiscoverySettings, Settings, config_hash, redacted_yaml
from exporter.status import describe
from exporter.targets import discovery_access, discovery_quotas, discovery_targets, names, objectives, serves, targets
from exporter.telemetry import (
    Process,
    Telemetry,
    discovery_samples,
    process_samples,
    quota_samples,
    state_samples,
)
from exporter.threads import ASIDE
from exporter.watch import RETRY, Api, Clock, Job, Plan, Shared
from exporter.web.app import Page, build_app
from exporter.web.guard import Guard
from exporter.web.page import Reload, Status
from exporter.web.server import serve
from exporter.windows import TODAY

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

THREADS = 512
"""For calls, started when needed: two an operation and instance, so that many may hang and others still get theirs."""
LAST = 4.5
"""Seconds after which a process that was told to stop has ended, whatever its threads are computing."""
ALIVE = 60.0
"""Seconds without a new page after which the loops do not turn."""


def plan_of(settings: Settings) -> Plan:
    """What is to be collected, how often."""
    on = settings.collectors
    filled = on.current.enabled and on.current.zero_fill == "served" and "queue" in on.current.levels
    return Plan(
        jobs=tuple(job for enabled, job in _jobs(settings) if enabled),
        inventory_interval=settings.inventory.interval,
        max_age=settings.max_age,
        max_series=settings.limits.max_series,
        objectives=objectives(settings),
        with_agent_statuses=on.current.enabled and "agent_status" in on.current.levels,
        with_profile_queues=filled or on.counters.enabled,
    )


def advice(settings: Settings) -> Iterator[str]:
    """What is allowed and will hardly be meant, a line each."""
    on, max_age = settings.collectors, settings.max_age
    needs = {"current": on.current.interval}
    for name, interval in (("historical", on.historical.interval), ("counters", on.counters.interval)):
        needs[name] = metric_data.oldest(interval, metric_data.good_for(interval, max_age))
    for name, seconds in needs.items():
        if getattr(on, name).enabled and seconds >= max_age:
            told = f"as long as it can take until they are new ({format_duration(seconds)})"
            yield f"max_age: values of collectors.{name} will come and go: {format_duration(max_age)} is not {told}"


def _jobs(settings: Settings) -> Iterator[tuple[bool, Job]]:
    """Every collector there is, and whether it is on."""
    on = settings.collectors
    now = current.Options(on.current.levels, current.metric_names(on.current.metrics), on.current.zero_fill)
    yield (
        on.current.enabled,
        Job(
            name="current",
            interval=on.current.interval,
            collect=partial(current.collect, options=now),
            requests=lambda target, known, _: current.plan(target, known, now),
            ask=current.ask,
            operation=current.OPERATION,
            resources=current.resources(now),
        ),
    )
    recent = historical.Options(
        levels=on.historical.levels,
        windows={w: 0.0 if w == TODAY else parse_duration(w) for w in on.historical.windows},
        metrics=metric_data.metric_names(on.historical.metrics),
        thresholds=on.historical.service_level_thresholds,
        objectives=objectives(settings),
        interval=on.historical.interval,
        good_for=metric_data.good_for(on.historical.interval, settings.max_age),
    )
    yield (
        on.historical.enabled,
        Job(
            name="historical",
            interval=on.historical.interval,
            collect=partial(historical.collect, options=recent),
            requests=lambda target, known, moment: historical.plan(target, known, recent, moment),
            ask=metric_data.ask,
            operation=metric_data.OPERATION,
            rounds=metric_data.rounds_per_hour(recent.interval, recent.good_for),
        ),
    )
    sums = counters.Options(
        counters.metric_names(on.historical.metrics),
        on.counters.settle,
        metric_data.good_for(on.counters.interval, settings.max_age),
    )
    yield (
        on.counters.enabled,
        Job(
            name="counters",
            interval=on.counters.interval,
            collect=partial(counters.collect, options=sums),
            requests=lambda target, known, moment: counters.plan(target, known, sums, counters.latest(sums, moment)),
            ask=metric_data.ask,
            operation=metric_data.OPERATION,
            rounds=metric_data.rounds_per_hour(on.counters.interval, sums.good_for),
        ),
    )


class App:
    """Everything that lives as long as the process; an engine only as long as its configuration."""

    def __init__(
        self,
        settings: Settings,
        *,
        revision: str = "",
        config_path: str = "",
        freeze: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._configure(settings)
        self.clock = clock or Clock(time.time, time.monotonic)
        self.telemetry = Telemetry()
        monotonic = self.clock.monotonic
        self.limiter = Limiter(monotonic=monotonic)
        self.gateway = Gateway(
            sessions=Sessions(max_pool_connections=THREADS, monotonic=monotonic),
            limiter=self.limiter,
            observer=self.telemetry,
            threads=THREADS,
            monotonic=monotonic,
            freeze=freeze,
        )
        self.shared = Shared(Board(), self.clock)
        self.engine = self._engine(settings)
        self.engine.settle()
        self.publisher = Publisher(self.shared.board, self.telemetry, self.own_samples, self._lacking, monotonic)
        self.shared.changed = self.publisher.changed
        self.identities: dict[Identity, str] = {}
        """ARN of the caller that each credentials are, as AWS says."""
        self._unknown: set[tuple[str, str]] = set()
        """Targets of which calls were made before their account was known."""
        self.last_reload: Reload | None = None
        self.loaded = self.clock.time()
        self._revision = revision
        self._config_path = config_path
        self._started = self.loaded

    def own_samples(self) -> Iterator[Sample]:
        """What the exporter says of itself, as of now; the samples are made when they are taken, in a thread."""
        engine, board, now = self.engine, self.shared.board, self.clock.monotonic()
        process = Process(
            revision=self._revision,
            reload_successful=self.last_reload is None or self.last_reload.ok,
            reload_success=self.loaded,
            config_hash=float(self._hash),
            targets=len(engine.watches),
        )
        states = [(copy(s), board.series((s.target.key, s.collector), now)) for s in engine.states()]
        discovery = {place: copy(found) for place, found in engine.discovery.items()}
        tokens = [(key, bucket.tokens) for key, bucket in self.limiter.snapshot().items()]
        return chain(
            process_samples(process), state_samples(states), discovery_samples(discovery), quota_samples(tokens)
        )

    def _lacking(self) -> str:
        return self.engine.waiting_for()  # of whichever engine runs then

    def identity(self, access: Access) -> str:
        """The caller's ARN; empty where it is not known."""
        return self.identities.get(identity_of(access), "")

    def status(self) -> Status:
        return Status(
            title="Amazon Connect exporter",
            version=__version__,
            revision=self._revision,
            started=self._started,
            config_path=self._config_path,
            config_hash=f"{self._hash:x}",
            last_reload=self.last_reload,
            instances=describe(self.engine, self.shared.board, self.clock, self.identity),
            warnings=tuple(self._warnings()),
        )

    def adopt(self, settings: Settings) -> None:
        """A new engine for new settings; what is known, and the levels of the quotas, stay."""
        self._configure(settings)
        self.loaded = self.clock.time()
        before, self.engine = self.engine, self._engine(settings)
        self.engine.inherit(before)

    def _configure(self, settings: Settings) -> None:
        """With what takes long to make of hundreds of instances, made once."""
        for line in advice(settings):
            log.warning("hardly meant", advice=line)
        self.settings = settings
        self.shown_settings = redacted_yaml(settings)
        self._hash = config_hash(settings)

    def tidy(self) -> None:
        """Forget clients, sessions and quotas of whom the configuration no longer names."""
        targets, accesses = self.engine.targets(), self._accesses()
        self.gateway.retain(accesses, targets)
        wanted = {identity_of(access) for access in accesses}
        self.identities = {identity: arn for identity, arn in self.identities.items() if identity in wanted}
        places = {(self._account(access), access.region) for access in accesses}
        self.limiter.retain(places | {(self._account_of(target), target.access.region) for target in targets.values()})

    async def identify(self) -> None:
        """Ask AWS who it takes us for, once for each credentials, until it has said so."""
        await asyncio.gather(*(self._identify(access) for access in self._unidentified()))

    async def keep_identifying(self) -> None:
        """Until everybody is known: a role that was denied may be granted."""
        while self._unidentified():
            await self.identify()
            await asyncio.sleep(RETRY)

    def _accesses(self) -> set[Access]:
        found = {target.access for target in self.engine.targets().values()}
        for block in self.settings.discovery:
            found |= {discovery_access(block, self.settings, region) for region in block.regions}
        return found

    def _unidentified(self) -> list[Access]:
        """One access of each credentials whose owner is not known."""
        # Where Connect has an endpoint of its own, the public one of STS may be out of reach.
        public = not os.environ.get("AWS_ENDPOINT_URL_STS")
        asked = (a for a in self._accesses() if not (a.endpoint_url and public))
        one_of = {identity_of(access): access for access in asked}
        return [access for identity, access in one_of.items() if identity not in self.identities]

    async def _identify(self, access: Access) -> None:
        try:
            account, arn = await self.gateway.identity(access)
        except CallFailed as failure:
            log.debug("caller identity unknown", region=access.region, reason=failure.reason.value)
            return
        identity = identity_of(access)
        self.identities[identity] = arn
        log.info("calling AWS as", identity=arn, region=access.region)
        for region in {a.region for a in self._accesses() if identity_of(a) == identity and not a.role_arn}:
            self.limiter.learned(account, region)
        for target in self.engine.targets().values():
            if identity_of(target.access) == identity and target.account_id not in (None, account):
                log.warning(
                    "calling AWS as somebody of another account than the instance's",
                    identity=arn,
                    account_id=account,
                    instance=target.arn,
                )

    def _warnings(self) -> Iterator[str]:
        yield from advice(self.settings)
        for (block, region), discovery in self.engine.discovery.items():
            if discovery.success is False:
                yield f"discovery.{block}: instances could not be listed in {region}: {discovery.error}"
        if not self.engine.watches and all(d.success for d in self.engine.discovery.values()):
            yield "There is no instance to collect: check instances, discovery and its aliases, region and account."

    def _engine(self, settings: Settings) -> Engine:
        mine = tuple(target for target in targets(settings) if serves(settings.shard, target.instance_id))
        return Engine(
            plan_of(settings),
            mine,
            tuple(self._places(settings)),
            self._api_of,
            self.shared,
            random.Random(),  # noqa: S311 (jitter)
        )

    def _places(self, settings: Settings) -> Iterator[Found]:
        for number, block in enumerate(settings.discovery):
            for region in block.regions:
                yield Found((str(number), region), partial(self._seek, settings, block, region))

    async def _seek(self, settings: Settings, block: DiscoverySettings, region: str) -> list[Target]:
        """The instances that a discovery block lets in, and that fall to this shard."""
        access = discovery_access(block, settings, region)
        share, quotas = discovery_quotas(block, settings)

        async def pages(operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
            return await self.gateway.pages(
                access,
                operation,
                params,
                key=key,
                account_id=self._account(access),
                quota=quotas.get(operation),
                quota_share=share,
            )

        wanted = names(block.aliases)
        return [
            discovery_targets(block, settings, identity, alias, arn, region)
            for identity, alias, arn in await inventory.instances(pages)
            if is_meant(alias or identity, wanted) and serves(settings.shard, identity)
        ]

    def _account(self, access: Access) -> str:
        """The account that is called with this access, where it is known before any answer: quotas are an account's."""
        return inventory.account_of(access.role_arn or self.identity(access))

    def _account_of(self, target: Target) -> str:
        """The account of an instance, as far as it is known."""
        known = self.shared.known.get(target.key)
        found = target.account_id or (known.inventory.account_id if known else "") or self._account(target.access)
        if not found:
            self._unknown.add(target.key)
        elif target.key in self._unknown:
            self._unknown.discard(target.key)
            self.limiter.learned(found, target.access.region)
        return found

    def _api_of(self, target: Target) -> Api:
        """The two ways of asking AWS about one target; its account is known once its ARN is."""

        def common(operation: str) -> dict[str, Any]:
            quota: Quota | None = target.quotas.get(operation)
            account = self._account_of(target)
            return {"account_id": account, "quota": quota, "quota_share": target.quota_share, "scope": target.key}

        async def call(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
            return await self.gateway.call(target.access, operation, params, **common(operation))

        async def pages(operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
            return await self.gateway.pages(target.access, operation, params, key=key, **common(operation))

        return Api(call, pages)


class Daemon:
    """The exporter as a service: an App, a web server around it, reloads and an end."""

    def __init__(self, app: App, load: Callable[[], Settings], guard: Guard | None = None) -> None:
        """`guard`: TLS and users; None: plain HTTP, open to everybody."""
        self.app = app
        self._load = load
        self._guard = guard or Guard()
        self._stopping = asyncio.Event()
        self._reload = asyncio.Event()
        self._hung_up = asyncio.Event()
        self._reloading = asyncio.Lock()

    async def run(self, sock: socket.socket, ready: Callable[[], None] | None = None) -> bool:
        """Until SIGTERM or SIGINT; scrapes that run then are finished. False where a fault ended it."""
        allocator.tune()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up.set)
        background = [
            asyncio.create_task(self._engines(), name="engines"),
            asyncio.create_task(self.app.publisher.run(), name="publisher"),
            asyncio.create_task(self._reload_when_hung_up(), name="reload"),
        ]
        web = asyncio.create_task(self._web(sock, ready), name="web")
        stopping = asyncio.create_task(self._stopping.wait())
        last = threading.Timer(LAST, os._exit, (0,))
        last.daemon = True
        try:
            await asyncio.wait({web, stopping, *background}, return_when=asyncio.FIRST_COMPLETED)
            asked_to = self._stopping.is_set()
            self._stopping.set()
            last.start()
            # Nobody needs what they would still compute, and running scrapes need the loop.
            await _ended([*background, stopping])
            await web
            return asked_to
        finally:
            await _ended([*background, stopping])
            last.cancel()
            self.app.gateway.close()

    async def _web(self, sock: socket.socket, ready: Callable[[], None] | None) -> None:
        await serve(build_app(self, guard=self._guard), sock, self._stopping, ready, self._guard)

    def stop(self) -> None:
        log.info("stopping")
        self._stopping.set()

    def page(self) -> Page:
        made: Exposition = self.app.publisher.page
        return Page(made.text, made.text_gzip, made.openmetrics, made.openmetrics_gzip, made.filtered)

    def healthy(self) -> bool:
        return self.app.clock.monotonic() - self.app.publisher.latest < ALIVE

    def ready(self) -> tuple[bool, str]:
        if self._stopping.is_set():
            return False, "stopping"
        lacking = self.app.publisher.lacking
        return not lacking, lacking or "ready"

    def lifecycle_enabled(self) -> bool:
        return self.app.settings.web.enable_lifecycle

    def config(self) -> str:
        return self.app.shown_settings

    def status(self) -> Status:
        return self.app.status()

    async def reload(self) -> list[str]:
        """Load, validate, and only then swap. The faults that kept the old configuration, none if the new one runs."""
        async with self._reloading:
            now = self.app.clock.time()
            try:
                settings = await ASIDE.run(self._load)
            except ConfigError as error:
                self.app.last_reload = Reload(False, now, error.faults)
                for fault in error.faults:
                    log.error("reload refused, the old configuration keeps running", fault=fault)
                self.app.shared.changed.set()
                return list(error.faults)
            if settings.web.listen_address != self.app.settings.web.listen_address:
                log.warning("a new web.listen_address takes a restart", address=settings.web.listen_address)
            if settings.web.config_file != self.app.settings.web.config_file:
                log.warning("a new web.config_file takes a restart", file=settings.web.config_file)
            logs.configure(settings.log.level, settings.log.format)
            self.app.last_reload = Reload(True, now)
            self.app.adopt(settings)
            self._reload.set()
            log.info("configuration reloaded")
            return []

    async def _reload_when_hung_up(self) -> None:
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            await self.reload()

    async def _engines(self) -> None:
        """One engine after the other: the old one has ended before the new one begins."""
        while True:
            self._reload.clear()
            self.app.tidy()
            running = [
                asyncio.create_task(self.app.engine.run(), name="engine"),
                asyncio.create_task(self.app.keep_identifying(), name="identities"),
            ]
            reload = asyncio.create_task(self._reload.wait())
            try:
                await asyncio.wait({running[0], reload}, return_when=asyncio.FIRST_COMPLETED)
                if running[0].done():
                    await running[0]
            finally:
                await _ended([*running, reload])


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel, and wait until all have ended."""
    held = list(tasks)
    for task in held:
        task.cancel()
    for outcome in await asyncio.gather(*held, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.error("a task ended with a fault", error=repr(outcome))
