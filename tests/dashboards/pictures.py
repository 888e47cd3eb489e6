"""`python -m tests.dashboards.pictures`: writes grafana/pictures/*.png, of a simulated day with one rushed queue."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import promql_parser

from grafana import build, plot
from tests.dashboards.ask import asked
from tests.dashboards.lived import DAY, HOUR, Life, lived, prometheus_of, rules, steps
from tests.dashboards.promql import names, substituted

END = datetime(2026, 9, 29, 0, tzinfo=UTC).timestamp()
INCIDENT = (END - DAY + 15 * HOUR, END - DAY + 16.5 * HOUR)
QUEUE, FACTOR = "Billing", 4.0


def story(life: Life) -> None:
    """Four times the usual calls for an hour and a half."""
    instance = life.world.instances[0]
    queue = next(queue for queue in instance.queues if queue.name == QUEUE)
    for moment, factor in zip(INCIDENT, (FACTOR, 1.0), strict=True):
        if life.now == moment:
            life.world.surge(instance.id, queue.id, factor)


def main() -> int:
    wanted = {
        name for dashboard in build.dashboards() for one in asked(dashboard) for name in _named(one.target["expr"])
    }
    wanted |= {name for expr in rules().values() for name in _named(expr)}
    spans = ((END - DAY - 3 * HOUR, END, plot.STEP),)
    series = lived(Life(spans[0][0], frozenset(wanted)), steps(*spans), story)
    day = plot.Day(END, {"queue": QUEUE}, INCIDENT, f"“{QUEUE}” gets {FACTOR:g} times its usual contacts")
    with tempfile.TemporaryDirectory() as scratch, prometheus_of(Path(scratch), series, spans) as server:
        found = plot.pictures(plot.asking(server.url), day)
    plot.write(found)
    sys.stdout.writelines(f"{name}: {len(picture) // 1000} kB\n" for name, picture in found.items())
    return 0


def _named(expr: str) -> frozenset[str]:
    return names(promql_parser.parse(substituted(expr)))


if __name__ == "__main__":
    sys.exit(main())
