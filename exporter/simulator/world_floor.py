"""What happens to contacts: they arrive, wait, ring, are answered, end. One `Floor` is one instance at work.

Events lie in a heap by time, then by the order in which they were made, and each plays at exactly its own time: so the
state at a moment does not depend on how often anybody looked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

from exporter.simulator import world_chance
from exporter.simulator.world_books import KEEP, Books
from exporter.simulator.world_ledger import HOUR, STEP, Contact
from exporter.simulator.world_people import AVAILABLE, CONTACT, IDLE, NOTHING, OFFLINE, Agent, Line, Team

OLDEST = 7 * 24 * HOUR
"""No contact lives longer than seven days (Amazon Connect service quotas)."""
DAY = 24 * HOUR
_QUARTER = 900


class Floor:
    """The contacts and agents of one instance, and the events to come."""

    def __init__(self, *, random: Random, start: float, utc_offset: float, neglect: float = 1.0) -> None:
        self.random = random
        self.now = start
        self.utc_offset = utc_offset
        """Hours; the rhythm of the day is a local one."""
        self.neglect = neglect
        """How many times as often as usual agents miss a contact."""
        self.lines: dict[tuple[str, str], Line] = {}
        self.teams: list[Team] = []
        self.open: dict[Contact, None] = {}
        """Every contact whose record is not complete."""
        self.books = Books()
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._events = 0
        self._contacts = 0
        self.at(start + HOUR, self._sweep, None)

    # time

    def at(self, time: float, action: Callable[[Any], None], argument: Any) -> None:
        """Has something happen at a time."""
        self._events += 1
        heappush(self._heap, (time, self._events, action, argument))

    def play(self, until: float) -> None:
        """Lets everything happen that is due by then. A time that has passed already changes nothing."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, action, argument = heappop(heap)
            action(argument)
        self.now = max(self.now, until)

    def quarter(self, time: float) -> int:
        """Which quarter of an hour of the local day it is."""
        return int((time + self.utc_offset * HOUR) % DAY // _QUARTER)

    def _sweep(self, _: None) -> None:
        self.at(self.now + HOUR, self._sweep, None)
        before = self.now - KEEP
        self.books.drop(before)
        for team in self.teams:
            for step in [s for s in team.buckets if s * STEP < before]:
                del team.buckets[step]
        for line in list(self.lines.values()):
            line.tallies.drop(before)
            for contact in [c for c in line.waiting if c.initiated < self.now - OLDEST]:
                self.remove(contact)

    # arrival

    def open_line(self, line: Line) -> None:
        self.lines[line.key] = line
        self.next_arrival(line)

    def next_arrival(self, line: Line) -> None:
        time = world_chance.next_arrival(self.random, self.now, line.rates, line.factor, self.quarter)
        if time is not None:
            self.at(time, self._arrive, (line, line.changes))

    def _arrive(self, due: tuple[Line, int]) -> None:
        line, changes = due
        # After a change of rate the arrival that was already drawn is void: whoever changed it drew another.
        if not line.open or changes != line.changes:
            return
        self.next_arrival(line)
        api = line.nature.api
        method = "API" if api and self.random.random() < api else "INBOUND"
        self.enqueue(self.begin(line, method), line)

    def begin(self, line: Line, method: str, previous: int | None = None) -> Contact:
        """Opens a contact record."""
        self._contacts += 1
        contact = Contact(self._contacts, line.key[0], line.key[1], method, self.now, previous=previous)
        self.open[contact] = None
        return contact

    # waiting

    def enqueue(self, contact: Contact, line: Line) -> None:
        contact.stage = "WAITING"
        contact.enqueued = self.now
        line.waiting[contact] = None
        patience = line.nature.patience
        if patience is not None and contact.method != "CALLBACK":
            self.at(self.now + self.random.expovariate(line.haste / patience), self._lose_patience, contact)
        if line.overflow is not None:
            self.at(self.now + line.overflow_after, self._overflow, contact)
        for delay in sorted({delay for _, _, delay in line.serves if delay}):
            self.at(self.now + delay, self.place, contact)
        self.place(contact)

    def _line(self, contact: Contact) -> Line:
        return self.lines[contact.queue, contact.channel]

    def _dequeue(self, contact: Contact, line: Line, how: str) -> None:
        line.waiting.pop(contact, None)
        contact.dequeued = self.now
        contact.left = how

    def _lose_patience(self, contact: Contact) -> None:
        if contact.stage not in ("WAITING", "RINGING"):
            return
        line = self._line(contact)
        callback = line.nature.callback
        wants_callback = contact.stage == "WAITING" and callback and self.random.random() < callback
        self._leave(contact, line, "CALLBACK" if wants_callback else "ABANDONED")
        if wants_callback:
            again = self.begin(line, "CALLBACK", contact.id)
            again.stage = "SCHEDULED"
            again.due = self.now + self.random.choice(world_chance.CALLBACK_DELAYS)
            line.scheduled[again] = None
            self.at(again.due, self._callback_due, again)

    def _leave(self, contact: Contact, line: Line, how: str) -> None:
        """Takes a contact out of the queue that no agent answered."""
        agent = self._ringing(contact) if contact.stage == "RINGING" else None
        self._dequeue(contact, line, how)
        self._complete(contact, line)
        if agent is not None:
            agent.ringing = None
            # A customer who hangs up while it rings counts as missed too (AWS: agent non-response).
            self._missed(agent, contact, line)
            self.settle(agent)

    def _ringing(self, contact: Contact) -> Agent | None:
        for team, _, _ in self._line(contact).serves:
            for agent in team.online:
                if agent.ringing is contact:
                    return agent
        return None

    def _callback_due(self, contact: Contact) -> None:
        line = self._line(contact)
        if contact in line.scheduled:
            del line.scheduled[contact]
            self.enqueue(contact, line)

    def _overflow(self, contact: Contact) -> None:
        line = self._line(contact)
        if contact.stage != "WAITING" or line.overflow is None or not line.overflow.open:
            return
        self._leave(contact, line, "TRANSFERRED")
        self.enqueue(self.begin(line.overflow, "QUEUE_TRANSFER", contact.id), line.overflow)

    def remove(self, contact: Contact) -> None:
        """Ends a contact that waits, or waits to be called back, because its queue goes or seven days are over."""
        line = self._line(contact)
        if contact in line.scheduled:
            del line.scheduled[contact]
            contact.left = "REMOVED"
            self._complete(contact, line)
        elif contact in line.waiting:
            self._leave(contact, line, "REMOVED")

    # routing

    def place(self, contact: Contact) -> None:
        """Rings the agent who has been free the longest, in the profile that ranks this queue highest."""
        line = self._line(contact)
        if contact.stage != "WAITING" or line.stalled:
            return
        best: Agent | None = None
        rank = (0, 0.0)
        for team, priority, delay in line.serves:
            free = team.free[line.channel]
            if free and not (delay and self._waited(contact) < delay):
                agent = next(iter(free))
                if best is None or (priority, agent.touched) < rank:
                    best, rank = agent, (priority, agent.touched)
        if best is not None:
            self._ring(best, contact)

    def _waited(self, contact: Contact) -> float:
        # A delay's own event comes at enqueued + delay, and (a + b) - a may fall short of b by a rounding.
        return self.now - (contact.enqueued or 0.0) + 1e-6

    def _seek(self, agent: Agent) -> None:
        """Rings this agent for whoever comes first: by priority, then by time of arrival."""
        best: Contact | None = None
        rank = (0, 0.0)
        for channel, lines in enumerate(agent.team.lines):
            if not lines or agent not in agent.team.free[channel]:
                continue
            for priority, delay, line in lines:
                if not line.waiting or line.stalled:
                    continue
                first = next((c for c in line.waiting if c.stage == "WAITING"), None)
                if first is None or (delay and self._waited(first) < delay):
                    continue
                if best is None or (priority, first.enqueued or 0.0) < rank:
                    best, rank = first, (priority, first.enqueued or 0.0)
        if best is not None:
            self._ring(agent, best)

    def _ring(self, agent: Agent, contact: Contact) -> None:
        agent.ringing = contact
        contact.stage = "RINGING"
        self.refit(agent)
        self.mark(agent)
        answers, seconds = world_chance.ring(self.random, contact.channel == "VOICE", self._neglect(agent))
        self.at(self.now + seconds, self._answer if answers else self._miss, (agent, contact))

    def _neglect(self, agent: Agent) -> float:
        return math.inf if agent in agent.team.deaf else self.neglect

    def _missed(self, agent: Agent, contact: Contact, line: Line) -> None:
        self.books.misses.append((self.now, contact.queue, contact.channel, agent.id))
        line.tallies.miss(self.now)

    def _miss(self, call: tuple[Agent, Contact]) -> None:
        agent, contact = call
        if agent.ringing is not contact:
            return
        agent.ringing = None
        agent.error = True
        contact.stage = "WAITING"
        self._missed(agent, contact, self._line(contact))
        self.at(self.now + world_chance.error(self.random), self.reset, agent)
        self.settle(agent)
        self.place(contact)

    def reset(self, agent: Agent) -> None:
        """Out of error, but for those who can not."""
        if agent not in agent.team.deaf:
            agent.error = False
            self.settle(agent)

    # conversation

    def _answer(self, call: tuple[Agent, Contact]) -> None:
        agent, contact = call
        if agent.ringing is not contact:
            return
        line = self._line(contact)
        agent.ringing = None
        self._dequeue(contact, line, "ANSWERED")
        line.answers.append(self.now)
        self._take(agent, contact)
        if contact.method == "CALLBACK":
            self._dial(agent, contact)
        else:
            self._connect(agent, contact)
        self.settle(agent)

    def _take(self, agent: Agent, contact: Contact) -> None:
        contact.accepted = self.now
        contact.agent = agent.id
        agent.contacts.append(contact)
        agent.mode = self._line(contact).channel

    def call_out(self, agent: Agent, line: Line) -> None:
        """An agent with nothing to do calls a customer; the contact belongs to a queue but never waits in it."""
        contact = self.begin(line, "OUTBOUND")
        self._take(agent, contact)
        self._dial(agent, contact)
        self.settle(agent)

    def _dial(self, agent: Agent, contact: Contact) -> None:
        contact.stage = "DIALLING"
        self.at(self.now + 6.0 + self.random.random() * 16.0, self._reach, (agent, contact))

    def _reach(self, call: tuple[Agent, Contact]) -> None:
        agent, contact = call
        if world_chance.reach(self.random):
            self._connect(agent, contact)
        else:
            contact.ended = "UNREACHED"
            self._end((agent, contact))

    def _connect(self, agent: Agent, contact: Contact) -> None:
        """The conversation's end is the only event in it that matters to any metric."""
        contact.stage = "CONNECTED"
        contact.connected = self.now
        seconds = world_chance.conversation(self.random, contact, self._line(contact).nature)
        self.at(self.now + seconds, self._end, (agent, contact))

    def _end(self, call: tuple[Agent, Contact]) -> None:
        contact = call[1]
        line = self._line(contact)
        contact.disconnected = self.now
        contact.stage = "AFTER"
        if contact.ended == "TRANSFER":
            self._transfer(contact, line)
        seconds = world_chance.after_work(self.random, contact, line.nature)
        if seconds:
            self.at(self.now + seconds, self._done, call)
        else:
            self._done(call)

    def _transfer(self, contact: Contact, line: Line) -> None:
        """To another queue of the same channel that somebody serves; outside, where there is none."""
        others = [other for other in self.lines.values() if other.channel == line.channel and other is not line]
        targets = [other for other in others if other.open and other.serves]
        if not targets:
            contact.ended = "EXTERNAL"
            return
        target = targets[int(self.random.random() * len(targets))]
        self.enqueue(self.begin(target, "TRANSFER", contact.id), target)

    def _done(self, call: tuple[Agent, Contact]) -> None:
        agent, contact = call
        agent.contacts.remove(contact)
        agent.touched = self.now
        self._complete(contact, self._line(contact))
        for free in agent.team.free:
            free.pop(agent, None)
        self.settle(agent)

    def _complete(self, contact: Contact, line: Line) -> None:
        contact.stage = "DONE"
        contact.completed = self.now
        if contact.disconnected is None:
            contact.disconnected = self.now
        del self.open[contact]
        self.books.finished.append(contact)
        line.tallies.add(contact, contact.disconnected)

    # agents

    def settle(self, agent: Agent) -> None:
        """After any change: does what the agent put off until now, and offers the room they have."""
        if not agent.contacts and agent.ringing is None:
            if agent.leaving:
                self.set_status(agent, OFFLINE)
            elif agent.pending is not None:
                status, seconds = agent.pending
                self.set_status(agent, status)
                self.at(self.now + seconds, self.resume, (agent, agent.day))
        self.refit(agent)
        self.mark(agent)
        if agent.routable:
            self._seek(agent)

    def set_status(self, agent: Agent, status: int) -> None:
        self.books.changes.append((self.now, agent.team.profile, agent.id, status))
        agent.status = status
        agent.pending = None
        if status == OFFLINE:
            agent.leaving = agent.error = False
            agent.team.online.pop(agent, None)
        else:
            agent.team.online[agent] = None

    def resume(self, due: tuple[Agent, int]) -> None:
        """Back from a break, unless the shift is over."""
        agent, day = due
        if agent.day == day and agent.status not in (OFFLINE, AVAILABLE):
            self.set_status(agent, AVAILABLE)
            agent.touched = self.now
            self.settle(agent)

    def refit(self, agent: Agent) -> None:
        """Keeps the lists of free agents right."""
        for channel, free in enumerate(agent.team.free):
            if agent.room(channel) > 0:
                free.setdefault(agent, None)
            else:
                free.pop(agent, None)

    def mark(self, agent: Agent) -> None:
        """Books the agent's time whenever what it goes to changes.

        Idle is Available without a contact, Error included, ringing left out (Administrator Guide, "Agent idle time").
        """
        if agent.contacts:
            kind = CONTACT
        elif agent.status == AVAILABLE and agent.ringing is None:
            kind = IDLE
        else:
            kind = NOTHING
        if kind != agent.kind:
            if agent.kind != NOTHING and self.now > agent.since:
                agent.team.spend(agent.kind, agent.since, self.now)
                self.books.spans.append((agent.team.profile, agent.id, agent.kind, agent.since, self.now))
            agent.kind = kind
            agent.since = self.now
