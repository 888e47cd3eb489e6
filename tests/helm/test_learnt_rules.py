"""Defects of other people's charts, each of which this one must not have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.settings import load
from helm import build
from tests.helm import engine
from tests.helm.engine import CHART, CI_FILES, MAJORS, notes, only, refused, render
from tests.helm.validation import validate
from tests.tools import REPOSITORY, fetch, free_port, running, started, wait_for

MINIMAL = "config: {discovery: [{regions: [eu-west-2]}]}\n"
DEMO = "demo: {enabled: true}\n"
RULES = f"{MINIMAL}prometheusRule:\n  enabled: true\n"
SHARDED = f"{MINIMAL}sharding: {{enabled: true}}\n"


def ci(name: str) -> Path:
    return CHART / "ci" / f"{name}-values.yaml"


def everything() -> list[dict[str, Any]]:
    """Objects of all files of ci/."""
    return [one for path in CI_FILES for one in render(path)]


def nested(tree: Any, key: str) -> Iterator[Any]:
    """What stands under `key`, wherever."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == key:
                yield value
            yield from nested(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from nested(value, key)


# Scraping


@pytest.mark.parametrize(
    "ports", ["", "service: {port: 80}", "containerPort: 8080", "webConfig: {tls: true, existingSecret: w}"]
)
def test_a_service_monitors_port_is_the_name_of_a_port_of_the_service(ports: str) -> None:
    objects = render(f"{MINIMAL}serviceMonitor: {{enabled: true}}\n{ports}")
    service, monitor = only(objects, "Service"), only(objects, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    (port,) = service["spec"]["ports"]
    (pod_port,) = engine.container(objects)["ports"]
    assert endpoint["port"] == port["name"]
    assert port["targetPort"] == pod_port["name"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [service["metadata"]["namespace"]]}
    assert service["spec"]["selector"].items() <= engine.pod(objects)["metadata"]["labels"].items()


def test_a_pod_monitors_port_is_the_name_of_a_port_of_the_pod() -> None:
    objects = render(f"{MINIMAL}podMonitor: {{enabled: true}}\ncontainerPort: 8080")
    monitor, pod = only(objects, "PodMonitor"), engine.pod(objects)
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] in {
        one["name"] for one in engine.container(objects)["ports"]
    }
    assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
@pytest.mark.parametrize("release", ["r", "contact-centre"])
def test_the_job_does_not_depend_on_the_release(kind: str, release: str) -> None:
    key = kind[0].lower() + kind[1:]
    objects = render(f"{MINIMAL}{key}: {{enabled: true}}\nfullnameOverride: something-else", release=release)
    label = only(objects, kind)["spec"]["jobLabel"]
    assert label == "app.kubernetes.io/name"
    for one in (only(objects, "Service"), engine.pod(objects)):
        assert one["metadata"]["labels"][label] == "amazon-connect-exporter"


@pytest.mark.parametrize("values", [ci("irsa"), ci("kube-prometheus-stack"), ci("everything")])
def test_alerts_find_the_exporter_by_the_job_that_it_has(values: Path) -> None:
    objects = render(values)
    job = engine.pod(objects)["metadata"]["labels"]["app.kubernetes.io/name"]
    patterns = {
        pattern
        for expression in nested(only(objects, "PrometheusRule")["spec"], "expr")
        for pattern in re.findall(r'job=~"([^"]+)"', expression)
    }
    assert patterns
    assert all(re.fullmatch(pattern, job) for pattern in patterns)


def test_a_name_by_which_alerts_would_not_find_the_exporter_is_refused() -> None:
    assert "nameOverride" in refused(f"{MINIMAL}nameOverride: telephony\nprometheusRule: {{enabled: true}}")
    assert render(f"{MINIMAL}nameOverride: telephony")


def test_two_monitors_that_would_double_every_series_are_refused() -> None:
    assert "twice" in refused(f"{MINIMAL}serviceMonitor: {{enabled: true}}\npodMonitor: {{enabled: true}}")


def test_large_limits_arrive_as_whole_numbers() -> None:
    for kind in ("serviceMonitor", "podMonitor"):
        said = engine.template(f"{MINIMAL}{kind}: {{enabled: true, sampleLimit: 20000000}}").stdout
        assert "sampleLimit: 20000000\n" in said


# Network


def test_a_network_policy_opens_the_pods_port_and_not_the_services() -> None:
    objects = render(f"{MINIMAL}networkPolicy: {{enabled: true}}\nservice: {{port: 80}}\ncontainerPort: 8080")
    policy = only(objects, "NetworkPolicy")["spec"]
    (pod_port,) = engine.container(objects)["ports"]
    assert [rule["ports"] for rule in policy["ingress"]] == [[{"protocol": "TCP", "port": pod_port["containerPort"]}]]
    assert policy["podSelector"]["matchLabels"].items() <= engine.pod(objects)["metadata"]["labels"].items()


def test_an_empty_list_of_peers_is_left_out_and_never_written() -> None:
    policy = only(render(f"{MINIMAL}networkPolicy: {{enabled: true}}"), "NetworkPolicy")["spec"]
    assert [*policy["ingress"][0]] == ["ports"], "everyone, said as Kubernetes says it"
    for one in everything():
        if one["kind"] == "NetworkPolicy":
            assert all(peers for key in ("from", "to") for peers in nested(one["spec"], key))


def test_only_the_listed_peers_and_the_test_are_let_in() -> None:
    peers = only(render(ci("network-policies")), "NetworkPolicy")["spec"]["ingress"][0]["from"]
    assert [*map(sorted, peers)] == [["namespaceSelector", "podSelector"], ["podSelector"]]
    peers = only(render(ci("network-policies"), "test: {enabled: false}"), "NetworkPolicy")["spec"]["ingress"][0][
        "from"
    ]
    assert len(peers) == 1


def reachable(objects: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """Blocks of addresses and ports that a pod may reach."""
    rules = only(objects, "NetworkPolicy")["spec"]["egress"]
    return {
        (peer["ipBlock"]["cidr"], port["port"])
        for rule in rules
        for peer in rule.get("to", [])
        if "ipBlock" in peer
        for port in rule["ports"]
    }


def test_pods_may_reach_aws_and_the_pod_identity_agent_by_both_protocols() -> None:
    agent = {("169.254.170.23/32", 80), ("fd00:ec2::23/128", 80)}
    assert reachable(render(ci("pod-identity"))) == {("0.0.0.0/0", 443), ("::/0", 443), *agent}
    assert reachable(render(ci("network-policies"))) == {("10.0.0.0/16", 443), *agent}
    off = f"{MINIMAL}networkPolicy: {{enabled: true, egress: {{podIdentity: false}}}}"
    assert not reachable(render(off)) & agent


def test_the_demo_reaches_nothing_but_dns() -> None:
    assert not reachable(render(f"{DEMO}networkPolicy: {{enabled: true}}"))


# Disruptions, probes, labels


def test_a_disruption_budget_never_blocks_the_drain_of_a_node() -> None:
    budget = only(render(f"{MINIMAL}podDisruptionBudget: {{enabled: true}}"), "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert "minAvailable" not in budget


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize(
    ("budget", "pods"),
    [
        ("minAvailable: 1", 1),
        ("minAvailable: 100%", 1),
        ("minAvailable: 50%", 1),
        ("minAvailable: 1%", 1),
        ("minAvailable: 3", 3),
        ("minAvailable: 67%", 3),
        ("minAvailable: 99%", 3),
        ("maxUnavailable: 0", 1),
        ("maxUnavailable: 0%", 1),
    ],
)
def test_a_disruption_budget_that_would_block_it_is_refused(budget: str, pods: int, major: int) -> None:
    """Kubernetes rounds shares up: half of one pod is that pod."""
    values = f"{MINIMAL}sharding: {{enabled: true, total: {pods}}}\npodDisruptionBudget: {{enabled: true, {budget}}}"
    assert "drained" in refused(values, major=major)


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize(
    ("budget", "pods"), [("0", 0), ("0", 1), ("0%", 1), ("66%", 3), ("2", 3), ("50%", 2), ("1%", 100), ("1", 0)]
)
def test_a_disruption_budget_that_leaves_a_pod_to_be_taken_is_not(budget: str, pods: int, major: int) -> None:
    sharding = f"sharding: {{enabled: true, total: {pods}}}" if pods else "replicas: 0"
    values = f"{MINIMAL}{sharding}\npodDisruptionBudget: {{enabled: true, minAvailable: {budget}}}"
    assert str(only(render(values, major=major), "PodDisruptionBudget")["spec"]["minAvailable"]) == budget


def test_shards_may_keep_some_pods() -> None:
    values = "sharding: {enabled: true, total: 3}\npodDisruptionBudget: {enabled: true, minAvailable: 2}"
    budget = only(render(MINIMAL + values), "PodDisruptionBudget")["spec"]
    assert {key for key in budget if key != "selector"} == {"minAvailable"}
    assert budget["minAvailable"] == 2


PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


@pytest.mark.parametrize("name", PROBES)
def test_each_probe_has_its_own_key(name: str) -> None:
    before = engine.container(render(MINIMAL))
    after = engine.container(render(f"{MINIMAL}{name}: {{periodSeconds: 77}}"))
    assert after[name] == {**before[name], "periodSeconds": 77}
    assert {key: after[key] for key in PROBES if key != name} == {key: before[key] for key in PROBES if key != name}
    gone = engine.container(render(f"{MINIMAL}{name}: null"))
    assert {key for key in PROBES if key in gone} == {*PROBES} - {name}


def test_a_probe_may_be_of_another_sort_altogether() -> None:
    values = f"{MINIMAL}livenessProbe: {{httpGet: null, tcpSocket: {{port: metrics}}}}"
    probe = engine.container(render(values))["livenessProbe"]
    assert probe["tcpSocket"] == {"port": "metrics"}
    assert "httpGet" not in probe


def test_with_tls_all_that_asks_the_exporter_speaks_https() -> None:
    objects = render(ci("tls-basic-auth"))
    assert {engine.container(objects)[name]["httpGet"]["scheme"] for name in PROBES} == {"HTTPS"}
    assert only(objects, "ServiceMonitor")["spec"]["endpoints"][0]["scheme"] == "https"
    assert only(objects, "Service")["spec"]["ports"][0]["appProtocol"] == "https"
    assert ready_url(objects).startswith("https://")
    own = "readinessProbe: {httpGet: {scheme: HTTP}}\nserviceMonitor: {scheme: http}"
    objects = render(ci("tls-basic-auth"), own)
    assert engine.container(objects)["readinessProbe"]["httpGet"]["scheme"] == "HTTP"
    assert only(objects, "ServiceMonitor")["spec"]["endpoints"][0]["scheme"] == "http"


def test_tls_without_the_file_that_switches_it_on_is_refused() -> None:
    assert "existingSecret" in refused(f"{MINIMAL}webConfig: {{tls: true}}")
    assert "existingSecret" in refused(f"{MINIMAL}webConfig: {{certificateSecret: tls}}")


def test_certificates_of_another_secret_lie_beside_the_web_configuration() -> None:
    objects = render(ci("tls-basic-auth"))
    volume = next(one for one in engine.pod(objects)["spec"]["volumes"] if one["name"] == "web-config")
    assert [one["secret"]["name"] for one in volume["projected"]["sources"]] == ["exporter-web", "exporter-tls"]
    mount = next(one for one in engine.container(objects)["volumeMounts"] if one["name"] == "web-config")
    assert f"--web-config-file={mount['mountPath']}/web.yml" in engine.container(objects)["args"]


def selectors(objects: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Every set of labels by which one object finds another of this chart."""
    found: list[dict[str, str]] = []
    for one in objects:
        found += nested(one["spec"], "matchLabels") if "spec" in one and one["kind"] != "GrafanaDashboard" else []
        found += [one["spec"]["selector"]] if one["kind"] == "Service" else []
    return [one for one in found if "app.kubernetes.io/instance" in one]


def test_no_selector_contains_what_changes_with_a_release(tmp_path: Path) -> None:
    newer = tmp_path / "chart"
    shutil.copytree(CHART, newer)
    text = (newer / "Chart.yaml").read_text()
    (newer / "Chart.yaml").write_text(re.sub(r"(?m)^(version|appVersion): .*$", r'\1: "9.9.9+build"', text))
    labels = "commonLabels: {team: a, app.kubernetes.io/name: other}\npodLabels: {app.kubernetes.io/instance: other}"
    before = selectors(render(ci("sharded"), "networkPolicy: {enabled: true}"))
    after = selectors(render(ci("sharded"), f"networkPolicy: {{enabled: true}}\n{labels}", chart=newer))
    assert before == after
    assert len(before) >= 4
    wanted = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
    assert all(set(one) == wanted for one in before)


def test_a_chart_version_with_a_build_makes_labels_that_kubernetes_takes(tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    text = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(re.sub(r"(?m)^(version|appVersion): .*$", r'\1: "1.0.0-rc.1+build.7"', text))
    for one in render(ci("irsa"), chart=chart):
        for value in one["metadata"]["labels"].values():
            assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value)


def test_our_labels_can_not_be_overwritten_by_accident() -> None:
    pod = engine.pod(render(f"{MINIMAL}podLabels: {{app.kubernetes.io/name: other, team: a}}"))
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == "amazon-connect-exporter"
    assert pod["metadata"]["labels"]["team"] == "a"


def test_common_labels_are_on_every_object_and_pod() -> None:
    objects = render(ci("everything"))
    ours = [one for one in objects if not one["metadata"]["name"].startswith("r-")]
    assert len(ours) >= 10
    for one in [*ours, *engine.pods(objects)]:
        assert one["metadata"]["labels"]["cost-centre"] == "0042"


def test_a_new_version_of_the_chart_alone_restarts_no_pod(tmp_path: Path) -> None:
    newer = tmp_path / "chart"
    shutil.copytree(CHART, newer)
    text = (newer / "Chart.yaml").read_text()
    (newer / "Chart.yaml").write_text(re.sub(r"(?m)^version: .*$", "version: 9.9.9", text))
    assert engine.pod(render(MINIMAL, chart=newer)) == engine.pod(render(MINIMAL))


# Names


def test_the_longest_names_stay_within_what_kubernetes_allows() -> None:
    release = "a" * 53
    for one in render(ci("sharded"), "grafanaDashboards: {enabled: true}", release=release):
        name = one["metadata"]["name"]
        assert len(name) <= (253 if one["kind"] == "ConfigMap" else 63)
        if one["kind"] == "StatefulSet":
            assert len(f"{name}-1234567890") <= 63, "the label controller-revision-hash"
        assert all(len(value) <= 63 for value in one["metadata"]["labels"].values())


def test_names_that_look_like_numbers_stay_texts() -> None:
    values = f"{MINIMAL}serviceAccount: {{name: '1e3'}}\nserviceMonitor: {{enabled: true}}"
    for one in render(values, release="123", namespace="0456"):
        validate(one, engine.NEWEST)
        assert one["metadata"]["namespace"] == "0456"
        assert one["metadata"]["labels"]["app.kubernetes.io/instance"] == "123"


@pytest.mark.parametrize(
    "release", ["123", "my.release", "7.amazon-connect-exporter", f"{'a' * 51}.b", f"{'a' * 50}--b"]
)
@pytest.mark.parametrize("values", [ci("everything"), ci("sharded"), ci("irsa"), ci("pod-monitor")])
def test_any_name_of_a_release_makes_names_that_kubernetes_takes(values: Path, release: str) -> None:
    given: list[Path | str] = [values, "fullnameOverride: ''\nextraManifests: []"]
    for one in render(*given, release=release):
        validate(one, engine.NEWEST)


@pytest.mark.parametrize(
    "values",
    [
        "fullnameOverride: my.exporter",
        "fullnameOverride: '7'",
        "fullnameOverride: exporter-",
        "nameOverride: my.amazon-connect",
        "namespaceOverride: a.b",
        "serviceMonitor: {namespace: a.b}",
        "podMonitor: {namespace: a.b}",
        "prometheusRule: {namespace: A}",
        "grafanaDashboards: {namespace: -a}",
        "serviceAccount: {name: a..b}",
        "existingConfigMap: a.-b",
        "podLabels: {team: contact centre}",
        "commonLabels: {team: -a}",
        f"service: {{labels: {{team: {'a' * 64}}}}}",
        "nodeSelector: {zone: -a}",
    ],
)
@pytest.mark.parametrize("major", MAJORS)
def test_a_name_that_kubernetes_would_refuse_is_refused_before(values: str, major: int) -> None:
    said = refused(MINIMAL + values, major=major)
    assert "schema" in said
    assert values.partition(":")[0] in said


def test_everything_goes_into_the_namespace_that_is_asked_for() -> None:
    for one in render(
        ci("default"), "namespaceOverride: other\nserviceMonitor: {enabled: true, namespace: prometheus}"
    ):
        assert one["metadata"]["namespace"] == ("prometheus" if one["kind"] == "ServiceMonitor" else "other")


def test_a_digest_wins_over_the_tag_and_a_tag_over_the_version() -> None:
    def image(values: str) -> str:
        return str(engine.container(render(MINIMAL + values))["image"])

    digest = "sha256:" + "0" * 64
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    repository = "ghcr.io/amazon-connect-exporter/amazon-connect-exporter"
    assert image("") == f"{repository}:{version}"
    assert image("image: {tag: edge}") == f"{repository}:edge"
    assert image(f"image: {{tag: edge, digest: '{digest}'}}") == f"{repository}@{digest}"
    assert image("image: {registry: '', repository: local/it}") == f"local/it:{version}"


# Identity


def test_irsa_has_its_annotation_and_a_group_that_may_read_the_token() -> None:
    objects = render(ci("irsa"))
    annotations = only(objects, "ServiceAccount")["metadata"]["annotations"]
    assert annotations == {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/amazon-connect-exporter"}
    for pod in engine.pods(objects):
        assert pod["spec"]["securityContext"]["fsGroup"] > 0
        assert pod["spec"]["serviceAccountName"] == only(objects, "ServiceAccount")["metadata"]["name"]


def test_annotations_of_the_service_account_are_templates() -> None:
    annotations = only(render(ci("everything")), "ServiceAccount")["metadata"]["annotations"]
    assert annotations == {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/ns-connect"}


def test_pod_identity_wants_no_annotation_and_is_told_namespace_and_name() -> None:
    account = only(render(ci("pod-identity")), "ServiceAccount")["metadata"]
    assert "annotations" not in account
    said = notes(ci("pod-identity"), namespace="telephony")
    assert f"--namespace telephony --service-account {account['name']}" in said
    assert "create-pod-identity-association" not in notes(ci("irsa"))


def test_no_variable_is_ever_set_to_nothing() -> None:
    """An empty AWS_ACCESS_KEY_ID hides the pod's role."""
    text = f"{MINIMAL}aws: {{existingSecret: s, existingSecretKeys: {{sessionToken: ''}}}}"
    given: list[engine.Values] = [*CI_FILES, text]
    for values in given:
        for pod in engine.pods(render(values)):
            for container in pod["spec"]["containers"]:
                for variable in container.get("env", []):
                    assert variable.get("value") or variable["valueFrom"]
    names = {one["name"] for one in engine.container(render(ci("irsa"))).get("env", [])}
    assert not {name for name in names if name.startswith("AWS_")}


def test_keys_come_from_a_secret_made_by_somebody_else() -> None:
    objects = render(ci("static-secret"))
    assert "Secret" not in engine.kinds(everything())
    sources = {one["name"]: one.get("valueFrom") for one in engine.container(objects)["env"]}
    assert {name: sources[name] for name in sources if "KEY" in name or "TOKEN" in name} == {
        "AWS_ACCESS_KEY_ID": {"secretKeyRef": {"name": "connect-keys", "key": "id"}},
        "AWS_SECRET_ACCESS_KEY": {"secretKeyRef": {"name": "connect-keys", "key": "secret"}},
        "AWS_SESSION_TOKEN": {"secretKeyRef": {"name": "connect-keys", "key": "token"}},
    }
    values = f"{MINIMAL}aws: {{existingSecret: s}}"
    assert [one["name"] for one in engine.container(render(values))["env"]] == [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ]


@pytest.mark.parametrize("key", ["accessKeyId", "secretAccessKey", "sessionToken"])
def test_keys_in_values_are_refused(key: str) -> None:
    assert key in refused(f"{MINIMAL}aws: {{{key}: AKIAEXAMPLE}}")


def test_pods_talk_to_no_kubernetes_api_and_hear_of_no_other_service() -> None:
    assert not [kind for kind in engine.kinds(everything()) if "Role" in kind]
    for values in (MINIMAL, DEMO, ci("sharded")):
        objects = render(values)
        assert only(objects, "ServiceAccount")["automountServiceAccountToken"] is False
        for pod in engine.pods(objects):
            assert pod["spec"]["automountServiceAccountToken"] is False
            # A Service named amazon-connect-exporter would become AMAZON_CONNECT_EXPORTER_PORT and so on.
            assert pod["spec"]["enableServiceLinks"] is False


# Configuration


def test_pods_are_replaced_when_the_configuration_changes_and_only_then() -> None:
    def pod(values: str) -> dict[str, Any]:
        return engine.pod(render(MINIMAL + values))

    assert pod("aws: {region: us-east-1}")["metadata"] != pod("")["metadata"]
    assert pod("commonLabels: {}\nservice: {annotations: {a: b}}") == pod("")


STRANGE = [
    "no",
    "on",
    "012345",
    "1e5",
    "12:30",
    "null",
    "~",
    "0x1f",
    "2001-01-01",
    "{{ .Release.Name }}",
    "ä: #x",
    "1_0",
]


@pytest.mark.parametrize("text", STRANGE)
@pytest.mark.parametrize("major", MAJORS)
def test_texts_that_look_like_something_else_reach_the_exporter_unchanged(
    text: str, major: int, tmp_path: Path
) -> None:
    instance = {"id": "0a1b2c3d-1111-2222-3333-444455556666", "region": "eu-west-2", "alias": text}
    values = json.dumps({"config": {"instances": [instance], "limits": {"max_series": 20000000}}})
    file = tmp_path / "config.yml"
    file.write_text(only(render(values, major=major), "ConfigMap")["data"]["config.yml"])
    settings = load(file, {})
    assert settings.instances[0].alias == text
    assert settings.limits.max_series == 20000000


def test_the_region_of_the_file_wins_over_that_of_the_chart() -> None:
    def region(values: str) -> str:
        text = only(render(values), "ConfigMap")["data"]["config.yml"]
        return str(yaml.safe_load(text)["aws"]["region"])

    discovery = "discovery: [{regions: [eu-west-2]}]"
    assert region(f"aws: {{region: us-east-1}}\nconfig: {{{discovery}}}") == "us-east-1"
    assert region(f"aws: {{region: us-east-1}}\nconfig: {{{discovery}, aws: {{region: us-west-2}}}}") == "us-west-2"


def test_a_variable_of_the_users_takes_the_place_of_the_charts() -> None:
    """A name twice in a list is refused by server-side apply, which Helm 4 uses."""
    for path in CI_FILES:
        for container in (one for pod in engine.pods(render(path)) for one in pod["spec"]["containers"]):
            names = [one["name"] for one in container.get("env", [])]
            assert len(names) == len(set(names))
    assert engine.plain_environment(engine.container(render(ci("everything"))))["AWS_REGION"] == "eu-west-1"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("", "config.discovery"),
        ("config: {log: {level: debug}}", "config.discovery"),
        (f"{MINIMAL}existingConfigMap: theirs", "existingConfigMap"),
        (f"{DEMO}existingConfigMap: theirs", "existingConfigMap"),
        (f"{DEMO}sharding: {{enabled: true}}", "sharding"),
        (f"{MINIMAL}ingress: {{enabled: true}}", "ingress.hosts"),
        (f"{MINIMAL}httpRoute: {{enabled: true}}", "httpRoute.parentRefs"),
        (
            f"{MINIMAL}serviceMonitor: {{enabled: true, scrapeTimeout: 20s}}",
            "serviceMonitor.scrapeTimeout: 20s is longer",
        ),
        (f"{MINIMAL}podMonitor: {{enabled: true, interval: 1m, scrapeTimeout: 1m500ms}}", "podMonitor.scrapeTimeout"),
        (f"{MINIMAL}strategy: {{rollingUpdate: {{maxSurge: 0}}}}", "strategy.type: RollingUpdate"),
        (f"{RULES}  disabled: {{DataStale: true}}", "prometheusRule.disabled: no alert is called DataStale"),
        (f"{RULES}  severity: {{AmazonConnectStale: info}}", "prometheusRule.severity: no alert is called"),
        (f"{SHARDED}ingress: {{enabled: true, hosts: [{{host: a.example}}]}}", "excludes ingress.enabled"),
        (f"{SHARDED}httpRoute: {{enabled: true, parentRefs: [{{name: public}}]}}", "httpRoute.enabled"),
    ],
)
@pytest.mark.parametrize("major", MAJORS)
def test_what_can_not_be_meant_is_refused_in_words(values: str, words: str, major: int) -> None:
    assert words in refused(values, major=major)


@pytest.mark.parametrize(
    ("interval", "timeout"), [("15s", "15s"), ("1m", "59s999ms"), ("1h", "59m"), ("2000ms", "2s"), ("1m30s", "90s")]
)
def test_a_scrape_may_take_as_long_as_its_interval(interval: str, timeout: str) -> None:
    values = f"{MINIMAL}serviceMonitor: {{enabled: true, interval: {interval}, scrapeTimeout: {timeout}}}"
    (endpoint,) = only(render(values), "ServiceMonitor")["spec"]["endpoints"]
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == (interval, timeout)


def test_somebody_elses_configuration_needs_a_restart_and_the_notes_say_so() -> None:
    objects = render(ci("existing-config"))
    assert "ConfigMap" not in engine.kinds(objects)
    assert "rollout restart deployment/r-amazon-connect-exporter" in notes(ci("existing-config"))
    assert engine.plain_environment(engine.container(objects))["AMAZON_CONNECT_EXPORTER_AWS__REGION"] == "eu-central-1"


# Sharding


def test_a_shards_number_is_its_pods_and_their_total_is_that_of_the_pods() -> None:
    objects = render(ci("sharded"))
    kinds = engine.kinds(objects)
    assert "StatefulSet" in kinds
    assert "Deployment" not in kinds
    stateful = only(objects, "StatefulSet")["spec"]
    environment = {one["name"]: one for one in engine.container(objects)["env"]}
    index = environment["AMAZON_CONNECT_EXPORTER_SHARD__INDEX"]["valueFrom"]
    assert index == {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}}
    assert environment["AMAZON_CONNECT_EXPORTER_SHARD__TOTAL"]["value"] == str(stateful["replicas"]) == "3"


def test_shards_are_governed_by_a_service_without_an_address_that_may_come_and_go() -> None:
    sharded, alone = (only(render(values), "Service") for values in (ci("sharded"), ci("default")))
    assert sharded["spec"]["clusterIP"] == "None"
    assert "clusterIP" not in alone["spec"]
    assert sharded["metadata"]["name"] != alone["metadata"]["name"], "an address can not be taken from a Service"
    objects = render(ci("sharded"))
    assert only(objects, "StatefulSet")["spec"]["serviceName"] == sharded["metadata"]["name"]
    # Nothing maps ports there.
    assert ready_url(render(ci("sharded"), "service: {port: 80}")).endswith(":10042/-/ready")
    assert ready_url(render(ci("default"), "service: {port: 80}")).endswith(":80/-/ready")


def test_one_pod_at_a_time_and_nothing_that_adds_pods() -> None:
    """Two that collect the same spend AWS's quota twice, and every series is there twice."""
    assert only(render(MINIMAL), "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert only(render(MINIMAL), "Deployment")["spec"]["replicas"] == 1
    assert not [kind for kind in engine.kinds(everything()) if "Autoscaler" in kind or kind == "ScaledObject"]
    assert "autoscaling" not in yaml.safe_load((CHART / "values.yaml").read_text())
    assert "WARNING: replicas is 2" in notes(f"{MINIMAL}replicas: 2")
    assert "WARNING" not in notes(MINIMAL)


# Rules


def alerts(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    groups = only(objects, "PrometheusRule")["spec"]["groups"]
    return {one["alert"]: one for group in groups for one in group["rules"] if "alert" in one}


def test_what_stands_in_braces_belongs_to_prometheus() -> None:
    found = alerts(render(ci("kube-prometheus-stack")))
    assert "{{ $labels.queue }}" in found["AmazonConnectQueueUnstaffed"]["annotations"]["summary"]
    assert found["VipQueueBusy"]["annotations"]["summary"] == "{{ $value }} contacts wait in {{ $labels.queue }}"
    assert {one["annotations"].get("contact") for one in found.values()} == {
        "{{ $labels.instance_alias }} on call",
        None,
    }


def test_alerts_left_out_in_several_files_add_up(tmp_path: Path) -> None:
    names = list(alerts(render(RULES)))
    first, second = names[0], names[-1]
    one = tmp_path / "one.yaml"
    one.write_text(f"{RULES}  disabled: {{{first}: true}}\n")
    found = alerts(render(one, f"prometheusRule: {{disabled: {{{second}: true}}}}"))
    assert {*names} - {*found} == {first, second}
    found = alerts(render(one, f"prometheusRule: {{disabled: {{{first}: false}}}}"))
    assert first in found


def test_a_group_whose_alerts_are_all_left_out_is_left_out() -> None:
    names = dict.fromkeys(alerts(render(RULES)), True)
    values = yaml.safe_dump({"prometheusRule": {"disabled": names}})
    groups = only(render(ci("irsa"), values), "PrometheusRule")["spec"]["groups"]
    assert groups
    assert all(group["rules"] for group in groups)


def test_severity_labels_and_annotations_can_be_changed_and_nothing_else_changes() -> None:
    before, after = alerts(render(ci("irsa"))), alerts(render(ci("kube-prometheus-stack")))
    assert {*before} - {*after} == {"AmazonConnectOccupancyHigh"}
    assert after["AmazonConnectAgentsInError"]["labels"]["severity"] == "info"
    for name in {*before} & {*after}:
        assert after[name]["labels"]["team"] == "contact-centre"
        assert after[name]["expr"] == before[name]["expr"]
        if name != "AmazonConnectAgentsInError":
            assert after[name]["labels"] == {**before[name]["labels"], "team": "contact-centre"}


def test_links_lead_to_the_users_own_pages_or_are_left_out() -> None:
    found = alerts(render(ci("kube-prometheus-stack")))["AmazonConnectQueueUnstaffed"]["annotations"]
    assert found["runbook_url"] == "https://wiki.example.com/connect#amazonconnectqueueunstaffed"
    assert found["dashboard_url"].startswith(
        "https://example.com/grafana/d/amazon-connect-queue?var-job={{ $labels.job"
    )
    for one in alerts(render(RULES)).values():
        assert "dashboard_url" not in one["annotations"]
        assert "example.com" not in json.dumps(one)
        assert one["annotations"]["runbook_url"].partition("#")[2] == one["alert"].lower()
    for one in alerts(render(f"{RULES}  runbookUrl: ''")).values():
        assert "runbook_url" not in one["annotations"]


def test_names_of_alerts_in_our_examples_exist() -> None:
    names = set(alerts(render(RULES)))
    text = (CHART / "values.yaml").read_text() + ci("kube-prometheus-stack").read_text()
    mentioned = set(re.findall(r"AmazonConnect\w+", text))
    assert mentioned
    assert mentioned <= names


# Dashboards


@pytest.fixture(scope="module")
def with_dashboards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with two dashboards of which we know what is in them."""
    chart = tmp_path_factory.mktemp("dashboards") / "chart"
    shutil.copytree(CHART, chart)
    folder = chart / "files" / "dashboards"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for slug in ("queue", "wallboard"):
        panel = {
            "title": "Längste Wartezeit",
            "legendFormat": "{{queue}} {{ .Values.x }}",
            "expr": 'a{b="\\\\d"} > 1e3',
        }
        text = json.dumps({"uid": f"amazon-connect-{slug}", "panels": [panel]}, indent=2, ensure_ascii=False)
        (folder / f"amazon-connect-{slug}.json").write_text(text + "\n")
    return chart


def dashboards(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in objects if one["kind"] == "ConfigMap" and any(key.endswith(".json") for key in one["data"])]


@pytest.mark.parametrize("major", MAJORS)
def test_each_dashboard_is_a_config_map_with_the_sidecars_label(with_dashboards: Path, major: int) -> None:
    found = dashboards(render(ci("irsa"), chart=with_dashboards, major=major))
    assert [one["metadata"]["name"] for one in found] == [
        "r-amazon-connect-exporter-dashboard-queue",
        "r-amazon-connect-exporter-dashboard-wallboard",
    ]
    for one in found:
        ((name, text),) = one["data"].items()
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        # The sidecar puts the files of all charts into one folder.
        assert name.startswith("amazon-connect-")
        assert text == (with_dashboards / "files" / "dashboards" / name).read_text().strip()


def test_the_sidecars_label_is_whatever_it_looks_for(with_dashboards: Path) -> None:
    for one in dashboards(render(ci("everything"), chart=with_dashboards)):
        metadata = one["metadata"]
        assert metadata["namespace"] == "grafana"
        assert metadata["labels"]["dashboards"] == "yes"
        assert metadata["annotations"] == {"folder": "Contact centre", "example.com/owner": "contact-centre"}


def test_grafana_operator_takes_the_same_config_maps(with_dashboards: Path) -> None:
    objects = render(ci("everything"), chart=with_dashboards)
    resources = [one for one in objects if one["kind"] == "GrafanaDashboard"]
    maps = {one["metadata"]["name"]: one for one in dashboards(objects)}
    assert len(resources) == len(maps) == 2
    for one in resources:
        validate(one, engine.NEWEST)
        reference = one["spec"]["configMapRef"]
        assert reference["key"] in maps[reference["name"]]["data"]
        assert one["metadata"]["namespace"] == maps[reference["name"]]["metadata"]["namespace"]
    only_operator = f"{MINIMAL}grafanaDashboards: {{operator: {{enabled: true}}}}"
    for one in dashboards(render(only_operator, chart=with_dashboards)):
        assert "grafana_dashboard" not in one["metadata"]["labels"], "the sidecar would take it too"


def test_dashboards_without_the_rules_they_read_are_warned_of() -> None:
    said = "most panels of the dashboards will be empty"
    assert said in notes(f"{MINIMAL}grafanaDashboards: {{enabled: true}}")
    assert said in notes(f"{MINIMAL}grafanaDashboards: {{operator: {{enabled: true}}}}")
    assert "prometheusRule.enabled" in (CHART / "README.md").read_text().partition("## Grafana")[2].partition("##")[0]
    for path in CI_FILES:
        assert said not in notes(path)


def test_a_folder_needs_two_settings_of_the_sidecar_and_the_notes_say_so() -> None:
    said = notes(ci("kube-prometheus-stack"))
    assert "sidecar.dashboards.folderAnnotation: grafana_folder" in said
    assert "sidecar.dashboards.provider.foldersFromFilesStructure: true" in said
    assert "folderAnnotation" not in notes(ci("irsa"))


def test_without_the_label_of_kube_prometheus_stack_the_notes_and_the_readme_say_what_is_missing() -> None:
    said = notes(f"{MINIMAL}serviceMonitor: {{enabled: true}}\nprometheusRule: {{enabled: true}}")
    assert "serviceMonitor.labels.release" in said
    assert "prometheusRule.labels.release" in said
    assert "labels.release" not in notes(ci("irsa"))
    common = f"{MINIMAL}serviceMonitor: {{enabled: true}}\ncommonLabels: {{release: monitoring}}"
    assert "labels.release" not in notes(common)
    assert "kube-prometheus-stack selects only objects" in " ".join((CHART / "README.md").read_text().split())


@pytest.mark.parametrize("path", CI_FILES, ids=lambda path: path.name)
def test_notes_begin_with_where_to_look_and_have_no_gaps(path: Path) -> None:
    said = notes(path)
    assert "port-forward service/" in said
    assert "<no value>" not in said
    assert "\n\n\n" not in said


# Nothing where something may be

COLLECTIONS = sorted(
    value.path for value in build.values((CHART / "values.yaml").read_text()) if type(value.default) in (dict, list)
)
ASKED_FOR = {
    "config": "config.discovery",
    "ingress.hosts": "ingress.hosts",
    "httpRoute.parentRefs": "httpRoute.parentRefs",
}
"""What is needed, and the word by which it is missed."""


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("path", COLLECTIONS)
def test_a_key_all_of_whose_lines_are_comments_is_empty(path: str, major: int) -> None:
    """`podAnnotations:` and nothing beneath is null."""
    nothing: Any = None
    for key in reversed(path.split(".")):
        nothing = {key: nothing}
    base = ci("pod-monitor") if path.startswith("podMonitor") else ci("everything")
    values = (base, json.dumps(nothing))
    if path in ASKED_FOR:
        assert ASKED_FOR[path] in refused(*values, major=major)
        return
    for one in render(*values, major=major):
        validate(one, engine.NEWEST)
    if major == 4:
        assert "<no value>" not in notes(*values)


# As a part of another chart


@pytest.mark.parametrize("major", MAJORS)
def test_a_parent_chart_may_switch_it_off_and_have_global_values(major: int, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    shutil.copytree(CHART, parent / "charts" / "amazon-connect-exporter")
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    dependency = {"name": "amazon-connect-exporter", "version": version, "condition": "amazon-connect-exporter.enabled"}
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))
    values = "global: {imageRegistry: x}\namazon-connect-exporter: {enabled: %s, demo: {enabled: true}}"
    assert "Deployment" in engine.kinds(render(values % "true", chart=parent, major=major))
    assert not render(values % "false", chart=parent, major=major)


# helm test


def ready_url(objects: list[dict[str, Any]] | None = None) -> str:
    pod = only(objects or render(MINIMAL), "Pod")["spec"]
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    return str(next(one["command"][3] for one in containers if one["name"] == "ready"))


def test_the_test_pod_is_nobodys_endpoint() -> None:
    for objects in (render(path, "test: {enabled: true}") for path in CI_FILES):
        labels = only(objects, "Pod")["metadata"]["labels"]
        wanted = [one for one in selectors(objects) if one["app.kubernetes.io/component"] != "test"]
        assert wanted
        assert not [one for one in wanted if one.items() <= labels.items()]


def test_the_test_pod_uses_the_exporters_own_image_and_is_asked_for_by_helm_test_only() -> None:
    objects = render(ci("everything"))
    pod = only(objects, "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    images = {one["image"] for one in [*pod["spec"]["containers"], *pod["spec"]["initContainers"]]}
    assert images == {engine.container(objects)["image"]}
    assert pod["spec"]["containers"][0]["args"][-1] == "--live"
    assert "Pod" not in engine.kinds(render(f"{MINIMAL}test: {{enabled: false}}"))


def test_the_pods_of_the_demo_serve_metrics_and_pass_their_own_test(tmp_path: Path) -> None:
    """What the pods would run, without a cluster."""
    port = free_port()
    objects = render(f"demo: {{enabled: true, instances: 1, queues: 2}}\ncontainerPort: {port}")
    container = engine.container(objects)
    script = [sys.executable, *only(objects, "Pod")["spec"]["containers"][0]["command"][1:3]]
    url = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-m", "exporter", *container["args"]], tmp_path, cwd=REPOSITORY) as program:
        for name in PROBES:
            started(program, url + container[name]["httpGet"]["path"])
        series = "amazon_connect_queue_contacts_in_queue{"
        wait_for(lambda: series in fetch(f"{url}/metrics").text, series)
        done = subprocess.run(
            [*script, f"{url}/-/ready", "10"], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        assert program.stop() == 0
    done = subprocess.run([*script, f"{url}/-/ready", "0"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{url}/-/ready: ")


@pytest.mark.parametrize(
    "key",
    [
        "replicas",
        "revisionHistoryLimit",
        "terminationGracePeriodSeconds",
        "containerPort",
        "service.port",
        "test.timeout",
    ],
)
def test_a_number_that_is_null_is_refused_and_not_taken_for_zero(key: str) -> None:
    block, _, inner = key.partition(".")
    said = refused(f"{MINIMAL}{block}: {{{inner}: null}}" if inner else f"{MINIMAL}{block}: null")
    assert f"{key}: a number is needed, null is none" in said


def test_a_headless_service_is_forwarded_to_the_port_of_the_pod() -> None:
    port = "service: {port: 80}"
    assert "10042:80\n" in notes(f"{MINIMAL}{port}")
    assert "10042:10042\n" in notes(f"{MINIMAL}{port}\nsharding: {{enabled: true}}")
