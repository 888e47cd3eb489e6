"""Who hears of an incident: what was said at its height, in a real Prometheus that tells a real Alertmanager."""

from __future__ import annotations

import time
from pathlib import Path

from tests.rules import machines
from tests.scenarios.incidents import SCENARIOS, Scenario
from tests.scenarios.life import MINUTE, Page, lived
from tests.tools import wait_for

UNSTAFFED = {"Billing", "Sales", "Überweisungen"}
FOLLOWS = {"QueueOldestContactHigh", "QueueOldestContactCritical"}
"""What surely comes of an unstaffed queue; the service level's alerts may be there by then, and are silenced too."""
HEIGHT = 28
"""Minutes after everybody has begun to leave."""


def now_and_then(page: Page, moment: float) -> str:
    """The page, as if it were of now and not of then."""
    later = time.time() - moment
    lines = (
        f"{series} {value + later if 'timestamp_seconds' in series and value else value!r}"
        for series, value in page.items()
    )
    return "\n".join(lines) + "\n"


def everybody_left() -> Scenario:
    return next(one for one in SCENARIOS if one.name == "all voice queues lose their staff")


def test_staff_that_leaves_pages_once_a_queue_and_silences_what_follows_from_it(tmp_path: Path) -> None:
    story = everybody_left()
    height = story.lead + HEIGHT
    pages = lived(story.start, height + 1, story.acts())
    moment = story.start + height * MINUTE
    with (
        machines.page(lambda: now_and_then(pages[height], moment)) as exporter,
        machines.sink() as (sink, address),
        machines.alertmanager(tmp_path, address) as manager,
        machines.prometheus(tmp_path, manager.address, {machines.JOB: exporter}),
    ):

        def silenced() -> dict[tuple[str, str], bool]:
            found = ((dict(labels), quiet) for labels, quiet in manager.inhibited().items())
            return {
                (labels["alertname"].removeprefix("AmazonConnect"), labels["queue"]): quiet
                for labels, quiet in found
                if labels.get("queue") in UNSTAFFED
            }

        wanted = {("QueueUnstaffed", queue) for queue in UNSTAFFED}
        wanted |= {(name, queue) for name in FOLLOWS for queue in UNSTAFFED}
        wait_for(lambda: wanted <= silenced().keys(), "every alert at the Alertmanager", timeout=60)
        for (name, queue), quiet in silenced().items():
            assert quiet == (name != "QueueUnstaffed"), (name, queue)
        for queue in UNSTAFFED:
            wait_for(lambda q=queue: sink.got("pager", alertname="AmazonConnectQueueUnstaffed", queue=q), "the page")  # type: ignore[misc]
        told = {(alert["alertname"], alert.get("queue")) for sent in sink.sent.values() for alert in sent}
        assert told == {("AmazonConnectQueueUnstaffed", queue) for queue in UNSTAFFED}
