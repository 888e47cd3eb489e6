"""The benchmarks still run; how fast is for people to read."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.bench.measure import Comparison, in_turns, quantile, table
from tests.tools import REPOSITORY


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_benchmarks_run_to_their_end_and_print_a_ratio_for_each_of_them() -> None:
    argv = [sys.executable, "-m", "tests.bench", "--quick"]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("render 400 series", "publish again", "scrape 400 series, gzip, p50", "health check", "read a page"):
        assert f"\n{line}" in done.stdout
    assert "\nmemory, 1 × 2 queues" in done.stdout
    assert "\nmemory of the demo" in done.stdout


def test_the_two_that_are_compared_take_turns_once_each_to_warm_up() -> None:
    order: list[str] = []

    def round_of(name: str) -> list[float]:
        order.append(name)
        return [1.0]

    ours, theirs = in_turns(lambda: round_of("a"), lambda: round_of("b"), rounds=2, seconds=60)
    assert "".join(order) == "ababab"
    assert (len(ours), len(theirs)) == (2, 2)


def test_one_round_is_measured_even_where_no_time_is_left() -> None:
    assert in_turns(lambda: [1.0], lambda: [2.0], rounds=5, seconds=0) == (([1.0],), ([2.0],))


def test_ratios_are_of_neighbours_and_their_median_and_spread_are_shown() -> None:
    line = Comparison("it", "a peer", "ms", ours=([1.0], [10.0], [2.0]), theirs=([4.0], [20.0], [6.0]))
    assert line.ratios() == [4.0, 2.0, 3.0]
    assert table([line]).splitlines()[-1].split() == ["it", "2", "ms", "6", "ms", "3", "2–4", "a", "peer"]


def test_the_99th_percentile_of_a_few_numbers_is_the_highest() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert quantile([float(number) for number in range(1000)], 0.99) == 990.0
    assert quantile([1.0, 2.0, 4.0, 9.0], 0.5) == 3.0
