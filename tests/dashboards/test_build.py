"""The dashboards as files: committed as generated, and of the shape that Grafana and people rely on."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana import build
from grafana.panels import COLUMNS, DATASOURCE, lines, placed, row, stat
from grafana.panels import Query as PanelQuery
from tests.dashboards.lived import rules
from tests.dashboards.promql import VALUES
from tests.tools import REPOSITORY

SLUGS = ("wallboard", "operations", "queue", "agents", "service-level", "digital", "exporter")
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(build.FOLDER.glob("*.json"))}
CORE = {"row", "stat", "timeseries", "table", "bargauge", "state-timeline", "status-history"}
UNITS = {"short", "none", "s", "percentunit", "reqps", "cpm", "bytes"}
VARIABLES = {
    "datasource": ("Data source", ""),
    "job": ("Job", "amazon_connect_exporter_build_info"),
    "instance_alias": ("Instance", "amazon_connect_instance_info"),
    "queue": ("Queue", "amazon_connect_queue_info"),
    "channel": ("Channel", "amazon_connect_queue_service_level_threshold_seconds"),
    "routing_profile": ("Routing profile", "amazon_connect_routing_profile_info"),
}

every_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=list(DASHBOARDS))


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


every_panel = pytest.mark.parametrize(
    "panel",
    [
        pytest.param(panel, id=f"{uid.removeprefix('amazon-connect-')}: {panel['title']}")
        for uid, dashboard in DASHBOARDS.items()
        for panel in panels(dashboard)
    ],
)


def everything(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from everything(child)


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w.]+(?<!\.)", text))


def told(value: float) -> set[str]:
    """How a description may say a threshold: itself, in percent, in minutes, hours or days."""
    numbers = {f"{value * factor:g}" for factor in (1, 100, 1 / 60, 1 / 3600, 1 / 86400)}
    return numbers | ({"minute", "day"} if value in (60, 86400) else set())


class TestFiles:
    def test_the_committed_files_are_those_that_the_code_makes(self) -> None:
        assert build.differences(build.wanted()) == [], "run `python -m grafana.build` and read what changed"

    def test_there_is_one_for_each_audience(self) -> None:
        assert set(DASHBOARDS) == {f"amazon-connect-{slug}" for slug in SLUGS}

    def test_check_names_what_is_missing_changed_or_left_over_and_write_mends_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(build, "FOLDER", tmp_path / "dashboards")
        assert build.main([]) == 0
        assert build.main(["--check"]) == 0
        first, second, *_ = sorted(build.wanted())
        first.write_text("{}")
        second.unlink()
        (tmp_path / "dashboards" / "amazon-connect-old.json").write_text("{}")
        capsys.readouterr()
        assert build.main(["--check"]) == 1
        told = capsys.readouterr().err
        assert all(name in told for name in (first.name, second.name, "amazon-connect-old.json"))
        assert build.main([]) == 0
        assert build.main(["--check"]) == 0

    @pytest.mark.parametrize("path", sorted(build.FOLDER.glob("*.json")), ids=lambda path: path.stem)
    def test_each_fits_into_the_annotation_of_a_config_map(self, path: Path) -> None:
        assert len(path.read_bytes()) < 200_000


class TestPlaces:
    def test_a_line_that_is_not_full_is_refused(self) -> None:
        with pytest.raises(ValueError, match="not full"):
            placed([_stat(6), _stat(6)])

    def test_a_panel_that_does_not_fit_its_line_is_refused(self) -> None:
        with pytest.raises(ValueError, match="wider"):
            placed([_stat(16), _stat(16)])

    def test_panels_of_different_height_do_not_stand_side_by_side(self) -> None:
        with pytest.raises(ValueError, match="high"):
            placed([_stat(12), lines("b", "?", PanelQuery("up"), unit="s", width=12, height=8)])

    def test_ids_count_from_one_and_rows_take_a_line_of_their_own(self) -> None:
        found = placed([_stat(24), *row("below", _stat(12), _stat(12))])
        assert [panel["id"] for panel in found] == [1, 2, 3, 4]
        assert [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in found] == [(0, 0), (0, 5), (0, 6), (12, 6)]

    @every_dashboard
    def test_nothing_overlaps_and_nothing_is_empty(self, dashboard: dict[str, Any]) -> None:
        taken = [
            (x, y)
            for place in (panel["gridPos"] for panel in dashboard["panels"])
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        below = max(y for _, y in taken) + 1
        assert len(taken) == len(set(taken))
        assert set(taken) == {(x, y) for x in range(COLUMNS) for y in range(below)}


def _stat(width: int) -> dict[str, Any]:
    return stat("a", "?", PanelQuery("up"), unit="s", width=width)


@every_dashboard
class TestDashboard:
    def test_it_is_known_by_its_uid_for_ever(self, dashboard: dict[str, Any]) -> None:
        assert dashboard["id"] is None
        assert dashboard["uid"] in DASHBOARDS
        assert DASHBOARDS[dashboard["uid"]] is dashboard
        assert dashboard["tags"] == ["amazon-connect"]
        assert dashboard["title"].startswith("Amazon Connect: ")
        assert dashboard["description"]

    def test_nobody_edits_it_in_the_browser(self, dashboard: dict[str, Any]) -> None:
        assert dashboard["editable"] is False

    def test_it_goes_by_the_readers_clock_and_renews_itself(self, dashboard: dict[str, Any]) -> None:
        wallboard = dashboard["uid"].endswith("wallboard")
        assert dashboard["timezone"] == "browser"
        assert dashboard["refresh"] == ("15s" if wallboard else "30s")
        assert dashboard["time"]["to"] == "now"
        since = {"wallboard": "now-1h", "service-level": "now-7d"}
        assert dashboard["time"]["from"] == since.get(dashboard["uid"].removeprefix("amazon-connect-"), "now-6h")
        assert dashboard["graphTooltip"] == 2
        assert dashboard["schemaVersion"] == 39

    def test_it_leads_to_the_others_with_time_and_variables(self, dashboard: dict[str, Any]) -> None:
        (link,) = dashboard["links"]
        assert link["type"] == "dashboards"
        assert link["tags"] == ["amazon-connect"]
        assert link["keepTime"] is True
        assert link["includeVars"] is True

    def test_its_variables_are_those_of_all(self, dashboard: dict[str, Any]) -> None:
        found = dashboard["templating"]["list"]
        assert [(one["name"], one["label"]) for one in found] == [(n, label) for n, (label, _) in VARIABLES.items()]
        source, *others = found
        assert (source["type"], source["query"]) == ("datasource", "prometheus")
        above = ""
        for one in others:
            metric = VARIABLES[one["name"]][1]
            wanted = f"label_values({metric}{above}, {one['name']})"
            assert one["type"] == "query"
            assert one["query"]["query"] == one["definition"] == wanted
            assert one["datasource"] == DATASOURCE
            assert one["refresh"] == 2, "on time range change"
            assert one["multi"] is one["includeAll"] is True
            assert one["allValue"] == ".+"
            assert one["sort"] == 1
            above = '{job=~"$job"}' if one["name"] == "job" else '{job=~"$job", instance_alias=~"$instance_alias"}'

    def test_it_takes_the_data_source_that_is_chosen(self, dashboard: dict[str, Any]) -> None:
        assert "__inputs" not in dashboard
        sources = [node["datasource"] for node in everything(dashboard) if "datasource" in node]
        assert {json.dumps(source) for source in sources} == {json.dumps(DATASOURCE)}
        assert "${DS_" not in json.dumps(dashboard)

    def test_ids_are_given_once(self, dashboard: dict[str, Any]) -> None:
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert ids == list(range(1, len(ids) + 1))

    def test_titles_are_given_once(self, dashboard: dict[str, Any]) -> None:
        titles = [panel["title"] for panel in panels(dashboard)]
        assert len(titles) == len(set(titles)) or dashboard["uid"] == "amazon-connect-queue"

    def test_what_shows_operations_begins_with_the_age_of_its_data(self, dashboard: dict[str, Any]) -> None:
        first = dashboard["panels"][0]
        assert first["title"] == ("Up" if dashboard["uid"].endswith("exporter") else "Age of the data")


@every_panel
class TestPanel:
    def test_it_is_one_that_every_grafana_has(self, panel: dict[str, Any]) -> None:
        assert panel["type"] in CORE

    def test_its_description_is_the_question_it_answers(self, panel: dict[str, Any]) -> None:
        assert panel["title"]
        assert re.match(r"[A-Z][^.?]+\?", panel["description"]), panel["description"]

    def test_it_has_a_unit_and_thresholds_in_order(self, panel: dict[str, Any]) -> None:
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS
        found = [defaults["thresholds"]]
        for override in panel["fieldConfig"]["overrides"]:
            for one in override["properties"]:
                if one["id"] == "unit":
                    assert one["value"] in UNITS
                if one["id"] == "thresholds":
                    found.append(one["value"])
        for thresholds in found:
            first, *others = thresholds["steps"]
            assert thresholds["mode"] == "absolute"
            assert first["value"] is None
            assert [step["value"] for step in others] == sorted(step["value"] for step in others)
            assert all(step["color"] for step in thresholds["steps"])

    def test_its_description_says_where_it_turns_amber_or_red(self, panel: dict[str, Any]) -> None:
        values = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]
        if panel["type"] in {"stat", "timeseries"} and len(values) > 1:
            assert any(told(value) & words(panel["description"]) for value in values), values

    def test_each_query_is_whole(self, panel: dict[str, Any]) -> None:
        targets = panel["targets"]
        assert targets
        assert [target["refId"] for target in targets] == [chr(ord("A") + n) for n in range(len(targets))]
        for target in targets:
            assert target["expr"].strip()
            assert target["instant"] is not target["range"]

    def test_a_colour_never_stands_alone(self, panel: dict[str, Any]) -> None:
        options, kind = panel["options"], panel["type"]
        if kind == "stat":
            assert options["textMode"] in {"auto", "value_and_name"}
        elif kind in {"state-timeline", "status-history"}:
            assert options["showValue"] != "never"
        elif kind == "bargauge":
            assert options["valueMode"] == "text"
        if kind == "state-timeline":
            told = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
            assert all(state["text"] for state in told.values())

    def test_agent_states_are_never_stacked(self, panel: dict[str, Any]) -> None:
        custom = panel["fieldConfig"]["defaults"].get("custom", {})
        assert custom.get("stacking", {"mode": "none"}) == {"mode": "none"}

    def test_a_table_is_instant_capped_and_in_columns(self, panel: dict[str, Any]) -> None:
        if panel["type"] != "table":
            return
        for target in panel["targets"]:
            assert target["format"] == "table"
            assert target["instant"] is True
            assert "topk(" in target["expr"]
        merge, keep, organize = panel["transformations"]
        assert merge["id"] == "merge"
        shown = keep["options"]["include"]["names"]
        renamed = organize["options"]["renameByName"]
        assert list(renamed) == shown
        values = [name for name in shown if name.startswith("Value")]
        refs = [target["refId"] for target in panel["targets"]]
        assert values == ([f"Value #{ref}" for ref in refs] if len(refs) > 1 else ["Value"])
        headings = list(renamed.values())
        assert len(set(headings)) == len(headings)
        for override in panel["fieldConfig"]["overrides"]:
            assert override["matcher"]["options"] in headings
        assert {one["displayName"] for one in panel["options"]["sortBy"]} <= set(headings)

    def test_what_is_said_of_one_query_is_said_of_one_there_is(self, panel: dict[str, Any]) -> None:
        refs = {target["refId"] for target in panel["targets"]}
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"]["id"] == "byFrameRefID":
                assert override["matcher"]["options"] in refs

    def test_a_quotas_line_says_of_which_account_it_is(self, panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            if "{{region}} {{operation}}" in target.get("legendFormat", ""):
                assert "{{account_id}}" in target["legendFormat"]

    def test_a_graph_names_its_lines_by_labels_that_its_query_keeps(self, panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")):
                recorded = [expr for name, expr in rules().items() if name in target["expr"]]
                assert any(label in expr for expr in (target["expr"], *recorded)), label


def test_the_wallboard_is_read_at_a_glance() -> None:
    assert len(DASHBOARDS["amazon-connect-wallboard"]["panels"]) <= 12


def test_the_queue_dashboard_has_a_row_for_each_queue_that_is_chosen() -> None:
    rows = [panel for panel in DASHBOARDS["amazon-connect-queue"]["panels"] if panel["type"] == "row"]
    assert [(one["repeat"], one["title"]) for one in rows] == [("queue", "$queue")]
    after = DASHBOARDS["amazon-connect-queue"]["panels"].index(rows[0]) + 1
    for panel in DASHBOARDS["amazon-connect-queue"]["panels"][after:]:
        assert all('queue=~"$queue"' in target["expr"] for target in panel["targets"])


def test_links_lead_to_dashboards_and_variables_that_exist() -> None:
    urls = [
        link["url"]
        for dashboard in DASHBOARDS.values()
        for node in everything(dashboard["panels"])
        if node.get("id") == "links"
        for link in node["value"]
    ]
    assert len(urls) >= 4
    for url in urls:
        path, _, query = url.partition("?")
        assert path.removeprefix("/d/") in DASHBOARDS
        assert set(re.findall(r"var-(\w+)=", query)) <= set(VARIABLES)
        assert set(re.findall(r"\$\{(\w+):queryparam\}", query)) <= set(VARIABLES)


def test_a_queues_link_leads_to_the_instance_and_the_queue_of_its_row() -> None:
    """Two contact centres may both have a queue "Sales"."""
    tables = [p for dashboard in DASHBOARDS.values() for p in panels(dashboard) if "__data.fields" in json.dumps(p)]
    assert len(tables) >= 4
    for table in tables:
        urls = [link["url"] for node in everything(table) if node.get("id") == "links" for link in node["value"]]
        columns = table["transformations"][-1]["options"]["renameByName"]
        for url in urls:
            filled = dict(re.findall(r"var-(\w+)=\$\{__data\.fields\.(\w+):percentencode\}", url))
            assert {"instance_alias", "queue"} <= set(filled)
            assert {label: columns[label] for label in filled} == filled
            assert not re.search(r"\$\{(instance_alias|queue):queryparam\}", url)


def test_links_of_alerts_lead_to_dashboards_and_variables_that_exist() -> None:
    rules = yaml.safe_load((REPOSITORY / "grafana" / "rules" / "alerts.yaml").read_text())
    alerts = list(chain.from_iterable(group["rules"] for group in rules["groups"]))
    assert len(alerts) > 20
    for alert in alerts:
        url = urllib.parse.urlsplit(alert["annotations"]["dashboard_url"])
        assert url.path.removeprefix("/d/") in DASHBOARDS, alert["alert"]
        # Templates have no & or = in them.
        given = re.findall(r"(?:^|&)([\w-]+)=", url.query)
        assert set(given) <= {f"var-{name}" for name in VARIABLES}, alert["alert"]


def test_the_place_of_what_is_not_measured_yet_is_easy_to_find() -> None:
    told = "".join(path.read_text() for path in (REPOSITORY / "grafana" / "boards").glob("*.py"))
    places = re.findall(r"# Here: (.+)", told)
    assert len(places) >= 4
    for awaited in ("required staff", "chat probe", "oncurrency", "opening hours"):
        assert any(awaited in place for place in places), awaited


def test_pictures_are_small_and_there_is_one_of_each_plotted_dashboard() -> None:
    found = {path.name: path.stat().st_size for path in (REPOSITORY / "grafana" / "pictures").iterdir()}
    assert found.keys() == {"wallboard.png", "queue.png"}
    assert max(found.values()) < 150_000


def test_variables_of_queries_are_known_to_the_tests() -> None:
    assert set(VARIABLES) - {"datasource"} <= set(VALUES)
