"""Recent windows: what `GetMetricData` answers for the time up to now, as gauges, by level and window.

`statistic` and `unit` are fixed for each metric and must be sent as they stand here. AWS answers percent from 0 to 100,
the published value is the ratio. A contact belongs to the window in which it disconnects, and its record is complete
only after its after-contact work; OCCUPANCY and CONTACTS_MISSED follow the agents' activity instead.
"""

from __future__ import annotations

from exporter.catalogue.spec import INSTANCE, QUEUE, Level, Spec, Unit

QUEUE_WINDOW = (*QUEUE, "window")
QUEUE_SERVICE_LEVEL = (*QUEUE, "window", "threshold_seconds")
INSTANCE_WINDOW = (*INSTANCE, "window")
INSTANCE_SERVICE_LEVEL = (*INSTANCE, "window", "threshold_seconds")

HISTORICAL: tuple[Spec, ...] = (
    Spec(
        name="amazon_connect_queue_recent_contacts_queued",
        help=(
            "Contacts that were put in this queue and disconnected in the window (SUM). Whoever is still waiting "
            "or talking is not in it yet, so it trails demand; for rates use "
            "amazon_connect_queue_contacts_queued_total."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_QUEUED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_handled",
        help=(
            "Contacts connected to an agent, however they began, that disconnected in the window (SUM). A "
            "conversation counts when it ends: 0 does not mean that nobody is working."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_HANDLED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_abandoned",
        help=(
            "Contacts whose customer left this queue in the window before an agent answered (SUM). Those who gave "
            "up after a few seconds are included, those who accepted a callback are not."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_ABANDONED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_consulted",
        help=(
            "Contacts during which the agent consulted somebody else (SUM over the window). AWS has given it up "
            "and the value has meant nothing since 2019; published only where the configuration lists it."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_CONSULTED",
        level=Level.QUEUE,
        statistic="SUM",
        only_if_listed=True,
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_agent_hung_up_first",
        help=(
            "Handled contacts that disconnected in the window because the agent, not the customer, ended them "
            "(SUM). Not a fault by itself: tasks, e-mail and many chats are always ended by the agent."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_AGENT_HUNG_UP_FIRST",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_handled_incoming",
        help=(
            "Handled contacts that a customer began or that were transferred to the agent, disconnected in the "
            "window (SUM). A part of amazon_connect_queue_recent_contacts_handled: do not add the two."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_HANDLED_INCOMING",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_handled_outbound",
        help=(
            "Contacts that an agent began, as in calling a customer, disconnected in the window (SUM). They count "
            "in the outbound queue of the agent's routing profile, whatever they were about."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_HANDLED_OUTBOUND",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_hold_abandons",
        help=(
            "Contacts that disconnected in the window while the customer was on hold (SUM). Whoever hung up: an "
            "agent who ends a held call counts here as well as a customer who lost patience."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_HOLD_ABANDONS",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_transferred_in",
        help=(
            "Contacts that came to this queue by a transfer, from an agent or from another queue, and "
            "disconnected in the window (SUM). The first part of the same conversation counted where it came "
            "from."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_IN",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_transferred_out",
        help=(
            "Contacts transferred away from this queue, by an agent or while still waiting, that disconnected in "
            "the window (SUM). The conversation goes on and counts again where it arrives."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_OUT",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_transferred_in_from_queue",
        help=(
            "Contacts that a flow moved into this queue while they waited in another one, disconnected in the "
            "window (SUM). A part of amazon_connect_queue_recent_contacts_transferred_in: do not add the two."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_IN_FROM_QUEUE",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_transferred_out_from_queue",
        help=(
            "Contacts that a flow moved on to another queue while they waited in this one, counted in the window "
            "(SUM). No agent of this queue spoke to them, yet they were not abandoned; many mean overflow."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_OUT_FROM_QUEUE",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_contacts_missed",
        help=(
            "Offers of a contact that an agent let pass in the window (SUM). One contact counts again for every "
            "agent who misses it, and at the time of the offer rather than when it disconnects, so this can "
            "exceed the contacts queued."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_MISSED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_callback_contacts_handled",
        help=(
            "Queued callbacks that an agent handled and that disconnected in the window (SUM). A part of "
            "amazon_connect_queue_recent_contacts_handled: do not add the two."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="CALLBACK_CONTACTS_HANDLED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_api_contacts_handled",
        help=(
            "Contacts that a program began through the API, that an agent handled and that disconnected in the "
            "window (SUM). A part of amazon_connect_queue_recent_contacts_handled: do not add the two."
        ),
        labels=QUEUE_WINDOW,
        operation="GetMetricData",
        api="API_CONTACTS_HANDLED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_recent_occupancy_ratio",
        help=(
            "Share, 0 to 1, of the time in the window in which agents were ready or busy that they were busy with "
            "contacts (AVG). One chat of five possible counts as fully busy, and agents serve several queues, so "
            "do not average over queues."
        ),
        labels=QUEUE_WINDOW,
        unit=Unit.PERCENT,
        operation="GetMetricData",
        api="OCCUPANCY",
        level=Level.QUEUE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_queue_recent_handle_time_seconds",
        help=(
            "Time from answer to the end of after-contact work, hold included, of contacts that disconnected in "
            "the window (AVG). Long contacts appear only after they end; to combine queues weight by contacts "
            "handled."
        ),
        labels=QUEUE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="HANDLE_TIME",
        level=Level.QUEUE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_queue_recent_after_contact_work_time_seconds",
        help=(
            "Time agents spent on a contact after its conversation, for contacts that disconnected in the window "
            "(AVG). Contacts of the last minutes may still be in it; to combine queues weight by contacts "
            "handled."
        ),
        labels=QUEUE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="AFTER_CONTACT_WORK_TIME",
        level=Level.QUEUE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_queue_recent_queued_time_seconds",
        help=(
            "Longest time that any contact which disconnected in the window had waited, answered or not (MAX, not "
            "an average). One unlucky contact sets it, and whoever is waiting now shows in "
            "amazon_connect_queue_oldest_contact_age_seconds instead."
        ),
        labels=QUEUE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="QUEUED_TIME",
        level=Level.QUEUE,
        statistic="MAX",
    ),
    Spec(
        name="amazon_connect_queue_recent_abandon_time_seconds",
        help=(
            "Time that customers who abandoned this queue in the window had waited until they left (AVG). Compare "
            "it with the announced wait; to combine queues weight by contacts abandoned."
        ),
        labels=QUEUE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="ABANDON_TIME",
        level=Level.QUEUE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_queue_recent_queue_answer_time_seconds",
        help=(
            "Time that contacts which an agent answered had waited before, for those that disconnected in the "
            "window (AVG). Abandoned contacts are left out, so it looks better the more customers give up."
        ),
        labels=QUEUE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="QUEUE_ANSWER_TIME",
        level=Level.QUEUE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_queue_recent_hold_time_seconds",
        help=(
            "Time on hold of contacts that disconnected in the window (AVG). Only contacts that were held at all "
            "are averaged: multiplied by contacts handled it gives far too much."
        ),
        labels=QUEUE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="HOLD_TIME",
        level=Level.QUEUE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_queue_recent_interaction_time_seconds",
        help=(
            "Time agents spent in conversation, hold and after-contact work left out, of contacts that "
            "disconnected in the window (AVG). To combine queues weight by contacts handled."
        ),
        labels=QUEUE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="INTERACTION_TIME",
        level=Level.QUEUE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_queue_recent_interaction_and_hold_time_seconds",
        help=(
            "Time agents spent in conversation plus time on hold, of contacts that disconnected in the window "
            "(AVG). After-contact work is left out: amazon_connect_queue_recent_handle_time_seconds has all of "
            "it."
        ),
        labels=QUEUE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="INTERACTION_AND_HOLD_TIME",
        level=Level.QUEUE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_queue_recent_service_level_ratio",
        help=(
            "Share, 0 to 1, of contacts that left this queue in less than threshold_seconds, over those that "
            "disconnected in the window (AVG). It flatters: early abandons and callbacks count as met; to combine "
            "queues weight by contacts queued."
        ),
        labels=QUEUE_SERVICE_LEVEL,
        unit=Unit.PERCENT,
        operation="GetMetricData",
        api="SERVICE_LEVEL",
        level=Level.QUEUE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_queued",
        help=(
            "Contacts that were put in any queue of the instance and disconnected in the window (SUM). One that "
            "was transferred to another queue counts again there, so this is not a number of customers."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_QUEUED",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_handled",
        help=(
            "Contacts of the whole instance connected to an agent, however they began, that disconnected in the "
            "window (SUM). A transferred conversation counts for each part that an agent handled, so this is not "
            "a number of customers."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_HANDLED",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_abandoned",
        help=(
            "Contacts of the whole instance whose customer left a queue in the window before an agent answered "
            "(SUM). Take a share of contacts queued only where there are many: at night one lost call is 100 "
            "percent."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_ABANDONED",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_consulted",
        help=(
            "Contacts of the whole instance during which the agent consulted somebody else (SUM over the window). "
            "AWS has given it up and the value has meant nothing since 2019; published only where the "
            "configuration lists it."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_CONSULTED",
        level=Level.INSTANCE,
        statistic="SUM",
        only_if_listed=True,
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_agent_hung_up_first",
        help=(
            "Handled contacts of the whole instance that disconnected in the window because the agent, not the "
            "customer, ended them (SUM). Tasks, e-mail and many chats always end so: judge it by channel at the "
            "queue level."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_AGENT_HUNG_UP_FIRST",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_handled_incoming",
        help=(
            "Handled contacts of the whole instance that a customer began or that were transferred to the agent, "
            "disconnected in the window (SUM). A part of amazon_connect_instance_recent_contacts_handled: do not "
            "add the two."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_HANDLED_INCOMING",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_handled_outbound",
        help=(
            "Contacts of the whole instance that an agent began, as in calling a customer, disconnected in the "
            "window (SUM). A part of amazon_connect_instance_recent_contacts_handled: do not add the two."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_HANDLED_OUTBOUND",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_hold_abandons",
        help=(
            "Contacts of the whole instance that disconnected in the window while the customer was on hold (SUM). "
            "Whoever hung up: agents who end a held call count here as well."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_HOLD_ABANDONS",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_transferred_in",
        help=(
            "Contacts that came to any queue of the instance by a transfer, from an agent or from another queue, "
            "and disconnected in the window (SUM). A conversation transferred twice counts twice."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_IN",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_transferred_out",
        help=(
            "Contacts transferred away from any queue of the instance, by an agent or while still waiting, that "
            "disconnected in the window (SUM). More than came in by transfer where some go to numbers outside the "
            "instance."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_OUT",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_transferred_in_from_queue",
        help=(
            "Contacts of the whole instance that a flow moved into a queue while they waited in another one, "
            "disconnected in the window (SUM). A part of amazon_connect_instance_recent_contacts_transferred_in: "
            "do not add the two."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_IN_FROM_QUEUE",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_transferred_out_from_queue",
        help=(
            "Contacts of the whole instance that a flow moved on to another queue while they waited, counted in "
            "the window (SUM). They were neither answered nor abandoned where they waited first; many mean "
            "overflow."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_OUT_FROM_QUEUE",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_contacts_missed",
        help=(
            "Offers of a contact that any agent of the instance let pass in the window (SUM). One contact counts "
            "again for every agent who misses it, and at the time of the offer rather than when it disconnects."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CONTACTS_MISSED",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_callback_contacts_handled",
        help=(
            "Queued callbacks of the whole instance that an agent handled and that disconnected in the window "
            "(SUM). A part of amazon_connect_instance_recent_contacts_handled: do not add the two."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="CALLBACK_CONTACTS_HANDLED",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_api_contacts_handled",
        help=(
            "Contacts of the whole instance that a program began through the API, that an agent handled and that "
            "disconnected in the window (SUM). A part of amazon_connect_instance_recent_contacts_handled: do not "
            "add the two."
        ),
        labels=INSTANCE_WINDOW,
        operation="GetMetricData",
        api="API_CONTACTS_HANDLED",
        level=Level.INSTANCE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_instance_recent_occupancy_ratio",
        help=(
            "Share, 0 to 1, of the time in the window in which agents of the instance were ready or busy that "
            "they were busy with contacts (AVG). One chat of five possible counts as fully busy, so it overstates "
            "load where agents take several contacts at once."
        ),
        labels=INSTANCE_WINDOW,
        unit=Unit.PERCENT,
        operation="GetMetricData",
        api="OCCUPANCY",
        level=Level.INSTANCE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_instance_recent_handle_time_seconds",
        help=(
            "Time from answer to the end of after-contact work, hold included, of all contacts of the instance "
            "that disconnected in the window (AVG). Channels are mixed: a change may come from more chats rather "
            "than from slower work."
        ),
        labels=INSTANCE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="HANDLE_TIME",
        level=Level.INSTANCE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_instance_recent_after_contact_work_time_seconds",
        help=(
            "Time agents spent on a contact after its conversation, for all contacts of the instance that "
            "disconnected in the window (AVG). Channels are mixed, and contacts of the last minutes may still be "
            "in it."
        ),
        labels=INSTANCE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="AFTER_CONTACT_WORK_TIME",
        level=Level.INSTANCE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_instance_recent_queued_time_seconds",
        help=(
            "Longest time that any contact of the instance which disconnected in the window had waited, answered "
            "or not (MAX, not an average). One forgotten e-mail or task sets it for all channels."
        ),
        labels=INSTANCE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="QUEUED_TIME",
        level=Level.INSTANCE,
        statistic="MAX",
    ),
    Spec(
        name="amazon_connect_instance_recent_abandon_time_seconds",
        help=(
            "Time that customers who abandoned any queue of the instance in the window had waited until they left "
            "(AVG). Channels are mixed: callers leave after minutes, chats and e-mail much later."
        ),
        labels=INSTANCE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="ABANDON_TIME",
        level=Level.INSTANCE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_instance_recent_queue_answer_time_seconds",
        help=(
            "Time that contacts of the instance which an agent answered had waited before, for those that "
            "disconnected in the window (AVG). Abandoned contacts are left out, and slow channels such as e-mail "
            "outweigh calls."
        ),
        labels=INSTANCE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="QUEUE_ANSWER_TIME",
        level=Level.INSTANCE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_instance_recent_hold_time_seconds",
        help=(
            "Time on hold of contacts of the instance that disconnected in the window (AVG). Only contacts that "
            "were held at all are averaged: multiplied by contacts handled it gives far too much."
        ),
        labels=INSTANCE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="HOLD_TIME",
        level=Level.INSTANCE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_instance_recent_interaction_time_seconds",
        help=(
            "Time agents of the instance spent in conversation, hold and after-contact work left out, of contacts "
            "that disconnected in the window (AVG). Channels are mixed: a chat lasts longer than a call and its "
            "agent has others meanwhile."
        ),
        labels=INSTANCE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="INTERACTION_TIME",
        level=Level.INSTANCE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_instance_recent_interaction_and_hold_time_seconds",
        help=(
            "Time agents of the instance spent in conversation plus time on hold, of contacts that disconnected "
            "in the window (AVG). After-contact work is left out: "
            "amazon_connect_instance_recent_handle_time_seconds has all of it."
        ),
        labels=INSTANCE_WINDOW,
        unit=Unit.SECONDS,
        operation="GetMetricData",
        api="INTERACTION_AND_HOLD_TIME",
        level=Level.INSTANCE,
        statistic="AVG",
    ),
    Spec(
        name="amazon_connect_instance_recent_service_level_ratio",
        help=(
            "Share, 0 to 1, of contacts that left any queue of the instance in less than threshold_seconds, over "
            "those that disconnected in the window (AVG). It flatters, as early abandons and callbacks count as "
            "met, and mixes channels that no single threshold fits."
        ),
        labels=INSTANCE_SERVICE_LEVEL,
        unit=Unit.PERCENT,
        operation="GetMetricData",
        api="SERVICE_LEVEL",
        level=Level.INSTANCE,
        statistic="AVG",
    ),
)
