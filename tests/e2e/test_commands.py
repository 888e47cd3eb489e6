"""The command line: what is printed where, and the exit status."""

from __future__ import annotations

import json
import logging
import random
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from exporter import __version__
from exporter.cli import main
from tests.e2e.daemon import (
    EXPORTER,
    KEYS,
    Daemon,
    about,
    current,
    daemon,
    differences,
    errors,
    failed,
    of_connect,
    parse,
    run,
    settings,
    written,
)
from tests.e2e.other_connect import Asked, Instance, OtherConnect, Service, refuse
from tests.e2e.tables import expected, instance
from tests.tools import REPOSITORY, free_port, wait_for

BAD = sorted((REPOSITORY / "tests/configs/bad").glob("*.yml"))
GOOD = sorted((REPOSITORY / "tests/configs/good").glob("*.yml"))
NO_KEYS = dict.fromkeys(KEYS, "")


@pytest.fixture(scope="module")
def pair() -> tuple[Instance, Instance]:
    return instance(1, 5, 2, random.Random(1), "north"), instance(2, 5, 2, random.Random(2), "south")


@pytest.fixture(scope="module")
def aws(pair: tuple[Instance, Instance]) -> Iterator[OtherConnect]:
    with OtherConnect(Service(list(pair))) as connect:
        yield connect


@pytest.fixture
def config(aws: OtherConnect, pair: tuple[Instance, Instance], tmp_path: Path) -> Path:
    found = settings(aws.url, pair)
    found["aws"]["read_timeout"] = "500ms"  # how long `check --live` waits for STS, which does not answer
    return written(tmp_path, found)


# check


@pytest.fixture
def in_this_process() -> Iterator[None]:
    """`check` sets up logging to a stderr that ends with the test; it must not outlive it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_there_are_bad_files() -> None:
    assert len(BAD) > 50
    assert GOOD


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_check_prints_one_line_for_each_fault_of_a_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: a new one for each of so many files would take a minute."""
    monkeypatch.chdir(path.parent)
    assert main(["check", "--config", path.name]) == 2
    said = capsys.readouterr()
    head = path.read_bytes().decode(errors="replace").splitlines()
    wanted = [line.removeprefix("# ") for line in head if line.startswith(f"# {path.name}: ")]
    assert said.err.splitlines() == wanted
    assert said.out == ""


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_check_accepts_a_good_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(path)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "valid" in said.out


@pytest.mark.parametrize("command", ["run", "iam-policy"])
def test_every_command_that_takes_a_file_refuses_a_bad_one_alike(command: str) -> None:
    path = REPOSITORY / "tests/configs/bad/many-at-once.yml"
    done = run(command, "--config", path)
    assert done.status == 2
    assert done.stdout == ""
    wanted = [line.split(".yml: ", 1)[1] for line in path.read_text().splitlines() if line.startswith("# many")]
    assert done.stderr.splitlines() == [f"{path}: {line}" for line in wanted]


@pytest.mark.parametrize("command", [("once",), ()])
def test_a_missing_file_is_one_line(command: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*command, "--config", tmp_path / "none.yml")
    assert done.status == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "none.yml" in done.stderr


def test_without_any_configuration_the_default_command_says_what_is_missing() -> None:
    done = run()
    assert done.status == 2
    assert len(done.stderr.splitlines()) == 1
    assert "instances" in done.stderr.lower()
    assert "--config" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["chekc"], "invalid choice: 'chekc'"),
        (["check", "--config"], "argument --config: expected one argument"),
        (["demo", "--queues", "0"], "argument --queues: 0: must be 1 or more"),
        (["metrics", "--format", "xml"], "invalid choice: 'xml'"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert wanted in line
    assert "--help" in line


@pytest.mark.usefixtures("in_this_process")
def test_an_option_may_stand_before_its_command(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--log-level", "error", "--config", str(config), "check"]) == 0
    assert main(["--log-format=json", "check", "--config", str(config)]) == 0
    assert capsys.readouterr().out.count("valid") == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_can_not_be_written_is_one_line_and_nobody_who_reads_it_is_fine() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*EXPORTER, "metrics"], stdout=full, stderr=subprocess.PIPE, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (1, b"amazon-connect-exporter: No space left on device\n")
    with subprocess.Popen([*EXPORTER, "metrics"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout
        program.stdout.close()
        assert program.stderr
        assert program.stderr.read() == b""
        assert program.wait(30) == 0


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(
    ("changed", "notes"),
    [
        ({}, []),
        ({"historical": {"interval": "5m"}}, ["historical"]),
        ({"counters": {"interval": "4m"}, "current": {"interval": "10m"}}, ["current", "counters"]),
        ({"historical": {"interval": "5m", "enabled": False}}, []),
    ],
)
def test_check_notes_values_that_would_come_and_go(
    changed: dict[str, Any], notes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, {"discovery": [{"regions": ["us-east-1"]}], "collectors": changed})
    assert main(["check", "--config", str(path)]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note ")]
    assert [re.findall(r"collectors\.(\w+)", line) for line in told] == [[name] for name in notes]


def test_the_environment_stands_over_the_file(config: Path) -> None:
    done = run("check", "--config", config, env={"AMAZON_CONNECT_EXPORTER_COLLECTORS__CURRENT__INTERVAL": "often"})
    assert done.status == 2
    assert done.stderr.splitlines() == [
        "AMAZON_CONNECT_EXPORTER_COLLECTORS__CURRENT__INTERVAL: not a duration: write it as 15s, 5m or 1h30m"
    ]


def test_an_instance_without_a_region_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, {"instances": [{"id": "0a1b2c3d-0000-4000-8000-000000000000"}]})
    done = run("run", "--config", path)
    assert (done.status, done.stderr.splitlines()) == (2, [f"{path}: instances.0.region: Field required"])


def test_a_port_in_use_is_one_line(config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for command in (["run", "--config", str(config)], ["demo"], ["simulate"]):
            done = run(*command, "--listen-address", address, timeout=60)
            assert done.status == 2, command
            assert done.stdout == ""
            # A demo tells first how its contact centre lives through its first day.
            said = [line for line in done.stderr.splitlines() if "24 hours" not in line and "a day of" not in line]
            assert len(said) == 1, done.stderr
            assert address in said[0]


# check --live


def test_check_live_finds_everything_and_counts_the_calls(aws: OtherConnect, config: Path) -> None:
    done = run("check", "--live", "--config", config)
    assert done.status == 0, done.stdout
    for alias in ("north", "south"):
        assert f"{alias}: 5 queues, 2 routing profiles" in done.stdout
        for level in ("queue", "routing_profile", "instance"):
            assert f"{alias}: current: {level}" in done.stdout
    # Two instances of three requests each a second; the quota of the file is 500 a second.
    assert "111122223333 us-east-1 GetCurrentMetricData: 360 calls a minute, of 30000 " in done.stdout
    assert "111122223333 us-east-1 ListQueues: 60 calls a minute, of 30000 " in done.stdout
    assert "e+" not in done.stdout


def test_check_live_says_where_the_quota_does_not_suffice(
    aws: OtherConnect, pair: tuple[Instance, Instance], tmp_path: Path
) -> None:
    config = settings(aws.url, pair, aws={"region": "us-east-1", "endpoint_url": aws.url, "read_timeout": "500ms"})
    done = run("check", "--live", "--config", written(tmp_path, config))
    assert done.status == 1
    assert "GetCurrentMetricData: 360 calls a minute, of 180 " in done.stdout


@pytest.mark.parametrize(
    "operations",
    [
        ("ListQueues",),
        ("ListRoutingProfiles",),
        ("ListRoutingProfileQueues", "DescribeInstance", "GetCurrentMetricData"),
    ],
)
def test_check_live_names_each_missing_right(
    operations: tuple[str, ...], aws: OtherConnect, pair: tuple[Instance, Instance], config: Path
) -> None:
    def meant(asked: Asked) -> bool:
        return asked.instance == pair[0].id and asked.operation in operations

    message = "User: arn:aws:sts::1:assumed-role/x is not authorized"
    with aws.service.trouble(refuse(403, "AccessDeniedException", message, meant)):
        done = run("check", "--live", "--config", config)
    assert done.status == 1
    faults = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    for operation in operations:
        assert [line for line in faults if f"not allowed: connect:{operation} " in line]
    untried = [line for line in faults if "could not be tried without the list of queues" in line]
    assert bool(untried) == ("ListQueues" in operations)
    named = [line for line in faults if line not in untried]
    assert all(any(f"connect:{operation} " in line for operation in operations) for line in named)
    assert "south: current: instance" in done.stdout


def test_check_live_says_that_there_are_no_credentials(config: Path) -> None:
    done = run("check", "--live", "--config", config, env=NO_KEYS)
    assert done.status == 1
    assert "credentials" in done.stdout


def test_check_live_says_that_an_instance_is_not_there(aws: OtherConnect, tmp_path: Path) -> None:
    path = written(tmp_path, settings(aws.url, [{"id": "0a1b2c3d-0000-4000-8000-00000000dead"}]))
    done = run("check", "--live", "--config", path)
    assert done.status == 1
    assert "not_found (ResourceNotFoundException)" in done.stdout
    assert "account" in done.stdout


# once


def test_once_prints_the_page_and_nothing_else_on_stdout(pair: tuple[Instance, Instance], config: Path) -> None:
    done = run("once", "--config", config, "--log-level", "debug", "--log-format", "json")
    assert done.status == 0
    found = parse(done.stdout)
    assert not differences(of_connect(found), expected(pair[0]) | expected(pair[1]))
    assert done.stderr
    for line in done.stderr.splitlines():
        assert json.loads(line)["event"]


def test_once_prints_what_succeeded_and_fails_where_one_collector_failed(
    aws: OtherConnect, pair: tuple[Instance, Instance], config: Path
) -> None:
    with aws.service.trouble(refuse(404, "ResourceNotFoundException", None, lambda a: a.instance == pair[0].id)):
        done = run("once", "--config", config)
    assert done.status == 1
    found = parse(done.stdout)
    assert not differences(about(found, "south"), expected(pair[1]))
    assert errors(found, pair[0].id, "not_found") == 1


# The others


@pytest.mark.parametrize("form", ["table", "markdown", "json"])
def test_metrics_prints_the_catalogue(form: str) -> None:
    done = run("metrics", "--format", form)
    assert done.status == 0
    assert done.stderr == ""
    for name in (
        "amazon_connect_queue_oldest_contact_age_seconds",
        "amazon_connect_queue_recent_occupancy_ratio",
        "amazon_connect_queue_contacts_handled_total",
        "amazon_connect_exporter_collector_success",
    ):
        assert name in done.stdout
    if form == "json":
        catalogue = {one["name"]: one for one in json.loads(done.stdout)}
        oldest = catalogue["amazon_connect_queue_oldest_contact_age_seconds"]
        assert oldest["type"] == "gauge"
        assert oldest["labels"] == ["instance_alias", "queue", "channel"]
        assert oldest["unit"] == "seconds"
        assert all(len(one["help"]) > 20 for one in catalogue.values())


def test_the_policy_holds_the_least_that_is_needed(config: Path, pair: tuple[Instance, Instance]) -> None:
    done = run("iam-policy", "--config", config)
    assert done.status == 0
    policy = json.loads(done.stdout)
    assert policy["Version"] == "2012-10-17"
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert actions == {
        "connect:GetCurrentMetricData",
        "connect:ListQueues",
        "connect:ListRoutingProfiles",
        "connect:ListRoutingProfileQueues",
        "connect:DescribeInstance",
        "ds:DescribeDirectories",
    }
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        if statement["Action"] != ["ds:DescribeDirectories"]:
            for resource in statement["Resource"]:
                assert any(f"instance/{one.id}" in resource for one in pair)


def test_the_version_is_printed() -> None:
    done = run("--version")
    assert (done.status, done.stdout) == (0, f"amazon-connect-exporter {__version__}\n")


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.status == 0
    for command in ("run", "check", "once", "demo", "simulate", "metrics", "iam-policy"):
        assert re.search(rf"^    {command}\s", done.stdout, re.MULTILINE)


# What is wrong on AWS's side is no reason to stop


def says(running: Daemon, alias: str, reason: str, words: str) -> None:
    running.wait(failed(alias), "failed")
    running.wait(lambda page: errors(page, alias, reason), f"because of {reason}")
    assert words in running.get("/").text
    wait_for(lambda: running.get("/-/ready").status == 200, "ready")
    assert reason in running.program.stderr


def test_the_daemon_runs_without_credentials_and_says_so(aws: OtherConnect, tmp_path: Path) -> None:
    config = settings(aws.url, [{"id": aws.service.instances[0].id, "alias": "keyless"}])
    with daemon(tmp_path, config, env=NO_KEYS) as running:
        says(running, "keyless", "credentials", "There are no valid credentials")


def test_the_daemon_runs_with_another_accounts_credentials_and_says_so(
    pair: tuple[Instance, Instance], tmp_path: Path
) -> None:
    service = Service(list(pair), keys={KEYS["AWS_ACCESS_KEY_ID"]: "999988887777"})
    with OtherConnect(service) as aws, daemon(tmp_path, settings(aws.url, [{"id": pair[0].arn}])) as running:
        says(running, pair[0].id, "not_found", "check the instance id, the region and the account")


def test_the_default_command_is_the_daemon(pair: tuple[Instance, Instance], aws: OtherConnect, tmp_path: Path) -> None:
    port = free_port()
    config = settings(aws.url, pair, collectors=current(interval="2s"))
    more = ("--listen-address", f"127.0.0.1:{port}", "--log-format", "logfmt")
    config["web"] = {"listen_address": f"127.0.0.1:{port}"}
    with daemon(tmp_path, config, command=more) as running:
        page = running.wait(of_connect, "values")
        assert page
        assert "event=listening" in running.program.stderr
        assert running.program.stop() == 0
