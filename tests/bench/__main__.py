"""`make bench`: what a page, a scrape, a call and the process cost, each beside a named peer measured in turns with it.

Everything here is printed, nothing asserted: a number belongs to the machine it was measured on.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import decoding, memory, rendering, serving
from tests.bench.measure import Comparison, table
from tests.bench.sizes import FULL, QUICK, Sizes
from tests.conftest import forget_the_developers_settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Benchmarks against named peers.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs, not how fast")
    options = parser.parse_args()
    forget_the_developers_settings()
    begun = time.monotonic()
    lines = []
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        for line in _all(QUICK if options.quick else FULL, Path(directory)):
            print(f"{time.monotonic() - begun:4.0f} s  {line.what}", file=sys.stderr, flush=True)
            lines.append(line)
    print(f"Python {platform.python_version()} on {os.cpu_count()} cores, {time.monotonic() - begun:.0f} s in all.")
    print("Medians; ratio: the peer's number divided by the exporter's in the same round, spread: lowest to highest.")
    print(f"\n{table(lines)}\n")
    for line in lines:
        if line.note:
            print(f"{line.what}: {line.note}.")
    return 0


def _all(sizes: Sizes, directory: Path) -> Iterator[Comparison]:
    yield from rendering.compare(sizes)
    yield from serving.compare(sizes, directory)
    yield from decoding.compare(sizes, directory)
    yield from memory.compare(sizes, directory)


if __name__ == "__main__":
    sys.exit(main())
