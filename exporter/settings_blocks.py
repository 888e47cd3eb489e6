"""The keys of the configuration. Each one's docstring is its documentation: the reference for users is made of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from exporter import settings_types as kinds
from exporter.config_faults import takes_null


class Block(BaseModel):
    """A mapping in the configuration. A key without a value (null) has its default, unless null is a value of it."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        frozen=True,
        extra="forbid",
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_means_default(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        fields = cls.model_fields
        return {k: v for k, v in data.items() if v is not None or k not in fields or takes_null(fields[k].annotation)}


class WebSettings(Block):
    """Where the exporter listens."""

    listen_address: kinds.Address = ":10042"
    """Address and port of the HTTP server: `:10042` is every interface, `127.0.0.1:10042` or `[::1]:10042` this
    machine alone. Port 0 takes any free one. A change takes a restart, not just a reload."""

    config_file: kinds.FilePath | None = None
    """File with TLS certificate, users and their passwords' hashes, in the web configuration format that Prometheus's
    exporters share; null is plain HTTP, open to everybody. A relative path in the configuration file is relative to
    that file. What stands in the web configuration file is read again when it changes; a change of this path takes a
    restart."""

    enable_lifecycle: bool = False
    """`true` lets `POST /-/reload` read the configuration again; otherwise it answers 403. SIGHUP always does."""

    @property
    def address(self) -> tuple[str, int]:
        """Host (empty: every interface) and port (0: any free one) of `listen_address`."""
        return kinds.split_address(self.listen_address)


class LogSettings(Block):
    """What is logged, on stderr."""

    level: kinds.LogLevel = "info"
    """`debug`, `info`, `warning` or `error`: the least important lines to show. `debug` adds tracebacks. Never, at
    any level, are requests to AWS shown with their headers or credentials."""

    format: kinds.LogFormat = "console"
    """`console` for people; `json` or `logfmt` for machines, one line an event."""


class QuotaSettings(Block):
    """A request quota of AWS."""

    rate: kinds.PositiveNumber
    """Calls per second that AWS allows the whole account in a region; greater than 0."""

    burst: kinds.PositiveNumber
    """Calls that AWS allows at once; greater than 0."""


class AwsKeys(Block):
    """How AWS is called. These keys stand under `aws` for all, and in an entry of `instances` or `discovery` for
    that alone."""

    profile: kinds.Text | None = None
    """Profile of the AWS configuration files (`~/.aws/config`) to take credentials from; null is boto3's own chain:
    environment, default profile, IRSA, Pod Identity, instance role."""

    role_arn: kinds.RoleArn | None = None
    """ARN of an IAM role to assume with those credentials, for instances of other accounts; null assumes none."""

    external_id: kinds.ExternalId | None = Field(default=None, repr=False)
    """External id that the role's trust policy asks for; without `role_arn` it has no effect. Shown nowhere."""

    session_name: kinds.SessionName = "amazon-connect-exporter"
    """Name of the session in which `role_arn` is assumed, 2 to 64 letters, digits and characters of `+=,.@-_`: the last
    part of the caller's ARN in CloudTrail, and in policies that name it."""

    endpoint_url: kinds.Url | None = None
    """URL (`https://…` or `http://…`) of the Connect API instead of the region's own: a VPC endpoint, or the
    simulator."""

    connect_timeout: Annotated[kinds.Duration, kinds.spanning("100ms", "5m")] = 3.0
    """Longest wait for a connection to AWS, a duration from 100ms to 5m. What takes longer has failed; the next refresh
    asks again."""

    read_timeout: Annotated[kinds.Duration, kinds.spanning("100ms", "5m")] = 20.0
    """Longest silence of AWS within an answer, a duration from 100ms to 5m. What takes longer has failed; the next
    refresh asks again."""

    quota_share: kinds.Share = 0.6
    """How much of each AWS request quota this process may use, greater than 0 and at most 1. Quotas belong to an
    account and region: what is left is for wallboards, the console and other exporters there."""

    quotas: dict[kinds.Operation, QuotaSettings] = {}
    """Quotas of the account where they are not AWS's defaults: operation to `{rate, burst}`, as
    `GetCurrentMetricData: {rate: 10, burst: 16}`. In an instance it replaces the mapping under `aws` as a whole."""


class AwsSettings(AwsKeys):
    """How AWS is called, for every instance that does not say otherwise."""

    region: kinds.Region | None = None
    """Region of the instances that name none, such as `eu-west-2`. The environment (AWS_REGION) is not asked: an
    instance in the wrong region would look like one that does not exist."""


class NameFilter(Block):
    """Which names are meant: all that `include` matches, or all where it is empty, but none that `exclude`
    matches."""

    include: tuple[kinds.Expression, ...] = ()
    """Regular expressions (Python's) that must match the whole name: `Support` is only that name, `Support.*` all
    that begin so."""

    exclude: tuple[kinds.Expression, ...] = ()
    """Regular expressions for the whole name; what they match is left out, even if `include` matches it."""


class Scope(AwsKeys):
    """What is collected of an instance."""

    timezone: kinds.TimeZone = "UTC"
    """Time zone, by its name in the IANA database, in which the window `today` begins at midnight:
    `Europe/London`."""

    channels: Annotated[tuple[kinds.Channel, ...], kinds.NotEmpty, kinds.Distinct] = ("VOICE", "CHAT", "TASK", "EMAIL")
    """Channels to collect, out of VOICE, CHAT, TASK and EMAIL; at least one."""

    queues: NameFilter = NameFilter()
    """Queues to collect, by name; others cost no calls and have no series. Up to 100 of them, the instance level is
    theirs too; beyond 100 no filter can name them, and it is the whole instance."""

    routing_profiles: NameFilter = NameFilter()
    """Routing profiles to collect, by name."""


class InstanceSettings(Scope):
    """One Amazon Connect instance."""

    id: kinds.InstanceId
    """Instance id (the last part of its ARN), or the whole ARN, which brings region and account."""

    region: kinds.Region | None = None
    """Region of the instance, such as `eu-west-2`; null takes the ARN's, else `aws.region`. One of the three is
    required."""

    alias: kinds.Text | None = None
    """Value of the label `instance_alias`; null is the instance's own alias at AWS, else its id."""

    @property
    def instance_id(self) -> str:
        """The id alone, where an ARN was given too."""
        return self.id.rpartition("/")[2]

    @property
    def account_id(self) -> str | None:
        """Known from an ARN only."""
        return kinds.of_arn(self.id, "account")


class DiscoverySettings(Scope):
    """Every instance that these credentials can list."""

    regions: Annotated[tuple[kinds.Region, ...], kinds.NotEmpty, kinds.Distinct]
    """Regions in which to look for instances, such as `[us-east-1, eu-west-2]`; at least one."""

    aliases: NameFilter = NameFilter()
    """Instances to take, by their alias at AWS."""


class ObjectiveSettings(Block):
    """How soon contacts should be answered."""

    queues: tuple[kinds.Expression, ...] = ()
    """Regular expressions on queue names, each of which must match a name as a whole; none means every queue."""

    channels: Annotated[tuple[kinds.Channel, ...], kinds.NotEmpty, kinds.Distinct] = ("VOICE", "CHAT", "TASK", "EMAIL")
    """The channels it holds for."""

    threshold: kinds.Seconds
    """Time within which a contact should be answered: whole seconds from 1s to 7d."""

    target: kinds.Goal
    """Part of the contacts that should be, more than 0 and less than 1: 80 % is 0.8."""


class InventorySettings(Block):
    """How often names are looked up."""

    interval: Annotated[kinds.Duration, kinds.spanning("100ms", "1d")] = 600.0
    """Pause between two looks at queues, routing profiles, agent statuses and new instances, a duration from 100ms to
    1d. A new queue shows up after at most this long; shorter costs calls of the `List…` operations."""


class CurrentSettings(Block):
    """Real-time metrics: GetCurrentMetricData."""

    enabled: bool = True
    """`false` makes no such calls and publishes no such series."""

    interval: Annotated[kinds.Duration, kinds.spanning("100ms", "1d")] = 15.0
    """Pause between two refreshes, a duration from 100ms to 1d. AWS itself refreshes about every 15 s: less buys
    nothing."""

    levels: Annotated[tuple[kinds.CurrentLevel, ...], kinds.NotEmpty, kinds.Distinct] = (
        "queue",
        "routing_profile",
        "instance",
    )
    """What series are about: `queue` (by queue and channel), `routing_profile`, `instance`; also `agent_status`
    (agents by queue and status) and `queue_all_channels` (a queue's head counts), which cost more calls. Agents may
    only be summed over routing profiles."""

    metrics: Annotated[tuple[kinds.CurrentMetric, ...], kinds.AllOrList, kinds.NotEmpty, kinds.Distinct] = ("all",)
    """`all`, or a list of the API's names. `all` leaves out AGENTS_ON_CALL, an old name of AGENTS_ON_CONTACT:
    `[all, AGENTS_ON_CALL]` has both."""

    zero_fill: kinds.ZeroFill = "served"
    """Where AWS says nothing of a queue, because it is idle, its counts of now, by channel, are published as 0:
    `served`, for every queue and channel that some routing profile serves; `all`, for every queue and channel; `off`,
    never. Seconds are never filled, nor is any recent window."""


class HistoricalSettings(Block):
    """Metrics of recent windows: GetMetricData."""

    enabled: bool = True
    """`false` makes no such calls and publishes no such series."""

    interval: Annotated[kinds.Duration, kinds.spanning("100ms", "1d")] = 60.0
    """Pause between two refreshes, a duration from 100ms to 1d."""

    levels: Annotated[tuple[kinds.HistoricalLevel, ...], kinds.NotEmpty, kinds.Distinct] = ("queue", "instance")
    """What series are about: `queue` (by queue and channel), `instance`."""

    windows: Annotated[tuple[kinds.Window, ...], kinds.NotEmpty, kinds.DistinctWindows] = ("30m", "today")
    """Time spans up to now: multiples of 5m shorter than 1d, or `today`, since midnight in the instance's time
    zone. Each costs its own calls; the label `window` has it as written here. AWS reaches back a day: of `23h55m`, and
    of `today` in its last minutes, the latest answer stays; a process that starts then has none for some minutes."""

    metrics: Annotated[tuple[kinds.HistoricalMetric, ...], kinds.AllOrList, kinds.NotEmpty, kinds.Distinct] = ("all",)
    """`all`, or a list of the API's names. `all` leaves out CONTACTS_CONSULTED, which AWS no longer counts."""

    service_level_thresholds: Annotated[tuple[kinds.Threshold, ...], kinds.NotEmpty, kinds.Distinct] = (20, 60)
    """Seconds within which a contact should be answered, whole numbers from 1 to 604800: each is a series of
    SERVICE_LEVEL with the label `threshold_seconds`. Twenty go into one request; more cost further calls."""


class CounterSettings(Block):
    """Counters that survive restarts, made of GetMetricData."""

    enabled: bool = True
    """`false` makes no such calls and publishes no such series."""

    interval: Annotated[kinds.Duration, kinds.spanning("100ms", "1d")] = 60.0
    """Pause between two refreshes, a duration from 100ms to 1d."""

    settle: Annotated[kinds.Duration, kinds.spanning("1s", "6h")] = 900.0
    """Age at which AWS's numbers are taken as final, a duration from 1s to 6h: counters lag by this much. AWS still
    corrects what is younger than about 15m; with less, contacts that are recorded late are not counted."""


class CollectorsSettings(Block):
    """What is collected, and how often."""

    current: CurrentSettings = CurrentSettings()
    """Real-time metrics: GetCurrentMetricData."""

    historical: HistoricalSettings = HistoricalSettings()
    """Metrics of recent windows: GetMetricData."""

    counters: CounterSettings = CounterSettings()
    """Counters of contacts: GetMetricData."""


class LimitsSettings(Block):
    """Protection of Prometheus."""

    max_series: kinds.Count = 500_000
    """Most series of one instance, 1 or more. A collector's result that goes beyond is not published, as a whole, and
    counted in `amazon_connect_exporter_series_dropped_total`; the other collectors' results stay."""


class ShardSettings(Block):
    """Which part of the instances this process serves, where several share the work with one configuration."""

    index: kinds.Index = 0
    """Number of this process, from 0 to `total` - 1; each process needs its own."""

    total: kinds.Count = 1
    """Number of processes, 1 or more. Each instance is served by exactly one of them."""


class Settings(Block):
    """The whole configuration. At least one entry of `instances` or `discovery` is required; all else has
    defaults."""

    web: WebSettings = WebSettings()
    """Where the exporter listens."""

    log: LogSettings = LogSettings()
    """What is logged, on stderr."""

    aws: AwsSettings = AwsSettings()
    """How AWS is called: defaults for every instance, each of which may be overridden there."""

    instances: tuple[InstanceSettings, ...] = ()
    """Instances to collect, by id. Any key of `aws` may stand in an entry."""

    discovery: tuple[DiscoverySettings, ...] = ()
    """Where to look for instances to collect. Any key of `aws` but `region` may stand in an entry. An instance that
    stands under `instances` too is collected as it says there."""

    slo: tuple[ObjectiveSettings, ...] = ()
    """What service level is wanted where: for each queue and channel the first entry that matches holds. Below them
    stand VOICE 20s/0.8, CHAT 60s/0.8, TASK 4h/0.9 and EMAIL 1d/0.9. The thresholds are asked of AWS beside
    `collectors.historical.service_level_thresholds`."""

    inventory: InventorySettings = InventorySettings()
    """How often names are looked up."""

    collectors: CollectorsSettings = CollectorsSettings()
    """What is collected, and how often."""

    max_age: Annotated[kinds.Duration, kinds.spanning("100ms", "7d")] = 300.0
    """Age, a duration from 100ms to 7d, at which the values of a collector that can not be refreshed disappear from
    /metrics. It has to be longer than a collector's interval, or its values come and go; `check` says so. Names are
    listed less often: they are shown as long as any value of their instance is."""

    limits: LimitsSettings = LimitsSettings()
    """Protection of Prometheus."""

    shard: ShardSettings = ShardSettings()
    """Which part of the instances this process serves, where several share the work."""
