"""What a release is made by and what it is called: workflow files, and one version everywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import __version__
from tests.tools import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
CI, RELEASE = (REPOSITORY / ".github" / "workflows" / f"{name}.yml" for name in ("ci", "release"))
CHART = REPOSITORY / "helm" / "amazon-connect-exporter"
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
BESIDE_PYTHON = Path(sys.executable).parent
"""Where pip puts programs: the tests' own are used, not whatever else the machine has."""


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(path)["jobs"]
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in jobs(path).values():
        yield from job.get("steps", ())


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [str(BESIDE_PYTHON / name), *map(str, arguments)]
    offline = {**os.environ, "ZIZMOR_OFFLINE": "true", "NO_COLOR": "1"}
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=offline)


# Workflows


def test_there_is_a_workflow_for_changes_and_one_for_releases() -> None:
    assert WORKFLOWS == [CI, RELEASE]


def test_githubs_schema_takes_the_workflows() -> None:
    done = tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_in_the_workflows_gives_a_stranger_a_hold() -> None:
    """Injected expressions, stolen tokens, poisoned caches, too many rights: what zizmor knows without the network."""
    done = tool("zizmor", "--offline", "--no-progress", "--strict-collection", *WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("runs-on: ubuntu-24.04", "runs_on: ubuntu-24.04"), ("- run: make test", "- run: [make, test]")],
)
def test_the_schema_would_notice(right: str, wrong: str, tmp_path: Path) -> None:
    text = CI.read_text()
    assert right in text
    (tmp_path / "ci.yml").write_text(text.replace(right, wrong))
    done = tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", tmp_path / "ci.yml")
    assert done.returncode == 1, done.stdout + done.stderr


def test_zizmor_would_notice(tmp_path: Path) -> None:
    (tmp_path / "ci.yml").write_text(CI.read_text() + "      - run: echo ${{ github.event.pull_request.title }}\n")
    done = tool("zizmor", "--offline", "--no-progress", "--strict-collection", tmp_path / "ci.yml")
    assert done.returncode != 0
    assert "template-injection" in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_names_no_secret(path: Path) -> None:
    assert not re.search(r"\bsecrets\b", path.read_text())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit_whose_release_is_said(path: Path) -> None:
    used = re.findall(r"(?m)^.*\buses: (?!\./)(.+)$", path.read_text())
    assert used
    for line in used:
        assert re.fullmatch(r"[a-z-]+/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_action_has_one_commit_everywhere() -> None:
    used = {line for path in WORKFLOWS for line in re.findall(r"uses: ([a-z-]+/[a-z-]+@.+)", path.read_text())}
    assert len(used) == len({line.partition("@")[0] for line in used})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_right_that_a_job_does_not_ask_for(path: Path) -> None:
    assert read(path)["permissions"] == {}
    for job in jobs(path).values():
        assert job["permissions"]
        assert "timeout-minutes" in job or "uses" in job


def test_only_the_jobs_that_publish_may_write() -> None:
    def writes(path: Path) -> set[str]:
        return {name for name, job in jobs(path).items() if "write" in job["permissions"].values()}

    assert writes(CI) == set()
    assert writes(RELEASE) == {"package", "image", "chart", "release"}


def test_tests_run_on_every_python_from_the_oldest_supported_on() -> None:
    matrix = jobs(CI)["test"]["strategy"]["matrix"]["python"]
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert matrix == ["3.11", "3.12", "3.13", "3.14"]
    assert matrix[0] == oldest == PROJECT["tool"]["mypy"]["python_version"]


def test_every_command_of_the_checks_is_one_there_is() -> None:
    commands = [step["run"] for step in steps(CI) if "run" in step]
    assert {".ci/run", "make test"} <= set(commands)
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)


def test_a_release_waits_for_the_checks_and_publishes_last() -> None:
    needs = {name: job.get("needs", []) for name, job in jobs(RELEASE).items()}
    assert needs == {
        "ci": [],
        "package": "ci",
        "image": "package",
        "chart": ["package", "image"],
        "release": ["package", "image", "chart"],
    }
    assert jobs(RELEASE)["ci"]["uses"] == "./.github/workflows/ci.yml"


def test_the_image_is_built_for_both_architectures_with_provenance_contents_and_the_commits_time() -> None:
    (build,) = (step["with"] for step in steps(RELEASE) if step.get("uses", "").startswith("docker/build-push-action@"))
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert (build["provenance"], build["sbom"]) == ("mode=max", True)
    assert "rewrite-timestamp=true" in build["outputs"]
    given = {line.partition("=")[0] for line in build["build-args"].splitlines()}
    taken = set(re.findall(r"(?m)^ARG (\w+)", (REPOSITORY / "Dockerfile").read_text()))
    assert given == taken - {"BASE"}


def test_all_that_is_published_is_attested_or_signed() -> None:
    attested = [step["with"] for step in steps(RELEASE) if "attest-build-provenance" in step.get("uses", "")]
    assert [one.get("subject-path") or one["subject-name"] for one in attested] == ["dist/*", "${{ env.IMAGE }}"]
    signed = [line for step in steps(RELEASE) for line in step.get("run", "").splitlines() if "cosign sign" in line]
    assert len(signed) == 2
    # By digest: a tag can be moved between the push and the signature.
    assert all(re.search(r'@\$(DIGEST|digest)"$', line) for line in signed)


def test_every_script_in_the_workflows_is_one_that_a_shell_takes() -> None:
    scripts = [step["run"] for path in WORKFLOWS for step in steps(path) if "run" in step]
    assert len(scripts) > 5
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False, timeout=10)
        assert done.returncode == 0, done.stderr


# Versions


def newest_in_the_changelog() -> re.Match[str]:
    found = re.search(r"(?m)^## (\S+) \((unreleased|\d{4}-\d{2}-\d{2})\)$", (REPOSITORY / "CHANGELOG.md").read_text())
    assert found
    return found


def test_program_chart_and_changelog_are_of_one_version() -> None:
    chart = read(CHART / "Chart.yaml")
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert chart["appVersion"] == __version__
    assert chart["version"] == __version__
    assert newest_in_the_changelog()[1] == __version__
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert "version" not in PROJECT["project"]


def version_step() -> str:
    (script,) = (step["run"] for step in steps(RELEASE) if step.get("id") == "version")
    return str(script)


def tagged(directory: Path, tag: str, changelog: str) -> subprocess.CompletedProcess[str]:
    """The release's own comparison of versions, in a repository with this tag and changelog."""
    for name in ("exporter/__init__.py", "helm/amazon-connect-exporter/Chart.yaml"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text((REPOSITORY / name).read_text())
    (directory / "CHANGELOG.md").write_text(changelog)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "-C", str(directory)]
    subprocess.run([*git, "init", "--quiet"], check=True, timeout=30)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=all"], check=True, timeout=30)
    environment = {**os.environ, "GITHUB_REF_NAME": tag, "GITHUB_OUTPUT": str(directory / "output")}
    argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", version_step()]
    return subprocess.run(argv, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=30)


def test_a_release_begins_only_where_tag_and_changelog_say_so_too(tmp_path: Path) -> None:
    dated = f"# Changelog\n\n## {__version__} (2026-11-22)\n"
    done = tagged(tmp_path / "right", f"v{__version__}", dated)
    assert done.returncode == 0, done.stderr
    output = (tmp_path / "right" / "output").read_text()
    assert re.fullmatch(rf"version={re.escape(__version__)}\nepoch=\d{{10}}\n", output)
    assert tagged(tmp_path / "tag", "v9.9.9", dated).returncode != 0
    unreleased = dated.replace("2026-11-22", "unreleased")
    assert tagged(tmp_path / "changelog", f"v{__version__}", unreleased).returncode != 0


def test_a_releases_notes_are_its_part_of_the_changelog(tmp_path: Path) -> None:
    (script,) = (step["run"] for step in steps(RELEASE) if "awk" in step.get("run", ""))
    awk = next(line for line in script.splitlines() if line.startswith("awk"))
    (tmp_path / "CHANGELOG.md").write_text(
        "# All\n\n## 0.10.0 (x)\n\nNo.\n\n## 0.1.0 (x)\n\n### Added\n\n- Yes.\n\n## 0.0.1 (x)\n\nOld.\n"
    )
    subprocess.run(["bash", "-c", awk], cwd=tmp_path, env={**os.environ, "VERSION": "0.1.0"}, check=True, timeout=10)
    assert (tmp_path / "notes.md").read_text() == "\n### Added\n\n- Yes.\n\n"
