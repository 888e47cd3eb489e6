"""The composition root: settings become targets, collectors, an engine and a page."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

import structlog

from exporter import __version__, inventory
from exporter.aws.gateway import Gateway
from exporter.aws.limiter import Limiter
from exporter.aws.sessions import Identity, Sessions, identity_of
from exporter.board import Board
from exporter.collectors.wire import is_meant
from exporter.engine import Engine, Found
from exporter.jobs import RETRY, Api, Clock, Shared
from exporter.model import Access, CallFailed, Quota, Sample, Target
from exporter.plan import advice, plan_of
from exporter.publisher import Publisher
from exporter.settings import DiscoverySettings, Settings, config_hash, redacted_yaml
from exporter.status import describe
from exporter.targets import discovery_access, discovery_quotas, discovery_targets, names, serves, targets
from exporter.telemetry import (
    Process,
    Telemetry,
    discovery_samples,
    process_samples,
    quota_samples,
    state_samples,
)
from exporter.web.page import Reload, Status

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

THREADS = 512
"""For calls, started when needed: two an operation and instance, so that many may hang and others still get theirs."""


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
        states = [(s.copy(), board.series((s.target.key, s.collector), now)) for s in engine.states()]
        discovery = {place: found.copy() for place, found in engine.discovery.items()}
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
