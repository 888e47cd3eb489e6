"""What each operation answers, in plain values under the service model's member names. Times are unix seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from exporter.simulator import rules
from exporter.simulator.errors import not_found
from exporter.simulator.identity import Caller, partition
from exporter.simulator.pages import Listing
from exporter.simulator.view import InstanceView, Metric, ProfileView, QueueView, StatusView, WorldView

T = TypeVar("T")
Params = Mapping[str, Any]

PAGE_SIZES: Mapping[str, int] = {
    "GetCurrentMetricData": 100,
    "GetMetricData": 100,
    "ListInstances": 10,
    "ListQueues": 100,
    "ListRoutingProfiles": 100,
    "ListRoutingProfileQueues": 100,
    "ListAgentStatuses": 100,
}
"""Rows of a page where the request does not say."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request that satisfied the shapes; `unknown_queue` is the error code for an unusable queue in a filter."""

    world: WorldView
    caller: Caller
    params: Params
    unknown_queue: str

    def instance(self) -> InstanceView:
        """The instance asked about: another account's, or another region's, does not exist for the caller."""
        for instance in _visible(self.world, self.caller):
            if instance.id == self.params["InstanceId"]:
                return instance
        raise not_found(f"Instance {self.params['InstanceId']} was not found.")


def _visible(world: WorldView, caller: Caller) -> list[InstanceView]:
    return [
        instance
        for instance in world.instances
        if (instance.account_id, instance.region) == (caller.account_id, caller.region)
    ]


# --- instances and what they consist of -----------------------------------------------------------------------------


def _list_instances(question: Question) -> Listing:
    return Listing(
        "InstanceSummaryList", _visible(question.world, question.caller), lambda _, instance: _instance(instance)
    )


def _describe_instance(question: Question) -> dict[str, Any]:
    return {"Instance": _instance(question.instance())}


_SERVICE_ROLE = "aws-service-role/connect.amazonaws.com/AWSServiceRoleForAmazonConnect"


def _instance(instance: InstanceView) -> dict[str, Any]:
    alias = instance.alias
    named = {} if alias is None else {"InstanceAlias": alias, "InstanceAccessUrl": f"https://{alias}.my.connect.aws"}
    aws = partition(instance.region)
    return {
        "Id": instance.id,
        "Arn": instance.arn,
        "IdentityManagementType": "CONNECT_MANAGED",
        "CreatedTime": instance.created,
        "ServiceRole": f"arn:{aws}:iam::{instance.account_id}:role/{_SERVICE_ROLE}",
        "InstanceStatus": "ACTIVE",
        "InboundCallsEnabled": True,
        "OutboundCallsEnabled": True,
        **named,
    }


def _modified(instance: InstanceView) -> dict[str, Any]:
    return {"LastModifiedTime": instance.created, "LastModifiedRegion": instance.region}


def _list_queues(question: Question) -> Listing:
    instance = question.instance()
    kinds = question.params.get("QueueTypes") or ["STANDARD", "AGENT"]

    def show(_: int, queue: QueueView) -> dict[str, Any]:
        named = {} if queue.name is None else {"Name": queue.name}
        return {
            "Id": queue.id,
            "Arn": f"{instance.arn}/queue/{queue.id}",
            **named,
            "QueueType": queue.kind,
            **_modified(instance),
        }

    return Listing("QueueSummaryList", [queue for queue in instance.queues if queue.kind in kinds], show)


def _list_routing_profiles(question: Question) -> Listing:
    instance = question.instance()

    def show(_: int, profile: ProfileView) -> dict[str, Any]:
        return {
            "Id": profile.id,
            "Arn": f"{instance.arn}/routing-profile/{profile.id}",
            "Name": profile.name,
            **_modified(instance),
        }

    return Listing("RoutingProfileSummaryList", list(instance.profiles), show)


def _list_routing_profile_queues(question: Question) -> Listing:
    instance = question.instance()
    wanted = question.params["RoutingProfileId"]
    profile = next((profile for profile in instance.profiles if profile.id == wanted), None)
    if profile is None:
        raise not_found(f"Routing profile {wanted} was not found.")
    names = {queue.id: queue.name for queue in instance.queues}

    def show(_: int, served: tuple[str, str, int, int]) -> dict[str, Any]:
        queue_id, channel, priority, delay = served
        return {
            "QueueId": queue_id,
            "QueueArn": f"{instance.arn}/queue/{queue_id}",
            "QueueName": names[queue_id],
            "Priority": priority,
            "Delay": delay,
            "Channel": channel,
        }

    return Listing("RoutingProfileQueueConfigSummaryList", list(profile.serves), show, _modified(instance))


def _list_agent_statuses(question: Question) -> Listing:
    instance = question.instance()
    kinds = question.params.get("AgentStatusTypes") or ["ROUTABLE", "CUSTOM", "OFFLINE"]

    def show(_: int, status: StatusView) -> dict[str, Any]:
        arn = f"{instance.arn}/agent-state/{status.id}"
        return {"Id": status.id, "Arn": arn, "Name": status.name, "Type": status.kind, **_modified(instance)}

    return Listing("AgentStatusSummaryList", [status for status in instance.statuses if status.kind in kinds], show)


# --- metrics ------------------------------------------------------------------------------------------------------

Dimensions = Mapping[str, str]


def _get_current_metric_data(question: Question) -> Listing:
    instance, params = question.instance(), question.params
    asked = rules.current(params, instance, question.unknown_queue)
    names = [metric["Name"] for metric in params["CurrentMetrics"]]
    rows, snapshot = question.world.current(
        instance.id,
        queues=asked.queues,
        profiles=asked.profiles,
        channels=asked.channels,
        groupings=asked.groupings,
        metrics=names,
    )
    if asked.statuses is not None and "AGENT_STATUS" in asked.groupings:
        rows = [row for row in rows if row[0]["AGENT_STATUS"] in asked.statuses]

    def show(index: int, row: tuple[Dimensions, Mapping[str, float | None]]) -> dict[str, Any]:
        dimensions, values = row
        collections = [
            {"Metric": {"Name": name, "Unit": rules.CURRENT_METRICS[name]}, "Value": values[name]}
            for name in _turned(names, index)
            if name in values
        ]
        return {**_dimensions(instance, dimensions), "Collections": collections}

    rest = {"DataSnapshotTime": snapshot, "ApproximateTotalCount": len(rows)}
    return Listing("MetricResults", _sorted(rows, params), show, rest)


def _sorted(
    rows: list[tuple[dict[str, str], dict[str, float | None]]], params: Params
) -> list[tuple[dict[str, str], dict[str, float | None]]]:
    """By the criterion given, else by AGENTS_ONLINE, descending; rows without that value last, in the world's order."""
    criterion: Params = next(iter(params.get("SortCriteria", ())), {})
    name = criterion.get("SortByMetric", "AGENTS_ONLINE")
    sign = 1 if criterion.get("SortOrder") == "ASCENDING" else -1

    def key(row: tuple[dict[str, str], dict[str, float | None]]) -> tuple[bool, float]:
        value = row[1].get(name)
        return (value is None, sign * (value or 0.0))

    return sorted(rows, key=key)


def _get_metric_data(question: Question) -> Listing:
    instance, params = question.instance(), question.params
    asked, metrics = rules.historical(params, instance, question.unknown_queue, question.world.clock())
    rows = question.world.historical(
        instance.id,
        start=params["StartTime"],
        end=params["EndTime"],
        queues=asked.queues,
        channels=asked.channels,
        groupings=asked.groupings,
        metrics=metrics,
    )

    def show(index: int, row: tuple[Dimensions, Mapping[Metric, float | None]]) -> dict[str, Any]:
        dimensions, values = row
        collections = [
            {"Metric": _historical_metric(metric), "Value": values[metric]}
            for metric in _turned(metrics, index)
            if metric in values
        ]
        return {**_dimensions(instance, dimensions), "Collections": collections}

    return Listing("MetricResults", rows, show)


def _historical_metric(metric: Metric) -> dict[str, Any]:
    name, threshold = metric
    unit, statistic = rules.HISTORICAL_METRICS[name]
    limit = None if threshold is None else {"Comparison": "LT", "ThresholdValue": threshold}
    return {"Name": name, "Threshold": limit, "Statistic": statistic, "Unit": unit}


def _turned(items: Sequence[T], index: int) -> Sequence[T]:
    """AWS does not keep the request's order in a row's collections: here row after row is turned by one more."""
    start = (index + 1) % len(items)
    return [*items[start:], *items[:start]]


def _dimensions(instance: InstanceView, dimensions: Dimensions) -> dict[str, Any]:
    """The row's Dimensions; an ungrouped row has none."""
    shown: dict[str, Any] = {}
    if "QUEUE" in dimensions:
        shown["Queue"] = {"Id": dimensions["QUEUE"], "Arn": f"{instance.arn}/queue/{dimensions['QUEUE']}"}
    if "CHANNEL" in dimensions:
        shown["Channel"] = dimensions["CHANNEL"]
    if "ROUTING_PROFILE" in dimensions:
        profile_id = dimensions["ROUTING_PROFILE"]
        shown["RoutingProfile"] = {"Id": profile_id, "Arn": f"{instance.arn}/routing-profile/{profile_id}"}
    if "AGENT_STATUS" in dimensions:
        status_id = dimensions["AGENT_STATUS"]
        shown["AgentStatus"] = {"Id": status_id, "Arn": f"{instance.arn}/agent-state/{status_id}"}
    return {"Dimensions": shown} if shown else {}


Handler = Callable[[Question], Listing | dict[str, Any]]

HANDLERS: Mapping[str, Handler] = {
    "GetCurrentMetricData": _get_current_metric_data,
    "GetMetricData": _get_metric_data,
    "ListInstances": _list_instances,
    "DescribeInstance": _describe_instance,
    "ListQueues": _list_queues,
    "ListRoutingProfiles": _list_routing_profiles,
    "ListRoutingProfileQueues": _list_routing_profile_queues,
    "ListAgentStatuses": _list_agent_statuses,
}
