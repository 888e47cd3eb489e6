"""For a supervisor: everything about each of the chosen queues. Choose a few."""

from __future__ import annotations

from grafana import queries as q
from grafana.boards import shared
from grafana.panels import AMBER, DASHED, GREEN, RED, RIGHT, Json, Query, dashboard, lines, row, stat


def board() -> Json:
    return dashboard("queue", "Queue", __doc__ or "", _panels(), since="now-6h")


def _panels() -> list[Json]:
    return [
        shared.data_age(),
        stat(
            "Waiting",
            "How many customers wait in the chosen queues now?",
            Query(f"sum({q.WAITING})"),
            unit="short",
        ),
        stat(
            "Longest wait, × threshold",
            "How long does anybody wait, measured by the queue's own service-level threshold? The alert begins at 6.",
            Query(f"max({q.OLDEST} / ({q.THRESHOLD} > 0)) or (sum({q.WAITING}) == 0)"),
            unit="none",
            steps=shared.TIMES_THRESHOLD,
            decimals=1,
        ),
        stat(
            "Service level, 30 minutes",
            "Are the customers of the chosen queues answered in time, each by its own queue's threshold? Red below 70 "
            "%, amber below 80 %.",
            Query(q.level()),
            unit="percentunit",
            steps=shared.SERVICE_LEVEL,
            missing="too few contacts",
        ),
        *row("$queue", *_of_a_queue(), repeat="queue"),
    ]


def _of_a_queue() -> list[Json]:
    return [
        lines(
            "Waiting, and the longest wait",
            "Does the queue grow, and for how long has its first customer been waiting? No line where AWS reports "
            "none.",
            Query(_each(q.WAITING), "{{instance_alias}} {{channel}} waiting"),
            Query(_each(q.OLDEST), "{{instance_alias}} {{channel}} longest", unit="s", style={**RIGHT, **DASHED}),
            unit="short",
            width=8,
        ),
        # Here: staffed − required, once there is a metric of required staff.
        lines(
            "Agents",
            "Is anybody working this queue, free or busy? An agent counts in every queue and channel they serve, so "
            "the lines must not be added up. None available is normal while everybody is busy; none staffed is not.",
            Query(_each(q.queue("agents_staffed:max")), "{{instance_alias}} {{channel}} staffed"),
            Query(_each(q.queue("agents_available:max")), "{{instance_alias}} {{channel}} available", style=DASHED),
            Query(_each(q.queue("agents_on_contact:max")), "{{instance_alias}} {{channel}} on a contact"),
            unit="short",
            width=8,
        ),
        lines(
            "Service level by threshold, 30 minutes",
            "How many are answered within each threshold that AWS is asked for? The dashed line is the queue's target, "
            "which holds at its own threshold. Half hours of 10 contacts or more.",
            Query(
                f"max by (instance_alias, channel, threshold_seconds) ({_LEVELS})",
                "{{instance_alias}} {{channel}} within {{threshold_seconds}} s",
            ),
            Query(
                _each(f"{q.queue('service_level_target_ratio:max')} and {q.WAITING}"),
                "{{instance_alias}} {{channel}} target",
                style=DASHED,
            ),
            unit="percentunit",
            high=1,
            width=8,
        ),
        lines(
            "Answer, handle and after-contact time, 30 minutes",
            "What takes the time: waiting for an agent, the conversation, or the work after it? Means of the contacts "
            "that ended in the last 30 minutes.",
            Query(_mean("queue_answer_time_seconds"), "{{instance_alias}} {{channel}} answer"),
            Query(_mean("handle_time_seconds"), "{{instance_alias}} {{channel}} handle"),
            Query(_mean("after_contact_work_time_seconds"), "{{instance_alias}} {{channel}} after contact"),
            unit="s",
            width=8,
        ),
        lines(
            "Contacts per half hour",
            "What became of those who came? Contacts of the half hour before each bar, counted when they end and 15 "
            "minutes late.",
            Query(f"sum({q.queue('contacts_queued:increase30m')})", "Queued", interval="30m"),
            Query(f"sum({q.counted('contacts_handled', '30m')})", "Handled", interval="30m"),
            Query(f"sum({q.queue('contacts_abandoned:increase30m')})", "Abandoned", interval="30m"),
            Query(f"sum({q.counted('contacts_transferred_out', '30m')})", "Transferred out", interval="30m"),
            unit="short",
            bar=True,
            width=8,
        ),
        lines(
            "When customers give up, 30 minutes",
            "Do they give up before or after the moment by which they should have been answered? Mean wait of those "
            "who abandoned; dashed, the queue's threshold. Below it, an announcement drives them away rather than the "
            "wait.",
            Query(_mean("abandon_time_seconds"), "{{instance_alias}} {{channel}} gave up after"),
            Query(_each(f"{q.THRESHOLD} and {_GIVEN_UP}"), "{{instance_alias}} {{channel}} threshold", style=DASHED),
            unit="s",
            width=8,
        ),
        lines(
            "Slots used, and occupancy",
            "Is there room for one more contact, and do agents have a pause? Slots that hold a contact, of all slots: "
            "above 95 % with contacts waiting there is none. Dashed, the part of 30 minutes that agents were on "
            "contacts: for voice 75 to 85 % is healthy, and above 90 % for long, handle times and absences rise.",
            Query(_each(q.queue("slots_used_per_slots:ratio")), "{{instance_alias}} {{channel}} slots"),
            Query(_mean("occupancy_ratio"), "{{instance_alias}} {{channel}} occupancy", style=DASHED),
            unit="percentunit",
            steps=((None, GREEN), (0.85, AMBER), (0.95, RED)),
            high=1,
            width=8,
        ),
        lines(
            "Abandoned, and offers let pass",
            "Do customers give up, and do agents take what they are offered? Shares of the half hour before each "
            "point, 15 minutes late; the alerts begin at 8 % and 10 % of 20 contacts, the lines at 10 contacts.",
            Query(_each(q.ABANDONED_30M), "{{instance_alias}} {{channel}} abandoned"),
            Query(_each(q.LET_PASS_30M), "{{instance_alias}} {{channel}} let pass", style=DASHED),
            unit="percentunit",
            steps=((None, GREEN), (0.08, AMBER), (0.2, RED)),
            high=1,
            width=8,
        ),
        lines(
            "Callbacks",
            "Are callbacks kept up with? Those promised and still in their initial delay, and those handled in the "
            "half hour before each point.",
            Query(f"sum({q.queue('contacts_scheduled:max')})", "Scheduled"),
            Query(f"sum({q.counted('callback_contacts_handled', '30m')})", "Handled per half hour", style=DASHED),
            unit="short",
            width=8,
        ),
        lines(
            "Today, and a week before",
            "Is today busier than the same day last week? Contacts queued since midnight of the instance's time zone.",
            Query(f"sum({q.queue('recent_contacts_queued:today')})", "Today"),
            Query(
                f"sum(amazon_connect_queue:recent_contacts_queued:today{{{q.QUEUE}}} offset 1w)",
                "A week before",
                style=DASHED,
            ),
            unit="short",
        ),
        lines(
            "Error budget burned, 30 minutes",
            "How fast is the service level's error budget spent? 1 spends exactly what the target allows, 3 with 20 "
            "contacts or more pages.",
            Query(_each(q.BURN_30M), "{{instance_alias}} {{channel}}"),
            unit="short",
            steps=((None, GREEN), (1, AMBER), (3, RED)),
            show_steps=True,
        ),
    ]


_LEVELS = q.enough(
    f'amazon_connect_queue_recent_service_level_ratio{{{q.QUEUE}, window="30m"}}', "recent_contacts_queued:30m"
)
_GIVEN_UP = (
    f'on ({q.BY_QUEUE}) max_over_time(amazon_connect_queue_recent_abandon_time_seconds{{{q.QUEUE}, window="30m"}}'
    "[$__range] @ end())"
)
"""Queues and channels that somebody left in the dashboard's range: nobody waits for the others' thresholds here."""


def _each(expr: str) -> str:
    """One line for each queue and channel: instances may have queues of one name."""
    return f"max by (instance_alias, channel) ({expr})"


def _mean(name: str) -> str:
    return _each(f'amazon_connect_queue_recent_{name}{{{q.QUEUE}, window="30m"}}')
