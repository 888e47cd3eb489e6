"""What is in a query: Grafana's variables replaced, its selectors, its metrics, and what stands over each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser

ALL = ".+"
VALUES: Mapping[str, str] = {
    "job": ALL,
    "instance_alias": ALL,
    "queue": ALL,
    "channel": ALL,
    "routing_profile": ALL,
    "__rate_interval": "5m",
    "__interval": "1m",
    "__range": "6h",
}
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def substituted(query: str, values: Mapping[str, str] = VALUES) -> str:
    """KeyError where a query uses a variable that no dashboard has."""
    return _VARIABLE.sub(lambda match: values[match[1] or match[2]], query)


def walk(expression: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every node with those it stands in, outermost first."""
    yield expression, above
    for child in _children(expression):
        yield from walk(child, (*above, expression))


def _children(node: Any) -> list[Any]:
    if isinstance(node, promql_parser.BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, promql_parser.Call):
        return list(node.args)
    if isinstance(node, promql_parser.AggregateExpr):
        return [node.expr, *([node.param] if node.param is not None else [])]
    if isinstance(node, promql_parser.MatrixSelector):
        return [node.vector_selector]
    if isinstance(node, promql_parser.ParenExpr | promql_parser.UnaryExpr | promql_parser.SubqueryExpr):
        return [node.expr]
    return []


def selectors(expression: Any) -> list[Any]:
    return [node for node, _ in walk(expression) if isinstance(node, promql_parser.VectorSelector)]


def names(expression: Any) -> frozenset[str]:
    """Metrics in it; every selector has a name."""
    return frozenset(selector.name for selector in selectors(expression))


def matchers(selector: Any) -> dict[str, str]:
    """Label -> `=~value` and the like."""
    return {one.name: f"{_OPERATORS[str(one.op)]}{one.value}" for one in selector.matchers.matchers}


_OPERATORS = {
    "MatchOp.Equal": "=",
    "MatchOp.NotEqual": "!=",
    "MatchOp.Re": "=~",
    "MatchOp.NotRe": "!~",
}
