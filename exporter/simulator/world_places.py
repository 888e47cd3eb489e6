"""What an administrator sees of an instance: queues, routing profiles, agent statuses. A change makes a new one."""

from __future__ import annotations

from dataclasses import dataclass

CHANNELS = ("VOICE", "CHAT", "TASK", "EMAIL")
VOICE, CHAT, TASK, EMAIL = range(4)


@dataclass(frozen=True, slots=True)
class Queue:
    """A standard queue, or the nameless queue that every agent has of their own."""

    id: str
    name: str | None
    kind: str
    """STANDARD or AGENT."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A routing profile: what its agents may take, and what first."""

    id: str
    name: str
    serves: tuple[tuple[str, str, int, int], ...]
    """(queue id, channel, priority, delay): 1 is the highest priority; delay in seconds a contact must have waited."""


@dataclass(frozen=True, slots=True)
class Status:
    """What an agent may set themself to."""

    id: str
    name: str
    kind: str
    """ROUTABLE, OFFLINE or CUSTOM."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An Amazon Connect instance and everything in it that has an id."""

    id: str
    alias: str
    account_id: str
    region: str
    arn: str
    created: float
    """Unix seconds."""
    queues: tuple[Queue, ...]
    profiles: tuple[Profile, ...]
    statuses: tuple[Status, ...]
