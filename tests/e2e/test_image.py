"""The container image, built and run with the locks a cluster puts on it.

No registry of images is needed: the base is Debian with its Python, made by debootstrap once and kept in the user's
cache directory.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter import __version__
from tests.tools import REPOSITORY, Running, fetch, free_port, need, running, started, wait_for

BASE = "localhost/python:stand-in"
IMAGE = "localhost/amazon-connect-exporter:test"
REVISION = "0123456789abcdef"
SUITE = "bookworm"
# The user of the Dockerfile; one that no base image knows.
USER = 65532
# Debian's, and that of every base image we name: pip needs the machine's where a company's proxy signs.
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

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
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    for program in ("buildah", "podman", "runc", "debootstrap"):
        need(program)
    directory = tmp_path_factory.mktemp("containers")
    yield Containers(directory)
    # Half a gigabyte, and pytest keeps the directories of three sessions.
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
        *pip_configuration(containers.directory),
        *("--tag", IMAGE, str(REPOSITORY)),
    ]
    run(containers.buildah(*build))
    return IMAGE


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

        process = status_of(containers.inspect("demo", "container")["State"]["Pid"])
        assert set(process["Uid"].split()) == {str(USER)}
        assert set(process["Gid"].split()) == {str(USER)}
        assert int(process["CapEff"], 16) == int(process["CapBnd"], 16) == 0
        assert process["NoNewPrivs"] == "1"

        assert demo.stop() == 0, demo.output


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
