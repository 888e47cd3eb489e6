from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from exporter import __version__
from exporter.catalogue import OWN, by_name
from exporter.catalogue.spec import Kind
from exporter.exposition import assemble, family, render
from exporter.model import Reason, Refusal, Sample
from exporter.telemetry import (
    PREFIX,
    Discovery,
    Process,
    State,
    Telemetry,
    discovery_samples,
    process_samples,
    quota_samples,
    state_samples,
)
from tests.collectors.centre import target


def state(collector: str = "current", alias: str = "acme", **fields: object) -> State:
    return State(target(), alias, collector, 15.0, **fields)  # type: ignore[arg-type]


def by_series(samples: list[Sample]) -> dict[tuple[str, ...], float]:
    found = {(sample.name.removeprefix(PREFIX), *sample.labels): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def test_every_collector_has_its_series_from_the_start() -> None:
    found = by_series(list(state_samples([(state(), 0)])))
    errors = {("collector_errors_total", "acme", "current", reason.value): 0.0 for reason in Reason}
    assert found == errors | {
        ("collector_success", "acme", "current"): 0.0,
        ("collector_duration_seconds", "acme", "current"): 0.0,
        ("collector_last_success_timestamp_seconds", "acme", "current"): 0.0,
        ("collector_interval_seconds", "acme", "current"): 15.0,
        ("collector_series", "acme", "current"): 0.0,
        ("series_dropped_total", "acme", "current"): 0.0,
    }


def test_what_happened_to_a_collector() -> None:
    happened = state(success=True, duration=0.5, last_success=1e9, dropped=3)
    happened.errors[Reason.THROTTLED] += 2
    found = by_series(list(state_samples([(happened, 77)])))
    assert found["collector_success", "acme", "current"] == 1
    assert found["collector_duration_seconds", "acme", "current"] == 0.5
    assert found["collector_last_success_timestamp_seconds", "acme", "current"] == 1e9
    assert found["collector_series", "acme", "current"] == 77
    assert found["series_dropped_total", "acme", "current"] == 3
    assert found["collector_errors_total", "acme", "current", "throttled"] == 2


def test_service_levels_refused_for_their_thresholds_are_one_metric() -> None:
    names = ("SERVICE_LEVEL(20)", "SERVICE_LEVEL(7200)")
    refusals = tuple(Refusal("queue", "metric", name, Reason.INVALID_REQUEST) for name in names)
    found = by_series(list(state_samples([(state(refusals=refusals), 0)])))
    assert {key: value for key, value in found.items() if "rejected" in key[0]} == {
        ("metric_rejected", "acme", "current", "SERVICE_LEVEL"): 1.0
    }


def test_a_metric_that_is_refused_at_three_levels_has_one_series() -> None:
    refusals = tuple(
        Refusal(level, kind, name, Reason.INVALID_REQUEST)
        for level in ("queue", "routing_profile", "instance")
        for kind, name in (("metric", "SLOTS_ACTIVE"), ("channel", "EMAIL"), ("queue", "Sales"))
    )
    found = by_series(list(state_samples([(state(refusals=refusals), 0)])))
    rejected = {key for key in found if key[0].endswith("_rejected")}
    assert rejected == {
        ("metric_rejected", "acme", "current", "SLOTS_ACTIVE"),
        ("filter_rejected", "acme", "current", "channel", "EMAIL"),
        ("filter_rejected", "acme", "current", "queue", "Sales"),
    }


def test_places_of_discovery_and_levels_of_quotas() -> None:
    known = Discovery(success=True, last_success=5.0, targets=(target(),))
    known.errors[Reason.TIMEOUT] += 1
    found = by_series(list(discovery_samples({("0", "us-east-1"): known, ("0", "eu-west-2"): Discovery()})))
    assert found["discovery_success", "0", "us-east-1"] == 1
    assert found["discovery_success", "0", "eu-west-2"] == 0
    assert found["discovery_last_success_timestamp_seconds", "0", "us-east-1"] == 5
    assert found["discovery_instances", "0", "us-east-1"] == 1
    assert found["discovery_errors_total", "0", "us-east-1", "timeout"] == 1
    assert found["discovery_errors_total", "0", "eu-west-2", "timeout"] == 0
    assert by_series(list(quota_samples([(("1", "us-east-1", "ListQueues"), 2.5)]))) == {
        ("api_quota_tokens", "1", "us-east-1", "ListQueues"): 2.5
    }


def test_the_process_says_what_it_is() -> None:
    found = by_series(list(process_samples(Process("abc", True, 9.0, 1234.0, 3))))
    ((build, value),) = [(key, value) for key, value in found.items() if key[0] == "build_info"]
    assert build[1:3] == (__version__, "abc")
    assert all(build)
    assert value == 1
    assert found["config_last_reload_successful",] == 1
    assert found["config_last_reload_success_timestamp_seconds",] == 9
    assert found["config_hash",] == 1234
    assert found["targets",] == 3


def test_calls_are_counted_and_timed_without_a_time_of_creation() -> None:
    telemetry = Telemetry()
    for code in ("200", "200", "TooManyRequestsException"):
        telemetry.attempt("1", "us-east-1", "ListQueues", code, 0.3)
    telemetry.waited("1", "us-east-1", "ListQueues", 1.5)
    telemetry.waited("1", "us-east-1", "ListQueues", 0.25)
    text = assemble(telemetry.families()).text.decode()
    assert "_created" not in text
    families = text_string_to_metric_families(text)
    found = {(s.name, *sorted(s.labels.values())): s.value for each in families for s in each.samples}
    labels = ("1", "ListQueues", "us-east-1")
    assert found[PREFIX + "api_requests_total", *sorted((*labels, "200"))] == 2
    assert found[PREFIX + "api_requests_total", *sorted((*labels, "TooManyRequestsException"))] == 1
    assert found[PREFIX + "api_quota_wait_seconds_total", *labels] == 1.75
    assert found[PREFIX + "api_request_duration_seconds_count", "ListQueues"] == 3
    assert found[PREFIX + "api_request_duration_seconds_bucket", "+Inf", "ListQueues"] == 3


def test_everything_the_exporter_says_of_itself_is_in_the_catalogue_and_the_other_way_round() -> None:
    everything = state(refusals=tuple(Refusal("queue", kind, "x", Reason.NOT_FOUND) for kind in ("metric", "queue")))
    samples = [
        *process_samples(Process("abc", True, 9.0, 1234.0, 3)),
        *state_samples([(everything, 1)]),
        *discovery_samples({("0", "us-east-1"): Discovery()}),
        *quota_samples([(("1", "us-east-1", "ListQueues"), 2.5)]),
    ]
    chunks = render(samples, by_name)
    by_the_client = {name for each in Telemetry().families() for name in each.names}
    for spec in OWN:
        if spec.name in chunks:
            assert family(spec, [chunks[spec.name]]).text.startswith(b"# HELP ")
        else:
            stem = spec.name.removesuffix("_total") if spec.kind is Kind.COUNTER else spec.name
            assert stem in by_the_client
    assert chunks.keys() <= {spec.name for spec in OWN}
