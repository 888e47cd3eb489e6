"""What is in grafana/ about alerts, read once and typed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from exporter.durations import parse_duration
from tests.tools import REPOSITORY

GRAFANA = REPOSITORY / "grafana"
RULES = GRAFANA / "rules"
RULE_FILES = (RULES / "recording.yaml", RULES / "alerts.yaml")
TEST_FILES = tuple(sorted((RULES / "tests").glob("*.yaml")))
ALERTMANAGER = GRAFANA / "alertmanager.yaml"
RUNBOOK = GRAFANA / "runbook.md"


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording or an alerting rule."""

    name: str
    expr: str
    group: str
    interval: float
    """Seconds between evaluations."""
    wait: float
    """Seconds of `for`."""
    keep: float
    """Seconds of `keep_firing_for`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def ast(self) -> promql_parser.Expr:
        return promql_parser.parse(self.expr)


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


@cache
def rules() -> tuple[Rule, ...]:
    return tuple(
        Rule(
            name=rule.get("alert") or rule["record"],
            expr=rule["expr"],
            group=group["name"],
            interval=parse_duration(group["interval"]),
            wait=parse_duration(rule["for"]) if "for" in rule else 0.0,
            keep=parse_duration(rule["keep_firing_for"]) if "keep_firing_for" in rule else 0.0,
            labels=rule.get("labels", {}),
            annotations=rule.get("annotations", {}),
        )
        for path in RULE_FILES
        for group in read(path)["groups"]
        for rule in group["rules"]
    )


def alerts() -> tuple[Rule, ...]:
    return tuple(rule for rule in rules() if rule.annotations)


def recordings() -> tuple[Rule, ...]:
    return tuple(rule for rule in rules() if not rule.annotations)


def parts(expression: promql_parser.Expr) -> list[promql_parser.Expr]:
    """An expression and everything in it."""
    found: list[promql_parser.Expr] = []
    promql_parser.walk(expression, found.append)
    return found


def metrics(expression: promql_parser.Expr) -> set[str]:
    """Names of the series that it selects."""
    return {part.name for part in parts(expression) if isinstance(part, promql_parser.VectorSelector) and part.name}


def bare(expression: promql_parser.Expr) -> promql_parser.Expr:
    """Without the parentheses around it."""
    while isinstance(expression, promql_parser.ParenExpr):
        expression = expression.expr
    return expression


def mentioned(text: str) -> Iterator[str]:
    """Names of metrics in prose, recorded ones too."""
    return (match.group() for match in re.finditer(r"\bamazon_connect_[a-z0-9_:]*[a-z0-9]", text))
