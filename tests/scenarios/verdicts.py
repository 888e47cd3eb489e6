"""What our rules say of recorded pages: promtool evaluates all of them, minute by minute, as Prometheus would."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import yaml

from tests.rules.files import RULE_FILES, rules
from tests.rules.machines import JOB
from tests.scenarios.life import MINUTE, Page
from tests.tools import need

EXPORTER = "exporter:10042"
_BEFORE = 6
"""Minutes before the first page, so that moments of the warming-up are not negative: to the rules they are times."""
_UNREAD = re.compile(r'_errors_total\{.*reason="(?!access_denied|credentials)')
"""Errors that no rule looks at."""

_SILENT: list[Page | None] = [{}] * _BEFORE

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Spell:
    """When an alert fired, in minutes since the first page: the first, the last, and how many in all."""

    first: int
    last: int
    minutes: int


def fired(
    directory: Path,
    start: float,
    targets: Mapping[str, Sequence[Page | None]],
    *,
    since: int = 0,
    step: int = 1,
) -> dict[Labels, Spell]:
    """Every alert that fired, by its labels.

    `targets`: by `instance`, a page a minute from `start` (unix seconds) on; None where no answer came. `since` is the
    minute from which on alerts matter, `step` the minutes between two evaluations.
    """
    minutes = max(map(len, targets.values())) + _BEFORE
    series = [
        pair
        for instance, pages in targets.items()
        for pair in _input(instance, [*_SILENT, *pages], start - _BEFORE * MINUTE)
    ]
    firing = f'timestamp(ALERTS{{alertstate="firing"}})[{minutes - since - _BEFORE}m:{step}m]'
    questions = {
        "first": f"min_over_time({firing}) / 60",
        "last": f"max_over_time({firing}) / 60",
        "minutes": f"count_over_time({firing}) * {step}",
    }
    # An expectation that never holds: promtool prints what there was.
    asked = [
        {"expr": expr, "eval_time": f"{minutes - 1}m", "exp_samples": [{"labels": "", "value": 0}]}
        for expr in questions.values()
    ]
    document = {
        "rule_files": [str(path) for path in RULE_FILES],
        "evaluation_interval": f"{step}m",
        "group_eval_order": list(dict.fromkeys(rule.group for rule in rules())),
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": asked}],
    }
    path = directory / "recorded.yaml"
    path.write_text(
        yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, width=1e9)
    )
    argv = [need("promtool"), "test", "rules", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=240)
    answers = [
        dict(_answers(block)) for block in re.findall(r"^ +got: ?(.*)$", done.stdout + done.stderr, re.MULTILINE)
    ]
    assert len(answers) == len(questions), done.stdout[:2000] + done.stderr[:2000]
    first, last, count = answers
    return {
        labels: Spell(int(first[labels]) - _BEFORE, int(last[labels]) - _BEFORE, int(count[labels])) for labels in first
    }


_ANSWER = re.compile(r'\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\} ([-+.E\d]+)')
_LABEL = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')


def _answers(block: str) -> Iterator[tuple[Labels, float]]:
    for inside, value in _ANSWER.findall(block):
        yield tuple((name, json.loads(text)) for name, text in _LABEL.findall(inside)), float(value)


def _input(instance: str, pages: Sequence[Page | None], start: float) -> Iterator[dict[str, str]]:
    """promtool's `input_series`. Its time begins at 0, so moments are moved there."""
    target = f'job="{JOB}",instance="{instance}"'
    yield {"series": f"up{{{target}}}", "values": _runs(["0" if page is None else "1" for page in pages])}
    for key in dict.fromkeys(key for page in pages for key in page or ()):
        if not _UNREAD.search(key):
            name, brace, labels = key.partition("{")
            moved = start if name.endswith("_timestamp_seconds") else 0.0
            told = [None if page is None or key not in page else page[key] for page in pages]
            # Nothing yet is at 0, and stays there.
            words = [None if value is None else f"{value - moved if value else 0.0:.10g}" for value in told]
            yield {"series": f"{name}{{{target}{',' + labels if brace else '}'}", "values": _runs(words)}


def _runs(words: Sequence[str | None]) -> str:
    """Equal neighbours as one. A series that is gone from a page is stale, as Prometheus marks it."""
    runs: list[str] = []
    there = False
    for word, group in groupby(words):
        count = len(list(group))
        if word is None and there:
            runs.append("stale")
            count -= 1
        if count:
            runs.append(("_" if word is None else word) + (f"x{count - (word is not None)}" if count > 1 else ""))
        there = word is not None
    return " ".join(runs)
