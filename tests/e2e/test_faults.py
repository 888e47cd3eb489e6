"""Each fault costs only itself: one daemon, one instance per fault, all of them wrong at the same time."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon import (
    KEYS,
    OWN,
    Daemon,
    Series,
    about,
    current,
    daemon,
    differences,
    errors,
    failed,
    labels,
    of_connect,
    ok,
    parse,
    run,
    settings,
    written,
)
from tests.e2e.other_connect import (
    Asked,
    Instance,
    OtherConnect,
    Reply,
    Service,
    Trouble,
    cut_short,
    refuse,
    say,
    throttled,
)
from tests.e2e.tables import expected, instance
from tests.tools import free_port, wait_for

HTML = {"Content-Type": "text/html"}
JSON = {"Content-Type": "application/json"}
BAD_GATEWAY = b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
LOGIN = b"<!DOCTYPE html><html><body><form action='/login'>Please sign in</form></body></html>"

When = Callable[[Asked], bool]


def of(one: Instance, *operations: str) -> When:
    """Requests about one instance; about some operations only where they are named."""
    return lambda asked: asked.instance == one.id and (not operations or asked.operation in operations)


def garbage(body: bytes) -> Callable[[When], Trouble]:
    return lambda when: say(Reply(body=body, headers=JSON), when)


def storm(when: When) -> Trouble:
    spellings = throttled()
    return lambda asked, _: next(spellings) if when(asked) else None


# Name, how the instance is troubled, the reasons that may be given (what a cut answer is called is a matter of taste).
FAULTS: tuple[tuple[str, Callable[[When], Trouble], set[str]], ...] = (
    (
        "denied",
        lambda when: refuse(403, "AccessDeniedException", "User: x is not authorized to perform: connect:Y", when),
        {"access_denied"},
    ),
    ("gone", lambda when: refuse(404, "ResourceNotFoundException", None, when), {"not_found"}),
    ("invalid", lambda when: refuse(400, "InvalidRequestException", "No.", when), {"invalid_request"}),
    ("expired", lambda when: refuse(403, "ExpiredTokenException", "is expired", when), {"credentials"}),
    ("unknown-key", lambda when: refuse(403, "UnrecognizedClientException", "is invalid", when), {"credentials"}),
    ("html-500", lambda when: say(Reply(500, BAD_GATEWAY, HTML), when), {"server_error"}),
    ("html-503", lambda when: say(Reply(503, b"", HTML), when), {"server_error"}),
    ("html-200", lambda when: say(Reply(200, LOGIN, HTML), when), {"bad_response"}),
    ("empty-200", garbage(b""), {"bad_response"}),
    ("braces", garbage(b"{}"), {"bad_response"}),
    ("list", garbage(b"[1, 2]"), {"bad_response"}),
    ("null", garbage(b"null"), {"bad_response"}),
    ("text", garbage(b'{"MetricResults": "many", "QueueSummaryList": 5}'), {"bad_response"}),
    ("rows", garbage(b'{"MetricResults": [5], "QueueSummaryList": [[]]}'), {"bad_response"}),
    ("cells", garbage(b'{"MetricResults": [{"Dimensions": {}, "Collections": {"a": 1}}]}'), {"bad_response"}),
    (
        "values",
        garbage(b'{"MetricResults": [{"Collections": [{"Metric": {"Name": "AGENTS_ONLINE"}, "Value": "x"}]}]}'),
        {"bad_response"},
    ),
    ("not-utf-8", garbage(b'{"MetricResults": [], "NextToken": "\xff\xfe"'), {"bad_response"}),
    ("cut", cut_short, {"connection", "bad_response"}),
    ("hanging", lambda when: say(Reply(hang=True), when), {"timeout"}),
    ("throttled", storm, {"throttled"}),
)
REFUSED = ("denied", "gone", "invalid")
"""What AWS says of one element of a request as of all of them."""
HEALTHY = ("well-1", "well-2")


@dataclass(frozen=True)
class Seen:
    """What was observed while all faults lasted, and after they had ended."""

    before: Series
    during: Series
    """Once each had been noticed; values of before are not yet too old."""
    late: Series
    """When they had become too old."""
    page: str
    """The status page, then."""
    ready: int
    after: Series
    took: float
    """Seconds from the end of the faults until the last instance was well again."""
    log: str


def small(number: int, alias: str) -> Instance:
    one = instance(number, 5, 2, random.Random(number), alias)
    one.account = f"{number:012d}"
    return one


def shaken(one: Instance) -> None:
    """Other values, so that old ones are told from new ones."""
    chance = random.Random(one.id)
    for row in (*one.by_channel.values(), *one.by_profile.values(), one.ungrouped):
        assert isinstance(row, dict)
        row.update({name: chance.randrange(10**6) / 4 for name, value in row.items() if value is not None})


def right(*centres: Instance) -> Callable[[Series], object]:
    return lambda page: not any(differences(about(page, one.alias), expected(one)) for one in centres)


@pytest.fixture(scope="module")
def centres() -> dict[str, Instance]:
    names = [name for name, *_ in FAULTS]
    return {name: small(number, name) for number, name in enumerate([*names, *HEALTHY], 1)}


@pytest.fixture(scope="module")
def seen(centres: dict[str, Instance], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    service = Service(list(centres.values()), page_limit={"GetCurrentMetricData": 9})
    healthy = [centres[name] for name in HEALTHY]
    with OtherConnect(service) as aws:
        config = settings(aws.url, list(centres.values()), max_age="12s", inventory={"interval": "3s"})
        with daemon(tmp_path_factory.mktemp("faults"), config) as running:
            before = running.wait(right(*centres.values()), "all well", timeout=30)
            troubles = [make(of(centres[name])) for name, make, _ in FAULTS]
            with service.trouble(*troubles):
                for one in healthy:
                    shaken(one)
                during = running.wait(
                    lambda page: all(failed(name)(page) for name, *_ in FAULTS) and right(*healthy)(page),
                    "all faults noticed",
                    timeout=40,
                )
                late = running.wait(
                    lambda page: (
                        not any(
                            key[0].startswith("amazon_connect_queue_agents")
                            for name, *_ in FAULTS
                            for key in about(page, name)
                        )
                    ),
                    "old values gone",
                    timeout=20,
                )
                page, ready = running.get("/").text, running.get("/-/ready").status
            for one in centres.values():
                shaken(one)
            ended = time.monotonic()
            after = running.wait(right(*centres.values()), "all well again", timeout=40)
            yield Seen(before, during, late, page, ready, after, time.monotonic() - ended, running.program.stderr)


def keys(name: str) -> str:
    return f"[default]\naws_access_key_id = {name}\naws_secret_access_key = secret\naws_session_token = t-{name}\n"


@pytest.fixture(scope="module", autouse=True)
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Instance]]:
    """A daemon whose keys expired and were replaced in their file. It asks for new ones once a minute at most, so it
    runs beside the other tests.
    """
    one, directory = small(78, "rotated"), tmp_path_factory.mktemp("rotated")
    service = Service([one], keys={"ASIAOLD": "", "ASIANEW": ""})
    file = directory / "credentials"
    file.write_text(keys("ASIAOLD"))
    env = {"AWS_SHARED_CREDENTIALS_FILE": str(file), **dict.fromkeys(KEYS, "")}
    with OtherConnect(service) as aws, daemon(directory, settings(aws.url, [one]), env=env) as running:
        running.wait(right(one), "with the first keys")
        service.expired.add("ASIAOLD")
        running.wait(lambda page: failed(one.alias)(page) and errors(page, one.alias, "credentials"), "expired")
        file.write_text(keys("ASIANEW"))
        shaken(one)
        yield running, one


@pytest.mark.parametrize(("name", "reasons"), [(name, reasons) for name, _, reasons in FAULTS])
def test_a_fault_is_named_and_counted_where_it_is(seen: Seen, name: str, reasons: set[str]) -> None:
    counted = {
        dict(key[1])["reason"]
        for key, value in seen.during.items()
        if key[0] == OWN + "collector_errors_total"
        and value > 0
        and (dict(key[1])["instance_alias"], dict(key[1])["collector"]) == (name, "current")
    }
    assert counted
    assert counted <= reasons


@pytest.mark.parametrize("name", [name for name, *_ in FAULTS])
def test_the_last_whole_values_stay_until_they_are_too_old(seen: Seen, centres: dict[str, Instance], name: str) -> None:
    before, during = about(seen.before, name), about(seen.during, name)
    if name not in REFUSED:
        assert not differences(during, before)
    # Where the fault began between two requests of one refresh, a level that AWS refused is left out of its result.
    assert during.items() <= before.items()
    left = {key[0] for key in about(seen.late, name)}
    assert not {one for one in left if not one.endswith("_info")}


@pytest.mark.parametrize("name", HEALTHY)
def test_instances_beside_it_stay_fresh_and_right(seen: Seen, name: str) -> None:
    for page in (seen.during, seen.late, seen.after):
        assert ok(name)(page)
        assert not any(errors(page, name, reason) for reason in ("timeout", "throttled", "internal", "connection"))
        success = page[
            OWN + "collector_last_success_timestamp_seconds", labels(instance_alias=name, collector="current")
        ]
        newest = max(value for key, value in page.items() if key[0].endswith("last_success_timestamp_seconds"))
        assert newest - success < 3


@pytest.mark.parametrize("name", [name for name, *_ in FAULTS])
def test_when_a_fault_ends_its_instance_is_fresh_again(seen: Seen, name: str) -> None:
    assert ok(name)(seen.after)


def test_recovery_takes_a_few_intervals_only(seen: Seen) -> None:
    assert seen.took < 20


def test_faults_of_aws_are_never_called_ours(seen: Seen) -> None:
    assert not [key for key, value in seen.after.items() if dict(key[1]).get("reason") == "internal" and value]
    assert "Traceback" not in seen.log


def test_every_instance_and_error_is_on_the_status_page_in_words(seen: Seen) -> None:
    for name in (*HEALTHY, *(name for name, *_ in FAULTS)):
        assert name in seen.page
    assert "not authorized to perform" in seen.page
    assert "<form" not in seen.page
    assert seen.ready == 200


def test_a_change_of_state_is_one_line_however_long_it_lasts(seen: Seen) -> None:
    lines = [line for line in seen.log.splitlines() if "refresh failed" in line and "denied" in line]
    assert 1 <= len([line for line in lines if "current" in line]) <= 2
    assert "AKIDOFTHETESTS" not in seen.log


# Faults in part


@pytest.fixture
def one() -> Instance:
    return small(77, "partly")


def without(series: Series, *, metric: str = "", **label: str) -> Series:
    return {
        key: value
        for key, value in series.items()
        if not (metric and key[0].endswith(metric)) and not (label and label.items() <= dict(key[1]).items())
    }


def only(page: Series, wanted: Series, one: Instance) -> bool:
    return not differences(about(page, one.alias), wanted)


def test_a_refused_metric_costs_only_itself_and_is_tried_again(one: Instance, tmp_path: Path) -> None:
    service = Service([one])

    def refused(asked: Asked) -> bool:
        return "CONTACTS_SCHEDULED" in asked.metrics

    with OtherConnect(service) as aws, daemon(tmp_path, settings(aws.url, [one])) as running:
        with service.trouble(refuse(400, "InvalidParameterException", "CONTACTS_SCHEDULED is not supported", refused)):
            rest = without(expected(one), metric="contacts_scheduled")
            page = running.wait(lambda page: only(page, rest, one), "the other metrics")
            rejected = labels(instance_alias=one.alias, collector="current", metric="CONTACTS_SCHEDULED")
            page = running.wait(lambda page: page.get((OWN + "metric_rejected", rejected)) == 1, "metric_rejected")
            assert ok(one.alias)(page)
            assert only(page, rest, one)
            assert [key for key in page if key[0] == OWN + "metric_rejected"] == [(OWN + "metric_rejected", rejected)]
            shaken(one)
            running.wait(
                lambda page: only(page, without(expected(one), metric="contacts_scheduled"), one), "fresh without it"
            )
        page = running.wait(right(one), "the metric again")
        page = running.wait(lambda page: not page.get((OWN + "metric_rejected", rejected)), "rejected no more")


@pytest.mark.parametrize("status", [400, 403])
def test_a_refused_channel_costs_only_itself(one: Instance, tmp_path: Path, status: int) -> None:
    service = Service([one])
    code = {400: "InvalidParameterException", 403: "AccessDeniedException"}[status]
    refused = refuse(status, code, "EMAIL", lambda asked: "EMAIL" in asked.filter("Channels"))
    with OtherConnect(service) as aws, service.trouble(refused):
        done = run("once", "--config", written(tmp_path, settings(aws.url, [one])))
    page = of_connect(parse(done.stdout))
    queues = {key: value for key, value in page.items() if dict(key[1]).get("channel")}
    wanted = {key: value for key, value in expected(one).items() if dict(key[1]).get("channel")}
    assert not differences(queues, without(wanted, channel="EMAIL"))
    assert "amazon_connect_routing_profile_agents_online" in {key[0] for key in page}
    assert "amazon_connect_instance_agents_online" in {key[0] for key in page}


def test_channels_alone_refused_cost_the_instance_level_only(tmp_path: Path) -> None:
    large = instance(5, 130, 3, random.Random(5))
    service = Service([large], channels_alone_limit=100)
    with OtherConnect(service) as aws:
        done = run("once", "--config", written(tmp_path, settings(aws.url, [large])))
    wanted = {
        key: value
        for key, value in expected(large).items()
        if not key[0].startswith("amazon_connect_instance_") or key[0].endswith(("_info", "oldest_contact_age_seconds"))
    }
    wanted.pop(("amazon_connect_data_snapshot_timestamp_seconds", labels(instance_alias=large.alias, level="instance")))
    found = parse(done.stdout)
    assert not differences(of_connect(found), wanted)
    assert done.status == 0
    assert len([line for line in done.stderr.splitlines() if "instance" in line and "refused" in line]) == 1
    assert [dict(key[1]) for key in found if key[0] == OWN + "filter_rejected"] == [
        {"instance_alias": large.alias, "collector": "current", "kind": "level", "name": "instance"}
    ]


@pytest.mark.parametrize(("status", "code"), [(404, "ResourceNotFoundException"), (400, "InvalidParameterException")])
def test_a_queue_that_aws_still_lists_and_no_longer_knows_costs_only_itself(
    tmp_path: Path, status: int, code: str
) -> None:
    large = instance(6, 130, 3, random.Random(6))
    service = Service([large])
    lost = list(large.queues)[37]

    def names(asked: Asked) -> bool:
        return lost in asked.filter("Queues")

    with OtherConnect(service) as aws, service.trouble(refuse(status, code, None, names)):
        config = settings(aws.url, [large], collectors=current(zero_fill="all"))
        done = run("once", "--config", written(tmp_path, config))
    wanted = without(expected(large, fill="all"), queue=large.queues[lost])
    about_it = labels(instance_alias=large.alias, queue=large.queues[lost], queue_id=lost)
    wanted["amazon_connect_queue_info", about_it] = 1
    found = parse(done.stdout)
    me = labels(instance_alias=large.alias)
    oldest = ("amazon_connect_instance_oldest_contact_age_seconds", me)
    wanted[oldest] = max(v for k, v in wanted.items() if k[0] == "amazon_connect_queue_oldest_contact_age_seconds")
    assert not differences(of_connect(found), wanted)
    key = labels(instance_alias=large.alias, collector="current", kind="queue", name=large.queues[lost])
    assert found[OWN + "filter_rejected", key] == 1


def test_a_queue_that_was_deleted_leaves_without_a_gap_for_the_others(one: Instance, tmp_path: Path) -> None:
    service = Service([one])
    config = {"inventory": {"interval": "1h"}}
    with OtherConnect(service) as aws, daemon(tmp_path, settings(aws.url, [one], **config)) as running:
        before = running.wait(right(one), "all")
        with service.change():
            lost = next(iter(one.queues))
            name = one.queues.pop(lost)
            shaken(one)
            for pair in [pair for pair in one.by_channel if pair[0] == lost]:
                del one.by_channel[pair]
        others = without(strip_info(about(before, one.alias)), queue=name).keys()

        def fresh(page: Series) -> bool:
            assert others <= page.keys(), "a gap"
            return only(strip_info(page), strip_info(expected(one)), one)

        assert ok(one.alias)(running.wait(fresh, "the others, fresh, without it"))


def strip_info(series: Series) -> Series:
    return {key: value for key, value in series.items() if not key[0].endswith("_info")}


# What may be listed


def once(url: str, directory: Path, one: Instance, **changed: Any) -> tuple[int, Series]:
    done = run("once", "--config", written(directory, settings(url, [one], **changed)))
    return done.status, parse(done.stdout)


def inventory_failed(page: Series, one: str, reason: str, collector: str = "inventory") -> bool:
    return bool(failed(one, collector)(page)) and errors(page, one, reason, collector) > 0


def denied(one: Instance, operation: str) -> Trouble:
    message = f"User: arn:aws:sts::1:assumed-role/x is not authorized to perform: connect:{operation}"
    return refuse(403, "AccessDeniedException", message, of(one, operation))


def test_profiles_that_may_not_be_listed_cost_their_level_and_the_zeros(one: Instance, tmp_path: Path) -> None:
    service = Service([one])
    with OtherConnect(service) as aws, service.trouble(denied(one, "ListRoutingProfiles")):
        status, page = once(aws.url, tmp_path, one)
    wanted = {
        key: value
        for key, value in expected(one, fill="off").items()
        if "routing_profile" not in key[0] and ("level", "routing_profile") not in key[1]
    }
    assert not differences(about(page, one.alias), wanted)
    assert inventory_failed(page, one.alias, "access_denied")
    assert status == 1


def test_what_profiles_serve_may_stay_unknown(one: Instance, tmp_path: Path) -> None:
    service = Service([one])
    with OtherConnect(service) as aws, service.trouble(denied(one, "ListRoutingProfileQueues")):
        status, page = once(aws.url, tmp_path, one)
    assert not differences(about(page, one.alias), expected(one, fill="off"))
    assert inventory_failed(page, one.alias, "access_denied", "profile_queues")
    assert status == 1


def test_an_instance_that_may_not_be_described_goes_by_its_id(one: Instance, tmp_path: Path) -> None:
    service = Service([one])
    with OtherConnect(service) as aws, service.trouble(denied(one, "DescribeInstance")):
        status, page = once(aws.url, tmp_path, one)
    named = Instance(**{**vars(one), "alias": one.id})
    found = strip_info(about(page, one.id))
    assert not differences(found, strip_info(expected(named)))
    assert inventory_failed(page, one.id, "access_denied")
    assert status == 1


def test_queues_that_may_not_be_listed_are_a_failure_and_not_an_empty_instance(one: Instance, tmp_path: Path) -> None:
    service = Service([one])
    with OtherConnect(service) as aws, service.trouble(denied(one, "ListQueues")):
        status, page = once(aws.url, tmp_path, one)
    assert inventory_failed(page, one.alias, "access_denied")
    assert not [key for key in page if key[0].startswith("amazon_connect_queue_")]
    assert status == 1


# Pages, quotas, credentials


def test_a_page_token_that_died_costs_a_new_chain_and_nothing_else(one: Instance, tmp_path: Path) -> None:
    service = Service([one], page_limit={"GetCurrentMetricData": 4, "ListQueues": 2})
    left = {"GetCurrentMetricData": 2, "ListQueues": 1}

    def dies(asked: Asked) -> bool:
        if "NextToken" not in asked.params or not left.get(asked.operation):
            return False
        left[asked.operation] -= 1
        return True

    with OtherConnect(service) as aws:
        dead = refuse(400, "InvalidParameterException", "The token has expired", dies)
        with service.trouble(dead):
            status, page = once(aws.url, tmp_path, one)
    assert not any(left.values())
    assert status == 0
    assert not differences(about(page, one.alias), expected(one))


def test_tokens_that_always_die_are_a_failure_and_not_half_of_the_rows(one: Instance, tmp_path: Path) -> None:
    service = Service([one], page_limit={"GetCurrentMetricData": 4}, token_life=-1)
    with OtherConnect(service) as aws:
        status, page = once(aws.url, tmp_path, one)
    assert status == 1
    assert failed(one.alias)(page)
    assert {key[0] for key in about(page, one.alias)} <= {
        "amazon_connect_instance_info",
        "amazon_connect_queue_info",
        "amazon_connect_routing_profile_info",
    }
    assert len(service.asked) < 200


def test_rows_that_come_twice_make_no_series_twice(one: Instance, tmp_path: Path) -> None:
    def doubled(asked: Asked, answer: Callable[[], Reply]) -> Reply | None:
        found = json.loads(answer().body)
        for key in ("MetricResults", "QueueSummaryList", "RoutingProfileSummaryList"):
            found[key] = found.get(key, []) * 2
        return Reply(body=json.dumps(found).encode())

    service = Service([one], troubles=[doubled])
    with OtherConnect(service) as aws:
        status, page = once(aws.url, tmp_path, one)
    assert status == 0
    assert not differences(about(page, one.alias), expected(one))


def test_a_smaller_quota_than_thought_makes_it_slower_and_not_wrong(tmp_path: Path) -> None:
    large = instance(8, 130, 3, random.Random(8))
    service = Service([large], quota={"GetCurrentMetricData": (4, 3), "ListRoutingProfileQueues": (1, 1)})
    with OtherConnect(service) as aws:
        status, page = once(aws.url, tmp_path, large, aws={"endpoint_url": aws.url, "region": large.region})
    assert 429 in service.statuses()
    assert status == 0
    assert not differences(about(page, large.alias), expected(large))


def test_within_its_share_of_the_quota_it_is_never_throttled(tmp_path: Path) -> None:
    pair = [instance(8, 110, 2, random.Random(8)), instance(9, 30, 2, random.Random(9), "other")]
    quota = {"GetCurrentMetricData": (5.0, 8.0), "ListQueues": (2.0, 5.0), "ListRoutingProfileQueues": (2.0, 5.0)}
    service = Service(pair, quota=quota, page_limit={"GetCurrentMetricData": 60})
    with OtherConnect(service) as aws:
        config = settings(aws.url, pair, aws={"endpoint_url": aws.url, "region": "us-east-1"})
        done = run("once", "--config", written(tmp_path, config))
    assert set(service.statuses()) == {200}
    assert done.status == 0
    found = parse(done.stdout)
    for one in pair:
        assert not differences(about(found, one.alias), expected(one))
    waited = labels(account_id=pair[0].account, region="us-east-1", operation="GetCurrentMetricData")
    assert found[OWN + "api_quota_wait_seconds_total", waited] > 0


def test_aws_out_of_reach_is_said_and_its_return_noticed(one: Instance, tmp_path: Path) -> None:
    port = free_port()
    with daemon(tmp_path, settings(f"http://127.0.0.1:{port}", [{"id": one.id, "alias": one.alias}])) as running:
        page = running.wait(failed(one.alias), "nobody there")
        page = running.wait(lambda page: errors(page, one.alias, "connection"), "and it says so")
        assert not about(page, one.alias)
        wait_for(lambda: running.get("/-/ready").status == 200, "ready")
        with OtherConnect(Service([one]), port):
            running.wait(right(one), "there again", timeout=70)


def test_more_series_than_the_limit_are_left_out_whole_and_counted(one: Instance, tmp_path: Path) -> None:
    service = Service([one])
    with OtherConnect(service) as aws:
        status, page = once(aws.url, tmp_path, one, limits={"max_series": 60})
    assert status == 1
    assert len(about(page, one.alias)) <= 60
    dropped = labels(instance_alias=one.alias, collector="current")
    assert page[OWN + "series_dropped_total", dropped] > 60
    assert page[OWN + "collector_series", dropped] == 0


def test_keys_replaced_in_their_file_are_taken_up_within_a_minute(rotated: tuple[Daemon, Instance]) -> None:
    running, one = rotated
    assert ok(one.alias)(running.wait(right(one), "right with the second keys", timeout=70))
    told = running.get("/").text + running.get("/config").text + running.program.stderr
    assert "t-ASIA" not in told
    assert "ASIAOLD" not in told
