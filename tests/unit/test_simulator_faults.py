"""Scripted faults, as boto3 reports them to its caller."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from exporter.simulator.faults import KINDS, Fault, Faults, Request
from exporter.simulator.identity import Caller
from exporter.simulator.server import Simulator
from tests.tools import wait_for
from tests.unit.simulator_stub import (
    ACCOUNT,
    FAR_INSTANCE,
    INSTANCE,
    OTHER_ACCOUNT,
    World,
    connect,
    current,
    error_of,
    historical,
    instance,
    plain,
    signature,
    signed,
    simulated,
    sts,
    talking,
)

USER = f"arn:aws:iam::{ACCOUNT}:user/simulated"


def served(simulator: Simulator) -> list[tuple[int, str, str]]:
    return [(one.status, one.code, one.fault) for one in simulator.requests]


# Errors of the service


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("deny", (403, "AccessDeniedException")),
        ("error500", (500, "InternalServiceException")),
        ("error503", (503, "ServiceUnavailableException")),
        ("html500", (500, "500")),
        ("expired_token", (403, "ExpiredTokenException")),
    ],
)
def test_an_error_reaches_the_caller_by_status_and_code(kind: str, expected: tuple[int, str]) -> None:
    with talking(faults=Faults(Fault(kind))) as (simulator, aws):
        assert error_of(aws.list_instances)[:2] == expected
    assert served(simulator) == [(expected[0], expected[1] if kind != "html500" else "", kind)]


def test_throttles_come_in_three_spellings() -> None:
    with talking(faults=Faults(Fault("throttle"))) as (_, aws):
        codes = [error_of(aws.list_instances)[:2] for _ in range(6)]
    assert codes == [(429, "ThrottlingException"), (429, "TooManyRequestsException"), (429, "429")] * 2


@pytest.mark.parametrize(
    ("operation", "params", "resource"),
    [
        ("list_instances", {}, "*"),
        ("describe_instance", {"InstanceId": INSTANCE}, ""),
        ("list_queues", {"InstanceId": INSTANCE}, "/queue/*"),
        ("list_agent_statuses", {"InstanceId": INSTANCE}, "/agent-state/*"),
        ("list_routing_profiles", {"InstanceId": INSTANCE}, ""),
        ("list_routing_profile_queues", {"InstanceId": INSTANCE, "RoutingProfileId": "p1"}, "/routing-profile/p1"),
        ("get_current_metric_data", current(), "/queue/*"),
        ("get_current_metric_data", current(RoutingProfiles=["p1"]), "/routing-profile/*"),
        ("get_metric_data", historical(), "/queue/*"),
    ],
)
def test_a_denial_names_caller_action_and_resource(operation: str, params: dict[str, Any], resource: str) -> None:
    with talking(faults=Faults(Fault("deny"))) as (_, aws):
        message = error_of(lambda: getattr(aws, operation)(**params))[2]
    action = "".join(word.capitalize() for word in operation.split("_"))
    below = resource if resource == "*" else f"arn:aws:connect:us-east-1:{ACCOUNT}:instance/{INSTANCE}{resource}"
    assert message == f"User: {USER} is not authorized to perform: connect:{action} on resource: {below}"


def test_a_denial_of_one_queue_names_it() -> None:
    with talking(faults=Faults(Fault("deny", queue="q1"))) as (_, aws):
        aws.get_current_metric_data(**current(Queues=["q0"]))
        message = error_of(lambda: aws.get_current_metric_data(**current(Queues=["q0", "q1"])))[2]
    assert message.endswith(f":instance/{INSTANCE}/queue/q1")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("deny", (403, "AccessDenied")),
        ("throttle", (400, "Throttling")),
        ("error500", (500, "InternalFailure")),
        ("expired_token", (403, "ExpiredToken")),
    ],
)
def test_sts_spells_its_errors_in_its_own_way(kind: str, expected: tuple[int, str]) -> None:
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/Reader"
    with simulated(faults=Faults(Fault(kind, operation="AssumeRole"))) as simulator:
        client = sts(simulator)
        call = lambda: client.assume_role(RoleArn=role, RoleSessionName="exporter")  # noqa: E731
        status, code, message = error_of(call)
        assert client.get_caller_identity()["Account"] == ACCOUNT
    assert (status, code) == expected
    if kind == "deny":
        assert message == f"User: {USER} is not authorized to perform: sts:AssumeRole on resource: {role}"


# Refusals of what is asked


def test_a_refused_metric_costs_every_request_that_asks_for_it_and_is_not_named() -> None:
    faults = Faults(Fault("refuse_metric", metric="SLOTS_ACTIVE"), Fault("refuse_metric", metric="CONTACTS_HANDLED"))
    with talking(faults=faults) as (_, aws):
        both = current(metrics=["AGENTS_ONLINE", "SLOTS_ACTIVE"])
        status, code, message = error_of(lambda: aws.get_current_metric_data(**both))
        assert aws.get_current_metric_data(**current())["MetricResults"]
        assert error_of(lambda: aws.get_metric_data(**historical()))[:2] == (400, "InvalidParameterException")
    assert (status, code) == (400, "InvalidParameterException")
    assert "SLOTS_ACTIVE" not in message


@pytest.mark.parametrize(("code", "status"), [("ResourceNotFoundException", 404), ("InvalidParameterException", 400)])
def test_a_refused_queue_costs_every_request_that_filters_by_it(code: str, status: int) -> None:
    with talking(faults=Faults(Fault("refuse_queue", queue="q1", code=code))) as (_, aws):
        arn = f"arn:aws:connect:us-east-1:{ACCOUNT}:instance/{INSTANCE}/queue/q1"
        for queue in ("q1", arn):
            call = lambda: aws.get_current_metric_data(**current(Queues=["q0", queue]))  # noqa: B023, E731
            assert error_of(call)[:2] == (status, code)
        assert aws.get_current_metric_data(**current(Queues=["q0", "q10"]))["MetricResults"]


def test_a_refused_channel_costs_the_requests_that_name_it() -> None:
    with talking(faults=Faults(Fault("refuse_channels", channel="EMAIL"))) as (_, aws):
        email = current(Queues=["q0"], Channels=["VOICE", "EMAIL"])
        assert error_of(lambda: aws.get_current_metric_data(**email))[:2] == (400, "InvalidParameterException")
        assert aws.get_current_metric_data(**current(Channels=["VOICE"]))["MetricResults"]


def test_channels_alone_can_be_refused() -> None:
    with talking(faults=Faults(Fault("refuse_channels"))) as (_, aws):
        alone = current(Channels=["VOICE"])
        assert error_of(lambda: aws.get_current_metric_data(**alone))[:2] == (400, "InvalidParameterException")
        assert aws.get_current_metric_data(**current(Queues=["q0"], Channels=["VOICE"]))["MetricResults"]
        assert aws.list_instances()["InstanceSummaryList"]


def test_a_page_that_expired_is_an_invalid_parameter_and_the_chain_can_begin_again() -> None:
    with talking(faults=Faults(Fault("expired_page", times=1))) as (_, aws):
        first = aws.list_queues(InstanceId=INSTANCE)
        token = first["NextToken"]
        call = lambda: aws.list_queues(InstanceId=INSTANCE, NextToken=token)  # noqa: E731
        assert error_of(call)[:2] == (400, "InvalidParameterException")
        again = aws.list_queues(InstanceId=INSTANCE)
        assert aws.list_queues(InstanceId=INSTANCE, NextToken=again["NextToken"])["QueueSummaryList"]


# Connections


def test_a_connection_reset_is_reported_as_closed_and_the_next_call_works() -> None:
    with talking(faults=Faults(Fault("reset", times=1))) as (simulator, aws):
        with pytest.raises(ConnectionClosedError):
            aws.list_queues(InstanceId=INSTANCE)
        assert aws.list_queues(InstanceId=INSTANCE)["QueueSummaryList"]
    assert served(simulator) == [(0, "reset", "reset"), (200, "", "")]


def test_a_body_cut_in_half_is_an_empty_answer_to_boto3() -> None:
    """botocore does not compare a body with its Content-Length, and takes broken JSON for an answer without members."""
    with talking(faults=Faults(Fault("cut", times=2))) as (simulator, aws):
        with pytest.raises(http.client.IncompleteRead) as cut:
            signed(simulator, "GET", f"/instance/{INSTANCE}")
        answer = aws.list_queues(InstanceId=INSTANCE)
        assert aws.list_queues(InstanceId=INSTANCE)["QueueSummaryList"]
    assert abs(len(cut.value.partial) - (cut.value.expected or 0)) <= 1
    assert set(answer) == {"ResponseMetadata"}
    assert served(simulator) == [(0, "cut", "cut"), (0, "cut", "cut"), (200, "", "")]


def test_a_cut_answer_of_sts_can_not_be_parsed() -> None:
    with simulated(faults=Faults(Fault("cut"))) as simulator, pytest.raises(ResponseParserError):
        sts(simulator).get_caller_identity()


def test_a_connection_that_served_before_can_break_too() -> None:
    with talking(faults=Faults(Fault("reset", after=1, times=1))) as (_, aws):
        aws.list_instances()
        with pytest.raises(ConnectionClosedError):
            aws.list_instances()
        aws.list_instances()


def test_a_hang_is_a_read_timeout_to_the_caller_and_ends_with_it() -> None:
    before = threading.active_count()
    with simulated(faults=Faults(Fault("hang", times=1))) as simulator:
        client = connect(simulator, config={"read_timeout": 0.3})
        with pytest.raises(ReadTimeoutError):
            client.list_instances()
        wait_for(lambda: threading.active_count() == before + 1, "only the thread that accepts connections")
        assert client.list_instances()["InstanceSummaryList"]


def test_a_hang_ends_when_the_simulator_stops() -> None:
    simulator = simulated(faults=Faults(Fault("hang")))
    simulator.start()
    client = connect(simulator)
    ends: list[type[BaseException]] = []

    def call() -> None:
        try:
            client.list_instances()
        except ConnectionClosedError as error:
            ends.append(type(error))

    caller = threading.Thread(target=call)
    caller.start()
    wait_for(lambda: simulator.requests, "the request to be on record")
    stopping = time.monotonic()
    simulator.stop()
    caller.join(5)
    assert ends == [ConnectionClosedError]
    assert time.monotonic() - stopping < 2


def test_a_dripping_answer_is_the_true_one_and_no_silence_in_it_is_long() -> None:
    with simulated(faults=Faults(Fault("drip", delay=0.001, times=1))) as simulator:
        client = connect(simulator, config={"read_timeout": 0.3})
        dripped = client.list_instances()["InstanceSummaryList"]
        assert dripped == client.list_instances()["InstanceSummaryList"]
    assert served(simulator) == [(0, "drip", "drip"), (200, "", "")]


def test_a_drip_ends_when_the_caller_has_gone() -> None:
    before = threading.active_count()
    with simulated(faults=Faults(Fault("drip", delay=0.05))) as simulator:
        with closing(http.client.HTTPConnection(simulator.url.removeprefix("http://"))) as connection:
            connection.request("GET", "/instance", headers=signature(simulator, "GET", "/instance"))
            assert connection.getresponse().read(3) == b'{"I'
        wait_for(lambda: threading.active_count() == before + 1, "only the thread that accepts connections")


def test_a_delay_brings_the_true_answer_late() -> None:
    faults = Faults(Fault("delay", delay=0.1), Fault("delay", delay=0.15), Fault("deny", after=1))
    with talking(faults=faults) as (simulator, aws):
        begun = time.monotonic()
        assert aws.list_instances()["InstanceSummaryList"]
        assert time.monotonic() - begun >= 0.25
        begun = time.monotonic()
        assert error_of(aws.list_instances)[1] == "AccessDeniedException"
        assert time.monotonic() - begun >= 0.25
    assert served(simulator) == [(200, "", "delay"), (403, "AccessDeniedException", "deny")]


def test_garbage_comes_in_four_kinds_of_which_boto3_notices_one() -> None:
    """HTML and broken JSON with status 200 are an empty answer to botocore: its caller has to miss what is absent."""
    seen: list[Any] = []
    with talking(faults=Faults(Fault("garbage", times=4))) as (simulator, aws):
        for _ in range(4):
            try:
                answer = aws.get_current_metric_data(**current(groupings=["QUEUE"], Queues=["q0"]))
            except Exception as error:  # noqa: BLE001 — botocore's parser raises whatever it runs into
                seen.append(type(error).__name__)
            else:
                seen.append(set(answer) - {"ResponseMetadata"})
        assert aws.list_instances()["InstanceSummaryList"]
    assert seen == [set(), set(), "AttributeError", set()]
    assert served(simulator)[0] == (200, "", "garbage")


# Which requests a fault befalls


def test_a_fault_befalls_only_the_requests_it_names() -> None:
    world = World(
        instances=(
            instance(),
            instance(id=FAR_INSTANCE, region="eu-west-2"),
            instance(id="second"),
            instance(id="foreign", account_id=OTHER_ACCOUNT),
        )
    )

    def outcome(fault: Fault) -> list[str]:
        with simulated(world, faults=Faults(fault)) as simulator:
            here, there, foreign = (
                connect(simulator),
                connect(simulator, "eu-west-2"),
                connect(simulator, account=OTHER_ACCOUNT),
            )
            calls: dict[str, Callable[[], Any]] = {
                "queues": lambda: here.list_queues(InstanceId=INSTANCE),
                "statuses": lambda: here.list_agent_statuses(InstanceId=INSTANCE),
                "second": lambda: here.list_queues(InstanceId="second"),
                "there": lambda: there.list_queues(InstanceId=FAR_INSTANCE),
                "foreign": lambda: foreign.list_queues(InstanceId="foreign"),
            }
            for call in calls.values():
                try:
                    call()
                except here.exceptions.ClientError:
                    continue
            return [name for name, one in zip(calls, simulator.requests, strict=True) if one.fault]

    assert outcome(Fault("deny", operation="ListQueues")) == ["queues", "second", "there", "foreign"]
    assert outcome(Fault("deny", instance=INSTANCE)) == ["queues", "statuses"]
    assert outcome(Fault("deny", region="eu-west-2")) == ["there"]
    assert outcome(Fault("deny", account=OTHER_ACCOUNT)) == ["foreign"]
    assert outcome(Fault("deny", operation="ListQueues", instance="second")) == ["second"]
    assert outcome(Fault("deny", metric="AGENTS_ONLINE")) == []


def test_a_fault_lets_some_requests_pass_then_befalls_some_then_none() -> None:
    with talking(faults=Faults(Fault("error500", after=2, times=2))) as (simulator, aws):
        for _ in range(6):
            try:
                aws.list_instances()
            except aws.exceptions.ClientError:
                continue
    assert [one.status for one in simulator.requests] == [200, 200, 500, 500, 200, 200]


def test_the_first_of_two_faults_counts_and_the_second_waits_its_turn() -> None:
    with talking(faults=Faults(Fault("deny", times=1), Fault("error500", times=1))) as (_, aws):
        assert error_of(aws.list_instances)[0] == 403
        assert error_of(aws.list_instances)[0] == 500
        aws.list_instances()


def test_a_fault_of_some_probability_befalls_about_as_many() -> None:
    request = Request("connect", "ListQueues", Caller(ACCOUNT, "us-east-1", USER, "id"), {})
    found = [Counter(), Counter()]  # type: list[Counter[int]]
    for outcome in found:
        faults = Faults(Fault("deny", probability=0.3))
        outcome.update(len(faults.befalling(request)) for _ in range(2000))
    assert 500 < found[0][1] < 700
    assert found[0] == found[1]


def test_faults_can_be_added_and_cleared_while_it_runs() -> None:
    with talking() as (simulator, aws):
        aws.list_instances()
        simulator.faults.add(Fault("deny"))
        error_of(aws.list_instances)
        simulator.faults.clear()
        aws.list_instances()


def test_a_request_nobody_can_read_is_befallen_all_the_same() -> None:
    with talking(faults=Faults(Fault("deny", instance=INSTANCE))) as (_, aws):
        assert error_of(lambda: aws.list_queues(InstanceId=INSTANCE, MaxResults="many"))[1] == "AccessDeniedException"


@pytest.mark.parametrize("fields", [{"kind": "flood"}, {"kind": "refuse_metric"}, {"kind": "refuse_queue"}])
def test_a_fault_that_makes_no_sense_is_an_error(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"flood|needs its"):
        Fault(**fields)


# From another process


def test_another_process_can_script_faults_and_read_what_was_served() -> None:
    with talking() as (simulator, aws):
        body = json.dumps([{"kind": "deny", "operation": "ListInstances"}, {"kind": "delay", "delay": 0.01}]).encode()
        added = plain(simulator, "POST", "/_simulator/faults", body)
        error_of(aws.list_instances)
        listed = plain(simulator, "GET", "/_simulator/faults").json
        assert plain(simulator, "DELETE", "/_simulator/faults").status == 200
        aws.list_instances()
        requests = plain(simulator, "GET", "/_simulator/requests").json
    assert added.status == 200
    assert [(one["kind"], one["operation"], one["befell"]) for one in listed] == [
        ("deny", "ListInstances", 1),
        ("delay", None, 0),
    ]
    assert [(one["operation"], one["status"]) for one in requests] == [("ListInstances", 403), ("ListInstances", 200)]


@pytest.mark.parametrize("body", [b"{", b"[1]", b'[{"kind": "flood"}]', b'[{"kind": "deny", "color": "red"}]', b"[{}]"])
def test_a_list_of_faults_that_makes_no_sense_is_refused_whole(body: bytes) -> None:
    with simulated() as simulator:
        answer = plain(simulator, "POST", "/_simulator/faults", body)
        assert answer.status == 400
        assert answer.json["Message"]
        assert plain(simulator, "GET", "/_simulator/faults").json == []


def test_another_address_below_the_administrators_does_not_exist() -> None:
    with simulated() as simulator:
        assert plain(simulator, "GET", "/_simulator/nothing").status == 404


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_fault_leaves_the_simulator_serving(kind: str) -> None:
    fault = Fault(kind, metric="AGENTS_ONLINE", queue="q0", times=1)
    with simulated(faults=Faults(fault)) as simulator:
        client = connect(simulator, config={"read_timeout": 0.3})
        with suppress(Exception):  # whatever it is, what counts is the call after it
            client.get_current_metric_data(**current())
        assert client.get_current_metric_data(**current())["MetricResults"]
