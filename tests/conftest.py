"""What holds for every test: nothing of the developer's AWS account, and in CI nothing skipped."""

from __future__ import annotations

import os
from collections.abc import Generator

import hypothesis
import pytest

from tests.tools import in_ci

# No deadline: machines that are shared are slow now and then. CI decides whether a change lands, so it draws the same
# examples each time; developers' machines look for new ones.
hypothesis.settings.register_profile("here", deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)


def pytest_configure() -> None:
    hypothesis.settings.load_profile("ci" if in_ci() else "here")
    forget_the_developers_settings()


def forget_the_developers_settings() -> None:
    """Of this process and of every program it starts: profile, keys, endpoints, and settings of the exporter itself.

    boto3 then finds no credentials but those a test gives it, and does not ask the network for any.
    """
    for name in list(os.environ):
        if name.startswith(("AWS_", "AMAZON_CONNECT_EXPORTER_")):
            del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost,::1"


SKIPPED_IN_CI = "skipped, and in CI every test runs: "


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # An expected failure is reported as a skip too; it did run.
    if report.skipped and not hasattr(report, "wasxfail"):
        fail_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        fail_in_ci(report)
    return report


def fail_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A program that is missing must not turn a red test green where the result counts."""
    if not in_ci():
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = SKIPPED_IN_CI + reason
