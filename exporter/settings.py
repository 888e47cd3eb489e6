"""How the configuration is read: a YAML file, the environment over it, the command line over both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from exporter.config_environment import Overlay
from exporter.config_faults import ConfigError, Loc, fault
from exporter.config_file import Tree, read_file
from exporter.config_relations import relations
from exporter.settings_blocks import (
    AwsKeys,
    AwsSettings,
    Block,
    CollectorsSettings,
    CounterSettings,
    CurrentSettings,
    DiscoverySettings,
    HistoricalSettings,
    InstanceSettings,
    InventorySettings,
    LimitsSettings,
    LogSettings,
    NameFilter,
    QuotaSettings,
    Scope,
    Settings,
    ShardSettings,
    WebSettings,
)
from exporter.settings_types import of_arn

__all__ = [
    "AwsKeys",
    "AwsSettings",
    "Block",
    "CollectorsSettings",
    "ConfigError",
    "CounterSettings",
    "CurrentSettings",
    "DiscoverySettings",
    "HistoricalSettings",
    "InstanceSettings",
    "InventorySettings",
    "LimitsSettings",
    "LogSettings",
    "NameFilter",
    "QuotaSettings",
    "Scope",
    "Settings",
    "ShardSettings",
    "WebSettings",
    "config_hash",
    "effective",
    "load",
    "redacted_yaml",
    "region_of",
]

HIDDEN = "<hidden>"


def load(path: Path | str | None, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Settings:
    """The file (None: no file), the environment over it, and over both `overrides`, dotted key to value.

    Raises ConfigError with every fault that could be found.
    """
    file_faults: tuple[str, ...] = ()
    tree: dict[str, Tree] = {}
    try:
        tree = {} if path is None else read_file(path)
    except ConfigError as error:
        file_faults = error.faults
    _beside(path, tree)
    overlay = Overlay(Settings, tree)
    overlay.environment(environ)
    for key, value in (overrides or {}).items():
        overlay.override(key, value)
    if file_faults:
        raise ConfigError((*file_faults, *overlay.faults))
    default = None if path is None else str(path)
    settings, found = _validate(tree)
    nothing: dict[Loc, str] = {("instances",): "; or name a file with --config"} if path is None else {}
    lines = [*overlay.faults, *(f"{overlay.blame(loc, default)}: {said}{nothing.get(loc, '')}" for loc, said in found)]
    if settings is None or lines:
        raise ConfigError(lines)
    return settings


def _beside(path: Path | str | None, tree: dict[str, Tree]) -> None:
    """A relative path in the file is relative to the file; one from elsewhere to the working directory."""
    web = tree.get("web")
    if path is not None and isinstance(web, dict) and isinstance(given := web.get("config_file"), str) and given:
        web["config_file"] = str(Path(path).parent / given)


def effective(block: Scope, aws: AwsSettings) -> AwsKeys:
    """The keys of `aws` as they hold for an entry of `instances` or `discovery`: its own where it has them."""
    own = {key for key in block.model_fields_set if key in AwsKeys.model_fields}
    return AwsKeys.model_construct(**{key: getattr(block if key in own else aws, key) for key in AwsKeys.model_fields})


def region_of(instance: InstanceSettings, aws: AwsSettings) -> str:
    """The region of a configured instance; of settings that were loaded there always is one."""
    return instance.region or of_arn(instance.id, "region") or aws.region or ""


def redacted_yaml(settings: Settings) -> str:
    """The running configuration: values as they hold for each instance, durations as text, no external id."""
    return yaml.dump(_hidden(_plain(settings)), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def config_hash(settings: Settings) -> int:
    """Equal for configurations that mean the same, in whatever notation. 48 bits: a float holds them exactly."""
    text = json.dumps(_plain(settings), sort_keys=True, ensure_ascii=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _plain(settings: Settings) -> dict[str, Any]:
    tree: dict[str, Any] = settings.model_dump(mode="json")
    tree["aws"] = _own_first(settings.aws, tree["aws"])
    for name, blocks in (("instances", settings.instances), ("discovery", settings.discovery)):
        for index, block in enumerate(blocks):
            entry = tree[name][index] | effective(block, settings.aws).model_dump(mode="json")
            if isinstance(block, InstanceSettings):
                entry["region"] = region_of(block, settings.aws)
            tree[name][index] = _own_first(block, entry)
    return tree


def _own_first(block: Block, entry: dict[str, Any]) -> dict[str, Any]:
    """A block's own keys before those that it has in common with others: an instance begins with its id."""
    return {
        key: entry[key] for kind in type(block).__mro__ for key in vars(kind).get("__annotations__", {}) if key in entry
    }


def _hidden(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: HIDDEN if key == "external_id" and value else _hidden(value) for key, value in tree.items()}
    return [_hidden(value) for value in tree] if isinstance(tree, list) else tree


def _validate(tree: dict[str, Tree]) -> tuple[Settings | None, list[tuple[Loc, str]]]:
    settings, found = None, []
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        found = [fault(Settings, detail) for detail in error.errors(include_url=False)]
    known = {loc for loc, _ in found}
    found += [(loc, message) for loc, message in relations(tree) if loc not in known]
    return settings, sorted(found, key=lambda item: _position(tree, item[0]))


def _position(tree: Any, loc: Loc) -> list[int]:
    """Sorts faults as their keys stand in the file, what is missing behind what is there."""
    position = []
    for key in loc:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree))) if isinstance(tree, list) else []
        position.append(keys.index(key) if key in keys else len(keys))
        tree = tree[key] if key in keys else None
    return position
