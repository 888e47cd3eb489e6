"""The documented rules of the two metric APIs that no shape expresses.

From the reference pages of GetCurrentMetricData and GetMetricData. The tables are the simulator's own: it is to find
the exporter's mistakes, so it shares none of the exporter's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.simulator.errors import Refused, invalid_parameter
from exporter.simulator.view import InstanceView, Metric

CHANNELS = ("VOICE", "CHAT", "TASK", "EMAIL")
MOST_RESOURCES = 100
MOST_AGENT_STATUSES = 50
MOST_SERVICE_LEVELS = 20
LONGEST_THRESHOLD = 604_800
MARK = 300
DAY = 86_400

CURRENT_METRICS: Mapping[str, str] = {
    "AGENTS_AFTER_CONTACT_WORK": "COUNT",
    "AGENTS_AVAILABLE": "COUNT",
    "AGENTS_ERROR": "COUNT",
    "AGENTS_NON_PRODUCTIVE": "COUNT",
    "AGENTS_ON_CALL": "COUNT",
    "AGENTS_ON_CONTACT": "COUNT",
    "AGENTS_ONLINE": "COUNT",
    "AGENTS_STAFFED": "COUNT",
    "CONTACTS_IN_QUEUE": "COUNT",
    "CONTACTS_SCHEDULED": "COUNT",
    "ESTIMATED_WAIT_TIME": "SECONDS",
    "OLDEST_CONTACT_AGE": "SECONDS",
    "SLOTS_ACTIVE": "COUNT",
    "SLOTS_AVAILABLE": "COUNT",
}

HISTORICAL_METRICS: Mapping[str, tuple[str, str]] = {
    "ABANDON_TIME": ("SECONDS", "AVG"),
    "AFTER_CONTACT_WORK_TIME": ("SECONDS", "AVG"),
    "API_CONTACTS_HANDLED": ("COUNT", "SUM"),
    "CALLBACK_CONTACTS_HANDLED": ("COUNT", "SUM"),
    "CONTACTS_ABANDONED": ("COUNT", "SUM"),
    "CONTACTS_AGENT_HUNG_UP_FIRST": ("COUNT", "SUM"),
    "CONTACTS_CONSULTED": ("COUNT", "SUM"),
    "CONTACTS_HANDLED": ("COUNT", "SUM"),
    "CONTACTS_HANDLED_INCOMING": ("COUNT", "SUM"),
    "CONTACTS_HANDLED_OUTBOUND": ("COUNT", "SUM"),
    "CONTACTS_HOLD_ABANDONS": ("COUNT", "SUM"),
    "CONTACTS_MISSED": ("COUNT", "SUM"),
    "CONTACTS_QUEUED": ("COUNT", "SUM"),
    "CONTACTS_TRANSFERRED_IN": ("COUNT", "SUM"),
    "CONTACTS_TRANSFERRED_IN_FROM_QUEUE": ("COUNT", "SUM"),
    "CONTACTS_TRANSFERRED_OUT": ("COUNT", "SUM"),
    "CONTACTS_TRANSFERRED_OUT_FROM_QUEUE": ("COUNT", "SUM"),
    "HANDLE_TIME": ("SECONDS", "AVG"),
    "HOLD_TIME": ("SECONDS", "AVG"),
    "INTERACTION_AND_HOLD_TIME": ("SECONDS", "AVG"),
    "INTERACTION_TIME": ("SECONDS", "AVG"),
    "OCCUPANCY": ("PERCENT", "AVG"),
    "QUEUED_TIME": ("SECONDS", "MAX"),
    "QUEUE_ANSWER_TIME": ("SECONDS", "AVG"),
    "SERVICE_LEVEL": ("PERCENT", "AVG"),
}

_NEED_A_PROFILE_FILTER = frozenset({"CONTACTS_IN_QUEUE", "CONTACTS_SCHEDULED", "OLDEST_CONTACT_AGE"})
_CURRENT_GROUPINGS = frozenset({"QUEUE", "CHANNEL", "ROUTING_PROFILE", "AGENT_STATUS"})
_CURRENT_FILTERS = frozenset({"Queues", "Channels", "RoutingProfiles", "AgentStatuses"})
_HISTORICAL_GROUPINGS = frozenset({"QUEUE", "CHANNEL"})
_HISTORICAL_FILTERS = frozenset({"Queues", "Channels"})

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A metric request that broke no rule. Ids, never ARNs, each once; a filter that was not sent is None."""

    groupings: tuple[str, ...]
    channels: tuple[str, ...]
    queues: tuple[str, ...] | None = None
    profiles: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None


def current(params: Params, instance: InstanceView, unknown_queue: str) -> Asked:
    """The rules of GetCurrentMetricData; `unknown_queue` is the error code for a queue that can not be filtered by."""
    filters, groupings = params["Filters"], _groupings(params, _CURRENT_GROUPINGS)
    names = [_current_metric(metric) for metric in params["CurrentMetrics"]]
    _check_metric_list(names)
    _check_filters(filters, _CURRENT_FILTERS)
    _check_groupings(groupings, filters)
    if "ROUTING_PROFILE" in groupings and not filters.get("RoutingProfiles"):
        _check_without_profiles(filters, names)
    if "AGENT_STATUS" in groupings:
        _check_agent_status(groupings, names)
    if "ESTIMATED_WAIT_TIME" in names:
        _check_estimated_wait(filters, groupings)
    _check_sorting(params)
    return Asked(
        groupings,
        _channels(filters),
        _queues(filters, instance, unknown_queue),
        _resources(
            filters,
            "RoutingProfiles",
            f"{instance.arn}/routing-profile/",
            [profile.id for profile in instance.profiles],
        ),
        _resources(
            filters, "AgentStatuses", f"{instance.arn}/agent-state/", [status.id for status in instance.statuses]
        ),
    )


def historical(
    params: Params, instance: InstanceView, unknown_queue: str, now: float
) -> tuple[Asked, tuple[Metric, ...]]:
    """The rules of GetMetricData, and its metrics in the order asked for. `now` in unix seconds."""
    filters, groupings = params["Filters"], _groupings(params, _HISTORICAL_GROUPINGS)
    metrics = tuple(_historical_metric(metric) for metric in params["HistoricalMetrics"])
    _check_metric_list(metrics)
    if sum(name == "SERVICE_LEVEL" for name, _ in metrics) > MOST_SERVICE_LEVELS:
        raise invalid_parameter(f"At most {MOST_SERVICE_LEVELS} SERVICE_LEVEL metrics can be asked for in a request.")
    _check_interval(params["StartTime"], params["EndTime"], now)
    _check_filters(filters, _HISTORICAL_FILTERS)
    _check_groupings(groupings, filters)
    return Asked(groupings, _channels(filters), _queues(filters, instance, unknown_queue)), metrics


# --- metrics ------------------------------------------------------------------------------------------------------


def _current_metric(metric: Params) -> str:
    if "MetricId" in metric:
        raise invalid_parameter("Metrics by MetricId are not simulated.")
    name = metric.get("Name", "")
    if name not in CURRENT_METRICS:
        raise invalid_parameter("Each metric must have a name.")
    if metric.get("Unit") != CURRENT_METRICS[name]:
        raise invalid_parameter(f"The unit of {name} must be {CURRENT_METRICS[name]}.")
    return str(name)


def _historical_metric(metric: Params) -> Metric:
    name = metric.get("Name", "")
    if name not in HISTORICAL_METRICS:
        raise invalid_parameter("Each metric must have a name.")
    unit, statistic = HISTORICAL_METRICS[name]
    if metric.get("Unit") != unit or metric.get("Statistic") != statistic:
        raise invalid_parameter(f"The unit of {name} must be {unit}, its statistic {statistic}.")
    threshold = metric.get("Threshold")
    if name != "SERVICE_LEVEL":
        if threshold is not None:
            raise invalid_parameter(f"{name} has no threshold.")
        return name, None
    return name, _threshold(threshold or {})


def _threshold(threshold: Params) -> float:
    value = threshold.get("ThresholdValue")
    if threshold.get("Comparison") != "LT" or value is None:
        raise invalid_parameter("SERVICE_LEVEL must have a threshold with the comparison LT and a value.")
    if value != int(value) or not 1 <= value <= LONGEST_THRESHOLD:
        raise invalid_parameter(f"A threshold value must be a whole number from 1 to {LONGEST_THRESHOLD}.")
    return float(value)


def _check_metric_list(metrics: Sequence[object]) -> None:
    if not metrics:
        raise invalid_parameter("At least one metric must be asked for.")
    if len(set(metrics)) != len(metrics):
        raise invalid_parameter("A metric is asked for twice.")


def _check_sorting(params: Params) -> None:
    for criterion in params.get("SortCriteria", ()):
        if criterion.get("SortByMetric", "").startswith("SLOTS_"):
            raise invalid_parameter(f"Sorting on {criterion['SortByMetric']} is not supported.")


# --- groupings ----------------------------------------------------------------------------------------------------


def _groupings(params: Params, known: frozenset[str]) -> tuple[str, ...]:
    groupings = tuple(params.get("Groupings", ()))
    if len(set(groupings)) != len(groupings):
        raise invalid_parameter("A grouping is given twice.")
    for grouping in groupings:
        if grouping not in known:
            raise invalid_parameter(f"Grouping by {grouping} is not supported.")
    return groupings


def _check_groupings(groupings: Sequence[str], filters: Params) -> None:
    if "QUEUE" in groupings and not filters.get("Queues"):
        raise invalid_parameter("Grouping by QUEUE needs a queue filter.")
    if "CHANNEL" in groupings and not filters.get("Channels"):
        raise invalid_parameter("Grouping by CHANNEL needs a channel filter.")


def _check_without_profiles(filters: Params, names: Sequence[str]) -> None:
    if not filters.get("Queues"):
        raise invalid_parameter("Grouping by ROUTING_PROFILE needs a queue or routing profile filter.")
    for name in names:
        if name in _NEED_A_PROFILE_FILTER:
            raise invalid_parameter(f"{name} grouped by ROUTING_PROFILE needs a routing profile filter.")


def _check_agent_status(groupings: Sequence[str], names: Sequence[str]) -> None:
    if tuple(groupings) != ("QUEUE", "AGENT_STATUS"):
        raise invalid_parameter("Grouping by AGENT_STATUS needs QUEUE as the primary grouping.")
    if list(names) != ["AGENTS_ONLINE"]:
        raise invalid_parameter("Grouped by AGENT_STATUS, AGENTS_ONLINE is the only metric available.")


def _check_estimated_wait(filters: Params, groupings: Sequence[str]) -> None:
    if not filters.get("Queues") or not filters.get("Channels") or set(groupings) != {"QUEUE", "CHANNEL"}:
        raise invalid_parameter(
            "ESTIMATED_WAIT_TIME needs queue and channel filters and grouping by QUEUE and CHANNEL."
        )


# --- filters ------------------------------------------------------------------------------------------------------


def _check_filters(filters: Params, known: frozenset[str]) -> None:
    for name in filters:
        if name not in known:
            raise invalid_parameter(f"Filtering by {name} is not supported.")
    if filters.get("Queues") and filters.get("RoutingProfiles"):
        raise invalid_parameter("Filter by queues or by routing profiles, not by both.")
    if filters.get("AgentStatuses") and not filters.get("Queues"):
        raise invalid_parameter("Filtering by agent statuses needs a queue filter.")
    for name, most in (
        ("Queues", MOST_RESOURCES),
        ("RoutingProfiles", MOST_RESOURCES),
        ("AgentStatuses", MOST_AGENT_STATUSES),
    ):
        if len(filters.get(name, ())) > most:
            raise invalid_parameter(f"At most {most} of {name} can be filtered by.")


def _channels(filters: Params) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filters.get("Channels", ()))) or CHANNELS


def _queues(filters: Params, instance: InstanceView, unknown_queue: str) -> tuple[str, ...] | None:
    """Queues of single agents have no metrics: they are refused as queues that do not exist."""
    known = [queue.id for queue in instance.queues if queue.kind == "STANDARD"]
    return _resources(filters, "Queues", f"{instance.arn}/queue/", known, unknown_queue)


def _resources(
    filters: Params, name: str, prefix: str, known: Sequence[str], code: str = "ResourceNotFoundException"
) -> tuple[str, ...] | None:
    if name not in filters:
        return None
    ids = tuple(dict.fromkeys(text.removeprefix(prefix) for text in filters[name]))
    existing = frozenset(known)
    for resource_id in ids:
        if resource_id not in existing:
            raise Refused(code, f"{name}: {resource_id} was not found.")
    return ids


# --- time ---------------------------------------------------------------------------------------------------------


def _check_interval(start: float, end: float, now: float) -> None:
    if start % MARK or end % MARK:
        raise invalid_parameter("StartTime and EndTime must be multiples of 5 minutes.")
    if start >= end:
        raise invalid_parameter("EndTime must be later than StartTime.")
    if end - start >= DAY:
        raise invalid_parameter("The range between StartTime and EndTime must be less than 24 hours.")
    if start < now - DAY:
        raise invalid_parameter("StartTime can not be earlier than 24 hours before the request.")
    if end > now:
        raise invalid_parameter("EndTime can not be in the future.")
