"""The policies that `iam-policy` prints: enough for everything, and not a word too many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import check
from exporter.app import App
from exporter.cli import main
from exporter.model import CallFailed, Reason
from exporter.simulator.server import Simulator
from tests.accounts import (
    FAR,
    HOME,
    NEAR,
    SALES,
    SUPPORT,
    app,
    centre,
    configuration,
    keys,
    parts,
    role,
    simulator,
    without,
)

CENTRES = (
    centre(1, HOME),
    centre(2, HOME),
    centre(3, HOME, FAR),
    centre(4, SALES),
    centre(5, SUPPORT, FAR),
    centre(6, SUPPORT, FAR),
)
ONE, TWO, THREE, FOUR, FIVE, _ = CENTRES
OFF = {"enabled": False}
PLAIN = {"id": ONE.arn, "alias": "one"}

CONFIGURATIONS: Mapping[str, dict[str, Any]] = {
    "an instance with everything known": {"instances": [PLAIN]},
    "an instance by its id, with every level": {
        "instances": [{"id": TWO.id}],
        "collectors": {
            "current": {"levels": ["queue", "routing_profile", "instance", "agent_status", "queue_all_channels"]}
        },
    },
    "routing profiles alone": {
        "instances": [PLAIN],
        "collectors": {"current": {"levels": ["routing_profile"]}, "historical": OFF, "counters": OFF},
    },
    "the instance level alone": {
        "instances": [PLAIN],
        "collectors": {"current": {"levels": ["instance"]}, "historical": OFF, "counters": OFF},
    },
    "queues without zeros": {
        "instances": [PLAIN],
        "collectors": {"current": {"levels": ["queue"], "zero_fill": "off"}, "historical": OFF, "counters": OFF},
    },
    "counters alone": {"instances": [PLAIN], "collectors": {"current": OFF, "historical": OFF}},
    "recent windows alone": {"instances": [PLAIN], "collectors": {"current": OFF, "counters": OFF}},
    "discovery": {"discovery": [{"regions": [NEAR, FAR]}]},
    "discovery beside an instance of the same place": {"instances": [PLAIN], "discovery": [{"regions": [NEAR]}]},
    "three accounts": {
        "instances": [PLAIN, {"id": FOUR.id, "role_arn": role(SALES)}],
        "discovery": [{"regions": [FAR], "role_arn": role(SUPPORT), "external_id": "0042"}],
    },
    "roles of other accounts alone": {
        "instances": [{"id": FOUR.id, "role_arn": role(SALES)}, {"id": FIVE.arn, "role_arn": role(SUPPORT)}]
    },
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    with simulator(*CENTRES, keep=10_000) as running:
        for name, value in keys(running).items():
            monkeypatch.setenv(name, value)
        yield running


def printed(directory: Path, configured: Mapping[str, Any], capsys: pytest.CaptureFixture[str]) -> Any:
    path = directory / "policy.yml"
    path.write_text(yaml.safe_dump(dict(configured)))
    assert main(["iam-policy", "--config", str(path)]) == 0
    return json.loads(capsys.readouterr().out)


def by_caller(policy: Any) -> dict[str, Any]:
    """What is printed for one caller alone names nobody: here it is always our own account."""
    documents = {HOME: policy} if "Statement" in policy else dict(policy)
    if "caller" in documents:
        documents[HOME] = documents.pop("caller")
    return documents


def light(configured: Mapping[str, Any]) -> dict[str, Any]:
    """The same calls for fewer rows and metrics: what they are about is who may make them."""
    blocks = {
        key: [{**one, "channels": ["VOICE"]} for one in configured.get(key, ())] for key in ("instances", "discovery")
    }
    on = configured.get("collectors", {})
    current = {"metrics": ["AGENTS_ONLINE", "OLDEST_CONTACT_AGE"], **on.get("current", {})}
    historical = {"metrics": ["CONTACTS_HANDLED"], "windows": ["30m"], **on.get("historical", {})}
    return {**configured, **blocks, "collectors": {**on, "current": current, "historical": historical}}


async def faults(app: App) -> list[str]:
    return [line.text async for line in check.live(app) if not line.ok]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_printed_policy_is_enough_and_no_part_of_it_can_be_spared(
    name: str, aws: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configured = configuration(aws, **CONFIGURATIONS[name])
    documents = by_caller(printed(tmp_path, configured, capsys))
    configured = light(configured)

    async def scenario() -> None:
        aws.allow(documents)
        whole = app(tmp_path, configured)
        assert await faults(whole) == []
        await whole.engine.once()
        states = whole.engine.states()
        assert [(s.collector, s.error) for s in states if not s.success] == []
        assert [s.refusals for s in states if s.refusals] == []
        assert {served.status for served in aws.requests} == {200}
        for part in parts(documents):
            aws.allow(without(documents, part))
            # Credentials that were had once are kept: for a role's, somebody has to ask anew.
            asking = app(tmp_path, configured) if ":role/" in part.value or "sts:" in part.value else whole
            assert await faults(asking), f"not needed: {part}"
            if asking is not whole:
                asking.gateway.close()
        whole.gateway.close()

    asyncio.run(scenario())


def test_one_caller_has_one_document_and_several_have_one_each(
    aws: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = {
        "discovery": None,
        "an instance by its id, with every level": None,
        "three accounts": {HOME, SALES, SUPPORT},
        "roles of other accounts alone": {"caller", SALES, SUPPORT},
    }
    for name, wanted in shapes.items():
        policy = printed(tmp_path, configuration(aws, **CONFIGURATIONS[name]), capsys)
        assert set(policy) == (wanted or {"Version", "Statement"})
        for document in [policy] if wanted is None else policy.values():
            assert document["Version"] == "2012-10-17"
            sids = [statement["Sid"] for statement in document["Statement"]]
            assert len(set(sids)) == len(sids)
            assert all(sid.isalnum() for sid in sids)


def test_only_who_assumes_a_role_may_assume_it(
    aws: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = printed(tmp_path, configuration(aws, **CONFIGURATIONS["three accounts"]), capsys)
    assuming = {
        account: [s["Resource"] for s in document["Statement"] if "sts:AssumeRole" in s["Action"]]
        for account, document in policy.items()
    }
    assert assuming == {HOME: [[role(SALES), role(SUPPORT)]], SALES: [], SUPPORT: []}


def test_credentials_of_several_profiles_have_a_policy_each(
    aws: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    instances = [{"id": "a"}, {"id": "b", "profile": "night"}, {"id": FIVE.arn, "profile": "far"}]
    policy = printed(tmp_path, configuration(aws, instances=instances), capsys)
    assert set(policy) == {"caller", "profile night", SUPPORT}
    (described,) = [s["Resource"] for s in policy["caller"]["Statement"] if "connect:DescribeInstance" in s["Action"]]
    assert described == [f"arn:aws:connect:{NEAR}:*:instance/a"]


# What check --live says of what is missing


@pytest.mark.parametrize(
    ("account", "action"),
    [
        (HOME, "sts:AssumeRole"),
        (HOME, "connect:GetMetricData"),
        (SALES, "connect:DescribeInstance"),
        (SALES, "ds:DescribeDirectories"),
        (SALES, "connect:ListRoutingProfileQueues"),
        (SUPPORT, "connect:ListInstances"),
        (SUPPORT, "connect:GetCurrentMetricData"),
    ],
)
def test_check_live_names_the_missing_action_and_who_asked(
    account: str, action: str, aws: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configured = configuration(aws, **CONFIGURATIONS["three accounts"])
    documents = printed(tmp_path, configured, capsys)
    for part in list(parts(documents)):
        if (part.caller, part.key, part.value) == (account, "Action", action):
            documents = without(documents, part)
    aws.allow(documents)
    assert main(["check", "--live", "--config", str(tmp_path / "policy.yml")]) == 1
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if line.startswith("FAIL")]
    session = f"arn:aws:sts::{account}:assumed-role/reader/amazon-connect-exporter"
    principal = f"arn:aws:iam::{account}:user/simulated" if account == HOME else session
    assert failed
    missing = [line for line in failed if f"{principal} is not allowed: {action} (" in line]
    others = {line for line in failed if line not in missing}
    # What nobody could look for is not there either.
    assert missing
    assert not any("is not allowed" in line for line in others), others
    assert any((line.startswith("ok") and "centre-1" in line) or "one: " in line for line in lines)


def test_check_live_names_who_it_is_where_aws_does_not_say(
    aws: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "terse.yml"
    path.write_text(yaml.safe_dump(configuration(aws, instances=[PLAIN])))
    terse = CallFailed("ListQueues", Reason.ACCESS_DENIED, "AccessDeniedException", "")
    who = f"arn:aws:iam::{HOME}:user/simulated"
    assert check._failed("one", terse, who).text.startswith(f"one: {who} is not allowed: connect:ListQueues (")
    assert main(["check", "--live", "--config", str(path)]) == 0
    assert f"calling AWS as {who}" in capsys.readouterr().out
