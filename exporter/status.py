"""What the status page says, in words, of what the engine knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from exporter.board import Board
from exporter.engine import Engine
from exporter.inventory import account_of
from exporter.jobs import Clock
from exporter.model import Access, Reason, Target
from exporter.telemetry import State
from exporter.web.page import CollectorStatus, InstanceStatus

HINTS: Mapping[Reason, str] = {
    Reason.THROTTLED: "The account's quota is used up, perhaps by others: lower aws.quota_share or raise the interval.",
    Reason.ACCESS_DENIED: "A right is missing: compare the role's policy with `amazon-connect-exporter iam-policy`.",
    Reason.CREDENTIALS: "There are no valid credentials: check the profile, role or environment of this process.",
    Reason.NOT_FOUND: "AWS does not know it here: check the instance id, the region and the account.",
    Reason.INVALID_REQUEST: "AWS refuses the request: `check --live` asks for each kind of data by itself.",
    Reason.TIMEOUT: "AWS did not answer in time: check network, proxy and VPC endpoint, or raise aws.read_timeout.",
    Reason.CONNECTION: "AWS can not be reached: check network, DNS, proxy and aws.endpoint_url.",
    Reason.SERVER_ERROR: "AWS has a fault of its own, which usually passes: see the AWS Health Dashboard.",
    Reason.BAD_RESPONSE: "The answer is not Amazon Connect's: check proxy and aws.endpoint_url.",
    Reason.INTERNAL: "See the log; if it looks like a fault of the exporter, please report it.",
}

LIMIT = "limits.max_series"


def describe(
    engine: Engine, board: Board, clock: Clock, identity_of: Callable[[Access], str]
) -> tuple[InstanceStatus, ...]:
    """Every instance that is watched, with the state of each of its collectors."""
    shown = []
    for key, watch in engine.watches.items():
        states = [engine.shared.states[key, name] for name in watch.plan.collectors()]
        known = engine.shared.known.get(key)
        shown.append(
            InstanceStatus(
                alias=states[0].instance_alias,
                instance_id=watch.target.instance_id,
                region=watch.target.access.region,
                account_id=watch.target.account_id or (known.inventory.account_id if known else ""),
                identity=identity_of(watch.target.access),
                collectors=tuple(
                    _collector(state, board.series((key, state.collector), clock.monotonic())) for state in states
                ),
                notes=(
                    *_strangers(watch.target, identity_of(watch.target.access)),
                    *(_note(state) for state in states if state.refusals),
                ),
            )
        )
    return tuple(shown)


def _collector(state: State, series: int) -> CollectorStatus:
    return CollectorStatus(
        name=state.collector,
        state=_word(state, series),
        last_success=state.last_success,
        last_attempt=state.last_attempt,
        interval=state.interval,
        duration=state.duration,
        series=series,
        error=state.error,
        hint=_hint(state),
    )


def _hint(state: State) -> str:
    if LIMIT in state.error:
        return f"Raise {LIMIT}, or select fewer queues, levels or metrics."
    return HINTS[state.reason] if state.reason else ""


def _word(state: State, series: int) -> str:
    if state.success is None:
        return "waiting"
    if state.success:
        return "ok"
    return "failing" if series else "stale"


def _strangers(target: Target, identity: str) -> Iterator[str]:
    """Nobody sees another account's instances, so AWS will answer that there is none."""
    if identity and target.account_id and account_of(identity) != target.account_id:
        yield f"asked for as {identity}, but the instance belongs to account {target.account_id}: check role_arn"


def _note(state: State) -> str:
    """Each thing once, with the levels that lack it."""
    levels: dict[str, list[str]] = {}
    for refusal in state.refusals:
        levels.setdefault(f"{refusal.kind} {refusal.name} ({refusal.reason.value}", []).append(refusal.level)
    things = ", ".join(f"{thing}, by {' and '.join(dict.fromkeys(found))})" for thing, found in levels.items())
    return f"{state.collector} carries on without what AWS refused: {things}"
