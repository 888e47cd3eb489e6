"""The whole /metrics page of a small demo at one moment: same seed, same clock, same text."""

from __future__ import annotations

import asyncio
import json
import os
import re
from itertools import groupby
from pathlib import Path
from unittest import mock

from exporter import demo
from exporter.app import App
from exporter.jobs import Clock
from exporter.settings import Settings, load
from exporter.simulator.quotas import UNLIMITED
from exporter.simulator.server import Simulator
from exporter.simulator.world import World

FILE = Path(__file__).with_name("page.txt")
SEED = 5
NOW = 1_790_000_000.0
"""Monday 2026-09-21 14:13:20 UTC, when contacts wait in both instances."""
MONOTONIC = 1000.0

OPERATIONS = (
    "GetCurrentMetricData",
    "GetMetricData",
    "ListInstances",
    "DescribeInstance",
    "ListQueues",
    "ListRoutingProfiles",
    "ListRoutingProfileQueues",
    "ListAgentStatuses",
)

LEVELS = ["queue", "routing_profile", "instance", "agent_status", "queue_all_channels"]

# Of the machine it runs on: left out, since another machine has others of them.
_MACHINE = re.compile(r"(# (HELP|TYPE) )?(process|python)_")
# Of this run: shown without their values.
_OF_THE_RUN = r"(?:api_request_duration_seconds_(?:bucket|sum)|api_quota_\w+|config_hash)"
_VALUE = re.compile(rf"^(amazon_connect_exporter_{_OF_THE_RUN}(?:\{{.*\}})?) .*")
_BUILD = re.compile(r"^(amazon_connect_exporter_build_info)\{.*\} 1(\.0)?")
HIDDEN = "…"


def page() -> str:
    """What a scrape gets, less what no seed and no clock can fix. Made by the program itself in this process."""
    world = World(seed=SEED, clock=lambda: NOW, instances=2, queues=2, regions=(demo.REGION,))
    with mock.patch.dict(os.environ), Simulator(world, quotas=UNLIMITED) as simulator:
        demo.use_only_the_simulator(simulator.url)
        return fixed(asyncio.run(collected(_settings(simulator.url))).decode())


async def collected(settings: Settings) -> bytes:
    app = App(settings, revision="golden", clock=Clock(lambda: NOW, lambda: MONOTONIC))
    try:
        await app.engine.once()
        return (await app.publisher.make()).text
    finally:
        app.gateway.close()


def fixed(text: str) -> str:
    """The text without what differs from run to run: some values, and which of two instances was done first."""
    lines = [line for line in text.splitlines() if not _MACHINE.match(line)]
    lines = [_BUILD.sub(rf"\1{{{HIDDEN}}} 1", _VALUE.sub(rf"\1 {HIDDEN}", line)) for line in lines]
    families = (group for _, group in groupby(lines, lambda line: line.startswith("#")))
    return "".join(f"{line}\n" for family in families for line in _ordered(list(family)))


def _ordered(lines: list[str]) -> list[str]:
    """Comments as they are; samples sorted, but buckets in their own order."""
    if lines[0].startswith("#"):
        return lines
    return sorted(lines, key=lambda line: line if "duration_seconds_" not in line else line.rpartition("operation=")[2])


def _settings(url: str) -> Settings:
    plenty = {operation: {"rate": 10_000, "burst": 10_000} for operation in OPERATIONS}
    everything = {
        "AWS__QUOTAS": json.dumps(plenty),
        "COLLECTORS__CURRENT__LEVELS": json.dumps(LEVELS),
        "COLLECTORS__CURRENT__METRICS": '["all", "AGENTS_ON_CALL"]',
        "COLLECTORS__HISTORICAL__METRICS": '["all", "CONTACTS_CONSULTED"]',
    }
    more = {f"AMAZON_CONNECT_EXPORTER_{key}": value for key, value in everything.items()}
    return load(None, demo.environment(url) | more)
