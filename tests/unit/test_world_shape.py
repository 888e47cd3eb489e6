"""What a world consists of."""

from __future__ import annotations

from uuid import UUID

import pytest

from exporter.simulator.world import World

NOW = 1_760_000_123.0


def clock() -> float:
    return NOW


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=3, clock=clock, instances=3, queues=12, regions=("us-east-1", "eu-west-2"), history=3600.0)


def test_instances_have_their_own_ids_aliases_and_arns_and_take_turns_over_the_regions(world: World) -> None:
    assert [i.alias for i in world.instances] == ["demo-north", "demo-south", "demo-east"]
    assert [i.region for i in world.instances] == ["us-east-1", "eu-west-2", "us-east-1"]
    for instance in world.instances:
        assert str(UUID(instance.id)) == instance.id
        assert instance.arn == f"arn:aws:connect:{instance.region}:123456789012:instance/{instance.id}"
        assert world.instance(instance.id) is instance
    assert world.instance("0a1b2c3d-0000-4000-8000-000000000000") is None


def test_no_two_things_share_an_id(world: World) -> None:
    ids = [i.id for i in world.instances]
    for i in world.instances:
        ids += [*(q.id for q in i.queues), *(p.id for p in i.profiles), *(s.id for s in i.statuses)]
    assert len(ids) == len(set(ids))


def test_standard_queues_have_unique_names_and_every_agent_has_a_nameless_queue(world: World) -> None:
    for instance in world.instances:
        names = [q.name for q in instance.queues if q.kind == "STANDARD"]
        agents = [q for q in instance.queues if q.kind == "AGENT"]
        assert len(names) == 12
        assert len(set(names)) == 12
        assert all(names)
        assert len(agents) > 12
        assert all(q.name is None for q in agents)


def test_statuses_are_available_offline_and_several_custom_ones(world: World) -> None:
    kinds = {s.name: s.kind for s in world.instances[0].statuses}
    assert kinds["Available"] == "ROUTABLE"
    assert kinds["Offline"] == "OFFLINE"
    assert sum(kind == "CUSTOM" for kind in kinds.values()) >= 3


def test_profiles_serve_queues_that_exist_and_one_queue_is_served_by_none(world: World) -> None:
    for instance in world.instances:
        standard = {q.id for q in instance.queues if q.kind == "STANDARD"}
        served = {queue for p in instance.profiles for queue, _, _, _ in p.serves}
        assert served < standard
        assert len(standard - served) == 1
        assert {channel for p in instance.profiles for _, channel, _, _ in p.serves} == {
            "VOICE",
            "CHAT",
            "TASK",
            "EMAIL",
        }


def test_names_can_be_given_and_stay_as_they_are() -> None:
    hostile = ('quo"te', "back\\slash", "new\nline", "  ", "Ünï 日本 🎧", "{a=b}")
    world = World(clock=clock, instances=2, queues=8, queue_names=hostile, history=600.0)
    for instance in world.instances:
        standard = [q.name for q in instance.queues if q.kind == "STANDARD"]
        assert standard[: len(hostile)] == list(hostile)
        assert len(standard) == 8


def test_more_names_than_queues_make_as_many_queues_as_names() -> None:
    names = [f"n{i}" for i in range(130)]
    world = World(clock=clock, instances=1, queues=2, queue_names=names, history=600.0)
    assert [q.name for q in world.instances[0].queues if q.kind == "STANDARD"] == names


@pytest.mark.parametrize("queues", [1, 2, 5, 6, 13])
def test_a_small_world_works_too(queues: int) -> None:
    world = World(clock=clock, instances=1, queues=queues, history=7200.0)
    instance = world.instances[0]
    assert sum(q.kind == "STANDARD" for q in instance.queues) == queues
    rows, _ = world.current(
        instance.id, queues=None, profiles=None, channels=("VOICE",), groupings=(), metrics=("AGENTS_ONLINE",)
    )
    assert len(rows) == 1


def test_progress_rises_from_nothing_to_all() -> None:
    seen: list[float] = []
    World(clock=clock, instances=2, queues=2, history=3600.0, progress=seen.append)
    assert seen[0] == 0.0
    assert seen[-1] == 1.0
    assert seen == sorted(seen)
    assert len(seen) > 20


def test_twenty_four_hours_and_more_are_there_from_the_start() -> None:
    world = World(clock=clock, instances=1, queues=4)
    records = world.ledger(world.instances[0].id)
    disconnected = [c.disconnected for c in records if c.disconnected is not None]
    assert min(disconnected) < NOW - 25 * 3600
    assert max(disconnected) > NOW - 900
