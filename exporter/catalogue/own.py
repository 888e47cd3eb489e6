"""The exporter about itself: is it working, is its data fresh, what does it cost.

`process_*` and `python_*` come with prometheus_client and are not listed here.
"""

from __future__ import annotations

from exporter.catalogue.spec import Kind, Spec, Unit

COLLECTOR = ("instance_alias", "collector")
DISCOVERY = ("discovery", "region")
"""The block's place in the configuration, from 0, and the region."""
API = ("account_id", "region", "operation")

OWN: tuple[Spec, ...] = (
    Spec(
        name="amazon_connect_exporter_build_info",
        help=(
            "Always 1; which exporter runs, with which Python and boto3. The version of boto3 decides which metrics "
            "of AWS the program knows."
        ),
        labels=("version", "revision", "python_version", "boto3_version"),
    ),
    Spec(
        name="amazon_connect_exporter_collector_success",
        help=(
            "1 where the last run of this collector for this instance succeeded, 0 where it failed or none has ended "
            "yet; profile_queues has no values, it finds what routing profiles serve, for the zeros of idle queues. "
            "After a failure the last good values stay until max_age, so a full page does not mean success."
        ),
        labels=COLLECTOR,
    ),
    Spec(
        name="amazon_connect_exporter_collector_duration_seconds",
        help=(
            "How long the last run of this collector for this instance took, waiting for AWS's request quota "
            "included. Near or above the collector's interval, values come late."
        ),
        labels=COLLECTOR,
        unit=Unit.SECONDS,
    ),
    Spec(
        name="amazon_connect_exporter_collector_last_success_timestamp_seconds",
        help=(
            "When this collector last succeeded for this instance, in seconds since 1970; 0 before its first success. "
            "Alert on time() minus this, as old numbers look like fresh ones; values of historical and counters can be "
            "older by half of max_age, as not every run asks anew."
        ),
        labels=COLLECTOR,
        unit=Unit.SECONDS,
    ),
    Spec(
        name="amazon_connect_exporter_collector_errors_total",
        help=(
            "Runs of this collector that failed, and what AWS newly refused while the rest carried on, by reason. "
            "access_denied and credentials wait for a person; throttled, timeout, connection and server_error usually "
            "pass by themselves."
        ),
        labels=("instance_alias", "collector", "reason"),
        kind=Kind.COUNTER,
    ),
    Spec(
        name="amazon_connect_exporter_collector_interval_seconds",
        help=(
            "How often this collector is configured to run for this instance. Five times this without a success, and "
            "300 seconds at least, is what AmazonConnectDataStale calls stale."
        ),
        labels=COLLECTOR,
        unit=Unit.SECONDS,
    ),
    Spec(
        name="amazon_connect_exporter_collector_series",
        help=(
            "Series that this collector publishes for this instance now. A sudden fall while it succeeds means that "
            "queues were deleted, renamed or filtered away."
        ),
        labels=COLLECTOR,
    ),
    Spec(
        name="amazon_connect_exporter_series_dropped_total",
        help=(
            "Series of results that were not published, each as a whole, because the instance would have had more than "
            "limits.max_series; what the collector published before vanishes after max_age. Filter, or raise the limit."
        ),
        labels=COLLECTOR,
        kind=Kind.COUNTER,
    ),
    Spec(
        name="amazon_connect_exporter_api_requests_total",
        help=(
            "Requests to AWS, by operation and outcome: 200, AWS's error code, or what went wrong where no answer "
            "came, such as credentials where there were none to send it with. Every page and every attempt counts, as "
            "each spends quota, a throttled one included."
        ),
        labels=("account_id", "region", "operation", "code"),
        kind=Kind.COUNTER,
    ),
    Spec(
        name="amazon_connect_exporter_api_request_duration_seconds",
        help=(
            "Time from sending one request to AWS until its answer or failure, each attempt by itself. Waiting for "
            "quota comes before and is not in it."
        ),
        labels=("operation",),
        unit=Unit.SECONDS,
        kind=Kind.HISTOGRAM,
    ),
    Spec(
        name="amazon_connect_exporter_api_quota_wait_seconds_total",
        help=(
            "Time that requests waited for this process's share of the AWS quota before they were sent. Steady growth "
            "is the price of many queues; where runs also outlast their interval, lengthen it or raise quota_share."
        ),
        labels=API,
        unit=Unit.SECONDS,
        kind=Kind.COUNTER,
    ),
    Spec(
        name="amazon_connect_exporter_api_quota_tokens",
        help=(
            "Requests that could be sent at once without leaving this process's share of the AWS quota. The quota "
            "belongs to account and region: other users of the same API can exhaust it while this still shows plenty."
        ),
        labels=API,
    ),
    Spec(
        name="amazon_connect_exporter_metric_rejected",
        help=(
            "1 where AWS refused this metric and the collector carried on without it, so that its series are missing. "
            "It is asked for again later; leave it out of metrics to end the attempts."
        ),
        labels=("instance_alias", "collector", "metric"),
    ),
    Spec(
        name="amazon_connect_exporter_filter_rejected",
        help=(
            "1 where AWS refused a queue, routing profile, channel or whole level (kind says which, name which one) "
            "and the collector carried on without it, so that its series are missing. It is asked for again later."
        ),
        labels=("instance_alias", "collector", "kind", "name"),
    ),
    Spec(
        name="amazon_connect_exporter_discovery_success",
        help=(
            "1 where instances could be listed in this region, 0 where not or not yet. After a failure the instances "
            "found before are collected on, and new ones go unnoticed."
        ),
        labels=DISCOVERY,
    ),
    Spec(
        name="amazon_connect_exporter_discovery_last_success_timestamp_seconds",
        help="When instances were last listed in this region, in seconds since 1970; 0 before the first time.",
        labels=DISCOVERY,
        unit=Unit.SECONDS,
    ),
    Spec(
        name="amazon_connect_exporter_discovery_errors_total",
        help=(
            "Attempts to list the instances of this region that failed, by reason. access_denied and credentials wait "
            "for a person."
        ),
        labels=(*DISCOVERY, "reason"),
        kind=Kind.COUNTER,
    ),
    Spec(
        name="amazon_connect_exporter_discovery_instances",
        help="Instances found in this region that the aliases of the discovery block let in.",
        labels=DISCOVERY,
    ),
    Spec(
        name="amazon_connect_exporter_config_last_reload_successful",
        help=(
            "1 where the configuration was valid when it was last read, 0 where it was refused. After a refusal the "
            "configuration before it keeps running, so nothing else shows the mistake."
        ),
        labels=(),
    ),
    Spec(
        name="amazon_connect_exporter_config_last_reload_success_timestamp_seconds",
        help="When a valid configuration was last taken over, in seconds since 1970.",
        labels=(),
        unit=Unit.SECONDS,
    ),
    Spec(
        name="amazon_connect_exporter_config_hash",
        help=(
            "A number made of the running configuration: two processes with the same one run the same settings. It "
            "has no order and no meaning beyond that."
        ),
        labels=(),
    ),
    Spec(
        name="amazon_connect_exporter_targets",
        help=(
            "Amazon Connect instances that this process collects, discovered ones included. With shards each process "
            "counts only its own, so add up the shards."
        ),
        labels=(),
    ),
)
