"""The least that the credentials of this process, and the roles that it assumes, must be allowed: IAM policies.

Amazon Connect judges access to metrics by what a request's filter names, so these are granted on queues and routing
profiles (and on the instance, where a filter names neither), lists on what they list, and the description of an
instance on the instance. From AWS's service authorization reference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from exporter.inventory import account_of
from exporter.jobs import Plan
from exporter.model import Access, Target

OWN = "caller"
"""Stands for the account of the credentials that this process starts with, where the configuration does not tell."""

PARTS: Mapping[str, str] = {
    "queue": "/queue/*",
    "routing_profile": "/routing-profile/*",
    "agent_status": "/agent-state/*",
    "instance": "",
}
"""Kind of resource to the end of its ARN, behind that of the instance."""
DIRECTORIES = ("ds:DescribeDirectories", "*")
"""What lists and describes instances looks into their directories, and AWS knows no narrower resource for that."""

Document = dict[str, Any]
Right = tuple[str, str]
"""(action, resource)"""


def documents(targets: Iterable[Target], places: Iterable[Access], plan: Plan) -> dict[str, Document]:
    """By account id, the policy for whoever calls from there; never none.

    `places` are where instances are discovered. Credentials whose account no ARN tells go by OWN, those of a profile
    by `profile NAME`.
    """
    configured, searched = tuple(targets), tuple(places)
    accounts = _own_accounts(configured)
    rights: defaultdict[str, set[Right]] = defaultdict(set)
    for target in configured:
        caller, account = _caller(target.access, target.account_id or "", accounts)
        instance = _arn(target.access.region, target.account_id or account, target.instance_id)
        rights[caller].update(_needs(plan, instance))
        if not (target.arn and target.alias):
            rights[caller] |= {("connect:DescribeInstance", instance), DIRECTORIES}
    for access in searched:
        caller, account = _caller(access, "", accounts)
        rights[caller].update(_needs(plan, _arn(access.region, account, "*")))
        rights[caller] |= {("connect:ListInstances", "*"), DIRECTORIES}
    for access in (*(target.access for target in configured), *searched):
        if access.role_arn is not None:
            own = _caller(Access(access.region, access.profile), "", accounts)[0]
            rights[own].add(("sts:AssumeRole", access.role_arn))
    return {caller: _document(_without_covered(rights[caller])) for caller in sorted(rights)}


def _own_accounts(targets: Iterable[Target]) -> dict[str | None, str]:
    """Profile (None: boto3's own chain) to its account: that of the instances which are called without a role."""
    found: defaultdict[str | None, set[str]] = defaultdict(set)
    for target in targets:
        if target.access.role_arn is None and target.account_id:
            found[target.access.profile].add(target.account_id)
    return {profile: accounts.pop() for profile, accounts in found.items() if len(accounts) == 1}


def _caller(access: Access, account_id: str, accounts: Mapping[str | None, str]) -> tuple[str, str]:
    """Whose policy it is that counts, and the account for ARNs: `*` where that is not known."""
    account = account_of(access.role_arn or "") or account_id or accounts.get(access.profile, "")
    return account or (OWN if access.profile is None else f"profile {access.profile}"), account or "*"


def _needs(plan: Plan, instance: str) -> Iterator[Right]:
    """What is needed of an instance that is known by ARN and name."""
    yield "connect:ListQueues", instance + PARTS["queue"]
    yield "connect:ListRoutingProfiles", instance
    if plan.with_profile_queues:
        yield "connect:ListRoutingProfileQueues", instance + PARTS["routing_profile"]
    if plan.with_agent_statuses:
        yield "connect:ListAgentStatuses", instance + PARTS["agent_status"]
    for job in plan.jobs:
        yield from ((f"connect:{job.operation}", instance + PARTS[kind]) for kind in job.resources)


def _without_covered(rights: set[Right]) -> set[Right]:
    """Less what another right includes: `instance/*` has every instance, and everything in each."""
    broad = [(action, resource) for action, resource in rights if "*" in resource]
    return {
        (action, resource)
        for action, resource in rights
        if not any(a == action and r != resource and fnmatchcase(resource, r) for a, r in broad)
    }


def _document(rights: Iterable[Right]) -> Document:
    """One statement for all resources on which the same is allowed, kind by kind."""
    actions: defaultdict[str, list[str]] = defaultdict(list)
    for action, resource in sorted(rights):
        actions[resource].append(action)
    statements: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for resource in sorted(actions):
        statements.setdefault((_kind(resource), tuple(actions[resource])), []).append(resource)
    taken: defaultdict[str, int] = defaultdict(int)
    shown = []
    for (kind, allowed), resources in sorted(statements.items()):
        taken[kind] += 1
        sid = kind if taken[kind] == 1 else f"{kind}{taken[kind]}"
        shown.append({"Sid": sid, "Effect": "Allow", "Action": list(allowed), "Resource": resources})
    return {"Version": "2012-10-17", "Statement": shown}


def _kind(resource: str) -> str:
    ends = {"/queue/*": "Queues", "/routing-profile/*": "RoutingProfiles", "/agent-state/*": "AgentStatuses"}
    if resource == "*":
        return "Anywhere"
    if ":role/" in resource:
        return "Roles"
    return next((kind for end, kind in ends.items() if resource.endswith(end)), "Instances")


def _arn(region: str, account_id: str, instance_id: str) -> str:
    partition = "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"
    return f"arn:{partition}:connect:{region}:{account_id}:instance/{instance_id}"
