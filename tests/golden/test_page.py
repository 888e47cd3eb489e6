"""The golden page: whatever changes on /metrics is seen here first."""

from __future__ import annotations

import difflib

import pytest

from tests.golden.page import FILE, page

SHOWN = 200
"""Lines of a difference: enough to see what it is about."""


def test_the_page_of_the_demo_is_the_golden_one() -> None:
    found, wanted = page(), FILE.read_text(encoding="utf-8")
    lines = list(difflib.unified_diff(wanted.splitlines(), found.splitlines(), "golden", "now", lineterm="", n=1))
    if lines:
        more = [f"… and {len(lines) - SHOWN} lines more"] if len(lines) > SHOWN else []
        told = ["/metrics has changed. If that is meant: `make golden`, and read the diff.", *lines[:SHOWN], *more]
        pytest.fail("\n".join(told), pytrace=False)


def test_the_same_seed_and_clock_give_the_same_page() -> None:
    assert page() == page()
