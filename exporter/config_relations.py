"""Faults between keys of a configuration.

Judged on the bare tree, before it is Settings: they must come out beside the faults of single keys, which leave none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from exporter.config_faults import REQUIRED, Loc
from exporter.config_file import Tree
from exporter.settings_types import of_arn


def relations(tree: dict[str, Tree]) -> Iterator[tuple[Loc, str]]:
    instances = tree.get("instances") or []
    if not instances and not tree.get("discovery"):
        yield ("instances",), f"{REQUIRED}: an instance here, or regions to search under discovery"
    if isinstance(instances, list):
        yield from _instance_relations(instances, _text(tree, "aws", "region"))
    index, total = _number(tree, "shard", "index", default=0), _number(tree, "shard", "total", default=1)
    if index is not None and total is not None and index >= total >= 1:
        yield ("shard", "index"), f"must be less than shard.total, which is {total}"


def _instance_relations(instances: list[Tree], default: str | None) -> Iterator[tuple[Loc, str]]:
    ids: dict[tuple[str, str], int] = {}
    aliases: dict[str, int] = {}
    for index, entry in enumerate(instances):
        name, own, alias = (_text(entry, key) for key in ("id", "region", "alias"))
        named = of_arn(name or "", "region")
        region = own or named or default
        if own and named and own != named:
            yield ("instances", index, "region"), f"is not the region of the ARN in id, {named}"
        elif region is None and isinstance(entry, dict) and not (name or "").startswith("arn:"):
            yield ("instances", index, "region"), REQUIRED
        if name and region:
            first = ids.setdefault((region, name.rpartition("/")[2].lower()), index)
            if first != index:
                yield ("instances", index, "id"), f"is the same instance as instances.{first}.id"
        if alias and (first := aliases.setdefault(alias, index)) != index:
            yield ("instances", index, "alias"), f"is the same as instances.{first}.alias: their series would collide"


def _text(tree: Any, *keys: str) -> str | None:
    """What stands at a path of the bare tree, if it is a scalar."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return str(tree) if isinstance(tree, str | int | float) else None


def _number(tree: Any, *keys: str, default: int) -> int | None:
    """None where it is no number: a fault that is reported elsewhere."""
    text = _text(tree, *keys)
    try:
        return default if text is None else int(text)
    except ValueError:
        return None
