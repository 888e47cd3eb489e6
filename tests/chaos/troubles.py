"""What can go wrong, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from tests.chaos.centre import FAR, HALF_DAY, HOME, Centre, Record
from tests.chaos.laws import INTERVALS, Scraped
from tests.chaos.moment import RATE, Moment

CALLS = ("GetCurrentMetricData", "GetMetricData", "ListQueues", "ListRoutingProfiles", "ListRoutingProfileQueues")
OPERATIONS = (None, None, *CALLS)
METRICS = ("AGENTS_ONLINE", "OLDEST_CONTACT_AGE", "CONTACTS_HANDLED", "SERVICE_LEVEL", "HANDLE_TIME")
BAD = frozenset({"bad_response", "connection"})
EVERYTHING = frozenset(INTERVALS)
SILENCED = {
    None: EVERYTHING,
    "GetCurrentMetricData": frozenset({"current"}),
    "GetMetricData": frozenset({"historical", "counters"}),
    "ListQueues": frozenset({"inventory"}),
    "ListRoutingProfiles": frozenset({"inventory"}),
    "ListRoutingProfileQueues": frozenset({"profile_queues"}),
}
"""Collectors that can not succeed without an operation."""
REASONS = {
    "throttle": frozenset({"throttled"}),
    "error500": frozenset({"server_error"}),
    "error503": frozenset({"server_error"}),
    "html500": frozenset({"server_error"}),
    "hang": frozenset({"timeout"}),
    "cut": BAD,
    "reset": BAD,
    "garbage": BAD,
    "deny": frozenset({"access_denied"}),
    "expired_token": frozenset({"credentials"}),
}
SLOW = {"hang": 8}
"""How many there are at most: each takes its time of the real world."""


class Stage(Protocol):
    """What troubles work on."""

    moment: Moment
    centre: Centre
    record: Record
    simulator: Simulator

    def refuse(self, refusing: bool) -> None:
        """Whether connections to AWS are refused from now on."""

    def drop(self) -> None:
        """Ends the connections that there are."""

    def reload(self, name: str) -> None:
        """Writes that configuration and asks the daemon to take it."""

    def restart(self, down: float) -> None:
        """SIGTERM, and another process so many seconds later."""


@dataclass(slots=True)
class Trouble:
    """From `start` until `end`, seconds since the episode began. `touches` instances: all others must stay well."""

    name: str
    start: float
    end: float
    touches: frozenset[str]
    begin: Callable[[], None]
    finish: Callable[[], None]
    total: frozenset[str] = frozenset()
    """Instances of which nothing can be had meanwhile by the collectors in `silent`."""
    silent: frozenset[str] = EVERYTHING
    reasons: frozenset[str] = frozenset()
    """One of which must be told of those."""
    gone: frozenset[str] = frozenset()
    """Instances that no list has any more."""
    begun: float = 0.0
    """Shared monotonic seconds."""
    first: Scraped | None = None
    """The first page after that."""


def draw(chance: random.Random, stage: Stage, length: float, outage: bool) -> list[Trouble]:
    """One to four troubles within so many seconds, no two of a kind but scripted faults. `outage`: one of them leaves
    some collectors without an answer almost all the time.
    """
    everybody = frozenset(instance.id for instance in stage.centre.everybody)
    drawn = []
    left = dict(_KINDS)
    if outage:
        kind = chance.choice(("scripted",) * 4 + ("refused", "lost"))
        make = _outage if kind == "scripted" else left.pop(kind)[1]
        drawn.append(make(chance, stage, (chance.uniform(0, 20), length), everybody))
    for _ in range(chance.choice((0, 0, 1, 2) if outage else (1, 1, 2, 2, 3, 4))):
        start = chance.uniform(0, length / 2)
        when = (start, min(length, start + chance.uniform(30, 1.5 * length)))
        kind = chance.choices(tuple(left), tuple(weight for weight, _ in left.values()))[0]
        drawn.append(left[kind][1](chance, stage, when, everybody))
        if kind != "scripted":
            del left[kind]
    return drawn


def _outage(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    """One of the simulator's faults that no request escapes."""
    kind = chance.choice([kind for kind in REASONS if kind not in SLOW])
    fault = Fault(kind, instance=chance.choice((*sorted(everybody), None)), operation=chance.choice(OPERATIONS))
    return _silencing(fault, stage, when, everybody)


def _scripted(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    """One of the simulator's faults, for one instance or for all."""
    kind = chance.choice((*REASONS, "delay", "expired_page", "refuse_metric", "refuse_queue", "refuse_channels"))
    scope = chance.choice((*sorted(everybody), *sorted(everybody), None))
    operation = chance.choice(OPERATIONS)
    probability = chance.choice((1.0, 1.0, 0.5, 0.2))
    more: dict[str, object] = {}
    if kind in SLOW:
        more["times"] = SLOW[kind]
    elif kind == "delay":
        more["delay"] = chance.uniform(0.5, 15.0) / RATE
    elif kind == "refuse_metric":
        more["metric"] = chance.choice(METRICS)
    elif kind == "refuse_queue":
        owner = scope or chance.choice(sorted(everybody))
        more["queue"] = chance.choice(stage.centre.queues(owner)).id
        more["code"] = chance.choice(("ResourceNotFoundException", "InvalidParameterException"))
    elif kind == "refuse_channels":
        more["channel"] = chance.choice(("EMAIL", "TASK", None))
    fault = Fault(kind, instance=scope, operation=operation, probability=probability, **more)  # type: ignore[arg-type]
    return _silencing(fault, stage, when, everybody)


def _silencing(fault: Fault, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    touched = everybody if fault.instance is None else frozenset({fault.instance})
    told = f"{fault.kind} of {fault.operation or 'everything'} at {_short(fault.instance)}, {fault.probability:.0%}"
    faults, certain = stage.simulator.faults, fault.probability == 1 and fault.times is None
    trouble = Trouble(told, *when, touched, lambda: faults.add(fault), lambda: faults.remove(fault))
    if fault.kind in REASONS and certain:
        trouble.total, trouble.silent, trouble.reasons = touched, SILENCED[fault.operation], REASONS[fault.kind]
    return trouble


def _credentials(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    """The other account's role: sessions end, and perhaps no new ones are given."""
    faults, far = stage.simulator.faults, frozenset({stage.centre.far})
    ended = Fault("expired_token", account=FAR, probability=chance.choice((1.0, 0.3)))
    kind = chance.choice(("deny", "error500", "throttle", "cut", "hang", None))
    none_new = () if kind is None else (Fault(kind, operation="AssumeRole", times=8 if kind == "hang" else None),)

    def begin() -> None:
        faults.add(ended, *none_new)

    def finish() -> None:
        faults.remove(ended, *none_new)

    trouble = Trouble(f"sessions end, AssumeRole: {kind}", *when, far, begin, finish)
    if ended.probability == 1 and kind != "hang":
        trouble.total, trouble.reasons = far, REASONS["expired_token"] | REASONS.get(kind or "", frozenset())
    return trouble


def _rights(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    """An account's policy loses an action, or all of it."""
    account = chance.choice((HOME, FAR))
    lost = chance.choice((*(f"connect:{call}" for call in CALLS), "connect:ListInstances", "everything"))
    actions = [f"connect:{call}" for call in (*CALLS, "ListInstances", "DescribeInstance")]
    kept = [] if lost == "everything" else [action for action in actions if action != lost]
    less = {"Action": [*kept, "ds:DescribeDirectories", "sts:AssumeRole"], "Effect": "Allow", "Resource": "*"}
    all_of_it = {"Action": "*", "Effect": "Allow", "Resource": "*"}
    policies = {one: {"Statement": [less if one == account else all_of_it]} for one in (HOME, FAR)}
    mine = frozenset(i.id for i in stage.centre.everybody if i.account_id == account)
    trouble = Trouble(
        f"{account} may not: {lost}",
        *when,
        mine,
        lambda: stage.simulator.allow(policies),
        lambda: stage.simulator.allow(None),
    )
    if lost != "connect:ListInstances":
        lacking = None if lost == "everything" else lost.removeprefix("connect:")
        trouble.total, trouble.silent, trouble.reasons = mine, SILENCED[lacking], frozenset({"access_denied"})
    return trouble


def _corrects(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    """AWS takes back a contact everywhere, for long enough to be asked twice. That makes nobody ill."""
    chosen = frozenset({chance.choice(sorted(everybody))})

    def begin() -> None:
        stage.centre.corrected = chosen

    def finish() -> None:
        stage.centre.corrected = frozenset()

    name = f"AWS corrects the sums of {_short(*chosen)}"
    return Trouble(name, when[0] / 2, when[0] / 2 + 150, frozenset(), begin, finish)


def _queues(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    """Queues are deleted, renamed and made again, some of them between two pages of one chain."""
    chosen, left = chance.choice(sorted(everybody)), chance.randrange(1, 5)
    own = random.Random(chance.random())

    def in_between(instance: str) -> None:
        nonlocal left
        if instance == chosen and left > 0 and own.random() < 0.3:
            left -= 1
            stage.centre.shake(chosen, own)

    def begin() -> None:
        stage.centre.shake(chosen, own)
        stage.record.in_between = in_between

    def finish() -> None:
        stage.record.in_between = None

    return Trouble(f"queues of {_short(chosen)} change", *when, frozenset({chosen}), begin, finish)


def _vanish(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    gone = frozenset(chance.sample(sorted(everybody), chance.choice((1, 1, 2))))

    def begin() -> None:
        stage.centre.hidden = gone

    def finish() -> None:
        stage.centre.hidden = frozenset()

    # The one of the other account is configured: it stays, and fails.
    far = gone & {stage.centre.far}
    name = f"{', '.join(map(_short, sorted(gone)))} vanish"
    # Long enough to be noticed: lists are made every few minutes.
    trouble = Trouble(name, when[0] / 5, when[1], gone, begin, finish)
    trouble.total, trouble.reasons, trouble.gone = far, frozenset({"not_found"}), gone - far
    return trouble


def _step(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    seconds = chance.choice((-3600.0, 3600.0, -3600.0, 3600.0, -7.0, 45.0, HALF_DAY))

    def begin() -> None:
        stage.moment.step = seconds

    def finish() -> None:
        stage.moment.step = 0.0
        if seconds == HALF_DAY:
            # Its counters would now wait for half a day, and many an episode would see nothing of them.
            stage.restart(1)

    return Trouble(f"the clock is {seconds:+g} s wrong", *when, everybody, begin, finish)


def _refused(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    trouble = Trouble(
        "connections are refused", *when, everybody, lambda: stage.refuse(True), lambda: stage.refuse(False)
    )
    trouble.total, trouble.reasons = everybody, BAD
    return trouble


def _lost(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    """The endpoint's name does not resolve, and no connection is left that was opened before."""

    def begin() -> None:
        stage.moment.lost = True
        stage.drop()

    def finish() -> None:
        stage.moment.lost = False

    trouble = Trouble("DNS fails", *when, everybody, begin, finish)
    trouble.total, trouble.reasons = everybody, BAD
    return trouble


def _reloads(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    """A configuration that says other things, or one that can not be right, or the same; then the first again."""
    name = chance.choice(("other", "same", "unknown key", "no YAML", "no file"))
    touched = frozenset({stage.centre.far}) if name == "other" else frozenset()

    def begin() -> None:
        stage.reload(name)

    def finish() -> None:
        stage.reload("same")

    # The other configuration names none, and finds those of one account only.
    return Trouble(f"reload: {name}", *when, touched, begin, finish, gone=touched)


def _restart(chance: random.Random, stage: Stage, when: tuple[float, float], everybody: frozenset[str]) -> Trouble:
    down = chance.uniform(1, 40)

    def begin() -> None:
        stage.restart(down)

    def finish() -> None:
        """It runs again already."""

    return Trouble("SIGTERM", when[0], when[0] + down, everybody, begin, finish)


def _short(instance: str | None) -> str:
    return "all" if instance is None else instance[:8]


_Draw = Callable[[random.Random, Stage, tuple[float, float], frozenset[str]], Trouble]
_KINDS: dict[str, tuple[float, _Draw]] = {
    "scripted": (12, _scripted),
    "credentials": (2, _credentials),
    "rights": (3, _rights),
    "queues": (4, _queues),
    "vanish": (2, _vanish),
    "step": (2, _step),
    "refused": (1, _refused),
    "lost": (1, _lost),
    "corrects": (3, _corrects),
    "reloads": (4, _reloads),
    "restart": (2, _restart),
}
