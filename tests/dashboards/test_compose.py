"""The composition to try it with: its parts fit together, as far as that shows without starting it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from exporter.cli import _parser
from tests.tools import REPOSITORY, need

GRAFANA = REPOSITORY / "grafana"
COMPOSE = yaml.safe_load((GRAFANA / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounts(service: str) -> dict[str, Path]:
    """Path in the container -> what is mounted there."""
    found = {}
    for mount in SERVICES[service]["volumes"]:
        source, target, *_ = mount.split(":")
        if source.startswith("."):
            found[target] = GRAFANA / source
    return found


def loaded(path: str) -> Any:
    return yaml.safe_load((GRAFANA / path).read_text())


def test_images_are_tagged_and_name_no_registry() -> None:
    for name, service in SERVICES.items():
        if name != "exporter":
            assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])


def test_the_exporter_is_built_from_here_and_understands_its_command() -> None:
    exporter = SERVICES["exporter"]
    assert (GRAFANA / exporter["build"] / "Dockerfile").is_file()
    options = _parser().parse_args(exporter["command"])
    assert options.listen_address == ":10042"


def test_what_is_mounted_exists_and_can_not_be_written() -> None:
    for name in ("prometheus", "alertmanager", "grafana"):
        assert mounts(name)
        for source in mounts(name).values():
            assert source.exists(), source
        assert all(m.endswith(":ro") for m in SERVICES[name]["volumes"] if m.startswith("."))


def test_ports_are_open_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service["ports"]]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_nobody_depends_on_what_is_not_there() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", [])) <= SERVICES.keys()


def test_prometheus_takes_its_configuration_and_the_rules_from_where_they_are_mounted() -> None:
    found = mounts("prometheus")
    configuration = found["/etc/prometheus/prometheus.yml"]
    done = subprocess.run(
        [need("promtool"), "check", "config", str(configuration)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "recording.yaml" in done.stdout
    assert "alerts.yaml" in done.stdout
    # Beside the configuration here as in the container.
    assert found["/etc/prometheus/rules"].resolve() == (configuration.parent / "rules").resolve()
    (job,) = loaded("prometheus.yml")["scrape_configs"]
    assert "amazon-connect" in job["job_name"]
    assert job["static_configs"] == [{"targets": ["exporter:10042"]}]


def test_names_of_services_are_the_hosts_that_are_spoken_to() -> None:
    sources = loaded("provisioning/datasources/prometheus.yaml")["datasources"]
    alerting = loaded("prometheus.yml")["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    hosts = {re.sub(r"^http://|:\d+$", "", address) for address in [*(s["url"] for s in sources), *alerting]}
    assert hosts == {"prometheus", "alertmanager"}


def test_grafana_finds_the_dashboards_and_the_data_source() -> None:
    found = mounts("grafana")
    assert found["/etc/grafana/provisioning"].resolve() == (GRAFANA / "provisioning").resolve()
    (provider,) = loaded("provisioning/dashboards/amazon-connect.yaml")["providers"]
    folder = provider["options"]["path"]
    assert found[folder].resolve() == (GRAFANA / "dashboards").resolve()
    assert provider["allowUiUpdates"] is False
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (found[folder] / home.removeprefix(f"{folder}/")).is_file()


def test_grafana_knows_how_often_is_scraped() -> None:
    sources = loaded("provisioning/datasources/prometheus.yaml")["datasources"]
    (source,) = (one for one in sources if one["type"] == "prometheus")
    assert source["isDefault"] is True
    assert source["jsonData"]["timeInterval"] == loaded("prometheus.yml")["global"]["scrape_interval"]


def test_the_exclusions_for_the_dashboard_linter_have_reasons() -> None:
    exclusions = loaded("dashboards/.lint")["exclusions"]
    assert exclusions
    assert all(one["reason"] for one in exclusions.values())
