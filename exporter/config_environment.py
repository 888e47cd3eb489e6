"""Environment variables and command line flags, laid over the tree of a configuration file.

`AMAZON_CONNECT_EXPORTER_INSTANCES__0__REGION` is `instances.0.region`. A list's next element may be added by its index.
What is a list or a mapping is written as YAML, of which JSON is a part; anything else is taken as it stands.
"""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from exporter.config_faults import SECRET, Loc, child_type, dotted, known_keys, plain_type, type_at, unknown_key
from exporter.config_file import Tree, UnreadableError, parse_yaml

PREFIX = "AMAZON_CONNECT_EXPORTER_"
KUBERNETES = re.compile(
    r"(?:(?!.*__).+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)
"""What follows PREFIX in the variables that Kubernetes sets for a Service whose name is ours or begins so."""
FLAGS = {
    "web.listen_address": "--listen-address",
    "web.config_file": "--web-config-file",
    "log.level": "--log-level",
    "log.format": "--log-format",
}


@dataclass
class Overlay:
    """A tree that variables are laid over; remembers which source each value came from."""

    model: type[BaseModel]
    tree: dict[str, Tree]
    faults: list[str] = field(default_factory=list)
    origins: dict[Loc, str] = field(default_factory=dict)

    def environment(self, environ: Mapping[str, str]) -> None:
        """Blocks before what stands in them, a list's elements in order. An empty variable counts as unset."""
        for name, path in sorted(_variables(environ), key=lambda item: _order(item[1])):
            loc = self._locate(name, path)
            if loc is not None and environ[name].strip():
                self._text(name, loc, environ[name].strip())

    def override(self, key: str, value: Any) -> None:
        """`key` is dotted; `value` is of any type that the key takes."""
        loc: Loc = tuple(int(part) if part.isdecimal() else part for part in key.split("."))
        self._set(FLAGS.get(key, f"command line: {key}"), loc, value)

    def blame(self, loc: Loc, default: str | None) -> str:
        """The source of what stands at `loc`, with the rest of the path: the beginning of a fault's line."""
        for length in range(len(loc), 0, -1):
            if (name := self.origins.get(loc[:length])) is not None:
                return ": ".join(filter(None, (name, dotted(loc[length:]))))
        return variable(loc) if default is None else ": ".join(filter(None, (default, dotted(loc))))

    def _locate(self, name: str, path: tuple[str, ...]) -> Loc | None:
        """The key that a variable means; a fault and None where there is no such key."""
        loc: Loc = ()
        kind: Any = self.model
        for part in path:
            key: str | int = int(part) if part.isdecimal() and len(part) < 6 else _spelling(kind, part)
            kind, loc = child_type(kind, key), (*loc, key)
            if kind is None:
                self.faults.append(f"{name}: {self._unknown(name, loc)}")
                return None
        return loc

    def _unknown(self, name: str, loc: Loc) -> str:
        if SECRET.search(str(loc[-1])):
            return unknown_key(self.model, loc)
        block = type_at(self.model, loc[:-1])
        start = variable((*loc[:-1], ""))
        known = (variable(known).removeprefix(PREFIX) for known in _leaves(block))
        close = difflib.get_close_matches(name.removeprefix(start), known, n=1, cutoff=0.75)
        if close or not known_keys(block):
            return (
                f'unknown key; did you mean "{start}{close[0]}"?'
                if close
                else "unknown key: nothing stands beneath this"
            )
        return unknown_key(self.model, loc)

    def _text(self, name: str, loc: Loc, text: str) -> None:
        value: Tree = text
        if _is_block(self.model, loc):
            try:
                value = parse_yaml(text)
            except UnreadableError as problem:
                self.faults.extend(f"{name}: {line}" for line in problem.lines)
                return
        elif text == "null":
            value = None
        self._set(name, loc, value)

    def _set(self, name: str, loc: Loc, value: Any) -> None:
        container: Any = self.tree
        for key, following in zip(loc, (*loc[1:], None), strict=True):
            if isinstance(key, int):
                if not isinstance(container, list):
                    return  # the file has something else there, which is a fault of its own
                if key > len(container):
                    self.faults.append(f"{name}: leaves a gap: the next index is {len(container)}")
                    return
                if key == len(container):
                    container.append(None)
            elif not isinstance(container, dict):
                return
            elif key not in container:
                container[key] = None
            if following is None:
                container[key] = value
            elif container[key] is None:
                container[key] = [] if isinstance(following, int) else {}
            container = container[key]
        self.origins[loc] = name


def variable(loc: Loc) -> str:
    return PREFIX + "__".join(str(part).upper() for part in loc)


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in environ:
        rest = name.removeprefix(PREFIX)
        if rest != name and not KUBERNETES.fullmatch(rest):
            yield name, tuple(rest.split("__"))


def _order(path: tuple[str, ...]) -> tuple[int, list[tuple[int, str]]]:
    return len(path), [(int(part), "") if part.isdecimal() else (-1, part) for part in path]


def _spelling(kind: Any, part: str) -> str:
    """The key of a block as it is spelt there; variables are upper-case."""
    return next((key for key in known_keys(kind) if key.casefold() == part.casefold()), part.lower())


def _is_block(model: type[BaseModel], loc: Loc) -> bool:
    outer = plain_type(type_at(model, loc))
    return typing.get_origin(outer) in (tuple, dict) or (isinstance(outer, type) and issubclass(outer, BaseModel))


def _leaves(kind: Any, loc: Loc = ()) -> Iterator[Loc]:
    """Every key's path, with index 0 for lists: what variables can be called."""
    if loc:
        yield loc
    for key in known_keys(kind):
        yield from _leaves(child_type(kind, key), (*loc, key))
    if typing.get_origin(plain_type(kind)) is tuple:
        yield from _leaves(typing.get_args(plain_type(kind))[0], (*loc, 0))
