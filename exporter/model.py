"""The values that pass through the exporter: frozen, without behaviour.

The path of one number: Target -> Inventory -> Request -> Row -> Sample -> Result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """Why something failed: the closed set behind every `reason` label."""

    THROTTLED = "throttled"
    ACCESS_DENIED = "access_denied"
    CREDENTIALS = "credentials"
    NOT_FOUND = "not_found"
    INVALID_REQUEST = "invalid_request"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    SERVER_ERROR = "server_error"
    BAD_RESPONSE = "bad_response"
    INTERNAL = "internal"


class CallFailed(Exception):
    """A call to AWS that failed for good, after whatever retries it deserved."""

    def __init__(self, operation: str, reason: Reason, code: str = "", message: str = "") -> None:
        super().__init__(
            f"{operation}: {reason.value}" + (f" ({code}: {message})" if code else f" ({message})" if message else "")
        )
        self.operation = operation
        self.reason = reason
        self.code = code
        """AWS's own error code, or the HTTP status, or nothing."""
        self.message = message


@dataclass(frozen=True, slots=True)
class Quota:
    """An AWS request quota: calls per second, and how many at once."""

    rate: float
    burst: float


@dataclass(frozen=True, slots=True)
class Access:
    """Where calls go and as whom; equal accesses share one client."""

    region: str
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    session_name: str = "amazon-connect-exporter"
    """Of the role's session."""
    endpoint_url: str | None = None
    connect_timeout: float = 3.0
    read_timeout: float = 20.0


@dataclass(frozen=True, slots=True)
class Names:
    """Which names are meant: all that some `include` matches whole (or any, if there is none) and no `exclude` does."""

    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One Amazon Connect instance to collect."""

    instance_id: str
    access: Access
    alias: str | None = None
    """The configured label value; None: the instance's own alias, else its id."""
    account_id: str | None = None
    """Known beforehand only from an ARN."""
    arn: str = ""
    """Empty: to be asked for."""
    timezone: str = "UTC"
    channels: tuple[str, ...] = ("VOICE", "CHAT", "TASK", "EMAIL")
    queues: Names = Names()
    routing_profiles: Names = Names()
    quota_share: float = 0.6
    quotas: Mapping[str, Quota] = field(default_factory=dict, hash=False)
    discovered: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return (self.access.region, self.instance_id)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an instance consists of. A part that was never had is None; mappings go from id to label value."""

    alias: str | None = None
    arn: str = ""
    account_id: str = ""
    queues: Mapping[str, str] | None = None
    routing_profiles: Mapping[str, str] | None = None
    agent_statuses: Mapping[str, str] | None = None
    served: frozenset[tuple[str, str]] | None = None
    """(queue id, channel) that some routing profile serves."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is asked for: `threshold` in seconds, for SERVICE_LEVEL only."""

    name: str
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a metric API, answered in one or more pages."""

    level: str
    """What the series of the answer are about: queue, routing_profile, …"""
    metrics: tuple[Metric, ...]
    groupings: tuple[str, ...]
    channels: tuple[str, ...]
    queues: tuple[str, ...] = ()
    routing_profiles: tuple[str, ...] = ()
    start: float | None = None
    """Unix seconds; historical requests only, as `end` and `window`."""
    end: float | None = None
    window: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an answer: dimension (QUEUE, CHANNEL, …) to id; the value of each metric, None where AWS has none."""

    dimensions: Mapping[str, str]
    values: Mapping[Metric, float | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of one request, and the moment AWS took them (unix seconds), where it says."""

    request: Request
    rows: tuple[Row, ...]
    snapshot: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of the family `name`; labels in the order of the family's Spec."""

    name: str
    labels: tuple[str, ...]
    value: float
    created: float | None = None
    """Counters: unix seconds at which counting began."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What AWS refused while the rest carried on: `kind` is metric, queue, routing_profile, channel or level."""

    level: str
    kind: str
    name: str
    reason: Reason
    message: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What one refresh of one collector of one target found."""

    samples: tuple[Sample, ...]
    refusals: tuple[Refusal, ...] = ()
    since: float | None = None
    """Monotonic seconds of the oldest answer in it; None: all were asked for just now."""
    again: float | None = None
    """Seconds after which the collector should run again, if that is sooner than its interval."""
    carry: object = None
    """What the collector wants to be given the next time."""
