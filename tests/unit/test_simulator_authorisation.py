"""What the simulated service allows whom: policies judged by action and resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from exporter.simulator.authorisation import Authorisation
from exporter.simulator.server import Simulator
from tests.unit import simulator_stub as stub
from tests.unit.simulator_stub import ACCOUNT, INSTANCE, OTHER_ACCOUNT, REGION, connect, error_of, simulated, sts

ARN = f"arn:aws:connect:{REGION}:{ACCOUNT}:instance/{INSTANCE}"
ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/reader"
LIST = {"InstanceId": INSTANCE}
BY_PROFILE = stub.current(RoutingProfiles=["p0"], groupings=["ROUTING_PROFILE"])
BY_BOTH_QUEUES = stub.current(Queues=["q0", f"{ARN}/queue/q1"])
BY_CHANNEL = stub.current(Channels=["VOICE"])
RECENT_OF_ALL = stub.historical(Filters={"Channels": ["VOICE"]})


def policy(*rights: tuple[str, str]) -> dict[str, Any]:
    statements = [{"Effect": "Allow", "Action": [action], "Resource": [resource]} for action, resource in rights]
    return {"Version": "2012-10-17", "Statement": statements}


@pytest.fixture(scope="module")
def aws() -> Iterator[Simulator]:
    with simulated() as running:
        yield running


def call(aws: Simulator, operation: str, params: Mapping[str, Any]) -> Any:
    client = (sts if operation in ("assume_role", "get_caller_identity") else connect)(aws)
    try:
        return getattr(client, operation)(**params)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("operation", "params", "rights"),
    [
        ("list_instances", {}, [("connect:ListInstances", "*"), ("ds:DescribeDirectories", "*")]),
        ("describe_instance", LIST, [("connect:DescribeInstance", ARN), ("ds:DescribeDirectories", "*")]),
        ("list_queues", LIST, [("connect:ListQueues", f"{ARN}/queue/*")]),
        ("list_agent_statuses", LIST, [("connect:ListAgentStatuses", f"{ARN}/agent-state/*")]),
        ("list_routing_profiles", LIST, [("connect:ListRoutingProfiles", ARN)]),
        (
            "list_routing_profile_queues",
            {**LIST, "RoutingProfileId": "p0"},
            [("connect:ListRoutingProfileQueues", f"{ARN}/routing-profile/p0")],
        ),
        (
            "get_current_metric_data",
            BY_BOTH_QUEUES,
            [("connect:GetCurrentMetricData", f"{ARN}/queue/q0"), ("connect:GetCurrentMetricData", f"{ARN}/queue/q1")],
        ),
        ("get_current_metric_data", BY_PROFILE, [("connect:GetCurrentMetricData", f"{ARN}/routing-profile/p0")]),
        ("get_current_metric_data", BY_CHANNEL, [("connect:GetCurrentMetricData", ARN)]),
        ("get_metric_data", stub.historical(), [("connect:GetMetricData", f"{ARN}/queue/q0")]),
        ("get_metric_data", RECENT_OF_ALL, [("connect:GetMetricData", f"{ARN}/queue/*")]),
        ("assume_role", {"RoleArn": ROLE, "RoleSessionName": "me"}, [("sts:AssumeRole", ROLE)]),
        ("get_caller_identity", {}, []),
    ],
)
def test_a_call_needs_its_action_on_everything_it_names(
    operation: str, params: dict[str, Any], rights: list[tuple[str, str]], aws: Simulator
) -> None:
    aws.allow({ACCOUNT: policy(*rights)})
    assert call(aws, operation, params)
    for missing in rights:
        aws.allow({ACCOUNT: policy(*(right for right in rights if right != missing))})
        status, code, message = error_of(lambda: call(aws, operation, params))
        assert (status, code) == (403, "AccessDenied" if operation == "assume_role" else "AccessDeniedException")
        action, resource = missing
        assert message == (
            f"User: arn:aws:iam::{ACCOUNT}:user/simulated is not authorized to perform: {action} on resource: "
            f"{resource} because no identity-based policy allows the {action} action"
        )


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("connect:List*", "*", True),
        ("*", f"{ARN}/queue/*", True),
        ("CONNECT:listQUEUES", f"{ARN}/queue/*", True),
        ("connect:ListQueue?", f"arn:aws:connect:{REGION}:*:instance/*", True),
        ("connect:ListQueues", f"{ARN}/*", True),
        ("connect:ListQueues", ARN, False),
        ("connect:ListQueues", f"{ARN}/queue/q0", False),
        ("connect:ListQueues", f"{ARN}/QUEUE/*", False),
        ("connect:ListQueue", f"{ARN}/queue/*", False),
        ("connect.ListQueues", f"{ARN}/queue/*", False),
        ("connect:ListQueues", f"arn:aws:connect:eu-west-2:{ACCOUNT}:instance/*", False),
    ],
)
def test_stars_and_question_marks_stand_for_anything(action: str, resource: str, allowed: bool, aws: Simulator) -> None:
    aws.allow({ACCOUNT: {"Statement": {"Effect": "Allow", "Action": action, "Resource": resource}}})
    if allowed:
        assert call(aws, "list_queues", LIST)
    else:
        assert error_of(lambda: call(aws, "list_queues", LIST))[0] == 403


def test_a_policy_is_of_its_account_alone_and_without_any_everybody_may_do_everything(aws: Simulator) -> None:
    aws.allow({OTHER_ACCOUNT: policy(("*", "*"))})
    assert error_of(lambda: call(aws, "list_queues", LIST))[0] == 403
    aws.allow(None)
    assert call(aws, "list_queues", LIST)


@pytest.mark.parametrize(
    "change", [{"Effect": "Deny"}, {"Condition": {}}, {"NotAction": "*"}, {"Principal": "*"}], ids=str
)
def test_a_statement_that_would_be_misread_is_refused(change: dict[str, Any]) -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", **change}
    with pytest.raises(ValueError, match="plain statements"):
        Authorisation({ACCOUNT: {"Statement": [statement]}})
