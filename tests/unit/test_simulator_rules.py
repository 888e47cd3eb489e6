"""Each documented rule of the metric APIs: a request just inside it is answered, one just outside is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest

from exporter.simulator import rules
from exporter.simulator.server import Simulator
from tests.unit.simulator_stub import (
    AGENT_QUEUE,
    HANDLED,
    INSTANCE,
    NOT_A_QUEUE,
    NOW,
    World,
    current,
    error_of,
    historical,
    service_level,
    talking,
)

INVALID = (400, "InvalidParameterException")
MISSING = (404, "ResourceNotFoundException")
DAY = 86_400
QUEUES = [f"q{number}" for number in range(101)]
PROFILES = [f"p{number}" for number in range(101)]
CHANNELS = ["VOICE", "CHAT", "TASK", "EMAIL"]
VOICE = {"Channels": ["VOICE"]}
QUEUE = {"Queues": ["q0"], **VOICE}
PROFILE = {"RoutingProfiles": ["p0"], **VOICE}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Simulator, Any]]:
    with talking() as both:
        yield both


@pytest.fixture(scope="module")
def aws(running: tuple[Simulator, Any]) -> Any:
    return running[1]


def with_(params: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {**params, **more}


CURRENT_INSIDE = {
    "a hundred queues": current(**{**QUEUE, "Queues": QUEUES[:100]}),
    "a hundred routing profiles": current(**{**PROFILE, "RoutingProfiles": PROFILES[:100]}),
    "four channels": current(**{**QUEUE, "Channels": CHANNELS}),
    "channels alone": current(**VOICE),
    "no filter at all": with_(current(), Filters={}),
    "a queue by its ARN": current(
        Queues=[f"arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE}/queue/q0"], **VOICE
    ),
    "every metric but the one with rules of its own": current(
        metrics=[name for name in rules.CURRENT_METRICS if name != "ESTIMATED_WAIT_TIME"]
    ),
    "queue and channel": current(groupings=["QUEUE", "CHANNEL"], **QUEUE),
    "routing profile, filtered by queue": current(groupings=["ROUTING_PROFILE"], **QUEUE),
    "contacts by routing profile, filtered by profile": current(
        metrics=["CONTACTS_IN_QUEUE", "CONTACTS_SCHEDULED", "OLDEST_CONTACT_AGE"],
        groupings=["ROUTING_PROFILE"],
        **PROFILE,
    ),
    "contacts by queue": current(metrics=["CONTACTS_IN_QUEUE"], groupings=["QUEUE"], **QUEUE),
    "agent status below queue": current(groupings=["QUEUE", "AGENT_STATUS"], **QUEUE),
    "an agent status filter with queues": current(groupings=["QUEUE", "AGENT_STATUS"], AgentStatuses=["s0"], **QUEUE),
    "estimated wait by queue and channel": current(
        metrics=["ESTIMATED_WAIT_TIME"], groupings=["QUEUE", "CHANNEL"], **QUEUE
    ),
    "one row a page": with_(current(), MaxResults=1),
    "a hundred rows a page": with_(current(), MaxResults=100),
}
CURRENT_OUTSIDE = {
    "a hundred and one queues": (current(**{**QUEUE, "Queues": QUEUES}), INVALID),
    "an empty list of queues": (current(Queues=[], **VOICE), INVALID),
    "a hundred and one routing profiles": (current(**{**PROFILE, "RoutingProfiles": PROFILES}), INVALID),
    "queues and routing profiles": (current(**QUEUE, RoutingProfiles=["p0"]), INVALID),
    "a fifth channel": (current(**{**QUEUE, "Channels": [*CHANNELS, "VOICE"]}), INVALID),
    "an unknown channel": (current(**{**QUEUE, "Channels": ["FAX"]}), INVALID),
    "an unknown queue": (current(Queues=["q0", NOT_A_QUEUE], **VOICE), MISSING),
    "an agent's queue": (current(Queues=[AGENT_QUEUE], **VOICE), MISSING),
    "an unknown routing profile": (current(RoutingProfiles=["p999"], **VOICE), MISSING),
    "an agent status filter without queues": (current(AgentStatuses=["s0"], **VOICE), INVALID),
    "a filter that is not simulated": (current(**QUEUE, Subtypes=["connect:Guide"]), INVALID),
    "an unknown metric": (current(metrics=["AGENTS_ASLEEP"]), INVALID),
    "a metric of the other API": (current(metrics=["CONTACTS_HANDLED"]), INVALID),
    "no metrics": (current(metrics=[]), INVALID),
    "a metric twice": (current(metrics=["AGENTS_ONLINE", "AGENTS_ONLINE"]), INVALID),
    "a metric without a name": (with_(current(), CurrentMetrics=[{"Unit": "COUNT"}]), INVALID),
    "a metric by its id": (
        with_(current(), CurrentMetrics=[{"MetricId": "arn:aws:connect:us-east-1:aws:metric/AGENTS_ONLINE"}]),
        INVALID,
    ),
    "fifty-one agent statuses": (current(AgentStatuses=["s0"] * 51, **QUEUE), INVALID),
    "a metric without a unit": (with_(current(), CurrentMetrics=[{"Name": "AGENTS_ONLINE"}]), INVALID),
    "a metric in the wrong unit": (
        with_(current(), CurrentMetrics=[{"Name": "AGENTS_ONLINE", "Unit": "SECONDS"}]),
        INVALID,
    ),
    "a unit that does not exist": (
        with_(current(), CurrentMetrics=[{"Name": "AGENTS_ONLINE", "Unit": "FURLONGS"}]),
        INVALID,
    ),
    "queue without a queue filter": (current(groupings=["QUEUE"], **VOICE), INVALID),
    "queue with a profile filter": (current(groupings=["QUEUE"], **PROFILE), INVALID),
    "channel without a channel filter": (current(groupings=["CHANNEL"], Queues=["q0"]), INVALID),
    "routing profile without queue or profile filter": (current(groupings=["ROUTING_PROFILE"], **VOICE), INVALID),
    **{
        f"{metric} by routing profile, filtered by queue": (
            current(metrics=["AGENTS_ONLINE", metric], groupings=["ROUTING_PROFILE"], **QUEUE),
            INVALID,
        )
        for metric in ("CONTACTS_IN_QUEUE", "CONTACTS_SCHEDULED", "OLDEST_CONTACT_AGE")
    },
    "three groupings": (current(groupings=["QUEUE", "CHANNEL", "ROUTING_PROFILE"], **QUEUE), INVALID),
    "a grouping twice": (current(groupings=["QUEUE", "QUEUE"], **QUEUE), INVALID),
    "an unknown grouping": (current(groupings=["AGENT"], **QUEUE), INVALID),
    "agent status alone": (current(groupings=["AGENT_STATUS"], **QUEUE), INVALID),
    "agent status before queue": (current(groupings=["AGENT_STATUS", "QUEUE"], **QUEUE), INVALID),
    "agent status below channel": (current(groupings=["CHANNEL", "AGENT_STATUS"], **QUEUE), INVALID),
    "agent status with a second metric": (
        current(metrics=["AGENTS_ONLINE", "AGENTS_STAFFED"], groupings=["QUEUE", "AGENT_STATUS"], **QUEUE),
        INVALID,
    ),
    "agent status with another metric": (
        current(metrics=["AGENTS_STAFFED"], groupings=["QUEUE", "AGENT_STATUS"], **QUEUE),
        INVALID,
    ),
    "estimated wait by queue": (current(metrics=["ESTIMATED_WAIT_TIME"], groupings=["QUEUE"], **QUEUE), INVALID),
    "estimated wait ungrouped": (current(metrics=["ESTIMATED_WAIT_TIME"], **QUEUE), INVALID),
    "estimated wait without channels": (
        current(metrics=["ESTIMATED_WAIT_TIME"], groupings=["QUEUE", "CHANNEL"], Queues=["q0"]),
        INVALID,
    ),
    "estimated wait beside others, by routing profile": (
        current(metrics=["AGENTS_ONLINE", "ESTIMATED_WAIT_TIME"], groupings=["ROUTING_PROFILE"], **PROFILE),
        INVALID,
    ),
    "no rows a page": (with_(current(), MaxResults=0), INVALID),
    "a hundred and one rows a page": (with_(current(), MaxResults=101), INVALID),
    "rows a page in words": (with_(current(), MaxResults="ten"), (400, "SerializationException")),
    "a sort by slots": (with_(current(), SortCriteria=[{"SortByMetric": "SLOTS_ACTIVE"}]), INVALID),
    "filters left out": ({key: value for key, value in current().items() if key != "Filters"}, INVALID),
    "an instance that does not exist": (with_(current(), InstanceId="nobody"), MISSING),
    "an instance id of 101 characters": (with_(current(), InstanceId="x" * 101), INVALID),
}


@pytest.mark.parametrize("case", CURRENT_INSIDE)
def test_a_current_request_within_the_rules_is_answered(aws: Any, case: str) -> None:
    assert aws.get_current_metric_data(**CURRENT_INSIDE[case])["MetricResults"]


@pytest.mark.parametrize("case", CURRENT_OUTSIDE)
def test_a_current_request_outside_the_rules_is_refused(aws: Any, case: str) -> None:
    params, expected = CURRENT_OUTSIDE[case]
    status, code, message = error_of(lambda: aws.get_current_metric_data(**params))
    assert (status, code) == expected
    assert message


def metric(name: str, unit: str, statistic: str, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Unit": unit, "Statistic": statistic, **more}


LESS_THAN_20 = {"Comparison": "LT", "ThresholdValue": 20}

HISTORICAL_INSIDE = {
    "one five-minute interval": historical(start=NOW - 300),
    "a start 24 hours ago, a range just below": historical(start=NOW - DAY, end=NOW - 300),
    "every metric without threshold": historical(
        *(metric(name, *fixed) for name, fixed in rules.HISTORICAL_METRICS.items() if name != "SERVICE_LEVEL")
    ),
    "the smallest threshold": historical(service_level(1)),
    "the largest threshold": historical(service_level(604_800)),
    "twenty thresholds and other metrics": historical(HANDLED, *(service_level(number) for number in range(1, 21))),
    "a hundred queues": historical(Filters={**QUEUE, "Queues": QUEUES[:100]}),
    "channels alone": historical(Filters=VOICE),
    "queue and channel": historical(Groupings=["QUEUE", "CHANNEL"]),
}
HISTORICAL_OUTSIDE = {
    "a start off the marks": (historical(start=NOW - 3601), INVALID),
    "an end off the marks": (historical(end=NOW - 1), INVALID),
    "marks of a millisecond off": (historical(start=NOW - 3600 + 0.001), INVALID),
    "an end at the start": (historical(start=NOW - 300, end=NOW - 300), INVALID),
    "an end before the start": (historical(start=NOW - 300, end=NOW - 600), INVALID),
    "a range of 24 hours": (historical(start=NOW - DAY), INVALID),
    "a start more than 24 hours ago": (historical(start=NOW - DAY - 300, end=NOW - 3600), INVALID),
    "an end in the future": (historical(end=NOW + 300), INVALID),
    "no metrics": (historical(HistoricalMetrics=[]), INVALID),
    "a metric twice": (historical(HANDLED, HANDLED), INVALID),
    "a threshold twice": (historical(service_level(20), service_level(20)), INVALID),
    "twenty-one thresholds": (historical(*(service_level(number) for number in range(1, 22))), INVALID),
    "a threshold of nothing": (historical(service_level(0)), INVALID),
    "a threshold above a week": (historical(service_level(604_801)), INVALID),
    "a fraction of a second": (historical(service_level(20.5)), INVALID),
    "a service level without threshold": (historical(metric("SERVICE_LEVEL", "PERCENT", "AVG")), INVALID),
    "a service level with another comparison": (
        historical(metric("SERVICE_LEVEL", "PERCENT", "AVG", Threshold={**LESS_THAN_20, "Comparison": "GT"})),
        INVALID,
    ),
    "a threshold where none belongs": (historical({**HANDLED, "Threshold": LESS_THAN_20}), INVALID),
    "a metric without a name": (historical({"Unit": "COUNT", "Statistic": "SUM"}), INVALID),
    "a wrong unit": (historical(metric("HANDLE_TIME", "COUNT", "AVG")), INVALID),
    "a wrong statistic": (historical(metric("HANDLE_TIME", "SECONDS", "SUM")), INVALID),
    "no statistic": (historical({"Name": "HANDLE_TIME", "Unit": "SECONDS"}), INVALID),
    "no unit": (historical({"Name": "HANDLE_TIME", "Statistic": "AVG"}), INVALID),
    "a metric of the other API": (historical(metric("AGENTS_ONLINE", "COUNT", "SUM")), INVALID),
    "a hundred and one queues": (historical(Filters={**QUEUE, "Queues": QUEUES}), INVALID),
    "a routing profile filter": (historical(Filters=PROFILE), INVALID),
    "an agent's queue": (historical(Filters={"Queues": [AGENT_QUEUE]}), MISSING),
    "an unknown queue": (historical(Filters={"Queues": [NOT_A_QUEUE]}), MISSING),
    "a grouping by routing profile": (historical(Groupings=["ROUTING_PROFILE"]), INVALID),
    "queue without a queue filter": (historical(Groupings=["QUEUE"], Filters=VOICE), INVALID),
    "channel without a channel filter": (historical(Groupings=["CHANNEL"], Filters={"Queues": ["q0"]}), INVALID),
    "no start": ({key: value for key, value in historical().items() if key != "StartTime"}, INVALID),
    "a hundred and one rows a page": (historical(MaxResults=101), INVALID),
}


@pytest.mark.parametrize("case", HISTORICAL_INSIDE)
def test_a_historical_request_within_the_rules_is_answered(aws: Any, case: str) -> None:
    assert aws.get_metric_data(**HISTORICAL_INSIDE[case])["MetricResults"]


@pytest.mark.parametrize("case", HISTORICAL_OUTSIDE)
def test_a_historical_request_outside_the_rules_is_refused(aws: Any, case: str) -> None:
    params, expected = HISTORICAL_OUTSIDE[case]
    status, code, message = error_of(lambda: aws.get_metric_data(**params))
    assert (status, code) == expected
    assert message


@pytest.mark.parametrize(
    ("operation", "most", "required"),
    [
        ("list_instances", 10, {}),
        ("list_queues", 1000, {"InstanceId": INSTANCE}),
        ("list_routing_profiles", 1000, {"InstanceId": INSTANCE}),
        ("list_agent_statuses", 1000, {"InstanceId": INSTANCE}),
        ("list_routing_profile_queues", 100, {"InstanceId": INSTANCE, "RoutingProfileId": "p0"}),
    ],
)
def test_a_list_has_its_largest_page(aws: Any, operation: str, most: int, required: dict[str, str]) -> None:
    listing = getattr(aws, operation)
    listing(**required, MaxResults=1)
    listing(**required, MaxResults=most)
    expected = (400, "InvalidRequestException" if operation == "list_instances" else "InvalidParameterException")
    assert error_of(lambda: listing(**required, MaxResults=0))[:2] == expected
    assert error_of(lambda: listing(**required, MaxResults=most + 1))[:2] == expected


def test_rows_a_page_in_words_are_no_number(aws: Any) -> None:
    call = lambda: aws.list_queues(InstanceId=INSTANCE, MaxResults="ten")  # noqa: E731
    assert error_of(call)[:2] == (400, "SerializationException")


def test_an_unknown_kind_of_queue_is_refused(aws: Any) -> None:
    call = lambda: aws.list_queues(InstanceId=INSTANCE, QueueTypes=["EXPRESS"])  # noqa: E731
    assert error_of(call)[:2] == INVALID


def test_an_unknown_queue_can_be_made_an_invalid_parameter() -> None:
    with talking(unknown_queue="InvalidParameterException") as (_, aws):
        for queue in (NOT_A_QUEUE, AGENT_QUEUE):
            assert error_of(lambda: aws.get_current_metric_data(**current(Queues=[queue], **VOICE)))[:2] == INVALID  # noqa: B023


def test_a_refused_request_never_reaches_the_world() -> None:
    world = World()
    with talking(world) as (_, aws):
        error_of(lambda: aws.get_current_metric_data(**current(Queues=QUEUES)))
    assert world.asked == []


def test_the_world_is_asked_what_the_request_says() -> None:
    world = World()
    arn = f"{world.instances[0].arn}/queue/q1"
    with talking(world) as (_, aws):
        aws.get_current_metric_data(
            **current(groupings=["QUEUE", "CHANNEL"], Queues=["q0", arn, "q0"], Channels=["CHAT"])
        )
        aws.get_metric_data(**historical(HANDLED, service_level(20), Groupings=["QUEUE"]))
    assert world.asked == [
        {
            "instance_id": INSTANCE,
            "queues": ("q0", "q1"),
            "profiles": None,
            "channels": ("CHAT",),
            "groupings": ("QUEUE", "CHANNEL"),
            "metrics": ["AGENTS_ONLINE"],
        },
        {
            "instance_id": INSTANCE,
            "start": NOW - 3600,
            "end": NOW,
            "queues": ("q0",),
            "channels": ("VOICE",),
            "groupings": ("QUEUE",),
            "metrics": (("CONTACTS_HANDLED", None), ("SERVICE_LEVEL", 20.0)),
        },
    ]


def test_the_tables_name_every_metric_of_the_model_and_no_other() -> None:
    shapes = botocore.session.get_session().get_service_model("connect")
    assert set(rules.CURRENT_METRICS) == set(shapes.shape_for("CurrentMetricName").metadata["enum"])
    assert set(rules.HISTORICAL_METRICS) == set(shapes.shape_for("HistoricalMetricName").metadata["enum"])
