"""Imports point one way, read off the syntax tree: also those inside functions and under TYPE_CHECKING."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.tools import REPOSITORY

PACKAGE = "exporter"

# part -> the parts right below it. What is below those is open to it too: an arrow points down, however far.
# A part is a module or package directly in exporter/; the empty name is exporter/__init__.py, which is __version__.
BELOW: Mapping[str, frozenset[str]] = {
    part: frozenset(below.split())
    for part, below in {
        "__main__": "cli",
        "cli": "daemon check demo policy reference",
        "demo": "simulator",
        "check": "app policy",
        "policy": "jobs",
        "daemon": "app logs allocator",
        "app": "plan web engine aws publisher status",
        "plan": "watch settings targets",
        "reference": "settings catalogue",
        # what runs
        "status": "engine web",
        "engine": "watch",
        "watch": "jobs mapping",
        "jobs": "inventory collectors board telemetry",
        "publisher": "board telemetry",
        "board": "exposition",
        "telemetry": "exposition",
        "collectors": "mapping objectives",
        "mapping": "catalogue",
        "exposition": "catalogue",
        # what the user writes
        "targets": "settings objectives",
        "settings": "config_environment config_relations",
        "config_relations": "config_file settings_blocks",
        "config_environment": "config_file",
        "settings_blocks": "settings_types config_faults",
        "settings_types": "durations",
        "config_file": "config_faults",
        # what is served
        "web": "config_file durations",
        # what knows nothing but the vocabulary
        **dict.fromkeys(("aws", "catalogue", "config_faults", "durations", "inventory", "logs", "objectives"), ""),
        # what knows nothing at all
        **dict.fromkeys(("simulator", "allocator", ""), ""),
    }.items()
}

# Vocabulary: open to everybody but the simulator, and itself made of nothing of ours.
VOCABULARY = frozenset({"model", "windows", "threads", "catalogue.spec"})
# The simulator judges the rest; a table they shared would make it agree with our mistakes.
APART = "simulator"
AWS_LIBRARIES = frozenset({"boto3", "botocore", "mypy_boto3_connect", "mypy_boto3_sts", "s3transfer"})
AWS_PARTS = frozenset({"aws", APART})


def part_of(module: str) -> str:
    """`exporter.web.routes` -> `web`; `exporter.catalogue.spec`, which is vocabulary, stays apart."""
    inside = module.removeprefix(PACKAGE).removeprefix(".")
    return inside if inside in VOCABULARY else inside.partition(".")[0]


def open_to(part: str) -> frozenset[str]:
    """Everything that lies below `part`, itself included."""
    if part in VOCABULARY:
        return frozenset({part, ""})
    found: set[str] = set()
    ahead = {part}
    while ahead:
        one = ahead.pop()
        found.add(one)
        ahead |= BELOW.get(one, frozenset()) - found
    # Who may start the simulator has an arrow of its own to it.
    if part != APART and APART not in BELOW.get(part, frozenset()):
        found.discard(APART)
    return frozenset(found | {""} | (frozenset() if part == APART else VOCABULARY))


def imported(source: str, inside: str, known: frozenset[str]) -> Iterator[tuple[int, str]]:
    """(line, absolute name of a module) for each import in the module `inside`.

    `known` holds the modules of the package, to tell `from exporter import model` (a module) from
    `from exporter.model import Row` (a name in one).
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                raise AssertionError(f"{inside}:{node.lineno}: a relative import hides what it imports")
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield node.lineno, full if full in known else base


def faults(sources: Mapping[str, str]) -> list[str]:
    """What is wrong in a package given as module -> source text; empty where nothing is."""
    known = frozenset(sources)
    found = []
    for module, source in sorted(sources.items()):
        part = part_of(module)
        if part not in BELOW and part not in VOCABULARY:
            found.append(f"{module}: has no place in BELOW (tests/test_architecture.py); give it one")
            continue
        allowed = open_to(part)
        for line, name in imported(source, module, known):
            top = name.partition(".")[0]
            if top == PACKAGE and part_of(name) not in allowed:
                found.append(f"{module}:{line}: {part or PACKAGE} must not import {name}")
            if top in AWS_LIBRARIES and part not in AWS_PARTS:
                found.append(f"{module}:{line}: {name} is for {' and '.join(sorted(AWS_PARTS))} only")
            if top == "tests":
                found.append(f"{module}:{line}: the program must not import its tests")
    return found


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def test_imports_of_the_exporter_point_one_way() -> None:
    sources = {module_name(path): path.read_text() for path in sorted((REPOSITORY / PACKAGE).rglob("*.py"))}
    assert f"{PACKAGE}.model" in sources
    found = faults(sources)
    assert not found, "\n" + "\n".join(found)


def test_no_two_parts_lie_below_each_other() -> None:
    circles = [(a, b) for a in BELOW for b in BELOW if a < b and b in open_to(a) and a in open_to(b)]
    assert circles == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("exporter.engine", "from exporter.web.app import serve"),
        ("exporter.engine", "from exporter import settings"),
        ("exporter.mapping", "import boto3"),
        ("exporter.collectors.current", "from botocore.exceptions import ClientError"),
        ("exporter.model", "from exporter.settings import Settings"),
        ("exporter.windows", "from exporter.model import Target"),
        ("exporter.catalogue.spec", "from exporter.catalogue.current import CURRENT"),
        ("exporter.catalogue.spec", "from exporter.model import Row"),
        ("exporter.aws.gateway", "from exporter.engine import Engine"),
        ("exporter.simulator.world", "from exporter.model import Row"),
        ("exporter.simulator.world", "from exporter.catalogue.spec import Unit"),
        ("exporter.engine", "from exporter.simulator.server import serve"),
        ("exporter.app", "from exporter.simulator.server import serve"),
        ("exporter.logs", "def f():\n    import exporter.app"),
        ("exporter.app", "from tests.tools import wait_for"),
        ("exporter.unheard_of", ""),
    ],
)
def test_a_wrong_import_is_found(module: str, line: str) -> None:
    known = {"exporter.settings": "", "exporter.model": "", "exporter.engine": "", "exporter.web.app": ""}
    assert len(faults(known | {module: line})) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("exporter.simulator.world", "from exporter import __version__"),
        ("exporter.simulator.server", "import botocore.session"),
        ("exporter.aws.sessions", "import boto3"),
        ("exporter.demo", "from exporter.simulator.server import serve"),
        ("exporter.app", "from exporter.catalogue import FAMILIES"),
        ("exporter.collectors.current", "from exporter import mapping"),
        ("exporter.web.app", "from exporter.web.page import status_page"),
    ],
)
def test_a_right_import_passes(module: str, line: str) -> None:
    assert faults({"exporter.mapping": ""} | {module: line}) == []
