"""Real-time values: what `GetCurrentMetricData` answers, by level.

Names, units and which metric exists at which level follow the model of the API: ESTIMATED_WAIT_TIME is answered by
queue and channel only, the grouping AGENT_STATUS for AGENTS_ONLINE only. Seconds are seconds throughout: the one answer
in milliseconds, OLDEST_CONTACT_AGE without grouping, is never asked for; the instance level takes the maximum over its
queues instead.
"""

from __future__ import annotations

from exporter.catalogue.spec import (
    AGENT_STATUS,
    INSTANCE,
    QUEUE,
    QUEUE_ALL_CHANNELS,
    ROUTING_PROFILE,
    Level,
    Spec,
    Unit,
)

CURRENT: tuple[Spec, ...] = (
    Spec(
        name="amazon_connect_queue_agents_online",
        help=(
            "Agents in any status but Offline who serve this queue on this channel; one who has just gone Offline "
            "can linger for about 5 minutes. Never sum over queues or channels: an agent counts in each one they "
            "serve."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="AGENTS_ONLINE",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_agents_available",
        help=(
            "Agents who could take a contact of this queue and channel right now; 0 is normal while everybody is "
            "busy and does not mean unstaffed, which amazon_connect_queue_agents_staffed tells. Never sum over "
            "queues or channels: an agent counts in each one they serve."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="AGENTS_AVAILABLE",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_agents_staffed",
        help=(
            "Agents online and not in a custom status, busy or free: 0 while contacts wait means that nobody is "
            "working this queue. Never sum over queues or channels: an agent counts in each one they serve."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="AGENTS_STAFFED",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_agents_non_productive",
        help=(
            "Agents in a custom status such as a break or training; some are still finishing a contact and count "
            "as on contact too, so agent states must not be stacked. Never sum over queues or channels: an agent "
            "counts in each one they serve."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="AGENTS_NON_PRODUCTIVE",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_agents_on_contact",
        help=(
            "Agents with at least one contact in hand, after-contact work included; one who is in a custom status "
            "meanwhile counts as non-productive too. Never sum over queues or channels: an agent counts in each "
            "one they serve."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="AGENTS_ON_CONTACT",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_agents_on_call",
        help=(
            "The old name of amazon_connect_queue_agents_on_contact, with the same value on every channel and not "
            "for calls only; published only where the configuration lists it. Never sum over queues or channels: "
            "an agent counts in each one they serve."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="AGENTS_ON_CALL",
        level=Level.QUEUE,
        only_if_listed=True,
    ),
    Spec(
        name="amazon_connect_queue_agents_after_contact_work",
        help=(
            "Contacts, not agents, whose conversation is over while the work after it is not; an agent with two "
            "of them counts twice. Safe to sum over queues and channels, as each contact belongs to one."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="AGENTS_AFTER_CONTACT_WORK",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_agents_error",
        help=(
            "Agents who missed or rejected a contact and are given nothing more until that is reset: they look "
            "online and answer nobody. Never sum over queues or channels: an agent counts in each one they serve."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="AGENTS_ERROR",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_contacts_in_queue",
        help=(
            "Contacts waiting for an agent at this moment; callbacks still in their initial delay are not among "
            "them. Safe to sum over queues and channels."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="CONTACTS_IN_QUEUE",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_oldest_contact_age_seconds",
        help=(
            "How long the contact that has waited longest is waiting now; it falls when that contact leaves, "
            "answered or abandoned alike, and is absent, not 0, where AWS reports none. Combine queues with max, "
            "never with sum or avg."
        ),
        labels=QUEUE,
        unit=Unit.SECONDS,
        operation="GetCurrentMetricData",
        api="OLDEST_CONTACT_AGE",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_contacts_scheduled",
        help=(
            "Callbacks still in their initial delay: promised to a customer but not yet waiting, so "
            "amazon_connect_queue_contacts_in_queue leaves them out. Safe to sum over queues and channels."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="CONTACTS_SCHEDULED",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_slots_active",
        help=(
            "Slots of agents that hold a contact, from outbound ringing to the end of after-contact work; one "
            "agent can fill several. Never sum over queues or channels: the slots of an agent can show in each "
            "one they serve."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="SLOTS_ACTIVE",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_slots_available",
        help=(
            "Further contacts of this channel that the agents of this queue could take now; the capacity is "
            "shared, so a contact taken elsewhere lowers it here. Never sum over queues or channels: the same "
            "free slot shows in each one its agent serves."
        ),
        labels=QUEUE,
        operation="GetCurrentMetricData",
        api="SLOTS_AVAILABLE",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_queue_estimated_wait_time_seconds",
        help=(
            "Wait that AWS predicts for a contact entering this queue and channel now: a forecast, not a "
            "measurement, and absent where AWS makes none, as without next-generation Connect. Never sum or "
            "average it over queues."
        ),
        labels=QUEUE,
        unit=Unit.SECONDS,
        operation="GetCurrentMetricData",
        api="ESTIMATED_WAIT_TIME",
        level=Level.QUEUE,
    ),
    Spec(
        name="amazon_connect_routing_profile_agents_online",
        help=(
            "Agents of this routing profile in any status but Offline; one who has just gone Offline can linger "
            "for about 5 minutes. A true head count: profiles add up, as an agent has exactly one."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="AGENTS_ONLINE",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_agents_available",
        help=(
            "Agents of this routing profile who could take a contact right now; 0 is normal while everybody is "
            "busy. A true head count: profiles add up, as an agent has exactly one."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="AGENTS_AVAILABLE",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_agents_staffed",
        help=(
            "Agents of this routing profile who are online and not in a custom status, busy or free. A true head "
            "count: profiles add up, as an agent has exactly one."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="AGENTS_STAFFED",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_agents_non_productive",
        help=(
            "Agents of this routing profile in a custom status such as a break or training; some are still "
            "finishing a contact and count as on contact too, so agent states must not be stacked. A true head "
            "count: profiles add up, as an agent has exactly one."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="AGENTS_NON_PRODUCTIVE",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_agents_on_contact",
        help=(
            "Agents of this routing profile with at least one contact in hand, after-contact work included; one "
            "who is in a custom status meanwhile counts as non-productive too. A true head count: profiles add "
            "up, as an agent has exactly one."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="AGENTS_ON_CONTACT",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_agents_on_call",
        help=(
            "The old name of amazon_connect_routing_profile_agents_on_contact, with the same value on every "
            "channel and not for calls only; published only where the configuration lists it. A true head count: "
            "profiles add up, as an agent has exactly one."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="AGENTS_ON_CALL",
        level=Level.ROUTING_PROFILE,
        only_if_listed=True,
    ),
    Spec(
        name="amazon_connect_routing_profile_agents_after_contact_work",
        help=(
            "Contacts, not agents, that agents of this routing profile still have in after-contact work. Profiles "
            "add up; compare it with slots rather than with agents, as one agent can have several."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="AGENTS_AFTER_CONTACT_WORK",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_agents_error",
        help=(
            "Agents of this routing profile who missed or rejected a contact and are given nothing more until "
            "that is reset: they look online and answer nobody. A true head count: profiles add up, as an agent "
            "has exactly one."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="AGENTS_ERROR",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_contacts_in_queue",
        help=(
            "Contacts waiting now in the queues that this routing profile serves: the demand its agents face. "
            "Never sum over profiles: a queue that several serve counts in each, so take totals from "
            "amazon_connect_queue_contacts_in_queue."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="CONTACTS_IN_QUEUE",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_oldest_contact_age_seconds",
        help=(
            "How long the contact that has waited longest in any queue of this routing profile is waiting now; "
            "absent, not 0, where AWS reports none. A queue that several profiles serve shows its oldest contact "
            "in each, and patient e-mail can hide an urgent call."
        ),
        labels=ROUTING_PROFILE,
        unit=Unit.SECONDS,
        operation="GetCurrentMetricData",
        api="OLDEST_CONTACT_AGE",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_contacts_scheduled",
        help=(
            "Callbacks still in their initial delay for the queues that this routing profile serves: work to "
            "come, not waiting yet. Never sum over profiles: a queue that several serve counts in each."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="CONTACTS_SCHEDULED",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_slots_active",
        help=(
            "Slots that hold a contact among the agents of this routing profile, from outbound ringing to the end "
            "of after-contact work. Profiles add up, as an agent has exactly one; an agent can fill several "
            "slots."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="SLOTS_ACTIVE",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_routing_profile_slots_available",
        help=(
            "Further contacts that the agents of this routing profile could take now. Profiles add up, but "
            "channels share the capacity: an agent shown as free for a call and for chats may not be free for "
            "both."
        ),
        labels=ROUTING_PROFILE,
        operation="GetCurrentMetricData",
        api="SLOTS_AVAILABLE",
        level=Level.ROUTING_PROFILE,
    ),
    Spec(
        name="amazon_connect_instance_agents_online",
        help=(
            "Agents of the whole instance in any status but Offline, each counted once; one who has just gone "
            "Offline can linger for about 5 minutes. This, not a sum over queues, is how many people are signed "
            "in."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="AGENTS_ONLINE",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_agents_available",
        help=(
            "Agents of the whole instance who could take a contact right now, each counted once; 0 is normal "
            "while everybody is busy. Somebody free here may serve none of the queues in which contacts wait."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="AGENTS_AVAILABLE",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_agents_staffed",
        help=(
            "Agents of the whole instance who are online and not in a custom status, busy or free, each counted "
            "once. A good total can hide a queue that has nobody: see amazon_connect_queue_agents_staffed."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="AGENTS_STAFFED",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_agents_non_productive",
        help=(
            "Agents of the whole instance in a custom status such as a break or training, each counted once. Some "
            "are still finishing a contact and count as on contact too, so agent states must not be stacked."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="AGENTS_NON_PRODUCTIVE",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_agents_on_contact",
        help=(
            "Agents of the whole instance with at least one contact in hand, after-contact work included, each "
            "counted once. One who is in a custom status meanwhile counts as non-productive too."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="AGENTS_ON_CONTACT",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_agents_on_call",
        help=(
            "The old name of amazon_connect_instance_agents_on_contact, with the same value on every channel and "
            "not for calls only. Published only where the configuration lists it."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="AGENTS_ON_CALL",
        level=Level.INSTANCE,
        only_if_listed=True,
    ),
    Spec(
        name="amazon_connect_instance_agents_after_contact_work",
        help=(
            "Contacts, not agents, in after-contact work across the whole instance. It can exceed the number of "
            "agents, as one agent can have several."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="AGENTS_AFTER_CONTACT_WORK",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_agents_error",
        help=(
            "Agents of the whole instance who missed or rejected a contact and are given nothing more until that "
            "is reset, each counted once. They look online and answer nobody."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="AGENTS_ERROR",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_contacts_in_queue",
        help=(
            "Contacts waiting for an agent in all queues and channels of the instance at this moment. It adds "
            "calls to tasks and e-mail that may wait for hours by design."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="CONTACTS_IN_QUEUE",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_oldest_contact_age_seconds",
        help=(
            "How long the contact that has waited longest anywhere in the instance is waiting now: the maximum "
            "over its queues, taken by the exporter, and absent while none of them has one. Patient e-mail or "
            "tasks can hide an urgent call."
        ),
        labels=INSTANCE,
        unit=Unit.SECONDS,
        operation="GetCurrentMetricData",
        api="OLDEST_CONTACT_AGE",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_contacts_scheduled",
        help=(
            "Callbacks of the whole instance still in their initial delay: promised to customers but not yet "
            "waiting in a queue. Set beside amazon_connect_instance_contacts_in_queue, never inside it."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="CONTACTS_SCHEDULED",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_slots_active",
        help=(
            "Slots of all agents that hold a contact, from outbound ringing to the end of after-contact work, "
            "each counted once. One agent can fill several, so this is not a number of agents."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="SLOTS_ACTIVE",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_instance_slots_available",
        help=(
            "Further contacts that all agents together could take now. Channels share the capacity: an agent "
            "shown as free for a call and for chats may not be free for both."
        ),
        labels=INSTANCE,
        operation="GetCurrentMetricData",
        api="SLOTS_AVAILABLE",
        level=Level.INSTANCE,
    ),
    Spec(
        name="amazon_connect_agent_status_agents_online",
        help=(
            "Agents who serve this queue and are in this status; a status that nobody is in may have no series. "
            "Never sum over queues: an agent counts in each one they serve."
        ),
        labels=AGENT_STATUS,
        operation="GetCurrentMetricData",
        api="AGENTS_ONLINE",
        level=Level.AGENT_STATUS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_agents_online",
        help=(
            "Agents in any status but Offline who serve this queue, each counted once however many channels they "
            "take; one who has just gone Offline can linger for about 5 minutes. Never sum over queues: an agent "
            "counts in each one they serve."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="AGENTS_ONLINE",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_agents_available",
        help=(
            "Agents who could take a contact of this queue right now on any channel, each counted once; 0 is "
            "normal while everybody is busy. Never sum over queues: an agent counts in each one they serve."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="AGENTS_AVAILABLE",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_agents_staffed",
        help=(
            "Agents of this queue who are online and not in a custom status, busy or free, each counted once "
            "however many channels they take. Never sum over queues: an agent counts in each one they serve."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="AGENTS_STAFFED",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_agents_non_productive",
        help=(
            "Agents of this queue in a custom status such as a break or training, each counted once; some are "
            "still finishing a contact and count as on contact too, so agent states must not be stacked. Never "
            "sum over queues: an agent counts in each one they serve."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="AGENTS_NON_PRODUCTIVE",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_agents_on_contact",
        help=(
            "Agents of this queue with at least one contact in hand on any channel, after-contact work included, "
            "each counted once. Never sum over queues: an agent counts in each one they serve."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="AGENTS_ON_CONTACT",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_agents_on_call",
        help=(
            "The old name of amazon_connect_queue_all_channels_agents_on_contact, with the same value and not for "
            "calls only; published only where the configuration lists it. Never sum over queues: an agent counts "
            "in each one they serve."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="AGENTS_ON_CALL",
        level=Level.QUEUE_ALL_CHANNELS,
        only_if_listed=True,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_agents_after_contact_work",
        help=(
            "Contacts, not agents, of this queue in after-contact work on any channel; an agent with two of them "
            "counts twice. Safe to sum over queues, as each contact belongs to one."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="AGENTS_AFTER_CONTACT_WORK",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_agents_error",
        help=(
            "Agents of this queue who missed or rejected a contact and are given nothing more until that is "
            "reset, each counted once: they look online and answer nobody. Never sum over queues: an agent counts "
            "in each one they serve."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="AGENTS_ERROR",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_contacts_in_queue",
        help=(
            "Contacts waiting in this queue on all channels together at this moment; callbacks still in their "
            "initial delay are not among them. Safe to sum over queues, but calls are mixed with work that may "
            "wait for hours."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="CONTACTS_IN_QUEUE",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_oldest_contact_age_seconds",
        help=(
            "How long the contact that has waited longest in this queue on any channel is waiting now; absent, "
            "not 0, where AWS reports none. Patient e-mail or tasks can hide an urgent call, which "
            "amazon_connect_queue_oldest_contact_age_seconds shows by channel."
        ),
        labels=QUEUE_ALL_CHANNELS,
        unit=Unit.SECONDS,
        operation="GetCurrentMetricData",
        api="OLDEST_CONTACT_AGE",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_contacts_scheduled",
        help=(
            "Callbacks for this queue still in their initial delay: promised to a customer but not yet waiting in "
            "it. Safe to sum over queues."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="CONTACTS_SCHEDULED",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_slots_active",
        help=(
            "Slots that hold a contact among the agents of this queue, on all channels together, from outbound "
            "ringing to the end of after-contact work. Never sum over queues: the slots of an agent can show in "
            "each one they serve."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="SLOTS_ACTIVE",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
    Spec(
        name="amazon_connect_queue_all_channels_slots_available",
        help=(
            "Further contacts that the agents of this queue could take now, on all channels together; channels "
            "share the capacity, so it can promise more than can be had at once. Never sum over queues: the same "
            "free slot shows in each one its agent serves."
        ),
        labels=QUEUE_ALL_CHANNELS,
        operation="GetCurrentMetricData",
        api="SLOTS_AVAILABLE",
        level=Level.QUEUE_ALL_CHANNELS,
    ),
)
