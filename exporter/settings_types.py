"""The kinds of values in a configuration: what each looks like, and what is said of one that does not."""

from __future__ import annotations

import difflib
import ipaddress
import re
import warnings
import zoneinfo
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from exporter.durations import format_duration, parse_duration

T = TypeVar("T")
Number = TypeVar("Number", int, float)

REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")
INSTANCE_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
INSTANCE_ARN = re.compile(
    rf"arn:aws(?:-[a-z]+)*:connect:(?P<region>{REGION.pattern}):(?P<account>[0-9]{{12}}):instance/(?P<id>{INSTANCE_ID.pattern})"
)
ROLE_ARN = re.compile(r"arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)
EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
ADDRESS = re.compile(r"(\[(?P<v6>[^\[\]]*)\]|(?P<host>[A-Za-z0-9._-]*)):(?P<port>[0-9]{1,5})")
NO_ADDRESS = 'not an address: write it as ":10042", "127.0.0.1:10042" or "[::1]:10042"'
WINDOW_STEP, WINDOW_LIMIT = 300.0, 86_400.0


def of_arn(text: str, part: str) -> str | None:
    """The `region`, `account` or `id` in an instance's ARN; None where it is none."""
    match = INSTANCE_ARN.fullmatch(text)
    return match[part] if match else None


def _shaped(pattern: re.Pattern[str], words: str) -> AfterValidator:
    def check(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(words)
        return text

    return AfterValidator(check)


def within(low: Number, high: Number) -> AfterValidator:
    def check(value: Number) -> Number:
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}")
        return value

    return AfterValidator(check)


def spanning(low: str, high: str) -> AfterValidator:
    """For durations: both ends written as users write them."""
    shortest, longest = parse_duration(low), parse_duration(high)

    def check(seconds: float) -> float:
        if not shortest <= seconds <= longest:
            raise ValueError(f"must be from {low} to {high}")
        return seconds

    return AfterValidator(check)


def _positive(value: Number) -> Number:
    if value <= 0:
        raise ValueError("must be greater than 0")
    return value


def _goal(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError("must be more than 0 and less than 1: write 80 % as 0.8")
    return value


def _whole_seconds(value: float) -> float:
    if value != int(value) or not 1 <= value <= 604_800:
        raise ValueError("must be whole seconds from 1s to 7d")
    return value


def _share(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError("must be greater than 0 and at most 1")
    return value


def _at_least_one(value: int) -> int:
    if value < 1:
        raise ValueError("must be 1 or more")
    return value


def _not_negative(value: int) -> int:
    if value < 0:
        raise ValueError("must be 0 or more")
    return value


def _not_empty(values: tuple[T, ...]) -> tuple[T, ...]:
    """Asked after the entries, where pydantic's own length would call a list empty whose entries were all wrong."""
    if not values:
        raise ValueError("must not be empty")
    return values


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"{value} stands here twice")
    return values


def _listed(value: Any) -> Any:
    """`all` alone is a list of one."""
    return [value] if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _off(value: Any) -> Any:
    """JSON, and programs that write YAML, know `off` as false."""
    return "off" if value is False or value == "false" else value


def _expression(text: str) -> str:
    try:
        compile_expression(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


def compile_expression(text: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "possible nested set": meant for programmers
        return re.compile(text)


def _timezone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        close = difflib.get_close_matches(name[:100], zoneinfo.available_timezones(), n=1)
        hint = f'; did you mean "{close[0]}"?' if close else ": write it as UTC or Europe/London"
        raise ValueError("not a known time zone" + hint) from None
    return name


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not text.isascii() or any(c.isspace() for c in text):
        raise ValueError("not a URL: write it as https://host or http://host:port")
    if "@" in parts.netloc:
        raise ValueError("no user name or password may stand in the URL")
    if parts.query or parts.fragment:
        raise ValueError("the URL may have no query (?) and no fragment (#)")
    return text


def split_address(text: str) -> tuple[str, int]:
    """Host (empty: every interface) and port (0: any that is free). Raises ValueError with a message for users."""
    match = ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(NO_ADDRESS)
    host = match["host"] or ""
    try:
        if match["v6"] is not None:
            host = str(ipaddress.IPv6Address(match["v6"]))
        elif host and not host.strip("0123456789."):
            host = str(ipaddress.IPv4Address(host))
    except ValueError:
        raise ValueError(NO_ADDRESS) from None
    return host, int(match["port"])


def _address(text: str) -> str:
    split_address(text)
    return text


def _instance(text: str) -> str:
    if text.startswith("arn:"):
        if INSTANCE_ARN.fullmatch(text) is None:
            raise ValueError("not an instance's ARN: it looks like arn:aws:connect:REGION:ACCOUNT:instance/ID")
    elif INSTANCE_ID.fullmatch(text) is None:
        raise ValueError("not an instance id: 1 to 100 letters, digits and dashes, or the instance's ARN")
    return text


def _window(text: str) -> str:
    if text != "today":
        try:
            seconds = parse_duration(text)
        except ValueError:
            seconds = 0.0
        if seconds % WINDOW_STEP or not 0 < seconds < WINDOW_LIMIT:
            raise ValueError("must be a multiple of 5m shorter than 1d, such as 30m, or today")
    return text


def _windows(values: tuple[str, ...]) -> tuple[str, ...]:
    _distinct(tuple(text if text == "today" else format_duration(parse_duration(text)) for text in values))
    return values


def _path(text: str) -> str:
    if "\0" in text:
        raise ValueError("not a file's path")
    return text


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
]
"""Seconds; written as Prometheus writes durations."""

Count = Annotated[int, AfterValidator(_at_least_one)]
Index = Annotated[int, AfterValidator(_not_negative)]
PositiveNumber = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_positive)]
Share = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_share)]
Goal = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_goal)]
Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    AfterValidator(_whole_seconds),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
]
Text = Annotated[str, Field(min_length=1)]
Region = Annotated[str, _shaped(REGION, "not a region: it looks like eu-west-2")]
RoleArn = Annotated[str, _shaped(ROLE_ARN, "not a role's ARN: it looks like arn:aws:iam::ACCOUNT:role/NAME")]
ExternalId = Annotated[str, _shaped(EXTERNAL_ID, "must be 2 to 1224 letters, digits and characters of +=,.@:/-_")]
SessionName = Annotated[str, _shaped(SESSION_NAME, "must be 2 to 64 letters, digits and characters of +=,.@-_")]
Url = Annotated[str, AfterValidator(_url)]
Address = Annotated[str, AfterValidator(_address)]
Expression = Annotated[str, AfterValidator(_expression)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
InstanceId = Annotated[str, AfterValidator(_instance)]
Window = Annotated[str, AfterValidator(_window)]
Threshold = Annotated[int, within(1, 604_800)]
FilePath = Annotated[str, Field(min_length=1), AfterValidator(_path)]

LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
LogFormat = Annotated[Literal["console", "json", "logfmt"], BeforeValidator(_lower)]
ZeroFill = Annotated[Literal["served", "all", "off"], BeforeValidator(_off)]
Channel = Literal["VOICE", "CHAT", "TASK", "EMAIL"]
CurrentLevel = Literal["queue", "routing_profile", "instance", "agent_status", "queue_all_channels"]
HistoricalLevel = Literal["queue", "instance"]
Operation = Literal[
    "GetCurrentMetricData",
    "GetMetricData",
    "ListInstances",
    "DescribeInstance",
    "ListQueues",
    "ListRoutingProfiles",
    "ListRoutingProfileQueues",
    "ListAgentStatuses",
]
"""Those that the collectors call: a quota for any other would have no effect."""
CurrentMetric = Literal[
    "all",
    "AGENTS_ONLINE",
    "AGENTS_AVAILABLE",
    "AGENTS_ON_CALL",
    "AGENTS_NON_PRODUCTIVE",
    "AGENTS_AFTER_CONTACT_WORK",
    "AGENTS_ERROR",
    "AGENTS_STAFFED",
    "AGENTS_ON_CONTACT",
    "CONTACTS_IN_QUEUE",
    "CONTACTS_SCHEDULED",
    "OLDEST_CONTACT_AGE",
    "SLOTS_ACTIVE",
    "SLOTS_AVAILABLE",
    "ESTIMATED_WAIT_TIME",
]
HistoricalMetric = Literal[
    "all",
    "CONTACTS_QUEUED",
    "CONTACTS_HANDLED",
    "CONTACTS_ABANDONED",
    "CONTACTS_CONSULTED",
    "CONTACTS_AGENT_HUNG_UP_FIRST",
    "CONTACTS_HANDLED_INCOMING",
    "CONTACTS_HANDLED_OUTBOUND",
    "CONTACTS_HOLD_ABANDONS",
    "CONTACTS_TRANSFERRED_IN",
    "CONTACTS_TRANSFERRED_OUT",
    "CONTACTS_TRANSFERRED_IN_FROM_QUEUE",
    "CONTACTS_TRANSFERRED_OUT_FROM_QUEUE",
    "CONTACTS_MISSED",
    "CALLBACK_CONTACTS_HANDLED",
    "API_CONTACTS_HANDLED",
    "OCCUPANCY",
    "HANDLE_TIME",
    "AFTER_CONTACT_WORK_TIME",
    "QUEUED_TIME",
    "ABANDON_TIME",
    "QUEUE_ANSWER_TIME",
    "HOLD_TIME",
    "INTERACTION_TIME",
    "INTERACTION_AND_HOLD_TIME",
    "SERVICE_LEVEL",
]

NotEmpty = AfterValidator(_not_empty)
Distinct = AfterValidator(_distinct)
DistinctWindows = AfterValidator(_windows)
AllOrList = BeforeValidator(_listed)
