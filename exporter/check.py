"""`check --live`: asks AWS once for each kind of data that the configuration wants, and says what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from exporter import inventory as inventories
from exporter.app import App
from exporter.aws.limiter import quota_of
from exporter.model import CallFailed, Inventory, Reason, Target
from exporter.status import HINTS
from exporter.watch import Plan, Watch

ROWS = 100
"""Of a page."""


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
    for (block, region), discovery in app.engine.discovery.items():
        told = discovery.error or f"{len(discovery.targets)} instances"
        yield Line(f"discovery.{block}: {region}: {told}", bool(discovery.success))
    if not app.engine.watches:
        yield Line("no instance to collect: check instances, discovery and its aliases, region and account", False)
    least: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    most: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    allowed: dict[tuple[str, str, str], float] = {}
    for watch in app.engine.watches.values():
        known, failures = await inventories.refresh(
            watch.api.call, watch.api.pages, watch.target, Inventory(), watch.plan.with_agent_statuses
        )
        name = watch.target.alias or known.alias or watch.target.instance_id
        for failure in failures:
            yield _failed(name, failure)
        if known.queues is not None:
            yield Line(f"{name}: {len(known.queues)} queues, {len(known.routing_profiles or {})} routing profiles")
            async for line in _data(watch, known, name, now):
                yield line
        account = watch.target.account_id or known.account_id or "unknown account"
        for operation, low, high in _calls(watch.plan, watch.target, known, now):
            bucket = (account, watch.target.access.region, operation)
            least[bucket] += low
            most[bucket] += high
            quota = watch.target.quotas.get(operation) or quota_of(operation)
            allowed[bucket] = quota.rate * 60 * watch.target.quota_share
    for bucket in sorted(least):
        yield _spending(bucket, least[bucket], most[bucket], allowed[bucket])


async def _data(watch: Watch, known: Inventory, name: str, now: float) -> AsyncIterator[Line]:
    """One call of each kind that the collectors make."""
    target, pages = watch.target, watch.api.pages
    if watch.plan.with_profile_queues and known.routing_profiles:
        for failure in await inventories.serve(pages, target, list(known.routing_profiles)[:1], {}):
            yield _failed(name, failure)
    for job in watch.plan.jobs:
        asked: set[str] = set()
        for request in job.requests(target, known, now):
            if request.level in asked:
                continue
            asked.add(request.level)
            try:
                answer = await job.ask(pages, target, request)
            except CallFailed as failure:
                yield _failed(f"{name}: {job.name}: {request.level}", failure)
            else:
                yield Line(f"{name}: {job.name}: {request.level}: {len(answer.rows)} rows")


def _failed(who: str, failure: CallFailed) -> Line:
    told = ": ".join(part for part in (failure.code, failure.message) if part)
    if failure.reason is Reason.ACCESS_DENIED:
        return Line(f"{who}: not allowed: connect:{failure.operation} ({told})", False)
    return Line(f"{who}: {failure.operation}: {failure.reason.value} ({told}). {HINTS[failure.reason]}", False)


def _calls(plan: Plan, target: Target, known: Inventory, now: float) -> Iterator[tuple[str, float, float]]:
    """(operation, calls a minute with one page each, calls a minute with every row there can be)"""
    lists = ["ListQueues", "ListRoutingProfiles"]
    lists += ["ListAgentStatuses"] if plan.with_agent_statuses else []
    lists += [] if target.arn and target.alias else ["DescribeInstance"]
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
    return Line(told)
