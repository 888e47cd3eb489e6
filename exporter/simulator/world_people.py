"""The state of an instance at one moment: who waits where, who works on what."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.simulator.world_ledger import STEP, Contact, Tallies
from exporter.simulator.world_places import CHANNELS

AVAILABLE, OFFLINE = 0, 1
"""Places of these two among an instance's statuses; custom ones follow."""

NOTHING, CONTACT, IDLE = range(3)
"""What an agent's time goes to, as OCCUPANCY sees it."""


@dataclass(frozen=True, slots=True)
class Nature:
    """How the contacts of a line behave. Times are means in seconds."""

    talk: float
    after: float
    patience: float | None
    """None: nobody gives up."""
    callback: float = 0.0
    """Share of those giving up who ask to be called back."""
    api: float = 0.0
    """Share that a program began."""


class Line:
    """One channel of one queue: those who wait, and who may take them."""

    __slots__ = (
        "answers",
        "changes",
        "channel",
        "factor",
        "haste",
        "key",
        "nature",
        "open",
        "overflow",
        "overflow_after",
        "rates",
        "scheduled",
        "serves",
        "stalled",
        "tallies",
        "waiting",
    )

    def __init__(self, queue: str, channel: int, nature: Nature, rates: Sequence[float]) -> None:
        self.key = (queue, CHANNELS[channel])
        self.channel = channel
        self.nature = nature
        self.rates = tuple(rates)
        """Arrivals a second in each quarter of an hour of the local day."""
        self.factor = 1.0
        self.changes = 0
        """Of the factor: an arrival drawn before the last one is void."""
        self.haste = 1.0
        """How many times as soon as usual those who arrive give up."""
        self.stalled = False
        """Whether routing offers contacts of this line to nobody."""
        self.open = True
        self.overflow: Line | None = None
        self.overflow_after = 0.0
        self.serves: list[tuple[Team, int, float]] = []
        """(team, priority, delay)"""
        self.waiting: dict[Contact, None] = {}
        """In the order of arrival; a ringing contact still waits."""
        self.scheduled: dict[Contact, None] = {}
        self.answers: deque[float] = deque(maxlen=16)
        """When contacts were last taken from this line."""
        self.tallies = Tallies()


class Team:
    """The agents of one routing profile."""

    __slots__ = ("absent", "agents", "buckets", "deaf", "free", "lines", "online", "profile", "slots")

    def __init__(self, profile: str, slots: Sequence[int]) -> None:
        self.profile = profile
        self.slots = tuple(slots)
        """How many contacts of each channel an agent may have at once."""
        self.lines: tuple[list[tuple[int, float, Line]], ...] = ([], [], [], [])
        """By channel: (priority, delay, line)."""
        self.agents: list[Agent] = []
        self.online: dict[Agent, None] = {}
        self.absent = False
        """Whether nobody comes to work."""
        self.deaf: dict[Agent, None] = {}
        """Who answers nothing, and does not get out of error."""
        self.free: tuple[dict[Agent, None], ...] = ({}, {}, {}, {})
        """By channel: who can take a contact now, longest free first."""
        self.buckets: dict[int, list[float]] = {}
        """Five minutes -> seconds [on contact, idle] of all agents together."""

    def serve(self, line: Line, priority: int = 1, delay: float = 0.0) -> None:
        self.lines[line.channel].append((priority, delay, line))
        line.serves.append((self, priority, delay))

    def drop(self, line: Line) -> None:
        entries = self.lines[line.channel]
        entries[:] = [entry for entry in entries if entry[2] is not line]

    def spend(self, kind: int, start: float, end: float) -> None:
        """Books an agent's time, split at five-minute marks."""
        for step in range(int(start // STEP), int(end // STEP) + 1):
            seconds = min(end, (step + 1) * STEP) - max(start, step * STEP)
            if seconds > 0:
                bucket = self.buckets.get(step)
                if bucket is None:
                    bucket = self.buckets[step] = [0.0, 0.0]
                bucket[kind - 1] += seconds


class Agent:
    """Somebody who works here, on shift or not."""

    __slots__ = (
        "contacts",
        "day",
        "error",
        "id",
        "kind",
        "leaving",
        "length",
        "mode",
        "pending",
        "ringing",
        "since",
        "start",
        "status",
        "team",
        "touched",
    )

    def __init__(self, id_: str, team: Team, start: float, length: float) -> None:
        self.id = id_
        self.team = team
        self.start = start
        """Seconds after local midnight at which the shift begins."""
        self.length = length
        self.day = 0
        """Counts shifts, so that an event of yesterday's can tell."""
        self.status = OFFLINE
        self.leaving = False
        self.pending: tuple[int, float] | None = None
        """(status, seconds) to go to once the last contact is done."""
        self.error = False
        self.contacts: list[Contact] = []
        self.mode = 0
        """Channel of the contacts."""
        self.ringing: Contact | None = None
        self.touched = 0.0
        """When the last contact was done."""
        self.kind = NOTHING
        self.since = 0.0
        """Since when `kind` is what it is."""

    @property
    def routable(self) -> bool:
        """Whether routing offers contacts to this agent at all, free slots aside."""
        return self.status == AVAILABLE and not (self.error or self.leaving or self.pending or self.ringing)

    def room(self, channel: int) -> int:
        """Contacts of this channel that could be taken now. An agent works on one channel at a time."""
        if self.status != AVAILABLE or self.error or self.leaving or self.pending or self.ringing:
            return 0
        if self.contacts:
            return self.team.slots[channel] - len(self.contacts) if channel == self.mode else 0
        return self.team.slots[channel]
