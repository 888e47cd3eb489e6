"""The same seed and clock make the same world, however often anybody looks."""

from __future__ import annotations

from threading import Lock, Thread
from typing import Any

from exporter.simulator.world import CHANNELS, World

NOW = 1_760_000_000.0
CURRENT = ("AGENTS_ONLINE", "AGENTS_AVAILABLE", "CONTACTS_IN_QUEUE", "OLDEST_CONTACT_AGE", "SLOTS_AVAILABLE")
HISTORICAL = (("CONTACTS_HANDLED", None), ("HANDLE_TIME", None), ("OCCUPANCY", None), ("SERVICE_LEVEL", 20.0))


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def everything(world: World) -> list[Any]:
    end = world.clock() // 300 * 300
    grouped: dict[str, Any] = {"queues": None, "channels": CHANNELS, "groupings": ("QUEUE", "CHANNEL")}
    return [
        (
            world.current(i.id, profiles=None, metrics=CURRENT, **grouped),
            world.historical(i.id, start=end - 7200, end=end, metrics=HISTORICAL, **grouped),
            [(c.id, c.queue, c.initiated, c.completed, c.ended) for c in world.ledger(i.id)],
        )
        for i in world.instances
    ]


def test_the_same_seed_and_clock_give_the_same_answers() -> None:
    a, b = (World(seed=5, clock=Clock(), queues=6, history=10800.0) for _ in range(2))
    assert a.instances == b.instances
    assert everything(a) == everything(b)


def test_another_seed_gives_another_world() -> None:
    a, b = (World(seed=seed, clock=Clock(), queues=6, history=10800.0) for seed in (5, 6))
    assert a.instances[0].id != b.instances[0].id
    assert everything(a) != everything(b)


def test_the_state_at_a_moment_does_not_depend_on_how_often_it_was_looked_at() -> None:
    often, once = Clock(), Clock()
    watched = World(seed=5, clock=often, queues=6, history=7200.0)
    left_alone = World(seed=5, clock=once, queues=6, history=7200.0)
    while often.now < NOW + 7200:
        often.now += 61.7
        watched.advance()
        everything(watched)
    once.now = often.now
    assert everything(watched) == everything(left_alone)


def test_a_clock_that_goes_back_changes_nothing() -> None:
    clock = Clock()
    world = World(seed=5, clock=clock, queues=3, history=7200.0)
    before = world.ledger(world.instances[0].id)
    clock.now -= 3600
    assert world.ledger(world.instances[0].id) == before


def test_many_threads_may_ask_at_once() -> None:
    clock, alone = Clock(), Clock()
    world = World(seed=5, clock=clock, queues=4, history=7200.0)
    failures: list[BaseException] = []
    lock = Lock()

    def ask() -> None:
        try:
            for _ in range(30):
                with lock:
                    clock.now += 7.0
                everything(world)
        except BaseException as error:  # noqa: BLE001 - whatever it was, the test must hear of it
            failures.append(error)

    threads = [Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    quiet = World(seed=5, clock=alone, queues=4, history=7200.0)
    alone.now = clock.now
    assert everything(world) == everything(quiet)


def test_the_snapshot_time_is_the_clocks_and_never_goes_back() -> None:
    clock = Clock()
    world = World(seed=5, clock=clock, instances=1, queues=2, history=3600.0)

    def snapshot() -> float:
        return world.current(
            world.instances[0].id, queues=None, profiles=None, channels=CHANNELS, groupings=(), metrics=CURRENT
        )[1]

    assert snapshot() == NOW
    clock.now += 17.25
    assert snapshot() == NOW + 17.25
    clock.now -= 60.0
    assert snapshot() == NOW + 17.25
