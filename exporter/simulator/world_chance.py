"""All that is left to chance in a contact's life. Every draw is from the generator that is handed in."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random
from statistics import NormalDist

from exporter.simulator.numbers import added
from exporter.simulator.world_ledger import Contact
from exporter.simulator.world_people import Nature

LONGEST_AFTER_WORK = 840.0
"""Seconds; no agent works after a contact for longer: a record is complete a quarter of an hour after its end."""
CALLBACK_DELAYS = (60.0, 120.0, 300.0, 600.0)


def _spread(sigma: float, size: int = 1024) -> tuple[float, ...]:
    """Quantiles of a log-normal distribution of mean 1: drawing one is indexing."""
    normal = NormalDist()
    values = [math.exp(sigma * normal.inv_cdf((i + 0.5) / size)) for i in range(size)]
    mean = added(values) / size
    return tuple(value / mean for value in values)


_TALK = _spread(0.6)
_AFTER = _spread(0.8)


def next_arrival(
    random: Random, now: float, rates: Sequence[float], factor: float, quarter: Callable[[float], int]
) -> float | None:
    """When the next contact of a Poisson process comes whose rate follows the day, by thinning; None: never."""
    peak = max(rates) * factor
    if peak <= 0:
        return None
    draw, exponential = random.random, random.expovariate
    time = now
    while True:
        time += exponential(peak)
        if draw() * peak < rates[quarter(time)] * factor:
            return time


def ring(random: Random, voice: bool, neglect: float) -> tuple[bool, float]:
    """Whether the agent answers, and the seconds until they do or it is given up. 1 is the usual `neglect`."""
    if random.random() < neglect * (0.015 if voice else 0.006):
        return False, 20.0
    return True, 2.0 + random.random() * (6.0 if voice else 4.0)


def error(random: Random) -> float:
    """Seconds until an agent who missed a contact notices and resets themself."""
    return 20.0 + random.random() * 160.0


def reach(random: Random) -> bool:
    """Whether a customer who is called answers."""
    return random.random() < 0.8


def conversation(random: Random, contact: Contact, nature: Nature) -> float:
    """Decides how a conversation will go and writes it into the record; returns its seconds, hold included."""
    draw = random.random
    ending = draw()
    if ending < 0.04:
        contact.ended = "TRANSFER"
    elif ending < 0.05:
        contact.ended = "EXTERNAL"
    elif ending < 0.35:
        contact.ended = "AGENT"
        contact.agent_first = True
    else:
        contact.ended = "CUSTOMER"
    if contact.channel == "VOICE" and draw() < 0.14:
        contact.hold = 4.0 + 41.0 * _AFTER[int(draw() * 1024)]
        contact.consulted = draw() < 0.15
        contact.held_at_end = contact.ended in ("AGENT", "CUSTOMER") and draw() < 0.08
    return 5.0 + (nature.talk - 5.0) * _TALK[int(draw() * 1024)] + contact.hold


def after_work(random: Random, contact: Contact, nature: Nature) -> float:
    """Seconds of after-contact work; little where the customer was never reached, none on some channels."""
    mean = nature.after if contact.connected is not None else min(8.0, nature.after)
    return min(LONGEST_AFTER_WORK, mean * _AFTER[int(random.random() * 1024)]) if mean else 0.0
