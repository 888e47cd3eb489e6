"""For workforce management: who is there, who is free, and who is overworked."""

from __future__ import annotations

from grafana import queries as q
from grafana.boards import shared
from grafana.panels import AMBER, BLUE, DASHED, GREEN, RED, Json, Query, dashboard, lines, table

_STATES = {
    "Online": "agents_online",
    "Staffed": "agents_staffed",
    "On a contact": "agents_on_contact",
    "Available": "agents_available",
    "Not ready": "agents_non_productive",
    "In error": "agents_error",
}


def board() -> Json:
    return dashboard("agents", "Agents and staffing", __doc__ or "", _panels(), since="now-6h")


def _panels() -> list[Json]:
    return [
        shared.data_age(width=4, height=9),
        _profiles(),
        lines(
            "Agents by state",
            "Who is there, and what do they do? True head counts, from routing profiles. Lines and not a pile: "
            "somebody who is not ready may still be on a contact, so the states overlap.",
            *(Query(f"sum({q.raw_profile(name)})", state) for state, name in _STATES.items()),
            unit="short",
        ),
        lines(
            "Staffed and available by routing profile",
            "Which team has nobody left to answer? Solid: at work; dashed: free for a contact now.",
            Query(_busiest(q.profile("agents_staffed:max"), "agents_staffed:max"), "{{routing_profile}} staffed"),
            Query(
                _busiest(q.raw_profile("agents_available"), "agents_staffed:max"),
                "{{routing_profile}} available",
                style=DASHED,
            ),
            unit="short",
        ),
        # Here: staffing gap, required − staffed by routing profile, once there is a metric of required staff.
        lines(
            "Occupancy of voice queues, 30 minutes",
            "Are agents idle or overworked? Part of their online time on contacts. 75 to 85 % is healthy; above 90 % "
            "for long, handle times and absences rise. Voice only: one chat of the five somebody could take counts as "
            "busy.",
            Query(
                q.busiest(
                    q.raw_queue("recent_occupancy_ratio", ', window="30m", channel="VOICE"'),
                    q.queue("recent_contacts_queued:30m"),
                ),
                "{{queue}}",
            ),
            unit="percentunit",
            steps=((None, BLUE), (0.75, GREEN), (0.85, AMBER), (0.9, RED)),
            show_steps=True,
            high=1,
        ),
        lines(
            "Slots used by routing profile",
            "Is there room for one more contact? Slots that hold a contact, of all slots; above 95 % with contacts "
            "waiting there is none. Channels share an agent's capacity.",
            Query(_busiest(q.profile("slots_used_per_slots:ratio"), "agents_staffed:max"), "{{routing_profile}}"),
            unit="percentunit",
            steps=((None, GREEN), (0.85, AMBER), (0.95, RED)),
            show_steps=True,
            high=1,
        ),
        lines(
            "Not ready by routing profile",
            "Are too many away at once? Part of those online who are in a break or another custom status. The alert "
            "begins at 40 % while contacts wait.",
            Query(
                _busiest(q.profile("agents_non_productive_per_online:ratio"), "agents_online:max"),
                "{{routing_profile}}",
            ),
            unit="percentunit",
            steps=((None, GREEN), (0.25, AMBER), (0.4, RED)),
            show_steps=True,
            high=1,
            width=8,
        ),
        lines(
            "In error by routing profile",
            "Who gets no contacts without knowing it? Agents who missed or rejected a contact and have not reset their "
            "status since. One is a person to talk to; many at once are a fault of network, browser or telephony.",
            Query(_busiest(q.profile("agents_error:max"), "agents_online:max"), "{{routing_profile}}"),
            unit="short",
            steps=((None, GREEN), (1, RED)),
            width=8,
        ),
        lines(
            "Offers let pass, 30 minutes",
            "Do agents accept what they are offered? Missed per offered contacts of the half hour before each point, "
            "15 minutes late; one contact counts again for every agent who misses it. The alert begins at 10 % of 20, "
            "the lines at 10 contacts.",
            Query(
                q.busiest(q.LET_PASS_30M, q.queue("contacts_offered:increase30m")),
                "{{queue}} {{channel}}",
            ),
            unit="percentunit",
            steps=((None, GREEN), (0.05, AMBER), (0.1, RED)),
            show_steps=True,
            width=8,
        ),
    ]


def _profiles() -> Json:
    staffed = q.profile("agents_staffed:max")
    not_ready: tuple[tuple[float | None, str], ...] = ((None, GREEN), (0.25, AMBER), (0.4, RED))
    columns = (
        (q.profile("agents_online:max"), "Online", "short", None),
        (staffed, "Staffed", "short", None),
        (q.raw_profile("agents_on_contact"), "On a contact", "short", None),
        (q.raw_profile("agents_available"), "Available", "short", None),
        (q.profile("agents_non_productive_per_online:ratio"), "Not ready", "percentunit", not_ready),
        (q.profile("agents_error:max"), "In error", "short", ((None, GREEN), (1, RED))),
        (
            q.profile("slots_used_per_slots:ratio"),
            "Slots used",
            "percentunit",
            ((None, GREEN), (0.85, AMBER), (0.95, RED)),
        ),
        (q.profile("contacts_in_queue:max"), "Waiting for them", "short", None),
    )
    return table(
        "Routing profiles now",
        f"Which team is short? The {q.MOST} routing profiles with most agents staffed. The waiting contacts of a queue "
        "that several profiles serve show in each, so that column does not add up; the agents' do.",
        *(
            Query(q.rows_of(expr, staffed, q.BY_PROFILE), name, unit=unit, steps=steps)
            for expr, name, unit, steps in columns
        ),
        keys={"instance_alias": "Instance", "routing_profile": "Routing profile"},
        sort="Waiting for them",
        width=20,
        height=9,
    )


def _busiest(expr: str, by: str) -> str:
    return q.busiest(expr, q.profile(by), q.BY_PROFILE)
