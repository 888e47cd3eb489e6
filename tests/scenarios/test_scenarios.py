"""Incidents in a simulated contact centre raise the alerts that they should, in time; a calm day raises none.

A day of the demo is not calm: its centre is stretched at the peaks, and raises a bounded number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.rules.files import alerts
from tests.scenarios.incidents import SCENARIOS, WEEK, Scenario
from tests.scenarios.life import DAY, HOUR, MIDNIGHT, MINUTE, Centre, Page, lived
from tests.scenarios.verdicts import EXPORTER, Labels, Spell, fired
from tests.tools import need

REPLICA = "exporter-b:10042"
_ABOUT = ("queue", "routing_profile", "collector", "operation", "channel", "instance")

Outcome = Mapping[tuple[str, str], Spell]


def live(scenario: Scenario) -> list[Page]:
    return lived(scenario.start, scenario.minutes, scenario.acts(), wire=scenario.wire)


def judged(directory: Path, scenario: Scenario, pages: list[Page], before: list[Page]) -> Outcome:
    start, since, step = scenario.start, 0, 1
    if before:
        # A week of evaluations, with nothing to evaluate in most of it.
        start, since, step = start - WEEK, int(WEEK / MINUTE), 4
        pages = [*before, *([{}] * (since - len(before))), *pages]
    targets: dict[str, Sequence[Page | None]] = {REPLICA: pages} if scenario.replica else {}
    out = range(scenario.lead, scenario.lead + scenario.lasts) if scenario.down else ()
    targets[EXPORTER] = [None if minute in out else page for minute, page in enumerate(pages)]
    directory.mkdir()
    found = fired(directory, start, targets, since=since, step=step)
    return {about(labels): Spell(s.first - since, s.last - since, s.minutes) for labels, s in found.items()}


def about(labels: Labels) -> tuple[str, str]:
    """An alert's name without the prefix of all, and what it is about as in the tables."""
    found = dict(labels)
    if "queue" in found or "channel" in found or "routing_profile" in found:
        # What it rests on.
        del found["collector"]
    what = " ".join(found[name] for name in ("queue", *_ABOUT[1:]) if name in found)
    return found["alertname"].removeprefix("AmazonConnect"), what


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """Of the scenarios that are to be tested: while promtool judges one, the next is lived."""
    need("promtool")
    directory = tmp_path_factory.mktemp("scenarios")
    chosen = [item.callspec.params.get("scenario") for item in request.session.items if hasattr(item, "callspec")]
    with ThreadPoolExecutor(1) as pool:
        found = {}
        for number, scenario in enumerate(one for one in SCENARIOS if one in chosen):
            before = lived(scenario.start - WEEK, scenario.minutes) if scenario.a_week_before else []
            pages = live(scenario)
            found[scenario.name] = pool.submit(judged, directory / str(number), scenario, pages, before)
        yield found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_happens_raises_these_alerts_and_no_others(
    scenario: Scenario, outcomes: Mapping[str, Future[Outcome]]
) -> None:
    outcome = outcomes[scenario.name].result()
    assert set(outcome) == set(scenario.raises)
    end = scenario.lead + scenario.lasts
    for alert, when in scenario.raises.items():
        spell = outcome[alert]
        assert scenario.lead < spell.first <= scenario.lead + when.within, (alert, spell)
        assert spell.last <= end + when.over < scenario.minutes, (alert, spell)


MOST = 8
"""Pages about a queue and channel, or a routing profile: 5 to 8 in a day of different seeds."""


def test_a_day_of_the_demos_centre_pages_a_few_times_and_never_about_the_exporter(tmp_path: Path) -> None:
    need("promtool")
    start = MIDNIGHT + 6 * HOUR
    pages = lived(start, int(DAY / MINUTE), centre=Centre(calm=False))
    found = [dict(labels) for labels in fired(tmp_path, start, {EXPORTER: pages}, step=2)]
    labels = {alert.name: alert.labels for alert in alerts()}
    critical = [one for one in found if labels[one["alertname"]]["severity"] == "critical"]
    assert 0 < len(critical) <= MOST, critical
    assert {labels[one["alertname"]]["area"] for one in found} == {"operations"}, found
