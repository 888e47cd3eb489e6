"""The README says nothing that the program does not do: its configurations, commands, queries, tables and links."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jsonschema
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from exporter.aws.limiter import quota_of
from exporter.catalogue import by_name
from exporter.check import _calls
from exporter.cli import _parser, _with_default, main
from exporter.jobs import INVENTORY
from exporter.model import Inventory
from exporter.plan import plan_of
from exporter.settings import load
from exporter.targets import targets
from exporter.web import config as web_config
from tests.tools import REPOSITORY, need

README = REPOSITORY / "README.md"
TEXT = README.read_text()
ON_A_MARK = 1_790_000_100.0
"""Unix seconds in the early afternoon, when "today" is not empty."""
OTHER_PROGRAMS = frozenset({"python3", ".venv/bin/pip", "helm", "docker"})
OF_DEPLOYMENT = frozenset({"shell", "ini", "alloy", "yml"})
"""Quotes of files and commands that tests/e2e/test_deploy.py looks at."""
EVERY_SCRAPE_HAS = frozenset({"job", "instance"})


def blocks(language: str) -> list[str]:
    """What stands in the fences of one language, in order."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", TEXT)


def configurations() -> list[str]:
    others = ("scrape_configs", "tls_server_config", "serviceMonitor")
    return [text for text in blocks("yaml") if not any(mark in text for mark in others)]


def table_below(head: str) -> list[list[str]]:
    """The cells of the rows below a heading row that begins so."""
    lines = TEXT.splitlines()
    (start,) = (number for number, line in enumerate(lines) if line.startswith(head))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def eight_lines(directory: Path) -> Path:
    """The first configuration, as a file."""
    file = directory / "config.yml"
    file.write_text(configurations()[0])
    return file


def test_every_fence_is_of_a_language_that_is_checked_here() -> None:
    opened = re.findall(r"(?m)^```(\w*)$", TEXT)[::2]
    assert set(opened) <= {"sh", "yaml", "json", "promql", "text", *OF_DEPLOYMENT}
    assert len(opened) * 2 == TEXT.count("\n```")


@pytest.mark.parametrize("text", configurations())
def test_every_configuration_is_valid(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(text)
    load(file, {})


def test_the_first_configuration_has_the_eight_lines_it_is_called_after() -> None:
    assert len(configurations()[0].splitlines()) == 8


def test_the_environment_variable_it_names_sets_the_key_it_should(tmp_path: Path) -> None:
    found = re.search(r'`(AMAZON_CONNECT_EXPORTER_\w+)="([^"]*)"`', TEXT)
    assert found
    assert load(eight_lines(tmp_path), {found[1]: found[2]}).web.listen_address == found[2]


def test_the_web_configuration_lacks_nothing_but_its_files_and_a_whole_hash(tmp_path: Path) -> None:
    (text,) = (text for text in blocks("yaml") if "tls_server_config" in text)
    file = tmp_path / "web.yml"
    file.write_text(text.replace("$2y$10$…", "$2y$10$" + "a" * 53))
    found = web_config.read(file).faults
    assert [key for key, _ in found] == ["tls_server_config.cert_file", "tls_server_config.key_file"]


def test_the_values_are_values_of_the_chart() -> None:
    (text,) = (text for text in blocks("yaml") if "serviceMonitor" in text)
    schema = json.loads((README.parent / "helm/amazon-connect-exporter/values.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(text), schema)


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if "scrape_configs" in text])
def test_prometheus_takes_the_scrape_configuration(text: str, tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(text)
    argv = [need("promtool"), "check", "config", "--lint=all", "--lint-fatal", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    (job,) = yaml.safe_load(text)["scrape_configs"]
    assert f'job="{job["job_name"]}"' in TEXT, "the queries name the job that is configured"


def selectors(expression: object) -> Iterator[promql_parser.VectorSelector]:
    """Every selector in a parsed query."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
        return
    # Selectors over a range, calls, operators and brackets hold others under these names.
    for name in ("expr", "lhs", "rhs", "vector_selector", "args"):
        held = getattr(expression, name, None)
        for part in held if isinstance(held, list) else [held]:
            if part is not None:
                yield from selectors(part)


@pytest.mark.parametrize("query", blocks("promql"))
def test_every_query_parses_and_asks_for_metrics_and_labels_that_exist(query: str) -> None:
    found = list(selectors(promql_parser.parse(query)))
    assert found
    assert {one.name for one in found} == set(re.findall(r"\b(?:(?:amazon_connect|process|python)_\w+|up)\b", query))
    for one in found:
        name = one.name or ""
        filtered = {matcher.name for matcher in one.matchers.matchers}
        if name == "up":
            assert filtered <= EVERY_SCRAPE_HAS
        elif not name.startswith(("process_", "python_")):
            assert filtered <= EVERY_SCRAPE_HAS | set(by_name[name].labels), name


@pytest.mark.parametrize("query", blocks("promql"))
def test_every_query_groups_by_labels_that_its_metrics_have(query: str) -> None:
    wanted = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", query) for label in group.split(",")}
    for name in re.findall(r"\bamazon_connect_\w+", query):
        assert wanted <= set(by_name[name].labels), name


def test_every_metric_it_names_exists() -> None:
    named = set(re.findall(r"\bamazon_connect_[a-z_]*[a-z]\b(?!_?…)", TEXT))
    assert len(named) > 15
    assert named - set(by_name) == set()


def test_the_excerpts_of_pages_have_the_labels_that_the_metrics_have() -> None:
    pages = [text for text in blocks("text") if text.startswith("amazon_connect_")]
    samples = [sample for page in pages for family in text_string_to_metric_families(page) for sample in family.samples]
    assert len(samples) > 10
    for sample in samples:
        assert set(sample.labels) == set(by_name[sample.name].labels), sample.name


def commands() -> list[str]:
    return [line for text in blocks("sh") for line in text.splitlines()]


@pytest.mark.parametrize("line", commands())
def test_every_command_it_shows_is_one_there_is(line: str) -> None:
    program, *arguments = shlex.split(line)
    if program == "make":
        assert arguments[0] in make_targets()
    elif program == "amazon-connect-exporter":
        _parser().parse_args(_with_default(arguments))
    else:
        assert program in OTHER_PROGRAMS


def test_the_first_two_commands_are_the_demo_and_the_tests() -> None:
    assert commands()[:2] == ["make demo", "make test"]


def test_every_target_of_make_it_names_exists() -> None:
    (listed,) = re.findall(r"(?s)`make help` lists the targets, among them(.*?)\. `make test", TEXT)
    named = set(re.findall(r"`(\w+)`", listed)) | set(re.findall(r"`make (\w+)", TEXT))
    assert len(named) > 5
    assert named <= make_targets()


def make_targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z]+):.*## ", (REPOSITORY / "Makefile").read_text()))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`amazon-connect-exporter ([a-z-]+)", TEXT))))
def test_every_command_in_its_sentences_exists(name: str) -> None:
    _parser().parse_args([name])


def test_every_flag_in_its_sentences_exists(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], *([name, "--help"] for name in ("run", "check", "demo", "metrics"))):
        with pytest.raises(SystemExit):
            _parser().parse_args(arguments)
    existing = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"`(--[a-z-]+)`", TEXT)) <= existing


def test_the_policy_is_what_the_command_prints_for_the_eight_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["iam-policy", "--config", str(eight_lines(tmp_path))]) == 0
    (shown,) = blocks("json")
    assert json.loads(shown) == json.loads(capsys.readouterr().out)


def test_the_cost_of_each_collector_is_what_check_computes(tmp_path: Path) -> None:
    settings = load(eight_lines(tmp_path), {})
    plan, (target,) = plan_of(settings), targets(settings)
    rows = table_below("| queues | routing profiles |")
    assert [row[0] for row in rows] == ["10", "100", "1000"]
    for queues, profiles, *shown in rows:
        known = Inventory(
            queues={f"q{number}": f"Queue {number}" for number in range(int(queues))},
            routing_profiles={f"p{number}": f"Profile {number}" for number in range(int(profiles))},
        )
        wanted = [spent(_calls(replace(plan, jobs=()), target, known, ON_A_MARK))]
        for job in plan.jobs:
            alone = _calls(replace(plan, jobs=(job,)), target, known, ON_A_MARK)
            wanted.append(spent(call for call in alone if call[0] == job.operation))
        assert shown == wanted
    heads = re.findall(r"(?m)^\| queues \| routing profiles \| (.*) \|$", TEXT)
    assert heads == [" | ".join(f"`{name}`" for name in (INVENTORY, *(job.name for job in plan.jobs)))]


def spent(calls: Iterator[tuple[str, float, float]]) -> str:
    """Calls a minute of all operations: the fewest, and the most where that is another number."""
    found = list(calls)
    low, high = f"{sum(call[1] for call in found):.3g}", f"{sum(call[2] for call in found):.3g}"
    return low if low == high else f"{low} to {high}"


def test_the_quotas_it_names_are_those_built_in(tmp_path: Path) -> None:
    share = load(eight_lines(tmp_path), {}).aws.quota_share
    rates = [quota_of(operation).rate for operation in ("GetMetricData", "GetCurrentMetricData", "ListQueues")]
    assert rates == [5, 5, 2]
    assert f"`aws.quota_share` ({share})" in TEXT
    assert f"so {5 * 60 * share:g} and {2 * 60 * share:g} calls a minute" in TEXT


def test_no_link_is_dead() -> None:
    links = set(re.findall(r"\]\(([^)]+)\)", TEXT))
    assert {"LICENSE", "CHANGELOG.md", "exporter/docs/metrics.md", "exporter/docs/configuration.md"} <= links
    assert [link for link in links if not link.startswith("https://") and not (REPOSITORY / link).exists()] == []


def test_the_changelog_names_the_version_there_is() -> None:
    from exporter import __version__

    assert re.search(rf"(?m)^##+ \[?{re.escape(__version__)}\b", (REPOSITORY / "CHANGELOG.md").read_text())
