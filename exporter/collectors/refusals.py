"""One bad queue, profile, channel or metric must cost only itself.

AWS refuses a whole request for one element it does not like, and does not say which. So the request is asked again in
parts until what is refused stands alone; the rest is answered. What was refused is left out of the next requests for a
while and then tried again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from exporter.model import Answer, CallFailed, Metric, Reason, Refusal, Request

Ask = Callable[[Request], Awaitable[Answer]]

KINDS = {"metric": "metrics", "queue": "queues", "routing_profile": "routing_profiles", "channel": "channels"}
"""What can be refused, and the field of Request that holds it."""

_REFUSALS = frozenset({Reason.INVALID_REQUEST, Reason.NOT_FOUND, Reason.ACCESS_DENIED})


def is_refusal(failure: CallFailed) -> bool:
    """Whether AWS said no, perhaps to one element of the request; other failures concern the moment or the caller."""
    return failure.reason in _REFUSALS and bool(failure.code)


USUAL_SUSPECTS = (("metric", "ESTIMATED_WAIT_TIME"), ("channel", "EMAIL"))
"""Known to be refused in some places (no next-generation Connect; three channels): tried first, for one call each."""

SAMPLES = 5
"""Requests for a single element of each kind, spread over all, that are tried before a search. Where all of them are
refused, it is not for an element, and a search would spend the quota of a minute in vain.
"""
MOST_PROBES = 64
DEEPEST = 3
"""Filters are cut into at most 2**DEEPEST parts while nothing at all has been answered: a denied instance would
otherwise cost a call for each of its queues. Metrics and channels are few, and go down to single ones."""


LEVEL_RETRY = 60.0
"""Seconds, at most, for which a level that was refused whole as invalid is not asked for."""


@dataclass(slots=True)
class Memory:
    """What one collector of one target was refused lately, and until when (monotonic seconds) it is left out."""

    retry_after: float
    refused: dict[tuple[str, str, str], tuple[Refusal, float]] = field(default_factory=dict)
    """By (level, kind, name)."""
    answers: dict[Request, tuple[float, Answer]] = field(default_factory=dict)
    """What need not be asked again yet, with the monotonic seconds at which it was asked."""
    standing: set[str] = field(default_factory=set)
    """Levels that the last refresh had whole."""

    def reduce(self, request: Request, monotonic: float) -> Request | None:
        """The request less what is being left out; None where nothing is left to ask.

        A level that may not be seen is still asked for, so that a right is noticed as soon as it is granted.
        """
        whole = self.refused.get((request.level, "level", request.level))
        if whole and monotonic < whole[1] and whole[0].reason is Reason.INVALID_REQUEST:
            return None
        active = (
            (k, n) for (level, k, n), (_, until) in self.refused.items() if level == request.level and monotonic < until
        )
        return without(request, active)

    def searched(self, level: str, monotonic: float) -> bool:
        """Whether the level was lately searched for something AWS would answer, in vain."""
        whole = self.refused.get((level, "level", level))
        return whole is not None and monotonic < whole[1]

    def suspects(self) -> tuple[tuple[str, str], ...]:
        """Elements of requests only: a whole level can not be left out of one."""
        return tuple({(kind, name): None for _, kind, name in self.refused if kind in KINDS})

    def remember(self, refusals: Iterable[Refusal], monotonic: float) -> None:
        for refusal in refusals:
            # What may not be seen or is not there is asked for all the time: only the search for parts of it waits.
            soon = refusal.kind == "level" and refusal.reason is Reason.INVALID_REQUEST
            wait = min(LEVEL_RETRY, self.retry_after) if soon else self.retry_after
            self.refused[refusal.level, refusal.kind, refusal.name] = (refusal, monotonic + wait)

    def answered(self, requests: Iterable[Request]) -> None:
        """Nothing in an answered request is refused any more."""
        for request in requests:
            self.refused.pop((request.level, "level", request.level), None)
            for kind in KINDS:
                for name in names_of(request, kind):
                    self.refused.pop((request.level, kind, name), None)

    def keep_only(self, planned: Iterable[Request]) -> None:
        """Forget what would not be asked any more: queues that are gone."""
        names: set[tuple[str, str, str]] = set()
        for request in planned:
            names.add((request.level, "level", request.level))
            names |= {(request.level, kind, name) for kind in KINDS for name in names_of(request, kind)}
        self.refused = {key: value for key, value in self.refused.items() if key in names}

    def current(self) -> tuple[Refusal, ...]:
        return tuple(refusal for refusal, _ in self.refused.values())


async def salvage(
    ask: Ask,
    request: Request,
    failure: CallFailed,
    suspects: Collection[tuple[str, str]] = (),
    thorough: bool = True,
) -> tuple[list[Answer], list[Refusal]]:
    """Answers to all of a refused request that AWS will answer, and what it will not.

    `suspects` are left out first, all at once; unless `thorough`, nothing but suspects is tried. Raises the failure
    again where no part is answered, and at once whatever is not a refusal (throttled, timeout, …).
    """
    search = _Search(ask, failure)
    present = [key for key in dict.fromkeys((*suspects, *USUAL_SUSPECTS)) if key[1] in names_of(request, key[0])]
    usual = [key for key in present if key in USUAL_SUSPECTS]
    # Several of the usual ones may be refused in one place, so all are tried together too.
    for held in _each_once([key for key in present if key in suspects], *([key] for key in usual), present):
        reduced = without(request, held)
        if reduced is not None and (answer := await search.probe(reduced)) is not None:
            return await search.acquit(request, held, [answer], known_guilty=len(held) == 1)
    if not thorough:
        raise failure
    if failure.reason is Reason.INVALID_REQUEST:
        for sample in _samples(request):
            if await search.probe(sample) is not None:
                break
        else:
            raise failure
    # Two kinds at fault hide each other, so what is doubtful stays out of the search, unless nothing else is good.
    without_doubt = without(request, present)
    found = await search.find(without_doubt) if without_doubt is not None else None
    if found is None and any(kind in search.kinds() for kind, _ in present):
        present = []
        found = await search.find(request)
    if found is None:
        raise failure
    answers, refusals = await search.narrow(*found)
    rest = without(request, ((refusal.kind, refusal.name) for refusal in refusals))
    if rest is None:
        return answers, refusals
    answers, more = await search.acquit(rest, present, answers)
    return answers, refusals + more


def _samples(request: Request) -> Iterator[Request]:
    for number in range(SAMPLES):
        changes: dict[str, Any] = {}
        for attribute in KINDS.values():
            items = getattr(request, attribute)
            at = number * (len(items) - 1) // (SAMPLES - 1)
            changes[attribute] = items[at : at + 1]
        yield replace(request, **changes)


def _each_once(*guesses: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    return [guess for number, guess in enumerate(guesses) if guess and guess not in guesses[:number]]


class _Search:
    """A bounded number of probes, and the failure that began it."""

    def __init__(self, ask: Ask, failure: CallFailed) -> None:
        self._ask = ask
        self._failure = failure
        self._left = MOST_PROBES
        self._refused: set[Request] = set()

    async def probe(self, request: Request) -> Answer | None:
        """The answer, or None for a refusal."""
        if request in self._refused:
            return None
        if self._left == 0:
            raise self._failure
        self._left -= 1
        try:
            return await self._ask(request)
        except CallFailed as failure:
            if not is_refusal(failure):
                raise
            self._refused.add(request)
            return None

    def refusal(self, level: str, kind: str, name: str) -> Refusal:
        return Refusal(level, kind, name, self._failure.reason, self._failure.message)

    async def acquit(
        self, request: Request, suspects: list[tuple[str, str]], answers: list[Answer], known_guilty: bool = False
    ) -> tuple[list[Answer], list[Refusal]]:
        """Without all suspects there were answers; take back each that does no harm."""
        guilty = list(suspects)
        for suspect in () if known_guilty else suspects:
            if self._left == 0:
                break
            others = [key for key in guilty if key != suspect]
            widened = without(request, others)
            if widened is not None and (better := await self.probe(widened)) is not None:
                answers, guilty = [better], others
        return answers, [self.refusal(request.level, kind, name) for kind, name in guilty]

    async def find(self, request: Request) -> tuple[str, list[tuple[Request, Answer | None]]] | None:
        """Cut by each kind in turn, ever finer, until some part is answered: then only that kind is at fault."""
        depth = 1
        while cuts := [(kind, parts) for kind in self.kinds() if (parts := list(_cut(request, kind, depth)))]:
            for kind, parts in cuts:
                outcomes = [(part, await self.probe(part)) for part in parts]
                if any(answer is not None for _, answer in outcomes):
                    return kind, outcomes
            depth += 1
        return None

    async def narrow(
        self, kind: str, outcomes: list[tuple[Request, Answer | None]]
    ) -> tuple[list[Answer], list[Refusal]]:
        """Halve what is refused until it stands alone."""
        answers: list[Answer] = []
        refusals: list[Refusal] = []
        while outcomes:
            part, answer = outcomes.pop()
            if answer is not None:
                answers.append(answer)
            elif len(single := names_of(part, kind)) == 1:
                refusals.append(self.refusal(part.level, kind, single[0]))
            else:
                outcomes += [(half, await self.probe(half)) for half in _cut(part, kind, 1)]
        return answers, refusals

    def kinds(self) -> tuple[str, ...]:
        # What may not be seen or is not there is named by a filter; only an invalid request can be a metric's fault.
        if self._failure.reason is Reason.INVALID_REQUEST:
            return ("metric", "queue", "routing_profile", "channel")
        return ("queue", "routing_profile")


def without(request: Request, keys: Iterable[tuple[str, str]]) -> Request | None:
    """The request less these (kind, name); None where a list that held something would be empty."""
    changes: dict[str, Any] = {}
    for kind, name in keys:
        attribute = KINDS.get(kind)
        if attribute is None or name not in names_of(request, kind):
            continue
        held = changes.get(attribute, getattr(request, attribute))
        changes[attribute] = tuple(item for item in held if _name(item) != name)
        if not changes[attribute]:
            return None
    return replace(request, **changes)


def names_of(request: Request, kind: str) -> tuple[str, ...]:
    return tuple(_name(item) for item in getattr(request, KINDS[kind]))


def _name(item: str | Metric) -> str:
    """A service level may be refused for its threshold alone: SERVICE_LEVEL(20)."""
    if isinstance(item, str):
        return item
    return item.name if item.threshold is None else f"{item.name}({item.threshold:g})"


def _cut(request: Request, kind: str, depth: int) -> Iterator[Request]:
    """The request in up to 2**depth parts; none where that is no finer than one level up, or too fine."""
    items = tuple(getattr(request, KINDS[kind]))
    parts, before = min(2**depth, len(items)), min(2 ** (depth - 1), len(items))
    if parts == before or (depth > DEEPEST and kind in ("queue", "routing_profile")):
        return
    edges = [len(items) * n // parts for n in range(parts + 1)]
    for start, end in pairwise(edges):
        part: dict[str, Any] = {KINDS[kind]: items[start:end]}
        yield replace(request, **part)
