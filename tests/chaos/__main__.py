"""`make chaos`: the daemon lives through one episode of troubles after the other; `--seed N` replays one alone."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.episode import Episode, Life, life
from tests.chaos.laws import Broken
from tests.chaos.lies import LIES
from tests.conftest import forget_the_developers_settings

MOST_FAILURES = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Random faults against a real daemon.")
    parser.add_argument("--seeds", type=int, default=200, help="how many episodes (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first episode's seed (%(default)s)")
    parser.add_argument("--seed", type=int, help="this episode alone")
    parser.add_argument("--lie", choices=LIES, default="", help="one that the daemon tells: who judges must notice")
    options = parser.parse_args()
    forget_the_developers_settings()
    seeds = range(options.first, options.first + options.seeds) if options.seed is None else [options.seed]
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        failures = live(Path(directory), seeds, options.lie, talkative=True)
    for failure in failures:
        print(failure)
    return 1 if failures else 0


def live(directory: Path, seeds: Sequence[int], lie: str = "", talkative: bool = False) -> list[str]:
    """Episode after episode; one that failed is told, and life begins anew after it. Not more than a few failures."""
    failures: list[str] = []
    left, begun, number = list(seeds), time.monotonic(), 0
    while left and len(failures) < (1 if lie else MOST_FAILURES):
        number += 1
        with life(directory / str(number), lie) as living:
            first = living.moment.monotonic()
            while left:
                seed = left.pop(0)
                if failure := _failure(living, seed):
                    failures.append(failure)
                    break
            if talkative:
                print(_summary(living, len(seeds) - len(left), first, time.monotonic() - begun), flush=True)
            if not failures:
                living.end()
    return failures


def _failure(living: Life, seed: int) -> str | None:
    try:
        Episode(living, seed).run()
    except Broken as broken:
        return f"seed {seed}, {broken}\n    replay: python -m tests.chaos --seed {seed}"
    return None


def _summary(living: Life, episodes: int, first: float, took: float) -> str:
    days = (living.moment.monotonic() - first) / 86400
    memory = f"{min(living.memory, default=0):.0f} to {max(living.memory, default=0):.0f} MB"
    return (
        f"{episodes} episodes, {days:.2f} days in this life, {living.scrapes} scrapes, {memory}, "
        f"at most {living.most}; {took:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
