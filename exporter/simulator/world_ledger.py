"""Contact records, and their sums by five minutes and by hour.

A contact counts in the interval in which it disconnects, but only once its record is complete, which is after the
after-contact work (Amazon Connect Administrator Guide, "Historical metrics definitions"): so an interval that is
already over still grows for a while.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain

from exporter.simulator.numbers import added

STEP = 300
HOUR = 3600


class Contact:
    """One contact record. A transfer or a callback begins a new one, so a record has one queue and one agent at most.

    All times are unix seconds; None where the thing did not happen, or has not yet.
    """

    __slots__ = (
        "accepted",
        "agent",
        "agent_first",
        "channel",
        "completed",
        "connected",
        "consulted",
        "dequeued",
        "disconnected",
        "due",
        "ended",
        "enqueued",
        "held_at_end",
        "hold",
        "id",
        "initiated",
        "left",
        "method",
        "previous",
        "queue",
        "stage",
    )

    def __init__(
        self, id_: int, queue: str, channel: str, method: str, initiated: float, *, previous: int | None
    ) -> None:
        self.id = id_
        self.queue = queue
        self.channel = channel
        self.method = method
        """INBOUND, OUTBOUND, API, CALLBACK, TRANSFER (by an agent) or QUEUE_TRANSFER (while waiting)."""
        self.initiated = initiated
        self.previous = previous
        """Id of the record this one continues."""
        self.due: float | None = None
        """Callbacks: when the initial delay ends."""
        self.enqueued: float | None = None
        self.dequeued: float | None = None
        self.accepted: float | None = None
        """When the agent became busy with it: accepted it, or dialled."""
        self.connected: float | None = None
        """When agent and customer were connected; a contact is handled if this is set."""
        self.hold = 0.0
        """Seconds on hold, part of the time between connected and disconnected."""
        self.held_at_end = False
        self.disconnected: float | None = None
        self.completed: float | None = None
        """When after-contact work ended: from here on the record can be seen."""
        self.agent: str | None = None
        self.agent_first = False
        """The agent hung up before the customer did."""
        self.consulted = False
        self.left: str | None = None
        """How it left the queue: ANSWERED, ABANDONED, CALLBACK, TRANSFERRED or REMOVED."""
        self.ended: str | None = None
        """How the conversation ended: AGENT, CUSTOMER, TRANSFER, EXTERNAL (transfer) or UNREACHED."""
        self.stage = "NEW"
        """NEW, SCHEDULED, WAITING, RINGING, DIALLING, CONNECTED, AFTER or DONE."""

    def __repr__(self) -> str:
        return f"Contact({self.id}, {self.queue}, {self.channel}, {self.method}, {self.stage})"


class Sum:
    """Places in a tally's list. Plain integers, for an enumeration's cost several times as much to index with."""

    QUEUED = 0
    HANDLED = 1
    ABANDONED = 2
    AGENT_FIRST = 3
    INCOMING = 4
    OUTBOUND = 5
    CALLBACK = 6
    API = 7
    HOLD_DISCONNECTS = 8
    TRANSFERRED_IN = 9
    TRANSFERRED_IN_FROM_QUEUE = 10
    TRANSFERRED_OUT = 11
    TRANSFERRED_OUT_FROM_QUEUE = 12
    MISSED = 13
    HELD = 14
    ANSWERED = 15
    HANDLE_TIME = 16
    AFTER_TIME = 17
    INTERACTION_TIME = 18
    HOLD_TIME = 19
    ABANDON_TIME = 20
    ANSWER_TIME = 21
    RECORDS = 22
    WIDTH = 23


_HANDLED_AS = {
    "INBOUND": Sum.INCOMING,
    "TRANSFER": Sum.INCOMING,
    "QUEUE_TRANSFER": Sum.INCOMING,
    "OUTBOUND": Sum.OUTBOUND,
    "CALLBACK": Sum.CALLBACK,
    "API": Sum.API,
}


class Tally:
    """Sums over contact records."""

    __slots__ = ("longest", "sums", "waits")

    def __init__(self) -> None:
        self.sums = [0.0] * Sum.WIDTH
        self.longest: float | None = None
        """The longest time in queue, seconds; None if no contact was queued."""
        self.waits: list[float] = []
        """Ascending: how long those waited who were answered, gave up or asked to be called back."""

    def add(self, contact: Contact) -> None:
        """Counts one complete record."""
        sums = self.sums
        sums[Sum.RECORDS] += 1
        if contact.method in ("TRANSFER", "QUEUE_TRANSFER"):
            sums[Sum.TRANSFERRED_IN] += 1
            sums[Sum.TRANSFERRED_IN_FROM_QUEUE] += contact.method == "QUEUE_TRANSFER"
        if contact.enqueued is not None and contact.dequeued is not None:
            self._add_queue(contact, contact.dequeued - contact.enqueued)
        if contact.connected is not None and contact.disconnected is not None and contact.completed is not None:
            self._add_conversation(
                contact, contact.disconnected - contact.connected, contact.completed - contact.disconnected
            )

    def _add_queue(self, contact: Contact, wait: float) -> None:
        sums = self.sums
        sums[Sum.QUEUED] += 1
        if self.longest is None or wait > self.longest:
            self.longest = wait
        left = contact.left
        if left == "ANSWERED":
            if contact.connected is not None:
                sums[Sum.ANSWERED] += 1
                sums[Sum.ANSWER_TIME] += wait
        elif left == "ABANDONED":
            sums[Sum.ABANDONED] += 1
            sums[Sum.ABANDON_TIME] += wait
        elif left == "TRANSFERRED":
            sums[Sum.TRANSFERRED_OUT] += 1
            sums[Sum.TRANSFERRED_OUT_FROM_QUEUE] += 1
        if left in ("ANSWERED", "ABANDONED", "CALLBACK"):
            insort(self.waits, wait)

    def _add_conversation(self, contact: Contact, together: float, after: float) -> None:
        sums = self.sums
        sums[Sum.HANDLED] += 1
        sums[_HANDLED_AS[contact.method]] += 1
        sums[Sum.HANDLE_TIME] += together + after
        sums[Sum.AFTER_TIME] += after
        sums[Sum.INTERACTION_TIME] += together - contact.hold
        sums[Sum.AGENT_FIRST] += contact.agent_first
        sums[Sum.TRANSFERRED_OUT] += contact.ended in ("TRANSFER", "EXTERNAL")
        if contact.hold:
            sums[Sum.HELD] += 1
            sums[Sum.HOLD_TIME] += contact.hold
            sums[Sum.HOLD_DISCONNECTS] += contact.held_at_end


class Total:
    """Tallies taken together."""

    __slots__ = ("longest", "sums", "waits")

    def __init__(self, tallies: list[Tally]) -> None:
        self.sums = [added(column) for column in zip(*(t.sums for t in tallies), strict=True)] or [0.0] * Sum.WIDTH
        self.longest = max((t.longest for t in tallies if t.longest is not None), default=None)
        self.waits = [t.waits for t in tallies if t.waits]

    def below(self, threshold: float) -> int:
        """How many left the queue in less than so many seconds."""
        return sum(bisect_left(waits, threshold) for waits in self.waits)


class Tallies:
    """The tallies of one queue and channel. Hours besides five minutes make a whole day cheap to sum."""

    __slots__ = ("_hours", "_steps")

    def __init__(self) -> None:
        self._steps: dict[int, Tally] = {}
        self._hours: dict[int, Tally] = {}

    def _at(self, time: float) -> tuple[Tally, Tally]:
        step, hour = int(time // STEP), int(time // HOUR)
        fine, coarse = self._steps.get(step), self._hours.get(hour)
        if fine is None:
            fine = self._steps[step] = Tally()
        if coarse is None:
            coarse = self._hours[hour] = Tally()
        return fine, coarse

    def add(self, contact: Contact, disconnected: float) -> None:
        for tally in self._at(disconnected):
            tally.add(contact)

    def miss(self, time: float) -> None:
        """An agent did not answer at this time; that is no record of a contact."""
        for tally in self._at(time):
            tally.sums[Sum.MISSED] += 1

    def between(self, start: float, end: float) -> list[Tally]:
        """What falls into [start, end), both on five-minute marks."""
        first, last = int(start // STEP), int(end // STEP)
        per_hour = HOUR // STEP
        whole = range(-(-first // per_hour), last // per_hour)
        if not whole:
            steps = iter(range(first, last))
            return [t for t in map(self._steps.get, steps) if t is not None]
        edges = chain(range(first, whole.start * per_hour), range(whole.stop * per_hour, last))
        tallies = chain(map(self._hours.get, whole), map(self._steps.get, edges))
        return [t for t in tallies if t is not None]

    def drop(self, before: float) -> None:
        """Forgets the hours that ended before this time."""
        hour = int(before // HOUR)
        for old in [h for h in self._hours if h < hour]:
            del self._hours[old]
        for old in [s for s in self._steps if s < hour * HOUR // STEP]:
            del self._steps[old]
