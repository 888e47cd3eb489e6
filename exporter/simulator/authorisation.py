"""Who may do what: IAM policy documents, one for everybody who calls from an account.

Access to Amazon Connect is judged on the resources that a request names: see AWS's service authorization reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.simulator.errors import Refused
from exporter.simulator.faults import Request
from exporter.simulator.identity import partition

Document = Mapping[str, Any]
Policies = Mapping[str, Document]
"""By account id."""

_KEYS = frozenset({"Sid", "Effect", "Action", "Resource"})
# Both look into the directory behind an instance, and have to be allowed to.
_DIRECTORIES = ("ds:DescribeDirectories", "*")


@dataclass(frozen=True, slots=True)
class _Statement:
    actions: tuple[re.Pattern[str], ...]
    resources: tuple[re.Pattern[str], ...]

    def allows(self, action: str, resource: str) -> bool:
        return any(p.fullmatch(action.lower()) for p in self.actions) and any(
            p.fullmatch(resource) for p in self.resources
        )


class Authorisation:
    """None allows everything; an account without a policy may do nothing. ValueError for a document beyond this."""

    def __init__(self, policies: Policies | None = None) -> None:
        self._statements = None if policies is None else {a: tuple(_statements(d)) for a, d in policies.items()}

    def check(self, request: Request) -> None:
        """Refused, in AWS's words, for the first thing that no statement allows."""
        if self._statements is None:
            return
        statements = self._statements.get(request.caller.account_id, ())
        for action, resource in needs(request):
            if not any(statement.allows(action, resource) for statement in statements):
                raise Refused(
                    "AccessDeniedException",
                    f"User: {request.caller.arn} is not authorized to perform: {action} on resource: {resource} "
                    f"because no identity-based policy allows the {action} action",
                    403,
                )


def needs(request: Request) -> Iterator[tuple[str, str]]:
    """Every (action, resource) that must be allowed for a request."""
    if request.operation != "GetCallerIdentity":  # anybody may ask who they are
        action = f"{request.service}:{request.operation}"
        yield from ((action, resource) for resource in _resources(request))
    if request.operation in ("ListInstances", "DescribeInstance"):
        yield _DIRECTORIES


def _resources(request: Request) -> Iterator[str]:
    caller, params = request.caller, request.params
    account = f"arn:{partition(caller.region)}:connect:{caller.region}:{caller.account_id}"
    instance = f"{account}:instance/{params.get('InstanceId', '')}"
    filters: Mapping[str, Sequence[str]] = params.get("Filters", {})
    queues = [f"{instance}/queue/{_id(queue)}" for queue in filters.get("Queues", ())]
    profiles = [f"{instance}/routing-profile/{_id(profile)}" for profile in filters.get("RoutingProfiles", ())]
    match request.operation:
        case "AssumeRole":
            yield str(params.get("RoleArn", "*"))
        case "ListInstances":
            yield "*"
        case "ListQueues":
            yield f"{instance}/queue/*"
        case "ListAgentStatuses":
            yield f"{instance}/agent-state/*"
        case "ListRoutingProfileQueues":
            yield f"{instance}/routing-profile/{params.get('RoutingProfileId', '')}"
        case "GetCurrentMetricData":
            yield from queues + profiles or [instance]
        case "GetMetricData":
            yield from queues or [f"{instance}/queue/*"]
        case _:
            yield instance


def _id(text: str) -> str:
    """Filters take ids and ARNs."""
    return text.rpartition("/")[2]


def _statements(document: Document) -> Iterator[_Statement]:
    for statement in _listed(document["Statement"]):
        if statement.keys() - _KEYS or statement.get("Effect") != "Allow":
            raise ValueError(f"only plain statements that allow something are simulated: {statement}")
        yield _Statement(
            tuple(_pattern(action.lower()) for action in _listed(statement["Action"])),
            tuple(_pattern(resource) for resource in _listed(statement["Resource"])),
        )


def _listed(value: Any) -> Sequence[Any]:
    """IAM takes one where it takes a list of them."""
    return value if isinstance(value, list | tuple) else [value]


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
