from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session
import pytest
from botocore.client import BaseClient

from exporter.aws.bodies import BadBodyError, _Reader, read_bodies
from tests.aws_stub import Reply, Stub, serve

ROWS = [
    {
        "Dimensions": {"Queue": {"Id": f"q{number}", "Arn": "arn:aws:connect:…"}, "Channel": "VOICE"},
        "Collections": [
            {"Metric": {"Name": "AGENTS_ONLINE", "Unit": "COUNT"}, "Value": number},
            {"Metric": {"Name": "OLDEST_CONTACT_AGE", "Unit": "SECONDS"}, "Value": None},
        ],
    }
    for number in range(3)
]
ANSWER = {
    "MetricResults": [*ROWS, {}, {"Dimensions": None, "Collections": []}],
    "DataSnapshotTime": 1780000000.25,
    "ApproximateTotalCount": 3,
    "NextToken": "t",
    "Unheard": {"of": [1]},
}


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with serve() as stub:
        yield stub


def client(stub: Stub) -> Any:
    return botocore.session.Session().create_client(
        "connect",
        region_name="us-east-1",
        endpoint_url=stub.url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


@pytest.fixture(scope="module")
def botocores(stub: Stub) -> Iterator[Any]:
    made = client(stub)
    yield made
    made.close()


@pytest.fixture(scope="module")
def ours(stub: Stub) -> Iterator[Any]:
    made: BaseClient = client(stub)
    read_bodies(made)
    yield made
    made.close()


def ask(client: Any) -> dict[str, Any]:
    filters = {"Queues": ["q"], "Channels": ["VOICE"]}
    metrics = [{"Name": "AGENTS_ONLINE", "Unit": "COUNT"}]
    answer: dict[str, Any] = client.get_current_metric_data(InstanceId="i", Filters=filters, CurrentMetrics=metrics)
    answer["ResponseMetadata"].pop("HTTPHeaders")
    return answer


@pytest.mark.parametrize("content", [ANSWER, {}, {"MetricResults": None}])
def test_an_answer_reads_as_botocore_reads_it(stub: Stub, botocores: Any, ours: Any, content: object) -> None:
    stub.script = [Reply(body=json.dumps(content).encode(), headers={"x-amzn-RequestId": "r"})]
    assert ask(ours) == ask(botocores)


def test_lists_maps_and_headers_of_other_operations_read_as_botocore_reads_them(
    stub: Stub, botocores: Any, ours: Any
) -> None:
    content = {
        "Instance": {
            "Id": "i",
            "CreatedTime": 1780000000,
            "InboundCallsEnabled": True,
            "StatusReason": None,
            "Tags": {"a": "b"},
        }
    }
    stub.script = [Reply(body=json.dumps(content).encode())]
    answers = [client.describe_instance(InstanceId="i")["Instance"] for client in (ours, botocores)]
    assert answers[0] == answers[1]
    assert answers[0]["InboundCallsEnabled"] is True


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"<html>",
        b"[]",
        b'"text"',
        b'{"MetricResults": {}}',
        b'{"MetricResults": [17]}',
        b'{"MetricResults": [{"Collections": [{"Value": NaN}]}]}',
        b'{"MetricResults": [{"Collections": [{"Value": "Infinity"}]}]}',
        b'{"MetricResults": [{"Collections": [{"Value": "many"}]}]}',
        b'{"MetricResults": [{"Collections": [{"Value": 1' + b"0" * 400 + b"}]}]}",
        b'{"MetricResults": [], "DataSnapshotTime": 1e300}',
        b'{"MetricResults": [], "DataSnapshotTime": 1e18}',
        b'{"MetricResults": [], "ApproximateTotalCount": 1e400}',
        b'{"NextToken": 17}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=repr,
)
def test_a_body_that_is_not_the_answer_asked_for_is_an_error_and_not_an_empty_answer(
    stub: Stub, ours: Any, body: bytes
) -> None:
    stub.script = [Reply(body=body)]
    with pytest.raises((BadBodyError, ValueError)):
        ask(ours)


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    """Threads take turns after a few microseconds instead of five milliseconds."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_hasty_threads")
def test_the_first_answers_of_a_client_may_come_to_many_threads_at_once() -> None:
    connect = botocore.session.Session().get_service_model("connect")
    body = json.dumps(ANSWER).encode()
    for _ in range(100):
        reader, meeting = _Reader(), threading.Barrier(4)

        def read(reader: _Reader = reader, meeting: threading.Barrier = meeting) -> dict[str, Any]:
            found: dict[str, Any] = {}
            meeting.wait(10)
            reader(
                response_dict={"status_code": 200, "headers": {}, "body": body},
                operation_model=connect.operation_model("GetCurrentMetricData"),
                customized_response_dict=found,
            )
            return found

        with ThreadPoolExecutor(4) as threads:
            answers = [future.result() for future in [threads.submit(read) for _ in range(4)]]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["MetricResults"]


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"17", b"null", b"<!DOCTYPE html><html></html>", b"\xff"])
def test_the_body_of_an_error_can_not_hide_its_status(stub: Stub, ours: Any, body: bytes) -> None:
    stub.script = [Reply(403, body)]
    with pytest.raises(ours.exceptions.ClientError, match="403"):
        ask(ours)


def test_an_operation_that_answers_nothing_may_answer_with_an_empty_body(stub: Stub, ours: Any) -> None:
    stub.script = [Reply(body=b"")]
    assert ours.stop_contact(ContactId="c", InstanceId="i")["ResponseMetadata"]["HTTPStatusCode"] == 200
