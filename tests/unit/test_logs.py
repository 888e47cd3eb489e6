"""Log lines: one an event, whatever a value holds, and no credential in any."""

from __future__ import annotations

import io
import json
import logging
import re
import shlex
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import boto3
import pytest
import structlog
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from exporter import logs
from exporter.model import CallFailed, Reason

FORMATS = ("console", "json", "logfmt")
HOSTILE = (
    'x"\n2026-01-01T00:00:00Z error    all is lost  a=b\r\n'
    "\x1b[31m\x1b]0;title\x07 \x9b2J \u202e \u2028 \\ \x00 level=error"
)
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

Start = Callable[..., io.StringIO]


@pytest.fixture
def start() -> Iterator[Start]:
    """Configures logging into a text that the test reads, and puts everything back."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    levels = {name: logging.getLogger(name).level for name in (*logs.QUIET, *logs.SILENT)}

    def configure(level: str = "info", form: str = "json") -> io.StringIO:
        stream = io.StringIO()
        logs.configure(level, form, stream)
        return stream

    yield configure
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    for handler in [handler for handler in root.handlers if handler not in before[1]]:
        root.removeHandler(handler)
    root.setLevel(before[0])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def read_logfmt(line: str) -> dict[str, str]:
    """A reader of its own: pairs of a bare word, or of a text in quotes with JSON's escapes."""
    pairs = re.findall(r'([\w.-]+)=("(?:[^"\\]|\\.)*"|[^\s"=]*)(?: |$)', line)
    assert " ".join(f"{key}={value}" for key, value in pairs) == line
    return {key: json.loads(value) if value.startswith('"') else value for key, value in pairs}


def test_json_has_time_level_logger_event_and_fields(start: Start) -> None:
    stream = start("info", "json")
    logs.get_logger("exporter.engine").warning("refresh failed", reason=Reason.THROTTLED, kept_series=3, ratio=0.5)
    event = json.loads(stream.getvalue())
    moment = datetime.fromisoformat(event.pop("timestamp"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert moment.utcoffset() is not None
    assert event == {
        "level": "warning",
        "logger": "exporter.engine",
        "event": "refresh failed",
        "reason": "throttled",
        "kept_series": 3,
        "ratio": 0.5,
    }


def test_logfmt_has_the_same_as_pairs(start: Start) -> None:
    stream = start("info", "logfmt")
    logs.get_logger("exporter").info("started", address="[::1]:10042", names=["a b", "c"], none=None, empty="")
    event = read_logfmt(stream.getvalue().rstrip("\n"))
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "level": "info",
        "logger": "exporter",
        "event": "started",
        "address": "[::1]:10042",
        "names": '["a b", "c"]',
        "none": "null",
        "empty": "",
    }


def test_console_is_readable_by_people_and_by_a_shell(start: Start) -> None:
    stream = start("info", "console")
    logs.get_logger("exporter").info("instance found", instance="Zürich Süd", series=12)
    line = stream.getvalue()
    assert re.fullmatch(r'\S+Z info     instance found  instance="Zürich Süd" series=12\n', line)
    assert shlex.split(line)[-2:] == ["instance=Zürich Süd", "series=12"]


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_text_stays_one_line_and_moves_no_cursor(start: Start, form: str) -> None:
    stream = start("info", form)
    logs.get_logger("exporter").info(HOSTILE, value=HOSTILE, inner={HOSTILE: [HOSTILE]}, **{HOSTILE: 1})
    logging.getLogger("a.package").warning("it said %s", HOSTILE)
    written = stream.getvalue()
    assert written.count("\n") == 2
    assert written.replace("\n", "").isprintable()


@pytest.mark.parametrize("form", ["json", "logfmt"])
def test_hostile_text_reads_back_as_it_was(start: Start, form: str) -> None:
    stream = start("info", form)
    logs.get_logger("exporter").info("seen", value=HOSTILE)
    line = stream.getvalue().rstrip("\n")
    event = json.loads(line) if form == "json" else read_logfmt(line)
    assert event["value"] == HOSTILE
    assert event["level"] == "info"


@given(text=st.text(max_size=40))
def test_any_text_reads_back_from_logfmt_and_json(text: str) -> None:
    event = {"event": "seen", "value": text}
    assert read_logfmt(logs._render_logfmt(None, "", dict(event))) == event
    assert json.loads(logs._render_json(None, "", dict(event))) == event


def test_a_console_value_can_not_pass_for_another_field_or_event(start: Start) -> None:
    stream = start("info", "console")
    logs.get_logger("exporter").info("failed  level=error", value="a b=c", other='"')
    assert stream.getvalue().partition("Z ")[2] == 'info     "failed  level=error"  value="a b=c" other="\\""\n'


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_lines_below_the_level_are_not_shown(start: Start, level: str) -> None:
    stream = start(level, "json")
    for method in ("debug", "info", "warning", "error"):
        getattr(logs.get_logger("exporter"), method)(method)
        logging.getLogger("some.package").log(logging.getLevelNamesMapping()[method.upper()], method)
    levels = ["debug", "info", "warning", "error"]
    shown = [json.loads(line)["level"] for line in stream.getvalue().splitlines()]
    assert shown == [name for name in levels[levels.index(level) :] for _ in range(2)]


def test_configuring_again_replaces_the_format_and_repeats_no_line(start: Start) -> None:
    first = start("info", "json")
    logger = logs.get_logger("exporter")
    logger.info("one")
    second = start("error", "logfmt")
    logger.info("two")
    logger.error("three")
    assert [json.loads(line)["event"] for line in first.getvalue().splitlines()] == ["one"]
    assert [read_logfmt(line)["event"] for line in second.getvalue().splitlines()] == ["three"]


def test_bound_context_is_in_every_line_of_libraries_too(start: Start) -> None:
    stream = start()
    with structlog.contextvars.bound_contextvars(instance="shop"):
        logs.get_logger("exporter").info("one")
        logging.getLogger("urllib3.connectionpool").warning("two")
    logs.get_logger("exporter").info("three")
    assert [json.loads(line).get("instance") for line in stream.getvalue().splitlines()] == ["shop", "shop", None]


def test_warnings_of_python_are_log_lines(start: Start) -> None:
    stream = start()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old age", DeprecationWarning, stacklevel=1)
    event = json.loads(stream.getvalue())
    assert (event["logger"], event["level"]) == ("py.warnings", "warning")
    assert "old age" in event["event"]


def raising(error: BaseException, level: str, form: str, start: Start, **fields: object) -> str:
    stream = start(level, form)
    try:
        raise error
    except type(error):
        logs.get_logger("exporter").warning("refresh failed", exc_info=True, **fields)
    return stream.getvalue()


def test_a_failure_of_aws_is_one_line_without_traceback(start: Start) -> None:
    failed = CallFailed("ListQueues", Reason.THROTTLED, "ThrottlingException", "Rate exceeded")
    event = json.loads(raising(failed, "info", "json", start))
    assert event["error"] == "CallFailed: ListQueues: throttled (ThrottlingException: Rate exceeded)"
    assert "traceback" not in event


def test_a_failure_of_the_system_is_one_line_without_traceback(start: Start) -> None:
    assert "traceback" not in json.loads(raising(OSError(98, "Address already in use"), "info", "json", start))


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("division by zero"), CallFailed("ListQueues", Reason.INTERNAL)], ids=["bug", "internal"]
)
def test_a_mistake_of_ours_brings_its_traceback(start: Start, error: Exception) -> None:
    event = json.loads(raising(error, "info", "json", start))
    assert event["traceback"].startswith("Traceback (most recent call last):\n")
    assert "in raising" in event["traceback"]


def test_a_reason_beside_an_exception_says_whether_it_was_expected(start: Start) -> None:
    assert "traceback" not in json.loads(raising(ValueError("x"), "info", "json", start, reason=Reason.BAD_RESPONSE))
    assert "traceback" in json.loads(raising(ValueError("x"), "info", "json", start, reason=Reason.INTERNAL))


def test_debug_brings_every_traceback(start: Start) -> None:
    assert "traceback" in json.loads(raising(OSError("no"), "debug", "json", start))


def test_a_traceback_in_the_console_stands_behind_bars(start: Start) -> None:
    first, *rest = raising(ValueError(HOSTILE), "info", "console", start).splitlines()
    assert "refresh failed" in first
    assert len(rest) > 3
    assert all(line.startswith("    | ") and line.isprintable() for line in rest)


@pytest.mark.parametrize("form", ["json", "logfmt"])
def test_a_traceback_for_machines_is_on_the_line(start: Start, form: str) -> None:
    assert raising(ValueError(HOSTILE), "debug", form, start).count("\n") == 1


@pytest.mark.parametrize("form", FORMATS)
def test_a_value_that_can_not_be_shown_does_not_cost_the_line(start: Start, form: str) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    stream = start("info", form)
    logs.get_logger("exporter").info("seen", value=Broken(), endless=float("inf"), raw=b"\xff")
    line = stream.getvalue()
    assert "<unprintable>" in line
    assert "seen" in line
    if form == "json":
        assert json.loads(line)["endless"] == "inf"


def test_a_very_long_value_is_cut(start: Start) -> None:
    stream = start()
    logs.get_logger("exporter").info("seen", value="x" * 1_000_000)
    assert len(stream.getvalue()) < 3_000


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "fields",
    [
        {"aws_secret_access_key": SECRET},
        {"session_token": SECRET},
        {"Authorization": SECRET},
        {"external_id": SECRET},
        {"headers": {"X-Amz-Security-Token": SECRET}},
        {"error": f"the canonical string should have been 'POST\n/\n\nx-amz-security-token:{SECRET}\n'"},
        {"error": f"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101, Signature={SECRET}"},
        {"body": f'{{"SecretAccessKey": "{SECRET}", "SessionToken": "{SECRET}"}}'},
    ],
    ids=lambda fields: next(iter(fields)),
)  # fmt: skip
def test_no_credential_is_shown(start: Start, form: str, fields: dict[str, object]) -> None:
    stream = start("debug", form)
    logs.get_logger("exporter").info("seen", **fields)
    assert SECRET not in stream.getvalue()
    assert SECRET not in stream.getvalue().replace("\\", "")
    assert "<hidden>" in stream.getvalue()


def test_an_access_key_id_is_hidden_and_names_are_not(start: Start) -> None:
    stream = start()
    logs.get_logger("exporter").info("seen", who="ASIAQQ4EXAMPLE7WX2YZ", queue="ASIA Pacific", api_quota_tokens=3)
    event = json.loads(stream.getvalue())
    assert (event["who"], event["queue"], event["api_quota_tokens"]) == ("<hidden>", "ASIA Pacific", 3)


def test_boto3_shows_neither_requests_nor_credentials_even_at_debug(
    start: Start, monkeypatch: pytest.MonkeyPatch, unused_endpoint: str
) -> None:
    stream = start("debug", "logfmt")
    logging.getLogger("botocore.auth").setLevel(logging.DEBUG)  # as boto3.set_stream_logger would
    session = boto3.Session(
        aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key=SECRET, aws_session_token="token-" + SECRET
    )
    client = session.client(
        "connect",
        region_name="eu-west-2",
        endpoint_url=unused_endpoint,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1),
    )
    with pytest.raises(Exception, match="Could not connect"):
        client.list_instances()
    client.close()
    logging.getLogger("botocore.auth").setLevel(logging.NOTSET)
    assert stream.getvalue() == ""


@pytest.fixture
def unused_endpoint() -> Iterator[str]:
    """A port of loopback that is taken but refuses connections: bound, not listening."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("form", ["console", "json", "logfmt"])
def test_credentials_that_botocore_could_not_read_are_in_no_warning_of_it(start: Start, form: str) -> None:
    out = start("info", form)
    quoted = (
        "b'<Credentials><AccessKeyId>x</AccessKeyId><SecretAccessKey>0Ng4rgQCE5in</SecretAccessKey><SessionToken>eyJh'"
    )
    unread = ValueError(f"invalid XML received: {quoted}")
    logging.getLogger("botocore.credentials").warning("Refreshing temporary credentials failed", exc_info=unread)
    assert out.getvalue() == ""
    logging.getLogger("botocore.parsers").warning("Response could not be read", exc_info=unread)
    said = out.getvalue()
    assert "Response could not be read" in said
    assert "Traceback" not in said
    assert "0Ng4" not in said
    assert "eyJh" not in said
