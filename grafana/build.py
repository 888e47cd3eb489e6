"""`python -m grafana.build [--check]`: writes grafana/dashboards/*.json, which are committed.

Panels that wait for metrics which do not exist yet are marked in boards/ by a comment that begins with "Here:".
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from grafana.boards import agents, digital, exporter, operations, queue, service_level, wallboard
from grafana.panels import Json

FOLDER = Path(__file__).with_name("dashboards")
BOARDS = (wallboard, operations, queue, agents, service_level, digital, exporter)


def dashboards() -> list[Json]:
    return [board.board() for board in BOARDS]


def wanted() -> dict[Path, str]:
    """Each file and what it should be."""
    return {
        FOLDER / f"{made['uid']}.json": json.dumps(made, indent=2, ensure_ascii=False) + "\n" for made in dashboards()
    }


def differences(files: dict[Path, str]) -> list[Path]:
    """What is missing, different, or not made here any more."""
    changed = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    return changed + [path for path in sorted(FOLDER.glob("*.json")) if path not in files]


def write(files: dict[Path, str]) -> list[Path]:
    """Makes it so; returns what changed."""
    changed = differences(files)
    FOLDER.mkdir(exist_ok=True)
    for path in changed:
        if path in files:
            path.write_text(files[path])
        else:
            path.unlink()
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m grafana.build", description="Grafana dashboards from boards/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is out of date")
    if not parser.parse_args(arguments).check:
        sys.stdout.writelines(f"written: {path.name}\n" for path in write(wanted()))
        return 0
    found = differences(wanted())
    sys.stderr.writelines(f"out of date, run `python -m grafana.build`: {path.name}\n" for path in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
