"""What every rule has to keep, read off the files: each of these was once a trap somebody fell into."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser
import pytest
from promql_parser import AggModifierType, AggregateExpr, BinaryExpr, Call, Expr, NumberLiteral

from exporter import objectives
from exporter.catalogue import by_name
from exporter.durations import parse_duration
from tests.rules.files import Rule, alerts, bare, metrics, parts, recordings, rules

# Channel -> (threshold in seconds, target): what the exporter takes where `slo:` says nothing.
DEFAULTS = {channel: (one.threshold, one.target) for one in objectives.DEFAULTS for channel in one.channels}
OLDEST_AT_AWS = 7 * 86400.0
"""Seconds that a contact may wait before AWS ends it."""

SCRAPE, POLL = 30.0, {"current": 15.0, "historical": 60.0, "counters": 60.0}
"""Seconds: a usual scrape interval, and the collectors' default ones."""

each_alert = pytest.mark.parametrize("alert", alerts(), ids=lambda rule: rule.name)
each_rule = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
each_recording = pytest.mark.parametrize("rule", recordings(), ids=lambda rule: rule.name)


def named(name: str) -> Rule:
    return next(rule for rule in rules() if rule.name == name)


def aggregations(rule: Rule) -> Iterator[AggregateExpr]:
    return (part for part in parts(rule.ast) if isinstance(part, AggregateExpr))


def comparisons(expression: Expr) -> Iterator[tuple[str, Expr, Expr]]:
    for part in parts(expression):
        if isinstance(part, BinaryExpr) and str(part.op) in {">", "<", ">=", "<=", "==", "!="}:
            yield str(part.op), bare(part.lhs), bare(part.rhs)


# reachable


def burn_factors(target: float) -> dict[str, float]:
    """Alert name -> the burn from which it fires."""
    found = {}
    for alert in alerts():
        for _, left, right in comparisons(alert.ast):
            if any("service_level_burn" in name for name in metrics(left)):
                found[alert.name] = _factor(right, target)
    return found


def _factor(limit: Expr, target: float) -> float:
    """A number, or the smaller of a share of the greatest burn and a number."""
    if isinstance(limit, NumberLiteral):
        return limit.val
    shape = r"clamp_max\(([\d.]+) / \(1 - amazon_connect_queue:service_level_target_ratio:max > 0\), ([\d.]+)\)"
    found = re.fullmatch(shape, limit.prettify())
    assert found, limit.prettify()
    return min(float(found[1]) / (1 - target), float(found[2]))


def test_every_burn_alert_has_a_factor() -> None:
    assert burn_factors(0.8) == {
        "AmazonConnectServiceLevelBurnFast": 3.0,
        "AmazonConnectServiceLevelBurnSlow": 1.5,
        "AmazonConnectServiceLevelBelowTarget": 1.0,
    }


@pytest.mark.parametrize("target", sorted({0.05, 0.3, 0.5, 2 / 3, 0.99, *(target for _, target in DEFAULTS.values())}))
def test_every_burn_factor_can_be_reached_with_every_target(target: float) -> None:
    """The greatest burn is that of a level of 0: 1 / (1 − target)."""
    for name, factor in burn_factors(target).items():
        assert factor * (1 - target) < 1, name


def test_a_target_of_half_the_contacts_lowers_the_factor_of_the_fast_burn_alone() -> None:
    assert burn_factors(0.5) == burn_factors(0.8) | {"AmazonConnectServiceLevelBurnFast": 1.8}


def test_the_factors_of_the_sre_workbook_would_be_refused() -> None:
    """What the test above is worth: the factors of a month's budget never fire for 80/20."""
    assert not [factor for factor in (14.4, 6.0) if factor * (1 - DEFAULTS["VOICE"][1]) < 1]


def test_where_no_threshold_is_known_waits_are_judged_by_the_exporters_defaults() -> None:
    expr = named("amazon_connect_queue:service_level_threshold_seconds:max").expr
    told = re.findall(r'or (\d+) \+ 0 \* \S+\{channel="(\w+)"\}', expr)
    assert {channel: float(seconds) for seconds, channel in told} == {
        channel: threshold for channel, (threshold, _) in DEFAULTS.items()
    }


@pytest.mark.parametrize("channel", DEFAULTS)
def test_no_limit_on_a_wait_lies_beyond_the_age_at_which_aws_ends_a_contact(channel: str) -> None:
    limits = []
    for name in ("AmazonConnectQueueOldestContactHigh", "AmazonConnectQueueOldestContactCritical"):
        found = re.search(r"clamp_max\((\d+) \* \S+, (\d+) \* 86400\)", named(name).expr)
        assert found, name
        limits.append(min(int(found[1]) * DEFAULTS[channel][0], int(found[2]) * 86400))
    assert DEFAULTS[channel][0] < limits[0] < limits[1] < OLDEST_AT_AWS


# shares


@each_rule
def test_nothing_is_divided_by_what_may_be_zero(rule: Rule) -> None:
    """0/0 is NaN, which is neither above nor below any limit: the alert is silent and the panel is blank."""
    for part in parts(rule.ast):
        if isinstance(part, BinaryExpr) and str(part.op) == "/":
            divisor = bare(part.rhs)
            assert isinstance(divisor, BinaryExpr), rule.expr
            assert (str(divisor.op), divisor.rhs.prettify()) == (">", "0"), rule.expr


# A share in an alert -> what guards it, and from how many on. Several: what there is of them, in this order.
GUARDS: dict[str, tuple[str | tuple[str, ...], int]] = {
    "amazon_connect_queue:service_level_burn:30m": ("amazon_connect_queue:recent_contacts_queued:30m", 20),
    "amazon_connect_queue:service_level_burn:2h": (
        ("amazon_connect_queue:contacts_queued:increase2h", "amazon_connect_queue:recent_contacts_queued:30m"),
        50,
    ),
    "amazon_connect_queue:service_level_burn:today": (
        ("amazon_connect_queue:recent_contacts_queued:today", "amazon_connect_queue:contacts_queued:sum1d"),
        200,
    ),
    "amazon_connect_queue:abandoned_per_queued:ratio30m": ("amazon_connect_queue:contacts_queued:increase30m", 20),
    "amazon_connect_queue:abandoned_per_queued:ratio1d": ("amazon_connect_queue:contacts_queued:sum1d", 200),
    "amazon_connect_queue:missed_per_offered:ratio30m": ("amazon_connect_queue:contacts_offered:increase30m", 20),
    "amazon_connect_queue_recent_occupancy_ratio": ("amazon_connect_queue:agents_online:max", 5),
    "amazon_connect_queue:slots_used_per_slots:ratio": ("amazon_connect_queue:contacts_in_queue:max", 0),
    "amazon_connect_routing_profile:agents_error_per_online:ratio": (
        "amazon_connect_routing_profile:agents_error:max",
        3,
    ),
    "amazon_connect_routing_profile:agents_non_productive_per_online:ratio": (
        "amazon_connect_routing_profile:agents_online:max",
        5,
    ),
    "amazon_connect_exporter:throttled_per_requests:ratio15m": ("amazon_connect_exporter:api_requests:increase15m", 20),
}


@each_alert
def test_every_share_stands_beside_a_volume(alert: Rule) -> None:
    """At night one abandoned call of one is 100 percent."""
    used = metrics(alert.ast) - {"amazon_connect_queue:service_level_target_ratio:max"}
    for share in {name for name in used if re.search(r"ratio|burn", name)}:
        volumes, least = GUARDS[share]
        wanted = {volumes} if isinstance(volumes, str) else set(volumes)
        guards = [
            right.val
            for op, left, right in comparisons(alert.ast)
            if op in {">", ">=", "<"} and isinstance(right, NumberLiteral) and metrics(left) == wanted
        ]
        assert guards == [least]


# real-time gauges page


def test_what_customers_feel_now_is_judged_by_gauges_alone() -> None:
    for alert in alerts():
        if alert.labels["severity"] == "critical" and alert.labels.get("collector") == "current":
            assert not [name for name in metrics(alert.ast) if re.search(r"increase|rate|_total|recent", name)], (
                alert.name
            )


def test_no_alert_takes_a_standing_counter_of_handled_contacts_for_an_idle_team() -> None:
    for alert in alerts():
        for op, left, right in comparisons(alert.ast):
            nothing = isinstance(right, NumberLiteral) and right.val == 0 and op in {"==", "<="}
            assert not (nothing and any("handled" in name for name in metrics(left))), alert.name


# labels


def test_an_alert_name_stands_once_and_so_has_one_severity() -> None:
    names = [alert.name for alert in alerts()]
    assert len(names) == len(set(names))


def test_a_recorded_name_stands_once() -> None:
    names = [rule.name for rule in recordings()]
    assert len(names) == len(set(names))


@each_alert
def test_labels_are_static(alert: Rule) -> None:
    """A value in a label makes a new alert at each evaluation, and none is ever pending for long enough."""
    assert not [value for value in alert.labels.values() if "{{" in value or "$" in value]
    assert alert.labels["severity"] in {"critical", "warning", "info"}
    assert alert.labels["area"] in {"operations", "exporter"}
    assert set(alert.labels) <= {"severity", "area", "collector"}


@each_alert
def test_an_operations_alert_says_on_which_collector_it_rests(alert: Rule) -> None:
    assert (alert.labels["area"] == "operations") == (alert.labels.get("collector") in POLL)


@each_rule
def test_every_aggregation_keeps_the_job(rule: Rule) -> None:
    for part in aggregations(rule):
        assert part.modifier is not None, rule.expr
        assert part.modifier.type == AggModifierType.By, "without() keeps labels that nobody thought of"
        assert "job" in part.modifier.labels, rule.expr


@each_rule
def test_series_are_freed_of_doubles_before_anything_else(rule: Rule) -> None:
    """Two replicas during a roll-out: whatever comes from the exporter goes through max by its own labels first."""
    for part in aggregations(rule):
        raw = {name for name in metrics(part.expr) if name.startswith("amazon_connect_") and ":" not in name}
        if str(part.op) == "sum":
            assert raw <= {"amazon_connect_exporter_api_requests_total"}, "both replicas' requests did happen"
    if rule.name.startswith("amazon_connect_queue:"):
        direct = {name for name in metrics(rule.ast) if ":" not in name}
        inside = {name for part in aggregations(rule) for name in metrics(part.expr)}
        assert direct <= inside


@each_rule
def test_agents_and_slots_are_never_summed(rule: Rule) -> None:
    for part in aggregations(rule):
        if str(part.op) in {"sum", "avg"}:
            assert not [name for name in metrics(part.expr) if re.search(r"agents|slots", name)]


@each_rule
def test_agent_states_are_never_added_as_they_overlap(rule: Rule) -> None:
    for part in parts(rule.ast):
        if isinstance(part, BinaryExpr) and str(part.op) in {"+", "-"}:
            assert not [name for name in metrics(part.lhs) | metrics(part.rhs) if "agents" in name]


@each_alert
def test_what_knows_no_labels_promises_none(alert: Rule) -> None:
    """absent() carries its matchers' labels and no others: texts must ask whether there are any."""
    if any(isinstance(part, Call) and part.func.name == "absent" for part in parts(alert.ast)):
        for text in (alert.annotations["summary"], alert.annotations["description"]):
            assert set(re.findall(r"\{\{.*?\$labels\.(\w+)", text)) <= set(re.findall(r"with \$labels\.(\w+)", text))


# names


@each_rule
def test_every_metric_exists(rule: Rule) -> None:
    assert metrics(rule.ast) <= {*by_name, *(one.name for one in recordings()), "up"}


@each_rule
def test_every_matched_and_grouped_label_is_one_of_the_metric(rule: Rule) -> None:
    for part in parts(rule.ast):
        if isinstance(part, promql_parser.VectorSelector) and part.name and part.name in by_name:
            asked = {matcher.name for matcher in part.matchers.matchers}
            assert asked <= {*by_name[part.name].labels, "job", "instance"}, rule.expr


@each_recording
def test_a_recorded_name_is_level_metric_operation(rule: Rule) -> None:
    level = "amazon_connect_(queue|routing_profile|channel|instance|exporter)"
    assert re.fullmatch(level + r":[a-z_]+:(max|sum|ratio|[a-z]*\d+[mhd]|today)", rule.name)


def test_everything_recorded_says_what_job_it_is_of() -> None:
    """Of each name only one rule; what is made of recorded series alone inherits their labels."""
    for rule in recordings():
        assert any(True for _ in aggregations(rule)) or all(":" in name for name in metrics(rule.ast)), rule.name


# times

# Alert without the prefix of all, `for`, severity, area, keep_firing_for: what was agreed with those who are woken.
AGREED = """
    QueueUnstaffed             2m  critical  operations  5m
    QueueOldestContactHigh     2m  warning   operations  5m
    QueueOldestContactCritical 2m  critical  operations  5m
    RoutingStalled             5m  critical  operations  5m
    QueueGrowingNoneHandled   10m  critical  operations  5m
    SlotsExhausted            10m  warning   operations  5m
    CallbackBacklog           30m  warning   operations  -
    AgentsInError             10m  warning   operations  5m
    AgentsInErrorWidespread    3m  critical  operations  5m
    NonProductiveHigh         15m  warning   operations  5m
    AgentNonResponseHigh      15m  warning   operations  -
    OccupancyHigh              1h  info      operations  -
    ServiceLevelBurnFast       2m  critical  operations  -
    ServiceLevelBurnSlow      10m  warning   operations  -
    ServiceLevelBelowTarget   15m  info      operations  -
    AbandonmentHigh            5m  warning   operations  -
    AbandonmentSpike           5m  critical  operations  -
    ChannelSilent             10m  critical  operations  -
    ExporterDown               5m  critical  exporter    -
    ExporterTargetDown         5m  critical  exporter    -
    DataStale                  1m  critical  exporter    -
    CollectorFailing          10m  warning   exporter    -
    CredentialErrors          10m  critical  exporter    -
    DiscoveryFailing          15m  warning   exporter    -
    ApiThrottled              15m  warning   exporter    -
    ConfigReloadFailed        10m  warning   exporter    -
    SeriesDropped             15m  warning   exporter    -
    MetricRejected            15m  warning   exporter    -
    FilterRejected            15m  warning   exporter    -
"""


def test_nobody_is_woken_sooner_later_or_for_longer_than_agreed() -> None:
    found = {
        alert.name.removeprefix("AmazonConnect"): (
            alert.wait,
            alert.labels["severity"],
            alert.labels["area"],
            alert.keep,
        )
        for alert in alerts()
    }
    lines = [line.split() for line in AGREED.splitlines() if line]
    assert found == {
        name: (parse_duration(wait), severity, area, 0.0 if keep == "-" else parse_duration(keep))
        for name, wait, severity, area, keep in lines
    }


@each_rule
def test_groups_are_evaluated_every_minute_at_least(rule: Rule) -> None:
    assert 0 < rule.interval <= 60


@each_alert
def test_an_alert_waits_for_two_scrapes_and_two_polls(alert: Rule) -> None:
    poll = POLL.get(alert.labels.get("collector", ""), 0.0)
    assert alert.wait >= max(60.0, 2 * SCRAPE, 2 * poll)


# texts


@each_alert
def test_an_alert_has_its_four_annotations(alert: Rule) -> None:
    assert set(alert.annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert alert.annotations["runbook_url"].endswith("/amazon-connect#" + alert.name.lower())


@each_alert
def test_a_summary_names_what_it_is_about_and_no_value(alert: Rule) -> None:
    """The summary is a subject line: it must not change while the alert fires."""
    assert "$value" not in alert.annotations["summary"]
    assert "$labels" in alert.annotations["summary"]


@each_alert
def test_a_value_is_written_for_people(alert: Rule) -> None:
    for use in re.findall(r"\{\{[^}]*\$value[^}]*\}\}", alert.annotations["description"]):
        assert re.fullmatch(r"\{\{ \$value \| humanize(Duration|Percentage)? \}\}", use)
    if "humanizePercentage" in alert.annotations["description"]:
        assert any(name.endswith("ratio") or ":ratio" in name for name in metrics(alert.ast))
    if "humanizeDuration" in alert.annotations["description"]:
        assert any("seconds" in name for name in metrics(alert.ast))


BOARDS = {
    "wallboard": set(),
    "operations": {"job", "instance_alias", "channel"},
    "queue": {"job", "instance_alias", "queue", "channel"},
    "agents": {"job", "instance_alias", "routing_profile"},
    "service-level": {"job", "instance_alias", "queue", "channel"},
    "digital": {"job", "instance_alias", "queue", "channel"},
    "exporter": {"job", "instance_alias"},
}
"""Dashboard -> the variables that an alert may fill in."""


@each_alert
def test_the_dashboard_opens_on_what_the_alert_is_about(alert: Rule) -> None:
    found = re.fullmatch(
        r"https://grafana\.example\.com/d/amazon-connect-([a-z-]+)\?(.+)", alert.annotations["dashboard_url"]
    )
    assert found
    filled = {}
    for one in found[2].split("&"):
        pair = re.fullmatch(r"var-(\w+)=\{\{ \$labels\.(\w+) \| urlquery \}\}", one)
        assert pair, one
        filled[pair[1]] = pair[2]
    assert all(variable == label for variable, label in filled.items())
    assert set(filled) <= BOARDS[found[1]]
    for label in ("queue", "channel", "routing_profile"):
        assert (f"$labels.{label} " in alert.annotations["summary"]) == (label in filled)
