"""The queries as text: they parse, every metric exists, and none adds up what must not be added up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import promql_parser
import pytest
import yaml

from exporter.catalogue import by_name
from exporter.catalogue.spec import Kind
from tests.dashboards.lived import rules
from tests.dashboards.promql import matchers, names, selectors, substituted, walk
from tests.dashboards.test_build import DASHBOARDS, VARIABLES, panels
from tests.tools import REPOSITORY

RECORDED = rules()
OF_PROMETHEUS = re.compile(r"up|ALERTS|process_\w+|scrape_\w+")
SUMMING = {"sum", "avg", "count", "stddev", "quantile"}
# Agents and slots show in every queue and channel they serve, waits do not add up, and a queue that several profiles
# serve shows its contacts in each. (AGENTS_AFTER_CONTACT_WORK counts contacts, whatever its name.)
NOT_ADDITIVE = re.compile(
    r"amazon_connect_(queue|channel|agent_status|queue_all_channels)[_:]((agents|slots)_(?!after_contact_work)\w*)(:\w+)?"
    r"|amazon_connect_routing_profile[_:]contacts_\w+(:\w+)?"
    r"|amazon_connect_\w+[_:](oldest_contact_age|estimated_wait_time)_seconds(:\w+)?"
)
WINDOWS = {
    "$__rate_interval": "",
    "$__range": "",
    "$__range:30m": "",
    "30m": r"half hour|30 minutes",
    "1h": r"\bhour\b",
    "1d": r"24 hours|day",
}

QUERIES: list[tuple[str, Mapping[str, Any], str]] = [
    (f"{uid.removeprefix('amazon-connect-')}: {panel['title']} {target['refId']}", panel, target["expr"])
    for uid, dashboard in DASHBOARDS.items()
    for panel in panels(dashboard)
    for target in panel["targets"]
]
every_query = pytest.mark.parametrize(
    ("panel", "expr"), [pytest.param(panel, expr, id=name) for name, panel, expr in QUERIES]
)


def parsed(expr: str) -> Any:
    return promql_parser.parse(substituted(expr))


def family(name: str) -> str:
    """What the catalogue calls it."""
    bare = re.sub(r"_(bucket|sum|count)$", "", name)
    return bare if bare in by_name and by_name[bare].kind is Kind.HISTOGRAM else name


def operator(aggregate: Any) -> str:
    return str(aggregate.op)


def added_up(expression: Any) -> list[str]:
    """Metrics that a sum is taken of though they must not be added up."""
    return [
        str(node.name)
        for node, above in walk(expression)
        if isinstance(node, promql_parser.VectorSelector)
        and NOT_ADDITIVE.fullmatch(str(node.name))
        and any(isinstance(one, promql_parser.AggregateExpr) and operator(one) in SUMMING for one in above)
    ]


@every_query
class TestQuery:
    def test_it_parses_and_every_metric_exists(self, panel: Mapping[str, Any], expr: str) -> None:
        for name in names(parsed(expr)):
            assert family(name) in by_name or name in RECORDED or OF_PROMETHEUS.fullmatch(name), name

    def test_every_selector_is_of_the_jobs_that_are_chosen(self, panel: Mapping[str, Any], expr: str) -> None:
        for selector in selectors(promql_parser.parse(substituted(expr, _NAMED))):
            found = matchers(selector)
            # An alert of absent() has no job.
            wanted = "=~§job|" if selector.name == "ALERTS" else "=~§job"
            assert found["job"] == wanted, selector
            for label in set(found) & set(VARIABLES) - {"channel", "job"}:
                assert found[label].rstrip("|") == f"=~§{label}", selector

    def test_a_metric_with_a_label_that_can_be_chosen_follows_the_choice(
        self, panel: Mapping[str, Any], expr: str
    ) -> None:
        for selector in selectors(parsed(expr)):
            if spec := by_name.get(family(selector.name)):
                assert set(spec.labels) & set(VARIABLES) <= set(matchers(selector)), selector
            elif match := re.match(r"amazon_connect_(queue|channel|routing_profile|instance):", selector.name):
                wanted = {"queue": {"queue", "channel"}, "instance": set()}.get(match[1], {match[1]})
                assert wanted | {"instance_alias"} <= set(matchers(selector)), selector

    def test_labels_are_those_that_the_metric_has(self, panel: Mapping[str, Any], expr: str) -> None:
        for selector in selectors(parsed(expr)):
            if spec := by_name.get(family(selector.name)):
                assert set(matchers(selector)) <= {*spec.labels, "job", "instance"}, selector

    def test_agents_and_slots_are_not_added_up_over_queues_or_channels(
        self, panel: Mapping[str, Any], expr: str
    ) -> None:
        assert added_up(parsed(expr)) == []

    def test_of_two_replicas_one_counts(self, panel: Mapping[str, Any], expr: str) -> None:
        for node, above in walk(parsed(expr)):
            if not isinstance(node, promql_parser.VectorSelector) or node.name in RECORDED or node.name == "ALERTS":
                continue
            inner = next(one for one in reversed(above) if isinstance(one, promql_parser.AggregateExpr))
            name = node.name or ""
            spec = by_name.get(family(name))
            if spec is not None and name.startswith("amazon_connect_exporter_") and spec.kind is not Kind.GAUGE:
                # What several processes did adds up: requests, failures.
                assert operator(inner) in {"sum", "max"}, node
            else:
                assert operator(inner) in {"max", "min"}, node

    def test_counters_are_read_by_how_they_rise(self, panel: Mapping[str, Any], expr: str) -> None:
        for node, above in walk(parsed(expr)):
            if isinstance(node, promql_parser.VectorSelector) and str(node.name).endswith(("_total", "_bucket")):
                assert any(isinstance(one, promql_parser.Call) and one.func.name in _RISES for one in above), node

    def test_windows_are_grafanas_or_told_in_words(self, panel: Mapping[str, Any], expr: str) -> None:
        words = f"{panel['title']} {panel['description']}"
        for window in re.findall(r"\[([^\]]+)\]", expr):
            assert re.search(WINDOWS[window], words), f"{window}: {words}"
        for rate in re.findall(r"\b(?:rate|irate)\((?:[^()]|\([^()]*\))*\[([^\]]+)\]", expr):
            assert rate == "$__rate_interval"

    def test_missing_data_stays_missing(self, panel: Mapping[str, Any], expr: str) -> None:
        if panel["title"] != "Firing alerts":
            assert "vector(" not in expr

    def test_what_is_divided_by_can_not_be_zero(self, panel: Mapping[str, Any], expr: str) -> None:
        for node, _ in walk(parsed(expr)):
            if isinstance(node, promql_parser.BinaryExpr) and str(node.op) == "/":
                assert re.search(r"(> 0|>= [1-9]\d*)\)*$", str(node.rhs)), str(node.rhs)


_NAMED = {name: f"§{name}" for name in VARIABLES} | {"__range": "6h", "__rate_interval": "5m", "__interval": "1m"}
_RISES = {"rate", "increase"}


class TestNotAdditive:
    @pytest.mark.parametrize(
        "expr",
        [
            "sum(amazon_connect_queue_agents_online)",
            "sum by (queue) (max by (queue, channel) (amazon_connect_queue:slots_available:max))",
            "avg(amazon_connect_queue:oldest_contact_age_seconds:max)",
            "sum(amazon_connect_routing_profile_contacts_in_queue)",
        ],
    )
    def test_it_is_recognized(self, expr: str) -> None:
        assert added_up(promql_parser.parse(expr))

    @pytest.mark.parametrize(
        "expr",
        [
            "sum(amazon_connect_routing_profile_agents_online)",
            "sum(amazon_connect_queue_contacts_in_queue)",
            "sum(amazon_connect_queue_agents_after_contact_work)",
            "max by (channel) (amazon_connect_queue:slots_available:max)",
        ],
    )
    def test_what_adds_up_is_let_be(self, expr: str) -> None:
        assert not added_up(promql_parser.parse(expr))

    @pytest.mark.parametrize("name", RECORDED)
    def test_no_rule_adds_up_what_must_not_be_added_up(self, name: str) -> None:
        assert added_up(promql_parser.parse(RECORDED[name])) == []


def test_the_columns_of_a_table_have_the_same_labels() -> None:
    """Or Grafana would not make one row of them: each is an aggregation by the same labels, so it has no name."""
    for uid, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            if panel["type"] == "table" and len(panel["targets"]) > 1:
                found = set()
                for target in panel["targets"]:
                    expression = parsed(target["expr"])
                    inner = [node for node, _ in walk(expression) if isinstance(node, promql_parser.AggregateExpr)]
                    first = next(node for node in inner if operator(node) != "topk")
                    found.add(tuple(sorted(_kept(first))))
                assert len(found) == 1, (uid, panel["title"], found)


def _kept(aggregate: Any) -> list[str]:
    return list(aggregate.modifier.labels) if aggregate.modifier else []


def _measured(expr: str) -> frozenset[str]:
    """The metrics behind an expression, recorded ones resolved."""
    found: set[str] = set()
    for name in names(promql_parser.parse(expr)):
        found |= _measured(RECORDED[name]) if name in RECORDED else {name}
    return frozenset(found)


def _alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((REPOSITORY / "grafana" / "rules" / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("alert", _alerts(), ids=lambda alert: alert["alert"])
def test_the_dashboard_that_an_alert_leads_to_shows_what_it_is_about(alert: dict[str, Any]) -> None:
    uid = re.search(r"/d/([\w-]+)", alert["annotations"]["dashboard_url"])
    assert uid
    shown = frozenset[str]().union(
        *(_measured(substituted(target["expr"])) for panel in panels(DASHBOARDS[uid[1]]) for target in panel["targets"])
    )
    about = _measured(alert["expr"])
    first = next(iter(selectors(promql_parser.parse(alert["expr"])))).name
    assert _measured(RECORDED.get(first, first)) & shown, f"{first} is nowhere on {uid[1]}"
    # What the alert rests on besides may stand on another dashboard.
    assert len(about & shown) * 2 >= len(about), about - shown
