"""Amazon Connect as exact tables: a second opinion, written from AWS's documentation and service model alone.

A test says what is true of each instance; this server answers from that by the documented rules, refuses what AWS
documents as wrong, and has the habits that AWS leaves open: short pages, empty pages, rows in any order, ids here and
ARNs there, null here and no key there, fields nobody knows. It shares nothing with the exporter or its simulator.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CHANNELS = ("VOICE", "CHAT", "TASK", "EMAIL")
CURRENT = {
    **dict.fromkeys(
        [
            "AGENTS_ONLINE",
            "AGENTS_AVAILABLE",
            "AGENTS_ON_CALL",
            "AGENTS_NON_PRODUCTIVE",
            "AGENTS_AFTER_CONTACT_WORK",
            "AGENTS_ERROR",
            "AGENTS_STAFFED",
            "CONTACTS_IN_QUEUE",
            "CONTACTS_SCHEDULED",
            "AGENTS_ON_CONTACT",
            "SLOTS_ACTIVE",
            "SLOTS_AVAILABLE",
        ],
        "COUNT",
    ),
    "OLDEST_CONTACT_AGE": "SECONDS",
    "ESTIMATED_WAIT_TIME": "SECONDS",
}
HISTORICAL = {
    **dict.fromkeys(
        [
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
        ],
        ("COUNT", "SUM"),
    ),
    **dict.fromkeys(
        [
            "HANDLE_TIME",
            "AFTER_CONTACT_WORK_TIME",
            "ABANDON_TIME",
            "QUEUE_ANSWER_TIME",
            "HOLD_TIME",
            "INTERACTION_TIME",
            "INTERACTION_AND_HOLD_TIME",
        ],
        ("SECONDS", "AVG"),
    ),
    "QUEUED_TIME": ("SECONDS", "MAX"),
    "OCCUPANCY": ("PERCENT", "AVG"),
    "SERVICE_LEVEL": ("PERCENT", "AVG"),
}
PROFILE_FILTER_ONLY = {"CONTACTS_IN_QUEUE", "CONTACTS_SCHEDULED", "OLDEST_CONTACT_AGE"}
FILTERS = {"Queues", "Channels", "RoutingProfiles"}
DAY = 86_400
MARK = 300

Values = Mapping[str, float | None]
"""Metric to value. None: AWS can not compute it. A metric that is not there: AWS leaves it out of the row."""


# What is true


@dataclass(frozen=True)
class Profile:
    name: str
    serves: frozenset[tuple[str, str]] = frozenset()
    """(queue id, channel)"""


@dataclass(frozen=True)
class Contact:
    """A finished contact: which sums it counts in, and its seconds (or percent) for each average and maximum."""

    queue: str
    channel: str
    disconnected: float
    counts: frozenset[str]
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Instance:
    """One instance's truth. A pair that is not in a table is a row that AWS does not return."""

    id: str
    alias: str
    account: str = "111122223333"
    region: str = "us-east-1"
    queues: dict[str, str] = field(default_factory=dict)
    agent_queues: tuple[str, ...] = ()
    profiles: dict[str, Profile] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    by_channel: dict[tuple[str, str], Values] = field(default_factory=dict)
    by_queue: dict[str, Values] = field(default_factory=dict)
    by_profile: dict[str, Values] = field(default_factory=dict)
    by_status: dict[tuple[str, str], Values] = field(default_factory=dict)
    ungrouped: Values = field(default_factory=dict)
    """Here alone OLDEST_CONTACT_AGE is in milliseconds."""
    contacts: list[Contact] = field(default_factory=list)
    snapshot: float | None = None
    """DataSnapshotTime; None: now."""

    @property
    def arn(self) -> str:
        return f"arn:aws:connect:{self.region}:{self.account}:instance/{self.id}"


# What is asked and answered


@dataclass(frozen=True)
class Asked:
    operation: str
    instance: str
    params: Mapping[str, Any]
    """Path, query and body in one, by the names of the service model."""
    key: str
    region: str
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> set[str]:
        asked = self.params.get("CurrentMetrics") or self.params.get("HistoricalMetrics") or ()
        return {metric.get("Name", "") for metric in asked}

    def filter(self, name: str) -> tuple[str, ...]:
        return tuple(self.params.get("Filters", {}).get(name) or ())


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    cut: bool = False
    """Half of the body, then the connection ends."""
    hang: bool = False
    """Nothing, until the server stops."""


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str | None = None) -> None:
        super().__init__(code, message)
        self.status, self.code, self.message = status, code, message

    def reply(self) -> Reply:
        body = {} if self.message is None else {"Message": self.message}
        tail = ":http://internal.amazon.com/coral/com.amazon.connect/" if self.status != 404 else ""
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": self.code + tail}
        return Reply(self.status, json.dumps(body).encode(), headers)


def throttled() -> Iterator[Reply]:
    """AWS's three ways of saying no for now, in turn."""
    plain = {"Content-Type": "application/json"}
    return cycle(
        (
            Refused(429, "ThrottlingException", "Rate exceeded").reply(),
            Reply(429, b'{"message":"Too Many Requests"}', plain),
            Refused(429, "TooManyRequestsException", "Too Many Requests").reply(),
        )
    )


Answer = Callable[[], Reply]
Trouble = Callable[[Asked, Answer], Reply | None]
"""A fault: what is said instead, None where it does not concern this request."""


def refuse(status: int, code: str, message: str | None, when: Callable[[Asked], bool]) -> Trouble:
    return lambda asked, _: Refused(status, code, message).reply() if when(asked) else None


def say(reply: Reply, when: Callable[[Asked], bool]) -> Trouble:
    return lambda asked, _: reply if when(asked) else None


def cut_short(when: Callable[[Asked], bool]) -> Trouble:
    return lambda asked, answer: replace(answer(), cut=True) if when(asked) else None


def need(condition: object, message: str, code: str = "InvalidParameterException") -> None:
    if not condition:
        raise Refused(400, code, message)


# The service

ROUTES = (
    ("POST", r"/metrics/current/(?P<InstanceId>[^/]+)", "GetCurrentMetricData"),
    ("POST", r"/metrics/historical/(?P<InstanceId>[^/]+)", "GetMetricData"),
    ("GET", r"/instance", "ListInstances"),
    ("GET", r"/instance/(?P<InstanceId>[^/]+)", "DescribeInstance"),
    ("GET", r"/queues-summary/(?P<InstanceId>[^/]+)", "ListQueues"),
    ("GET", r"/routing-profiles-summary/(?P<InstanceId>[^/]+)", "ListRoutingProfiles"),
    ("GET", r"/routing-profiles/(?P<InstanceId>[^/]+)/(?P<RoutingProfileId>[^/]+)/queues", "ListRoutingProfileQueues"),
    ("GET", r"/agent-status/(?P<InstanceId>[^/]+)", "ListAgentStatuses"),
)
LISTS = {
    "GetCurrentMetricData": ("MetricResults", 100),
    "GetMetricData": ("MetricResults", 100),
    "ListInstances": ("InstanceSummaryList", 10),
    "ListQueues": ("QueueSummaryList", 1000),
    "ListRoutingProfiles": ("RoutingProfileSummaryList", 1000),
    "ListRoutingProfileQueues": ("RoutingProfileQueueConfigSummaryList", 100),
    "ListAgentStatuses": ("AgentStatusSummaryList", 1000),
}
CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/connect/aws4_request")


@dataclass
class Service:
    """Tables, limits and faults; a test changes them while it runs."""

    instances: list[Instance]
    keys: dict[str, str] = field(default_factory=lambda: {"AKIDOFTHETESTS": ""})
    """Access key to account; nothing: every account."""
    expired: set[str] = field(default_factory=set)
    """Access keys whose session is over."""
    page_limit: dict[str, int] = field(default_factory=dict)
    """Operation to the rows of a page, whatever is asked."""
    quota: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Operation to rate a second and burst; none: no limit."""
    token_life: float = 300.0
    channels_alone_limit: int | None = None
    """Queues from which a filter without queues is refused."""
    troubles: list[Trouble] = field(default_factory=list)
    asked: list[tuple[Asked, int]] = field(default_factory=list)
    """Every request and the status of its answer."""

    def __post_init__(self) -> None:
        self._chance = random.Random(1)
        self._lock = threading.Lock()
        self._chains: dict[str, tuple[str, list[Any], dict[str, Any], float]] = {}
        self._buckets: dict[tuple[str, str, str], tuple[float, float]] = {}
        self._spellings = throttled()

    @contextmanager
    def trouble(self, *troubles: Trouble) -> Iterator[None]:
        """Faults for as long as the block runs."""
        self.troubles.extend(troubles)
        try:
            yield
        finally:
            for one in troubles:
                self.troubles.remove(one)

    def change(self) -> threading.Lock:
        """Held while tables change, so that no answer is half of each."""
        return self._lock

    def statuses(self, operation: str = "", since: int = 0) -> list[int]:
        return [status for asked, status in self.asked[since:] if operation in ("", asked.operation)]

    def handle(self, asked: Asked) -> Reply:
        reply = self._troubled(asked)
        self.asked.append((asked, 0 if reply.hang else reply.status))
        return reply

    def _troubled(self, asked: Asked) -> Reply:
        for one in list(self.troubles):
            if reply := one(asked, lambda: self._answer(asked)):
                return reply
        return self._answer(asked)

    def _answer(self, asked: Asked) -> Reply:
        try:
            account = self._caller(asked)
            if not self._allowed(account, asked):
                return next(self._spellings)
            with self._lock:
                return Reply(body=json.dumps(self._operation(asked, account)).encode())
        except Refused as refused:
            return refused.reply()

    def _caller(self, asked: Asked) -> str:
        if asked.key in self.expired:
            raise Refused(403, "ExpiredTokenException", "The security token included in the request is expired")
        if asked.key not in self.keys:
            raise Refused(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
        return self.keys[asked.key]

    def _allowed(self, account: str, asked: Asked) -> bool:
        if asked.operation not in self.quota:
            return True
        rate, burst = self.quota[asked.operation]
        accounts = {one.account for one in self.instances if one.id == asked.instance}
        bucket = (account or next(iter(accounts), ""), asked.region, asked.operation)
        now = time.monotonic()
        tokens, then = self._buckets.get(bucket, (burst, now))
        tokens = min(burst, tokens + (now - then) * rate)
        self._buckets[bucket] = (tokens - 1 if tokens >= 1 else tokens, now)
        return tokens >= 1

    def _operation(self, asked: Asked, account: str) -> dict[str, Any]:
        seen = [one for one in self.instances if one.region == asked.region and account in ("", one.account)]
        if asked.operation == "ListInstances":
            return self._paged(asked, [self._summary(one) for one in seen])
        instance = next((one for one in seen if one.id == asked.instance), None)
        if instance is None:
            raise Refused(404, "ResourceNotFoundException")
        if asked.operation == "DescribeInstance":
            return {"Instance": self._summary(instance) | {"Tags": {"a": "b"}}, "Weather": "rain"}
        rows, more = {
            "GetCurrentMetricData": self._current,
            "GetMetricData": self._historical,
            "ListQueues": self._queues,
            "ListRoutingProfiles": self._profiles,
            "ListRoutingProfileQueues": self._profile_queues,
            "ListAgentStatuses": self._statuses,
        }[asked.operation](asked, instance)
        return self._paged(asked, rows, more)

    # Pages

    def _paged(self, asked: Asked, rows: list[Any], more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One page. A token belongs to the rows of its first answer, and to exactly that question."""
        key, largest = LISTS[asked.operation]
        size = int(asked.params.get("MaxResults", largest))
        need(1 <= size <= largest, f"MaxResults must be from 1 to {largest}")
        size = min(size, self.page_limit.get(asked.operation, largest))
        question = {name: value for name, value in asked.params.items() if name != "NextToken"}
        print_ = json.dumps([asked.operation, asked.key, question], sort_keys=True)
        token = asked.params.get("NextToken")
        if token is None:
            self._chance.shuffle(rows)
            extra = dict(more or {})
            page: list[Any] = []
            # Filtered pages may be empty without being the last.
            if self.page_limit.get(asked.operation) is None or self._chance.random() < 0.8:
                page, rows = rows[:size], rows[size:]
        else:
            asked_of, rows, extra, born = self._chains.get(token, ("", [], {}, 0.0))
            if asked_of != print_ or time.monotonic() - born > self.token_life:
                code = self._chance.choice(("InvalidParameterException", "InvalidRequestException"))
                raise Refused(400, code, "Invalid NextToken")
            page, rows = rows[:size], rows[size:]
        found = {**extra, key: page, "FromTomorrow": [{"a": None}]}
        if rows:
            following = f"{self._chance.getrandbits(128):032x}+/=="
            self._chains[following] = (print_, rows, extra, time.monotonic())
            found["NextToken"] = following
        elif self._chance.random() < 0.5:
            found["NextToken"] = None
        return found

    # Lists

    def _summary(self, one: Instance) -> dict[str, Any]:
        return {
            "Id": one.id,
            "Arn": one.arn,
            "InstanceAlias": one.alias,
            "InstanceStatus": "ACTIVE",
            "CreatedTime": 1_600_000_000.5,
            "IdentityManagementType": "A_TYPE_FROM_TOMORROW",
            "InboundCallsEnabled": True,
        }

    def _queues(self, asked: Asked, one: Instance) -> tuple[list[Any], None]:
        types = asked.params.get("QueueTypes") or ["STANDARD", "AGENT"]
        need(set(types) <= {"STANDARD", "AGENT"}, "queueTypes")
        found: list[Any] = []
        if "STANDARD" in types:
            found += [
                {"Id": i, "Arn": f"{one.arn}/queue/{i}", "Name": name, "QueueType": "STANDARD", "Colour": "red"}
                for i, name in one.queues.items()
            ]
        if "AGENT" in types:
            found += [{"Id": i, "Arn": f"{one.arn}/queue/agent/{i}", "QueueType": "AGENT"} for i in one.agent_queues]
        return found, None

    def _profiles(self, asked: Asked, one: Instance) -> tuple[list[Any], None]:
        found = [
            {"Id": i, "Arn": f"{one.arn}/routing-profile/{i}", "Name": profile.name, "LastModifiedTime": 1.7e9}
            for i, profile in one.profiles.items()
        ]
        return found, None

    def _profile_queues(self, asked: Asked, one: Instance) -> tuple[list[Any], None]:
        profile = one.profiles.get(asked.params["RoutingProfileId"])
        if profile is None:
            raise Refused(404, "ResourceNotFoundException", "Routing profile not found")
        found = [
            {
                "QueueId": queue,
                "QueueArn": f"{one.arn}/queue/{queue}",
                "QueueName": one.queues[queue],
                "Priority": 1,
                "Delay": 0,
                "Channel": channel,
            }
            for queue, channel in sorted(profile.serves)
            if queue in one.queues
        ]
        return found, None

    def _statuses(self, asked: Asked, one: Instance) -> tuple[list[Any], None]:
        found = [
            {"Id": i, "Arn": f"{one.arn}/agent-state/{i}", "Name": name, "Type": "CUSTOM"}
            for i, name in one.statuses.items()
        ]
        return found, None

    # Metrics

    def _filters(self, asked: Asked, one: Instance) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(queue ids, profile ids) that the filter names; ARNs are taken too."""
        need(set(asked.params.get("Filters", {})) <= FILTERS, "Filters has a key that is not supported here")
        queues = tuple(name.rpartition("/")[2] for name in asked.filter("Queues"))
        profiles = tuple(name.rpartition("/")[2] for name in asked.filter("RoutingProfiles"))
        channels = asked.filter("Channels")
        need(len(queues) <= 100 and len(profiles) <= 100, "at most 100 filter values", "InvalidRequestException")
        need(not (queues and profiles), "either queues or routing profiles", "InvalidRequestException")
        need(channels and set(channels) <= set(CHANNELS) and len(set(channels)) == len(channels), "Channels")
        need(len(set(queues)) == len(queues) and len(set(profiles)) == len(profiles), "named twice")
        if set(queues) - one.queues.keys() or set(profiles) - one.profiles.keys():
            raise Refused(404, "ResourceNotFoundException", self._chance.choice((None, "Resource not found")))
        return queues, profiles

    def _current(self, asked: Asked, one: Instance) -> tuple[list[Any], dict[str, Any]]:
        queues, profiles = self._filters(asked, one)
        groupings = asked.params.get("Groupings") or []
        names = self._asked_current(asked)
        table = self._table(asked, one, groupings, queues, profiles, set(names))
        rows = []
        for dimensions, values in table:
            cells = [
                self._cell({"Name": name, "Unit": CURRENT[name]}, values[name]) for name in names if name in values
            ]
            cells.append({"Metric": {"Name": "OF_TOMORROW", "Unit": "COUNT"}, "Value": 7.0})
            self._chance.shuffle(cells)
            rows.append({"Dimensions": dimensions, "Collections": cells})
        snapshot = one.snapshot if one.snapshot is not None else round(time.time(), 3)
        return rows, {"DataSnapshotTime": snapshot, "ApproximateTotalCount": len(rows)}

    def _asked_current(self, asked: Asked) -> list[str]:
        metrics = asked.params.get("CurrentMetrics") or []
        names = [metric.get("Name", "") for metric in metrics]
        need(names and len(set(names)) == len(names), "CurrentMetrics must name each metric once")
        for metric in metrics:
            need(metric.get("Name") in CURRENT, f"{metric.get('Name')} is not a current metric")
            need(metric.get("Unit") == CURRENT[metric["Name"]], f"{metric['Name']} has another unit")
        return names

    def _table(
        self,
        asked: Asked,
        one: Instance,
        groupings: Sequence[str],
        queues: tuple[str, ...],
        profiles: tuple[str, ...],
        names: set[str],
    ) -> list[tuple[dict[str, Any], Values]]:
        """(dimensions, values) of each row, by which table the groupings mean."""
        channels = asked.filter("Channels")
        kind = tuple(groupings)
        need("ESTIMATED_WAIT_TIME" not in names or (kind == ("QUEUE", "CHANNEL") and queues), "ESTIMATED_WAIT_TIME")
        need("QUEUE" not in kind or queues, "QUEUE wants a filter of queues", "InvalidRequestException")
        if kind == ("QUEUE", "CHANNEL"):
            pairs = [(q, c) for q in queues for c in channels if (q, c) in one.by_channel]
            return [({"Queue": self._ref(one, "queue", q), "Channel": c}, one.by_channel[q, c]) for q, c in pairs]
        if kind == ("QUEUE",):
            return [({"Queue": self._ref(one, "queue", q)}, one.by_queue[q]) for q in queues if q in one.by_queue]
        if kind == ("QUEUE", "AGENT_STATUS"):
            need(names == {"AGENTS_ONLINE"}, "AGENT_STATUS goes with AGENTS_ONLINE alone", "InvalidRequestException")
            return [
                ({"Queue": self._ref(one, "queue", q), "AgentStatus": self._ref(one, "agent-state", s)}, values)
                for (q, s), values in one.by_status.items()
                if q in queues
            ]
        if kind == ("ROUTING_PROFILE",):
            need(queues or profiles, "ROUTING_PROFILE wants a filter", "InvalidRequestException")
            need(profiles or not names & PROFILE_FILTER_ONLY, "wants a filter of routing profiles")
            return [
                ({"RoutingProfile": self._ref(one, "routing-profile", p)}, one.by_profile[p])
                for p in profiles or one.profiles
                if p in one.by_profile
            ]
        need(not kind, f"Groupings {kind} are not supported", "InvalidRequestException")
        return self._of_all(one, queues, profiles)

    def _of_all(
        self, one: Instance, queues: tuple[str, ...], profiles: tuple[str, ...]
    ) -> list[tuple[dict[str, Any], Values]]:
        """The ungrouped row. For a part of the queues the numbers are absurd, so that a test sees them."""
        if not queues and not profiles and self.channels_alone_limit is not None:
            need(len(one.queues) <= self.channels_alone_limit, "Filters must name queues", "InvalidRequestException")
        part = (queues and set(queues) != set(one.queues)) or profiles
        return [({}, {name: 987654.0 if part else value for name, value in one.ungrouped.items()})]

    def _ref(self, one: Instance, kind: str, identity: str) -> dict[str, str]:
        """An id, an ARN, or both."""
        both = {"Id": identity, "Arn": f"{one.arn}/{kind}/{identity}"}
        return {name: both[name] for name in self._chance.choice((("Id",), ("Arn",), ("Id", "Arn"), ("Arn", "Id")))}

    def _cell(self, metric: dict[str, Any], value: float | None) -> dict[str, Any]:
        """None is sent as null or not at all."""
        if value is None:
            return {"Metric": metric, "Value": None} if self._chance.random() < 0.5 else {"Metric": metric}
        whole = int(value) if value == int(value) and self._chance.random() < 0.5 else value
        return {"Metric": metric, "Value": whole, "Confidence": "high"}

    def _historical(self, asked: Asked, one: Instance) -> tuple[list[Any], None]:
        queues, profiles = self._filters(asked, one)
        need(not profiles, "GetMetricData knows no routing profiles", "InvalidRequestException")
        start, end = self._interval(asked)
        metrics = self._asked_historical(asked)
        groupings = asked.params.get("Groupings") or []
        need(set(groupings) <= {"QUEUE", "CHANNEL"} and len(set(groupings)) == len(groupings), "Groupings")
        need("QUEUE" not in groupings or queues, "QUEUE wants a filter of queues", "InvalidRequestException")
        groups: defaultdict[tuple[str, str], list[Contact]] = defaultdict(list)
        channels = asked.filter("Channels")
        for contact in one.contacts:
            meant = contact.channel in channels and (not queues or contact.queue in queues)
            if meant and start <= contact.disconnected < end:
                queue = contact.queue if "QUEUE" in groupings else ""
                groups[queue, contact.channel if "CHANNEL" in groupings else ""].append(contact)
        rows = []
        for (queue, channel), contacts in groups.items():
            dimensions: dict[str, Any] = {"Queue": self._ref(one, "queue", queue)} if queue else {}
            dimensions |= {"Channel": channel} if channel else {}
            cells = [self._cell({"Threshold": None, **metric}, computed(metric, contacts)) for metric in metrics]
            self._chance.shuffle(cells)
            rows.append({"Dimensions": dimensions, "Collections": cells})
        return rows, None

    def _interval(self, asked: Asked) -> tuple[float, float]:
        start, end = asked.params.get("StartTime"), asked.params.get("EndTime")
        need(isinstance(start, int | float) and isinstance(end, int | float), "StartTime and EndTime are numbers")
        assert isinstance(start, int | float)
        assert isinstance(end, int | float)
        need(start % MARK == 0 and end % MARK == 0, "times are multiples of 5 minutes")
        need(time.time() - DAY <= start, "StartTime is more than 24 hours ago")
        need(start < end, "EndTime must be after StartTime")
        need(end - start < DAY, "the range must be less than 24 hours")
        return start, end

    def _asked_historical(self, asked: Asked) -> list[dict[str, Any]]:
        metrics: list[dict[str, Any]] = asked.params.get("HistoricalMetrics") or []
        need(metrics, "HistoricalMetrics")
        need(sum(metric.get("Name") == "SERVICE_LEVEL" for metric in metrics) <= 20, "at most 20 of SERVICE_LEVEL")
        for metric in metrics:
            name = metric.get("Name")
            need(name in HISTORICAL, f"{name} is not a historical metric")
            need((metric.get("Unit"), metric.get("Statistic")) == HISTORICAL[str(name)], f"unit or statistic of {name}")
            threshold = metric.get("Threshold")
            need((threshold is not None) == (name == "SERVICE_LEVEL"), f"Threshold of {name}")
            if threshold is not None:
                need(threshold.get("Comparison") == "LT", "Comparison must be LT")
                need(1 <= threshold.get("ThresholdValue", 0) <= 604_800, "ThresholdValue")
        return metrics


def computed(metric: Mapping[str, Any], contacts: Sequence[Contact]) -> float | None:
    """A historical metric of these contacts; None where there is nothing to average."""
    name = metric["Name"]
    if metric["Statistic"] == "SUM":
        return float(sum(name in contact.counts for contact in contacts))
    if name == "SERVICE_LEVEL":
        queued = [contact for contact in contacts if "CONTACTS_QUEUED" in contact.counts]
        limit = metric["Threshold"]["ThresholdValue"]
        met = sum(contact.seconds.get("QUEUE_ANSWER_TIME", limit) < limit for contact in queued)
        return 100.0 * met / len(queued) if queued else None
    values = [contact.seconds[name] for contact in contacts if name in contact.seconds]
    if not values:
        return None
    return max(values) if metric["Statistic"] == "MAX" else sum(values) / len(values)


# HTTP


class OtherConnect:
    """The service behind a real server on loopback, on a free port unless told which, while a with block runs."""

    def __init__(self, service: Service, port: int = 0) -> None:
        self.service = service
        self.stopping = threading.Event()
        outer = self

        class Handler(_Handler):
            connect = outer

        self._server = _Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> OtherConnect:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Programs are ended in the middle of requests here; that is no news."""


class _Handler(BaseHTTPRequestHandler):
    connect: OtherConnect
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._reply(self._respond())

    def do_POST(self) -> None:
        self._reply(self._respond())

    def _respond(self) -> Reply:
        try:
            return self.connect.service.handle(self._asked())
        except Refused as refused:
            return refused.reply()

    def _asked(self) -> Asked:
        target = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        signed = CREDENTIAL.match(self.headers.get("Authorization", ""))
        if not signed:
            raise Refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        for method, pattern, operation in ROUTES:
            if method == self.command and (found := re.fullmatch(pattern, target.path.rstrip("/"))):
                path = {name: unquote(value) for name, value in found.groupdict().items()}
                body = json.loads(raw) if raw else {}
                params = path | _query(target.query) | body
                return Asked(operation, path.get("InstanceId", ""), params, signed[1], signed[2], body)
        raise Refused(404, "UnknownOperationException", "")

    def _reply(self, reply: Reply) -> None:
        if reply.hang:
            self.connect.stopping.wait(60)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)
        self.wfile.flush()
        self.close_connection = self.close_connection or reply.cut

    def log_message(self, *args: object) -> None:
        """Nothing: tests print what they need."""


def _query(text: str) -> dict[str, Any]:
    given = parse_qs(text, strict_parsing=bool(text))
    found: dict[str, Any] = {}
    if "queueTypes" in given:
        found["QueueTypes"] = given["queueTypes"]
    for wire, name in (("nextToken", "NextToken"), ("maxResults", "MaxResults")):
        if wire in given:
            found[name] = given[wire][0]
    return found
