"""PromQL that several dashboards share. Everything here is text with Grafana's variables in it.

- Contacts are added up over queues and channels; agents and slots never are, as one agent serves many. Head counts come
  from routing profiles, which an agent has exactly one of.
- Recorded series (rules/recording.yaml) are one of each already; a metric that is not recorded begins with `max by`, as
  two replicas are scraped during a roll-out.
- What AWS does not tell is absent, and stays absent: no `or vector(0)`.
"""

from __future__ import annotations

JOB = 'job=~"$job"'
INSTANCE = f'{JOB}, instance_alias=~"$instance_alias"'
CHANNEL = f'{INSTANCE}, channel=~"$channel"'
QUEUE = f'{INSTANCE}, queue=~"$queue", channel=~"$channel"'
PROFILE = f'{INSTANCE}, routing_profile=~"$routing_profile"'
BY_QUEUE = "job, instance_alias, queue, channel"
BY_PROFILE = "job, instance_alias, routing_profile"

ENOUGH = 10
"""Contacts from which a share says something: of fewer, each is more than 10 %, and at night one of one is 100 %."""
MOST = 25
"""Series of a graph and rows of a table: more nobody reads, and a centre may have a thousand queues."""


def queue(name: str, more: str = "") -> str:
    """A recorded series by queue and channel: `contacts_in_queue:max`."""
    return f"amazon_connect_queue:{name}{{{QUEUE}{more}}}"


def profile(name: str) -> str:
    """A recorded series by routing profile."""
    return f"amazon_connect_routing_profile:{name}{{{PROFILE}}}"


def raw_queue(name: str, more: str = "") -> str:
    """A metric by queue and channel that is not recorded."""
    return f"max by ({BY_QUEUE}) (amazon_connect_queue_{name}{{{QUEUE}{more}}})"


def raw_profile(name: str) -> str:
    return f"max by ({BY_PROFILE}) (amazon_connect_routing_profile_{name}{{{PROFILE}}})"


def counted(name: str, window: str, offset: str = "", more: str = "") -> str:
    """Contacts by queue and channel that a counter rose by."""
    moved = f" offset {offset}" if offset else ""
    return f"max by ({BY_QUEUE}) (increase(amazon_connect_queue_{name}_total{{{QUEUE}{more}}}[{window}]{moved}))"


WAITING = queue("contacts_in_queue:max")
OLDEST = queue("oldest_contact_age_seconds:max")
THRESHOLD = queue("service_level_threshold_seconds:max")
LONGEST = f"{OLDEST} or {WAITING} == 0"
"""0 where nobody waits; nothing where nothing is known."""
TIMES_THRESHOLD = f"{OLDEST} / ({THRESHOLD} > 0) or {WAITING} == 0"
"""The same, measured by the queue's own threshold."""

DATA_AGE = (
    "time() - min("
    f'max by (job, instance_alias) (amazon_connect_data_snapshot_timestamp_seconds{{{INSTANCE}, level="queue"}}) '
    "or max by (job, instance_alias) "
    f'(amazon_connect_exporter:collector_last_success_timestamp_seconds:max{{{INSTANCE}, collector="current"}}))'
)
"""Of the instance that is furthest behind. One that has been silent for max_age has no snapshot any more, and must not
be left out of the judgement for that."""


def level(by: str = "") -> str:
    """Service level of 30 minutes: contacts of several queues weigh alike, each judged by its own queue's threshold."""
    missed, judged = queue("service_level_missed:30m"), queue("service_level_judged:30m")
    return f"1 - {_sum(missed, by)} / ({_sum(judged, by)} >= {ENOUGH})"


def abandoned(by: str = "") -> str:
    """Abandoned per queued of 30 minutes."""
    lost, all_ = queue("contacts_abandoned:increase30m"), queue("contacts_queued:increase30m")
    return f"{_sum(lost, by)} / ({_sum(all_, by)} >= {ENOUGH})"


def enough(share: str, volume: str) -> str:
    """A share by queue and channel where there are contacts enough of the recorded series `volume`."""
    return f"{share} and on ({BY_QUEUE}) {queue(volume)} >= {ENOUGH}"


LEVEL_30M = enough(queue("service_level_ratio:30m"), "recent_contacts_queued:30m")
BURN_30M = enough(queue("service_level_burn:30m"), "recent_contacts_queued:30m")
ABANDONED_30M = enough(queue("abandoned_per_queued:ratio30m"), "contacts_queued:increase30m")
LET_PASS_30M = enough(queue("missed_per_offered:ratio30m"), "contacts_offered:increase30m")


def _sum(expr: str, by: str) -> str:
    return f"sum by ({by}) ({expr})" if by else f"sum({expr})"


def rows_of(expr: str, chosen: str, by: str = BY_QUEUE) -> str:
    """A table's column: `expr` for the rows that `chosen`, the same in every column, has most of.

    With `max by` every column has the same labels, and no name: Grafana makes one row of what is the same in both.
    """
    return f"max by ({by}) ({expr}) and on ({by}) topk({MOST}, {chosen})"


def busiest(expr: str, judged_by: str, by: str = BY_QUEUE) -> str:
    """A graph's series: those in which `judged_by` rose highest in the dashboard's range, the same at every step."""
    return f"max by ({by}) ({expr}) and on ({by}) topk({MOST}, max_over_time({judged_by}[$__range] @ end()))"
