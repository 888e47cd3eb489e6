"""What a scripted fault answers instead of the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exporter.simulator import wire
from exporter.simulator.errors import Refused
from exporter.simulator.faults import Fault, Request
from exporter.simulator.identity import partition
from exporter.simulator.messages import HTML, JSON, Reply

Turn = Callable[[str, Sequence[Any]], Any]
"""One variant after the other: Faults.turn."""

_THROTTLES = (
    ("ThrottlingException", "Rate exceeded"),
    ("TooManyRequestsException", "Too many requests."),
    ("", "Too Many Requests"),
)
_HTML_PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
_NOT_VALID = ("InvalidParameterException", "One or more of the specified parameters are not valid.", 400)
_ANSWERS: Mapping[str, tuple[str, str, int]] = {
    "error500": ("InternalServiceException", "Internal service error", 500),
    "error503": ("ServiceUnavailableException", "Service is unavailable", 503),
    "expired_token": ("ExpiredTokenException", "The security token included in the request is expired", 403),
    "refuse_metric": _NOT_VALID,
    "refuse_channels": _NOT_VALID,
}
# What a policy has to name for an operation, below the instance (AWS's service authorization reference).
_RESOURCES: Mapping[str, str] = {
    "GetCurrentMetricData": "/queue/*",
    "GetMetricData": "/queue/*",
    "ListQueues": "/queue/*",
    "ListAgentStatuses": "/agent-state/*",
}


def throttled(turn: Turn) -> Refused:
    """In one of AWS's three spellings, the last of which is that of the gateway in front."""
    code, message = turn("throttle", _THROTTLES)
    return Refused(code, message, 429)


def answer(fault: Fault, request: Request, turn: Turn) -> Reply:
    """The answer; Refused where it is one of the service's errors."""
    match fault.kind:
        case "hang":
            return Reply(200, ending="hang")
        case "reset":
            return Reply(200, ending="reset")
        case "garbage":
            content_type, body = turn("garbage", _garbage(request))
            return Reply(200, body, content_type)
        case "html500":
            return Reply(500, _HTML_PAGE.format("500 Internal Server Error").encode(), HTML)
    raise _refused(fault, request, turn)


def _refused(fault: Fault, request: Request, turn: Turn) -> Refused:
    match fault.kind:
        case "throttle":
            return throttled(turn)
        case "deny":
            return Refused("AccessDeniedException", _denial(fault, request), 403)
        case "expired_page":
            return wire.invalid(request.service, request.operation, "The NextToken is invalid or has expired.")
        case "refuse_queue":
            return Refused(fault.code, "A resource of the filter was not found.")
    return Refused(*_ANSWERS[fault.kind])


def _garbage(request: Request) -> tuple[tuple[str, bytes], ...]:
    """Bodies that are no answer to this operation, each with its content type."""
    shape = wire.service_model(request.service).operation_model(request.operation).output_shape
    members = getattr(shape, "members", {})
    return (
        (HTML, _HTML_PAGE.format("Welcome to the guest network").encode()),
        (JSON, b'{"MetricResults": [{"Dimensions": {"Qu'),
        (JSON, wire.json_bytes(dict.fromkeys(members, "not of this shape"))),
        (JSON, b"{}"),
    )


def _denial(fault: Fault, request: Request) -> str:
    action = f"{request.service}:{request.operation}"
    return f"User: {request.caller.arn} is not authorized to perform: {action} on resource: {_resource(fault, request)}"


def _resource(fault: Fault, request: Request) -> str:
    caller, params = request.caller, request.params
    if "InstanceId" not in params:
        return str(params.get("RoleArn", "*"))
    account = f"arn:{partition(caller.region)}:connect:{caller.region}:{caller.account_id}"
    instance = f"{account}:instance/{params['InstanceId']}"
    if fault.queue is not None:
        return f"{instance}/queue/{fault.queue.rpartition('/')[2]}"
    if "RoutingProfileId" in params:
        return f"{instance}/routing-profile/{params['RoutingProfileId']}"
    if "RoutingProfiles" in params.get("Filters", {}):
        return f"{instance}/routing-profile/*"
    return instance + _RESOURCES.get(request.operation, "")
