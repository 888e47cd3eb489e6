"""Chart.yaml, values and their schema, the README, and what is copied into the chart."""

from __future__ import annotations

import base64
import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from exporter import __version__
from exporter.settings import Settings
from exporter.settings_types import REGION
from helm import build
from tests.helm import engine
from tests.helm.engine import CHART, CI_FILES, MAJORS, OLDEST
from tests.helm.security import violations

VALUES = (CHART / "values.yaml").read_text()
DEFAULTS: dict[str, Any] = yaml.safe_load(VALUES)
DOCUMENTED = {value.path: value for value in build.values(VALUES)}
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
ABOUT: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
MINIMAL = "config: {discovery: [{regions: [eu-west-2]}]}\n"


# Chart.yaml


def test_the_chart_installs_the_version_it_was_made_with() -> None:
    assert ABOUT["appVersion"] == __version__
    assert isinstance(ABOUT["appVersion"], str)
    (image,) = yaml.safe_load(ABOUT["annotations"]["artifacthub.io/images"])
    assert image["image"] == engine.container(engine.render(MINIMAL))["image"]


def test_chart_yaml_says_all_that_a_catalogue_shows() -> None:
    wanted = {"apiVersion", "name", "description", "type", "version", "appVersion", "kubeVersion", "home", "sources"}
    assert set(ABOUT) == wanted | {"icon", "maintainers", "keywords", "annotations"}
    assert ABOUT["apiVersion"] == "v2"
    # Not every Helm 3 takes the suffix of a cloud for what it is; to the others it is a pre-release, which "-0" admits.
    assert ABOUT["kubeVersion"] == f">={OLDEST}.0-0"
    assert ABOUT["maintainers"] == [{"name": "the amazon-connect-exporter authors"}]
    assert ABOUT["keywords"] == sorted(set(ABOUT["keywords"]))
    assert ABOUT["annotations"]["artifacthub.io/license"] == "Apache-2.0"
    for key in ("links", "changes", "images"):
        assert all(isinstance(one, dict) for one in yaml.safe_load(ABOUT["annotations"][f"artifacthub.io/{key}"]))


def test_the_icon_is_an_image_that_needs_no_host() -> None:
    kind, _, data = ABOUT["icon"].partition(";base64,")
    assert kind == "data:image/svg+xml"
    assert ET.fromstring(base64.b64decode(data)).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - ours


# What is made of other files


def test_copies_schema_and_table_are_those_of_today() -> None:
    assert build.differences(build.wanted()) == [], "run `make chart`"


def test_building_twice_changes_nothing_and_what_has_no_source_any_more_goes(tmp_path: Path) -> None:
    chart, repository = tmp_path / "chart", tmp_path / "repository"
    shutil.copytree(CHART, chart)
    (repository / "grafana" / "rules").mkdir(parents=True)
    shutil.copy(build.REPOSITORY / "LICENSE", repository)
    (repository / "grafana" / "rules" / "alerts.yaml").write_text("groups: []\n")
    gone = chart / "files" / "rules" / "gone.yaml"
    gone.write_text("groups: []\n")

    def wanted() -> dict[Path, str]:
        return build.wanted(repository, chart)

    assert gone in build.write(wanted(), chart)
    assert [path.name for path in (chart / "files" / "rules").iterdir()] == ["alerts.yaml"]
    assert build.write(wanted(), chart) == []
    # No dashboards at all: the chart still renders.
    assert not list((chart / "files").glob("dashboards/*.json"))
    assert engine.render(CHART / "ci" / "everything-values.yaml", chart=chart)


@pytest.mark.parametrize(
    ("text", "message"),
    [("# -- One.\n# -- Two.\na: 1\n", "no key: # -- Two."), ("a: 1\n# -- Of nothing.\n", "no key after: Of nothing.")],
)
def test_a_comment_without_its_value_is_noticed(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        list(build.values(text))


def test_the_table_shows_paths_defaults_and_meanings() -> None:
    text = "a:\n  # -- First | part.\n  b: [1]\n\n  # not said\n  c: 2\n# -- Whole.\nd:\n  e: {f: null}\n"
    assert [(one.path, one.text, one.default) for one in build.values(text)] == [
        ("a.b", "First | part.", [1]),
        ("d", "Whole.", {"e": {"f": None}}),
    ]
    assert "| `a.b` | `[1]` | First \\| part. |" in build.table(text)


# Values


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    else:
        yield ".".join(path)


def test_every_value_is_documented_by_itself_or_as_a_part_of_an_object() -> None:
    undocumented = [
        leaf for leaf in leaves(DEFAULTS) if not any(leaf == path or leaf.startswith(f"{path}.") for path in DOCUMENTED)
    ]
    assert undocumented == []
    assert all(value.text.endswith((".", "`", ")")) for value in DOCUMENTED.values())


def test_every_value_is_set_in_some_file_that_the_tests_render() -> None:
    def has(tree: Any, path: list[str]) -> bool:
        return not path or (isinstance(tree, dict) and path[0] in tree and has(tree[path[0]], path[1:]))

    given = [yaml.safe_load(path.read_text()) for path in CI_FILES]
    assert [path for path in DOCUMENTED if not any(has(one, path.split(".")) for one in given)] == []


def test_the_readme_of_the_chart_needs_eight_lines_for_irsa_and_everything_around_it() -> None:
    block = next(block for block in examples() if "role-arn" in block)
    assert len(block.strip().splitlines()) <= 8
    kinds = engine.kinds(engine.render(block))
    assert {"Deployment", "ServiceMonitor", "PrometheusRule"} <= {*kinds}


def examples() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (CHART / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("block", examples())
def test_examples_of_the_readme_render(block: str) -> None:
    assert engine.render(block)


# values.schema.json


def objects_of(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema["properties"], dict):
            yield schema
        for value in schema.values():
            yield from objects_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects_of(value)


def test_the_schema_is_one_and_knows_what_it_does_not_know() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    found = list(objects_of(SCHEMA))
    assert len(found) > 20
    assert all(one["additionalProperties"] is False for one in found)


def test_schema_and_values_have_the_same_keys() -> None:
    def keys(schema: dict[str, Any], values: Any, path: str) -> None:
        properties = schema.get("properties")
        if properties is None or path in {".config", ".strategy", ".resources"}:
            return
        extra = {"global", "enabled"} if not path else set()
        assert set(properties) - extra == set(values), path
        for key, value in values.items():
            keys(properties[key], value, f"{path}.{key}")

    keys(SCHEMA, DEFAULTS, "")
    assert set(SCHEMA["properties"]["config"]["properties"]) == set(Settings.model_fields)


def test_defaults_and_every_file_fit_the_schema() -> None:
    validator = jsonschema.Draft7Validator(SCHEMA)
    validator.validate(DEFAULTS)
    for path in CI_FILES:
        assert validator.is_valid(yaml.safe_load(path.read_text())) or "null" in path.read_text()


WRONG = {
    "replica: 2": "replica",
    "config: {queues: []}": "queues",
    "image: {tag: v1 2}": "tag",
    "image: {digest: 0123}": "digest",
    "replicas: -1": "replicas",
    "replicas: many": "replicas",
    "sharding: {total: 0}": "total",
    "service: {type: Cluster}": "type",
    "service: {port: 70000}": "port",
    "serviceMonitor: {enabled: 'yes'}": "enabled",
    "serviceMonitor: {interval: 15}": "interval",
    "serviceMonitor: {interval: often}": "interval",
    "serviceMonitor: {port: http}": "port",
    "podMonitor: {targetLabels: [a]}": "targetLabels",
    "prometheusRule: {disabled: [AmazonConnectDataStale]}": "disabled",
    "prometheusRule: {runbookUrl: 1}": "runbookUrl",
    "networkPolicy: {ingress: {from: {}}}": "from",
    "podAnnotations: {a: 1}": "podAnnotations",
    "commonLabels: {a: true}": "commonLabels",
    "nameOverride: Upper": "nameOverride",
    "aws: {region: Ireland}": "region",
    "aws: {accessKeyId: AKIAEXAMPLE}": "accessKeyId",
    "extraEnv: {a: b}": "extraEnv",
    "extraEnv: [{name: A, val: b}]": "extraEnv",
    "ingress: {hosts: [connect.example.com]}": "hosts",
    "autoscaling: {enabled: true}": "autoscaling",
}


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("values", WRONG)
def test_a_value_that_can_not_be_is_refused_by_its_name(values: str, major: int) -> None:
    merged = {"config": {"discovery": [{"regions": ["eu-west-2"]}]}} | yaml.safe_load(values)
    said = engine.refused(json.dumps(merged), major=major)
    assert "schema" in said
    assert WRONG[values] in said


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-12"])
def test_a_region_is_what_the_exporter_takes_for_one(region: str) -> None:
    assert REGION.fullmatch(region)
    for major in MAJORS:
        engine.render(f"{MINIMAL}aws: {{region: {region}}}", major=major)


# Our own judge of pods


GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "v", "configMap": {"name": "m"}}],
    "containers": [
        {"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """GOOD with one field more, by its path; null takes it away."""
    pod: dict[str, Any] = json.loads(json.dumps(GOOD))
    *parents, last = path.split(".")
    place: Any = pod
    for key in parents:
        place = place[int(key)] if key.isdecimal() else place.setdefault(key, {})
    if value is None:
        del place[last]
    else:
        place[last] = value
    return pod


OF_CONTAINER = "containers.0.securityContext"
BAD = [
    ("hostNetwork", True),
    ("hostPID", True),
    ("hostIPC", True),
    ("securityContext.runAsNonRoot", None),
    ("securityContext.runAsNonRoot", False),
    ("securityContext.runAsUser", 0),
    ("securityContext.seccompProfile", None),
    ("securityContext.seccompProfile.type", "Unconfined"),
    ("securityContext.windowsOptions", {"hostProcess": True}),
    ("securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    ("securityContext.seLinuxOptions", {"type": "spc_t"}),
    ("securityContext.seLinuxOptions", {"user": "system_u"}),
    ("securityContext.appArmorProfile", {"type": "Unconfined"}),
    ("volumes", [{"name": "v", "hostPath": {"path": "/"}}]),
    ("volumes", [{"name": "v", "nfs": {"server": "s", "path": "/"}}]),
    (f"{OF_CONTAINER}.privileged", True),
    (f"{OF_CONTAINER}.allowPrivilegeEscalation", None),
    (f"{OF_CONTAINER}.allowPrivilegeEscalation", True),
    (f"{OF_CONTAINER}.capabilities", None),
    (f"{OF_CONTAINER}.capabilities.drop", ["NET_RAW"]),
    (f"{OF_CONTAINER}.capabilities.add", ["SYS_ADMIN"]),
    (f"{OF_CONTAINER}.procMount", "Unmasked"),
    (f"{OF_CONTAINER}.runAsNonRoot", False),
    (f"{OF_CONTAINER}.runAsUser", 0),
    (f"{OF_CONTAINER}.seccompProfile", {"type": "Unconfined"}),
    ("containers.0.ports", [{"containerPort": 1, "hostPort": 1}]),
    ("containers.0.livenessProbe", {"httpGet": {"host": "169.254.169.254"}}),
    ("containers.0.lifecycle", {"preStop": {"tcpSocket": {"host": "10.0.0.1", "port": 1}}}),
    ("initContainers", [{"name": "i"}]),
    ("ephemeralContainers", [{"name": "e"}]),
]


def test_a_pod_as_the_restricted_standard_wants_it_is_not_blamed() -> None:
    assert violations(GOOD) == []
    assert violations(changed(f"{OF_CONTAINER}.capabilities.add", ["NET_BIND_SERVICE"])) == []


@pytest.mark.parametrize(("path", "value"), BAD)
def test_what_the_restricted_standard_forbids_is_found(path: str, value: Any) -> None:
    assert violations(changed(path, value))
