"""Value by value: what a table says is what /metrics says, nothing more and nothing less."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.e2e.daemon import (
    Daemon,
    Series,
    current,
    daemon,
    differences,
    labels,
    of_connect,
    ok,
    parse,
    refreshed_since,
    run,
    settings,
    written,
)
from tests.e2e.other_connect import Instance, OtherConnect, Service
from tests.e2e.tables import LEVELS, expected, instance


@pytest.fixture(scope="module")
def centres() -> tuple[Instance, Instance]:
    """Beyond a hundred queues no filter names them all; the small one is asked by its queues."""
    chance = random.Random(20261122)
    large, small = instance(1, 130, 12, chance), instance(2, 12, 3, chance)
    small.account = "444455556666"
    return large, small


@pytest.fixture(scope="module")
def aws(centres: tuple[Instance, Instance]) -> Iterator[OtherConnect]:
    pages = {"GetCurrentMetricData": 73, "ListQueues": 45, "ListRoutingProfiles": 5, "ListRoutingProfileQueues": 17}
    with OtherConnect(Service(list(centres), page_limit={**pages, "ListAgentStatuses": 2})) as connect:
        yield connect


@pytest.fixture(scope="module")
def whole(
    aws: OtherConnect, centres: tuple[Instance, Instance], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """A daemon with every level, which has collected everything at least once."""
    large, small = centres
    arn_and_alias = [{"id": large.arn}, {"id": small.id, "region": small.region}]
    config = settings(aws.url, arn_and_alias, collectors=current(levels=LEVELS))
    with daemon(tmp_path_factory.mktemp("whole"), config) as running:
        for one in centres:
            running.wait(ok(one.alias, "profile_queues"), "what profiles serve")
        served = time.time()
        for one in centres:
            running.wait(refreshed_since(served, one.alias), "a refresh that knows what is served")
        yield running


def test_every_value_on_the_page_is_the_one_of_the_table(whole: Daemon, centres: tuple[Instance, Instance]) -> None:
    wanted = expected(centres[0], LEVELS, "served") | expected(centres[1], LEVELS, "served")
    assert len(wanted) > 6_000
    assert not differences(of_connect(whole.scrape()), wanted)
    assert not differences(of_connect(whole.scrape(openmetrics=True)), wanted)


def test_the_parsers_of_prometheus_read_the_same_names_and_values(
    whole: Daemon, centres: tuple[Instance, Instance]
) -> None:
    wanted = expected(centres[0], LEVELS, "served") | expected(centres[1], LEVELS, "served")
    for parser, openmetrics in ((parse_text, False), (parse_openmetrics, True)):
        page = whole.page(openmetrics=openmetrics)
        found = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in parser(page)
            for sample in family.samples
        }
        assert not differences(of_connect(found), wanted)


def test_no_agent_queue_is_listed_or_asked_for(whole: Daemon, aws: OtherConnect) -> None:
    asked = [asked for asked, _ in aws.service.asked]
    assert {tuple(one.params["QueueTypes"]) for one in asked if one.operation == "ListQueues"} == {("STANDARD",)}
    agents = {queue for one in aws.service.instances for queue in one.agent_queues}
    assert not any(agents & set(one.filter("Queues")) for one in asked)


def test_everything_asked_is_by_the_documented_rules(whole: Daemon, aws: OtherConnect) -> None:
    assert set(aws.service.statuses()) == {200}
    assert {one.operation for one, _ in aws.service.asked} >= {"GetCurrentMetricData", "ListQueues"}
    ungrouped = [one for one, _ in aws.service.asked if not one.params.get("Groupings") and one.metrics]
    assert ungrouped
    assert not any("OLDEST_CONTACT_AGE" in one.metrics for one in ungrouped)


@pytest.mark.parametrize("fill", ["served", "all", "off"])
def test_idle_queues_are_filled_as_configured(
    fill: str, aws: OtherConnect, centres: tuple[Instance, Instance], tmp_path: Path
) -> None:
    levels = ["queue", "routing_profile", "instance"]
    config = settings(
        aws.url, centres, collectors=current(levels=levels, zero_fill=fill, metrics=["all", "AGENTS_ON_CALL"])
    )
    done = run("once", "--config", written(tmp_path, config))
    assert done.status == 0, done.stderr
    wanted = expected(centres[0], levels, fill, listed=True) | expected(centres[1], levels, fill, listed=True)
    assert not differences(of_connect(parse(done.stdout)), wanted)


def test_a_selection_of_queues_profiles_channels_and_metrics_is_all_that_is_published(
    aws: OtherConnect, centres: tuple[Instance, Instance], tmp_path: Path
) -> None:
    large = centres[0]
    one = {
        "id": large.id,
        "alias": 'Ünïcode \\ "alias"',
        "channels": ["CHAT", "EMAIL"],
        "queues": {"include": ["[Ss]ales", "Queue 1.", "sal"], "exclude": ["Queue 15"]},
        "routing_profiles": {"include": [".*\\|[0-4]"]},
    }
    levels = ["queue", "routing_profile"]
    config = settings(aws.url, [one], collectors=current(levels=levels, metrics=["CONTACTS_IN_QUEUE"], zero_fill="off"))
    done = run("once", "--config", written(tmp_path, config))
    assert done.status == 0, done.stderr
    queues = ["Sales", "sales", *(f"Queue {n}" for n in range(10, 20) if n != 15)]
    identity = {name: queue for queue, name in large.queues.items()}
    me = {"instance_alias": 'Ünïcode \\ "alias"'}
    wanted: Series = {
        ("amazon_connect_queue_contacts_in_queue", labels(**me, queue=name, channel=channel)): value
        for name in queues
        for channel in ("CHAT", "EMAIL")
        if (value := large.by_channel.get((identity[name], channel), {}).get("CONTACTS_IN_QUEUE")) is not None
    }
    assert wanted
    profiles = {i: p.name for i, p in large.profiles.items() if p.name.endswith(tuple(f"|{n}" for n in range(5)))}
    for profile, name in profiles.items():
        if "\n" in name:  # an expression's dot takes no newline
            continue
        value = large.by_profile.get(profile, {}).get("CONTACTS_IN_QUEUE")
        if value is not None:
            wanted["amazon_connect_routing_profile_contacts_in_queue", labels(**me, routing_profile=name)] = value
    found = of_connect(parse(done.stdout))
    about = ("_info", "_timestamp_seconds")
    assert not differences({key: value for key, value in found.items() if not key[0].endswith(about)}, wanted)
    infos = {dict(key[1])["queue"] for key in found if key[0] == "amazon_connect_queue_info"}
    assert infos == set(queues)


def test_discovered_instances_come_with_their_own_aliases(
    aws: OtherConnect, centres: tuple[Instance, Instance], tmp_path: Path
) -> None:
    blocks = [{"regions": ["us-east-1", "eu-west-2"], "aliases": {"exclude": ["centre-2"]}}]
    done = run("once", "--config", written(tmp_path, settings(aws.url, discovery=blocks)))
    assert done.status == 0, done.stderr
    levels = ["queue", "routing_profile", "instance"]
    assert not differences(of_connect(parse(done.stdout)), expected(centres[0], levels, "served"))
