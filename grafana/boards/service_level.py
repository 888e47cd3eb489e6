"""For who answers for the service level: by day and queue, what it costs, and how it moves."""

from __future__ import annotations

from grafana import queries as q
from grafana.boards import shared
from grafana.panels import (
    AMBER,
    COLUMNS,
    DASHED,
    GREEN,
    RED,
    Json,
    Query,
    bars,
    cells,
    dashboard,
    lines,
    table,
)

_MISSED = q.queue("service_level_missed:30m")
_JUDGED = q.queue("service_level_judged:30m")
_ENOUGH = 20
"""Contacts of half an hour from which its level says something."""
_DAYS = ("Last 24 h", "1 day before", *(f"{days} days before" for days in range(2, 7)))


def board() -> Json:
    return dashboard("service-level", "Service level and trends", __doc__ or "", _panels(), since="now-7d")


def _panels() -> list[Json]:
    return [
        shared.data_age(width=4, height=10),
        cells(
            "Service level by day",
            "On which day did which queue miss its level? Each cell is of the 24 hours before the time it stands at, "
            "its half hours weighted by their contacts, each contact judged by its own queue's threshold.",
            Query(
                q.busiest(
                    q.enough(
                        f"(1 - sum_over_time({_MISSED}[1d]) / (sum_over_time({_JUDGED}[1d]) > 0))",
                        "contacts_queued:sum1d",
                    ),
                    q.queue("contacts_queued:sum1d"),
                ),
                "{{queue}} {{channel}}",
                interval="1d",
            ),
            unit="percentunit",
            steps=shared.SERVICE_LEVEL,
            width=20,
        ),
        _worst(),
        bars(
            "Today's error budget left",
            "How much may still go wrong today? The part of today's contacts that may wait too long while the target "
            "holds, less what has; below 0 the rest of the day has to make up for it. It counts from midnight of the "
            "instance's time zone.",
            Query(
                f"bottomk({q.MOST}, (1 - {q.queue('service_level_burn:today')}) "
                f"and on ({q.BY_QUEUE}) topk({q.MOST}, {q.queue('recent_contacts_queued:today')} >= {q.ENOUGH}))",
                "{{queue}} {{channel}}",
            ),
            unit="percentunit",
            steps=((None, RED), (0, AMBER), (0.25, GREEN)),
            low=-1,
            high=1,
        ),
        lines(
            "Burn over 2 hours",
            "How fast is the error budget spent? 1 spends exactly what the target allows; 1.5 for two hours raises a "
            "ticket. It can not exceed 1 / (1 − target): 5 for a target of 80 %.",
            Query(
                q.busiest(
                    q.enough(q.queue("service_level_burn:2h"), "contacts_queued:increase2h"),
                    q.queue("contacts_queued:sum1d"),
                ),
                "{{queue}} {{channel}}",
            ),
            unit="short",
            steps=((None, GREEN), (1, AMBER), (1.5, RED)),
            show_steps=True,
            width=8,
        ),
        lines(
            "Burn over 30 minutes",
            "Does the level collapse right now? 1 spends the day's budget exactly, 3 with 20 contacts or more pages.",
            Query(q.busiest(q.BURN_30M, q.queue("contacts_queued:sum1d")), "{{queue}} {{channel}}"),
            unit="short",
            steps=((None, GREEN), (1, AMBER), (3, RED)),
            show_steps=True,
            width=8,
        ),
        lines(
            "Abandoned, 24 hours",
            "Do more customers give up than they used to? Abandoned per queued of the 24 hours before each point; 5 % "
            "is what most plan for, and above 8 % in half an hour a ticket is raised.",
            Query(
                q.busiest(
                    q.enough(q.queue("abandoned_per_queued:ratio1d"), "contacts_queued:sum1d"),
                    q.queue("contacts_queued:sum1d"),
                ),
                "{{queue}} {{channel}}",
            ),
            Query(
                f"sum({q.queue('contacts_abandoned:sum1d')}) / (sum({q.queue('contacts_queued:sum1d')}) > 0)",
                "All of them",
                style={"lineWidth": 3},
            ),
            unit="percentunit",
            steps=shared.SHARE_ABANDONED,
            show_steps=True,
            width=8,
        ),
        cells(
            "Demand by hour and day",
            "When do customers come? Contacts of the hour before each cell; a line is a day, so the lines from below "
            "are the same hours on the days before.",
            *(
                Query(f"sum({q.counted('contacts_queued', '1h', f'{day}d' if day else '')})", name, interval="1h")
                for day, name in enumerate(_DAYS)
            ),
            unit="short",
            scheme="continuous-BlPu",
            last="24h",
            width=COLUMNS,
        ),
        lines(
            "Handle time by channel",
            "Do conversations grow longer? Mean of the day so far, queues weighted by what they handled; dashed, a "
            "week before. A slow rise is a new process or tool, a jump a fault.",
            Query(_handle_time(""), "{{channel}}"),
            Query(_handle_time(" offset 1w"), "{{channel}} a week before", style=DASHED),
            unit="s",
        ),
        lines(
            "Contacts in 24 hours, week over week",
            "Does demand grow? Contacts of the 24 hours before each point, and of the same a week before; it begins "
            "once Prometheus has kept a week.",
            Query(f"sum({q.queue('contacts_queued:sum1d')})", "This week"),
            Query(
                f"sum(amazon_connect_queue:contacts_queued:sum1d{{{q.QUEUE}}} offset 1w)", "A week before", style=DASHED
            ),
            unit="short",
        ),
    ]


def _worst() -> Json:
    level, target = q.queue("service_level_ratio:30m"), q.queue("service_level_target_ratio:max")
    enough = f"{_JUDGED} >= {_ENOUGH}"
    below = f"count_over_time(({level} < {target} and {enough})[$__range:30m])"
    missed = f"sum_over_time({_MISSED}[$__range:30m])"
    columns = (
        (missed, "Missed", "short", None),
        (below, "Half hours below target", "short", None),
        (f"min_over_time(({level} and {enough})[$__range:30m])", "Worst", "percentunit", shared.SERVICE_LEVEL),
    )
    return table(
        "Worst half hours",
        f"Where was it worst in this range? The {q.MOST} queues that missed the level most often: contacts that waited "
        f"too long, full and half hours with {_ENOUGH} contacts or more that were below target, and the worst of them.",
        *(Query(q.rows_of(expr, missed), name, unit=unit, steps=steps) for expr, name, unit, steps in columns),
        keys={"instance_alias": "Instance", "queue": "Queue", "channel": "Channel"},
        sort="Missed",
        links={"Queue": shared.TO_QUEUE},
        width=12,
        height=8,
    )


def _handle_time(offset: str) -> str:
    def today(name: str) -> str:
        selector = f'amazon_connect_queue_recent_{name}{{{q.QUEUE}, window="today"}}{offset}'
        return f"max by ({q.BY_QUEUE}) ({selector})"

    handled = today("contacts_handled")
    return (
        f"sum by (channel) ({today('handle_time_seconds')} * {handled}) "
        f"/ (sum by (channel) ({handled} and {today('handle_time_seconds')}) > 0)"
    )
