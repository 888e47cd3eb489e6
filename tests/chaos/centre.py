"""The contact centres that the daemon watches, and all that the simulator has served of them."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, str, Labels]
"""Family, instance id, and the other labels, sorted, with ids for names."""


class Centre:
    """Two instances of one account, one of another, which takes a role. Any of them may be hidden."""

    def __init__(self, moment: Moment, seed: int = 1, instances: int = 3, queues: int = 4, volume: float = 0.3) -> None:
        self.clock: Callable[[], float] = moment.true_time
        self._world = World(
            seed=seed, clock=self.clock, instances=instances, queues=queues, history=3 * 3600, volume=volume
        )
        self.far = self._world.instances[-1].id
        self.hidden: frozenset[str] = frozenset()

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
        return self._world.historical(instance_id, **asked)

    def alias(self, instance_id: str) -> str:
        return next(i.alias for i in self.everybody if i.id == instance_id)

    def queues(self, instance_id: str) -> tuple[Queue, ...]:
        instance = self._world.instance(instance_id)
        assert instance is not None
        return tuple(queue for queue in instance.queues if queue.kind == "STANDARD")

    def shake(self, instance_id: str, chance: random.Random) -> None:
        """A queue is deleted, renamed, made again under its old name, or a new one is made."""
        queue = chance.choice(self.queues(instance_id))
        name = queue.name or ""
        match chance.choice(("rename", "again", "swap")):
            case "rename":
                self._world.rename_queue(instance_id, queue.id, f"{name.split(' ~ ')[0]} ~ {chance.randrange(1000)}")
            case "again":
                self._world.remove_queue(instance_id, queue.id)
                self._world.add_queue(instance_id, name, channels=("VOICE", "CHAT"))
            case "swap":
                other = chance.choice(self.queues(instance_id))
                self._world.rename_queue(instance_id, queue.id, other.name or "")
                self._world.rename_queue(instance_id, other.id, name)


@dataclass(frozen=True, slots=True)
class Chain:
    """One question, answered to the last page; `keys` are the series it gave a value for."""

    operation: str
    instance: str
    level: str
    window: str
    when: float
    keys: frozenset[Key]


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
        self.sums: defaultdict[Key, dict[float, float]] = defaultdict(dict)
        self.snapshots: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        """(served, moment of the data), by instance and level."""
        self.chains: list[Chain] = []
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
        if "NextToken" in page and self.in_between is not None:
            self.in_between(instance)

    def forget(self, before: float) -> None:
        """What nobody will ask about any more."""
        with self._lock:
            for held, since in ((self.values, before), (self.sums, before - HALF_DAY)):
                for key, values in list(held.items()):
                    kept = {value: when for value, when in values.items() if when >= since}
                    if kept:
                        held[key] = kept
                    else:
                        del held[key]
            self.chains = [chain for chain in self.chains if chain.when >= before]
            for place, moments in self.snapshots.items():
                self.snapshots[place] = [each for each in moments if each[0] >= before]
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
        is_current = request.operation == "GetCurrentMetricData"
        windows = [""] if is_current else _windows(params["StartTime"], params["EndTime"])
        queues = tuple(text.rpartition("/")[2] for text in params["Filters"].get("Queues", ()))
        if is_current:
            for moment in answer.snapshots:
                self.snapshots[instance, level].append((now, moment))
            for key in _idle(instance, level, queues, params, answer.rows):
                self.values[key][0.0] = now
        for window in windows:
            served = dict(_values(instance, level, window, answer.rows))
            held = self.sums if window == "total" else self.values
            for key, value in served.items():
                held[key][value] = now
            if window != "total":
                self.chains.append(Chain(request.operation, instance, level, window, now, frozenset(served)))


def _windows(start: float, end: float) -> list[str]:
    """All that an interval may have been asked for; `total` for a counter."""
    found = [f"{length // 60}m" for length in (1800,) if end - start == length]
    return found + ["today"] * (start % DAY == 0) + ["total"] * (start % HALF_DAY == 0)


def _values(instance: str, level: str, window: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Key, float]]:
    for row in rows:
        labels = _dimensions(row.get("Dimensions", {}))
        for item in row["Collections"]:
            metric, value = item["Metric"], item.get("Value")
            if value is None:
                continue
            ending, divisor = ENDINGS[metric["Unit"]]
            name = metric["Name"].lower()
            if window == "total":
                yield (f"amazon_connect_queue_{name}_total", instance, labels), value
                continue
            threshold = metric.get("Threshold")
            extra = () if threshold is None else (("threshold_seconds", f"{threshold['ThresholdValue']:g}"),)
            recent = "recent_" if window else ""
            more = (("window", window),) if window else ()
            family = f"amazon_connect_{level}_{recent}{name}{ending}"
            yield (family, instance, tuple(sorted((*labels, *extra, *more)))), value / divisor
            if (level, name) == ("queue", "oldest_contact_age"):
                # The greatest of its queues' stands for the instance.
                yield ("amazon_connect_instance_oldest_contact_age_seconds", instance, labels), value


def _dimensions(given: Mapping[str, Any]) -> Labels:
    found = {}
    if "Queue" in given:
        found["queue"] = given["Queue"]["Id"]
    if "RoutingProfile" in given:
        found["routing_profile"] = given["RoutingProfile"]["Id"]
    if "Channel" in given:
        found["channel"] = given["Channel"]
    return tuple(sorted(found.items()))


def _idle(
    instance: str, level: str, queues: Sequence[str], params: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[Key]:
    """The counts of queues and channels that were asked for and not answered."""
    if level != "queue":
        return
    answered = {_dimensions(row["Dimensions"]) for row in rows}
    counts = [metric["Name"].lower() for metric in params["CurrentMetrics"] if metric["Unit"] == "COUNT"]
    for queue in queues:
        for channel in params["Filters"]["Channels"]:
            labels = (("channel", channel), ("queue", queue))
            if labels not in answered:
                yield from ((f"amazon_connect_queue_{name}", instance, labels) for name in counts)
