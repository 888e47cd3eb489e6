"""All requests of one refresh: at once, all or nothing, but for what AWS refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from exporter.collectors.refusals import Ask, Memory, is_refusal, salvage, without
from exporter.model import Answer, CallFailed, Inventory, Refusal, Request

T = TypeVar("T")


async def ask_all(
    ask: Ask,
    planned: Sequence[Request],
    memory: Memory,
    refresh: Callable[[], Awaitable[Inventory]],
    monotonic: Callable[[], float],
) -> list[Answer]:
    """The answers to all planned requests, less what is refused, which `memory` then holds.

    Raises CallFailed where any request fails for another reason (half of a level is worse than the last whole one),
    where every request is refused, or where a level that was whole until now is refused: a fault may have begun between
    two requests. If the next refresh finds the same, the rest carries on without that level.
    """
    memory.keep_only(planned)
    requests = [reduced for request in planned if (reduced := memory.reduce(request, monotonic())) is not None]
    # Nothing left to ask is not nothing to tell: AWS is asked for all of it, and its refusal is the outcome.
    requests = requests or list(planned)
    outcomes = await together([_attempt(ask, request) for request in requests])
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    refused = [(r, o) for r, o in zip(requests, outcomes, strict=True) if isinstance(o, CallFailed)]
    memory.answered(answer.request for answer in answers)
    lost: set[str] = set()
    if refused:
        more, lost = await _salvage_all(ask, refused, answers, memory, refresh, monotonic)
        answers += more
    memory.standing = {answer.request.level for answer in answers} - lost
    return answers


async def together(coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; the first CallFailed cancels the others and is raised itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _attempt(ask: Ask, request: Request) -> Answer | CallFailed:
    try:
        return await ask(request)
    except CallFailed as failure:
        if not is_refusal(failure):
            raise
        return failure


async def _salvage_all(
    ask: Ask,
    refused: Sequence[tuple[Request, CallFailed]],
    others: Sequence[Answer],
    memory: Memory,
    refresh: Callable[[], Awaitable[Inventory]],
    monotonic: Callable[[], float],
) -> tuple[list[Answer], set[str]]:
    """More answers, and the levels that miss some. `others` are the answers there are already."""
    answers: list[Answer] = []
    lost: list[tuple[Request, CallFailed]] = []
    known: Inventory | None = None
    searched = {request.level for request, _ in refused if memory.searched(request.level, monotonic())}
    for request, failure in refused:
        # A level that may not be seen at all would cost a search for each hundred of its queues.
        in_vain = any(request.level == other.level for other, _ in lost) and not _at(request.level, answers, others)
        if in_vain or request.level in searched:
            lost.append((request, failure))
            continue
        try:
            known = known or await refresh()
            # Ungrouped, AWS may simply not take channels alone: what the other levels were answered needs no search.
            thorough = bool(request.groupings) or not (answers or others)
            found, refusals = await _salvage_one(ask, request, failure, known, memory, thorough)
        except CallFailed as still:
            if not is_refusal(still):
                raise
            lost.append((request, still))
            continue
        answers += found
        memory.answered(answer.request for answer in found)
        memory.remember(refusals, monotonic())
    if answers or others:
        _doubt(lost, memory)
    for request, failure in lost:
        if request.groupings and _at(request.level, answers, others):
            memory.remember(_all_of(request, failure), monotonic())
        elif request.level not in searched:
            memory.remember([_level(request, failure)], monotonic())
    if lost and not (answers or others):
        raise lost[0][1]
    return answers, {request.level for request, _ in lost}


def _doubt(lost: Sequence[tuple[Request, CallFailed]], memory: Memory) -> None:
    """Raises, once, where a level is lost that was whole until now."""
    for request, failure in lost:
        if request.level in memory.standing:
            memory.standing.discard(request.level)
            raise failure


async def _salvage_one(
    ask: Ask, request: Request, failure: CallFailed, known: Inventory, memory: Memory, thorough: bool
) -> tuple[list[Answer], list[Refusal]]:
    """First without what the fresh inventory no longer lists, then without elements, one of which is at fault."""
    present = _still_there(request, known)
    if present is None:
        return [], []
    if present != request:
        outcome = await _attempt(ask, present)
        if isinstance(outcome, Answer):
            return [outcome], []
        failure = outcome
    return await salvage(ask, present, failure, memory.suspects(), thorough)


def _still_there(request: Request, known: Inventory) -> Request | None:
    gone = [("queue", q) for q in request.queues if known.queues is not None and q not in known.queues]
    profiles = known.routing_profiles
    gone += [("routing_profile", p) for p in request.routing_profiles if profiles is not None and p not in profiles]
    return without(request, gone)


def _at(level: str, *answers: Sequence[Answer]) -> bool:
    return any(answer.request.level == level for some in answers for answer in some)


def _level(request: Request, failure: CallFailed) -> Refusal:
    return Refusal(request.level, "level", request.level, failure.reason, failure.message)


def _all_of(request: Request, failure: CallFailed) -> list[Refusal]:
    kind, names = ("queue", request.queues) if request.queues else ("routing_profile", request.routing_profiles)
    return [Refusal(request.level, kind, name, failure.reason, failure.message) for name in names]
