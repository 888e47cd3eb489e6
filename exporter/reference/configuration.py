"""The keys of the configuration as Markdown, made of the settings' types, defaults and docstrings."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from exporter import settings_types as kinds
from exporter.config_environment import variable
from exporter.config_faults import plain_type
from exporter.reference.markdown import NOTICE, code, table
from exporter.settings import AwsKeys, AwsSettings, InstanceSettings, Scope, Settings

KINDS: tuple[tuple[Any, str], ...] = (
    (kinds.Duration, "duration"),
    (kinds.Count, "whole number"),
    (kinds.Index, "whole number"),
    (kinds.Threshold, "whole number"),
    (kinds.PositiveNumber, "number"),
    (kinds.Share, "number"),
    (kinds.Goal, "number"),
    (kinds.Seconds, "duration"),
    (kinds.Text, "text"),
    (kinds.Region, "region"),
    (kinds.RoleArn, "ARN"),
    (kinds.ExternalId, "text"),
    (kinds.SessionName, "text"),
    (kinds.Url, "URL"),
    (kinds.Address, "address"),
    (kinds.Expression, "expression"),
    (kinds.TimeZone, "time zone"),
    (kinds.InstanceId, "id or ARN"),
    (kinds.Window, "window"),
    (kinds.FilePath, "file"),
    (kinds.CurrentMetric, "`all`, metric of GetCurrentMetricData"),
    (kinds.HistoricalMetric, "`all`, metric of GetMetricData"),
    (bool, "`true`, `false`"),
    (int, "whole number"),
    (float, "number"),
    (str, "text"),
)
"""The kinds of values and what they are called; limits and examples stand in each key's own words."""

EXAMPLE = InstanceSettings(id="0a1b2c3d-1111-2222-3333-444455556666", region="eu-west-2")
INTRODUCTION = (
    f"A YAML file, with environment variables over it. A variable's name is `{variable(())}` followed by the path of "
    "the key in capitals, with two underscores between levels and the index for elements of a list: "
    f"`{variable(('web', 'listen_address'))}`, `{variable(('instances', 0, 'region'))}`. A key that does not exist is "
    "an error, wherever it stands. Credentials never stand here: they come from boto3's own chain (environment, "
    "profile, IRSA, Pod Identity, instance role).",
    "Durations are written as Prometheus writes them: `15s`, `5m`, `1h30m`. In the tables, `[]` stands for any element "
    "of a list and a word in capitals for any key of a mapping.",
)


@dataclass(frozen=True, slots=True)
class Key:
    """A line of the configuration reference; `default` is YAML, or nothing for blocks."""

    path: str
    takes: str
    default: str
    meaning: str


def configuration_markdown() -> str:
    parts = ["# Configuration", NOTICE, *INTRODUCTION]
    for name, field in Settings.model_fields.items():
        first, *rest = _keys(name, _hints(Settings)[name], field)
        parts += [f"## {name}", *([first.meaning] if rest else [])]
        rows = [(f"`{key.path}`", key.takes, key.default, key.meaning) for key in rest or [first]]
        parts.append(table(("Key", "Takes", "Default", "Meaning"), rows))
    parts += ["## All defaults", "As a file, with one instance.", f"```yaml\n{default_yaml()}```"]
    return "\n\n".join(parts) + "\n"


def default_yaml() -> str:
    """A whole configuration with every key at its default, and one instance, without which it would be invalid.

    The instance leaves the keys of `aws` out: there they would mean a value of its own, not that of `aws`.
    """
    tree = Settings(instances=(EXAMPLE,)).model_dump(mode="json")
    tree["aws"] = {key: tree["aws"][key] for key in _documented(AwsSettings)}
    tree["instances"] = [{key: entry[key] for key in _documented(InstanceSettings)} for entry in tree["instances"]]
    return yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100)


def _hints(model: type[BaseModel]) -> Mapping[str, Any]:
    return typing.get_type_hints(model, include_extras=True)


def _keys(path: str, hint: Any, field: FieldInfo) -> Iterator[Key]:
    """The key itself, and what may stand beneath it."""
    meaning = " ".join((field.description or "").split())
    inner, beneath = _beneath(path, plain_type(hint))
    block = inner is not None and inner is plain_type(hint)
    yield Key(path, "block" if block else _takes(hint), "" if block else _default(hint, field), meaning)
    if inner is not None:
        for name in _documented(inner):
            yield from _keys(f"{beneath}.{name}", _hints(inner)[name], inner.model_fields[name])


def _beneath(path: str, kind: Any) -> tuple[type[BaseModel] | None, str]:
    """The model of what stands beneath a key, and the path of that."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        kind, path = arguments[0], path + "[]"
    elif origin is dict:
        kind, path = arguments[1], path + ".OPERATION"
    return (kind, path) if isinstance(kind, type) and issubclass(kind, BaseModel) else (None, path)


def _documented(model: type[BaseModel]) -> list[str]:
    """A model's keys, its own before inherited ones; those of `aws` are described there only."""
    inherited = {name for base in model.__bases__ for name in getattr(base, "model_fields", {})}
    elsewhere = set(AwsKeys.model_fields) if issubclass(model, Scope) else set()
    return sorted((name for name in model.model_fields if name not in elsewhere), key=lambda name: name in inherited)


def _default(hint: Any, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = TypeAdapter(hint).dump_python(field.get_default(call_default_factory=True), mode="json")
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()
    return f"`{text}`"


def _takes(hint: Any) -> str:
    """What a value may be, in words. Raises KeyError for a kind that KINDS does not name."""
    for kind, words in KINDS:
        if _is(hint, kind):
            return words
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "block"
    return _takes_made_of(typing.get_origin(hint), typing.get_args(hint))


def _takes_made_of(origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin is typing.Annotated:
        return _takes(arguments[0])
    if origin is Literal:
        return code(arguments)
    if origin is tuple:
        return "list: " + _takes(arguments[0])
    if origin is dict:
        return "mapping: " + code(typing.get_args(arguments[0]))
    if type(None) in arguments:
        return _takes(next(a for a in arguments if a is not type(None))) + ", `null`"
    raise KeyError(f"{origin}{arguments}: a kind of setting that the reference has no words for")


def _is(hint: Any, kind: Any) -> bool:
    """Whether `hint` is `kind`, or `kind` with more restrictions: Python makes one flat Annotated of both."""
    own, given = getattr(kind, "__metadata__", ()), getattr(hint, "__metadata__", ())
    if not own or not given:
        return bool(hint == kind)
    return bool(hint.__origin__ == kind.__origin__ and given[: len(own)] == own)
