"""The runbook: one heading for each alert, and everything in it exists."""

from __future__ import annotations

import re

import promql_parser
import pytest

from exporter.catalogue import by_name
from tests.rules.files import GRAFANA, RUNBOOK, alerts, mentioned, metrics, recordings
from tests.tools import REPOSITORY

PARTS = ("What it means.", "Who acts.", "First.", "What it is not.", "Start from.")


def sections() -> dict[str, str]:
    """Heading -> what stands below it."""
    _, *pieces = re.split(r"^### (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


def queries() -> list[str]:
    return re.findall(r"^```promql\n(.*?)^```$", RUNBOOK.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_there_is_a_heading_for_each_alert_and_an_alert_for_each_heading() -> None:
    assert list(sections()) == [alert.name for alert in alerts()], "in the order of alerts.yaml"


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_the_alerts_link_leads_to_its_heading(alert: object) -> None:
    fragment = alert.annotations["runbook_url"].partition("#")[2]  # type: ignore[attr-defined]
    assert fragment in {heading.lower() for heading in sections()}


@pytest.mark.parametrize("name", [alert.name for alert in alerts()])
def test_a_section_says_all_five_things(name: str) -> None:
    text = sections()[name]
    assert [part for part in PARTS if f"**{part}**" in text] == list(PARTS)
    assert len(re.findall(r"^\d\. ", text, flags=re.MULTILINE)) == 3, "the first three things to do"
    assert len(re.findall(r"^```promql$", text, flags=re.MULTILINE)) == 1


@pytest.mark.parametrize("query", queries())
def test_a_query_parses_and_asks_for_what_exists(query: str) -> None:
    expression = promql_parser.parse(query)
    assert metrics(expression) <= {*by_name, *(rule.name for rule in recordings()), "up", "ALERTS"}


def test_every_metric_that_is_named_anywhere_exists() -> None:
    known = {*by_name, *(rule.name for rule in recordings())}
    for path in (
        RUNBOOK,
        GRAFANA / "alertmanager.yaml",
        GRAFANA / "rules" / "alerts.yaml",
        GRAFANA / "rules" / "recording.yaml",
    ):
        assert set(mentioned(path.read_text())) <= known, path.relative_to(REPOSITORY)


def test_every_alert_that_is_named_anywhere_exists() -> None:
    known = {alert.name for alert in alerts()}
    named = set(re.findall(r"\bAmazonConnect[A-Za-z]+\b", RUNBOOK.read_text()))
    assert named <= known
