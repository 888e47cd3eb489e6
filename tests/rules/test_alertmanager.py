"""Who hears of what, by amtool and by a real Prometheus that tells a real Alertmanager."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.rules import machines
from tests.rules.files import ALERTMANAGER, alerts, read
from tests.tools import need, wait_for


def amtool(*arguments: str | Path) -> str:
    done = subprocess.run([need("amtool"), *arguments], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_amtool_finds_nothing_to_object_to() -> None:
    amtool("check-config", ALERTMANAGER)


RECEIVERS = {"critical": "pager", "warning": "tickets", "info": "nobody"}


@pytest.mark.parametrize("severity", RECEIVERS)
def test_critical_pages_warning_is_a_ticket_and_info_goes_to_nobody(severity: str) -> None:
    for alert in alerts():
        if alert.labels["severity"] == severity:
            labels = (f"{name}={value}" for name, value in alert.labels.items())
            where = amtool(
                "config", "routes", "test", f"--config.file={ALERTMANAGER}", f"alertname={alert.name}", *labels
            )
            assert where == RECEIVERS[severity], alert.name


def test_what_is_not_ours_is_not_routed_by_us() -> None:
    where = amtool("config", "routes", "test", f"--config.file={ALERTMANAGER}", "alertname=Other", "severity=critical")
    assert where == "nobody"


def test_no_inhibition_goes_by_the_alerts_name_alone() -> None:
    """A critical for queue Sales once silenced the warning of the same name for queue Support."""
    for rule in read(ALERTMANAGER)["inhibit_rules"]:
        assert "alertname" not in rule["equal"]
        assert "job" in rule["equal"]


def test_labels_that_both_sides_lack_silence_nothing() -> None:
    """They count as equal: a rule that compares a label asks both sides for it, or names alerts that have it."""
    for rule in read(ALERTMANAGER)["inhibit_rules"]:
        named = any("alertname = " in one or "DataStale|" in one for one in rule["source_matchers"])
        for label in ("queue", "routing_profile", "collector"):
            if label in rule["equal"] and not named:
                assert f'{label} != ""' in rule["source_matchers"]
                assert f'{label} != ""' in rule["target_matchers"]


# for real


@dataclass(slots=True)
class Site:
    """Three instances: `acme`; `blind`, whose real-time values AWS has not given for ten minutes; and `locked`, whose
    AWS has just begun to refuse.
    """

    up: bool = True
    since: float = field(default_factory=time.time)

    def text(self) -> str | None:
        if not self.up:
            return None
        now = time.time()
        lines = [f"amazon_connect_exporter_config_last_reload_success_timestamp_seconds {now - 3600}"]

        def say(name: str, value: float, **labels: str) -> None:
            inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
            lines.append(f"amazon_connect_{name}{{{inside}}} {value}")

        def queue(alias: str, name: str, waiting: int, oldest: int, staffed: int, free: int, level: float) -> None:
            who = {"instance_alias": alias, "queue": name, "channel": "VOICE"}
            say("queue_contacts_in_queue", waiting, **who)
            say("queue_oldest_contact_age_seconds", oldest, **who)
            say("queue_agents_staffed", staffed, **who)
            say("queue_slots_available", free, **who)
            say("queue_service_level_threshold_seconds", 20, **who)
            say("queue_service_level_target_ratio", 0.8, **who)
            for window, queued in (("30m", 30), ("today", 300)):
                say("queue_recent_service_level_ratio", level, **who, window=window, threshold_seconds="20")
                say("queue_recent_contacts_queued", queued, **who, window=window)

        queue("acme", "unstaffed", 3, 400, 0, 0, 0.1)
        queue("acme", "slow", 1, 130, 5, 0, 0.9)
        queue("acme", "stalled", 2, 130, 5, 3, 0.7)
        queue("acme", "a bad day", 0, 0, 5, 3, 0.7)
        queue("blind", "unstaffed", 3, 130, 0, 0, 0.9)
        queue("blind", "failing", 0, 0, 5, 3, 0.1)
        queue("locked", "unstaffed", 3, 130, 0, 0, 0.9)
        queue("locked", "failing", 0, 0, 5, 3, 0.1)
        for profile, online, wrong in (("all in error", 10, 5), ("one in error", 10, 1)):
            who = {"instance_alias": "acme", "routing_profile": profile}
            say("routing_profile_agents_online", online, **who)
            say("routing_profile_agents_error", wrong, **who)
        for alias in ("acme", "blind", "locked"):
            for collector in ("current", "historical"):
                fresh = (alias, collector) != ("blind", "current")
                refused = (alias, collector) == ("locked", "current")
                who = {"instance_alias": alias, "collector": collector}
                say("exporter_collector_success", float(fresh and not refused), **who)
                say("exporter_collector_last_success_timestamp_seconds", now - (5 if fresh else 600), **who)
                if refused:
                    say("exporter_collector_errors_total", now - self.since, **who, reason="credentials")
        # A share of the last quarter of an hour goes on when the exporter is gone.
        request = {"account_id": "123456789012", "region": "eu-west-2", "operation": "GetMetricData"}
        say("exporter_api_requests_total", 100 * (now - self.since), **request, code="200")
        say("exporter_api_requests_total", 50 * (now - self.since), **request, code="ThrottlingException")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Stage:
    site: Site
    alertmanager: machines.Alertmanager
    sink: machines.Sink

    def silenced(self, name: str, **labels: str) -> bool:
        """Whether the one alert that has these labels is inhibited; fails where there is none, or are two."""
        wanted = {"alertname": "AmazonConnect" + name, **labels}.items()
        (found,) = [quiet for about, quiet in self.alertmanager.inhibited().items() if wanted <= dict(about).items()]
        return found


# What the site must raise: (name, labels) -> silenced.
EXPECTED = {
    ("QueueUnstaffed", "acme", "unstaffed"): False,
    # An unstaffed queue explains long waits and a low level, criticals among them.
    ("QueueOldestContactHigh", "acme", "unstaffed"): True,
    ("QueueOldestContactCritical", "acme", "unstaffed"): True,
    ("ServiceLevelBurnFast", "acme", "unstaffed"): True,
    ("ServiceLevelBelowTarget", "acme", "unstaffed"): True,
    # Another queue's ticket stays.
    ("QueueOldestContactHigh", "acme", "slow"): False,
    ("SlotsExhausted", "acme", "slow"): False,
    # A page silences the tickets and infos of its own queue.
    ("RoutingStalled", "acme", "stalled"): False,
    ("QueueOldestContactHigh", "acme", "stalled"): True,
    ("ServiceLevelBelowTarget", "acme", "stalled"): True,
    ("ServiceLevelBelowTarget", "acme", "a bad day"): False,
    ("ServiceLevelBurnSlow", "acme", "unstaffed"): True,
    ("ServiceLevelBurnSlow", "acme", "stalled"): True,
    ("ServiceLevelBurnSlow", "acme", "a bad day"): False,
    # Stale real-time values silence what rests on them, in their instance, and not the service level.
    ("QueueUnstaffed", "blind", "unstaffed"): True,
    ("QueueOldestContactHigh", "blind", "unstaffed"): True,
    ("ServiceLevelBurnFast", "blind", "failing"): False,
    ("ServiceLevelBelowTarget", "blind", "failing"): True,
    ("ServiceLevelBurnSlow", "blind", "failing"): True,
    # So do refused credentials, before anything is stale.
    ("QueueUnstaffed", "locked", "unstaffed"): True,
    ("QueueOldestContactHigh", "locked", "unstaffed"): True,
    ("ServiceLevelBurnFast", "locked", "failing"): False,
    ("ServiceLevelBelowTarget", "locked", "failing"): True,
    ("ServiceLevelBurnSlow", "locked", "failing"): True,
    # Neither has a queue or a channel: that does not make the profiles one.
    ("AgentsInErrorWidespread", "acme", "all in error"): False,
    ("AgentsInError", "acme", "all in error"): True,
    ("AgentsInError", "acme", "one in error"): False,
    # About the exporter.
    ("DataStale", "blind", "current"): False,
    ("CollectorFailing", "blind", "current"): True,
    ("CredentialErrors", "locked", "current"): False,
    ("CollectorFailing", "locked", "current"): True,
    ("ApiThrottled", "", "GetMetricData"): False,
}


ABOUT = ("queue", "routing_profile", "collector", "operation")


def seen(manager: machines.Alertmanager) -> dict[tuple[str, str, str], bool]:
    found = {}
    for about, quiet in manager.inhibited().items():
        labels = dict(about)
        # What stands for a whole job is not of the site: it comes and goes with the exporter.
        if what := next((labels[name] for name in ABOUT if name in labels), None):
            found[labels["alertname"].removeprefix("AmazonConnect"), labels.get("instance_alias", ""), what] = quiet
    return found


def all_there(manager: machines.Alertmanager) -> bool:
    if missing := EXPECTED.keys() - seen(manager).keys():
        raise LookupError(missing)
    return True


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("alerting")
    site = Site()
    with (
        machines.page(site.text) as exporter,
        machines.sink() as (sink, address),
        machines.alertmanager(directory, address) as manager,
        machines.prometheus(directory, manager.address, {machines.JOB: exporter}),
    ):
        wait_for(lambda: all_there(manager), "every alert at the Alertmanager", timeout=60, ignore=(LookupError,))
        yield Stage(site, manager, sink)


def test_each_alert_is_silenced_by_its_cause_and_by_nothing_else(stage: Stage) -> None:
    assert seen(stage.alertmanager) == EXPECTED


def test_people_are_sent_what_is_left(stage: Stage) -> None:
    sink = stage.sink
    wait_for(lambda: sink.got("pager", alertname="AmazonConnectQueueUnstaffed", instance_alias="acme"), "the page")
    wait_for(lambda: sink.got("tickets", alertname="AmazonConnectQueueOldestContactHigh", queue="slow"), "the ticket")
    wait_for(lambda: sink.got("pager", alertname="AmazonConnectAgentsInErrorWidespread"), "the page about agents")
    wait_for(lambda: sink.got("pager", alertname="AmazonConnectServiceLevelBurnFast", queue="failing"), "the last page")
    assert not sink.got("pager", queue="unstaffed", severity="warning")
    assert not sink.got("tickets", queue="unstaffed")
    assert not sink.got("tickets", queue="stalled")
    assert set(sink.sent) == {"pager", "tickets"}
    assert not [alert for sent in sink.sent.values() for alert in sent if alert["severity"] == "info"]


def test_an_exporter_that_is_down_silences_the_contact_centre_and_tickets_about_itself(stage: Stage) -> None:
    """And warnings about the exporter; those alerts that go on for a while although their series are gone."""
    stage.site.up = False
    try:
        wait_for(
            lambda: stage.sink.got("pager", alertname="AmazonConnectExporterDown", job="amazon-connect"), "the page"
        )
        wait_for(lambda: stage.silenced("QueueUnstaffed", instance_alias="acme"), "silence about queues")
        assert stage.silenced("AgentsInErrorWidespread", instance_alias="acme")
        assert stage.silenced("QueueOldestContactHigh", queue="slow")
        assert stage.silenced("ApiThrottled", operation="GetMetricData")
    finally:
        stage.site.up = True
