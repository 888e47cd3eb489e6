from __future__ import annotations

from contextlib import closing
from pathlib import Path

import yaml

from exporter.app import App
from exporter.model import Reason
from exporter.settings import load
from exporter.telemetry import Discovery, State

TARGET = "2f9a3a3e-6c3c-4a4e-9d0c-3a3f7a0b1c2d"


def test_what_happens_while_a_page_is_being_made_is_on_the_next_one(tmp_path: Path) -> None:
    """A failure that is counted on one page and told on another looks like one that was not counted."""
    config = tmp_path / "config.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "aws": {"region": "eu-central-1"},
                "instances": [{"id": TARGET, "alias": "acme"}],
                "discovery": [{"regions": ["eu-west-2"]}],
            }
        )
    )
    app = App(load(config, {}))
    with closing(app.gateway):
        before = list(app.own_samples())
        taken_later = app.own_samples()
        known: list[State | Discovery] = [*app.engine.states(), *app.engine.discovery.values()]
        for each in known:
            each.success = True
            each.errors[Reason.THROTTLED] += 1
        after = list(app.own_samples())
        told = list(taken_later)
    assert told == before
    changed = {sample.name.rpartition("_exporter_")[2] for sample in set(after) - set(before)}
    assert changed == {"collector_success", "collector_errors_total", "discovery_success", "discovery_errors_total"}
