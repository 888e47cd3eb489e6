"""For the duty manager, and where everybody lands: what is wrong now, where, and since when."""

from __future__ import annotations

from grafana import queries as q
from grafana.boards import shared
from grafana.panels import (
    AMBER,
    BLUE,
    DASHED,
    GREEN,
    RED,
    Json,
    Query,
    dashboard,
    lines,
    row,
    table,
    timeline,
)


def board() -> Json:
    return dashboard("operations", "Operations", __doc__ or "", _panels(), since="now-6h")


# An alert need not have every label: absent() knows no job, a queue's alert no collector. Those without it count too.
_ALERTS = (
    'alertstate="firing", alertname=~"AmazonConnect.+", job=~"$job|", instance_alias=~"$instance_alias|", '
    'queue=~"$queue|", channel=~"$channel|", routing_profile=~"$routing_profile|"'
)
_NO_ALERT = 'label_replace(label_replace(vector(0), "alertname", "none", "", ""), "severity", "none", "", "")'
_BY_INSTANCE = "job, instance_alias"


def _panels() -> list[Json]:
    return [
        shared.data_age(width=4, height=8),
        _alerts(),
        _instances(),
        *row("Demand", _demand(), _by_channel(), _slots()),
        *row("Queues", _heat(), _states()),
        # Here: opening hours, as a band behind "Queues over time", once there is a metric of them.
    ]


def _alerts() -> Json:
    firing = f"count by (alertname, severity) (ALERTS{{{_ALERTS}}}) or on () {_NO_ALERT}"
    severities = {"critical": (RED, "critical"), "warning": (AMBER, "warning"), "info": (BLUE, "info")}
    mapping = {
        "type": "value",
        "options": {
            name: {"text": text, "color": color, "index": index}
            for index, (name, (color, text)) in enumerate({**severities, "none": (GREEN, "none")}.items())
        },
    }
    return table(
        "Firing alerts",
        "What has been found wrong, and does it page? One line for each alert of what is chosen above, with how many "
        "queues, profiles or collectors it is about; the runbook says what to do.",
        Query(f"topk({q.MOST}, {firing})", "How many"),
        keys={"alertname": "Alert", "severity": "Severity"},
        mappings={"Severity": [mapping]},
        width=8,
        height=8,
    )


def _instances() -> Json:
    waiting = f"sum by ({_BY_INSTANCE}) ({q.WAITING})"
    online = f"max by ({_BY_INSTANCE}) (amazon_connect_instance:agents_online:max{{{q.INSTANCE}}})"
    columns = (
        (waiting, "Waiting", "short", None),
        (
            f"max by ({_BY_INSTANCE}) ({q.OLDEST} / ({q.THRESHOLD} > 0)) or {waiting} == 0",
            "Longest, × threshold",
            "none",
            shared.TIMES_THRESHOLD,
        ),
        (online, "Online", "short", None),
        (
            f"max by ({_BY_INSTANCE}) (amazon_connect_instance:agents_staffed:max{{{q.INSTANCE}}})",
            "Staffed",
            "short",
            ((None, RED), (1, GREEN)),
        ),
        (
            f"max by ({_BY_INSTANCE}) (amazon_connect_instance:agents_available:max{{{q.INSTANCE}}})",
            "Available",
            "short",
            None,
        ),
        (q.level(_BY_INSTANCE), "Level 30m", "percentunit", shared.SERVICE_LEVEL),
        (q.abandoned(_BY_INSTANCE), "Abandoned 30m", "percentunit", shared.SHARE_ABANDONED),
    )
    return table(
        "Instances",
        "How is each contact centre now? Waits are judged by the queues' own thresholds; agents are the instance's "
        "head count, every one of them once.",
        *(
            Query(q.rows_of(expr, online, _BY_INSTANCE), name, unit=unit, steps=steps)
            for expr, name, unit, steps in columns
        ),
        keys={"instance_alias": "Instance"},
        sort="Longest, × threshold",
        width=12,
        height=8,
    )


def _demand() -> Json:
    return lines(
        "Contacts per half hour",
        "Is this day like last week's? Contacts offered to queues, handled and abandoned in the half hour before each "
        "point, counted when they end and 15 minutes late, as AWS completes its records after the contact.",
        Query(f"sum({q.queue('contacts_queued:increase30m')})", "Offered"),
        Query(f"sum({q.counted('contacts_handled', '30m')})", "Handled"),
        Query(f"sum({q.queue('contacts_abandoned:increase30m')})", "Abandoned"),
        Query(
            f"sum(amazon_connect_queue:contacts_queued:increase30m{{{q.QUEUE}}} offset 1w)",
            "Offered a week before",
            style=DASHED,
        ),
        unit="short",
        width=8,
    )


def _by_channel() -> Json:
    return lines(
        "Waiting by channel",
        "On which channel do customers wait? Calls want seconds, e-mail and tasks may wait for hours.",
        Query(f"sum by (channel) ({q.WAITING})", "{{channel}}"),
        unit="short",
        width=8,
    )


def _slots() -> Json:
    return lines(
        "Slots by channel, largest queue",
        "How much could agents still take? Of each channel the queue with most slots, as a slot shows in every queue "
        "its agent serves and must not be added up: an upper bound for one queue, not a total.",
        Query(f"max by (channel) ({q.queue('slots_available:max')})", "{{channel}} free"),
        Query(f"max by (channel) ({q.queue('slots_active:max')})", "{{channel}} taken", style=DASHED),
        unit="short",
        width=8,
    )


def _heat() -> Json:
    return table(
        "Queues now",
        f"Which queue is in trouble? The {q.MOST} queues in which most customers wait, coloured by wait against the "
        "queue's own threshold, service level and abandonment; a queue's name leads to all about it.",
        *shared.queue_columns(),
        keys={"instance_alias": "Instance", "queue": "Queue", "channel": "Channel"},
        sort="× threshold",
        links={"Queue": shared.TO_QUEUE},
    )


def _states() -> Json:
    waiting = q.WAITING
    unstaffed = f"{q.queue('agents_staffed:max')} == bool 0"
    state = f"({waiting} > bool 0) + ({waiting} > bool 0) * ({unstaffed})"
    return timeline(
        "Queues over time",
        f"When did customers wait, and was anybody working the queue? The {q.MOST} queues in which most waited in this "
        "range. Short waits are what queues are for; waiting with nobody staffed is what pages.",
        Query(q.busiest(state, waiting), "{{queue}} {{channel}}"),
        told={0: ("ok", GREEN), 1: ("waiting", AMBER), 2: ("waiting, nobody staffed", RED)},
        height=14,
    )
