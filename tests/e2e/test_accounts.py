"""Several accounts in one process: each with its role, its quota and its troubles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.aws.gateway import Gateway
from exporter.aws.limiter import Limiter
from exporter.aws.sessions import Sessions
from exporter.model import Access
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.telemetry import Telemetry
from tests.accounts import FAR, HOME, NEAR, SALES, SUPPORT, app, centre, configuration, keys, role, simulator
from tests.e2e.daemon import OPERATIONS, Series, about, daemon, errors, eventually, failed, ok, settings

EVERYTHING = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
SMALL = 5
CENTRES = (
    centre(1, HOME, queues=SMALL),
    centre(2, SALES, queues=SMALL),
    centre(3, SUPPORT, FAR, queues=SMALL),
    centre(4, SALES, queues=SMALL),
)
ONE, TWO, THREE, FOUR = CENTRES


@pytest.fixture
def aws() -> Iterator[Simulator]:
    with simulator(*CENTRES, keep=10_000) as running:
        yield running


def only(*roles: str) -> dict[str, Any]:
    """Everybody may do everything, but our own credentials may assume these roles alone."""
    own = [
        {"Effect": "Allow", "Action": ["connect:*", "ds:*"], "Resource": "*"},
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": list(roles)},
    ]
    return {HOME: {"Statement": own}, SALES: EVERYTHING, SUPPORT: EVERYTHING}


def test_an_account_that_can_not_be_entered_costs_the_others_nothing(aws: Simulator, tmp_path: Path) -> None:
    aws.allow(only(role(HOME), role(SUPPORT)))
    # Each region has an STS of its own.
    aws.faults.add(Fault("hang", operation="AssumeRole", region=FAR))
    configured = settings(
        aws.url,
        [
            {"id": ONE.id, "alias": "well", "role_arn": role(HOME), "session_name": "metrics-of-home"},
            {"id": TWO.id, "alias": "denied", "role_arn": role(SALES)},
            {"id": THREE.id, "alias": "silent", "role_arn": role(SUPPORT), "region": FAR},
        ],
    )
    with daemon(tmp_path, configured, env=keys(aws)) as running:

        def settled(page: Series) -> bool:
            denied, silent = errors(page, "denied", "credentials"), errors(page, "silent", "timeout")
            return bool(ok("well")(page) and denied and silent)

        page = running.wait(settled, "one is well, one is denied, one is silent")
        assert about(page, "well")
        assert not about(page, "denied")
        assert not about(page, "silent")
        assert failed("denied")(page)
        told = running.get("/").text
        assert "sts:AssumeRole" in told
        assert role(SALES) in told
        eventually(lambda: "assumed-role/reader/metrics-of-home" in running.get("/").text, "who is asking")
        assert f"arn:aws:sts::{HOME}:assumed-role/reader/metrics-of-home" in running.program.stderr
        for _ in range(5):
            # No slower than every other one, with room for a machine that is shared.
            state = running.own("collector_last_success_timestamp_seconds", instance_alias="well", collector="current")
            assert state is not None
            assert time.time() - state < 5
            time.sleep(0.2)
        aws.allow(only(role(HOME), role(SALES), role(SUPPORT)))
        aws.faults.clear()
        running.wait(lambda page: ok("denied")(page) and ok("silent")(page), "all are well", timeout=90)


def test_a_role_is_assumed_anew_before_its_credentials_end_and_nobody_notices(tmp_path: Path) -> None:
    lasting = 903  # seconds; from 900 on the AWS library asks for new ones

    def wall() -> float:
        return time.time() - 3600 + lasting

    with simulator(ONE, keep=10_000, wall=wall) as aws:

        def assumed() -> int:
            return sum(served.operation == "AssumeRole" for served in aws.requests)

        configured = settings(aws.url, [{"id": ONE.id, "alias": "one", "role_arn": role(HOME)}])
        with daemon(tmp_path, configured, env=keys(aws)) as running:
            eventually(lambda: assumed() >= 4, "assumed anew several times", timeout=40)
            page = running.wait(ok("one"), "fresh")
            assert about(page, "one")
            assert not [key for key, value in page.items() if key[0].endswith("collector_errors_total") and value]
        assert {served.status for served in aws.requests} == {200}


def test_credentials_that_ended_too_early_are_replaced_within_the_call() -> None:
    ahead = 0.0

    with simulator(ONE, wall=lambda: time.time() + ahead) as aws, pytest.MonkeyPatch.context() as environment:
        for name, value in keys(aws).items():
            environment.setenv(name, value)
        telemetry, sessions = Telemetry(), Sessions(renew_after=0)
        access = Access(NEAR, role_arn=role(HOME), endpoint_url=aws.url)

        async def scenario() -> None:
            nonlocal ahead
            gateway = Gateway(sessions=sessions, limiter=Limiter(), observer=telemetry)
            for _ in range(3):
                assert await gateway.call(access, "DescribeInstance", {"InstanceId": ONE.id})
                ahead += 3601  # AWS's clock, not ours: so we do not see it coming
            gateway.close()

        asyncio.run(scenario())
        sessions.close()
        # The simulator does not look at what is asked before it knows who asks.
        assert [served.code for served in aws.requests if served.operation != "AssumeRole"] == [
            "",
            "ExpiredTokenException",
            "",
            "ExpiredTokenException",
            "",
        ]


# Quotas


def test_a_quota_belongs_to_an_account_and_region_and_not_to_an_instance(
    aws: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in keys(aws).items():
        monkeypatch.setenv(name, value)
    # So slow to fill up that what is missing from a bucket is what was taken from it.
    quota = {"rate": 1e-6, "burst": 200}
    off = {"enabled": False}
    configured = configuration(
        aws,
        instances=[
            {"id": ONE.id},
            {"id": TWO.id, "role_arn": role(SALES)},
            {"id": FOUR.arn, "role_arn": role(SALES, "another")},
        ],
        discovery=[{"regions": [FAR], "role_arn": role(SUPPORT)}],
        collectors={"historical": off, "counters": off},
    )
    configured["aws"]["quotas"] = dict.fromkeys(OPERATIONS, quota)

    async def scenario() -> dict[tuple[str, str, str], int]:
        exporter = app(tmp_path, configured)
        await exporter.engine.once()
        assert all(state.success for state in exporter.engine.states())
        taken = {tuple(key): round(200 - bucket.tokens) for key, bucket in exporter.limiter.snapshot().items()}
        exporter.gateway.close()
        return taken  # type: ignore[return-value]

    taken = asyncio.run(scenario())
    asked: dict[tuple[str, str, str], int] = {}
    for served in aws.requests:
        if served.operation != "AssumeRole":
            bucket = (served.account, served.region, served.operation)
            asked[bucket] = asked.get(bucket, 0) + 1
    # Without a role the account is not known before the first answer; what was called till then was of its quota.
    unknown = {key: taken.pop(key) for key in list(taken) if not key[0]}
    assert unknown
    for (_, region, operation), count in unknown.items():
        assert taken[HOME, region, operation] == count
    assert taken == asked
    assert asked[SALES, NEAR, "GetCurrentMetricData"] == 2 * asked[HOME, NEAR, "GetCurrentMetricData"]
    assert asked[SUPPORT, FAR, "ListInstances"] == 1


# Who we are


def test_credentials_of_another_account_than_the_instances_are_pointed_out(aws: Simulator, tmp_path: Path) -> None:
    with daemon(tmp_path, settings(aws.url, [{"id": TWO.arn, "alias": "foreign"}]), env=keys(aws)) as running:
        running.wait(failed("foreign"), "another account's instance is not there")
        identity = f"arn:aws:iam::{HOME}:user/simulated"
        eventually(lambda: f"{identity}, but the instance belongs to account {SALES}" in running.get("/").text, "said")
        (line,) = [line for line in running.program.stderr.splitlines() if "of another account" in line]
        assert identity in line
        assert HOME in line
        assert TWO.arn in line
