"""Scripted incidents befall what they name, when they say, and nothing before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.simulator.world import CHANNELS, World

NOW = 1_760_097_600.0
"""Noon of a day, UTC."""
BEGIN, END = NOW + 1800, NOW + 5400
METRICS = (
    "AGENTS_ONLINE",
    "AGENTS_ERROR",
    "AGENTS_NON_PRODUCTIVE",
    "AGENTS_AVAILABLE",
    "CONTACTS_IN_QUEUE",
    "OLDEST_CONTACT_AGE",
)


class Centre:
    def __init__(self, calm: bool = True, seed: int = 3) -> None:
        self.now = NOW
        self.world = World(
            seed=seed, clock=lambda: self.now, instances=1, queues=5, regions=("eu-west-2",), history=7200.0, calm=calm
        )
        instance = self.world.instances[0]
        self.id = instance.id
        self.queues = {q.name: q.id for q in instance.queues if q.name}
        self.profiles = {p.name: p.id for p in instance.profiles}

    def profile(self, name: str) -> dict[str, float | None]:
        rows, _ = self.world.current(
            self.id,
            queues=None,
            profiles=(self.profiles[name],),
            channels=CHANNELS,
            groupings=("ROUTING_PROFILE",),
            metrics=METRICS,
        )
        return rows[0][1] if rows else {"AGENTS_ONLINE": 0.0}

    def voice(self, name: str) -> dict[str, float | None]:
        rows, _ = self.world.current(
            self.id,
            queues=(self.queues[name],),
            profiles=None,
            channels=("VOICE",),
            groupings=("QUEUE", "CHANNEL"),
            metrics=METRICS,
        )
        return rows[0][1]

    def left(self, queue: str, how: str, start: float, end: float) -> int:
        return sum(
            contact.queue == self.queues[queue] and contact.left == how and start <= (contact.dequeued or 0) < end
            for contact in self.world.ledger(self.id)
        )

    def arrived(self, channel: str, start: float, end: float) -> int:
        contacts = (*self.world.ledger(self.id), *self.world.open_contacts(self.id))
        return sum(
            contact.channel == channel and contact.method in ("INBOUND", "API") and start <= contact.initiated < end
            for contact in contacts
        )


@pytest.fixture
def centre() -> Centre:
    return Centre()


def test_staff_that_is_lost_goes_when_it_has_finished_and_those_on_shift_return(centre: Centre) -> None:
    before = centre.profile("Retail Voice")["AGENTS_ONLINE"]
    others = centre.profile("Retail Digital")["AGENTS_ONLINE"]
    assert before
    assert others
    centre.world.lose_staff(centre.id, centre.profiles["Retail Voice"], BEGIN, END)
    centre.now = END - 60
    assert centre.profile("Retail Voice")["AGENTS_ONLINE"] == 0
    assert centre.profile("Retail Digital")["AGENTS_ONLINE"]
    assert centre.voice("Billing")["CONTACTS_IN_QUEUE"]
    centre.now = END + 1200
    assert (centre.profile("Retail Voice")["AGENTS_ONLINE"] or 0) > 0.7 * before
    assert centre.voice("Billing")["CONTACTS_IN_QUEUE"] == 0


def test_after_staff_was_lost_a_day_everybody_works_their_own_shift_once(centre: Centre) -> None:
    undisturbed = Centre()
    centre.world.lose_staff(centre.id, centre.profiles["Retail Voice"], BEGIN, END)
    for each in (centre, undisturbed):
        each.now = NOW + 86400
    online, usual = (each.profile("Retail Voice")["AGENTS_ONLINE"] or 0 for each in (centre, undisturbed))
    assert abs(online - usual) < 0.3 * usual


def test_a_meeting_takes_a_share_of_the_agents_and_gives_them_back(centre: Centre) -> None:
    centre.world.hold_meeting(centre.id, centre.profiles["Retail Voice"], 0.6, BEGIN, END)
    centre.now = END - 60
    meeting = centre.profile("Retail Voice")
    assert 0.5 < (meeting["AGENTS_NON_PRODUCTIVE"] or 0) / (meeting["AGENTS_ONLINE"] or 0) < 0.95
    centre.now = END + 60
    after = centre.profile("Retail Voice")
    assert (after["AGENTS_NON_PRODUCTIVE"] or 0) / (after["AGENTS_ONLINE"] or 0) < 0.4


def test_agents_in_error_stay_there_until_the_end(centre: Centre) -> None:
    centre.world.agents_error(centre.id, centre.profiles["Retail Voice"], 0.4, BEGIN, END)
    centre.now = BEGIN + 1200
    early = centre.profile("Retail Voice")["AGENTS_ERROR"] or 0
    centre.now = END - 1
    assert early >= 3
    assert (centre.profile("Retail Voice")["AGENTS_ERROR"] or 0) >= early - 2
    centre.now = END + 300
    assert (centre.profile("Retail Voice")["AGENTS_ERROR"] or 0) <= 1


def test_where_routing_stalls_contacts_wait_though_agents_are_free(centre: Centre) -> None:
    centre.world.stall_routing(centre.id, centre.queues["Billing"], BEGIN, END, channels=("VOICE",))
    centre.now = END - 1
    stalled = centre.voice("Billing")
    assert stalled["CONTACTS_IN_QUEUE"]
    assert stalled["AGENTS_AVAILABLE"]
    assert (stalled["OLDEST_CONTACT_AGE"] or 0) > 300
    assert centre.left("Billing", "ANSWERED", BEGIN + 60, END) == sum(
        contact.channel == "CHAT" and contact.queue == centre.queues["Billing"] and contact.left == "ANSWERED"
        for contact in centre.world.ledger(centre.id)
        if BEGIN + 60 <= (contact.dequeued or 0) < END
    )
    centre.now = END + 600
    assert (centre.voice("Billing")["OLDEST_CONTACT_AGE"] or 0) < 60


def test_a_channel_that_is_silent_gets_nothing_and_the_others_do(centre: Centre) -> None:
    centre.world.silence(centre.id, "CHAT", BEGIN, END)
    centre.now = END + 3600
    assert centre.arrived("CHAT", BEGIN, END) == 0
    assert centre.arrived("VOICE", BEGIN, END) > 50
    assert centre.arrived("CHAT", NOW, BEGIN) > 10
    assert centre.arrived("CHAT", END, END + 3600) > 20


def test_customers_who_lose_patience_give_up_and_later_ones_do_not(centre: Centre) -> None:
    centre.world.lose_patience(centre.id, centre.queues["Billing"], 500.0, BEGIN, END)
    centre.now = END + 3600
    gave_up = centre.left("Billing", "ABANDONED", BEGIN, END)
    assert gave_up > 20
    assert centre.left("Billing", "ABANDONED", END + 60, END + 3600) < gave_up / 5


SCRIPTS: dict[str, Callable[[Centre], None]] = {
    "lose_staff": lambda c: c.world.lose_staff(c.id, c.profiles["Retail Voice"], BEGIN, END),
    "hold_meeting": lambda c: c.world.hold_meeting(c.id, c.profiles["Retail Voice"], 0.5, BEGIN, END),
    "agents_error": lambda c: c.world.agents_error(c.id, c.profiles["Retail Voice"], 0.5, BEGIN, END),
    "stall_routing": lambda c: c.world.stall_routing(c.id, c.queues["Billing"], BEGIN, END),
    "silence": lambda c: c.world.silence(c.id, "CHAT", BEGIN, END),
    "lose_patience": lambda c: c.world.lose_patience(c.id, c.queues["Billing"], 9.0, BEGIN, END),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_until_an_incident_begins_the_world_is_the_one_without_it(name: str) -> None:
    told, untold = Centre(), Centre()
    SCRIPTS[name](told)

    def records(centre: Centre) -> list[tuple[object, ...]]:
        contacts = (*centre.world.ledger(centre.id), *centre.world.open_contacts(centre.id))
        return [(c.id, c.queue, c.initiated, c.stage, c.dequeued, c.completed) for c in contacts]

    for each in (told, untold):
        each.now = BEGIN - 1
    assert records(told) == records(untold)
    for each in (told, untold):
        each.now = END
    assert records(told) != records(untold)


def test_an_incident_that_ends_before_it_begins_is_refused(centre: Centre) -> None:
    with pytest.raises(ValueError, match="ends after it begins"):
        centre.world.silence(centre.id, "CHAT", END, BEGIN)


def test_what_does_not_exist_can_not_be_befallen(centre: Centre) -> None:
    with pytest.raises(KeyError):
        centre.world.lose_staff(centre.id, "nobody", BEGIN, END)
    with pytest.raises(KeyError):
        centre.world.stall_routing("nowhere", centre.queues["Billing"], BEGIN, END)
    with pytest.raises(KeyError):
        centre.world.lose_patience(centre.id, "no queue", 2.0, BEGIN, END)


def test_a_calm_centre_has_somebody_at_every_hour_and_nobody_waits_for_long() -> None:
    centre = Centre(calm=True)
    for hour in range(24):
        centre.now = NOW + 3600 * hour
        for name in ("Retail Voice", "Retail Digital", "Service Digital"):
            assert centre.profile(name)["AGENTS_ONLINE"], (hour, name)
    waits = [
        c.dequeued - c.enqueued
        for c in centre.world.ledger(centre.id)
        if c.enqueued and c.dequeued and c.channel in ("VOICE", "CHAT")
    ]
    assert len(waits) > 2000
    assert sum(wait > 60 for wait in waits) < 0.01 * len(waits)
