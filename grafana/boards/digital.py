"""For chat, tasks and e-mail, which are judged by other measures than calls, and for callbacks."""

from __future__ import annotations

from grafana import queries as q
from grafana.boards import shared
from grafana.panels import AMBER, DASHED, GREEN, RED, Json, Query, Steps, dashboard, lines, row, stat, table

_DIGITAL = ', channel=~"CHAT|TASK|EMAIL"'
_HOUR, _DAY = 3600, 86400


def board() -> Json:
    return dashboard("digital", "Digital and callbacks", __doc__ or "", _panels(), since="now-6h")


def _panels() -> list[Json]:
    waiting = q.queue("contacts_in_queue:max", _DIGITAL)
    oldest = q.queue("oldest_contact_age_seconds:max", _DIGITAL)
    return [
        shared.data_age(),
        _oldest("CHAT", "chat", "a minute", ((None, GREEN), (60, AMBER), (180, "orange"), (360, RED))),
        _oldest(
            "TASK",
            "task",
            "4 hours",
            ((None, GREEN), (4 * _HOUR, AMBER), (12 * _HOUR, "orange"), (24 * _HOUR, RED)),
        ),
        # No contact gets older than 7 days at AWS: 6 times a day would leave no room, so it is red from 5.
        _oldest("EMAIL", "e-mail", "a day", ((None, GREEN), (_DAY, AMBER), (3 * _DAY, "orange"), (5 * _DAY, RED))),
        *row(
            "Chat, tasks and e-mail",
            lines(
                "Waiting by channel",
                "How much work lies there? Contacts that wait for an agent, all queues together.",
                Query(f"sum by (channel) ({waiting})", "{{channel}}"),
                unit="short",
                width=8,
            ),
            lines(
                "Longest wait by queue, × threshold",
                f"Which queue does not keep up? Measured by each queue's own threshold, so that minutes of a chat and "
                f"hours of an e-mail can be compared. The {q.MOST} queues in which most waited; the alert begins at 6.",
                Query(
                    q.busiest(
                        f"{oldest} / ({q.THRESHOLD} > 0) or {waiting} == 0",
                        waiting,
                    ),
                    "{{queue}} {{channel}}",
                ),
                unit="none",
                steps=shared.TIMES_THRESHOLD,
                show_steps=True,
                width=8,
            ),
            lines(
                "Service level by channel, 30 minutes",
                "Is what came answered in time? By each queue's own threshold, queues weighted by their contacts. The "
                "usual targets are 80 to 90 %; fewer than 10 contacts make no level.",
                Query(
                    f"1 - sum by (channel) ({q.queue('service_level_missed:30m', _DIGITAL)}) "
                    f"/ (sum by (channel) ({q.queue('service_level_judged:30m', _DIGITAL)}) >= {q.ENOUGH})",
                    "{{channel}}",
                ),
                unit="percentunit",
                steps=shared.SERVICE_LEVEL,
                high=1,
                width=8,
            ),
            lines(
                "Slots by channel, largest queue",
                "How much more could agents take on? Of each channel the queue with most slots: a slot shows in every "
                "queue its agent serves, so they must not be added up. Channels share the capacity.",
                Query(f"max by (channel) ({q.queue('slots_active:max', _DIGITAL)})", "{{channel}} taken"),
                Query(
                    f"max by (channel) ({q.queue('slots_available:max', _DIGITAL)})", "{{channel}} free", style=DASHED
                ),
                unit="short",
            ),
            # Here: concurrency of chat agents, and the chat probe's success and time, once there are metrics of them.
            _queues(waiting),
        ),
        *row(
            "Callbacks",
            lines(
                "Callback backlog",
                "Do promised callbacks pile up? Those still in their initial delay; dashed, twice the mean of the "
                f"last 24 hours: above that, and above 20, a ticket is raised. The {q.MOST} queues with most.",
                Query(q.busiest(_SCHEDULED, _SCHEDULED), "{{queue}}"),
                Query(
                    q.busiest(f"2 * avg_over_time({_SCHEDULED}[1d])", _SCHEDULED),
                    "{{queue}} twice the day's mean",
                    style=DASHED,
                ),
                unit="short",
                steps=((None, GREEN), (20, AMBER)),
            ),
            lines(
                "Callbacks handled per half hour",
                "Are callbacks worked off? Those handled in the half hour before each bar, counted when they end and "
                "15 minutes late.",
                Query(f"sum({q.counted('callback_contacts_handled', '30m')})", "Handled", interval="30m"),
                unit="short",
                bar=True,
            ),
        ),
    ]


_SCHEDULED = q.queue("contacts_scheduled:max", ', channel="VOICE"')
"""Only calls are called back."""


def _oldest(channel: str, name: str, threshold: str, steps: Steps) -> Json:
    one = f', channel="{channel}"'
    factors = "1, 3 and 5" if channel == "EMAIL" else "1, 3 and 6"
    return stat(
        f"Longest wait of a {name}" if name != "e-mail" else "Longest wait of an e-mail",
        f"How long has the oldest {name} been waiting? Amber, orange and red from {factors} times {threshold}, the "
        "exporter's default threshold of this channel.",
        Query(
            f"max({q.queue('oldest_contact_age_seconds:max', one)}) "
            f"or (sum({q.queue('contacts_in_queue:max', one)}) == 0)"
        ),
        unit="s",
        steps=steps,
        missing="channel not served",
    )


def _queues(waiting: str) -> Json:
    oldest = q.queue("oldest_contact_age_seconds:max", _DIGITAL)
    columns = (
        (waiting, "Waiting", "short", None),
        (f"{oldest} or {waiting} == 0", "Longest wait", "s", None),
        (q.queue("slots_active:max", _DIGITAL), "Slots taken", "short", None),
        (q.queue("slots_available:max", _DIGITAL), "Slots free", "short", None),
        (
            q.queue("slots_used_per_slots:ratio", _DIGITAL),
            "Used",
            "percentunit",
            ((None, GREEN), (0.85, AMBER), (0.95, RED)),
        ),
    )
    return table(
        "Queues now",
        f"Which digital queue has no room left? The {q.MOST} in which most contacts wait.",
        *(Query(q.rows_of(expr, waiting), name, unit=unit, steps=steps) for expr, name, unit, steps in columns),
        keys={"instance_alias": "Instance", "queue": "Queue", "channel": "Channel"},
        sort="Waiting",
        links={"Queue": shared.TO_QUEUE},
        width=12,
        height=8,
    )
