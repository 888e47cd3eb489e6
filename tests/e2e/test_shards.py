"""Several processes with one configuration share its instances."""

from __future__ import annotations

import asyncio
import math
import random
import uuid
from collections import Counter
from pathlib import Path

import pytest

from exporter.settings import ShardSettings
from exporter.targets import serves
from tests.accounts import FAR, HOME, NEAR, app, centre, configuration, keys, simulator

IDS = [str(uuid.UUID(int=random.Random(number).getrandbits(128), version=4)) for number in range(3000)]


def shard_of(identity: str, total: int) -> int:
    (index,) = [index for index in range(total) if serves(ShardSettings(index=index, total=total), identity)]
    return index


@pytest.mark.parametrize("total", [1, 2, 5])
def test_processes_share_configured_and_discovered_instances_without_overlap(
    total: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    centres = [centre(number, HOME, NEAR if number % 2 else FAR, queues=1) for number in range(1, 21)]
    found: Counter[tuple[str, str]] = Counter()
    with simulator(*centres) as aws:
        for name, value in keys(aws).items():
            monkeypatch.setenv(name, value)
        # By ARN, by id alone, and those that are found; the first two are found as well.
        listed = [{"id": centres[0].arn}, {"id": centres[2].id, "alias": "third"}]

        async def targets(index: int) -> set[tuple[str, str]]:
            configured = configuration(
                aws,
                instances=listed,
                discovery=[{"regions": [NEAR, FAR]}],
                shard={"index": index, "total": total},
            )
            process = app(tmp_path, configured)
            await process.engine.look()
            process.gateway.close()
            return set(process.engine.watches)

        for index in range(total):
            found.update(asyncio.run(targets(index)))
    assert set(found) == {(one.region, one.id) for one in centres}
    assert set(found.values()) == {1}


@pytest.mark.parametrize("total", range(1, 8))
def test_one_process_more_takes_its_share_from_all_and_moves_nothing_between_the_others(total: int) -> None:
    before = {identity: shard_of(identity, total) for identity in IDS}
    after = {identity: shard_of(identity, total + 1) for identity in IDS}
    moved = [identity for identity in IDS if before[identity] != after[identity]]
    assert {after[identity] for identity in moved} == {total}
    share = 1 / (total + 1)
    deviation = math.sqrt(share * (1 - share) / len(IDS))
    assert abs(len(moved) / len(IDS) - share) < 4 * deviation
    assert {before[identity] for identity in moved} == set(range(total))


@pytest.mark.parametrize("total", [2, 3, 8])
def test_every_process_has_about_as_much_to_do_as_the_others(total: int) -> None:
    count = Counter(shard_of(identity, total) for identity in IDS)
    fair = len(IDS) / total
    assert all(abs(count[index] - fair) < 4 * math.sqrt(fair) for index in range(total))


def test_an_instance_stays_where_it_was_from_release_to_release() -> None:
    """Written down once: another hash would move the instances of everybody who updates one process after the other."""
    assert [shard_of(f"00000000-0000-4000-8000-{number:012}", 4) for number in range(12)] == [
        2,
        3,
        2,
        0,
        1,
        1,
        1,
        3,
        1,
        3,
        2,
        2,
    ]
