"""Log lines on stderr: structlog's and those of libraries alike, one line an event, in three formats.

What a value holds is never trusted: names of queues and texts of errors are written by others. Nothing in them can
begin a line, move a terminal's cursor or look like a field.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

QUIET = ("botocore", "boto3", "s3transfer", "urllib3", "uvicorn", "starlette", "asyncio", "httptools", "websockets")
"""Libraries of which only warnings are shown: at debug botocore prints signed headers and credentials, so never."""
SILENT = ("botocore.credentials",)
"""Warns of every single attempt to renew credentials, which is told of here as the failure of whatever needed them."""
OF_AWS = ("botocore", "boto3", "s3transfer", "urllib3")
"""Those of them that talk to AWS."""
VALUE_LIMIT = 2_000
TRACE_LIMIT = 10_000
"""Characters of a value, and of a traceback."""

SECRET_KEY = re.compile(r"secret|passw|authorization|credential|access_?key|external_?id|token$", re.IGNORECASE)
SECRET_TEXT = re.compile(
    r"(?P<name>x-amz-security-token|authorization|secretaccesskey|sessiontoken|aws_secret_access_key|aws_session_token)"
    r"(?P<sign>[\"']?\s*[:=>]\s*)(?:AWS4-HMAC-SHA256[^\n\"]*|Basic\s+\S+|Bearer\s+\S+|[\"']?[^\s\"',;&<]+)"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}",
    re.IGNORECASE,
)
"""AWS answers a wrong signature with the whole request it should have been, session token included. botocore quotes an
answer of STS that it can not read: XML with credentials."""
HIDDEN = "<hidden>"
BARE = re.compile(r"[^\s\"=\\]+")
SENTENCE = re.compile(r"[^\"=\\]+")
"""What needs no quotes, if it is printable: as a value, and as the event of a console line."""


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def configure(
    level: str = "info",
    format: str = "console",  # noqa: A002 - the key of the configuration
    stream: TextIO | None = None,
) -> None:
    """Show lines of `level` (debug, info, warning, error) and above, as console, json or logfmt; may be called again.

    `stream` is stderr unless given.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    render = RENDERERS[format]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _explain(tracebacks=threshold <= logging.DEBUG),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream or sys.stderr)
    handler.addFilter(_harmless)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _inert, render],
        )
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(threshold)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.captureWarnings(True)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second `configure` finds it and leaves what others attached."""


def _harmless(record: logging.LogRecord) -> bool:
    """Whether a line may be shown; a second guard behind the loggers' levels, which anybody may set."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] not in QUIET


def _explain(tracebacks: bool) -> Processor:
    """An exception becomes `error`, its type and message; `traceback` joins it at debug, or where it tells of a bug."""

    def explain(_logger: Any, _method: str, event: EventDict) -> EventDict:
        given = event.pop("exc_info", None)
        event.pop("stack_info", None)
        error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
        if isinstance(error, BaseException):
            event.setdefault("error", ": ".join(filter(None, (type(error).__name__, _text(error)))))
            if tracebacks or _is_internal(event, error):
                event["traceback"] = "".join(traceback.format_exception(error))[-TRACE_LIMIT:]
        return event

    return explain


def _is_internal(event: EventDict, error: BaseException) -> bool:
    """An exception that nobody gave a reason out of the closed set, and that the system did not raise, is a bug; but
    not one of ours where a library for AWS warns of it.
    """
    if str(event.get("logger", "")).partition(".")[0] in OF_AWS:
        return False
    reason = event.get("reason") or getattr(error, "reason", None)
    if isinstance(reason, str):
        return reason == "internal"
    return not isinstance(error, OSError | KeyboardInterrupt | SystemExit)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a value that can not be shown must not cost the line
        return "<unprintable>"


def _inert(_logger: Any, _method: str, event: EventDict) -> EventDict:
    return {
        re.sub(r"[^\w.-]", "_", key): HIDDEN if SECRET_KEY.search(key) and value else _plain(value, key)
        for key, value in event.items()
    }


def _plain(value: Any, key: str = "") -> Any:
    """The value as JSON knows it, of bearable length, without credentials."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {_text(k): HIDDEN if SECRET_KEY.search(_text(k)) and v else _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    text = SECRET_TEXT.sub(_hide, _text(value))
    limit = TRACE_LIMIT if key == "traceback" else VALUE_LIMIT
    return text if len(text) <= limit else text[:limit] + "…"


def _hide(match: re.Match[str]) -> str:
    return f"{match['name']}{match['sign']}{HIDDEN}" if match["name"] else HIDDEN


def _json(value: Any) -> str:
    """JSON without any character that is not printable: what json leaves as it is (bidi marks, C1) is escaped."""
    text = json.dumps(value, ensure_ascii=False, default=_text)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _quoted(value: Any) -> str:
    """A value of `key=value`: bare where nothing in it could be mistaken, else in quotes with escapes."""
    if isinstance(value, str):
        return value if BARE.fullmatch(value) and value.isprintable() else _json(value)
    text = _json(value)
    return text if BARE.fullmatch(text) else _json(text)


def _pairs(event: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={_quoted(value)}" for key, value in event.items())


def _first(event: EventDict) -> EventDict:
    head = {key: event.pop(key) for key in ("timestamp", "level", "logger", "event") if key in event}
    return {**head, **event}


def _render_json(_logger: Any, _method: str, event: EventDict) -> str:
    return _json(_first(event))


def _render_logfmt(_logger: Any, _method: str, event: EventDict) -> str:
    return _pairs(_first(event))


def _render_console(_logger: Any, _method: str, event: EventDict) -> str:
    """Time, level and event in columns, then the fields; a traceback beneath, each of its lines after a bar."""
    trace = event.pop("traceback", None)
    event.pop("logger", None)
    time, level, text = (_text(event.pop(key, "")) for key in ("timestamp", "level", "event"))
    spoken = text if SENTENCE.fullmatch(text) and text.isprintable() else _json(text)
    line = f"{time} {level:<8} {spoken}" + ("  " + _pairs(event) if event else "")
    if isinstance(trace, str):
        line += "".join(f"\n    | {_escaped(part)}" for part in re.split(r"\r?\n", trace.rstrip("\n")))
    return line


def _escaped(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


RENDERERS: Mapping[str, Callable[[Any, str, EventDict], str]] = {
    "console": _render_console,
    "json": _render_json,
    "logfmt": _render_logfmt,
}
