"""The simulator as an AWS client sees it: every operation's answer, errors, identities, quotas, the server itself."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.validate import ParamValidator

from exporter.simulator import quotas, wire
from exporter.simulator.identity import access_key_id
from exporter.simulator.server import Simulator
from tests.unit.simulator_stub import (
    ACCOUNT,
    AGENT_QUEUE,
    FAR_INSTANCE,
    FOREIGN_INSTANCE,
    HANDLED,
    INSTANCE,
    NOW,
    OTHER_ACCOUNT,
    World,
    connect,
    current,
    error_of,
    historical,
    instance,
    plain,
    service_level,
    signed,
    simulated,
    sts,
    talking,
)

PATH = f"/metrics/current/{INSTANCE}"


@pytest.fixture
def worlds() -> Iterator[Simulator]:
    """Two instances of one account in two regions, and one of another account."""
    world = World(
        instances=(
            instance(),
            instance(id=FAR_INSTANCE, alias="far", region="eu-west-2"),
            instance(id=FOREIGN_INSTANCE, alias=None, account_id=OTHER_ACCOUNT),
        )
    )
    with simulated(world) as simulator:
        yield simulator


# Answers


def test_current_values_come_by_metric_with_a_null_left_out_by_botocore() -> None:
    world = World(values={"AGENTS_ONLINE": 7.0, "CONTACTS_IN_QUEUE": 0.0, "OLDEST_CONTACT_AGE": None})
    metrics = ["AGENTS_ONLINE", "CONTACTS_IN_QUEUE", "OLDEST_CONTACT_AGE"]
    with talking(world) as (simulator, aws):
        params = current(metrics=metrics, groupings=["QUEUE", "CHANNEL"], Queues=["q0"], Channels=["CHAT"])
        answer = aws.get_current_metric_data(**params)
        body = json.dumps({key: value for key, value in params.items() if key != "InstanceId"}).encode()
        raw = signed(simulator, "POST", PATH, body).json
    arn = f"{world.instances[0].arn}/queue/q0"
    assert answer["DataSnapshotTime"].timestamp() == NOW
    assert answer["ApproximateTotalCount"] == 1
    assert [row["Dimensions"] for row in answer["MetricResults"]] == [
        {"Queue": {"Id": "q0", "Arn": arn}, "Channel": "CHAT"}
    ]
    collections = answer["MetricResults"][0]["Collections"]
    assert {one["Metric"]["Name"]: one.get("Value", "no value") for one in collections} == {
        "AGENTS_ONLINE": 7.0,
        "CONTACTS_IN_QUEUE": 0.0,
        "OLDEST_CONTACT_AGE": "no value",
    }
    assert {"Metric": {"Name": "OLDEST_CONTACT_AGE", "Unit": "SECONDS"}, "Value": None} in raw["MetricResults"][0][
        "Collections"
    ]


def test_a_metric_the_world_has_no_value_of_is_not_in_the_row() -> None:
    class Silent(World):
        def current(self, instance_id: str, **query: Any) -> Any:
            return [({}, {"AGENTS_ONLINE": 1.0})], self.now

    with talking(Silent()) as (_, aws):
        answer = aws.get_current_metric_data(**current(metrics=["AGENTS_ONLINE", "AGENTS_STAFFED"]))
    assert [one["Metric"]["Name"] for one in answer["MetricResults"][0]["Collections"]] == ["AGENTS_ONLINE"]


@pytest.mark.parametrize(
    ("groupings", "filters", "dimensions"),
    [
        (
            ["ROUTING_PROFILE"],
            {"RoutingProfiles": ["p3"]},
            {"RoutingProfile": {"Id": "p3", "Arn": "routing-profile/p3"}},
        ),
        (
            ["QUEUE", "AGENT_STATUS"],
            {"Queues": ["q0"], "AgentStatuses": ["s2"]},
            {"Queue": {"Id": "q0", "Arn": "queue/q0"}, "AgentStatus": {"Id": "s2", "Arn": "agent-state/s2"}},
        ),
        ([], {"Queues": ["q0"]}, None),
    ],
)
def test_a_row_names_its_dimensions_by_id_and_arn(
    groupings: list[str], filters: dict[str, Any], dimensions: dict[str, dict[str, str]] | None
) -> None:
    world = World()
    with talking(world) as (_, aws):
        answer = aws.get_current_metric_data(**current(groupings=groupings, **filters))
    for one in (dimensions or {}).values():
        one["Arn"] = f"{world.instances[0].arn}/{one['Arn']}"
    assert [row.get("Dimensions") for row in answer["MetricResults"]] == [dimensions]


def test_rows_are_sorted_by_agents_online_unless_the_request_says_otherwise() -> None:
    params = current(groupings=["QUEUE"], Queues=["q0", "q1", "q2"])
    by_least = [{"SortByMetric": "AGENTS_ONLINE", "SortOrder": "ASCENDING"}]
    with talking() as (_, aws):
        default = aws.get_current_metric_data(**params)["MetricResults"]
        ascending = aws.get_current_metric_data(**params, SortCriteria=by_least)["MetricResults"]
    assert [row["Dimensions"]["Queue"]["Id"] for row in default] == ["q2", "q1", "q0"]
    assert [row["Dimensions"]["Queue"]["Id"] for row in ascending] == ["q0", "q1", "q2"]


def test_the_order_of_metrics_differs_from_the_requests_and_from_row_to_row() -> None:
    metrics = ["AGENTS_ONLINE", "AGENTS_STAFFED", "AGENTS_ERROR"]
    with talking() as (_, aws):
        rows = aws.get_current_metric_data(**current(metrics=metrics, groupings=["QUEUE"], Queues=["q0", "q1"]))[
            "MetricResults"
        ]
    orders = [[one["Metric"]["Name"] for one in row["Collections"]] for row in rows]
    assert metrics not in orders
    assert orders[0] != orders[1]
    assert all(sorted(order) == sorted(metrics) for order in orders)


def test_historical_rows_tell_two_thresholds_apart_and_have_null_where_none_is() -> None:
    world = World(values={"CONTACTS_HANDLED": 5.0})
    params = historical(HANDLED, service_level(20), service_level(60), Groupings=["QUEUE"])
    with talking(world) as (simulator, aws):
        answer = aws.get_metric_data(**params)
        body = json.dumps({key: value for key, value in params.items() if key != "InstanceId"}).encode()
        raw = signed(simulator, "POST", f"/metrics/historical/{INSTANCE}", body).json
    found = answer["MetricResults"][0]["Collections"]
    assert {one["Metric"].get("Threshold", {}).get("ThresholdValue") for one in found} == {None, 20.0, 60.0}
    assert all(one["Metric"]["Statistic"] in ("SUM", "AVG") for one in found)
    handled = {"Name": "CONTACTS_HANDLED", "Threshold": None, "Statistic": "SUM", "Unit": "COUNT"}
    assert {"Metric": handled, "Value": 5.0} in raw["MetricResults"][0]["Collections"]


def test_an_instance_is_listed_and_described_alike() -> None:
    with talking() as (_, aws):
        [summary] = aws.list_instances()["InstanceSummaryList"]
        described = aws.describe_instance(InstanceId=INSTANCE)["Instance"]
    assert summary == described
    assert (summary["Id"], summary["InstanceAlias"], summary["InstanceStatus"]) == (INSTANCE, "acme", "ACTIVE")
    assert summary["Arn"] == f"arn:aws:connect:us-east-1:{ACCOUNT}:instance/{INSTANCE}"
    assert summary["CreatedTime"].timestamp() == NOW - 1000


def test_an_agents_queue_is_listed_without_a_name_unless_only_standard_ones_are_wanted() -> None:
    with talking() as (_, aws):
        every = aws.list_queues(InstanceId=INSTANCE, MaxResults=1000)["QueueSummaryList"]
        standard = aws.list_queues(InstanceId=INSTANCE, MaxResults=1000, QueueTypes=["STANDARD"])["QueueSummaryList"]
        both = aws.list_queues(InstanceId=INSTANCE, MaxResults=1000, QueueTypes=["STANDARD", "AGENT"])[
            "QueueSummaryList"
        ]
    [agents] = [queue for queue in every if queue["QueueType"] == "AGENT"]
    assert agents["Id"] == AGENT_QUEUE
    assert "Name" not in agents
    assert standard == [queue for queue in every if queue != agents]
    assert both == every
    assert standard[3]["Name"] == "Queue 3"


def test_statuses_are_listed_by_type() -> None:
    with talking() as (_, aws):
        every = aws.list_agent_statuses(InstanceId=INSTANCE)["AgentStatusSummaryList"]
        custom = aws.list_agent_statuses(InstanceId=INSTANCE, AgentStatusTypes=["CUSTOM"])["AgentStatusSummaryList"]
    assert [(status["Name"], status["Type"]) for status in every] == [
        ("Available", "ROUTABLE"),
        ("Offline", "OFFLINE"),
        ("Lunch", "CUSTOM"),
    ]
    assert custom == every[2:]


def test_a_routing_profile_tells_what_it_serves() -> None:
    with talking() as (_, aws):
        first = aws.list_routing_profile_queues(InstanceId=INSTANCE, RoutingProfileId="p0", MaxResults=1)
        none = aws.list_routing_profile_queues(InstanceId=INSTANCE, RoutingProfileId="p1")
        unknown = error_of(lambda: aws.list_routing_profile_queues(InstanceId=INSTANCE, RoutingProfileId="p999"))
    [served] = first["RoutingProfileQueueConfigSummaryList"]
    assert (served["QueueId"], served["QueueName"], served["Channel"]) == ("q0", "Queue 0", "VOICE")
    assert (served["Priority"], served["Delay"]) == (1, 0)
    assert none["RoutingProfileQueueConfigSummaryList"] == []
    assert unknown[:2] == (404, "ResourceNotFoundException")


ALL_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("GetCurrentMetricData", current(groupings=["QUEUE", "CHANNEL"], Queues=["q0"], Channels=["VOICE"])),
    ("GetMetricData", historical(HANDLED, service_level(20), Groupings=["QUEUE"])),
    ("ListInstances", {}),
    ("DescribeInstance", {"InstanceId": INSTANCE}),
    ("ListQueues", {"InstanceId": INSTANCE}),
    ("ListRoutingProfiles", {"InstanceId": INSTANCE}),
    ("ListRoutingProfileQueues", {"InstanceId": INSTANCE, "RoutingProfileId": "p0"}),
    ("ListAgentStatuses", {"InstanceId": INSTANCE}),
]


@pytest.mark.parametrize(("operation", "params"), ALL_CALLS, ids=[name for name, _ in ALL_CALLS])
def test_every_answer_has_the_shape_of_the_model(operation: str, params: dict[str, Any]) -> None:
    shape = botocore.session.get_session().get_service_model("connect").operation_model(operation).output_shape
    with talking() as (_, aws):
        answer = aws._make_api_call(operation, params)
    answer.pop("ResponseMetadata")
    assert shape is not None
    assert any(answer.values())
    report = ParamValidator().validate(answer, shape)
    assert not report.has_errors(), report.generate_report()


def test_all_simulated_operations_are_tried() -> None:
    assert {name for name, _ in ALL_CALLS} == set(wire.SIMULATED)


# Reading


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"Filters": []}',
        b'{"Filters": {"Queues": "q0"}}',
        b'{"Filters": {"Queues": [1]}}',
        b'{"Filters": {"Queues": [null]}}',
        b'{"MaxResults": "10"}',
        b'{"MaxResults": 10.5}',
        b'{"MaxResults": true}',
        b'{"MaxResults": NaN}',
        b"[" * 100_000,
    ],
)
def test_a_body_of_the_wrong_types_is_a_serialization_error(body: bytes) -> None:
    with simulated() as simulator:
        answer = signed(simulator, "POST", PATH, body)
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"].startswith("SerializationException")


def test_members_that_are_null_or_unknown_are_passed_over() -> None:
    params = {
        **current(),
        "NextToken": None,
        "Frobnicate": 1,
        "Filters": {"Queues": ["q0"], "Channels": None, "Fax": [3]},
    }
    with simulated() as simulator:
        assert signed(simulator, "POST", PATH, json.dumps(params).encode()).status == 200


def test_every_broken_constraint_is_named() -> None:
    with simulated() as simulator:
        answer = signed(simulator, "POST", PATH, b'{"MaxResults": 0, "Groupings": ["FAX"]}')
    message = answer.json["Message"]
    assert message.startswith("4 validation errors detected")
    for path in ("filters", "currentMetrics", "maxResults", "groupings.1.member"):
        assert f"'{path}'" in message


def test_ids_with_any_character_survive_the_path() -> None:
    odd = "ü /?%2F#"
    with talking(World(instances=(instance(id=odd),))) as (_, aws):
        assert aws.describe_instance(InstanceId=odd)["Instance"]["Id"] == odd


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("PATCH", PATH, 404), ("GET", "/users-summary/x", 501)]
)
def test_what_is_no_operation_or_not_simulated_is_said_so(method: str, path: str, status: int) -> None:
    with simulated() as simulator:
        assert signed(simulator, method, path).status == status


# Errors


def test_error_types_come_with_and_without_a_tail_and_mean_the_same() -> None:
    with simulated() as simulator:
        types = [signed(simulator, "GET", "/instance/nobody").headers["x-amzn-errortype"] for _ in range(4)]
        client = connect(simulator)
        codes = {error_of(lambda: client.describe_instance(InstanceId="nobody"))[1] for _ in range(2)}
    assert sorted(":" in one for one in types) == [False, False, True, True]
    assert codes == {"ResourceNotFoundException"}


def test_every_answer_has_a_request_id_of_its_own() -> None:
    with talking() as (simulator, aws):
        ids = {aws.list_instances()["ResponseMetadata"]["RequestId"] for _ in range(3)}
        ids.add(signed(simulator, "GET", "/instance/nobody").headers["x-amzn-requestid"])
        ids.add(sts(simulator).get_caller_identity()["ResponseMetadata"]["RequestId"])
    assert len(ids) == 5


def test_a_mistake_of_the_world_is_an_internal_error_to_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(World):
        def current(self, instance_id: str, **query: Any) -> Any:
            raise ZeroDivisionError

    with talking(Broken()) as (_, aws):
        assert error_of(lambda: aws.get_current_metric_data(**current()))[:2] == (500, "InternalServiceException")
        assert aws.list_instances()["InstanceSummaryList"]
    assert "ZeroDivisionError" in caplog.text


# Identities


def test_an_unsigned_request_is_refused() -> None:
    with simulated() as simulator:
        answer = plain(simulator, "POST", PATH, b"{}")
        unsigned_sts = plain(simulator, "POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15")
    assert (answer.status, answer.headers["x-amzn-errortype"].split(":")[0]) == (
        403,
        "MissingAuthenticationTokenException",
    )
    assert (unsigned_sts.status, b"<Code>MissingAuthenticationToken</Code>" in unsigned_sts.body) == (403, True)


@pytest.mark.parametrize(
    "authorization", ["Basic dTpw", "AWS4-HMAC-SHA256 Credential=AKIA/20260921/us-east-1/connect/aws4_request"]
)
def test_half_a_signature_is_refused(authorization: str) -> None:
    with simulated() as simulator:
        headers = {"Authorization": authorization, "X-Amz-Date": "20260921T141500Z"}
        answer = plain(simulator, "POST", PATH, b"{}", headers)
    assert (answer.status, answer.headers["x-amzn-errortype"].split(":")[0]) == (403, "IncompleteSignatureException")


def test_a_signature_for_another_service_is_refused() -> None:
    with simulated() as simulator:
        answer = signed(simulator, "GET", "/instance", service="cloudwatch")
    assert (answer.status, answer.headers["x-amzn-errortype"].split(":")[0]) == (403, "InvalidSignatureException")


def test_a_caller_sees_the_instances_of_its_account_and_region_only(worlds: Simulator) -> None:
    seen = {
        (region, account): [
            one["Id"] for one in connect(worlds, region, account).list_instances()["InstanceSummaryList"]
        ]
        for region in ("us-east-1", "eu-west-2", "ap-southeast-2")
        for account in (ACCOUNT, OTHER_ACCOUNT)
    }
    assert {key: ids for key, ids in seen.items() if ids} == {
        ("us-east-1", ACCOUNT): [INSTANCE],
        ("eu-west-2", ACCOUNT): [FAR_INSTANCE],
        ("us-east-1", OTHER_ACCOUNT): [FOREIGN_INSTANCE],
    }
    client = connect(worlds)
    for other in (FAR_INSTANCE, FOREIGN_INSTANCE):
        assert error_of(lambda: client.list_queues(InstanceId=other))[:2] == (404, "ResourceNotFoundException")  # noqa: B023


def test_keys_that_name_no_account_belong_to_the_first_instances() -> None:
    with simulated() as simulator:
        client = sts(simulator, aws_access_key_id="testing", aws_secret_access_key="testing")
        assert client.get_caller_identity()["Account"] == ACCOUNT


def test_an_assumed_role_acts_for_its_own_account(worlds: Simulator) -> None:
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/path/Reader"
    answer = sts(worlds).assume_role(
        RoleArn=role, RoleSessionName="exporter", ExternalId="secret-id", DurationSeconds=900
    )
    granted = answer["Credentials"]
    keys = {
        "aws_access_key_id": granted["AccessKeyId"],
        "aws_secret_access_key": granted["SecretAccessKey"],
        "aws_session_token": granted["SessionToken"],
    }
    identity = sts(worlds, **keys).get_caller_identity()
    assert identity["Account"] == OTHER_ACCOUNT
    assert (
        identity["Arn"]
        == answer["AssumedRoleUser"]["Arn"]
        == f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/Reader/exporter"
    )
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    client = connect(worlds, **keys)
    assert [one["Id"] for one in client.list_instances()["InstanceSummaryList"]] == [FOREIGN_INSTANCE]
    assert client.list_queues(InstanceId=FOREIGN_INSTANCE)["QueueSummaryList"]
    assert error_of(lambda: client.list_queues(InstanceId=INSTANCE))[1] == "ResourceNotFoundException"
    [assumed] = [one for one in worlds.requests if one.operation == "AssumeRole"]
    assert assumed.params["ExternalId"] == "secret-id"


def test_temporary_credentials_end_and_can_not_be_changed() -> None:
    now = [NOW]
    with simulated(wall=lambda: now[0]) as simulator:
        role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/Reader"
        granted = sts(simulator).assume_role(RoleArn=role, RoleSessionName="exporter", DurationSeconds=900)[
            "Credentials"
        ]
        assert granted["Expiration"].timestamp() == NOW + 900
        keys = {"aws_access_key_id": granted["AccessKeyId"], "aws_secret_access_key": granted["SecretAccessKey"]}
        tokens = {"whole": granted["SessionToken"], "changed": granted["SessionToken"][:-1], "none": None}
        clients = {name: connect(simulator, **keys, aws_session_token=token) for name, token in tokens.items()}
        now[0] += 899
        assert clients["whole"].list_instances()["InstanceSummaryList"] == []
        for name in ("changed", "none"):
            assert error_of(clients[name].list_instances)[:2] == (403, "UnrecognizedClientException")
        now[0] += 1
        assert error_of(clients["whole"].list_instances)[:2] == (403, "ExpiredTokenException")
        whole = sts(simulator, **keys, aws_session_token=tokens["whole"])
        assert error_of(whole.get_caller_identity)[:2] == (403, "ExpiredToken")


@pytest.mark.parametrize(
    "params",
    [
        {"RoleArn": "arn:aws:iam::111122223333:user/Reader", "RoleSessionName": "exporter"},
        {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Reader", "RoleSessionName": "with blank"},
        {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Reader", "RoleSessionName": "exporter", "DurationSeconds": 899},
        {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Reader"},
    ],
)
def test_a_role_that_can_not_be_assumed_is_refused(params: dict[str, Any]) -> None:
    with simulated() as simulator:
        client = sts(simulator, config={"parameter_validation": False})
        assert error_of(lambda: client.assume_role(**params))[:2] == (400, "ValidationError")


def test_another_action_of_sts_is_refused() -> None:
    with simulated() as simulator:
        client = sts(simulator)
        assert error_of(client.get_session_token)[:2] == (400, "InvalidAction")


def test_an_access_key_carries_any_account() -> None:
    for account in ("000000000001", "999999999999"):
        with simulated(World(instances=(instance(), instance(id=FAR_INSTANCE, account_id=account)))) as simulator:
            assert sts(simulator, account=account).get_caller_identity()["Account"] == account
        assert len(access_key_id(account)) == 20


# Quotas


def test_calls_beyond_the_quota_are_throttled_in_every_spelling_until_it_fills_up_again() -> None:
    ticks = [0.0]
    with talking(quotas=None, ticks=lambda: ticks[0]) as (_, aws):
        for _ in range(8):
            aws.get_current_metric_data(**current())
        throttles = [error_of(lambda: aws.get_current_metric_data(**current())) for _ in range(3)]
        aws.get_metric_data(**historical())
        ticks[0] += 0.2
        aws.get_current_metric_data(**current())
        error_of(lambda: aws.get_current_metric_data(**current()))
        ticks[0] += 3600
        for _ in range(8):
            aws.get_current_metric_data(**current())
        error_of(lambda: aws.get_current_metric_data(**current()))
    assert [one[:2] for one in throttles] == [
        (429, "ThrottlingException"),
        (429, "TooManyRequestsException"),
        (429, "429"),
    ]


def test_a_bare_throttle_has_no_error_type_and_a_small_message() -> None:
    with simulated(quotas={"ListInstances": (0.0, 0.0)}) as simulator:
        answers = [signed(simulator, "GET", "/instance") for _ in range(3)]
    assert [answer.status for answer in answers] == [429, 429, 429]
    [bare] = [answer for answer in answers if "x-amzn-errortype" not in answer.headers]
    assert bare.json == {"message": "Too Many Requests"}


def test_a_quota_is_of_one_account_region_and_operation(worlds: Simulator) -> None:
    world = World(
        instances=(
            instance(),
            instance(id=FAR_INSTANCE, region="eu-west-2"),
            instance(id="x", account_id=OTHER_ACCOUNT),
        )
    )
    with simulated(world, quotas={"ListQueues": (0.0, 1.0)}) as simulator:
        for region, account, instance_id in (
            ("us-east-1", ACCOUNT, INSTANCE),
            ("eu-west-2", ACCOUNT, FAR_INSTANCE),
            ("us-east-1", OTHER_ACCOUNT, "x"),
        ):
            client = connect(simulator, region, account)
            client.list_queues(InstanceId=instance_id)
            assert error_of(lambda: client.list_queues(InstanceId=instance_id))[0] == 429  # noqa: B023
            client.list_agent_statuses(InstanceId=instance_id)


def test_even_a_wrong_request_costs_quota() -> None:
    with talking(quotas={"DescribeInstance": (0.0, 1.0)}) as (_, aws):
        assert error_of(lambda: aws.describe_instance(InstanceId="nobody"))[0] == 404
        assert error_of(lambda: aws.describe_instance(InstanceId=INSTANCE))[0] == 429


def test_without_being_told_the_quotas_are_those_of_aws() -> None:
    assert quotas.AWS_DEFAULTS["GetCurrentMetricData"] == (5.0, 8.0)
    assert quotas.AWS_DEFAULTS["ListQueues"] == (2.0, 5.0)
    assert set(quotas.AWS_DEFAULTS) == set(wire.SIMULATED)


# The server


def test_one_connection_serves_many_requests() -> None:
    with simulated() as simulator, closing(http.client.HTTPConnection(simulator.url.removeprefix("http://"))) as line:
        line.connect()
        first = line.sock
        for _ in range(3):
            line.request("GET", "/_simulator/requests")
            assert line.getresponse().read() == b"[]"
            assert line.sock is first


def test_a_taken_port_is_an_error_at_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            simulated(port=taken.getsockname()[1]).start()


def test_a_stopped_simulator_refuses_connections_and_comes_back_on_the_same_port() -> None:
    simulator = simulated()
    with pytest.raises(RuntimeError):
        _ = simulator.url
    simulator.start()
    address, client = simulator.url, connect(simulator)
    assert client.list_instances()["InstanceSummaryList"]
    simulator.stop()
    with pytest.raises(EndpointConnectionError):
        client.list_instances()
    simulator.start()
    try:
        assert simulator.url == address
        assert client.list_instances()["InstanceSummaryList"]
    finally:
        simulator.stop()


def test_stopping_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    with simulated() as simulator:
        client = connect(simulator)
        client.list_instances()
        started = time.monotonic()
    assert time.monotonic() - started < 2
    assert threading.active_count() == before


def test_requests_side_by_side_are_all_answered() -> None:
    with simulated() as simulator:
        clients = [connect(simulator) for _ in range(8)]
        answers: list[int] = []
        workers = [
            threading.Thread(
                target=lambda client=client: answers.append(
                    len(client.list_queues(InstanceId=INSTANCE)["QueueSummaryList"])
                )
            )
            for client in clients
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(20)
    assert answers == [100] * 8
    assert len(simulator.requests) == 8


def test_a_body_beyond_reason_is_refused() -> None:
    with simulated() as simulator:
        answer = plain(simulator, "POST", PATH, b"", {"Content-Length": str(1 << 30)})
    assert answer.status == 413


def test_what_was_served_is_on_record() -> None:
    with talking(keep=2) as (simulator, aws):
        aws.list_instances()
        aws.get_current_metric_data(**current())
        error_of(lambda: aws.describe_instance(InstanceId="nobody"))
        shown = plain(simulator, "GET", "/_simulator/requests").json
    answered, refused = simulator.requests
    assert (answered.operation, answered.instance, answered.status, answered.code) == (
        "GetCurrentMetricData",
        INSTANCE,
        200,
        "",
    )
    assert answered.params == current()
    assert (answered.account, answered.region) == (ACCOUNT, "us-east-1")
    assert (refused.operation, refused.instance, refused.status, refused.code) == (
        "DescribeInstance",
        "nobody",
        404,
        "ResourceNotFoundException",
    )
    assert [one["operation"] for one in shown] == ["GetCurrentMetricData", "DescribeInstance"]
