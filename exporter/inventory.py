"""What an instance consists of: its names behind ids, and what its routing profiles serve."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from exporter.model import CallFailed, Inventory, Reason, Target

Call = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""(operation, parameters) -> answer; raises CallFailed."""
Pages = Callable[[str, Mapping[str, Any], str], Awaitable[list[dict[str, Any]]]]

LIST_PAGE = 1000
SERVED_PAGE = 100
INSTANCE_PAGE = 10
ENOUGH_FAILURES = 5
"""Profiles in a row that can not be asked about, after which the others are not either: three hundred timeouts would
take hours, in which nothing would be told.
"""


async def refresh(
    call: Call, pages: Pages, target: Target, before: Inventory, with_agent_statuses: bool
) -> tuple[Inventory, list[CallFailed]]:
    """The inventory anew. A part that can not be had stays as it was before, and its failure is returned."""
    parts: list[Awaitable[dict[str, Any]]] = [_queues(pages, target), _routing_profiles(pages, target)]
    if with_agent_statuses:
        parts.append(_agent_statuses(pages, target))
    # A list of instances says all there is to know: one that was found without an alias has none.
    if not (target.arn and (target.alias or target.discovered)):
        parts.append(_instance(call, target))
    outcomes = await asyncio.gather(*(_attempt(part) for part in parts))
    found = replace(before, arn=before.arn or target.arn, account_id=before.account_id or target.account_id or "")
    for outcome in outcomes:
        if not isinstance(outcome, CallFailed):
            found = replace(found, **outcome)
    return found, [outcome for outcome in outcomes if isinstance(outcome, CallFailed)]


async def instances(pages: Pages) -> list[tuple[str, str | None, str]]:
    """(id, alias, ARN) of every usable instance that these credentials can list in a region."""
    found = await _listed(pages, "ListInstances", {"MaxResults": INSTANCE_PAGE}, "InstanceSummaryList")
    usable = (item for item in found if item.get("InstanceStatus", "ACTIVE") == "ACTIVE")
    return [(item["Id"], item.get("InstanceAlias"), item.get("Arn") or "") for item in usable]


async def serve(
    pages: Pages, target: Target, profiles: Iterable[str], known: dict[str, frozenset[tuple[str, str]]]
) -> list[CallFailed]:
    """Bring `known` (profile id to what it serves) up to date, profile by profile; failures keep what was known.

    Slow: one call a profile, at two calls a second. What is known already may be used meanwhile.
    """
    wanted = list(profiles)
    for gone in known.keys() - set(wanted):
        del known[gone]
    failures: list[CallFailed] = []
    in_a_row = 0
    for profile in wanted:
        try:
            known[profile] = await _served_by(pages, target, profile)
        except CallFailed as failure:
            failures.append(failure)
            in_a_row += 1
            if failure.reason in (Reason.ACCESS_DENIED, Reason.CREDENTIALS) or in_a_row == ENOUGH_FAILURES:
                break
        else:
            in_a_row = 0
    return failures


def labels(items: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Id to label value: the name as AWS spells it, or the id where there is none, several share it, or it is an id.

    Two queues under one name would be one wrong number. Lone surrogates, which UTF-8 can not carry, become question
    marks before names are compared.
    """
    named = {identity: (name or identity).encode("utf-8", "replace").decode() for identity, name in items}
    count = Counter(named.values())
    return {i: name if count[name] == 1 and name not in named else i for i, name in named.items()}


async def _attempt(part: Awaitable[dict[str, Any]]) -> dict[str, Any] | CallFailed:
    try:
        return await part
    except CallFailed as failure:
        return failure


async def _instance(call: Call, target: Target) -> dict[str, Any]:
    answer = await call("DescribeInstance", {"InstanceId": target.instance_id})
    instance = answer.get("Instance") or {}
    arn = instance.get("Arn") or ""
    if not arn:
        raise CallFailed("DescribeInstance", Reason.BAD_RESPONSE, message="an instance without an ARN")
    return {"alias": instance.get("InstanceAlias"), "arn": arn, "account_id": account_of(arn)}


async def _queues(pages: Pages, target: Target) -> dict[str, Any]:
    # The metric APIs do not know agent queues.
    wanted = {"InstanceId": target.instance_id, "QueueTypes": ["STANDARD"], "MaxResults": LIST_PAGE}
    found = await _listed(pages, "ListQueues", wanted, "QueueSummaryList")
    return {"queues": labels((q["Id"], q.get("Name")) for q in found if q.get("QueueType", "STANDARD") == "STANDARD")}


async def _routing_profiles(pages: Pages, target: Target) -> dict[str, Any]:
    wanted = {"InstanceId": target.instance_id, "MaxResults": LIST_PAGE}
    found = await _listed(pages, "ListRoutingProfiles", wanted, "RoutingProfileSummaryList")
    return {"routing_profiles": labels((p["Id"], p.get("Name")) for p in found)}


async def _agent_statuses(pages: Pages, target: Target) -> dict[str, Any]:
    wanted = {"InstanceId": target.instance_id, "MaxResults": LIST_PAGE}
    found = await _listed(pages, "ListAgentStatuses", wanted, "AgentStatusSummaryList")
    return {"agent_statuses": labels((s["Id"], s.get("Name")) for s in found)}


async def _served_by(pages: Pages, target: Target, profile: str) -> frozenset[tuple[str, str]]:
    wanted = {"InstanceId": target.instance_id, "RoutingProfileId": profile, "MaxResults": SERVED_PAGE}
    found = await _listed(pages, "ListRoutingProfileQueues", wanted, "RoutingProfileQueueConfigSummaryList")
    return frozenset((item["QueueId"], item["Channel"]) for item in found)


async def _listed(pages: Pages, operation: str, params: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """All items of a list. Raises CallFailed, BAD_RESPONSE for items without what names them."""
    items = [item for page in await pages(operation, params, key) for item in page[key]]
    needed = ("QueueId", "Channel") if key.startswith("RoutingProfileQueue") else ("Id",)
    if not all(isinstance(item, dict) and all(item.get(name) for name in needed) for item in items):
        raise CallFailed(operation, Reason.BAD_RESPONSE, message=f"an item of {key} without {' or '.join(needed)}")
    return items


def account_of(arn: str) -> str:
    """The account in an ARN (arn:partition:service:region:account:…), or nothing."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 4 else ""
