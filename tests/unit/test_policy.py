from __future__ import annotations

from typing import Any

import pytest

from exporter.app import plan_of
from exporter.model import Access, Target
from exporter.policy import Place, document
from exporter.settings import load
from exporter.targets import targets

ID = "0a1b2c3d-0000-4000-8000-000000000001"
ARN = f"arn:aws:connect:us-east-1:123456789012:instance/{ID}"


def policy(settings: dict[str, str], places: tuple[Place, ...] = ()) -> dict[str, tuple[set[str], set[str]]]:
    """Statement id to actions and resources."""
    environment = {f"AMAZON_CONNECT_EXPORTER_{key}": value for key, value in settings.items()}
    loaded = load(None, environment)
    made = document(targets(loaded), places, plan_of(loaded))
    assert made["Version"] == "2012-10-17"
    assert {statement["Effect"] for statement in made["Statement"]} == {"Allow"}
    found = {each["Sid"]: (set(each["Action"]), set(each["Resource"])) for each in made["Statement"]}
    assert len(found) == len(made["Statement"])
    assert all(sid.isalnum() for sid in found)
    return found


def instance(*ids: str, **more: str) -> dict[str, str]:
    listed = ", ".join(f'{{"id": "{i}", {", ".join(f"{k!r}: {v!r}" for k, v in more.items())}}}' for i in ids)
    return {"INSTANCES": f"[{listed}]".replace("'", '"').replace(", }", "}")}


ONLY_CURRENT = {"COLLECTORS__HISTORICAL__ENABLED": "false", "COLLECTORS__COUNTERS__ENABLED": "false"}


def test_a_named_instance_with_real_time_metrics_needs_three_rights_on_what_it_consists_of() -> None:
    found = policy(instance(ARN, alias="acme") | ONLY_CURRENT)
    assert found == {
        "ListQueues": ({"connect:ListQueues"}, {f"{ARN}/queue/*"}),
        "ListRoutingProfiles": ({"connect:ListRoutingProfiles"}, {ARN, f"{ARN}/routing-profile/*"}),
        "ListProfileQueues": ({"connect:ListRoutingProfileQueues"}, {f"{ARN}/routing-profile/*"}),
        "CollectCurrent": (
            {"connect:GetCurrentMetricData"},
            {f"{ARN}/queue/*", f"{ARN}/routing-profile/*"},
        ),
    }


def test_an_instance_without_alias_is_described_and_its_directory_with_it() -> None:
    found = policy(instance(ARN) | ONLY_CURRENT)
    assert found["DescribeInstances"] == ({"connect:DescribeInstance"}, {ARN})
    assert found["ReadDirectories"] == ({"ds:DescribeDirectories"}, {"*"})
    assert "DiscoverInstances" not in found


def test_what_is_switched_off_needs_no_right() -> None:
    settings = instance(ARN, alias="acme") | ONLY_CURRENT
    found = policy(settings | {"COLLECTORS__CURRENT__ZERO_FILL": "off"})
    assert "ListProfileQueues" not in found
    found = policy(settings | {"COLLECTORS__CURRENT__LEVELS": '["queue"]'})
    assert found["CollectCurrent"][1] == {f"{ARN}/queue/*"}
    found = policy(settings | {"COLLECTORS__CURRENT__ENABLED": "false"})
    assert "CollectCurrent" not in found


def test_agent_statuses_are_listed_where_their_level_is_on() -> None:
    settings = instance(ARN, alias="acme") | ONLY_CURRENT
    found = policy(settings | {"COLLECTORS__CURRENT__LEVELS": '["queue", "agent_status"]'})
    assert found["ListAgentStatuses"] == ({"connect:ListAgentStatuses"}, {f"{ARN}/agent-state/*"})
    assert "ListAgentStatuses" not in policy(settings)


def test_discovery_lists_everything_and_may_see_every_instance_of_its_account_and_region() -> None:
    place = Place("123456789012", "us-gov-west-1")
    found = policy({"DISCOVERY": '[{"regions": ["us-gov-west-1"]}]'} | ONLY_CURRENT, (place,))
    everything = "arn:aws-us-gov:connect:us-gov-west-1:123456789012:instance/*"
    assert found["DiscoverInstances"] == ({"connect:ListInstances"}, {"*"})
    assert found["ListQueues"][1] == {f"{everything}/queue/*"}
    assert "ReadDirectories" in found
    assert "DescribeInstances" not in found


def test_an_account_that_is_not_known_is_any() -> None:
    plan = plan_of(load(None, {f"AMAZON_CONNECT_EXPORTER_{k}": v for k, v in instance(ARN).items()}))
    made: dict[str, Any] = document([Target(ID, Access("eu-west-2"))], (), plan)
    (listed,) = [each for each in made["Statement"] if each["Sid"] == "ListQueues"]
    assert listed["Resource"] == [f"arn:aws:connect:eu-west-2:*:instance/{ID}/queue/*"]


@pytest.mark.parametrize("count", [1, 3])
def test_several_instances_stand_side_by_side_each_once(count: int) -> None:
    arns = [f"{ARN[:-1]}{n}" for n in range(count)]
    found = policy(instance(*arns) | ONLY_CURRENT)
    assert found["ListQueues"][1] == {f"{arn}/queue/*" for arn in arns}
