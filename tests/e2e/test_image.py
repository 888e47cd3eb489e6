"""The container image, built and run with the locks a cluster puts on it.

No registry of images is needed: the base is Debian with its Python, made by debootstrap once and kept in the user's
cache directory.
"""

from __future__ import annotations

import email
import fcntl
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from exporter import __version__
from tests.helm import engine
from tests.tools import REPOSITORY, Running, fetch, free_port, need, running, started, wait_for

BASE = "localhost/python:stand-in"
IMAGE = "localhost/amazon-connect-exporter:test"
REVISION = "0123456789abcdef"
# Seconds since 1970: the time that the build is told.
EPOCH = 1_700_000_000
SUITE = "bookworm"
# The user of the Dockerfile; one that no base image knows.
USER = 65532
# Debian's, and that of every base image we name: pip needs the machine's where a company's proxy signs.
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
MEGABYTE = 1_000_000
# What we put on top of the base, unpacked, in MB; the README says how much it is.
MOST_WE_ADD = 45

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux: debootstrap, chroot and runc do"
)


def run(argv: Sequence[str], *, timeout: float = 240) -> str:
    """Its stdout; what it said is in the failure's message."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class Containers:
    """podman and buildah with a store of their own, apart from the machine's."""

    directory: Path

    def store(self) -> list[str]:
        root, runroot = self.directory / "root", self.directory / "runroot"
        return ["--root", str(root), "--runroot", str(runroot), "--storage-driver", "vfs"]

    def podman(self, *arguments: str) -> list[str]:
        # crun wants more of the machine than a CI container gives.
        return [need("podman"), *self.store(), "--cgroup-manager=cgroupfs", f"--runtime={need('runc')}", *arguments]

    def buildah(self, *arguments: str) -> list[str]:
        return [need("buildah"), *self.store(), *arguments]

    def inspect(self, what: str, kind: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(run(self.podman("inspect", "--type", kind, what)))
        return found[0]


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    for program in ("buildah", "podman", "runc", "debootstrap"):
        need(program)
    # Not pytest's own: podman takes no run root of more than 50 characters, and half a gigabyte need not be kept.
    directory = Path(tempfile.mkdtemp(prefix="ace-"))
    yield Containers(directory)
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def base_archive(scratch: Path) -> Path:
    """A minimal Debian with Python, venv and pip, as a tar file; made in 40 seconds, once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "amazon-connect-exporter-tests"
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / f"{SUITE}-python.tar"
    with locked(cache / "lock"):
        if not archive.exists():
            rootfs, unfinished = scratch / "rootfs", archive.with_suffix(".unfinished")
            packages = "python3,python3-venv,python3-pip,ca-certificates"
            argv = [need("debootstrap"), "--variant=minbase", f"--include={packages}", SUITE, str(rootfs), *mirror()]
            run(argv, timeout=280)
            run(
                [
                    "tar",
                    "-C",
                    str(rootfs),
                    "--exclude=./var/cache/apt/archives/*.deb",
                    "--numeric-owner",
                    "-cf",
                    str(unfinished),
                    ".",
                ]
            )
            unfinished.rename(archive)
            shutil.rmtree(rootfs)
    return archive


def mirror() -> list[str]:
    """Where this machine's apt gets Debian from; debootstrap's own default on other systems."""
    apt = shutil.which("apt-get")
    if apt is None:
        return []
    lines = run([apt, "indextargets", "--format", "$(CODENAME) $(SITE)", "Created-By: Packages"]).splitlines()
    return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == SUITE][:1]


def pip_configuration(directory: Path) -> list[str]:
    """buildah's options that give pip in the container what pip has here: index, proxy and certificates."""
    lines = ["[global]"]
    for line in run([sys.executable, "-m", "pip", "config", "list"]).splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in {"index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries"}:
            lines.append(f"{name} = {value.strip(chr(39))}")
    options = []
    if CA_BUNDLE.exists():
        lines.append(f"cert = {CA_BUNDLE}")
        options += ["--volume", f"{CA_BUNDLE}:{CA_BUNDLE}:ro"]
    configuration = directory / "pip.conf"
    configuration.write_text("\n".join(lines) + "\n")
    proxies = [f"--build-arg={name}_proxy={url}" for name, url in urllib.request.getproxies().items()]
    return [*options, "--volume", f"{configuration}:/etc/pip.conf:ro", *proxies]


@pytest.fixture(scope="module")
def base(containers: Containers) -> str:
    run(containers.podman("import", "--quiet", str(base_archive(containers.directory)), BASE))
    return BASE


@pytest.fixture(scope="module")
def image(containers: Containers, base: str) -> str:
    build = [
        *("build", "--isolation=chroot", "--network=host", "--layers=false", "--format=docker"),
        *(f"--build-arg=BASE={base}", f"--build-arg=VERSION={__version__}", f"--build-arg=REVISION={REVISION}"),
        f"--build-arg=SOURCE_DATE_EPOCH={EPOCH}",
        *pip_configuration(containers.directory),
        *("--tag", IMAGE, str(REPOSITORY)),
    ]
    run(containers.buildah(*build))
    return IMAGE


@pytest.fixture(scope="module")
def tree(containers: Containers, image: str) -> Iterator[Path]:
    """The image's files, as they lie on disk."""
    yield Path(run(containers.podman("image", "mount", image)).strip())
    run(containers.podman("image", "unmount", image))


@pytest.fixture(scope="module")
def packages(tree: Path) -> Path:
    """site-packages of the program's environment."""
    (found,) = tree.glob("opt/venv/lib/python3*/site-packages")
    return found


LOCKS = (
    "--rm",
    "--network=host",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1000:1000",
)


@contextmanager
def container(containers: Containers, image: str, name: str, directory: Path, *command: str) -> Iterator[Running]:
    argv = containers.podman("run", *LOCKS, "--name", name, image, *command)
    try:
        with running(argv, directory) as program:
            yield program
    finally:
        subprocess.run(containers.podman("rm", "--force", "--ignore", name), capture_output=True, check=False)


def python(containers: Containers, image: str, code: str) -> str:
    """What a piece of Python prints in the image, under the same locks."""
    return run(containers.podman("run", *LOCKS, "--entrypoint", "/opt/venv/bin/python3", image, "-c", code))


def queues(address: str) -> str:
    """The page, once it has the number everybody comes for; else nothing."""
    page = fetch(f"http://{address}/metrics").text
    return page if "\namazon_connect_queue_contacts_in_queue{" in page else ""


def status_of(pid: int) -> dict[str, str]:
    """The kernel's view of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_the_demo_runs_in_a_locked_container_and_stops_when_told(
    containers: Containers, image: str, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    with container(containers, image, "demo", tmp_path, "demo", "--listen-address", address) as demo:
        started(demo, f"http://{address}/-/ready", timeout=90)
        page = wait_for(lambda: queues(address), "queues on /metrics", timeout=60)
        (build,) = [line for line in page.splitlines() if line.startswith("amazon_connect_exporter_build_info{")]
        assert f'version="{__version__}"' in build
        assert f'revision="{REVISION}"' in build

        process = status_of(containers.inspect("demo", "container")["State"]["Pid"])
        assert set(process["Uid"].split()) == {str(USER)}
        assert set(process["Gid"].split()) == {str(USER)}
        assert int(process["CapEff"], 16) == int(process["CapBnd"], 16) == 0
        assert process["NoNewPrivs"] == "1"

        assert demo.stop() == 0, demo.output


def pod_flags(pod: dict[str, Any], one: dict[str, Any]) -> list[str]:
    """podman's words for what Kubernetes would do to a container of this pod; fails on what has none here."""
    security = {**pod["securityContext"], **one["securityContext"]}
    assert security.pop("fsGroup") == USER
    assert security.pop("seccompProfile") == {"type": "RuntimeDefault"}  # podman's default, as it is Kubernetes' own
    assert security.pop("runAsNonRoot")  # the image's user is a number other than 0
    assert security == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert not {"env", "envFrom", "volumeMounts", "command"} & set(one)
    return ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--read-only-tmpfs=false"]


def test_the_charts_demo_pod_runs_as_a_container_without_kubernetes(
    containers: Containers, image: str, tmp_path: Path
) -> None:
    objects = engine.render(engine.CHART / "ci" / "demo-values.yaml")
    (pod,) = (found["spec"]["template"]["spec"] for found in objects if found["kind"] == "Deployment")
    (one,) = pod["containers"]
    assert set(pod_flags(pod, one)) <= set(LOCKS)
    (port,) = one["ports"]
    address = f"127.0.0.1:{free_port()}"
    arguments = [argument.replace(f":{port['containerPort']}", address) for argument in one["args"]]
    assert arguments != one["args"], "the pod listens on the port that it names"
    with container(containers, image, "pod", tmp_path, *arguments) as program:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = one[probe]["httpGet"]
            assert asked["port"] == port["name"]
            started(program, f"http://{address}{asked['path']}", timeout=90)
        wait_for(lambda: queues(address), "queues on /metrics", timeout=60)
        assert program.stop(pod["terminationGracePeriodSeconds"]) == 0, program.output


def test_a_mounted_configuration_is_read(containers: Containers, image: str, tmp_path: Path) -> None:
    configuration = tmp_path / "config.yml"
    configuration.write_text("instances:\n  - {id: 0a1b2c3d-0000-4000-8000-000000000000, region: eu-west-2}\n")
    mounted = f"--volume={configuration}:/etc/exporter/config.yml:ro"
    run(containers.podman("run", *LOCKS, mounted, image, "check", "--config", "/etc/exporter/config.yml"))


def test_nothing_can_be_written_in_the_container(containers: Containers, image: str) -> None:
    places = ["/", "/tmp", "/home/exporter", "/opt/venv", "/var/tmp"]  # noqa: S108 - in the container
    code = f"import os; print([place for place in {places} if os.access(place, os.W_OK)])"
    assert python(containers, image, code).strip() == "[]"


def test_the_image_says_what_it_is_and_how_it_runs(containers: Containers, image: str) -> None:
    about = containers.inspect(image, "image")
    labels = about["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"] == REVISION
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.base.name"] == BASE
    config = about["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["/opt/venv/bin/amazon-connect-exporter"]
    assert list(config["ExposedPorts"]) == ["10042/tcp"]
    # Probes are HTTP and the cluster's.
    assert not about.get("HealthCheck")
    assert not config.get("Healthcheck")


def test_the_image_prints_its_version(containers: Containers, image: str) -> None:
    assert __version__ in run(containers.podman("run", *LOCKS, image, "--version"))


def test_the_image_carries_no_installer_and_no_compiler(containers: Containers, image: str) -> None:
    found = (
        "import importlib.util, shutil;"
        "print([name for name in ('pip', 'ensurepip') if importlib.util.find_spec(name)],"
        "[name for name in ('pip', 'pip3', 'gcc', 'cc', 'make') if shutil.which(name)], flush=True)"
    )
    # Asked of the base's own Python too: the venv does not see what is installed there.
    base = f"import os, subprocess, sys; subprocess.run([os.path.realpath(sys.executable), '-c', {found!r}])"
    assert python(containers, image, f"{found}; {base}").splitlines() == ["[] []", "[] []"]


def test_the_image_carries_the_bytecode_of_everything_it_loads(containers: Containers, image: str) -> None:
    code = (
        "import exporter.cli, os, sys;"
        "print([name for name, module in sys.modules.items()"
        " if (cached := getattr(module, '__cached__', None)) and not os.path.exists(cached)])"
    )
    assert python(containers, image, code).strip() == "[]"


def installed(packages: Path) -> dict[str, str]:
    """Name -> version of every distribution that pip left a record of."""
    found = (email.message_from_bytes(file.read_bytes()) for file in packages.glob("*.dist-info/METADATA"))
    return {about["Name"]: about["Version"] for about in found}


def test_the_image_carries_a_list_of_what_is_in_it(tree: Path, packages: Path) -> None:
    bill = json.loads((tree / "usr/share/doc/amazon-connect-exporter/sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {component["name"]: component["version"] for component in bill["components"]}
    assert listed == installed(packages)
    assert listed["amazon-connect-exporter"] == __version__
    assert f"boto3=={listed['boto3']}" in (REPOSITORY / "constraints.txt").read_text().splitlines()
    for component in bill["components"]:
        if component["name"] == "amazon-connect-exporter":
            continue
        # What scanners look advisories up by.
        name = component["name"].lower().replace("_", "-")
        assert component["purl"] == f"pkg:pypi/{name}@{component['version']}"
    depends = {entry["ref"]: entry.get("dependsOn", []) for entry in bill["dependencies"]}
    (exporter,) = (ref for ref in depends if ref.startswith("amazon-connect-exporter=="))
    assert any(ref.startswith("boto3==") for ref in depends[exporter])
    # Nothing of the day or by chance.
    assert datetime.fromisoformat(bill["metadata"]["timestamp"]).timestamp() == EPOCH
    assert "serialNumber" not in bill


def test_the_image_is_of_exactly_the_versions_that_were_tested_together(packages: Path) -> None:
    def plain(name: str) -> str:
        return name.lower().replace("_", "-")

    pins = (line.partition("==") for line in (REPOSITORY / "constraints.txt").read_text().splitlines())
    tested = {plain(name): version for name, separator, version in pins if separator}
    inside = {plain(name): version for name, version in installed(packages).items()}
    assert inside.pop("amazon-connect-exporter") == __version__
    assert inside.items() <= tested.items()


def test_bytecode_does_not_depend_on_when_files_were_written(packages: Path) -> None:
    """PEP 552: the first bit says that the source's hash stands in the file, the second that it is looked at."""
    kinds = {struct.unpack_from("<I", file.read_bytes(), 4)[0] for file in packages.rglob("*.pyc")}
    assert kinds == {0b01}


def test_two_builds_of_the_package_are_the_same_to_the_byte_and_that_one_is_in_the_image(
    packages: Path, tmp_path: Path
) -> None:
    def wheel(name: str) -> Path:
        # A copy each: files' times differ, and so does the directory.
        source = tmp_path / name / "source"
        source.mkdir(parents=True)
        for wanted in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copyfile(REPOSITORY / wanted, source / wanted)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "exporter", source / "exporter", ignore=ignored, copy_function=shutil.copyfile)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
        run([*pip, "--wheel-dir", str(tmp_path / name), str(source)])
        (made,) = (tmp_path / name).glob("*.whl")
        return made

    one, other = wheel("one"), wheel("other")
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        for name in archive.namelist():
            if name.startswith("exporter/"):
                inside = hashlib.sha256((packages / name).read_bytes()).hexdigest()
                assert inside == hashlib.sha256(archive.read(name)).hexdigest(), name


def test_nothing_in_the_image_depends_on_the_machine_that_built_it(packages: Path) -> None:
    urls = {file.read_text() for file in packages.glob("*.dist-info/direct_url.json")}
    assert all('"file:///wheel/' in url for url in urls)
    assert not list(packages.rglob("*.egg-link"))


def test_the_services_that_credentials_need_are_described_in_the_image(containers: Containers, image: str) -> None:
    """botocore's descriptions of all other services are left out: IRSA, profiles, SSO and logins must still work."""
    code = (
        "import pathlib, re, botocore.credentials as c, botocore.tokens as t, botocore.session;"
        "text = ''.join(pathlib.Path(m.__file__).read_text() for m in (c, t));"
        "names = set(re.findall(r\"_client(?:_creator)?\\(\\s*[\\\"']([a-z0-9-]+)\", text)) | {'connect'};"
        "session = botocore.session.Session();"
        "[session.create_client(name, 'eu-west-2') for name in sorted(names)];"
        "print(sorted(names))"
    )
    needed = json.loads(python(containers, image, code).replace("'", '"'))
    # Were botocore written differently, the search would find nothing, and this test prove nothing.
    assert {"sso", "sts"} <= set(needed)


def test_the_image_is_small(containers: Containers, image: str, base: str) -> None:
    """Unpacked; the README gives the numbers that this prints."""
    whole, below = (containers.inspect(name, "image")["Size"] for name in (image, base))
    print(f"the image: {whole / MEGABYTE:.0f} MB, of it the base: {below / MEGABYTE:.0f} MB")
    assert 0 < whole - below < MOST_WE_ADD * MEGABYTE


def test_the_dockerfile_is_of_no_architecture() -> None:
    """The same lines build for all of them: nothing is fetched by name but Python's packages."""
    text = (REPOSITORY / "Dockerfile").read_text()
    assert not re.search(r"amd64|arm64|x86_64|aarch64|--platform|curl|wget|ADD ", text)
