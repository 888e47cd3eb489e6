"""No panel is empty: each query of each panel, and each recording rule, in a real Prometheus.

What contact centres see has eight days behind it (lived.py); what is about the exporter is scraped from one that runs,
and that AWS throttles now and then.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from exporter.simulator.faults import Fault, Faults
from exporter.simulator.quotas import UNLIMITED
from exporter.simulator.server import Simulator
from exporter.simulator.world import World
from tests.dashboards.ask import Asked, answer, asked
from tests.dashboards.lived import DAY, HOUR, RULES, Life, Series, lived, prometheus_of, rules, steps
from tests.dashboards.promql import VALUES, names, substituted
from tests.dashboards.test_build import DASHBOARDS
from tests.e2e.daemon import daemon, settings
from tests.rules.machines import page
from tests.tools import Prometheus, Scrape, free_port, need, prometheus, wait_for

END = datetime(2026, 9, 28, 20, tzinfo=UTC).timestamp()
"""A Monday, 3 in the afternoon at the contact centre."""
SPANS = ((END - 8 * DAY, END - 6 * HOUR, 900.0), (END - 6 * HOUR, END, 120.0))
ABOUT_THE_EXPORTER = "amazon-connect-exporter"
RECORDED = rules()
OF_THE_EXPORTER = {name for name in RECORDED if name.startswith("amazon_connect_exporter:")}

QUERIES = [one for dashboard in DASHBOARDS.values() for one in asked(dashboard)]
OF_OPERATIONS = [one for one in QUERIES if one.uid != ABOUT_THE_EXPORTER]
OF_EXPORTER = [one for one in QUERIES if one.uid == ABOUT_THE_EXPORTER]


def wanted() -> frozenset[str]:
    """Every metric that dashboards and rules name."""
    queries = [substituted(one.target["expr"]) for one in QUERIES]
    return frozenset().union(*(names(promql_parser.parse(expr)) for expr in [*queries, *RECORDED.values()]))


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    need("prometheus")
    need("promtool")
    life = Life(END - 8 * DAY, wanted(), volume=0.5)
    series = lived(life, steps(*SPANS))
    with prometheus_of(tmp_path_factory.mktemp("week"), series, SPANS) as server:
        yield server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped a running exporter each second, and evaluated the rules as often.

    It scrapes other things too: one that is up and has a process, and one that is down.
    """
    need("prometheus")
    directory = tmp_path_factory.mktemp("running")
    document = yaml.safe_load(RULES.read_text())
    for group in document["groups"]:
        group["interval"] = "1s"
    fast = directory / "rules.yaml"
    fast.write_text(yaml.safe_dump(document))
    world = World(seed=3, instances=1, queues=3, volume=0.3)
    with Simulator(world, faults=Faults(), quotas=UNLIMITED) as simulator:
        told = settings(
            simulator.url,
            discovery=[{"regions": ["us-east-1"]}],
            collectors={"current": {"interval": "1s"}},
            max_age="1m",
        )
        simulator.faults.add(Fault("throttle", operation="GetCurrentMetricData", probability=0.3))
        process = "process_cpu_seconds_total 1\nprocess_resident_memory_bytes 1\n"
        with (
            daemon(directory, told) as one,
            page(lambda: process) as stranger,
            prometheus(
                directory / "prometheus",
                Scrape([one.url.removeprefix("http://")]),
                Scrape([stranger, f"127.0.0.1:{free_port()}"], job="strangers"),
                rule_files=[fast],
            ) as server,
        ):
            wait_for(lambda: server.query('up{job="amazon-connect"} == 1'), "the exporter scraped")
            # For a few seconds already: a range query ends at the last full second.
            awaited = "amazon_connect_exporter:throttled_per_requests:ratio15m offset 3s > 0"
            wait_for(lambda: server.query(awaited), "throttled requests", timeout=60)
            ages = "count(amazon_connect_exporter_collector_success == 1) >= 5"
            wait_for(lambda: server.query(ages), "every collector's success", timeout=60)
            yield server


def shown(found: list[dict[str, Any]], one: Asked) -> None:
    assert found, f"empty: {one.promql()}"
    for series in found:
        values = [float(value) for _, value in series["values"]]
        assert values
        assert not any(math.isnan(value) for value in values), series
        assert not any(math.isinf(value) for value in values), series
    labels = [json.dumps(series["metric"], sort_keys=True) for series in found]
    assert len(labels) == len(set(labels))
    if one.panel["type"] in {"table", "bargauge"}:
        assert len(found) <= 25
    if one.panel["type"] == "table":
        assert not any("__name__" in series["metric"] for series in found)
    if one.panel["type"] == "stat":
        assert len(found) == 1
    if legend := one.target.get("legendFormat"):
        # Of whom the first requests are, only their answers tell.
        for label in set(promql_labels(legend)) - {"account_id"}:
            assert all(label in series["metric"] for series in found), (label, found[0]["metric"])


def promql_labels(legend: str) -> list[str]:
    return [part.partition("}}")[0] for part in legend.split("{{")[1:]]


@pytest.mark.parametrize("one", OF_OPERATIONS, ids=lambda one: one.name)
def test_a_panel_has_data_when_prometheus_has_kept_a_week(one: Asked, week: Prometheus) -> None:
    shown(answer(week, one, END), one)


@pytest.mark.parametrize("one", OF_EXPORTER, ids=lambda one: one.name)
def test_a_panel_about_the_exporter_has_data_as_soon_as_it_is_scraped(one: Asked, running: Prometheus) -> None:
    found = answer(running, replace(one, span=60.0), time.time(), scrape=1.0)
    shown(found, one)
    assert {series["metric"].get("job", "amazon-connect") for series in found} == {"amazon-connect"}


@pytest.mark.parametrize("name", sorted(RECORDED.keys() - OF_THE_EXPORTER))
def test_a_rule_records(name: str, week: Prometheus) -> None:
    found = week.get("query", query=name, time=f"{END}")["result"]
    assert found
    assert all(series["metric"]["job"] == "amazon-connect" for series in found)


@pytest.mark.parametrize("name", sorted(OF_THE_EXPORTER))
def test_a_rule_about_the_exporter_records(name: str, running: Prometheus) -> None:
    assert running.query(name)


class TestWhatIsShown:
    """By hand, where a number that is there could still be wrong."""

    def value(self, server: Prometheus, uid: str, title: str, number: int = 0) -> float:
        (found,) = answer(server, query(uid, title, number), END)
        return float(found["values"][-1][1])

    def test_the_longest_wait_is_0_and_not_missing_where_nobody_waits(self, week: Prometheus) -> None:
        waits = {row(series): value for series, value in column(week, "amazon-connect-operations", "Queues now", 1)}
        waiting = {row(series): value for series, value in column(week, "amazon-connect-operations", "Queues now", 0)}
        assert waits.keys() == waiting.keys()
        assert {key for key, value in waits.items() if value == 0} == {k for k, value in waiting.items() if value == 0}
        assert 0 < sum(value == 0 for value in waits.values()) < len(waits)

    def test_the_service_level_is_weighted_by_contacts(self, week: Prometheus) -> None:
        def ask(expr: str) -> dict[tuple[str, ...], float]:
            found = week.get("query", query=expr, time=f"{END}")["result"]
            return {row(series["metric"]): float(series["value"][1]) for series in found}

        levels = ask("amazon_connect_queue:service_level_ratio:30m")
        contacts = ask("amazon_connect_queue:recent_contacts_queued:30m")
        wanted = sum(levels[key] * contacts[key] for key in levels) / sum(contacts[key] for key in levels)
        assert self.value(week, "amazon-connect-wallboard", "Service level, 30 minutes") == pytest.approx(wanted)
        assert wanted != pytest.approx(sum(levels.values()) / len(levels))

    def test_available_agents_are_heads_each_counted_once(self, week: Prometheus) -> None:
        (heads,) = week.get("query", query="amazon_connect_instance_agents_available", time=f"{END}")["result"]
        assert self.value(week, "amazon-connect-wallboard", "Available agents") == float(heads["value"][1])

    def test_no_alert_is_said_in_a_word(self, week: Prometheus) -> None:
        (found,) = answer(week, query("amazon-connect-operations", "Firing alerts"), END)
        assert found["metric"] == {"alertname": "none", "severity": "none"}

    def test_a_queue_is_ok_waits_or_waits_unstaffed(self, week: Prometheus) -> None:
        found = answer(week, query("amazon-connect-operations", "Queues over time"), END)
        states = {float(value) for series in found for _, value in series["values"]}
        assert states <= {0.0, 1.0, 2.0}
        assert {0.0, 1.0} <= states

    @pytest.mark.parametrize("one", OF_OPERATIONS, ids=lambda one: one.name)
    def test_two_replicas_of_an_exporter_change_nothing(self, one: Asked, week: Prometheus) -> None:
        """As in a roll-out: the same metrics under another `instance`, put in by the query itself."""
        once, twice = (scraped_from(replicas, one.promql()) for replicas in (1, 2))
        if twice == once:
            assert names(promql_parser.parse(once)) <= {*RECORDED, "ALERTS"}, "what is recorded is freed of doubles"
            return

        def ask(expr: str) -> dict[str, float]:
            found = week.get("query", query=expr, time=f"{END}")["result"]
            return {json.dumps(series["metric"], sort_keys=True): float(series["value"][1]) for series in found}

        assert ask(once)
        assert ask(twice) == ask(once)

    def test_the_rows_of_demand_are_days(self, week: Prometheus) -> None:
        """Each line is the one above, a day earlier."""
        title = "Demand by hour and day"
        first = answer(week, query("amazon-connect-service-level", title, 1), END)[0]["values"]
        again = answer(week, query("amazon-connect-service-level", title, 0), END - DAY)[0]["values"]
        assert [float(value) for _, value in first] == [float(value) for _, value in again]
        assert len({value for _, value in first}) > 10


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """An hour by hand, at its end: AWS has not answered about instance `dead` for 20 minutes, a shard has been down for
    20 minutes, and so has something that is no exporter for ever.
    """
    need("promtool")
    moments = [END - HOUR + 30.0 * number for number in range(121)]
    lost = END - 1200

    def target(job: str, instance: str) -> str:
        return f'job="{job}",instance="{instance}"'

    here, shard, fine = target("connect", "a"), target("connect", "b"), target("connect-eu", "c")
    series: Series = {f"up{{{target('node', 'host')}}}": [(moment, 0.0) for moment in moments]}
    for exporter in (here, shard, fine):
        gone = lost if exporter == shard else END
        series[f"up{{{exporter}}}"] = [(moment, float(moment <= gone)) for moment in moments]
        build = f'{exporter},version="1",revision="",python_version="3",boto3_version="1"'
        series[f"amazon_connect_exporter_build_info{{{build}}}"] = [(m, 1.0) for m in moments if m <= gone]
    for alias, last in (("acme", END), ("dead", lost)):
        who = f'{here},instance_alias="{alias}"'
        series[f'amazon_connect_data_snapshot_timestamp_seconds{{{who},level="queue"}}'] = [
            (moment, moment - 10) for moment in moments if moment <= last + 300
        ]
        success = f'amazon_connect_exporter_collector_last_success_timestamp_seconds{{{who},collector="current"}}'
        series[success] = [(moment, min(moment, last)) for moment in moments]
    name = "amazon_connect_exporter:collector_last_success_timestamp_seconds:max"
    of_success = {name: f"max by (job, instance_alias, collector) ({name.replace(':max', '').replace(':', '_')})"}
    spans = ((END - HOUR, END, 30.0),)
    with prometheus_of(tmp_path_factory.mktemp("outage"), series, spans, of_success) as server:
        yield server


class TestOutages:
    def value(self, server: Prometheus, uid: str, title: str, **chosen: str) -> float | None:
        expr = substituted(query(uid, title).target["expr"], {**VALUES, **chosen})
        found = server.get("query", query=expr, time=f"{END}")["result"]
        return float(found[0]["value"][1]) if found else None

    def test_an_instance_whose_values_are_gone_makes_the_data_old(self, outage: Prometheus) -> None:
        title = "Age of the data"
        assert self.value(outage, "amazon-connect-wallboard", title, instance_alias="acme") == 10
        assert self.value(outage, "amazon-connect-wallboard", title, instance_alias="dead") == 1200
        assert self.value(outage, "amazon-connect-wallboard", title) == 1200

    def test_an_exporter_that_is_down_is_seen_and_a_stranger_that_is_down_is_not(self, outage: Prometheus) -> None:
        assert self.value(outage, ABOUT_THE_EXPORTER, "Up") == 0
        assert self.value(outage, ABOUT_THE_EXPORTER, "Up", job="connect-eu|node") == 1
        assert self.value(outage, ABOUT_THE_EXPORTER, "Up", job="node") is None


def query(uid: str, title: str, number: int = 0) -> Asked:
    return [one for one in QUERIES if one.uid == uid and one.panel["title"] == title][number]


def scraped_from(replicas: int, expr: str) -> str:
    """The query, of a Prometheus that has scraped so many replicas: each metric is there under as many instances."""

    def all_of_them(found: re.Match[str]) -> str:
        selector, window, offset = found.groups()
        one = selector if window else selector + offset
        copies = [f'label_replace({one}, "instance", "{number}", "", "")' for number in range(replicas)]
        return f"({' or '.join(copies)})" + (f"[{window}:]{offset}" if window else "")

    return re.sub(r"(\bamazon_connect_\w+\{[^}]*\})(?:\[([^]]+)\])?((?: offset \w+)?)", all_of_them, expr)


def column(server: Prometheus, uid: str, title: str, number: int) -> list[tuple[dict[str, str], float]]:
    found = answer(server, query(uid, title, number), END)
    return [(series["metric"], float(series["values"][-1][1])) for series in found]


def row(labels: dict[str, str]) -> tuple[str, ...]:
    return tuple(labels[name] for name in ("instance_alias", "queue", "channel"))


def test_rules_of_every_layer_are_evaluated_after_what_they_need() -> None:
    from tests.dashboards.lived import layers

    done: set[str] = set()
    for layer in layers(RECORDED):
        for name in layer:
            assert names(promql_parser.parse(RECORDED[name])) & RECORDED.keys() <= done
        done |= set(layer)
    assert done == RECORDED.keys()
    assert Path(RULES).name == "recording.yaml"
