"""Reads the JSON bodies of answers in botocore's stead, by botocore's own model.

Two reasons. botocore takes a 200 whose body is cut or no JSON at all for an answer without content, and nothing here
may turn a failure into emptiness. And its parser takes half of the CPU time of a call, or more. botocore's event
before-parse is meant for such things: what the handler finds is merged into the result.
"""

from __future__ import annotations

import base64
import json
import math
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

from botocore.client import BaseClient
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.utils import parse_timestamp

from exporter.aws.errors import CutBodyError

Decode = Callable[[Any], Any]


class BadBodyError(ValueError):
    """A body that is not what the model says."""


def read_bodies(client: BaseClient) -> None:
    """From now on the client's JSON answers are read here; other protocols (STS: query) stay with botocore."""
    service = client.meta.service_model
    if service.resolved_protocol == "rest-json":
        event = f"before-parse.{service.service_id.hyphenize()}"
        client.meta.events.register(event, _Reader(), unique_id="amazon-connect-exporter")


class _Reader:
    """The handler: one for a client, since shapes' names are unique within a service only. Called by many threads."""

    def __init__(self) -> None:
        self._decoders: dict[str, Decode] = {}
        self._making = threading.Lock()

    def __call__(
        self,
        *,
        response_dict: dict[str, Any],
        operation_model: OperationModel,
        customized_response_dict: dict[str, Any],
        **_: object,
    ) -> None:
        shape = operation_model.output_shape
        body = response_dict["body"]
        if response_dict["status_code"] >= 300:
            # botocore looks for keys in whatever JSON an error's body is: anything but an object would trip it.
            response_dict["body"] = body if _is_object(body) else b""
        elif isinstance(body, bytes) and shape is not None and "payload" not in shape.serialization:
            _check_length(body, response_dict["headers"])
            if body or _content(shape):
                customized_response_dict.update(_decoded(self._whole(shape), body))
            response_dict["body"] = b""

    def _whole(self, shape: Shape) -> Decode:
        """The decoder of an answer. Nobody gets one that another thread is still making."""
        with self._making:
            return self._decoder(shape)

    def _decoder(self, shape: Shape) -> Decode:
        made = self._decoders.get(shape.name)
        if made is None:
            # A shape may contain itself: until it is made, its decoder looks itself up.
            self._decoders[shape.name] = partial(self._later, shape.name)
            made = self._decoders[shape.name] = self._make(shape)
        return made

    def _later(self, name: str, value: Any) -> Any:
        return self._decoders[name](value)

    def _make(self, shape: Shape) -> Decode:
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            member = self._decoder(shape.member)
            return lambda value: [None if item is None else member(item) for item in _of(list, value)]
        if isinstance(shape, MapShape):
            content = self._decoder(shape.value)
            return lambda value: {key: content(item) for key, item in _of(dict, value).items() if item is not None}
        return _SCALARS.get(shape.type_name, _as_is)

    def _structure(self, shape: StructureShape) -> Decode:
        if getattr(shape, "is_document_type", False):
            return _as_is
        members = [
            (member.serialization.get("name", name), name, self._decoder(member))
            for name, member in _content(shape).items()
        ]

        def decode(value: Any) -> dict[str, Any]:
            get = _of(dict, value).get
            return {name: decode(raw) for wire, name, decode in members if (raw := get(wire)) is not None}

        return decode


def _content(shape: Shape) -> Mapping[str, Shape]:
    """The members that stand in the body; botocore still reads those in headers."""
    members: Mapping[str, Shape] = getattr(shape, "members", {})
    return {name: member for name, member in members.items() if "location" not in member.serialization}


def _check_length(body: bytes, headers: Mapping[str, str]) -> None:
    announced = headers.get("Content-Length", "")
    if announced.isdigit() and len(body) < int(announced):
        raise CutBodyError(f"the answer ended after {len(body)} of {announced} bytes")


def _decoded(decode: Decode, body: bytes) -> Any:
    try:
        return decode(_parsed(body))
    except (ArithmeticError, RuntimeError) as error:
        # Numbers beyond what a float or a calendar holds; botocore says RuntimeError of the latter.
        raise BadBodyError(f"the answer has a number out of range: {error}") from None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadBodyError(f"the answer is not JSON: {error}") from None


def _is_object(body: object) -> bool:
    try:
        return isinstance(body, bytes) and isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> NoReturn:
    raise BadBodyError(f"{constant} is no number")


def _of(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise BadBodyError(f"the answer has a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def _float(value: Any) -> float:
    number = float(value)
    return number if math.isfinite(number) else _refuse(str(value))


def _as_is(value: Any) -> Any:
    return value


_SCALARS: Mapping[str, Decode] = {
    "string": lambda value: _of(str, value),
    "integer": int,
    "long": int,
    "float": _float,
    "double": _float,
    "boolean": lambda value: _of(bool, value),
    "timestamp": parse_timestamp,
    "blob": lambda value: base64.b64decode(_of(str, value)),
}
