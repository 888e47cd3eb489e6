"""`python -m helm.build [--check]`: what the chart takes from elsewhere. Nothing here has a source of its own.

Rules and dashboards are copies of grafana/, LICENSE is the repository's; in values.schema.json the keys of `config` and
the shape of a region are those of exporter.settings; the table of values in README.md is made of the comments in
values.yaml.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.settings import Settings
from exporter.settings_types import REGION

REPOSITORY = Path(__file__).resolve().parents[1]
CHART = REPOSITORY / "helm" / "amazon-connect-exporter"
COPIES = {
    "files/rules": ("grafana/rules", "*.yaml"),
    "files/dashboards": ("grafana/dashboards", "amazon-connect-*.json"),
}
"""Folder of the chart -> folder of the repository, and which files of it."""

BEGIN, END = "<!-- values: written by `make chart` -->", "<!-- end of values -->"
KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]\w*):(?: |$)")
DOCUMENTATION = re.compile(r" *# -- (?P<text>.+)")


@dataclass(frozen=True, slots=True)
class Value:
    """A documented value: dotted path, what it means, its default."""

    path: str
    text: str
    default: Any


def values(text: str) -> Iterator[Value]:
    """Keys of values.yaml under a `# --` comment, in the file's order. A comment may stand before its key only."""
    defaults, path, comment = yaml.safe_load(text), list[tuple[int, str]](), ""
    for line in text.splitlines():
        if found := DOCUMENTATION.fullmatch(line):
            if comment:
                raise ValueError(f"two comments and no key: {line.strip()}")
            comment = found["text"]
        elif found := KEY.match(line):
            indent = len(found["indent"])
            path = [*((above, key) for above, key in path if above < indent), (indent, found["key"])]
            if comment:
                keys = [key for _, key in path]
                yield Value(".".join(keys), comment, _at(defaults, keys))
            comment = ""
    if comment:
        raise ValueError(f"no key after: {comment}")


def _at(tree: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        tree = tree[key]
    return tree


def table(text: str) -> str:
    """The README's part between BEGIN and END."""
    lines = ["| Value | Default | Meaning |", "| --- | --- | --- |"]
    for value in values(text):
        default = json.dumps(value.default, ensure_ascii=False)
        lines.append(f"| `{value.path}` | `{default}` | {value.text.replace('|', chr(92) + '|')} |")
    return "\n".join([BEGIN, "", *lines, "", END])


def readme(text: str, table_: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md has no place for the table: {BEGIN} … {END}")
    return before + table_ + after


def schema(text: str) -> str:
    """values.schema.json with the keys and regions of the configuration. What stands beneath keys, `check` judges."""
    document = json.loads(text)
    document["properties"]["config"]["properties"] = {
        key: {"description": " ".join((field.description or "").split())}
        for key, field in sorted(Settings.model_fields.items())
    }
    document["properties"]["aws"]["properties"]["region"]["pattern"] = f"^(|{REGION.pattern})$"
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def wanted(repository: Path = REPOSITORY, chart: Path = CHART) -> dict[Path, str]:
    """Each file this makes -> what it should be."""
    files = {chart / "LICENSE": (repository / "LICENSE").read_text()}
    for target, (source, pattern) in COPIES.items():
        files |= {chart / target / path.name: path.read_text() for path in sorted((repository / source).glob(pattern))}
    files[chart / "values.schema.json"] = schema((chart / "values.schema.json").read_text())
    read_me = chart / "README.md"
    files[read_me] = readme(read_me.read_text(), table((chart / "values.yaml").read_text()))
    return files


def stale(files: dict[Path, str], chart: Path = CHART) -> list[Path]:
    """Copies whose source is gone."""
    return [path for target in COPIES for path in sorted((chart / target).glob("*")) if path not in files]


def differences(files: dict[Path, str], chart: Path = CHART) -> list[Path]:
    """What is missing, different or stale."""
    changed = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    return changed + stale(files, chart)


def write(files: dict[Path, str], chart: Path = CHART) -> list[Path]:
    """Makes it so; returns what changed."""
    changed = differences(files, chart)
    for path in changed:
        if path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
        else:
            path.unlink()
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m helm.build", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is out of date")
    if not parser.parse_args(arguments).check:
        sys.stdout.writelines(f"written: {path.relative_to(REPOSITORY)}\n" for path in write(wanted()))
        return 0
    found = differences(wanted())
    sys.stderr.writelines(f"out of date, run `make chart`: {path.relative_to(REPOSITORY)}\n" for path in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
