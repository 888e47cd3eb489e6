"""What the exporter knows about an instance besides its numbers: ids behind names, and when AWS took the values.

Information metrics are always 1 and carry their facts as labels. They come from the inventory, so they are there for
idle queues too.
"""

from __future__ import annotations

from exporter.catalogue.spec import QUEUE, Spec, Unit

INFORMATION: tuple[Spec, ...] = (
    Spec(
        name="amazon_connect_instance_info",
        help=(
            "Always 1; ties the alias of an instance to its id, ARN, account and region. Multiply with it, joined on "
            "instance_alias, to bring one of those into a panel or an alert."
        ),
        labels=("instance_alias", "instance_id", "instance_arn", "account_id", "region"),
        operation="DescribeInstance",
    ),
    Spec(
        name="amazon_connect_queue_info",
        help=(
            "Always 1, for every queue that is collected; ties its name to its id. Idle queues are among them though "
            "AWS leaves them out of its answers, so join with this to tell an idle queue from one that is gone."
        ),
        labels=("instance_alias", "queue", "queue_id"),
        operation="ListQueues",
    ),
    Spec(
        name="amazon_connect_routing_profile_info",
        help=(
            "Always 1, for every routing profile that is collected; ties its name to its id. Profiles without a "
            "single agent are among them."
        ),
        labels=("instance_alias", "routing_profile", "routing_profile_id"),
        operation="ListRoutingProfiles",
    ),
    Spec(
        name="amazon_connect_data_snapshot_timestamp_seconds",
        help=(
            "When AWS took the real-time values of this level, in seconds since 1970. time() minus this is the age of "
            "what a board shows; AWS's own console refreshes every 15 seconds."
        ),
        labels=("instance_alias", "level"),
        unit=Unit.SECONDS,
        operation="GetCurrentMetricData",
    ),
    Spec(
        name="amazon_connect_queue_service_level_threshold_seconds",
        help=(
            "Time within which contacts of this queue and channel should be answered, as the configuration's slo says "
            "or its defaults. Rules join on it, so that sites differ in data and not in rules."
        ),
        labels=QUEUE,
        unit=Unit.SECONDS,
    ),
    Spec(
        name="amazon_connect_queue_service_level_target_ratio",
        help=(
            "Part of the contacts of this queue and channel that should be answered within the threshold, as the "
            "configuration's slo says or its defaults. It is a goal, not a measurement."
        ),
        labels=QUEUE,
        unit=Unit.PERCENT,
    ),
)
