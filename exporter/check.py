"""`check --live`: asks AWS once for each kind of data that the configuration wants, and says what is missing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from exporter import inventory as inventories
from exporter.app import App
from exporter.aws.limiter import quota_of
from exporter.jobs import Plan
from exporter.model import CallFailed, Inventory, Reason, Target
from exporter.status import HINTS
from exporter.targets import discovery_access
from exporter.watch import Watch

ROWS = 100
"""Of a page."""
DENIAL = re.compile(r"User: (?P<principal>arn:\S+) is not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z0-9]+)")
"""AWS's sentence. The action need not be the one that was called: assuming a role comes before, some need another."""


@dataclass(frozen=True, slots=True)
class Line:
    """One finding; a check that has one that is not ok fails."""

    text: str
    ok: bool = True


async def live(app: App) -> AsyncIterator[Line]:
    """Every check of every instance, as it is done; one that fails hides no other."""
    now = app.clock.time()
    await app.engine.look()
    await app.identify()
    for identity in sorted(set(app.identities.values())):
        yield Line(f"calling AWS as {identity}")
    for line in _places(app):
        yield line
    least: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    most: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    allowed: dict[tuple[str, str, str], float] = {}
    for watch in app.engine.watches.values():
        known, failures = await inventories.refresh(
            watch.api.call, watch.api.pages, watch.target, Inventory(), watch.plan.with_agent_statuses
        )
        name = watch.target.alias or known.alias or watch.target.instance_id
        principal = app.identity(watch.target.access)
        for failure in failures:
            yield _failed(name, failure, principal)
        if known.queues is not None:
            yield Line(f"{name}: {len(known.queues)} queues, {len(known.routing_profiles or {})} routing profiles")
            async for line in _data(watch, known, name, now, principal):
                yield line
        else:
            for job in watch.plan.jobs:
                yield Line(f"{name}: {job.name}: {job.operation} could not be tried without the list of queues", False)
        account = watch.target.account_id or known.account_id or "unknown account"
        for operation, low, high in _calls(watch.plan, watch.target, known, now):
            bucket = (account, watch.target.access.region, operation)
            least[bucket] += low
            most[bucket] += high
            quota = watch.target.quotas.get(operation) or quota_of(operation)
            allowed[bucket] = quota.rate * 60 * watch.target.quota_share
    for bucket in sorted(least):
        yield _spending(bucket, least[bucket], most[bucket], allowed[bucket])


async def _data(watch: Watch, known: Inventory, name: str, now: float, principal: str) -> AsyncIterator[Line]:
    """One call of each kind that the collectors make."""
    target, pages = watch.target, watch.api.pages
    if watch.plan.with_profile_queues and known.routing_profiles:
        for failure in await inventories.serve(pages, target, list(known.routing_profiles)[:1], {}):
            yield _failed(name, failure, principal)
    for job in watch.plan.jobs:
        asked: set[str] = set()
        for request in job.requests(target, known, now):
            if request.level in asked:
                continue
            asked.add(request.level)
            try:
                answer = await job.ask(pages, target, request)
            except CallFailed as failure:
                yield _failed(f"{name}: {job.name}: {request.level}", failure, principal)
            else:
                yield Line(f"{name}: {job.name}: {request.level}: {len(answer.rows)} rows")


def _places(app: App) -> Iterator[Line]:
    """What was found where instances are looked for."""
    for (block, region), discovery in app.engine.discovery.items():
        place = f"discovery.{block}: {region}"
        if discovery.failure:
            access = discovery_access(app.settings.discovery[int(block)], app.settings, region)
            yield _failed(place, discovery.failure, app.identity(access))
        else:
            yield Line(f"{place}: {discovery.error or f'{len(discovery.targets)} instances'}", bool(discovery.success))
    if not app.engine.watches:
        yield Line("no instance to collect: check instances, discovery and its aliases, region and account", False)


def _failed(who: str, failure: CallFailed, principal: str) -> Line:
    """`principal`: as whom AWS was asked, as far as we know; its own word counts more."""
    told = ": ".join(part for part in (failure.code, failure.message) if part)
    denial = DENIAL.search(failure.message)
    if denial or failure.reason is Reason.ACCESS_DENIED:
        action = denial["action"] if denial else f"connect:{failure.operation}"
        denied = denial["principal"] if denial else principal or "this caller"
        return Line(f"{who}: {denied} is not allowed: {action} ({told})", False)
    return Line(f"{who}: {failure.operation}: {failure.reason.value} ({told}). {HINTS[failure.reason]}", False)


def _calls(plan: Plan, target: Target, known: Inventory, now: float) -> Iterator[tuple[str, float, float]]:
    """(operation, calls a minute with one page each, calls a minute with every row there can be)"""
    lists = ["ListQueues", "ListRoutingProfiles"]
    lists += ["ListAgentStatuses"] if plan.with_agent_statuses else []
    lists += [] if target.arn and (target.alias or target.discovered) else ["DescribeInstance"]
    lists += ["ListRoutingProfileQueues"] * len(known.routing_profiles or {}) if plan.with_profile_queues else []
    each = 60 / plan.inventory_interval
    yield from ((operation, each, each) for operation in lists)
    for job in plan.jobs:
        for request in job.requests(target, known, now):
            named = request.queues or request.routing_profiles
            rows = len(named) * (len(request.channels) if "CHANNEL" in request.groupings else 1)
            pages = max(1, -(-rows // ROWS)) if request.groupings else 1
            rounds = 60 / job.interval if job.rounds is None else job.rounds / 60
            yield job.operation, rounds, pages * rounds


def _spending(bucket: tuple[str, str, str], low: float, high: float, allowed: float) -> Line:
    account, region, operation = bucket
    least, most, limit = (f"{round(number, 1 if number >= 10 else 3):.12g}" for number in (low, high, allowed))
    span = least if least == most else f"{least} to {most}"
    told = f"{account} {region} {operation}: {span} calls a minute, of {limit} that aws.quota_share allows"
    if low > allowed:
        return Line(f"{told}: too many; lengthen the interval or select fewer queues", False)
    if high > allowed:
        return Line(f"{told}: late when every queue is active; a longer interval or fewer queues would fit")
    return Line(told)
