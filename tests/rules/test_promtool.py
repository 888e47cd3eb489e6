"""promtool's own judgement, and that its tests leave no alert out."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from exporter.durations import parse_duration
from tests.rules.files import RULE_FILES, RULES, TEST_FILES, alerts, mentioned, read, recordings, rules
from tests.tools import need

each_alert = pytest.mark.parametrize("name", [alert.name for alert in alerts()])


def stem(path: Path) -> str:
    return path.stem


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run([need("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_to_object_to() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)


@pytest.mark.parametrize("path", TEST_FILES, ids=stem)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    promtool("test", "rules", path)


@cache
def checks() -> dict[str, list[tuple[float, list[dict[str, Any]]]]]:
    """Alert name -> (seconds, expected alerts) of everything that is asked about it."""
    found = defaultdict(list)
    for path in TEST_FILES:
        for test in read(path)["tests"]:
            for check in test.get("alert_rule_test", ()):
                expected = check.get("exp_alerts") or []
                found[check["alertname"]].append((parse_duration(check["eval_time"]), expected))
    return dict(found)


def test_no_test_is_about_an_alert_that_does_not_exist() -> None:
    assert set(checks()) <= {alert.name for alert in alerts()}


@each_alert
def test_an_alert_is_tested_firing_with_every_word_of_its_texts(name: str) -> None:
    fired = [one for _, expected in checks()[name] for one in expected]
    assert fired
    for one in fired:
        assert set(one["exp_annotations"]) == {"summary", "description", "runbook_url", "dashboard_url"}
        assert one["exp_labels"]["severity"] in {"critical", "warning", "info"}


@each_alert
def test_an_alert_is_tested_silent_before_it_fires_and_after(name: str) -> None:
    """Before: its `for` is not over. After: the series are gone, or all is well again."""
    fired = [moment for moment, expected in checks()[name] if expected]
    silent = [moment for moment, expected in checks()[name] if not expected]
    assert min(silent) < min(fired)
    assert max(silent) > min(fired)


each_file_about_alerts = pytest.mark.parametrize(
    "path", [path for path in TEST_FILES if "alert_rule_test" in path.read_text()], ids=stem
)


def found_out(path: Path, directory: Path, setting: str) -> set[str]:
    """Alerts whose tests in this file fail where every `for`, or every `keep_firing_for`, is nothing."""
    for file in RULE_FILES:
        changed = re.sub(rf"^( +{setting}:) .+$", r"\1 0s", file.read_text(), flags=re.MULTILINE)
        (directory / file.name).write_text(changed)
    (directory / "tests").mkdir()
    copy = directory / "tests" / path.name
    copy.write_text(path.read_text())
    done = subprocess.run([need("promtool"), "test", "rules", copy], capture_output=True, text=True, check=False)
    return set(re.findall(r"alertname: (\w+), time", done.stdout + done.stderr))


@each_file_about_alerts
def test_an_alert_that_would_not_wait_is_found_out(path: Path, tmp_path: Path) -> None:
    """Each alert is looked at while it is pending: without `for` it fires there, and its test fails."""
    assert found_out(path, tmp_path, "for") == set(re.findall(r"alertname: (\w+)", path.read_text()))


@each_file_about_alerts
def test_an_alert_that_would_not_go_on_is_found_out(path: Path, tmp_path: Path) -> None:
    """Each that has keep_firing_for is looked at while nothing but that keeps it firing."""
    tested = set(re.findall(r"alertname: (\w+)", path.read_text()))
    assert found_out(path, tmp_path, "keep_firing_for") == {alert.name for alert in alerts() if alert.keep} & tested


def test_tests_use_no_metric_that_does_not_exist() -> None:
    from exporter.catalogue import by_name

    known = {*by_name, *(rule.name for rule in recordings())}
    for path in TEST_FILES:
        names = set(re.findall(r"series: '(\w+)\{", path.read_text())) | set(mentioned(path.read_text()))
        assert names - {"up"} <= known, path


def test_groups_are_evaluated_in_the_order_in_which_they_need_each_other() -> None:
    """Prometheus needs no order; promtool does, or a value arrives an evaluation later now and then."""
    order = list(dict.fromkeys(rule.group for rule in rules()))
    for path in TEST_FILES:
        assert read(path)["group_eval_order"] == order


def test_paths_of_the_rules_are_those_beside_the_tests() -> None:
    for path in TEST_FILES:
        assert [(path.parent / name).resolve() for name in read(path)["rule_files"]] == [
            RULES / "recording.yaml",
            RULES / "alerts.yaml",
        ]
