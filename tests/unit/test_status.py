from __future__ import annotations

from exporter.model import Reason, Refusal
from exporter.status import _note
from exporter.telemetry import State
from tests.collectors.centre import target


def test_what_is_refused_at_several_levels_is_said_once_with_all_of_them() -> None:
    no = Reason.INVALID_REQUEST
    refusals = (
        *(Refusal(level, "metric", "SLOTS_ACTIVE", no) for level in ("queue", "instance")),
        Refusal("queue", "queue", "Sales", Reason.ACCESS_DENIED),
    )
    assert _note(State(target(), "acme", "current", 15.0, refusals=refusals)) == (
        "current carries on without what AWS refused: metric SLOTS_ACTIVE (invalid_request, by queue and instance), "
        "queue Sales (access_denied, by queue)"
    )
