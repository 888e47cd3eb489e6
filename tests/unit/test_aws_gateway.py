"""Real boto3 over real HTTP against a stub that answers as it is told."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

import pytest

from exporter.aws.gateway import IN_FLIGHT_PER_SCOPE, Gateway
from exporter.aws.limiter import Key, Limiter
from exporter.aws.sessions import USER_AGENT, Sessions
from exporter.model import Access, CallFailed, Quota, Reason
from tests.aws_stub import Asked, Reply, Stub, assumed_role, caller, page, refusal, serve, sts_refusal

T = TypeVar("T")

ACCOUNT = "111122223333"
OPERATION = "GetCurrentMetricData"
PARAMS: dict[str, Any] = {
    "InstanceId": "i-1",
    "Filters": {"Queues": ["q"], "Channels": ["VOICE"]},
    "CurrentMetrics": [{"Name": "AGENTS_ONLINE", "Unit": "COUNT"}],
}
ROLE = "arn:aws:iam::111122223333:role/r"


@dataclass
class Clock:
    now: float = 1e6
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class Counts:
    """What telemetry would hear."""

    codes: list[str] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    of: set[tuple[str, str, str]] = field(default_factory=set)

    def attempt(self, account_id: str, region: str, operation: str, code: str, seconds: float) -> None:
        self.codes.append(code)
        self.seconds.append(seconds)
        self.threads.add(threading.get_ident())
        self.of.add((account_id, region, operation))

    def waited(self, account_id: str, region: str, operation: str, seconds: float) -> None:
        self.waits.append(seconds)
        self.of.add((account_id, region, operation))


@dataclass
class Rig:
    stub: Stub
    gateway: Gateway
    limiter: Limiter
    counts: Counts
    clock: Clock
    access: Access

    async def call(self, **options: Any) -> dict[str, Any]:
        access = options.pop("access", self.access)
        return await self.gateway.call(access, OPERATION, PARAMS, account_id=ACCOUNT, **options)

    async def pages(self, **options: Any) -> list[dict[str, Any]]:
        return await self.gateway.pages(
            self.access, OPERATION, PARAMS, key="MetricResults", account_id=ACCOUNT, **options
        )

    async def fails(self, call: Awaitable[object]) -> CallFailed:
        with pytest.raises(CallFailed) as caught:
            await call
        return caught.value


@pytest.fixture(scope="module")
def sessions() -> Iterator[Sessions]:
    """Shared by tests that do not care: a session of one's own costs a fifth of a second."""
    made = Sessions(renew_after=1e9)
    yield made
    made.close()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with serve() as stub:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", stub.url)
        yield stub


def run(
    stub: Stub,
    sessions: Sessions,
    scenario: Callable[[Rig], Awaitable[T]],
    *,
    read_timeout: float = 10,
    role_arn: str | None = None,
    external_id: str | None = None,
    session_name: str = "amazon-connect-exporter",
    endpoint_url: str | None = None,
    wait: Callable[[float], Awaitable[object]] | None = None,
    random: Random | None = None,
    **options: Any,
) -> T:
    async def main() -> T:
        clock, counts = Clock(), Counts()
        limiter = Limiter(sleep=wait or clock.sleep, monotonic=clock)
        gateway = Gateway(
            sessions=sessions,
            limiter=limiter,
            observer=counts,
            sleep=clock.sleep,
            random=random or Random(1),
            **options,
        )
        access = Access(
            "us-east-1",
            role_arn=role_arn,
            external_id=external_id,
            session_name=session_name,
            endpoint_url=endpoint_url or stub.url,
            connect_timeout=1,
            read_timeout=read_timeout,
        )
        try:
            return await scenario(Rig(stub, gateway, limiter, counts, clock, access))
        finally:
            gateway.close()

    return asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what is waited for happens in other threads)
            await asyncio.sleep(0.005)


HTML = b"<html><body><b>Http/1.1 Service Unavailable</b></body></html>"
CUT = Reply(body=page({"Collections": []}).body[:20], length=200)


# --- Attempts ---


def test_an_answer_comes_back_as_boto3_gives_it_and_counts_as_200(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        answer = await rig.call()
        assert answer["MetricResults"] == [{"Dimensions": {"Channel": "VOICE"}}]
        assert rig.counts.codes == ["200"]
        assert rig.counts.of == {(ACCOUNT, "us-east-1", OPERATION)}
        assert rig.counts.threads == {threading.get_ident()}
        assert 0 < rig.counts.seconds[0] < 10

    stub.script = [page({"Dimensions": {"Channel": "VOICE"}})]
    run(stub, sessions, scenario)
    assert stub.asked[0].path == "/metrics/current/i-1"
    assert USER_AGENT in stub.asked[0].headers["User-Agent"]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refusal(429, "ThrottlingException"), "ThrottlingException"),
        (refusal(429, "TooManyRequestsException"), "TooManyRequestsException"),
        (refusal(429), "429"),
        (refusal(500, "InternalServiceException"), "InternalServiceException"),
        (Reply(500, HTML), "500"),
        (Reply(503, b"<!DOCTYPE html><html></html>"), "503"),
        (Reply(502, b""), "502"),
        (CUT, "connection"),
        (Reply(length=200, body=b""), "connection"),
    ],
)
def test_what_may_pass_is_tried_again_and_every_attempt_counts(
    stub: Stub, sessions: Sessions, reply: Reply, code: str
) -> None:
    async def scenario(rig: Rig) -> None:
        answer = await rig.call()
        assert answer["MetricResults"] == []
        assert rig.counts.codes == [code, code, "200"]
        assert len(rig.counts.waits) == 3

    stub.script = [reply, reply, page()]
    run(stub, sessions, scenario)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (refusal(429), Reason.THROTTLED),
        (Reply(500, HTML), Reason.SERVER_ERROR),
        (CUT, Reason.CONNECTION),
    ],
)
def test_after_the_last_attempt_the_failure_stands(
    stub: Stub, sessions: Sessions, reply: Reply, reason: Reason
) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.call())
        assert (failure.operation, failure.reason) == (OPERATION, reason)
        assert len(stub.asked) == 4

    stub.script = [reply]
    run(stub, sessions, scenario)


@pytest.mark.parametrize(
    ("reply", "reason", "code"),
    [
        (refusal(400, "InvalidParameterException"), Reason.INVALID_REQUEST, "InvalidParameterException"),
        (refusal(403, "AccessDeniedException"), Reason.ACCESS_DENIED, "AccessDeniedException"),
        (refusal(403, "AccessDeniedException:http://x/"), Reason.ACCESS_DENIED, "AccessDeniedException"),
        (refusal(403), Reason.ACCESS_DENIED, "403"),
        (refusal(403, "InvalidSignatureException"), Reason.CREDENTIALS, "InvalidSignatureException"),
        (
            Reply(404, b"", {"x-amzn-ErrorType": "ResourceNotFoundException"}),
            Reason.NOT_FOUND,
            "ResourceNotFoundException",
        ),
        (Reply(200, b"all is well"), Reason.BAD_RESPONSE, ""),
        (Reply(200, b'{"MetricResults": 17}'), Reason.BAD_RESPONSE, ""),
        (Reply(200, b""), Reason.BAD_RESPONSE, ""),
    ],
)
def test_what_will_not_pass_is_not_tried_again(
    stub: Stub, sessions: Sessions, reply: Reply, reason: Reason, code: str
) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.call())
        assert (failure.reason, failure.code) == (reason, code)
        assert rig.counts.codes == [code or reason.value]

    stub.script = [reply]
    run(stub, sessions, scenario)
    assert len(stub.asked) == 1


def test_parameters_that_aws_could_not_take_are_not_sent(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.gateway.call(rig.access, OPERATION, {"InstanceId": 17}))
        assert failure.reason is Reason.INVALID_REQUEST

    run(stub, sessions, scenario)
    assert stub.asked == []


def test_nobody_there_reads_as_connection(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.call())
        assert failure.reason is Reason.CONNECTION
        assert rig.counts.codes == ["connection"] * 4

    run(stub, sessions, scenario, endpoint_url="http://127.0.0.1:1")


def test_a_hang_reads_as_timeout_and_is_not_tried_again(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.call())
        assert failure.reason is Reason.TIMEOUT
        assert rig.counts.codes == ["timeout"]

    release = threading.Event()
    stub.script = [Reply(hang=release)]
    run(stub, sessions, scenario, read_timeout=0.3)
    release.set()
    assert len(stub.asked) == 1


def test_an_answer_that_only_drips_is_given_up(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        access = Access("us-east-1", endpoint_url=stub.url, connect_timeout=0.2, read_timeout=0.3)
        failure = await rig.fails(rig.call(access=access))
        assert failure.reason is Reason.TIMEOUT

    stub.script = [Reply(body=b" " * 40 + b"{}", drip=0.1)]
    run(stub, sessions, scenario)


def test_retries_wait_with_full_jitter_that_doubles_up_to_a_cap(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> list[float]:
        await rig.fails(rig.call(quota=Quota(1e6, 1e6)))
        return rig.clock.slept

    class Highest(Random):
        def uniform(self, a: float, b: float) -> float:
            assert a == 0
            return b

    stub.script = [Reply(500, HTML)]
    assert run(stub, sessions, scenario, attempts=7, random=Highest()) == [0.5, 1, 2, 4, 8, 8]
    drawn = run(stub, sessions, scenario, attempts=7)
    assert all(0 <= seconds <= limit for seconds, limit in zip(drawn, [0.5, 1, 2, 4, 8, 8], strict=True))
    assert len(set(drawn)) == 6


# --- Quota ---


def test_every_attempt_spends_a_token_and_a_throttle_empties_the_bucket(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.call(quota=Quota(1, 10), quota_share=1)
        state = rig.limiter.snapshot()[Key(ACCOUNT, "us-east-1", OPERATION)]
        assert state.tokens < 1
        # A new token takes a second, of which the backoff may have been a part.
        assert sum(rig.clock.slept) == pytest.approx(1)

    stub.script = [refusal(429), page()]
    run(stub, sessions, scenario)


def test_calls_wait_for_tokens_on_the_loop_and_the_wait_is_reported(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        await asyncio.gather(*(rig.call(quota=Quota(1, 1), quota_share=1) for _ in range(3)))
        assert sum(rig.clock.slept) == pytest.approx(2)
        assert rig.counts.codes == ["200"] * 3

    run(stub, sessions, scenario)


def test_a_call_cancelled_before_it_was_sent_gives_its_token_back(stub: Stub, sessions: Sessions) -> None:
    release = threading.Event()

    async def scenario(rig: Rig) -> None:
        quota = Quota(1e-9, IN_FLIGHT_PER_SCOPE + 1)
        running = [asyncio.create_task(rig.call(quota=quota, quota_share=1)) for _ in range(IN_FLIGHT_PER_SCOPE)]
        await until(lambda: len(stub.asked) == IN_FLIGHT_PER_SCOPE)
        late = asyncio.create_task(rig.call(quota=quota, quota_share=1))
        key = Key(ACCOUNT, "us-east-1", OPERATION)
        await until(lambda: rig.limiter.snapshot()[key].tokens < 0.5)
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        assert rig.limiter.snapshot()[key].tokens == pytest.approx(1)
        release.set()
        await asyncio.gather(*running)

    stub.script = [Reply(hang=release, body=page().body)]
    run(stub, sessions, scenario)
    assert len(stub.asked) == IN_FLIGHT_PER_SCOPE


# --- One instance must not cost another ---


def test_an_operation_that_hangs_leaves_the_others_of_its_instance_their_places(stub: Stub, sessions: Sessions) -> None:
    release = threading.Event()

    async def scenario(rig: Rig) -> None:
        stuck = [asyncio.create_task(rig.call(quota=Quota(99, 99))) for _ in range(10)]
        await until(lambda: len(stub.asked) == IN_FLIGHT_PER_SCOPE)
        for _ in range(5):
            await rig.gateway.call(rig.access, "ListQueues", {"InstanceId": "i-1"}, quota=Quota(99, 99))
        assert sum("metrics" in asked.path for asked in stub.asked) == IN_FLIGHT_PER_SCOPE
        release.set()
        await asyncio.gather(*stuck)

    def script(asked: Asked) -> Reply:
        return Reply(hang=release, body=page().body) if "metrics" in asked.path else Reply(body=b"{}")

    stub.script = script
    run(stub, sessions, scenario)


def test_an_instance_that_hangs_takes_few_threads_and_no_more_even_when_its_callers_left(
    stub: Stub, sessions: Sessions
) -> None:
    release = threading.Event()
    params = PARAMS | {"InstanceId": "hangs"}

    async def scenario(rig: Rig) -> None:
        def hang() -> asyncio.Task[dict[str, Any]]:
            return asyncio.create_task(
                rig.gateway.call(rig.access, OPERATION, params, quota=Quota(99, 99), scope="hangs")
            )

        first = [hang() for _ in range(IN_FLIGHT_PER_SCOPE)]
        await until(lambda: len(stub.asked) == IN_FLIGHT_PER_SCOPE)
        for task in first:
            task.cancel()
        await asyncio.gather(*first, return_exceptions=True)
        more = [hang() for _ in range(10)]
        # Six threads, some of them stuck: the others still get through.
        for _ in range(5):
            await rig.call(scope="other", quota=Quota(99, 99))
        assert sum("hangs" in asked.path for asked in stub.asked) == IN_FLIGHT_PER_SCOPE
        release.set()
        await asyncio.gather(*more)
        # What the cancelled began was still counted when it ended.
        assert rig.counts.codes == ["200"] * (IN_FLIGHT_PER_SCOPE + 10 + 5)

    def script(asked: Asked) -> Reply:
        return Reply(hang=release, body=page().body) if "hangs" in asked.path else page()

    stub.script = script
    run(stub, sessions, scenario, threads=6)


def test_the_line_for_a_slow_operation_does_not_hold_up_another_operation(stub: Stub, sessions: Sessions) -> None:
    async def wait(_: float) -> None:
        await asyncio.Event().wait()

    async def scenario(rig: Rig) -> None:
        params = {"InstanceId": "i-1"}
        slow = Quota(1e-9, 1)
        line = [
            asyncio.create_task(rig.gateway.call(rig.access, "DescribeInstance", params, quota=slow, scope="i-1"))
            for _ in range(20)
        ]
        await until(lambda: len(rig.counts.codes) == 1)
        await rig.call(scope="i-1")
        for task in line:
            task.cancel()
        await asyncio.gather(*line, return_exceptions=True)
        assert rig.counts.codes == ["200", "200"]

    run(stub, sessions, scenario, wait=wait)


def test_close_does_not_wait_for_a_call_that_hangs(stub: Stub, sessions: Sessions) -> None:
    release = threading.Event()

    async def scenario(rig: Rig) -> None:
        task = asyncio.create_task(rig.call())
        await until(lambda: len(stub.asked) == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stub.script = [Reply(hang=release)]
    begin = time.monotonic()
    run(stub, sessions, scenario)
    assert time.monotonic() - begin < 5
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("aws-"))
    release.set()


# --- Pages ---


def test_a_chain_of_tokens_is_followed_with_the_same_parameters(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        pages = await rig.pages()
        assert [page["MetricResults"][0]["Dimensions"]["Channel"] for page in pages] == ["VOICE", "CHAT", "TASK"]

    stub.script = [
        page({"Dimensions": {"Channel": "VOICE"}}, token="a"),
        page({"Dimensions": {"Channel": "CHAT"}}, token="b"),
        page({"Dimensions": {"Channel": "TASK"}}),
    ]
    run(stub, sessions, scenario)
    bodies = [asked.json for asked in stub.asked]
    assert [body.pop("NextToken", None) for body in bodies] == [None, "a", "b"]
    assert bodies[0] == bodies[1] == bodies[2]


def test_a_chain_whose_token_expired_begins_again(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        pages = await rig.pages()
        assert [page["MetricResults"][0]["Dimensions"]["Channel"] for page in pages] == ["TASK", "EMAIL"]

    stub.script = [
        page({"Dimensions": {"Channel": "VOICE"}}, token="a"),
        refusal(400, "InvalidParameterException", "token has expired"),
        page({"Dimensions": {"Channel": "TASK"}}, token="b"),
        page({"Dimensions": {"Channel": "EMAIL"}}),
    ]
    run(stub, sessions, scenario)


def test_a_chain_that_expires_every_time_fails_after_three_beginnings(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.pages())
        assert failure.reason is Reason.BAD_RESPONSE

    def script(asked: Asked) -> Reply:
        return refusal(400, "InvalidRequestException") if "NextToken" in asked.json else page(token="a")

    stub.script = script
    run(stub, sessions, scenario)
    assert len(stub.asked) == 6


def test_a_first_page_that_aws_refuses_is_asked_for_once(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.pages())
        assert failure.reason is Reason.INVALID_REQUEST

    stub.script = [refusal(400, "InvalidRequestException")]
    run(stub, sessions, scenario)
    assert len(stub.asked) == 1


def test_a_page_without_its_list_is_no_empty_page(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.pages())
        assert failure.reason is Reason.BAD_RESPONSE
        assert "MetricResults" in failure.message

    stub.script = [page(token="a"), Reply(body=b"{}")]
    run(stub, sessions, scenario)


def test_a_token_that_repeats_ends_the_chain(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.pages())
        assert failure.reason is Reason.BAD_RESPONSE

    stub.script = [page(token="a"), page(token="b"), page(token="a")]
    run(stub, sessions, scenario)
    assert len(stub.asked) == 3


def test_a_chain_without_end_is_bounded(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.pages(max_pages=5))
        assert failure.reason is Reason.BAD_RESPONSE

    stub.script = lambda _: page(token=str(len(stub.asked)))
    run(stub, sessions, scenario)
    assert len(stub.asked) == 5


# --- Credentials ---


def test_a_role_is_assumed_with_its_external_id_and_its_credentials_sign_the_calls(stub: Stub) -> None:
    async def scenario(rig: Rig) -> None:
        await asyncio.gather(*(rig.call(scope=number) for number in range(8)))

    def script(asked: Asked) -> Reply:
        return assumed_role() if asked.path == "/" else page()

    stub.script = script
    run(stub, sessions := Sessions(), scenario, role_arn=ROLE, external_id="ext")
    sessions.close()
    forms = [asked.form for asked in stub.asked if asked.path == "/"]
    assert len(forms) == 1
    assert forms[0]["RoleArn"] == ROLE
    assert forms[0]["ExternalId"] == "ext"
    assert forms[0]["RoleSessionName"] == "amazon-connect-exporter"
    signed = {asked.headers["Authorization"].split("/")[0] for asked in stub.asked if asked.path != "/"}
    assert signed == {"AWS4-HMAC-SHA256 Credential=ASIAROLE"}


def test_an_external_id_that_sts_repeats_is_not_passed_on(stub: Stub) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.call())
        assert failure.message.startswith("AssumeRole: ")
        assert "hunter2" not in str(failure)

    stub.script = [sts_refusal(400, "ValidationError", "1 error: value 'hunter2' at 'externalId' is not it")]
    run(stub, sessions := Sessions(), scenario, role_arn=ROLE, external_id="hunter2")
    sessions.close()


def test_clients_and_sessions_that_nobody_needs_any_more_are_closed(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        changed = [replace(rig.access, read_timeout=seconds) for seconds in (1.0, 2.0, 3.0)]
        others = [replace(rig.access, session_name=name) for name in ("one", "two")]
        for access in (*changed, *others):
            await rig.call(access=access, scope=access.session_name)
        rig.gateway.retain(changed[2:], ("amazon-connect-exporter",))
        assert [access for access in (*changed, *others) if sessions.ready(access)] == changed[2:]
        assert {scope for scope, _ in rig.gateway._scopes} == {"amazon-connect-exporter"}
        await rig.call(access=changed[2])
        await rig.call(access=changed[0])

    stub.script = lambda _: page()
    run(stub, sessions, scenario)


def test_a_role_is_assumed_under_the_name_that_is_configured(stub: Stub) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.call()
        await rig.call(access=replace(rig.access, session_name="x@y.z"))
        await rig.call(access=replace(rig.access, session_name="other"))

    stub.script = lambda asked: assumed_role() if asked.path == "/" else page()
    run(stub, sessions := Sessions(), scenario, role_arn=ROLE, session_name="other")
    sessions.close()
    assert [asked.form["RoleSessionName"] for asked in stub.asked if asked.path == "/"] == ["other", "x@y.z"]


def test_a_role_that_may_not_be_assumed_is_a_matter_of_credentials_and_is_not_asked_for_by_everyone(stub: Stub) -> None:
    async def scenario(rig: Rig) -> None:
        failures = [await rig.fails(rig.call()) for _ in range(5)]
        assert {failure.reason for failure in failures} == {Reason.CREDENTIALS}
        assert {failure.code for failure in failures} == {"AccessDenied"}
        assert failures[0].message.startswith("AssumeRole: ")
        assert failures[0].operation == OPERATION
        assert rig.counts.codes == ["credentials"] * 5

    stub.script = [sts_refusal(403, "AccessDenied")]
    run(stub, sessions := Sessions(), scenario, role_arn=ROLE)
    sessions.close()
    assert [asked.path for asked in stub.asked] == ["/"]


def test_a_token_service_that_is_slow_costs_those_with_other_credentials_nothing(stub: Stub) -> None:
    release = threading.Event()

    async def scenario(rig: Rig) -> None:
        slow = [asyncio.create_task(rig.call(scope=number)) for number in range(20)]
        await until(lambda: len(stub.asked) == 1)
        await rig.call(access=Access("us-east-1", endpoint_url=stub.url))
        assert not any(task.done() for task in slow)
        release.set()
        await asyncio.gather(*slow)

    def script(asked: Asked) -> Reply:
        return Reply(body=assumed_role().body, hang=release) if asked.path == "/" else page()

    stub.script = script
    run(stub, sessions := Sessions(), scenario, role_arn=ROLE, threads=1)
    sessions.close()


def test_a_token_service_that_hangs_is_waited_for_once(stub: Stub) -> None:
    release = threading.Event()

    async def scenario(rig: Rig) -> None:
        hung = [asyncio.create_task(rig.call(scope=number)) for number in range(20)]
        await until(lambda: len(stub.asked) == 1)
        failures = await asyncio.gather(*hung, return_exceptions=True)
        assert {failure.reason for failure in failures if isinstance(failure, CallFailed)} == {Reason.TIMEOUT}
        assert len(failures) == 20

    def script(asked: Asked) -> Reply:
        return Reply(hang=release) if asked.path == "/" else page()

    stub.script = script
    run(stub, sessions := Sessions(), scenario, role_arn=ROLE, read_timeout=0.5)
    release.set()
    sessions.close()
    assert sum(asked.path == "/" for asked in stub.asked) == 1


def test_who_leaves_while_credentials_are_fetched_takes_nothing_from_those_who_stay(stub: Stub) -> None:
    release = threading.Event()
    openers = 8

    async def scenario(rig: Rig) -> None:
        def call(number: int) -> asyncio.Task[dict[str, Any]]:
            access = Access("us-east-1", role_arn=f"{ROLE}{number}", endpoint_url=stub.url)
            return asyncio.create_task(rig.call(access=access, quota=Quota(99, 99)))

        busy = [call(number) for number in range(openers)]
        await until(lambda: len(stub.asked) == openers)
        leaves, stays = call(openers), call(openers)
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        release.set()
        await asyncio.gather(*busy, stays)

    def script(asked: Asked) -> Reply:
        return Reply(body=assumed_role().body, hang=release) if asked.path == "/" else page()

    stub.script = script
    run(stub, sessions := Sessions(), scenario)
    sessions.close()
    assert sum(asked.path == "/" for asked in stub.asked) == openers + 1


def test_credentials_that_fail_after_everybody_has_left_are_no_fault_of_ours(stub: Stub) -> None:
    release = threading.Event()

    async def scenario(rig: Rig) -> None:
        leaves = asyncio.create_task(rig.call())
        await until(lambda: len(stub.asked) == 1)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        release.set()
        await rig.fails(rig.call())
        # asyncio logs a failure that nobody has heard of when it forgets the future, which may be much later.
        futures = [each for each in gc.get_objects() if isinstance(each, asyncio.Future) and each.done()]
        unheard = [each for each in futures if getattr(each, "_log_traceback", False)]
        assert unheard == []

    def script(asked: Asked) -> Reply:
        refusal = sts_refusal(500, "InternalFailure")
        return Reply(refusal.status, refusal.body, hang=release) if asked.path == "/" else page()

    stub.script = script
    run(stub, sessions := Sessions(), scenario, role_arn=ROLE)
    sessions.close()


def test_a_token_service_that_throttles_is_asked_again(stub: Stub) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.call()

    stub.script = [sts_refusal(400, "Throttling"), assumed_role(), page()]
    run(stub, sessions := Sessions(), scenario, role_arn=ROLE)
    sessions.close()


def test_no_credentials_anywhere_reads_so_and_is_no_call(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.call())
        assert failure.reason is Reason.CREDENTIALS

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    run(stub, sessions := Sessions(), scenario)
    sessions.close()
    assert stub.asked == []


def test_a_profile_that_does_not_exist_reads_as_credentials(stub: Stub) -> None:
    async def scenario(rig: Rig) -> None:
        access = Access("us-east-1", profile="nobody", endpoint_url=stub.url)
        failure = await rig.fails(rig.call(access=access))
        assert failure.reason is Reason.CREDENTIALS
        assert "nobody" in failure.message

    run(stub, sessions := Sessions(), scenario)
    sessions.close()


def test_expired_credentials_are_fetched_anew_once_and_the_call_goes_on(stub: Stub) -> None:
    clock = Clock()
    keys = iter(["ASIAOLD", "ASIANEW"])

    async def scenario(rig: Rig) -> None:
        await rig.call()
        clock.now += 3600
        assert (await rig.call())["MetricResults"] == []
        assert rig.counts.codes == ["200", "ExpiredTokenException", "200"]

    def script(asked: Asked) -> Reply:
        if asked.path == "/":
            return assumed_role(next(keys))
        stale = "ASIAOLD" in asked.headers["Authorization"] and clock.now > 1e6
        return refusal(403, "ExpiredTokenException") if stale else page()

    stub.script = script
    run(stub, sessions := Sessions(monotonic=clock), scenario, role_arn=ROLE)
    sessions.close()


def test_credentials_that_stay_expired_are_not_fetched_anew_at_every_call(stub: Stub) -> None:
    clock = Clock()

    async def scenario(rig: Rig) -> None:
        for _ in range(5):
            failure = await rig.fails(rig.call())
            assert failure.reason is Reason.CREDENTIALS
        clock.now += 3600
        for _ in range(5):
            await rig.fails(rig.call())

    stub.script = lambda asked: assumed_role() if asked.path == "/" else refusal(403, "ExpiredTokenException")
    run(stub, sessions := Sessions(monotonic=clock), scenario, role_arn=ROLE)
    sessions.close()
    # At first, once because AWS called them expired, and once more an hour later.
    assert sum(asked.path == "/" for asked in stub.asked) == 3


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
@pytest.mark.parametrize("renew_after", [0.0, 60.0])
def test_one_call_fetches_credentials_anew_at_most_once(stub: Stub, code: str, renew_after: float) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.call())
        assert (failure.reason, failure.code) == (Reason.CREDENTIALS, code)
        assert rig.counts.codes == [code] * 2

    stub.script = [refusal(403, code)]
    run(stub, sessions := Sessions(renew_after=renew_after), scenario)
    sessions.close()


def test_credentials_that_expire_as_soon_as_they_were_fetched_are_fetched_anew_at_once(stub: Stub) -> None:
    keys = iter(("ASIAOLD", "ASIANEW"))

    async def scenario(rig: Rig) -> None:
        await rig.call()
        assert rig.counts.codes == ["ExpiredTokenException", "200"]

    def script(asked: Asked) -> Reply:
        if asked.path == "/":
            return assumed_role(next(keys))
        return refusal(403, "ExpiredTokenException") if "ASIAOLD" in asked.headers["Authorization"] else page()

    stub.script = script
    run(stub, sessions := Sessions(), scenario, role_arn=ROLE)
    sessions.close()


def test_identity_says_who_we_are_whatever_endpoint_connect_has(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        assert await rig.gateway.identity(rig.access) == (ACCOUNT, "arn:aws:iam::111122223333:user/u")

    stub.script = [caller()]
    run(stub, sessions, scenario, endpoint_url="http://127.0.0.1:1")


def test_a_caller_who_is_nobody_fails_to_be_identified(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.gateway.identity(rig.access))
        assert (failure.operation, failure.reason) == ("GetCallerIdentity", Reason.CREDENTIALS)

    stub.script = [sts_refusal(403, "InvalidClientTokenId")]
    run(stub, sessions, scenario)


def test_a_bad_endpoint_is_an_invalid_request_and_says_which(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        failure = await rig.fails(rig.call())
        assert failure.reason is Reason.INVALID_REQUEST
        assert "not a url" in failure.message

    run(stub, sessions, scenario, endpoint_url="not a url")


def test_context_follows_a_call_into_its_thread(stub: Stub, sessions: Sessions) -> None:
    var: ContextVar[str] = ContextVar("var", default="")
    seen: set[tuple[bool, str]] = set()

    class Listener(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            seen.add((threading.current_thread() is threading.main_thread(), var.get()))

    async def scenario(rig: Rig) -> None:
        var.set("i-1")
        await rig.call()

    log, listener = logging.getLogger("botocore.endpoint"), Listener()
    level = log.level
    log.addHandler(listener)
    log.setLevel(logging.DEBUG)
    try:
        run(stub, sessions, scenario)
    finally:
        log.removeHandler(listener)
        log.setLevel(level)
    assert (False, "i-1") in seen


def test_what_botocore_keeps_for_good_can_be_exempt_from_garbage_collection(stub: Stub, sessions: Sessions) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.call()

    frozen = gc.get_freeze_count()
    run(stub, sessions, scenario, freeze=True)
    try:
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
