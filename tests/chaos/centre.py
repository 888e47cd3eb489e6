"""The contact centres that the daemon watches, and all that the simulator has served of them."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from exporter.simulator.faults import Request
from exporter.simulator.world import Instance, Queue, World
from tests.chaos.moment import Moment

HOME, FAR = "111122223333", "444455556666"
REGION = "us-east-1"
HALF_DAY, DAY = 43200.0, 86400.0
LEVELS = {
    ("QUEUE", "CHANNEL"): "queue",
    ("ROUTING_PROFILE",): "routing_profile",
    (): "instance",
    ("QUEUE",): "queue_all_channels",
}
ENDINGS = {"COUNT": ("", 1.0), "SECONDS": ("_seconds", 1.0), "PERCENT": ("_ratio", 100.0)}
FEWEST, MOST = 2, 6
"""Queues of an instance."""

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, str, Labels]
"""Family, instance id, and the other labels, sorted, with ids for names."""


class Centre:
    """Two instances of one account, one of another, which takes a role. Any of them may be hidden."""

    def __init__(self, moment: Moment, seed: int = 1, instances: int = 3, queues: int = 4, volume: float = 0.3) -> None:
        self.clock: Callable[[], float] = moment.true_time
        self._world = World(
            seed=seed, clock=self.clock, instances=instances, queues=queues, history=HALF_DAY, volume=volume
        )
        self.far = self._world.instances[-1].id
        self.hidden: frozenset[str] = frozenset()
        self.corrected: frozenset[str] = frozenset()
        """Instances of which every count of a past interval is less by one than it was."""

    @property
    def everybody(self) -> tuple[Instance, ...]:
        return tuple(
            replace(i, account_id=account, arn=i.arn.replace(i.account_id, account))
            for i in self._world.instances
            for account in (FAR if i.id == self.far else HOME,)
        )

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(instance for instance in self.everybody if instance.id not in self.hidden)

    def current(self, instance_id: str, **asked: Any) -> Any:
        return self._world.current(instance_id, **asked)

    def historical(self, instance_id: str, **asked: Any) -> Any:
        rows = self._world.historical(instance_id, **asked)
        return [(of, _less_by_one(values)) for of, values in rows] if instance_id in self.corrected else rows

    def alias(self, instance_id: str) -> str:
        return next(i.alias for i in self.everybody if i.id == instance_id)

    def queues(self, instance_id: str) -> tuple[Queue, ...]:
        instance = self._world.instance(instance_id)
        assert instance is not None
        return tuple(queue for queue in instance.queues if queue.kind == "STANDARD")

    def shake(self, instance_id: str, chance: random.Random) -> None:
        """A queue is deleted, renamed, made again under its old name, or a new one is made."""
        queues = self.queues(instance_id)
        queue, other = chance.choice(queues), chance.choice(queues)
        name = queue.name or ""
        what = chance.choice(("delete", "rename", "again", "swap", "create"))
        match {("delete", FEWEST): "create", ("create", MOST): "delete"}.get((what, len(queues)), what):
            case "delete":
                self._world.remove_queue(instance_id, queue.id)
            case "rename":
                self._world.rename_queue(instance_id, queue.id, f"{name.split(' ~ ')[0]} ~ {chance.randrange(1000)}")
            case "again":
                self._world.remove_queue(instance_id, queue.id)
                self._world.add_queue(instance_id, name, channels=("VOICE", "CHAT"))
            case "swap":
                self._world.rename_queue(instance_id, queue.id, other.name or "")
                self._world.rename_queue(instance_id, other.id, name)
            case "create":
                self._world.add_queue(instance_id, f"New {chance.randrange(1000)}", channels=("VOICE", "TASK"))


def _less_by_one(values: Mapping[tuple[str, float | None], float | None]) -> Any:
    return {(name, of): v - 1 if v and "CONTACTS" in name else v for (name, of), v in values.items()}


@dataclass(frozen=True, slots=True)
class Chain:
    """One question, answered to the last page; `keys` are the series it gave a value for."""

    operation: str
    instance: str
    level: str
    window: str
    when: float
    keys: frozenset[Key]


@dataclass(frozen=True, slots=True)
class Sums:
    """An answer that counters are made of: the sums since `anchor`, of all that was asked for; `whole`: of the whole
    period. What is in `asked` and not in `values` is 0.
    """

    when: float
    anchor: float
    whole: bool
    asked: frozenset[Key]
    values: Mapping[Key, float]


@dataclass(slots=True)
class _Started:
    when: float
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    snapshots: list[float] = field(default_factory=list)


class Record:
    """What was served, to the last page of its chain: values by series, and when, by shared monotonic time."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._lock = threading.Lock()
        self._started: dict[str, _Started] = {}
        self.values: defaultdict[Key, dict[float, float]] = defaultdict(dict)
        """Value to the moment at which it was last served."""
        self.snapshots: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        """(served, moment of the data), by instance and level."""
        self.chains: list[Chain] = []
        self.sums: defaultdict[str, list[Sums]] = defaultdict(list)
        """By instance, the oldest first."""
        self.counted: defaultdict[tuple[Key, float], set[float]] = defaultdict(set)
        """What was ever said of a sum, by series and anchor."""
        self.answered: dict[tuple[str, str, str], float] = {}
        """When a question was last answered to the end: operation, instance, and what it was about."""
        self.names: defaultdict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        """By instance and kind: name to the ids that ever had it."""
        self.in_between: Callable[[str], None] | None = None
        """Called with the instance whenever a chain has begun and not ended."""

    def observe(self, request: Request, page: Mapping[str, Any]) -> None:
        instance = str(request.params.get("InstanceId", ""))
        with self._lock:
            match request.operation:
                case "ListQueues":
                    self._name(instance, "queue", page["QueueSummaryList"])
                case "ListRoutingProfiles":
                    self._name(instance, "routing_profile", page["RoutingProfileSummaryList"])
                case "GetCurrentMetricData" | "GetMetricData":
                    self._page(request, instance, page)
            if "NextToken" not in page and "MetricResults" not in page:
                about = request.params.get("RoutingProfileId", "")
                self.answered[request.operation, instance, about] = self._moment.monotonic()
        if "NextToken" in page and self.in_between is not None:
            self.in_between(instance)

    def forget(self, before: float) -> None:
        """What nobody will ask about any more."""
        with self._lock:
            for key, values in list(self.values.items()):
                kept = {value: when for value, when in values.items() if when >= before}
                if kept:
                    self.values[key] = kept
                else:
                    del self.values[key]
            self.chains = [chain for chain in self.chains if chain.when >= before]
            for place, moments in self.snapshots.items():
                self.snapshots[place] = [each for each in moments if each[0] >= before]
            for instance, sums in self.sums.items():
                self.sums[instance] = [each for each in sums[:-1] if each.when >= before] + sums[-1:]
            anchors = {each.anchor for sums in self.sums.values() for each in sums}
            for key, anchor in [place for place in self.counted if place[1] not in anchors]:
                del self.counted[key, anchor]
            self._started = {token: one for token, one in self._started.items() if one.when >= before}

    def since(self, when: float) -> list[Chain]:
        with self._lock:
            return [chain for chain in self.chains if chain.when >= when]

    def _name(self, instance: str, kind: str, items: Sequence[Mapping[str, Any]]) -> None:
        for item in items:
            for name in {item.get("Name") or item["Id"], item["Id"]}:
                self.names[instance, kind][name].add(item["Id"])

    def _page(self, request: Request, instance: str, page: Mapping[str, Any]) -> None:
        started = self._started.pop(request.params.get("NextToken", ""), None) or _Started(self._moment.monotonic())
        started.rows.extend(page["MetricResults"])
        if "DataSnapshotTime" in page:
            started.snapshots.append(page["DataSnapshotTime"])
        if token := page.get("NextToken"):
            self._started[token] = started
        else:
            self._whole(request, instance, started)

    def _whole(self, request: Request, instance: str, answer: _Started) -> None:
        params, now = request.params, self._moment.monotonic()
        level = LEVELS[tuple(params.get("Groupings", ()))]
        if is_sum(params):
            self._sum(instance, params, answer.rows, now)
            if len(params["HistoricalMetrics"]) > 1:  # one alone may be what was left to ask of a window
                return
        is_current = request.operation == "GetCurrentMetricData"
        if is_current:
            for moment in answer.snapshots:
                self.snapshots[instance, level].append((now, moment))
            for key in _idle(instance, level, params, answer.rows):
                self.values[key][0.0] = now
        for window in [""] if is_current else _windows(params["StartTime"], params["EndTime"]):
            served = dict(_values(instance, level, window, answer.rows))
            for key, value in served.items():
                self.values[key][value] = now
            self.answered[request.operation, instance, f"{level} {window}".strip()] = now
            self.chains.append(Chain(request.operation, instance, level, window, now, frozenset(served)))

    def _sum(self, instance: str, params: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], now: float) -> None:
        start, end = params["StartTime"], params["EndTime"]
        served = {
            (f"amazon_connect_queue_{name}_total", instance, labels): value for labels, name, value in _counts(rows)
        }
        asked = frozenset(
            (f"amazon_connect_queue_{metric['Name'].lower()}_total", instance, labels)
            for metric in params["HistoricalMetrics"]
            for labels in _asked(params)
        )
        self.sums[instance].append(Sums(now, start, end - start == HALF_DAY, asked, served))
        for key, value in served.items():
            self.counted[key, start].add(value)
        self.answered["GetMetricData", instance, "sums"] = now


def is_sum(params: Mapping[str, Any]) -> bool:
    """Whether that question is one of the counters': sums and nothing else, since the period began."""
    metrics = params.get("HistoricalMetrics", ())
    return bool(metrics) and params["StartTime"] % HALF_DAY == 0 and all(m["Statistic"] == "SUM" for m in metrics)


def _windows(start: float, end: float) -> list[str]:
    """All that an interval may have been asked for."""
    found = [f"{length // 60}m" for length in (1800,) if end - start == length]
    return found + ["today"] * (start % DAY == 0)


def _values(instance: str, level: str, window: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Key, float]]:
    for row in rows:
        labels = _dimensions(row.get("Dimensions", {}))
        for item in row["Collections"]:
            metric, value = item["Metric"], item.get("Value")
            if value is None:
                continue
            ending, divisor = ENDINGS[metric["Unit"]]
            name = metric["Name"].lower()
            threshold = metric.get("Threshold")
            extra = () if threshold is None else (("threshold_seconds", f"{threshold['ThresholdValue']:g}"),)
            recent = "recent_" if window else ""
            more = (("window", window),) if window else ()
            family = f"amazon_connect_{level}_{recent}{name}{ending}"
            yield (family, instance, tuple(sorted((*labels, *extra, *more)))), value / divisor
            if (level, name) == ("queue", "oldest_contact_age"):
                # The greatest of its queues' stands for the instance.
                yield ("amazon_connect_instance_oldest_contact_age_seconds", instance, labels), value


def _counts(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Labels, str, float]]:
    for row in rows:
        labels = _dimensions(row["Dimensions"])
        for item in row["Collections"]:
            if (value := item.get("Value")) is not None:
                yield labels, item["Metric"]["Name"].lower(), value


def _dimensions(given: Mapping[str, Any]) -> Labels:
    found = {}
    if "Queue" in given:
        found["queue"] = given["Queue"]["Id"]
    if "RoutingProfile" in given:
        found["routing_profile"] = given["RoutingProfile"]["Id"]
    if "Channel" in given:
        found["channel"] = given["Channel"]
    return tuple(sorted(found.items()))


def _asked(params: Mapping[str, Any]) -> Iterator[Labels]:
    """Each queue and channel of the filters."""
    filters = params["Filters"]
    queues = [text.rpartition("/")[2] for text in filters.get("Queues", ())]
    for channel, queue in product(filters["Channels"], queues):
        yield ("channel", channel), ("queue", queue)


def _idle(instance: str, level: str, params: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Iterator[Key]:
    """The counts of queues and channels that were asked for and not answered."""
    if level != "queue":
        return
    answered = {_dimensions(row["Dimensions"]) for row in rows}
    counts = [metric["Name"].lower() for metric in params["CurrentMetrics"] if metric["Unit"] == "COUNT"]
    for labels in _asked(params):
        if labels not in answered:
            yield from ((f"amazon_connect_queue_{name}", instance, labels) for name in counts)
