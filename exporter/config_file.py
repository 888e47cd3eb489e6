"""A YAML file as a tree of mappings, lists, texts and nulls.

Scalars stay the text that the user wrote, and the settings' types decide what it means: so the alias `0012` keeps its
zeros, `off` can be a word in one place and a boolean in another, and a file and an environment variable read alike.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from exporter.config_faults import ConfigError

Tree = dict[str, "Tree"] | list["Tree"] | str | None

SIZE_LIMIT = 1 << 20
"""Bytes; a Kubernetes ConfigMap can not be larger either."""
VALUE_LIMIT = 50_000
"""Values after aliases are expanded: a few nested aliases could otherwise make billions."""
DEPTH_LIMIT = 50
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
STANDARD = "tag:yaml.org,2002:"
STANDARD_TAGS = frozenset(STANDARD + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map"))
PLAINER = {
    "\\t": "a tab: YAML is indented with spaces",
    "<stream end>": "ends within a bracket that is never closed",
    "end of stream": "ends within quotes that are never closed",
    "single document": 'a second document begins ("---"): a configuration is one',
    "mapping values are not allowed": 'a second ": " in one line: put quotes around a text that holds one',
}
"""Part of what the parser says, and what we say instead."""


class UnreadableError(ValueError):
    """`lines`: what is wrong, without the name of the source."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def read_file(path: Path | str, such_as: str = "instances:") -> dict[str, Tree]:
    """The tree of a file; an empty file is an empty mapping. Raises ConfigError. `such_as`: one of the file's keys."""
    try:
        tree = parse_yaml(_text(path))
    except UnreadableError as problem:
        raise ConfigError(f"{path}: {line}" for line in problem.lines) from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError([f"{path}: must be a mapping: `{such_as}` and other keys, each with its value"])
    return tree


def _text(path: Path | str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise UnreadableError("no such file") from None
    except IsADirectoryError:
        raise UnreadableError("is a directory, not a file") from None
    except PermissionError:
        raise UnreadableError("can not be read: permission denied") from None
    except (OSError, ValueError) as error:
        raise UnreadableError(f"can not be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > SIZE_LIMIT:
        raise UnreadableError("is larger than 1 MiB: not a configuration file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(f"line {line}: is not UTF-8 text") from None


def parse_yaml(text: str) -> Tree:
    """Raises UnreadableError with line and column."""
    try:
        loader = yaml.BaseLoader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise UnreadableError(_marked(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadableError(f"line {line}: not YAML: holds a control character") from None
    except RecursionError:
        raise UnreadableError(f"is nested more than {DEPTH_LIMIT} levels deep") from None
    if node is None:
        return None
    builder = _Builder()
    tree = builder.build(node, 0)
    if builder.problems:
        raise UnreadableError(*dict.fromkeys(builder.problems))
    return tree


def _at(mark: yaml.Mark | None) -> str:
    return "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "


def _marked(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "not understood"
    said = f"{error.context or ''} {problem}"
    plainer = next((words for sign, words in PLAINER.items() if sign in said), problem)
    return f"{_at(error.problem_mark or error.context_mark)}not YAML: {plainer}"


class _Builder:
    """Nodes to values. What can be skipped is noted in `problems`, so that all come out at once."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._values = 0

    def build(self, node: yaml.Node, depth: int) -> Tree:
        self._values += 1
        if self._values > VALUE_LIMIT:
            raise UnreadableError(f"holds more than {VALUE_LIMIT} values once its aliases are expanded")
        if depth > DEPTH_LIMIT:
            raise UnreadableError(
                f"{_at(node.start_mark)}is nested more than {DEPTH_LIMIT} levels deep, or holds itself"
            )
        if node.tag not in STANDARD_TAGS:
            tag = str(node.tag).replace(STANDARD, "!!", 1)
            self.problems.append(f"{_at(node.start_mark)}unknown tag {tag}")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, depth + 1) for item in node.value]
        bare = isinstance(node, yaml.ScalarNode) and node.style is None
        return None if bare and node.value in NULLS else str(node.value)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Tree]:
        merged: dict[str, Tree] = {}
        own: dict[str, Tree] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(f"{_at(key.start_mark)}a key must be a plain word (a template left unfilled?)")
            elif key.value == "<<" and key.style is None:
                merged = self._merged(value, depth) | merged
            elif key.value in own:
                self.problems.append(f'{_at(key.start_mark)}the key "{key.value}" stands here twice')
            else:
                own[key.value] = self.build(value, depth + 1)
        return merged | own

    def _merged(self, node: yaml.Node, depth: int) -> dict[str, Tree]:
        """What `<<: *block` or `<<: [*one, *two]` brings; the first one wins."""
        blocks = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Tree] = {}
        for block in blocks:
            if isinstance(block, yaml.MappingNode):
                tree = self.build(block, depth + 1)
                merged = (tree if isinstance(tree, dict) else {}) | merged
            else:
                self.problems.append(f'{_at(block.start_mark)}"<<" takes a mapping, or a list of them')
        return merged
