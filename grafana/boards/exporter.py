"""For who runs the exporter: does it run, is it fresh, what does AWS say, what does it cost."""

from __future__ import annotations

from grafana import queries as q
from grafana.panels import (
    AMBER,
    DASHED,
    GREEN,
    RED,
    RIGHT,
    Json,
    Query,
    dashboard,
    lines,
    row,
    stat,
    table,
    timeline,
    words,
)

_OWN = "amazon_connect_exporter"
_COLLECTORS = "job, instance_alias, collector"
# With "All" the jobs are all of Prometheus's. What every target has is shown of those that say they are exporters, or
# said so in this range.
_EXPORTERS = f"{_OWN}_build_info{{{q.JOB}}}"
_JOBS = f"max by (job) (max_over_time({_EXPORTERS}[$__range]))"


def board() -> Json:
    return dashboard("exporter", "Exporter", __doc__ or "", _panels(), since="now-6h")


def _panels() -> list[Json]:
    return [
        *_state(),
        *row("Collectors", *_collectors()),
        *row("Requests to AWS", *_requests()),
        *row("Cost", *_cost()),
    ]


def _state() -> list[Json]:
    return [
        stat(
            "Up",
            "Does Prometheus get an answer from every exporter? The worst of the chosen jobs that had one in this "
            "range.",
            Query(f"min(max by (job, instance) (up{{{q.JOB}}}) and on (job) {_JOBS})"),
            unit="short",
            steps=((None, RED), (1, GREEN)),
            mappings=words({0: ("down", RED), 1: ("up", GREEN)}),
            width=4,
        ),
        stat(
            "Configuration",
            "Is the configuration file the one that runs? After a refused reload the one before it runs on, and would "
            "not survive a restart.",
            Query(f"min(max by (job, instance) ({_OWN}_config_last_reload_successful{{{q.JOB}}}))"),
            unit="short",
            steps=((None, RED), (1, GREEN)),
            mappings=words({0: ("refused", RED), 1: ("in force", GREEN)}),
            width=4,
        ),
        stat(
            "Instances",
            "Is every Amazon Connect instance collected? All shards together; red where there is not even 1.",
            Query(f"sum(max by (job, instance) ({_OWN}_targets{{{q.JOB}}}))"),
            unit="short",
            steps=((None, RED), (1, GREEN)),
            width=4,
        ),
        table(
            "Versions",
            "Which exporter runs where, and with which boto3? Its version decides which metrics of AWS are known. All "
            "shards of a job should have the same.",
            Query(
                f"topk({q.MOST}, max by (job, instance, version, boto3_version) ({_OWN}_build_info{{{q.JOB}}}))", "Runs"
            ),
            keys={
                "job": "Job",
                "instance": "Exporter",
                "version": "Version",
                "boto3_version": "boto3",
            },
            width=12,
            height=5,
        ),
    ]


def _collectors() -> list[Json]:
    age = f"time() - {_OWN}:collector_last_success_timestamp_seconds:max{{{q.INSTANCE}}}"
    success = f"max by ({_COLLECTORS}) ({_OWN}_collector_success{{{q.INSTANCE}}})"
    legend = "{{instance_alias}} {{collector}}"
    return [
        lines(
            "Age by collector",
            "How old are the values? Time since each collector last succeeded; one of a minute's interval should stay "
            "below 300 s, where values stop being shown by default. The alert begins at 5 intervals, 300 s at least: "
            "inventory and profile_queues take 10 minutes.",
            Query(f"topk({q.MOST}, {age})", legend),
            unit="s",
            steps=((None, GREEN), (300, RED)),
            show_steps=True,
        ),
        timeline(
            "Success by collector",
            "When did which collector fail? The status page of the exporter says why in words.",
            Query(
                q.busiest(success, f"{_OWN}:collector_last_success_timestamp_seconds:max{{{q.INSTANCE}}}", _COLLECTORS),
                legend,
            ),
            told={0: ("failed", RED), 1: ("ok", GREEN)},
            width=12,
            height=8,
        ),
        lines(
            "Duration by collector",
            "Does a run fit into its interval? Waiting for AWS's quota is in it. Above 15 s, the default interval of "
            "real-time values, they come late.",
            Query(
                f"topk({q.MOST}, max by ({_COLLECTORS}) ({_OWN}_collector_duration_seconds{{{q.INSTANCE}}}))", legend
            ),
            unit="s",
            steps=((None, GREEN), (15, AMBER)),
            show_steps=True,
            width=8,
        ),
        lines(
            "Failed runs by reason",
            "Why do runs fail? access_denied and credentials wait for a person; throttled, timeout, connection and "
            "server_error usually pass by themselves.",
            Query(
                f"sum by (collector, reason) (rate({_OWN}_collector_errors_total{{{q.INSTANCE}}}[$__rate_interval])) "
                "* 60",
                "{{collector}} {{reason}}",
            ),
            unit="cpm",
            steps=((None, GREEN), (1, RED)),
            width=8,
        ),
        table(
            "Refused or left out",
            "Is anything missing from the page though its collector succeeds? Metrics and filters that AWS refuses, "
            "and series dropped in this range because of limits.max_series. 0 everywhere is how it should be.",
            *(
                Query(f"topk({q.MOST}, {expr})", name, steps=((None, GREEN), (1, RED)))
                for expr, name in (
                    (_count("metric_rejected"), "Metrics refused"),
                    (_count("filter_rejected"), "Filters refused"),
                    (
                        f"sum by ({_COLLECTORS}) (increase({_OWN}_series_dropped_total{{{q.INSTANCE}}}[$__range]))",
                        "Series dropped",
                    ),
                )
            ),
            keys={"instance_alias": "Instance", "collector": "Collector"},
            width=8,
            height=8,
        ),
    ]


def _count(name: str) -> str:
    """How many are refused: these series are only there for what is; the collectors' are always."""
    refused = f"max by ({_COLLECTORS}, metric, kind, name) ({_OWN}_{name}{{{q.INSTANCE}}})"
    return (
        f"(sum by ({_COLLECTORS}) ({refused}) or 0 * max by ({_COLLECTORS}) ({_OWN}_collector_success{{{q.INSTANCE}}}))"
    )


def _requests() -> list[Json]:
    rate = "[$__rate_interval]"
    return [
        lines(
            "Requests by operation and code",
            "What is asked of AWS, and how does it answer? 200, AWS's error code, or what went wrong where no answer "
            "came. Each attempt spends quota, a refused one too.",
            Query(
                f"sum by (operation, code) (rate({_OWN}_api_requests_total{{{q.JOB}}}{rate}))",
                "{{operation}} {{code}}",
            ),
            unit="reqps",
            width=8,
        ),
        lines(
            "Throttled share, 15 minutes",
            "Is the quota too short? Requests of the 15 minutes before each point that AWS throttled. The quota "
            "belongs to account and region: whoever else uses the API there shares it. The alert begins at 5 %.",
            Query(
                f"{_OWN}:throttled_per_requests:ratio15m{{{q.JOB}}} or 0 * {_OWN}:api_requests:increase15m{{{q.JOB}}}",
                "{{account_id}} {{region}} {{operation}}",
            ),
            unit="percentunit",
            steps=((None, GREEN), (0.01, AMBER), (0.05, RED)),
            show_steps=True,
            width=8,
        ),
        lines(
            "Time of a request, 90th percentile",
            "Is AWS slow? 9 of 10 requests were faster; operations that nothing was asked of have none. Waiting for "
            "quota is not in it.",
            Query(
                "histogram_quantile(0.9, sum by (le, operation) "
                f"(rate({_OWN}_api_request_duration_seconds_bucket{{{q.JOB}}}{rate}))) >= 0",
                "{{operation}}",
            ),
            unit="s",
            steps=((None, GREEN), (5, AMBER)),
            width=8,
        ),
        timeline(
            "Discovery",
            "Can instances be listed where they are to be discovered? After a failure those found before are collected "
            "on, and new ones go unnoticed. Empty where no discovery is configured.",
            Query(
                f"max by (job, discovery, region) ({_OWN}_discovery_success{{{q.JOB}}})",
                "{{region}} (block {{discovery}})",
            ),
            told={0: ("failed", RED), 1: ("ok", GREEN)},
            width=8,
            height=8,
        ),
        lines(
            "Quota tokens",
            "How many requests could be sent at once? Of this process's share of the quota; it fills at the quota's "
            "rate. Near 0 for long, intervals are too short for so many queues.",
            Query(
                f"min by (account_id, region, operation) ({_OWN}_api_quota_tokens{{{q.JOB}}})",
                "{{account_id}} {{region}} {{operation}}",
            ),
            unit="short",
            width=8,
        ),
        lines(
            "Waiting for quota",
            "What does the quota cost? Seconds that requests waited in a second; 1 means that one of them always "
            "waits.",
            Query(
                f"sum by (account_id, region, operation) (rate({_OWN}_api_quota_wait_seconds_total{{{q.JOB}}}{rate}))",
                "{{account_id}} {{region}} {{operation}}",
            ),
            unit="s",
            steps=((None, GREEN), (1, AMBER)),
            width=8,
        ),
    ]


def _of_exporters(expr: str) -> str:
    return f"max by (job, instance) ({expr} and on (job, instance) {_EXPORTERS})"


def _cost() -> list[Json]:
    return [
        lines(
            "Series by collector",
            "Is everything there? A sudden fall while the collector succeeds means that queues were deleted, renamed "
            "or filtered away.",
            Query(
                f"topk({q.MOST}, max by ({_COLLECTORS}) ({_OWN}_collector_series{{{q.INSTANCE}}}))",
                "{{instance_alias}} {{collector}}",
            ),
            unit="short",
            width=8,
        ),
        lines(
            "Scrape",
            "What does a scrape cost? Its time, which should stay far below the scrape timeout of 10 s, and its "
            "samples.",
            Query(_of_exporters(f"scrape_duration_seconds{{{q.JOB}}}"), "{{instance}} time"),
            Query(
                _of_exporters(f"scrape_samples_scraped{{{q.JOB}}}"),
                "{{instance}} samples",
                unit="short",
                style={**RIGHT, **DASHED},
            ),
            unit="s",
            steps=((None, GREEN), (5, AMBER), (10, RED)),
            width=8,
        ),
        lines(
            "CPU and memory",
            "Has it enough of both? CPU in cores, of which it can use little more than one; memory resident.",
            Query(
                _of_exporters(f"rate(process_cpu_seconds_total{{{q.JOB}}}[$__rate_interval])"),
                "{{instance}} CPU",
            ),
            Query(
                _of_exporters(f"process_resident_memory_bytes{{{q.JOB}}}"),
                "{{instance}} memory",
                unit="bytes",
                style={**RIGHT, **DASHED},
            ),
            unit="short",
            steps=((None, GREEN), (0.8, AMBER)),
            width=8,
        ),
    ]
