"""The least that a role must be allowed, as an IAM policy document.

Amazon Connect judges access to metrics by what a request's filter names, so these are granted on queues and routing
profiles, lists on what they list, and the description of an instance on the instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from exporter.model import Target
from exporter.watch import Plan

QUEUES, PROFILES, STATUSES, INSTANCE = "/queue/*", "/routing-profile/*", "/agent-state/*", ""


@dataclass(frozen=True, slots=True)
class Place:
    """An account and region in which instances are discovered; an account that is not known is `*`."""

    account_id: str
    region: str


def document(targets: Iterable[Target], places: Iterable[Place], plan: Plan) -> dict[str, Any]:
    """A policy for configured `targets` and for all instances of the `places`."""
    configured, searched = tuple(targets), tuple(places)
    arns = [_arn(t.access.region, t.account_id or "*", t.instance_id) for t in configured]
    arns += [_arn(place.region, place.account_id, "*") for place in searched]
    instances = sorted(set(arns))
    statements = [
        _statement(sid, [f"connect:{action}"], [instance + part for instance in instances for part in parts])
        for sid, action, parts in _needs(plan)
    ]
    nameless = sorted({a for a, t in zip(arns, configured, strict=False) if not (t.arn and t.alias)})
    if nameless:
        statements.append(_statement("DescribeInstances", ["connect:DescribeInstance"], nameless))
    if searched:
        statements.append(_statement("DiscoverInstances", ["connect:ListInstances"], ["*"]))
    if nameless or searched:
        # Both of them look into the instance's directory, and AWS knows no narrower resource for that.
        statements.append(_statement("ReadDirectories", ["ds:DescribeDirectories"], ["*"]))
    return {"Version": "2012-10-17", "Statement": statements}


def _needs(plan: Plan) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(statement id, action of Amazon Connect, parts of an instance it is needed on)"""
    yield "ListQueues", "ListQueues", (QUEUES,)
    yield "ListRoutingProfiles", "ListRoutingProfiles", (INSTANCE, PROFILES)
    if plan.with_profile_queues:
        yield "ListProfileQueues", "ListRoutingProfileQueues", (PROFILES,)
    if plan.with_agent_statuses:
        yield "ListAgentStatuses", "ListAgentStatuses", (STATUSES,)
    for job in plan.jobs:
        yield f"Collect{job.name.title()}", job.operation, (QUEUES, PROFILES) if job.by_profile else (QUEUES,)


def _arn(region: str, account_id: str, instance_id: str) -> str:
    partition = "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"
    return f"arn:{partition}:connect:{region}:{account_id}:instance/{instance_id}"


def _statement(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
