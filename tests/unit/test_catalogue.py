"""The catalogue against the API it describes, read from botocore's service model, and against the contract's rule."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

import botocore.session
import pytest
from botocore.model import ServiceModel, StringShape
from prometheus_client.metrics_core import METRIC_TYPES

from exporter.catalogue import ALL, COUNTERS, CURRENT, HISTORICAL, INFORMATION, OWN, by_name
from exporter.catalogue.spec import Kind, Level, Spec, Unit

LEVELS = {
    "queue": ("instance_alias", "queue", "channel"),
    "routing_profile": ("instance_alias", "routing_profile"),
    "instance": ("instance_alias",),
    "agent_status": ("instance_alias", "queue", "agent_status"),
    "queue_all_channels": ("instance_alias", "queue"),
}
"""The contract's table, typed a second time."""
SUFFIXES = {"COUNT": "", "SECONDS": "_seconds", "PERCENT": "_ratio"}
HEADS = {
    "AGENTS_ONLINE",
    "AGENTS_AVAILABLE",
    "AGENTS_ON_CALL",
    "AGENTS_ON_CONTACT",
    "AGENTS_NON_PRODUCTIVE",
    "AGENTS_ERROR",
    "AGENTS_STAFFED",
}
"""Metrics that count agents; AGENTS_AFTER_CONTACT_WORK counts contacts."""
SLOTS = {"SLOTS_ACTIVE", "SLOTS_AVAILABLE"}
KNOWN_LABELS = {
    *("instance_alias", "instance_id", "instance_arn", "account_id", "region"),
    *("queue", "queue_id", "channel", "routing_profile", "routing_profile_id", "agent_status", "level"),
    *("window", "threshold_seconds"),
    *("version", "revision", "python_version", "boto3_version"),
    *("collector", "reason", "operation", "code", "metric", "kind", "name", "discovery"),
}
"""Every label that may appear: each is bounded by what the customer configured or by a closed set."""


@cache
def connect() -> ServiceModel:
    return botocore.session.get_session().get_service_model("connect")


def enumeration(shape: str) -> set[str]:
    found = connect().shape_for(shape)
    assert isinstance(found, StringShape)
    return set(found.enum)


@cache
def documented(operation: str, parameter: str) -> dict[str, dict[str, str]]:
    """Metric to its `Unit` and `Statistic`, as the API's documentation of the request parameter lists them."""
    shape = connect().operation_model(operation).input_shape
    assert shape is not None
    text = str(shape.members[parameter].documentation)
    found = {}
    for name, facts in re.findall(r"<dt>(\w+)</dt>\s*<dd>(.*?)</dd>", text, re.DOTALL):
        # The list calls HOLD_TIME by its name in another API; the enumeration, which the service checks, does not.
        found["HOLD_TIME" if name == "AVG_HOLD_TIME" else name] = dict(re.findall(r"(Unit|Statistic): (\w+)", facts))
    return found


def current_units() -> dict[str, str]:
    facts = documented("GetCurrentMetricData", "CurrentMetrics")
    return {name: facts[name]["Unit"] for name in enumeration("CurrentMetricName")}


def historical_facts() -> dict[str, dict[str, str]]:
    facts = documented("GetMetricData", "HistoricalMetrics")
    return {name: facts[name] for name in enumeration("HistoricalMetricName")}


def names(specs: Sequence[Spec]) -> set[str]:
    return {spec.name for spec in specs}


def ids(spec: Spec) -> str:
    return spec.name


def test_the_documentation_describes_every_metric_of_the_enumerations() -> None:
    assert set(documented("GetCurrentMetricData", "CurrentMetrics")) == enumeration("CurrentMetricName")
    assert set(documented("GetMetricData", "HistoricalMetrics")) == enumeration("HistoricalMetricName")
    assert (len(current_units()), len(historical_facts())) == (14, 25)


def test_current_holds_every_metric_the_api_can_serve_at_each_level_and_no_other() -> None:
    expected = set()
    for metric, unit in current_units().items():
        levels = {"queue"} if metric == "ESTIMATED_WAIT_TIME" else set(LEVELS) - {"agent_status"}
        if metric == "AGENTS_ONLINE":
            levels.add("agent_status")
        expected |= {f"amazon_connect_{level}_{metric.lower()}{SUFFIXES[unit]}" for level in levels}
    assert names(CURRENT) == expected


def test_historical_holds_every_metric_of_the_api_for_queues_and_for_the_instance() -> None:
    assert names(HISTORICAL) == {
        f"amazon_connect_{level}_recent_{metric.lower()}{SUFFIXES[facts['Unit']]}"
        for metric, facts in historical_facts().items()
        for level in ("queue", "instance")
    }


def test_counters_hold_every_sum_of_the_historical_api() -> None:
    assert names(COUNTERS) == {
        f"amazon_connect_queue_{metric.lower()}_total"
        for metric, facts in historical_facts().items()
        if facts["Statistic"] == "SUM"
    }


@pytest.mark.parametrize("spec", [*CURRENT, *HISTORICAL, *COUNTERS], ids=ids)
def test_a_name_follows_from_level_metric_and_unit_and_the_labels_from_the_level(spec: Spec) -> None:
    assert spec.level is not None
    between = {"GetCurrentMetricData": "", "GetMetricData": "recent_"}[spec.operation]
    after = spec.unit.suffix
    if spec.kind is Kind.COUNTER:
        between, after = "", "_total"
    assert spec.name == f"amazon_connect_{spec.level}_{between}{spec.api.lower()}{after}"
    extra: tuple[str, ...] = ("window",) if between else ()
    if spec.api == "SERVICE_LEVEL":
        extra = ("window", "threshold_seconds")
    assert spec.labels == LEVELS[spec.level] + extra


@pytest.mark.parametrize("spec", CURRENT, ids=ids)
def test_units_of_current_metrics_are_those_of_the_api(spec: Spec) -> None:
    assert (spec.operation, spec.unit.name) == ("GetCurrentMetricData", current_units()[spec.api])
    assert spec.statistic == ""


@pytest.mark.parametrize("spec", [*HISTORICAL, *COUNTERS], ids=ids)
def test_units_and_statistics_of_historical_metrics_are_those_of_the_api(spec: Spec) -> None:
    facts = historical_facts()[spec.api]
    assert (spec.operation, spec.unit.name, spec.statistic) == ("GetMetricData", facts["Unit"], facts["Statistic"])


@pytest.mark.parametrize("spec", HISTORICAL, ids=ids)
def test_help_of_a_recent_value_names_its_statistic(spec: Spec) -> None:
    assert f"({spec.statistic}" in spec.help


def test_only_the_two_names_aws_keeps_for_old_callers_must_be_listed_to_be_published() -> None:
    assert {spec.api for spec in ALL if spec.only_if_listed} == {"AGENTS_ON_CALL", "CONTACTS_CONSULTED"}
    assert all(spec.only_if_listed for spec in ALL if spec.api in {"AGENTS_ON_CALL", "CONTACTS_CONSULTED"})


def test_every_level_is_in_the_contract_s_table() -> None:
    assert {level.value for level in Level} == set(LEVELS)


def test_every_operation_is_one_of_the_api() -> None:
    assert {spec.operation for spec in ALL} - {""} <= set(connect().operation_names)
    of_the_configuration = {spec for spec in INFORMATION if spec.name.startswith("amazon_connect_queue_service_level_")}
    assert {spec for spec in ALL if not spec.operation} == {*OWN, *of_the_configuration}


def test_no_family_name_stands_twice_and_each_is_found_by_it() -> None:
    assert [name for name, count in Counter(spec.name for spec in ALL).items() if count > 1] == []
    assert list(by_name.values()) == list(ALL)
    assert all(by_name[spec.name] is spec for spec in ALL)


def test_all_is_made_of_the_tables() -> None:
    assert (*CURRENT, *HISTORICAL, *COUNTERS, *INFORMATION, *OWN) == ALL


def test_no_family_is_mistaken_for_a_sample_of_another() -> None:
    """A histogram owns the names with these ends, a counter its name without `_total`."""
    derived = [
        spec.name + end
        for spec in ALL
        if spec.kind is Kind.HISTOGRAM
        for end in ("_bucket", "_count", "_sum", "_created")
    ]
    derived += [spec.name.removesuffix("_total") for spec in COUNTERS]
    derived += [spec.name.removesuffix("_total") + "_created" for spec in COUNTERS]
    assert set(derived) & names(ALL) == set()


@pytest.mark.parametrize("spec", ALL, ids=ids)
class TestEveryFamily:
    def test_has_a_legal_lower_case_name(self, spec: Spec) -> None:
        assert re.fullmatch(r"amazon_connect(_[a-z0-9]+)+", spec.name)
        assert spec.name.startswith("amazon_connect_exporter_") == (spec in OWN)

    def test_ends_in_total_if_and_only_if_it_counts(self, spec: Spec) -> None:
        assert spec.name.endswith("_total") == (spec.kind is Kind.COUNTER)
        assert spec.kind.value in METRIC_TYPES

    def test_ends_in_its_unit_if_and_only_if_it_has_one(self, spec: Spec) -> None:
        bare = spec.name.removesuffix("_total")
        assert [unit for unit in (Unit.SECONDS, Unit.PERCENT) if bare.endswith(unit.suffix)] == (
            [] if spec.unit is Unit.COUNT else [spec.unit]
        )

    def test_has_labels_from_the_known_and_bounded_set_each_once(self, spec: Spec) -> None:
        assert set(spec.labels) <= KNOWN_LABELS
        assert len(set(spec.labels)) == len(spec.labels)

    def test_has_a_help_of_one_or_two_whole_sentences(self, spec: Spec) -> None:
        assert re.fullmatch(r"[A-Z0-9][^\n\\]*\.", spec.help), "begins with a capital, ends with a period, one line"
        assert "  " not in spec.help
        assert 40 <= len(spec.help) <= 320
        assert len(re.findall(r"\.(?= |$)", spec.help)) in {1, 2}

    def test_has_a_help_that_says_more_than_its_name(self, spec: Spec) -> None:
        assert spec.name not in spec.help
        words = set(re.findall(r"[a-z]+", spec.help.lower())) - set(spec.name.split("_"))
        assert len(words) >= 8

    def test_has_a_help_that_refers_only_to_families_that_exist(self, spec: Spec) -> None:
        assert set(re.findall(r"\bamazon_connect_\w+", spec.help)) <= names(ALL)


def test_no_two_families_share_a_help() -> None:
    assert [text for text, count in Counter(spec.help for spec in ALL).items() if count > 1] == []


@pytest.mark.parametrize(
    ("level", "warning"),
    [
        (Level.QUEUE, "Never sum over queues or channels"),
        (Level.AGENT_STATUS, "Never sum over queues"),
        (Level.QUEUE_ALL_CHANNELS, "Never sum over queues"),
        (Level.ROUTING_PROFILE, "rofiles add up"),
    ],
)
def test_help_of_agents_and_slots_says_whether_they_may_be_summed(level: Level, warning: str) -> None:
    specs = [spec for spec in CURRENT if spec.level is level and spec.api in HEADS | SLOTS]
    assert specs
    assert [spec.name for spec in specs if warning not in spec.help] == []


@pytest.mark.parametrize("level", [Level.QUEUE, Level.QUEUE_ALL_CHANNELS, Level.ROUTING_PROFILE])
def test_help_of_contacts_says_whether_they_may_be_summed(level: Level) -> None:
    expected = "Never sum over profiles" if level is Level.ROUTING_PROFILE else "Safe to sum over queues"
    specs = [s for s in CURRENT if s.level is level and s.api in {"CONTACTS_IN_QUEUE", "CONTACTS_SCHEDULED"}]
    assert len(specs) == 2
    assert [spec.name for spec in specs if expected not in spec.help] == []


@pytest.mark.parametrize(
    ("api", "warning"),
    [
        ("AGENTS_AFTER_CONTACT_WORK", "Contacts, not agents"),
        ("AGENTS_ERROR", "given nothing more until that is reset"),
        ("AGENTS_AVAILABLE", "0 is normal while everybody is busy"),
        ("AGENTS_ON_CALL", "only where the configuration lists it"),
        ("AGENTS_ON_CONTACT", "after-contact work included"),
        ("CONTACTS_SCHEDULED", "initial delay"),
    ],
)
def test_the_trap_of_a_real_time_metric_stands_in_its_help_at_every_level(api: str, warning: str) -> None:
    assert [spec.name for spec in CURRENT if spec.api == api and warning.lower() not in spec.help.lower()] == []


@pytest.mark.parametrize(
    ("api", "warning"),
    [
        ("CONTACTS_CONSULTED", "only where the configuration lists it"),
        ("CONTACTS_HOLD_ABANDONS", "whoever hung up"),
        ("CONTACTS_MISSED", "counts again for every agent"),
        ("HOLD_TIME", "only contacts that were held"),
        ("QUEUED_TIME", "not an average"),
        ("SERVICE_LEVEL", "early abandons and callbacks count as met"),
    ],
)
def test_the_trap_of_a_historical_metric_stands_in_its_help_at_every_level(api: str, warning: str) -> None:
    specs = [spec for spec in (*HISTORICAL, *COUNTERS) if spec.api == api]
    assert len(specs) in {2, 3}
    assert [spec.name for spec in specs if warning.lower() not in spec.help.lower()] == []


@pytest.mark.parametrize("spec", HISTORICAL, ids=ids)
def test_help_of_a_recent_value_says_that_it_is_of_a_window(spec: Spec) -> None:
    assert "window" in spec.help


@pytest.mark.parametrize(
    "spec",
    [s for s in HISTORICAL if re.search("HANDLED|CONTACTS_QUEUED|HANDLE_TIME|INTERACTION|SERVICE_LEVEL", s.api)],
    ids=ids,
)
def test_help_of_a_recent_value_says_that_contacts_count_when_they_disconnect(spec: Spec) -> None:
    assert "disconnected in the window" in spec.help


@pytest.mark.parametrize("spec", COUNTERS, ids=ids)
def test_help_of_a_counter_says_that_it_lags_and_restarts(spec: Spec) -> None:
    assert "settle" in spec.help
    assert "every 12 hours" in spec.help
    assert "increase()" in spec.help


def test_the_exporter_s_own_metrics_are_those_of_the_contract() -> None:
    own = {spec.name.removeprefix("amazon_connect_exporter_"): (spec.kind.value, spec.labels) for spec in OWN}
    collector, api = ("instance_alias", "collector"), ("account_id", "region", "operation")
    assert own == {
        "build_info": ("gauge", ("version", "revision", "python_version", "boto3_version")),
        "collector_success": ("gauge", collector),
        "collector_duration_seconds": ("gauge", collector),
        "collector_last_success_timestamp_seconds": ("gauge", collector),
        "collector_errors_total": ("counter", (*collector, "reason")),
        "collector_interval_seconds": ("gauge", collector),
        "collector_series": ("gauge", collector),
        "series_dropped_total": ("counter", collector),
        "api_requests_total": ("counter", (*api, "code")),
        "api_request_duration_seconds": ("histogram", ("operation",)),
        "api_quota_wait_seconds_total": ("counter", api),
        "api_quota_tokens": ("gauge", api),
        "metric_rejected": ("gauge", (*collector, "metric")),
        "filter_rejected": ("gauge", (*collector, "kind", "name")),
        "discovery_success": ("gauge", ("discovery", "region")),
        "discovery_last_success_timestamp_seconds": ("gauge", ("discovery", "region")),
        "discovery_errors_total": ("counter", ("discovery", "region", "reason")),
        "discovery_instances": ("gauge", ("discovery", "region")),
        "config_last_reload_successful": ("gauge", ()),
        "config_last_reload_success_timestamp_seconds": ("gauge", ()),
        "config_hash": ("gauge", ()),
        "targets": ("gauge", ()),
    }


def test_information_metrics_are_those_of_the_contract() -> None:
    assert {spec.name.removeprefix("amazon_connect_"): spec.labels for spec in INFORMATION} == {
        "instance_info": ("instance_alias", "instance_id", "instance_arn", "account_id", "region"),
        "queue_info": ("instance_alias", "queue", "queue_id"),
        "routing_profile_info": ("instance_alias", "routing_profile", "routing_profile_id"),
        "data_snapshot_timestamp_seconds": ("instance_alias", "level"),
        "queue_service_level_threshold_seconds": ("instance_alias", "queue", "channel"),
        "queue_service_level_target_ratio": ("instance_alias", "queue", "channel"),
    }
