"""For the floor, on a TV: few numbers, large, readable from across the room."""

from __future__ import annotations

from grafana import queries as q
from grafana.boards import shared
from grafana.panels import AMBER, GREEN, RED, Json, Query, dashboard, stat, table


def board() -> Json:
    return dashboard("wallboard", "Wallboard", __doc__ or "", _panels(), since="now-1h", refresh="15s")


def _panels() -> list[Json]:
    return [
        shared.data_age(),
        stat(
            "Service level, 30 minutes",
            "Are customers answered in time? Of the contacts that ended in the last 30 minutes, the part that did not "
            "wait longer than its own queue's threshold; a busy queue weighs more than a quiet one. Red below 70 %, "
            "amber below 80 %, the usual target of voice. Fewer than 10 contacts make no level.",
            Query(q.level()),
            unit="percentunit",
            steps=shared.SERVICE_LEVEL,
            missing="too few contacts",
        ),
        stat(
            "Waiting",
            "How many customers wait for an agent right now? It has no limit of its own, as ten are many for one site "
            "and few for another: how long they wait says whether it is too many.",
            Query(f"sum({q.WAITING})"),
            unit="short",
        ),
        stat(
            "Longest wait",
            "How long has the customer who waits longest been waiting? A call is amber from 20 s, orange from 60 s, "
            "red from 120 s: 1, 3 and 6 times the usual threshold; every channel is judged by its own queue's "
            "threshold beside it, as e-mail may wait for hours.",
            Query(
                f"max({q.queue('oldest_contact_age_seconds:max', _VOICE)}) "
                f"or (sum({q.queue('contacts_in_queue:max', _VOICE)}) == 0)",
                "Calls",
                unit="s",
                steps=((None, GREEN), (20, AMBER), (60, "orange"), (120, RED)),
            ),
            Query(
                f"max({q.OLDEST} / ({q.THRESHOLD} > 0)) or (sum({q.WAITING}) == 0)",
                "All channels, × threshold",
                unit="none",
                steps=shared.TIMES_THRESHOLD,
            ),
            unit="s",
            decimals=1,
        ),
        stat(
            "Available agents",
            "Could anybody take a contact right now? None is normal for moments while everybody is busy, and amber; it "
            "follows the routing profile chosen above, not the queue, as only profiles count each agent once.",
            Query(f"sum({q.raw_profile('agents_available')})"),
            unit="short",
            steps=((None, AMBER), (1, GREEN)),
            width=5,
        ),
        stat(
            "Staffed and not ready",
            "How many work, and how many are in a break or another status of their own? Some who are not ready still "
            "finish a contact. Red where nobody is staffed.",
            Query(f"sum({q.profile('agents_staffed:max')})", "Staffed", steps=((None, RED), (1, GREEN))),
            Query(f"sum({q.profile('agents_non_productive:max')})", "Not ready"),
            unit="short",
            width=5,
        ),
        stat(
            "In error",
            "Has an agent missed a contact and does not know that no further one will come? Red from one on: they look "
            "online and answer nobody until they reset their status.",
            Query(f"sum({q.profile('agents_error:max')})"),
            unit="short",
            steps=((None, GREEN), (1, RED)),
            width=4,
        ),
        stat(
            "Abandoned, 30 minutes",
            "Do customers give up? Abandoned per queued of half an hour that ended 15 minutes ago, when AWS's records "
            "were complete. Amber from 5 %, red from 8 %, where the alert begins. Fewer than 10 contacts make no "
            "share.",
            Query(q.abandoned()),
            unit="percentunit",
            steps=shared.SHARE_ABANDONED,
            width=5,
            decimals=1,
            missing="too few contacts",
        ),
        stat(
            "Callbacks scheduled",
            "How many customers were promised a call and are still in its initial delay? They are not among the "
            "waiting.",
            Query(f"sum({q.queue('contacts_scheduled:max')})"),
            unit="short",
            width=5,
        ),
        table(
            "Queues",
            f"Which queue needs help? The {q.MOST} queues in which most customers wait; a queue's name leads to all "
            "about it. Colours as above, shares from 10 contacts on; available agents may serve other queues too, so "
            "do not add them up.",
            *shared.queue_columns(),
            keys={"instance_alias": "Instance", "queue": "Queue", "channel": "Channel"},
            sort="Waiting",
            links={"Queue": shared.TO_QUEUE},
            height=11,
        ),
    ]


_VOICE = ', channel="VOICE"'
