"""The references for users, made of what the program itself reads: the catalogue and the settings.

`python -m exporter.reference` writes them to exporter/docs, with `--check` it compares instead and exits 1 where one is
out of date. `metrics_table` is also what the command `metrics` prints.
"""

from __future__ import annotations

import difflib
from itertools import islice
from pathlib import Path

from exporter.reference.configuration import configuration_markdown
from exporter.reference.metrics import Format, metrics_table

__all__ = ["DOCS", "Format", "compare", "configuration_markdown", "generated", "metrics_table", "write"]

DOCS = Path(__file__).parents[1] / "docs"


def generated() -> dict[str, str]:
    """File name in exporter/docs to its text."""
    return {"metrics.md": metrics_table("markdown"), "configuration.md": configuration_markdown()}


def write(folder: Path = DOCS) -> list[Path]:
    """Writes what differs; answers which files that were."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = [folder / name for name, text in generated().items() if _read(folder / name) != text]
    for path in changed:
        path.write_text(generated()[path.name], encoding="utf-8")
    return changed


def compare(folder: Path = DOCS) -> str:
    """The beginning of the difference between the files and what they should be; empty where there is none."""
    olds = {name: _read(folder / name) for name in generated()}
    return "\n".join(_hint(name, olds[name] or "", text) for name, text in generated().items() if olds[name] != text)


def _hint(name: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{name}, as it is", f"{name}, as it should be", n=0, lineterm=""
    )
    return "\n".join(line if len(line) <= 200 else line[:199] + "…" for line in islice(lines, 20))


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
