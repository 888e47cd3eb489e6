"""What stands on more than one dashboard."""

from __future__ import annotations

from grafana import queries as q
from grafana.panels import AMBER, GREEN, RED, Json, Query, Steps, link, stat

TIMES_THRESHOLD: Steps = ((None, GREEN), (1, AMBER), (3, "orange"), (6, RED))
"""Of waits: 6 times the queue's own threshold is where the alert begins."""
SHARE_ABANDONED: Steps = ((None, GREEN), (0.05, AMBER), (0.08, RED))
SERVICE_LEVEL: Steps = ((None, RED), (0.7, AMBER), (0.8, GREEN))

TO_QUEUE = link(
    "All about this queue",
    "/d/amazon-connect-queue?${datasource:queryparam}&${job:queryparam}"
    "&var-instance_alias=${__data.fields.Instance:percentencode}&var-queue=${__data.fields.Queue:percentencode}"
    "&${__url_time_range}",
)


def data_age(width: int = 6, height: int = 5) -> Json:
    """The first panel of everything that shows operations: a frozen board is worse than a blank one."""
    return stat(
        "Age of the data",
        "Is what stands below true now? Seconds since AWS took the real-time values, of the instance that is furthest "
        "behind; since the last success where there are none any more. Up to a minute is normal: AWS renews them every "
        "15 seconds, then they are collected and scraped. Amber from 90 s; red from 5 minutes, when the exporter stops "
        "showing them.",
        Query(q.DATA_AGE),
        unit="s",
        steps=((None, GREEN), (90, AMBER), (300, RED)),
        width=width,
        height=height,
    )


def queue_columns() -> list[Query]:
    """Of a table of queues: those in which most contacts wait. Shares of too few contacts are left out."""
    return [
        Query(q.rows_of(expr, q.WAITING), name, unit=unit, steps=steps)
        for expr, name, unit, steps in (
            (q.WAITING, "Waiting", "short", None),
            (q.LONGEST, "Longest wait", "s", None),
            (q.TIMES_THRESHOLD, "× threshold", "none", TIMES_THRESHOLD),
            (q.queue("agents_staffed:max"), "Staffed", "short", ((None, RED), (1, GREEN))),
            (q.queue("agents_available:max"), "Available", "short", None),
            (q.LEVEL_30M, "Level 30m", "percentunit", SERVICE_LEVEL),
            (q.ABANDONED_30M, "Abandoned 30m", "percentunit", SHARE_ABANDONED),
        )
    ]
