"""Whether Kubernetes, the operators of Prometheus and Grafana and the Gateway API would take an object, all of it."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import kubernetes_validate
from cloudcoil.models.prometheus_operator import v1 as operator

Object = dict[str, Any]


def _mapping(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
METADATA = _mapping(("name", "namespace"), name=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS)


def _object(api: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    parts = {"apiVersion": {"const": api}, "kind": {"const": kind}, "metadata": METADATA, "spec": spec}
    return _mapping(tuple(parts), **parts)


# Written down from the documentation of each, as far as the chart goes.
DASHBOARD = _object(
    "grafana.integreatly.org/v1beta1",
    "GrafanaDashboard",
    _mapping(
        ("instanceSelector", "configMapRef"),
        instanceSelector=_mapping(matchLabels=TEXTS, matchExpressions={"type": "array"}),
        allowCrossNamespaceImport={"type": "boolean"},
        folder=TEXT,
        resyncPeriod={"type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$"},
        configMapRef=_mapping(("name", "key"), name=TEXT, key=TEXT, optional={"type": "boolean"}),
    ),
)
HOSTNAME = {"type": "string", "maxLength": 253, "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9-]+)*$"}
ROUTE = _object(
    "gateway.networking.k8s.io/v1",
    "HTTPRoute",
    _mapping(
        parentRefs={
            "type": "array",
            "minItems": 1,
            "maxItems": 32,
            "items": _mapping(
                ("name",),
                group={"type": "string"},
                kind=TEXT,
                name=TEXT,
                namespace=TEXT,
                port={"type": "integer"},
                sectionName=TEXT,
            ),
        },
        hostnames={"type": "array", "maxItems": 16, "items": HOSTNAME},
        rules={
            "type": "array",
            "minItems": 1,
            "maxItems": 16,
            "items": _mapping(
                backendRefs={
                    "type": "array",
                    "items": _mapping(
                        ("name", "port"),
                        name=TEXT,
                        namespace=TEXT,
                        port={"type": "integer", "minimum": 1, "maximum": 65535},
                        weight={"type": "integer"},
                    ),
                },
                matches={
                    "type": "array",
                    "items": _mapping(
                        path=_mapping(
                            type={"enum": ["Exact", "PathPrefix", "RegularExpression"]}, value={"type": "string"}
                        ),
                        headers={"type": "array"},
                        queryParams={"type": "array"},
                        method=TEXT,
                    ),
                },
                filters={"type": "array", "items": {"type": "object", "required": ["type"]}},
            ),
        },
    ),
)


def _by_schema(schema: dict[str, Any], one: Object) -> None:
    jsonschema.Draft7Validator(schema).validate(one)


def _by_model(model: Any, one: Object) -> None:
    """The model ignores fields it does not know; they are then missing from what it says back."""
    said = model.model_validate(one).model_dump(by_alias=True, exclude_unset=True, mode="json")
    assert said == one, f"not in the schema of {one['kind']}"


CUSTOM: dict[str, Callable[[Object], None]] = {
    "ServiceMonitor": functools.partial(_by_model, operator.ServiceMonitor),
    "PodMonitor": functools.partial(_by_model, operator.PodMonitor),
    "PrometheusRule": functools.partial(_by_model, operator.PrometheusRule),
    "GrafanaDashboard": functools.partial(_by_schema, DASHBOARD),
    "HTTPRoute": functools.partial(_by_schema, ROUTE),
}


LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAMES = {
    # A Service's name is a DNS label of RFC 1035, which begins with a letter.
    "Service": r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
    # The pods' host names are made of it.
    "StatefulSet": LABEL,
}
"""Kind -> what its names look like; of the others they are DNS subdomains."""
SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
LABEL_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"


def _names(one: Object) -> None:
    """Schemas know no names: an API server refuses these apart from them."""
    metadata = one["metadata"]
    assert re.fullmatch(NAMES.get(one["kind"], SUBDOMAIN), metadata["name"]), f"{one['kind']} {metadata['name']}"
    assert len(metadata["name"]) <= 253
    assert re.fullmatch(LABEL, metadata.get("namespace", "default")), f"namespace {metadata['namespace']}"
    for key, value in metadata.get("labels", {}).items():
        assert re.fullmatch(LABEL_VALUE, value), f"label {key}: {value}"


def validate(one: Object, kubernetes: str) -> None:
    """Raises where an API server of that version would refuse it, or drop something of it."""
    _validate(json.dumps(one, sort_keys=True), kubernetes)


@functools.cache
def _validate(text: str, kubernetes: str) -> None:
    one = json.loads(text)
    _names(one)
    if (custom := CUSTOM.get(one["kind"])) is not None:
        custom(one)
    else:
        kubernetes_validate.validate(one, kubernetes, strict=True)
