"""Counters made of the SUM metrics of `GetMetricData`: every settled contact counted once, restarts or not.

A counter covers half a day, from 00:00 or 12:00 UTC on, because AWS answers no interval that began more than 24 hours
ago; it ends at now minus the settle time because a closed interval still grows until after-contact work is done.
"""

from __future__ import annotations

from exporter.catalogue.spec import QUEUE, Kind, Level, Spec

COUNTERS: tuple[Spec, ...] = (
    Spec(
        name="amazon_connect_queue_contacts_queued_total",
        help=(
            "Contacts put in this queue, counted when they disconnect, not when they arrive. Runs behind by the "
            "settle time (15m by default) and restarts from 0 every 12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_QUEUED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_handled_total",
        help=(
            "Contacts connected to an agent, however they began, counted when they disconnect: a flat line does "
            "not mean that nobody is working. Runs behind by the settle time (15m by default) and restarts from 0 "
            "every 12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_HANDLED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_abandoned_total",
        help=(
            "Contacts whose customer left the queue before an agent answered; those who gave up after a few "
            "seconds are included, those who accepted a callback are not. Runs behind by the settle time (15m by "
            "default) and restarts from 0 every 12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_ABANDONED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_consulted_total",
        help=(
            "Contacts during which the agent consulted somebody else; AWS has given it up and the value has meant "
            "nothing since 2019, so it is published only where the configuration lists it. Runs behind by the "
            "settle time (15m by default) and restarts from 0 every 12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_CONSULTED",
        level=Level.QUEUE,
        statistic="SUM",
        only_if_listed=True,
    ),
    Spec(
        name="amazon_connect_queue_contacts_agent_hung_up_first_total",
        help=(
            "Handled contacts that the agent, not the customer, ended; not a fault by itself, as tasks, e-mail "
            "and many chats always end so. Runs behind by the settle time (15m by default) and restarts from 0 "
            "every 12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_AGENT_HUNG_UP_FIRST",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_handled_incoming_total",
        help=(
            "Handled contacts that a customer began or that were transferred to the agent, counted when they "
            "disconnect; a part of amazon_connect_queue_contacts_handled_total, not to be added to it. Runs "
            "behind by the settle time (15m by default) and restarts from 0 every 12 hours: read it with "
            "increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_HANDLED_INCOMING",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_handled_outbound_total",
        help=(
            "Contacts that an agent began, as in calling a customer, counted when they disconnect and in the "
            "outbound queue of the agent's routing profile, whatever they were about. Runs behind by the settle "
            "time (15m by default) and restarts from 0 every 12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_HANDLED_OUTBOUND",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_hold_abandons_total",
        help=(
            "Contacts that disconnected while the customer was on hold, whoever hung up, the agent included. Runs "
            "behind by the settle time (15m by default) and restarts from 0 every 12 hours: read it with "
            "increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_HOLD_ABANDONS",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_transferred_in_total",
        help=(
            "Contacts that came to this queue by a transfer, from an agent or from another queue, counted when "
            "they disconnect; the first part of the same conversation counted where it came from. Runs behind by "
            "the settle time (15m by default) and restarts from 0 every 12 hours: read it with increase() or "
            "rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_IN",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_transferred_out_total",
        help=(
            "Contacts transferred away from this queue, by an agent or while still waiting; the conversation goes "
            "on and counts again where it arrives. Runs behind by the settle time (15m by default) and restarts "
            "from 0 every 12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_OUT",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_transferred_in_from_queue_total",
        help=(
            "Contacts that a flow moved into this queue while they waited in another one, counted when they "
            "disconnect; a part of amazon_connect_queue_contacts_transferred_in_total, not to be added to it. "
            "Runs behind by the settle time (15m by default) and restarts from 0 every 12 hours: read it with "
            "increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_IN_FROM_QUEUE",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_transferred_out_from_queue_total",
        help=(
            "Contacts that a flow moved on to another queue while they waited in this one; no agent of this queue "
            "spoke to them, yet they were not abandoned. Runs behind by the settle time (15m by default) and "
            "restarts from 0 every 12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_TRANSFERRED_OUT_FROM_QUEUE",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_contacts_missed_total",
        help=(
            "Offers of a contact that an agent let pass, counted when they happen; one contact counts again for "
            "every agent who misses it. Runs behind by the settle time (15m by default) and restarts from 0 every "
            "12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CONTACTS_MISSED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_callback_contacts_handled_total",
        help=(
            "Queued callbacks that an agent handled, counted when they disconnect; a part of "
            "amazon_connect_queue_contacts_handled_total, not to be added to it. Runs behind by the settle time "
            "(15m by default) and restarts from 0 every 12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="CALLBACK_CONTACTS_HANDLED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
    Spec(
        name="amazon_connect_queue_api_contacts_handled_total",
        help=(
            "Contacts that a program began through the API and an agent handled, counted when they disconnect; a "
            "part of amazon_connect_queue_contacts_handled_total, not to be added to it. Runs behind by the "
            "settle time (15m by default) and restarts from 0 every 12 hours: read it with increase() or rate()."
        ),
        labels=QUEUE,
        kind=Kind.COUNTER,
        operation="GetMetricData",
        api="API_CONTACTS_HANDLED",
        level=Level.QUEUE,
        statistic="SUM",
    ),
)
