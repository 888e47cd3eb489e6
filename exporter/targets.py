"""Settings, as users write them, into targets, as the program runs on them."""

from __future__ import annotations

import hashlib

from exporter.model import Access, Names, Quota, Target
from exporter.objectives import Objective
from exporter.settings import (
    AwsKeys,
    DiscoverySettings,
    InstanceSettings,
    NameFilter,
    Settings,
    ShardSettings,
    effective,
    region_of,
)
from exporter.settings_types import compile_expression


def targets(settings: Settings) -> tuple[Target, ...]:
    """Every configured instance, whichever shard it belongs to."""
    return tuple(_configured(instance, settings) for instance in settings.instances)


def discovery_targets(
    block: DiscoverySettings, settings: Settings, instance_id: str, alias: str | None, arn: str, region: str
) -> Target:
    """An instance that was found in `region` under `block`; `alias` is its own at AWS.

    Whether `block.aliases` takes it is not asked here.
    """
    keys = effective(block, settings.aws)
    account = arn.split(":")[4] if arn.count(":") >= 5 else ""
    return Target(
        instance_id=instance_id,
        access=_access(keys, region),
        alias=alias or None,
        account_id=account or None,
        arn=arn,
        timezone=block.timezone,
        channels=block.channels,
        queues=names(block.queues),
        routing_profiles=names(block.routing_profiles),
        quota_share=keys.quota_share,
        quotas=_quotas(keys),
        discovered=True,
    )


def discovery_access(block: DiscoverySettings, settings: Settings, region: str) -> Access:
    """Where and as whom instances are listed in one of the block's regions."""
    return _access(effective(block, settings.aws), region)


def discovery_quotas(block: DiscoverySettings, settings: Settings) -> tuple[float, dict[str, Quota]]:
    """Share and quotas for the calls that list instances."""
    keys = effective(block, settings.aws)
    return keys.quota_share, _quotas(keys)


def objectives(settings: Settings) -> tuple[Objective, ...]:
    """The service levels that are wanted, in the order in which they are looked through."""
    return tuple(
        Objective(o.threshold, o.target, o.channels, tuple(compile_expression(text) for text in o.queues))
        for o in settings.slo
    )


def names(chosen: NameFilter) -> Names:
    """To be used with `fullmatch`: expressions match a name as a whole."""
    return Names(
        include=tuple(compile_expression(text) for text in chosen.include),
        exclude=tuple(compile_expression(text) for text in chosen.exclude),
    )


def serves(shard: ShardSettings, instance_id: str) -> bool:
    """Whether an instance falls to this process.

    Highest random weight: each shard draws a number for the id, the greatest serves it. It depends on the id alone, so
    that all processes agree; one shard more takes its share from all others and moves nothing between them.
    """
    draws = [hashlib.sha256(f"{index}/{instance_id.lower()}".encode()).digest() for index in range(shard.total)]
    return draws.index(max(draws)) == shard.index


def _configured(instance: InstanceSettings, settings: Settings) -> Target:
    keys = effective(instance, settings.aws)
    return Target(
        instance_id=instance.instance_id,
        access=_access(keys, region_of(instance, settings.aws)),
        alias=instance.alias,
        account_id=instance.account_id,
        arn=instance.id if instance.account_id else "",
        timezone=instance.timezone,
        channels=instance.channels,
        queues=names(instance.queues),
        routing_profiles=names(instance.routing_profiles),
        quota_share=keys.quota_share,
        quotas=_quotas(keys),
    )


def _access(keys: AwsKeys, region: str) -> Access:
    return Access(
        region=region,
        profile=keys.profile,
        role_arn=keys.role_arn,
        external_id=keys.external_id,
        session_name=keys.session_name,
        endpoint_url=keys.endpoint_url,
        connect_timeout=keys.connect_timeout,
        read_timeout=keys.read_timeout,
    )


def _quotas(keys: AwsKeys) -> dict[str, Quota]:
    return {operation: Quota(quota.rate, quota.burst) for operation, quota in keys.quotas.items()}
