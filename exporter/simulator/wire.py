"""The wire format of the simulated service, derived from botocore's own service models.

rest-json for Amazon Connect, query and XML for STS: routes, reading of requests, the checks that shapes imply
(botocore's validator checks neither list maxima nor enumerations), writing of answers. Values as the code behind
sees them: plain Python under the models' member names; a timestamp is unix seconds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from botocore.loaders import Loader
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape

from exporter.simulator.errors import Refused, invalid_parameter, invalid_request

Params = dict[str, Any]

SIMULATED = (
    "GetCurrentMetricData",
    "GetMetricData",
    "ListInstances",
    "DescribeInstance",
    "ListQueues",
    "ListRoutingProfiles",
    "ListRoutingProfileQueues",
    "ListAgentStatuses",
)
SIMULATED_STS = ("AssumeRole", "GetCallerIdentity")


@cache
def service_model(name: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


def status_of(code: str) -> int:
    """The HTTP status Amazon Connect's model gives an error code; 400 where the model does not know it."""
    return _statuses().get(code, 400)


@cache
def _statuses() -> dict[str, int]:
    shapes = service_model("connect").error_shapes
    return {shape.name: int(shape.metadata["error"]["httpStatusCode"]) for shape in shapes if "error" in shape.metadata}


# --- routes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Route:
    operation: str
    method: str
    pattern: re.Pattern[str]
    values: tuple[str, ...]


def _route(model: OperationModel) -> Route:
    uri = str(model.http["requestUri"]).split("?")[0]
    pattern = re.sub(r"\\\{\w+\\\}", "([^/]+)", re.escape(uri))
    return Route(model.name, str(model.http["method"]), re.compile(pattern), tuple(re.findall(r"\{(\w+)\}", uri)))


@cache
def _routes() -> tuple[Route, ...]:
    model = service_model("connect")
    rest = sorted(set(model.operation_names) - set(SIMULATED))
    return tuple(_route(model.operation_model(name)) for name in (*SIMULATED, *rest))


def route(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The operation that method and path name, and the values in the path."""
    for candidate in _routes():
        if candidate.method != method:
            continue
        match = candidate.pattern.fullmatch(path)
        if match is None:
            continue
        if candidate.operation not in SIMULATED:
            raise Refused("NotImplementedException", f"{candidate.operation} is not simulated.", 501)
        return candidate.operation, {
            name: unquote(text) for name, text in zip(candidate.values, match.groups(), strict=True)
        }
    raise Refused("UnknownOperationException", "", 404)


# --- reading ------------------------------------------------------------------------------------------------------


def _unreadable(message: str) -> Refused:
    return Refused("SerializationException", message, 400)


def _not_a_number(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def read_rest_json(operation: str, path: Mapping[str, str], query: str, body: bytes) -> Params:
    """The request's members by name; SerializationException where a type is wrong."""
    members = _input_members("connect", operation)
    from_query = parse_qs(query, keep_blank_values=True)
    from_body = _json_object(body)
    params: Params = {}
    for name, member in members.items():
        wire_name = str(member.serialization.get("name", name))
        match member.serialization.get("location"):
            case "uri":
                params[name] = path[wire_name]
            case "querystring":
                if wire_name in from_query:
                    params[name] = _from_text(member, from_query[wire_name])
            case _:
                if from_body.get(wire_name) is not None:
                    params[name] = _from_json(member, from_body[wire_name])
    return params


def _input_members(service: str, operation: str) -> Mapping[str, Shape]:
    shape = service_model(service).operation_model(operation).input_shape
    return shape.members if isinstance(shape, StructureShape) else {}


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = json.loads(body, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise _unreadable("The request body is not valid JSON") from error
    if not isinstance(value, dict):
        raise _unreadable("The request body is not a JSON object")
    return value


def _from_text(shape: Shape, values: list[str]) -> Any:
    if isinstance(shape, ListShape):
        return [_scalar_from_text(shape.member, value) for value in values]
    return _scalar_from_text(shape, values[0])


def _scalar_from_text(shape: Shape, text: str) -> Any:
    if shape.type_name in ("integer", "long"):
        try:
            return int(text)
        except ValueError as error:
            raise _unreadable(f"STRING_VALUE '{text[:40]}' can not be converted to an Integer") from error
    return text


def _from_json(shape: Shape, value: Any) -> Any:
    """`value` with its type checked against `shape`; members the shape does not know are ignored, as AWS does."""
    if isinstance(shape, StructureShape):
        fields = _typed(value, shape, dict)
        known = ((name, member) for name, member in shape.members.items() if fields.get(name) is not None)
        return {name: _from_json(member, fields[name]) for name, member in known}
    if isinstance(shape, ListShape):
        return [_from_json(shape.member, item) for item in _typed(value, shape, list)]
    match shape.type_name:
        case "string":
            return _typed(value, shape, str)
        case "boolean":
            return _typed(value, shape, bool)
        case "integer" | "long":
            return _number(value, shape, int)
        case "double" | "float" | "timestamp":
            return float(_number(value, shape, int, float))
    raise _unreadable(f"Unexpected {shape.type_name}")


def _typed(value: Any, shape: Shape, *kinds: type) -> Any:
    if not isinstance(value, kinds):
        raise _unreadable(f"{type(value).__name__} can not be converted to {shape.name}")
    return value


def _number(value: Any, shape: Shape, *kinds: type) -> Any:
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise _unreadable(f"{value} can not be converted to {shape.name}")
    return _typed(value, shape, *kinds)


def read_query(body: bytes) -> tuple[str, Params]:
    """Action and parameters of an STS request. Lists and structures (tags, policies) are accepted and not looked at."""
    fields = {
        name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items()
    }
    action = fields.get("Action", "")
    if action not in SIMULATED_STS:
        raise Refused(
            "InvalidAction",
            f"Could not find operation {action} for version {fields.get('Version', 'NO_VERSION_SPECIFIED')}",
            400,
        )
    known = _input_members("sts", action)
    return action, {name: _scalar_from_text(known[name], text) for name, text in fields.items() if name in known}


# --- checks -------------------------------------------------------------------------------------------------------


def violations(service: str, operation: str, params: Mapping[str, Any]) -> list[str]:
    """Every constraint of the operation's input shape that `params` break, worded as AWS words them."""
    shape = service_model(service).operation_model(operation).input_shape
    return list(_violations(shape, params, "")) if shape is not None else []


def _violations(shape: Shape, value: Any, at: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                yield _broken(f"{at}.{name}", "Member must not be null")
        for name, member in shape.members.items():
            if name in value:
                yield from _violations(member, value[name], f"{at}.{name}")
    elif isinstance(shape, ListShape):
        yield from _outside(len(value), shape.metadata, at, "length ")
        for index, item in enumerate(value, 1):
            yield from _violations(shape.member, item, f"{at}.{index}.member")
    elif shape.type_name == "string":
        yield from _string_violations(shape.metadata, value, at)
    elif shape.type_name in ("integer", "long", "double", "float"):
        yield from _outside(value, shape.metadata, at, "value ")


def _string_violations(limits: Mapping[str, Any], value: str, at: str) -> Iterator[str]:
    yield from _outside(len(value), limits, at, "length ")
    allowed = limits.get("enum")
    if allowed and value not in allowed:
        yield _broken(at, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
    expression = _expression(limits.get("pattern"))
    if expression is not None and not expression.fullmatch(value):
        yield _broken(at, f"Member must satisfy regular expression pattern: {expression.pattern}")


@cache
def _expression(pattern: str | None) -> re.Pattern[str] | None:
    """A model's pattern; None for the few that only Java can read (`\\p{L}`)."""
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        return None


def _outside(size: float, limits: Mapping[str, Any], at: str, what: str) -> Iterator[str]:
    least, most = limits.get("min"), limits.get("max")
    if least is not None and size < least:
        yield _broken(at, f"Member must have {what}greater than or equal to {least}")
    if most is not None and size > most:
        yield _broken(at, f"Member must have {what}less than or equal to {most}")


def _broken(at: str, constraint: str) -> str:
    path = ".".join(part[:1].lower() + part[1:] for part in at.split(".") if part)
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"


def invalid(service: str, operation: str, message: str) -> Refused:
    """A wrong parameter, in the code that the model gives this operation for it."""
    if service == "sts":
        return Refused("ValidationError", message, 400)
    errors = {shape.name for shape in service_model(service).operation_model(operation).error_shapes}
    return invalid_parameter(message) if "InvalidParameterException" in errors else invalid_request(message)


# --- writing ------------------------------------------------------------------------------------------------------

Writer = Callable[[Any], Any]


def write_rest_json(operation: str, answer: Mapping[str, Any]) -> bytes:
    """The answer's body; KeyError where `answer` has a member that the model has not. None is written as null."""
    return json_bytes(_writer(_output_shape("connect", operation))(answer))


def json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _output_shape(service: str, operation: str) -> Shape:
    shape = service_model(service).operation_model(operation).output_shape
    if shape is None:
        raise LookupError(f"{operation} has no answer")
    return shape


@cache
def _writer(shape: Shape) -> Writer:
    """A function that makes JSON's types of a value of this shape; kept, because a page has thousands of values."""
    if isinstance(shape, StructureShape):
        members = {
            name: (str(member.serialization.get("name", name)), _writer(member))
            for name, member in shape.members.items()
        }
        return lambda value: (
            value if value is None else {members[key][0]: members[key][1](item) for key, item in value.items()}
        )
    if isinstance(shape, ListShape):
        item = _writer(shape.member)
        return lambda value: [item(each) for each in value]
    if shape.type_name == "timestamp":
        return lambda value: round(value, 3)
    return lambda value: value


def write_query(action: str, answer: Mapping[str, Any], request_id: str) -> bytes:
    shape = _output_shape("sts", action)
    root = ElementTree.Element(f"{action}Response", xmlns=_namespace())
    result = ElementTree.SubElement(root, str(shape.serialization["resultWrapper"]))
    _append_xml(result, shape, answer)
    ElementTree.SubElement(ElementTree.SubElement(root, "ResponseMetadata"), "RequestId").text = request_id
    return _xml_bytes(root)


def _append_xml(parent: ElementTree.Element, shape: Shape, value: Any) -> None:
    if isinstance(shape, StructureShape):
        for name, item in value.items():
            member = shape.members[name]
            _append_xml(ElementTree.SubElement(parent, str(member.serialization.get("name", name))), member, item)
    elif shape.type_name == "timestamp":
        parent.text = datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    else:
        parent.text = str(value)


def write_query_error(code: str, message: str, request_id: str, status: int) -> bytes:
    root = ElementTree.Element("ErrorResponse", xmlns=_namespace())
    error = ElementTree.SubElement(root, "Error")
    ElementTree.SubElement(error, "Type").text = "Sender" if status < 500 else "Receiver"
    ElementTree.SubElement(error, "Code").text = code
    ElementTree.SubElement(error, "Message").text = message
    ElementTree.SubElement(root, "RequestId").text = request_id
    return _xml_bytes(root)


def _xml_bytes(root: ElementTree.Element) -> bytes:
    text: bytes = ElementTree.tostring(root, encoding="utf-8")
    return text


def _namespace() -> str:
    return str(service_model("sts").metadata["xmlNamespace"])
