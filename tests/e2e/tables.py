"""Tables for the other Amazon Connect, and by hand what must come of them on /metrics."""

from __future__ import annotations

import random

from tests.e2e.daemon import Labels, Series, labels
from tests.e2e.other_connect import CHANNELS, Instance, Profile, Values

# By hand from the contract: the API's name to the rest of the metric's name.
NAMES = {
    "AGENTS_ONLINE": "agents_online",
    "AGENTS_AVAILABLE": "agents_available",
    "AGENTS_ON_CALL": "agents_on_call",
    "AGENTS_NON_PRODUCTIVE": "agents_non_productive",
    "AGENTS_AFTER_CONTACT_WORK": "agents_after_contact_work",
    "AGENTS_ERROR": "agents_error",
    "AGENTS_STAFFED": "agents_staffed",
    "AGENTS_ON_CONTACT": "agents_on_contact",
    "CONTACTS_IN_QUEUE": "contacts_in_queue",
    "CONTACTS_SCHEDULED": "contacts_scheduled",
    "SLOTS_ACTIVE": "slots_active",
    "SLOTS_AVAILABLE": "slots_available",
    "OLDEST_CONTACT_AGE": "oldest_contact_age_seconds",
    "ESTIMATED_WAIT_TIME": "estimated_wait_time_seconds",
}
ONLY_IF_LISTED = "AGENTS_ON_CALL"
COUNTS = [name for name in NAMES if name not in ("OLDEST_CONTACT_AGE", "ESTIMATED_WAIT_TIME", ONLY_IF_LISTED)]
DEFAULT_LEVELS = ["queue", "routing_profile", "instance"]
LEVELS = ["queue", "routing_profile", "instance", "agent_status", "queue_all_channels"]

HOSTILE = (
    'quotes "inside" and at the end"',
    "back\\slash",
    "ends with a backslash\\",
    "\\n is not a newline",
    "a newline\nin the middle",
    "\n",
    "carriage\rreturn",
    "tab\tand\vand\f",
    "📞☎️ 👩‍👩‍👧 emoji",
    "مكالمات واردة",
    "\u202eright to left override\u202c",
    " leading blank",
    "trailing blank ",
    "  ",
    "{}",
    '{queue="other"} 1',
    '",channel="VOICE',
    "# HELP amazon_connect_queue_agents_online",
    "# EOF",
    "nan",
    "NaN",
    "+Inf",
    "null",
    "None",
    "0",
    "Sales",
    "sales",
    "SALES",
    "Straße",
    "STRASSE",
    "e\u0301 decomposed",
    "\u00e9 composed",
    "line\u2028separator",
    "next\u0085line",
    "nul\x00byte",
    "zero\u200bwidth",
    "\ufeffbyte order mark",
    "<script>alert(1)</script>",
    "a,b=c;d",
    "%s %(x)s {0}",
    "$(reboot) `reboot` ${HOME}",
    "x" * 256,
    "\U0001f4a9" * 128,
    "=cmd|' /C calc'!A0",
)


def instance(number: int, queues: int, profiles: int, chance: random.Random, alias: str = "") -> Instance:
    """Hostile names, every kind of answer: values, nulls, metrics left out, queues without a row."""
    names = [*HOSTILE, *(f"Queue {n}" for n in range(queues))][:queues]
    one = Instance(
        id=f"{number:08x}-0000-4000-8000-000000000000",
        alias=alias or f"centre-{number}",
        queues={f"{number:02x}{n:06x}-1111-4000-8000-0123456789ab": name for n, name in enumerate(names)},
        agent_queues=tuple(f"{number:02x}{n:06x}-2222-4000-8000-0123456789ab" for n in range(7)),
        statuses={f"5747{n:04x}-3333-4000-8000-0123456789ab": n_ for n, n_ in enumerate(["Lunch", 'Re"st\\', "休憩"])},
        snapshot=1_800_000_000.0 + number + 0.125,
    )
    pairs = [(queue, channel) for queue in one.queues for channel in CHANNELS]
    for n in range(profiles):
        served = frozenset(chance.sample(pairs, len(pairs) // 12))
        name = names[(n * 3) % len(names)][:127]
        one.profiles[f"{number:02x}{n:06x}-4444-4000-8000-0123456789ab"] = Profile(f"{name}|{n}"[:127], served)
    one.by_channel = {pair: values(chance) for pair in pairs if chance.random() < 0.6}
    one.by_queue = {queue: values(chance) for queue in one.queues if chance.random() < 0.8}
    one.by_profile = {profile: values(chance) for profile in list(one.profiles)[:-1]}
    one.by_status = {
        (queue, status): {"AGENTS_ONLINE": float(chance.randrange(50))}
        for queue in one.queues
        for status in one.statuses
        if chance.random() < 0.5
    }
    one.ungrouped = {**values(chance, whole=True), "OLDEST_CONTACT_AGE": 604_800_000.0, "SLOTS_ACTIVE": None}
    return one


def values(chance: random.Random, whole: bool = False) -> Values:
    """All 14, a few of them null, now and then one left out."""
    found: dict[str, float | None] = {}
    for name in NAMES:
        draw = 1.0 if whole else chance.random()
        if draw < 0.15:
            found[name] = None
        elif draw > 0.2:
            found[name] = chance.choice((0.0, float(chance.randrange(1000)), chance.randrange(8000) / 8, 604_800.0))
    return found


def samples(level: str, where: Labels, row: Values, listed: bool) -> Series:
    """What one row must become. The wait that AWS estimates exists by queue and channel only."""
    return {
        (f"amazon_connect_{level}_{NAMES[name]}", where): value
        for name, value in row.items()
        if value is not None
        and (listed or name != ONLY_IF_LISTED)
        and (level == "queue" or name != "ESTIMATED_WAIT_TIME")
    }


def expected(one: Instance, levels: list[str] = DEFAULT_LEVELS, fill: str = "served", listed: bool = False) -> Series:
    """Every sample about one instance, by hand from its tables."""
    me = {"instance_alias": one.alias}
    wanted: Series = {}
    served = frozenset().union(*(profile.serves for profile in one.profiles.values()))
    for queue, name in one.queues.items():
        wanted["amazon_connect_queue_info", labels(**me, queue=name, queue_id=queue)] = 1
        for channel in CHANNELS:
            where = labels(**me, queue=name, channel=channel)
            if (queue, channel) in one.by_channel:
                wanted |= samples("queue", where, one.by_channel[queue, channel], listed)
            elif fill == "all" or (fill == "served" and (queue, channel) in served):
                counts = [*COUNTS, ONLY_IF_LISTED] if listed else COUNTS
                wanted |= samples("queue", where, dict.fromkeys(counts, 0.0), listed)
        if "queue_all_channels" in levels:
            where = labels(**me, queue=name)
            wanted |= samples("queue_all_channels", where, one.by_queue.get(queue, {}), listed)
        for status, word in one.statuses.items():
            where = labels(**me, queue=name, agent_status=word)
            if "agent_status" in levels and (queue, status) in one.by_status:
                wanted |= samples("agent_status", where, one.by_status[queue, status], listed)
    for identity, profile in one.profiles.items():
        where = labels(**me, routing_profile=profile.name)
        wanted |= samples("routing_profile", where, one.by_profile.get(identity, {}), listed)
        info = labels(**me, routing_profile=profile.name, routing_profile_id=identity)
        wanted["amazon_connect_routing_profile_info", info] = 1
    wanted |= samples("instance", labels(**me), one.ungrouped, listed)
    ages = [row.get("OLDEST_CONTACT_AGE") for row in one.by_channel.values()]
    wanted["amazon_connect_instance_oldest_contact_age_seconds", labels(**me)] = max(a for a in ages if a is not None)
    about = labels(**me, instance_id=one.id, instance_arn=one.arn, account_id=one.account, region=one.region)
    wanted["amazon_connect_instance_info", about] = 1
    for level in levels:
        assert one.snapshot is not None
        wanted["amazon_connect_data_snapshot_timestamp_seconds", labels(**me, level=level)] = one.snapshot
    return wanted
