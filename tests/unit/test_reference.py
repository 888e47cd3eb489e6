"""The references for users: complete, in order, and the committed files are those that the code makes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from pydantic import Field

from exporter.catalogue import ALL, by_name
from exporter.config_faults import known_keys, type_at
from exporter.durations import parse_duration
from exporter.reference import compare, configuration_markdown, generated, metrics_table, write
from exporter.reference.__main__ import main
from exporter.reference.configuration import EXAMPLE, _takes, default_yaml
from exporter.reference.metrics import SECTIONS
from exporter.settings import AwsKeys, Settings, load


def cells(markdown: str) -> Iterator[list[str]]:
    """The rows of all tables, headings included."""
    for line in markdown.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def documented_keys() -> dict[str, list[str]]:
    """Path to takes, default and meaning."""
    return {row[0].strip("`"): row[1:] for row in cells(configuration_markdown()) if row[0] != "Key"}


def test_the_committed_files_are_up_to_date() -> None:
    assert compare() == "", "run `make docs` and read what changed"


def test_both_references_come_out_the_same_every_time() -> None:
    assert generated() == generated()


class TestMetrics:
    def test_every_family_stands_in_exactly_one_section(self) -> None:
        assert sorted(spec.name for section in SECTIONS for spec in section.specs) == sorted(by_name)

    def test_the_markdown_has_one_row_for_each_family_with_its_type_and_help(self) -> None:
        rows = [row for row in cells(metrics_table("markdown")) if row[0] != "Metric"]
        assert len(rows) == len(ALL)
        for row in rows:
            spec = by_name[row[0].split("`")[1]]
            assert row[1] == spec.kind.value
            assert row[-1].replace("`", "") == spec.help
            assert row[0].endswith("†") == spec.only_if_listed

    def test_each_table_has_as_many_cells_in_every_row_as_in_its_head(self) -> None:
        for name, text in generated().items():
            for block in text.split("\n\n"):
                widths = {len(row) for row in cells(block)}
                assert len(widths) <= 1, (name, block[:200])

    def test_labels_of_every_family_can_be_read_from_its_section_or_its_row(self) -> None:
        text = metrics_table("markdown")
        for section in SECTIONS:
            passage = text.split(f"## {section.title}\n")[1].split("\n## ")[0]
            assert {label for spec in section.specs for label in spec.labels} <= set(re.findall(r"`(\w+)`", passage))

    def test_the_table_names_type_unit_labels_and_source_of_each_family(self) -> None:
        blocks = metrics_table("table").rstrip("\n").split("\n\n")[1:]
        assert [block.split()[0] for block in blocks] == [spec.name for spec in ALL]
        found = next(b for b in blocks if b.startswith("amazon_connect_queue_recent_service_level_ratio "))
        head, labels, source, *help_lines = (line.strip() for line in found.splitlines())
        assert head.split() == ["amazon_connect_queue_recent_service_level_ratio", "gauge", "ratio"]
        assert labels == "instance_alias, queue, channel, window, threshold_seconds"
        assert source == "GetMetricData SERVICE_LEVEL AVG"
        assert " ".join(help_lines) == by_name["amazon_connect_queue_recent_service_level_ratio"].help

    def test_the_table_fits_a_terminal_of_100_columns(self) -> None:
        assert max(len(line) for line in metrics_table("table").splitlines()) <= 100

    def test_the_json_holds_the_whole_catalogue(self) -> None:
        families = json.loads(metrics_table("json"))
        assert [family["name"] for family in families] == [spec.name for spec in ALL]
        (found,) = (f for f in families if f["name"] == "amazon_connect_queue_contacts_handled_total")
        assert found == {
            "name": "amazon_connect_queue_contacts_handled_total",
            "type": "counter",
            "unit": "count",
            "labels": ["instance_alias", "queue", "channel"],
            "help": by_name["amazon_connect_queue_contacts_handled_total"].help,
            "level": "queue",
            "operation": "GetMetricData",
            "api": "CONTACTS_HANDLED",
            "statistic": "SUM",
            "only_if_listed": False,
        }

    def test_a_family_that_no_api_answers_has_no_operation(self) -> None:
        families = {family["name"]: family for family in json.loads(metrics_table("json"))}
        own = families["amazon_connect_exporter_targets"]
        assert (own["operation"], own["api"], own["unit"], own["labels"]) == (None, None, "", [])


class TestConfiguration:
    def test_every_key_that_the_settings_take_is_documented(self) -> None:
        documented = documented_keys()
        shared = set(AwsKeys.model_fields)
        pending: list[tuple[tuple[str | int, ...], str]] = [((), "")]
        seen = set()
        while pending:
            loc, path = pending.pop()
            for key in known_keys(type_at(Settings, loc)):
                below, name = (*loc, key), f"{path}.{key}".lstrip(".")
                if path in {"instances[]", "discovery[]"} and key in shared:
                    continue  # described under aws
                if key in {"instances", "discovery", "slo"}:
                    pending.append(((*below, 0), f"{name}[]"))
                elif name == "aws.quotas":
                    pending.append(((*below, "GetMetricData"), f"{name}.OPERATION"))
                    seen.add(name)
                else:
                    pending.append((below, name))
                    if path or not known_keys(type_at(Settings, below)):
                        seen.add(name)
        assert set(documented) == seen

    def test_every_key_has_a_meaning_and_what_it_takes(self) -> None:
        for path, (takes, _, meaning) in documented_keys().items():
            assert takes, path
            assert re.fullmatch(r"\S.*\.", meaning), path

    @pytest.mark.parametrize(
        ("path", "takes", "default"),
        [
            ("web.listen_address", "address", "`:10042`"),
            ("log.level", "`debug`, `info`, `warning`, `error`", "`info`"),
            ("aws.role_arn", "ARN, `null`", "`null`"),
            ("aws.quotas.OPERATION.rate", "number", "required"),
            ("instances[].id", "id or ARN", "required"),
            ("instances[].queues", "block", ""),
            ("instances[].queues.include", "list: expression", "`[]`"),
            ("collectors.current.interval", "duration", "`15s`"),
            ("collectors.current.metrics", "list: `all`, metric of GetCurrentMetricData", "`[all]`"),
            ("collectors.current.zero_fill", "`served`, `all`, `off`", "`served`"),
            ("collectors.historical.windows", "list: window", "`[30m, today]`"),
            ("max_age", "duration", "`5m`"),
            ("limits.max_series", "whole number", "`500000`"),
        ],
    )
    def test_a_key_says_what_it_takes_and_what_it_is_without_it(self, path: str, takes: str, default: str) -> None:
        assert documented_keys()[path][:2] == [takes, default]

    def test_the_documented_defaults_are_those_of_the_file_of_all_defaults(self) -> None:
        tree = yaml.safe_load(default_yaml())
        for path, (_, default, _) in documented_keys().items():
            if path.startswith(("discovery", "slo")) or default in {"", "required"}:
                continue
            value = tree
            for part in path.split("."):
                value = value[part.removesuffix("[]")]
                value = value[0] if part.endswith("[]") else value
            if path != "instances[].region":
                assert yaml.safe_load(default.strip("`")) == value, path

    def test_the_file_of_all_defaults_is_a_valid_configuration_and_changes_nothing(self, tmp_path: Path) -> None:
        file = tmp_path / "config.yml"
        file.write_text(default_yaml())
        assert load(file, {}) == Settings(instances=(EXAMPLE,))

    def test_durations_are_written_as_users_write_them(self) -> None:
        for path, (takes, default, _) in documented_keys().items():
            if takes == "duration" and default != "required":
                assert parse_duration(default.strip("`")) > 0, path

    def test_a_kind_of_setting_without_words_is_an_error_rather_than_a_blank(self) -> None:
        with pytest.raises(KeyError, match="no words"):
            _takes(frozenset[str])
        assert _takes(Annotated[int, Field(ge=3)]) == "whole number"


class TestCommand:
    def test_files_that_are_missing_or_changed_are_written_and_the_others_left_alone(self, tmp_path: Path) -> None:
        folder = tmp_path / "docs"
        assert [path.name for path in write(folder)] == ["metrics.md", "configuration.md"]
        assert compare(folder) == ""
        assert write(folder) == []
        (folder / "metrics.md").write_text("# old\n")
        assert "metrics.md, as it is" in compare(folder)
        assert "configuration.md" not in compare(folder)
        assert [path.name for path in write(folder)] == ["metrics.md"]
        assert (folder / "metrics.md").read_text() == metrics_table("markdown")

    def test_check_answers_1_with_a_hint_where_a_file_is_out_of_date_and_writes_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write(tmp_path)
        stale = (tmp_path / "metrics.md").read_text().replace("Contacts waiting", "Customers waiting", 1)
        (tmp_path / "metrics.md").write_text(stale)
        assert main(["--check"], tmp_path) == 1
        shown = capsys.readouterr()
        assert "-| `amazon_connect_" in shown.err
        assert "make docs" in shown.err
        assert shown.out == ""
        assert (tmp_path / "metrics.md").read_text() == stale

    def test_check_answers_0_and_says_nothing_where_all_is_up_to_date(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--check"]) == 0
        assert capsys.readouterr() == ("", "")
