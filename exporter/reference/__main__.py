"""`python -m exporter.reference [--check]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from exporter.reference import DOCS, compare, write


def main(arguments: Sequence[str] | None = None, folder: Path = DOCS) -> int:
    parser = argparse.ArgumentParser(prog="python -m exporter.reference", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file is out of date")
    if not parser.parse_args(arguments).check:
        sys.stdout.writelines(f"written: {path.name}\n" for path in write(folder))
        return 0
    if difference := compare(folder):
        sys.stderr.write(f"{difference}\n\nexporter/docs is out of date: run `make docs` and read what changed\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
