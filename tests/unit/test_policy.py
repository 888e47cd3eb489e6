"""Which rights go into whose policy; that they are enough and no more is tried in tests/e2e/test_policy.py."""

from __future__ import annotations

import pytest

from exporter.plan import plan_of
from exporter.policy import documents
from exporter.settings import load
from exporter.targets import discovery_access, targets

ID = "0a1b2c3d-0000-4000-8000-000000000001"
HERE = "123456789012"
ARN = f"arn:aws:connect:us-east-1:{HERE}:instance/{ID}"
READER = "arn:aws:iam::444455556666:role/metrics/reader"
THERE = "arn:aws:connect:us-east-1:444455556666:instance"

Rights = set[tuple[str, str]]


def policies(settings: dict[str, str]) -> dict[str, Rights]:
    """By account, every (action, resource) that is allowed; no right stands twice."""
    loaded = load(None, {f"AMAZON_CONNECT_EXPORTER_{key}": value for key, value in settings.items()})
    places = [discovery_access(block, loaded, region) for block in loaded.discovery for region in block.regions]
    found = {}
    for account, made in documents(targets(loaded), places, plan_of(loaded)).items():
        assert made["Version"] == "2012-10-17"
        assert {statement["Effect"] for statement in made["Statement"]} == {"Allow"}
        sids = [statement["Sid"] for statement in made["Statement"]]
        assert len(set(sids)) == len(sids)
        assert all(sid.isalnum() for sid in sids)
        rights = [(a, r) for each in made["Statement"] for a in each["Action"] for r in each["Resource"]]
        assert len(set(rights)) == len(rights)
        found[account] = set(rights)
    return found


def policy(settings: dict[str, str]) -> Rights:
    """The only one there is."""
    ((_, rights),) = policies(settings).items()
    return rights


def instance(*ids: str, **more: str) -> dict[str, str]:
    listed = ", ".join(f'{{"id": "{i}", {", ".join(f"{k!r}: {v!r}" for k, v in more.items())}}}' for i in ids)
    return {"INSTANCES": f"[{listed}]".replace("'", '"').replace(", }", "}")}


def resources(rights: Rights, action: str) -> set[str]:
    return {resource for allowed, resource in rights if allowed == action}


ONLY_CURRENT = {"COLLECTORS__HISTORICAL__ENABLED": "false", "COLLECTORS__COUNTERS__ENABLED": "false"}


def test_a_named_instance_with_real_time_metrics_needs_rights_on_what_it_consists_of() -> None:
    assert policy(instance(ARN, alias="acme") | ONLY_CURRENT) == {
        ("connect:ListQueues", f"{ARN}/queue/*"),
        ("connect:ListRoutingProfiles", ARN),
        ("connect:ListRoutingProfileQueues", f"{ARN}/routing-profile/*"),
        ("connect:GetCurrentMetricData", f"{ARN}/queue/*"),
        ("connect:GetCurrentMetricData", f"{ARN}/routing-profile/*"),
        ("connect:GetCurrentMetricData", ARN),
    }


def test_an_instance_without_alias_is_described_and_its_directory_with_it() -> None:
    found = policy(instance(ARN) | ONLY_CURRENT)
    assert resources(found, "connect:DescribeInstance") == {ARN}
    assert resources(found, "ds:DescribeDirectories") == {"*"}
    assert not resources(found, "connect:ListInstances")


def test_what_is_switched_off_needs_no_right() -> None:
    settings = instance(ARN, alias="acme") | ONLY_CURRENT
    found = policy(settings | {"COLLECTORS__CURRENT__ZERO_FILL": "off"})
    assert not resources(found, "connect:ListRoutingProfileQueues")
    found = policy(settings | {"COLLECTORS__CURRENT__ENABLED": "false"})
    assert not resources(found, "connect:GetCurrentMetricData")


@pytest.mark.parametrize(
    ("levels", "wanted"),
    [
        ('["queue"]', {f"{ARN}/queue/*"}),
        ('["queue_all_channels", "agent_status"]', {f"{ARN}/queue/*"}),
        ('["routing_profile"]', {f"{ARN}/routing-profile/*"}),
        ('["instance"]', {f"{ARN}/queue/*", ARN}),
    ],
)
def test_metrics_are_allowed_on_what_the_levels_ask_about(levels: str, wanted: set[str]) -> None:
    found = policy(instance(ARN, alias="acme") | ONLY_CURRENT | {"COLLECTORS__CURRENT__LEVELS": levels})
    assert resources(found, "connect:GetCurrentMetricData") == wanted


def test_agent_statuses_are_listed_where_their_level_is_on() -> None:
    settings = instance(ARN, alias="acme") | ONLY_CURRENT
    found = policy(settings | {"COLLECTORS__CURRENT__LEVELS": '["queue", "agent_status"]'})
    assert resources(found, "connect:ListAgentStatuses") == {f"{ARN}/agent-state/*"}
    assert not resources(policy(settings), "connect:ListAgentStatuses")


def test_discovery_lists_everything_and_may_see_every_instance_of_its_account_and_region() -> None:
    role = "arn:aws-us-gov:iam::444455556666:role/reader"
    blocks = f'[{{"regions": ["us-gov-west-1"], "role_arn": "{role}"}}]'
    found = policies({"DISCOVERY": blocks} | ONLY_CURRENT)
    assert found["caller"] == {("sts:AssumeRole", role)}
    everything = "arn:aws-us-gov:connect:us-gov-west-1:444455556666:instance/*"
    assert resources(found["444455556666"], "connect:ListInstances") == {"*"}
    assert resources(found["444455556666"], "ds:DescribeDirectories") == {"*"}
    assert resources(found["444455556666"], "connect:ListQueues") == {f"{everything}/queue/*"}
    assert not resources(found["444455556666"], "connect:DescribeInstance")
    # `instance/*` has all that is beneath instances too.
    assert resources(found["444455556666"], "connect:GetCurrentMetricData") == {everything}


def test_an_account_that_is_not_known_is_any() -> None:
    found = policy(instance(ID, region="eu-west-2"))
    assert resources(found, "connect:ListQueues") == {f"arn:aws:connect:eu-west-2:*:instance/{ID}/queue/*"}


def test_one_arn_tells_the_account_of_everything_that_is_called_without_a_role() -> None:
    instances = f'[{{"id": "{ARN}"}}, {{"id": "b", "region": "eu-west-2"}}, {{"id": "c", "role_arn": "{READER}"}}]'
    found = policies({"INSTANCES": instances, "AWS__REGION": "us-east-1"})
    assert set(found) == {HERE, "444455556666"}
    b = f"arn:aws:connect:eu-west-2:{HERE}:instance/b/queue/*"
    assert resources(found[HERE], "connect:ListQueues") == {f"{ARN}/queue/*", b}
    assert resources(found[HERE], "sts:AssumeRole") == {READER}
    assert resources(found["444455556666"], "connect:ListQueues") == {f"{THERE}/c/queue/*"}
    assert not resources(found["444455556666"], "sts:AssumeRole")


@pytest.mark.parametrize("count", [1, 3])
def test_several_instances_stand_side_by_side_each_once(count: int) -> None:
    arns = [f"{ARN[:-1]}{n}" for n in range(count)]
    found = policy(instance(*arns) | ONLY_CURRENT)
    assert resources(found, "connect:ListQueues") == {f"{arn}/queue/*" for arn in arns}
