"""What can be done to a world while it runs, and that it does not grow."""

from __future__ import annotations

import pytest

from exporter.simulator.world import CHANNELS, World

NOW = 1_760_025_600.0


class Running:
    def __init__(self, history: float = 7200.0, queues: int = 6) -> None:
        self.now = NOW
        self.world = World(seed=1, clock=lambda: self.now, instances=2, queues=queues, history=history)
        self.id = self.world.instances[0].id

    def standard(self) -> dict[str, str | None]:
        instance = self.world.instance(self.id)
        assert instance is not None
        return {q.id: q.name for q in instance.queues if q.kind == "STANDARD"}

    def rows(self) -> dict[str, dict[str, float | None]]:
        rows, _ = self.world.current(
            self.id,
            queues=None,
            profiles=None,
            channels=CHANNELS,
            groupings=("QUEUE",),
            metrics=("AGENTS_ONLINE", "CONTACTS_IN_QUEUE"),
        )
        return {dimensions["QUEUE"]: values for dimensions, values in rows}

    def began(self, queue: str, since: float) -> int:
        contacts = (*self.world.ledger(self.id), *self.world.open_contacts(self.id))
        return sum(c.queue == queue and c.initiated >= since and c.method == "INBOUND" for c in contacts)


@pytest.fixture
def running() -> Running:
    return Running()


def test_a_renamed_queue_keeps_its_id_and_other_instances_keep_theirs(running: Running) -> None:
    queue = next(iter(running.standard()))
    other = running.world.instances[1]
    running.world.rename_queue(running.id, queue, "New name")
    assert running.standard()[queue] == "New name"
    assert running.world.instances[1] is other


def test_a_removed_queue_is_gone_everywhere_and_the_rest_goes_on(running: Running) -> None:
    running.world.surge(running.id, queue := next(iter(running.standard())), 40.0)
    running.now += 1800
    assert running.rows()[queue]["CONTACTS_IN_QUEUE"]
    running.world.remove_queue(running.id, queue)
    instance = running.world.instance(running.id)
    assert instance is not None
    assert queue not in running.standard()
    assert all(queue != served for p in instance.profiles for served, _, _, _ in p.serves)
    assert queue not in running.rows()
    assert any(c.left == "REMOVED" for c in running.world.ledger(running.id))
    before = len(running.world.ledger(running.id))
    running.now += 4 * 3600
    assert queue not in running.rows()
    assert running.began(queue, NOW + 1801) == 0
    assert len(running.world.ledger(running.id)) > before + 100
    assert all(c.queue != queue for c in running.world.open_contacts(running.id))


def test_a_queue_that_does_not_exist_can_be_neither_renamed_nor_removed(running: Running) -> None:
    instance = running.world.instances[0]
    agent_queue = next(q.id for q in instance.queues if q.kind == "AGENT")
    for queue in ("nothing", agent_queue):
        with pytest.raises(KeyError):
            running.world.rename_queue(running.id, queue, "x")
        with pytest.raises(KeyError):
            running.world.remove_queue(running.id, queue)


def test_an_added_queue_gets_contacts_and_agents(running: Running) -> None:
    queue = running.world.add_queue(running.id, "Pop-up", channels=("VOICE", "CHAT"), per_hour=60.0)
    assert running.standard()[queue.id] == "Pop-up"
    instance = running.world.instance(running.id)
    assert instance is not None
    assert {c for p in instance.profiles for q, c, _, _ in p.serves if q == queue.id} == {"VOICE", "CHAT"}
    running.now += 3600
    assert running.rows()[queue.id]["AGENTS_ONLINE"]
    assert 80 < running.began(queue.id, NOW) < 160
    assert any(c.queue == queue.id and c.connected for c in running.world.ledger(running.id))


def test_a_surge_multiplies_contacts_until_it_ends(running: Running) -> None:
    calm = Running()
    queue = next(iter(running.standard()))
    running.world.surge(running.id, queue, 10.0)
    running.now = calm.now = NOW + 1800
    usual = calm.began(queue, NOW)
    assert 6 * usual < running.began(queue, NOW) < 16 * usual
    running.world.surge(running.id, queue, 1.0)
    running.world.surge(running.id, queue, 2.0)
    running.world.surge(running.id, queue, 1.0)
    running.now = calm.now = NOW + 3600
    assert running.began(queue, NOW + 1800) < 2 * calm.began(queue, NOW + 1800)


def test_memory_is_bounded_old_records_go_and_the_last_day_stays() -> None:
    running = Running(history=93600.0, queues=2)
    running.now += 3 * 86400
    records = running.world.ledger(running.id)
    completed = [c.completed or 0.0 for c in records]
    assert running.now - 27 * 3600 <= min(completed) < running.now - 25 * 3600
    for things in (
        [end for _, _, _, _, end in running.world.agent_time(running.id)],
        [time for time, _, _, _ in running.world.status_changes(running.id)],
        [time for time, _, _, _ in running.world.missed(running.id)],
    ):
        assert min(things) >= running.now - 27 * 3600
    end = running.now // 300 * 300
    answer = running.world.historical(
        running.id,
        start=end - 86400 + 300,
        end=end,
        queues=None,
        channels=CHANNELS,
        groupings=(),
        metrics=[("CONTACTS_QUEUED", None)],
    )
    by_hand = sum(c.enqueued is not None and end - 86400 + 300 <= (c.disconnected or 0.0) < end for c in records)
    assert answer == [({}, {("CONTACTS_QUEUED", None): by_hand})]
    past = running.world.historical(
        running.id,
        start=end - 50 * 3600,
        end=end - 40 * 3600,
        queues=None,
        channels=CHANNELS,
        groupings=("QUEUE",),
        metrics=[("CONTACTS_QUEUED", None)],
    )
    assert past == []
