"""Each file of ci/, through both Helms, on three versions of Kubernetes, and through whatever can judge the result."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm import engine
from tests.helm.engine import CHART, CI_FILES, KUBERNETES, MAJORS, MONITORING, NEWEST, OLDEST
from tests.helm.security import violations
from tests.helm.validation import validate
from tests.tools import REPOSITORY, need

NAMES = {
    "default",
    "irsa",
    "pod-identity",
    "static-secret",
    "existing-config",
    "tls-basic-auth",
    "kube-prometheus-stack",
    "sharded",
    "network-policies",
    "demo",
    "everything",
    "pod-monitor",
}

majors = pytest.mark.parametrize("major", MAJORS)
files = pytest.mark.parametrize("values", CI_FILES, ids=lambda path: path.name.removesuffix("-values.yaml"))
versions = pytest.mark.parametrize("kubernetes", KUBERNETES)


def test_there_is_a_file_for_each_way_to_install() -> None:
    assert {path.name.removesuffix("-values.yaml") for path in CI_FILES} >= NAMES


@majors
@files
def test_lint_has_nothing_to_say(values: Path, major: int) -> None:
    said = engine.call(major, "lint", "--strict", CHART, values=[values])
    lines = [line for line in said.output.splitlines() if line]
    assert said.status == 0, said.output
    assert lines == [f"==> Linting {CHART}", "1 chart(s) linted, 0 chart(s) failed"]


@majors
def test_lint_without_values_passes_and_names_what_is_missing(major: int) -> None:
    said = engine.call(major, "lint", "--strict", CHART)
    assert said.status == 0, said.output
    assert "set config.instances or config.discovery" in said.output


@files
@versions
def test_the_cluster_takes_every_object_and_every_field(values: Path, kubernetes: str) -> None:
    for one in engine.render(values, kubernetes=kubernetes):
        validate(one, kubernetes)


@files
@versions
def test_both_helms_say_the_same_with_and_without_prometheus_operator(values: Path, kubernetes: str) -> None:
    """A chart that asks the cluster what it knows loses its monitors in tools that render without one."""
    expected = engine.render(values, kubernetes=kubernetes)
    assert expected
    for major in MAJORS:
        for apis in ((), MONITORING):
            assert engine.render(values, major=major, kubernetes=kubernetes, apis=apis) == expected


@files
def test_every_pod_passes_the_restricted_standard(values: Path) -> None:
    objects = engine.render(values)
    found = list(engine.pods(objects))
    assert len(found) == 1 + engine.kinds(objects).count("Pod"), "the exporter's and the test's"
    assert not [text for one in found for text in violations(one["spec"])]


def files_of(pod: dict[str, Any], objects: list[dict[str, Any]], given: dict[str, str], directory: Path) -> None:
    """What the pod's configuration volume shows; `given` is the ConfigMap that is made by somebody else."""
    volume = next(one["configMap"] for one in pod["spec"]["volumes"] if one["name"] == "config")
    maps = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "ConfigMap"}
    for item in volume["items"]:
        (directory / item["path"]).write_text(maps.get(volume["name"], given)[item["key"]])


@pytest.mark.parametrize(
    "values", [path for path in CI_FILES if "demo" not in path.name], ids=lambda path: path.name.partition("-v")[0]
)
def test_the_exporter_accepts_its_configuration_and_environment(values: Path, tmp_path: Path) -> None:
    objects = engine.render(values)
    pod, container = engine.pod(objects), engine.container(objects)
    files_of(pod, objects, {"exporter.yaml": "discovery: [{regions: [us-east-1]}]"}, tmp_path)
    config = next(one for one in container["args"] if one.startswith("--config=")).removeprefix("--config=")
    mount = next(one["mountPath"] for one in container["volumeMounts"] if one["name"] == "config")
    assert Path(config).parent == Path(mount)
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "check", "--config", str(tmp_path / Path(config).name)],
        cwd=REPOSITORY,
        env={**os.environ, **engine.plain_environment(container)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@files
def test_promtool_accepts_the_rules(values: Path, tmp_path: Path) -> None:
    promtool = need("promtool")
    rules = [one["spec"] for one in engine.render(values) if one["kind"] == "PrometheusRule"]
    for spec in rules:
        file = tmp_path / "rules.yaml"
        file.write_text(yaml.safe_dump(spec))
        argv = [promtool, "check", "rules", "--lint=all", "--lint-fatal", str(file)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_some_files_have_rules_to_accept() -> None:
    counted = [engine.kinds(engine.render(path)).count("PrometheusRule") for path in CI_FILES]
    assert sum(counted) >= 3


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart as it is published."""
    directory = tmp_path_factory.mktemp("package")
    said = engine.call(4, "package", CHART, "--destination", directory)
    assert said.status == 0, said.output
    (archive,) = directory.glob("*.tgz")
    return archive


def test_the_package_has_what_it_needs_and_no_more(package: Path) -> None:
    with tarfile.open(package) as archive:
        names = {name.removeprefix("amazon-connect-exporter/") for name in archive.getnames()}
    wanted = {str(path.relative_to(CHART)) for path in CHART.rglob("*") if path.is_file()}
    wanted -= {str(path.relative_to(CHART)) for path in CI_FILES}
    assert names == {name for name in wanted if "__pycache__" not in name} - {".helmignore"} | (names & {".helmignore"})
    assert names >= {"LICENSE", "README.md", "values.schema.json", "files/ready.py", "templates/NOTES.txt"}


@majors
@files
def test_the_package_renders_as_the_folder_does(values: Path, major: int, package: Path) -> None:
    assert engine.render(values, major=major, chart=package) == engine.render(values, major=major)


def test_helm_can_store_a_release_that_has_everything(package: Path) -> None:
    """A release is a Secret of at most 1 MiB: chart and objects as JSON, compressed, in base64."""
    with tarfile.open(package) as archive:
        members = [archive.extractfile(member) for member in archive.getmembers()]
        parts = [base64.b64encode(member.read()).decode() for member in members if member]
    release = {"chart": parts, "manifest": engine.template(CHART / "ci" / "everything-values.yaml").stdout}
    stored = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode())))
    assert len(stored) < 2**20 * 0.9


@majors
@pytest.mark.parametrize("kubernetes", ["1.33.2-eks-a1b2c3d", "1.30.5-gke.1014001", f"{OLDEST}.0", f"{NEWEST}.0"])
def test_versions_of_kubernetes_as_clouds_write_them_are_supported(kubernetes: str, major: int) -> None:
    assert engine.render(CI_FILES[0], kubernetes=kubernetes, major=major)


@majors
def test_a_cluster_that_is_too_old_is_refused(major: int) -> None:
    assert "kubeVersion" in engine.refused(CI_FILES[0], kubernetes="1.27.16", major=major)


def test_dashboards_and_rules_are_those_of_the_repository() -> None:
    """Here end to end; byte by byte where the chart's files are compared."""
    objects = engine.render(CHART / "ci" / "irsa-values.yaml")
    shown = {name: text for one in objects if one["kind"] == "ConfigMap" for name, text in one["data"].items()}
    del shown["config.yml"]
    source = {path.name: path.read_text().strip() for path in (REPOSITORY / "grafana/dashboards").glob("amazon-*.json")}
    assert shown == source

    rules = [one for group in engine.only(objects, "PrometheusRule")["spec"]["groups"] for one in group["rules"]]
    written = [yaml.safe_load(path.read_text()) for path in sorted((REPOSITORY / "grafana/rules").glob("*.yaml"))]
    expected = [one for file in written for group in file["groups"] for one in group["rules"]]
    assert [without_links(one) for one in rules] == [without_links(one) for one in expected]


def without_links(rule: dict[str, Any]) -> dict[str, Any]:
    texts = {key: text for key, text in rule.get("annotations", {}).items() if not re.search("_url$", key)}
    return {**rule, "annotations": texts}
