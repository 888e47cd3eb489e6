from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalogue.spec import Level, Spec, Unit
from exporter.collectors.current import SPECS
from exporter.mapping import (
    DIMENSIONS,
    information,
    oldest_of_all,
    rows_to_samples,
    snapshots,
    without_doubles,
    zeros,
)
from exporter.model import Answer, Inventory, Metric, Request, Row, Sample

INVENTORY = Inventory(
    alias="acme",
    arn="arn:aws:connect:us-east-1:1:instance/i",
    account_id="1",
    queues={"q1": "Sales", "q2": "Support"},
    routing_profiles={"p1": "Everybody"},
    agent_statuses={"s1": "Lunch"},
    served=frozenset({("q1", "VOICE"), ("q2", "CHAT")}),
)
ONLINE, WAITING, OLDEST = Metric("AGENTS_ONLINE"), Metric("CONTACTS_IN_QUEUE"), Metric("OLDEST_CONTACT_AGE")
ONLINE_NAME = "amazon_connect_queue_agents_online"
OLDEST_NAME = "amazon_connect_queue_oldest_contact_age_seconds"


def asking(
    level: str = "queue",
    metrics: tuple[Metric, ...] = (ONLINE, OLDEST),
    queues: tuple[str, ...] = ("q1", "q2"),
    channels: tuple[str, ...] = ("VOICE", "CHAT"),
    window: str | None = None,
) -> Request:
    return Request(level, metrics, (), channels, queues, window=window)


def row(values: dict[Metric, float | None], **dimensions: str) -> Row:
    return Row(dimensions, values)


def mapped(*rows: Row, request: Request | None = None) -> list[Sample]:
    return list(rows_to_samples([Answer(request or asking(), rows)], SPECS, "acme", INVENTORY))


def filled(*rows: Row, request: Request | None = None, served_only: bool = True) -> set[tuple[str, tuple[str, ...]]]:
    samples = list(zeros([Answer(request or asking(), rows)], SPECS, "acme", INVENTORY, served_only))
    assert {sample.value for sample in samples} <= {0.0}
    return {(sample.name, sample.labels) for sample in samples}


# rows


def test_a_value_becomes_a_sample_under_the_names_of_its_row() -> None:
    assert mapped(row({ONLINE: 3.0}, QUEUE="q1", CHANNEL="VOICE")) == [
        Sample(ONLINE_NAME, ("acme", "Sales", "VOICE"), 3.0)
    ]


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf])
def test_null_and_what_is_no_number_give_no_sample(nothing: float | None) -> None:
    assert mapped(row({ONLINE: nothing, OLDEST: 5.0}, QUEUE="q1", CHANNEL="VOICE")) == [
        Sample(OLDEST_NAME, ("acme", "Sales", "VOICE"), 5.0)
    ]


def test_a_zero_of_aws_is_a_zero() -> None:
    assert [sample.value for sample in mapped(row({OLDEST: 0.0}, QUEUE="q1", CHANNEL="VOICE"))] == [0.0]


def test_a_queue_whose_name_is_not_known_goes_by_its_id() -> None:
    (sample,) = mapped(row({ONLINE: 3.0}, QUEUE="q9", CHANNEL="VOICE"))
    assert sample.labels == ("acme", "q9", "VOICE")
    (sample,) = rows_to_samples(
        [Answer(asking(), (row({ONLINE: 1.0}, QUEUE="q1", CHANNEL="VOICE"),))], SPECS, "acme", Inventory()
    )
    assert sample.labels == ("acme", "q1", "VOICE")


@pytest.mark.parametrize("dimensions", [{}, {"QUEUE": "q1"}, {"CHANNEL": "VOICE"}, {"QUEUE": "", "CHANNEL": "VOICE"}])
def test_a_row_that_lacks_a_dimension_of_its_level_gives_no_sample(dimensions: dict[str, str]) -> None:
    assert mapped(row({ONLINE: 3.0}, **dimensions)) == []


def test_metrics_and_channels_that_nobody_heard_of_do_no_harm() -> None:
    samples = mapped(row({Metric("NEWER_THAN_THIS"): 1.0, ONLINE: 2.0}, QUEUE="q1", CHANNEL="FAX"))
    assert samples == [Sample(ONLINE_NAME, ("acme", "Sales", "FAX"), 2.0)]


@pytest.mark.parametrize(
    ("level", "dimensions", "labels"),
    [
        ("routing_profile", {"ROUTING_PROFILE": "p1"}, ("acme", "Everybody")),
        ("instance", {}, ("acme",)),
        ("agent_status", {"QUEUE": "q1", "AGENT_STATUS": "s1"}, ("acme", "Sales", "Lunch")),
        ("agent_status", {"QUEUE": "q1", "AGENT_STATUS": "s9"}, ("acme", "Sales", "s9")),
        ("queue_all_channels", {"QUEUE": "q2"}, ("acme", "Support")),
    ],
)
def test_every_level_has_its_labels(level: str, dimensions: dict[str, str], labels: tuple[str, ...]) -> None:
    (sample,) = mapped(row({ONLINE: 3.0}, **dimensions), request=asking(level))
    assert sample == Sample(f"amazon_connect_{level}_agents_online", labels, 3.0)


def test_percent_become_ratios_and_a_service_level_says_window_and_threshold() -> None:
    occupancy, level = Metric("OCCUPANCY"), Metric("SERVICE_LEVEL", 20.0)
    labels = ("instance_alias", "queue", "channel", "window")
    specs = {
        ("queue", "OCCUPANCY"): Spec("occupancy_ratio", "", labels, Unit.PERCENT),
        ("queue", "SERVICE_LEVEL"): Spec("level_ratio", "", (*labels, "threshold_seconds"), Unit.PERCENT),
        ("queue", "HANDLE_TIME"): Spec("handle_time_seconds", "", labels, Unit.SECONDS),
    }
    request = asking(metrics=(occupancy, level), window="30m")
    senseless = {Metric("SERVICE_LEVEL"): 50.0, Metric("OCCUPANCY", 20.0): 3.0}
    given: dict[Metric, float | None] = {occupancy: 87.5, level: 100.0, Metric("HANDLE_TIME"): 61.0, **senseless}
    found = row(given, QUEUE="q1", CHANNEL="VOICE")
    assert list(rows_to_samples([Answer(request, (found,))], specs, "acme", INVENTORY)) == [
        Sample("occupancy_ratio", ("acme", "Sales", "VOICE", "30m"), 0.875),
        Sample("level_ratio", ("acme", "Sales", "VOICE", "30m", "20"), 1.0),
        Sample("handle_time_seconds", ("acme", "Sales", "VOICE", "30m"), 61.0),
    ]


# zeros


def test_idle_queues_that_some_profile_serves_have_zero_agents_but_no_age() -> None:
    assert filled() == {
        (ONLINE_NAME, ("acme", "Sales", "VOICE")),
        (ONLINE_NAME, ("acme", "Support", "CHAT")),
    }


def test_all_fills_every_queue_and_channel_that_was_asked_for() -> None:
    assert filled(served_only=False) == {
        (ONLINE_NAME, ("acme", queue, channel)) for queue in ("Sales", "Support") for channel in ("VOICE", "CHAT")
    }


def test_a_row_without_a_value_is_an_answer_and_is_not_filled() -> None:
    assert filled(row({ONLINE: None}, QUEUE="q1", CHANNEL="VOICE")) == {(ONLINE_NAME, ("acme", "Support", "CHAT"))}


def test_what_was_not_asked_is_not_filled() -> None:
    """A queue or a metric that AWS refused is in no request that was answered."""
    assert filled(request=asking(queues=("q2",))) == {(ONLINE_NAME, ("acme", "Support", "CHAT"))}
    assert filled(request=asking(channels=("CHAT",))) == {(ONLINE_NAME, ("acme", "Support", "CHAT"))}
    assert filled(request=asking(metrics=(OLDEST,))) == set()
    assert list(zeros([], SPECS, "acme", INVENTORY, False)) == []


def test_where_it_is_not_known_what_profiles_serve_nothing_is_filled() -> None:
    answers = [Answer(asking(), ())]
    assert list(zeros(answers, SPECS, "acme", Inventory(queues=INVENTORY.queues), True)) == []


@pytest.mark.parametrize("level", ["instance", "routing_profile", "agent_status", "queue_all_channels"])
def test_only_queues_by_channel_are_filled(level: str) -> None:
    assert filled(request=asking(level), served_only=False) == set()


def test_parts_of_a_batch_answered_in_several_requests_are_filled_each_for_itself() -> None:
    """As after a search for a bad metric: the row of one part says nothing about the metrics of the other."""
    answers = [
        Answer(asking(metrics=(ONLINE,)), (row({ONLINE: 1.0}, QUEUE="q1", CHANNEL="VOICE"),)),
        Answer(asking(metrics=(WAITING,)), ()),
    ]
    found = {(s.name, s.labels[1:]) for s in zeros(answers, SPECS, "acme", INVENTORY, True)}
    assert found == {
        (ONLINE_NAME, ("Support", "CHAT")),
        ("amazon_connect_queue_contacts_in_queue", ("Sales", "VOICE")),
        ("amazon_connect_queue_contacts_in_queue", ("Support", "CHAT")),
    }


# the rest


def test_the_instances_oldest_contact_is_the_oldest_of_all_queues() -> None:
    answers = [
        Answer(asking(), (row({OLDEST: 5.0}, QUEUE="q1", CHANNEL="VOICE"), row({OLDEST: None}))),
        Answer(asking(), (row({OLDEST: 70.0}, QUEUE="q2", CHANNEL="CHAT"), row({OLDEST: math.nan}))),
        Answer(asking("routing_profile"), (row({OLDEST: 900.0}, ROUTING_PROFILE="p1"),)),
    ]
    assert list(oldest_of_all(answers, SPECS, "acme")) == [
        Sample("amazon_connect_instance_oldest_contact_age_seconds", ("acme",), 70.0)
    ]


def test_where_no_queue_has_an_oldest_contact_the_instance_has_none_rather_than_zero() -> None:
    assert list(oldest_of_all([Answer(asking(), (row({OLDEST: None}),))], SPECS, "acme")) == []
    assert list(oldest_of_all([], SPECS, "acme")) == []


def test_a_levels_snapshot_is_the_oldest_of_its_answers() -> None:
    name = "amazon_connect_data_snapshot_timestamp_seconds"
    answers = [
        Answer(asking(), (), 30.0),
        Answer(asking(), (), 20.0),
        Answer(asking(), (), None),
        Answer(asking("instance"), (), 40.0),
        Answer(asking("agent_status"), (), None),
    ]
    assert list(snapshots(answers, "acme")) == [
        Sample(name, ("acme", "queue"), 20.0),
        Sample(name, ("acme", "instance"), 40.0),
    ]


def test_information_ties_names_to_ids() -> None:
    assert {(s.name.removeprefix("amazon_connect_"), s.labels) for s in information(INVENTORY, "x", "i", "r")} == {
        ("instance_info", ("x", "i", "arn:aws:connect:us-east-1:1:instance/i", "1", "r")),
        ("queue_info", ("x", "Sales", "q1")),
        ("queue_info", ("x", "Support", "q2")),
        ("routing_profile_info", ("x", "Everybody", "p1")),
    }
    assert len(list(information(Inventory(), "x", "i", "r"))) == 1


def test_of_a_series_that_comes_twice_the_first_value_counts() -> None:
    one, other = Sample("a", ("x",), 1.0), Sample("a", ("y",), 2.0)
    assert without_doubles([one, other, Sample("a", ("x",), 9.0)]) == (one, other)


# whatever AWS may answer

NAMES = [*{api for _, api in SPECS}, "NEWER_THAN_THIS"]
IDS = st.sampled_from(["q1", "q2", "q9", "p1", "s1", "ARN/q1", ""])
numbers = st.one_of(st.none(), st.floats(), st.integers(0, 10**7).map(float))
metrics = st.builds(Metric, st.sampled_from(NAMES), st.one_of(st.none(), st.floats(1, 604800)))
rows = st.builds(
    Row,
    st.dictionaries(st.sampled_from(["QUEUE", "CHANNEL", "ROUTING_PROFILE", "AGENT_STATUS", "ELSE"]), IDS),
    st.dictionaries(metrics, numbers, max_size=6),
)
answers_of_aws = st.lists(
    st.builds(
        Answer,
        st.builds(
            Request,
            level=st.sampled_from(list(DIMENSIONS)),
            metrics=st.lists(metrics, max_size=4, unique=True).map(tuple),
            groupings=st.just(()),
            channels=st.lists(st.sampled_from(["VOICE", "EMAIL", "FAX"]), unique=True).map(tuple),
            queues=st.lists(st.sampled_from(["q1", "q2", "q9"]), unique=True).map(tuple),
        ),
        st.lists(rows, max_size=6).map(tuple),
        st.one_of(st.none(), st.floats(0, 2e9)),
    ),
    max_size=4,
)


def publish(answers: list[Answer], served_only: bool) -> tuple[Sample, ...]:
    found = [
        *rows_to_samples(answers, SPECS, "acme", INVENTORY),
        *zeros(answers, SPECS, "acme", INVENTORY, served_only),
        *oldest_of_all(answers, SPECS, "acme"),
        *snapshots(answers, "acme"),
    ]
    return without_doubles(found)


@given(answers_of_aws, st.booleans())
def test_no_series_is_ever_invented_doubled_or_fatal(answers: list[Answer], served_only: bool) -> None:
    published = publish(answers, served_only)
    series = [(sample.name, sample.labels) for sample in published]
    assert len(set(series)) == len(series)
    assert all(sample.labels[0] == "acme" and math.isfinite(sample.value) for sample in published)

    given_by_aws = {value for answer in answers for r in answer.rows for value in r.values.values()}
    given_by_aws |= {answer.snapshot for answer in answers}
    counts = {spec.name for spec in SPECS.values() if spec.unit is Unit.COUNT and spec.level == Level.QUEUE}
    for sample in published:
        assert sample.value in given_by_aws or (sample.value == 0 and sample.name in counts)


@given(answers_of_aws, st.booleans())
def test_the_order_in_which_aws_answers_changes_no_series(answers: list[Answer], served_only: bool) -> None:
    turned = [Answer(a.request, tuple(reversed(a.rows)), a.snapshot) for a in reversed(answers)]
    series = [{(s.name, s.labels) for s in publish(each, served_only)} for each in (answers, turned)]
    assert series[0] == series[1]
