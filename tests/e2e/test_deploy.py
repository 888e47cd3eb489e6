"""What the README shows of containers, systemd and other collectors: the same as the files beside it, and right."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli import _parser
from exporter.settings import load
from tests.e2e.test_image import LOCKS
from tests.tools import REPOSITORY, fetch, free_port, need, running, started, wait_for

DEPLOY = REPOSITORY / "exporter" / "docs" / "deploy"
UNIT = DEPLOY / "amazon-connect-exporter.service"
PROMETHEUS = DEPLOY / "prometheus.yml"
ALLOY = DEPLOY / "alloy.alloy"
COLLECTOR = DEPLOY / "otel-collector.yaml"
README = (REPOSITORY / "README.md").read_text()
PROGRAM = "/opt/amazon-connect-exporter/bin/amazon-connect-exporter"
CONFIGURATION = "/etc/amazon-connect-exporter/config.yml"
# Where the exporter listens if it is not told.
ADDRESS = "127.0.0.1:10042"
JOB = "amazon-connect"
# systemd's points, 100 is a service with every right; ours has 12.
MOST_EXPOSED = 15


def blocks(language: str) -> list[str]:
    """What stands in the README's fences of one language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", README)


# README and files


@pytest.mark.parametrize("path", [UNIT, PROMETHEUS, ALLOY, COLLECTOR], ids=lambda path: path.name)
def test_the_readme_quotes_the_file(path: Path) -> None:
    text = path.read_text()
    assert [block for language in ("ini", "yaml", "yml", "alloy") for block in blocks(language)].count(text) == 1


def test_every_file_is_one_that_is_quoted() -> None:
    assert {*DEPLOY.iterdir()} == {UNIT, PROMETHEUS, ALLOY, COLLECTOR}


# systemd


def settings_of(unit: Path) -> Iterator[tuple[str, str]]:
    for line in unit.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            yield key, value


def as_installed(directory: Path, more: str = "") -> Path:
    """The unit with a program that is there, for systemd looks whether it is; `more` as `systemctl edit` would add."""
    assert UNIT.read_text().count(PROGRAM) == 1
    unit = directory / UNIT.name
    unit.write_text(UNIT.read_text().replace(PROGRAM, sys.executable) + more)
    return unit


def analysed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [need("systemd-analyze"), "--no-pager", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    done = analysed("verify", "--man=no", as_installed(tmp_path))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_takes_what_the_readme_adds_to_the_unit(tmp_path: Path) -> None:
    added = [block for block in blocks("ini") if block != UNIT.read_text()]
    assert added
    for block in added:
        done = analysed("verify", "--man=no", as_installed(tmp_path, f"\n{block}"))
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_would_notice_a_wrong_line(tmp_path: Path) -> None:
    done = analysed("verify", "--man=no", as_installed(tmp_path, "\n[Service]\nProtectSystem=very\n"))
    assert "Failed to parse" in done.stderr


def test_the_service_is_locked_in(tmp_path: Path) -> None:
    done = analysed("security", "--offline=true", f"--threshold={MOST_EXPOSED}", as_installed(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_services_command_is_one_of_the_programs() -> None:
    (command,) = (value for key, value in settings_of(UNIT) if key == "ExecStart")
    program, *arguments = shlex.split(command)
    assert program == PROGRAM
    assert _parser().parse_args(arguments).config == CONFIGURATION


def test_the_program_makes_no_system_call_that_the_unit_forbids(tmp_path: Path) -> None:
    """The demo, from its start over a scrape to its end, watched by strace."""
    allowed: set[str] = set()
    for value in [value for key, value in settings_of(UNIT) if key == "SystemCallFilter"]:
        named = {call for group in value.removeprefix("~").split() for call in calls(group)}
        allowed = allowed - named if value.startswith("~") else allowed | named
    allowed |= calls("@default")

    address, trace = f"127.0.0.1:{free_port()}", tmp_path / "trace"
    demo = [sys.executable, "-m", "exporter", "demo", "--listen-address", address, "--instances", "1"]
    with running([need("strace"), "-f", "-qq", "-o", trace, *demo], tmp_path, cwd=REPOSITORY) as program:
        started(program, f"http://{address}/-/ready", timeout=120)
        page = fetch(f"http://{address}/metrics", timeout=60).text
        assert "\nprocess_start_time_seconds " in page
        # strace hands a signal on only to what it stops itself: its child is told.
        (child,) = Path(f"/proc/{program.process.pid}/task/{program.process.pid}/children").read_text().split()
        subprocess.run(["kill", "-TERM", child], check=True)
        assert program.wait(60) == 0, program.output

    lines = [match for line in trace.read_text(errors="replace").splitlines() if (match := CALL.match(line))]
    used = {match["name"] for match in lines}
    assert {"openat", "socket", "exit_group"} <= used
    assert used - allowed == set()
    (families,) = (value.split() for key, value in settings_of(UNIT) if key == "RestrictAddressFamilies")
    asked = {match["rest"].partition(",")[0] for match in lines if match["name"] == "socket"}
    assert asked <= set(families)
    # MemoryDenyWriteExecute
    assert not [match.string for match in lines if "PROT_WRITE" in match["rest"] and "PROT_EXEC" in match["rest"]]


CALL = re.compile(r"\d+ +(?P<name>[a-z_0-9]+)\((?P<rest>.*)")


def calls(group: str) -> set[str]:
    """The system calls of one of systemd's groups, those of groups inside it too."""
    if not group.startswith("@"):
        return {group}
    found: set[str] = set()
    for line in analysed("syscall-filter", group).stdout.splitlines()[1:]:
        if (name := line.strip()) and not name.startswith("#"):
            found |= calls(name)
    assert found, group
    return found


# Containers


def containers() -> list[list[str]]:
    """Every `docker run` of the README, as words."""
    joined = "".join(blocks("shell")).replace("\\\n", " ")
    return [shlex.split(line) for line in joined.splitlines() if line.startswith("docker run ")]


def words_after_the_image(argv: list[str]) -> list[str]:
    return argv[argv.index("amazon-connect-exporter") + 1 :]


def test_every_shell_block_is_one_that_a_shell_takes() -> None:
    assert blocks("shell")
    for text in blocks("shell"):
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False, timeout=10)
        assert done.returncode == 0, done.stderr


def test_the_readmes_containers_are_locked_as_the_tested_one_is() -> None:
    def flags(argv: list[str]) -> set[str]:
        text = " ".join(argv)
        return {re.sub(r"(--\S+?)[= ]", r"\1=", found) for found in re.findall(LOCK, text)}

    assert len(containers()) >= 2
    for argv in containers():
        assert (
            flags(argv) == flags(list(LOCKS)) == {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"}
        )


LOCK = r"--read-only(?![-\w])|--cap-drop[= ]\S+|--security-opt[= ]\S+"


def test_the_readmes_containers_get_commands_that_the_program_knows() -> None:
    for argv in containers():
        options = _parser().parse_args(words_after_the_image(argv))
        if getattr(options, "config", None):
            assert any(f":{options.config}:ro" in word for word in argv), "the file that is read is mounted"
        else:
            # In a container loopback is nobody's but its own.
            assert options.listen_address == ":10042"


def test_nothing_in_the_readmes_containers_is_open_to_the_network() -> None:
    for argv in containers():
        published = [word for before, word in pairwise(argv) if before == "--publish"]
        assert published == [f"{ADDRESS}:10042"]


# Prometheus, Alloy, OpenTelemetry


def checked_by_promtool(text: str, directory: Path) -> None:
    (directory / "prometheus.yml").write_text(text)
    argv = [need("promtool"), "check", "config", "--lint=all", "--lint-fatal", str(directory / "prometheus.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_three_scrape_what_the_exporter_listens_on_under_one_name(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("discovery: [{regions: [eu-west-2]}]\n")
    assert load(tmp_path / "config.yml", {}).web.listen_address == ":10042"
    expected = {
        "job_name": JOB,
        "scrape_interval": "15s",
        "static_configs": [{"targets": [ADDRESS]}],
    }
    receiver = yaml.safe_load(COLLECTOR.read_text())["receivers"]["prometheus"]["config"]
    assert yaml.safe_load(PROMETHEUS.read_text()) == receiver == {"scrape_configs": [expected]}
    scrape = alloy()["prometheus.scrape", "amazon_connect"]
    assert scrape["targets"] == f'[{{"__address__" = "{ADDRESS}"}}]'
    assert (scrape["job_name"], scrape["scrape_interval"]) == (f'"{JOB}"', '"15s"')


def test_promtool_takes_the_scrape_configuration(tmp_path: Path) -> None:
    checked_by_promtool(PROMETHEUS.read_text(), tmp_path)


def test_promtool_takes_what_the_collector_hands_to_its_prometheus_receiver(tmp_path: Path) -> None:
    receiver = yaml.safe_load(COLLECTOR.read_text())["receivers"]["prometheus"]["config"]
    # The collector reads $NAME as an environment variable, anywhere in the file.
    assert "$" not in COLLECTOR.read_text()
    checked_by_promtool(yaml.safe_dump(receiver), tmp_path)


def test_the_collectors_pipelines_use_what_is_defined_and_nothing_is_defined_in_vain() -> None:
    """Its structure only: the collector itself is in no registry that the tests can reach."""
    document: dict[str, Any] = yaml.safe_load(COLLECTOR.read_text())
    assert set(document) == {"receivers", "exporters", "service"}
    pipelines = document["service"]["pipelines"]
    assert set(pipelines) == {"metrics"}
    assert set(pipelines["metrics"]) == {"receivers", "exporters"}
    for kind in ("receivers", "exporters"):
        assert pipelines["metrics"][kind] == list(document[kind])
    # otlphttp adds /v1/metrics to it, and Prometheus listens on /api/v1/otlp/v1/metrics.
    assert document["exporters"]["otlphttp"]["endpoint"].endswith("/api/v1/otlp")


def alloy() -> dict[tuple[str, str], dict[str, str]]:
    """(component, label) -> attribute -> expression; blocks inside a component as `block.attribute`.

    A reader of the few forms that the file has, which fails on any other: Alloy's own parser is in no registry that
    the tests can reach.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    component: dict[str, str] | None = None
    inner = ""
    for number, line in enumerate(ALLOY.read_text().splitlines(), start=1):
        where = f"{ALLOY.name}:{number}: {line}"
        text = line.strip()
        if not text or text.startswith("//"):
            continue
        assert (len(line) - len(text)) == 2 * ((component is not None) + bool(inner)) - 2 * (text == "}"), where
        if opened := re.fullmatch(r'([a-z_]+\.[a-z_]+) "([a-z_]+)" \{', text):
            assert component is None, where
            component = found.setdefault((opened[1], opened[2]), {})
        elif opened := re.fullmatch(r"([a-z_]+) \{", text):
            assert component is not None, where
            assert not inner, where
            inner = f"{opened[1]}."
        elif text == "}":
            assert component is not None, where
            inner, component = "", component if inner else None
        else:
            attribute = re.fullmatch(r"([a-z_]+) += (.+)", text)
            assert attribute, where
            assert component is not None, where
            assert all(attribute[2].count(a) == attribute[2].count(b) for a, b in ("[]", "{}", "()")), where
            assert attribute[2].count('"') % 2 == 0, where
            component[inner + attribute[1]] = attribute[2]
    assert component is None
    return found


def test_alloys_components_are_joined_and_have_what_they_require() -> None:
    components = alloy()
    assert set(components) == {("prometheus.scrape", "amazon_connect"), ("prometheus.remote_write", "default")}
    scrape, write = components.values()
    # The names of Alloy's reference; targets and forward_to are required.
    assert {*scrape} == {"targets", "forward_to", "job_name", "scrape_interval"}
    assert {*write} == {"endpoint.url"}
    assert scrape["forward_to"] == "[prometheus.remote_write.default.receiver]"
    assert write["endpoint.url"].strip('"').endswith("/api/v1/write")


def test_prometheus_scrapes_the_demo_with_the_configuration_as_it_is(tmp_path: Path) -> None:
    """Only the port is another: the usual one may be taken."""
    address, own = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    demo = [sys.executable, "-m", "exporter", "demo", "--listen-address", address, "--instances", "1"]
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(PROMETHEUS.read_text().replace(ADDRESS, address).replace("15s", "1s"))
    server = [need("prometheus"), f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with (
        running(demo, tmp_path, cwd=REPOSITORY) as exporter,
        running([*server, f"--web.listen-address={own}"], tmp_path) as program,
    ):
        started(exporter, f"http://{address}/-/ready", timeout=90)
        started(program, f"http://{own}/-/ready")
        query = f'http://{own}/api/v1/query?query=up{{job="{JOB}"}}==1'
        wait_for(lambda: '"value"' in fetch(query).text, "the target is up", timeout=60)
