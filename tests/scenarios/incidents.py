"""Incidents as data, and the alerts that each has to raise: no more, no fewer, and in time.

They befall a calm centre, in which nothing else goes wrong: enough people at every hour, and patient customers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.simulator.faults import Fault
from tests.scenarios.life import DAY, HOUR, MIDNIGHT, MINUTE, Act, Life

WEEK = 7 * DAY


@dataclass(frozen=True, slots=True)
class Expected:
    """An alert: at most how many minutes after the beginning it fires, and after the end it still does."""

    within: int
    over: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """`lead`, `lasts` and `after`: minutes of ordinary life, of the incident, and until all should be well again."""

    name: str
    raises: Mapping[tuple[str, str], Expected]
    """Alert without the prefix of all, and what it is about -> when."""
    lasts: int
    after: int
    script: Callable[[Life, float, float], object] = lambda life, begin, end: None
    """Tells the world beforehand what happens to it between two moments, unix seconds."""
    begin: Act | None = None
    end: Act | None = None
    """What happens to anything else than the world, at its minute."""
    wire: bool = False
    """Whether requests have to be real, as they are what fails."""
    lead: int = 60
    """Most rules look back half an hour, and counters are a quarter late."""
    hour: int = 10
    """Of the day, when the incident begins."""
    down: bool = False
    """Whether the exporter answers no scrape meanwhile."""
    replica: bool = False
    """Whether there is another of the same instance, which is never down."""
    a_week_before: bool = False
    """Whether the same hours of the week before are known."""

    @property
    def start(self) -> float:
        """Of the first page, unix seconds."""
        return MIDNIGHT + self.hour * HOUR - self.lead * MINUTE

    @property
    def minutes(self) -> int:
        return self.lead + self.lasts + self.after

    def acts(self) -> list[tuple[int, Act]]:
        """As `lived` wants them."""
        begin = self.start + self.lead * MINUTE
        told: list[tuple[int, Act | None]] = [
            (0, lambda life: self.script(life, begin, begin + self.lasts * MINUTE)),
            (self.lead, self.begin),
            (self.lead + self.lasts, self.end),
        ]
        return [(minute, act) for minute, act in told if act is not None]


def _raises(table: str) -> dict[tuple[str, str], Expected]:
    """Lines of: alert, within, over, what it is about."""
    lines = [line.split(None, 3) for line in table.splitlines() if line.strip()]
    return {(alert, " ".join(about)): Expected(int(within), int(over)) for alert, within, over, *about in lines}


def _fails(fault: Fault) -> Act:
    return lambda life: life.faults.add(fault)


def _passes(life: Life) -> None:
    life.faults.clear()


# Where the limits come from. A page is a minute old at most, and so is what it says: two minutes that every alert may
# take besides its own `for`. Waits of voice (threshold 20 s) are "high" after 2 minutes and "critical" after 5, those
# of chat (60 s) after 6 and 15, and the first who waits comes a moment after the beginning. Agents who leave finish
# their conversations first: until the last has hung up, a queue is not unstaffed. Service level and counters know of a
# contact when it has ended, windows of 30 minutes move by 5, and counters lag by another 15. Gauges that flap keep
# firing for 5 minutes. Data are stale after 5 minutes, or 5 intervals: 10 minutes here, but for real-time values.
SCENARIOS = (
    Scenario(
        "a chat queue loses its staff",
        script=lambda life, begin, end: life.world.lose_staff(life.id, life.profile("Service Digital"), begin, end),
        lasts=30,
        after=75,
        raises=_raises("""
            QueueOldestContactHigh      12   7  Technical Support CHAT
            SlotsExhausted              15   0  Technical Support CHAT
            QueueOldestContactCritical  21   7  Technical Support CHAT
            QueueUnstaffed              25   7  Technical Support CHAT
            AbandonmentHigh             45  45  Technical Support CHAT
            ServiceLevelBurnFast        45  35  Technical Support CHAT
        """),
    ),
    Scenario(
        "all voice queues lose their staff",
        script=lambda life, begin, end: life.world.lose_staff(life.id, life.profile("Retail Voice"), begin, end),
        lasts=30,
        after=150,
        raises=_raises("""
            QueueOldestContactHigh       7  20  Billing VOICE
            QueueOldestContactHigh       7  20  Überweisungen VOICE
            QueueOldestContactHigh      11  20  Sales VOICE
            QueueOldestContactCritical  11  17  Billing VOICE
            QueueOldestContactCritical  11  17  Überweisungen VOICE
            QueueOldestContactCritical  14  17  Sales VOICE
            QueueUnstaffed              20   7  Billing VOICE
            QueueUnstaffed              20   7  Überweisungen VOICE
            QueueUnstaffed              20   7  Sales VOICE
            QueueUnstaffed              30   7  Card Loss VOICE
            QueueOldestContactHigh      36  20  Card Loss VOICE
            AbandonmentHigh             35  50  Billing VOICE
            AbandonmentHigh             60  50  Überweisungen VOICE
            AbandonmentHigh             75  50  Sales VOICE
            ServiceLevelBurnFast        40  45  Billing VOICE
            ServiceLevelBurnFast        40  45  Überweisungen VOICE
            ServiceLevelBurnFast        60  45  Sales VOICE
            SlotsExhausted              42  20  Billing VOICE
            SlotsExhausted              42  20  Überweisungen VOICE
            SlotsExhausted              42  20  Sales VOICE
            ServiceLevelBelowTarget     65  80  Billing VOICE
            ServiceLevelBurnSlow        70 145  Billing VOICE
            ServiceLevelBurnSlow        65 145  Überweisungen VOICE
            ServiceLevelBurnSlow        80 145  Sales VOICE
        """),
    ),
    Scenario(
        "routing of one queue stalls",
        script=lambda life, begin, end: life.world.stall_routing(life.id, life.queue("Sales"), begin, end),
        lasts=30,
        after=75,
        raises=_raises("""
            QueueOldestContactHigh       8   7  Sales VOICE
            RoutingStalled              10   7  Sales VOICE
            QueueOldestContactCritical  11   7  Sales VOICE
            QueueGrowingNoneHandled     27   2  Sales VOICE
            ServiceLevelBurnFast        45  35  Sales VOICE
            AbandonmentHigh             60  50  Sales VOICE
        """),
    ),
    Scenario(
        "a channel goes silent",
        script=lambda life, begin, end: life.world.silence(life.id, "CHAT", begin, end),
        lasts=90,
        after=30,
        a_week_before=True,
        # The last conversations end, half an hour passes without one, and then its `for`.
        raises=_raises("ChannelSilent 75 5 CHAT"),
    ),
    Scenario(
        "customers lose patience",
        script=lambda life, begin, end: life.world.lose_patience(
            life.id, life.queue("Billing"), 200.0, begin, end, channels=("VOICE",)
        ),
        lasts=45,
        after=75,
        # A spike wants 200 contacts before it.
        lead=240,
        # Whoever hangs up while it rings was missed by an agent, too.
        raises=_raises("""
            AbandonmentHigh             30  50  Billing VOICE
            AgentNonResponseHigh        45  50  Billing VOICE
            AbandonmentSpike            62  50  Billing VOICE
        """),
    ),
    Scenario(
        "half of a team falls into error",
        script=lambda life, begin, end: life.world.agents_error(life.id, life.profile("Retail Voice"), 0.5, begin, end),
        lasts=40,
        after=75,
        raises=_raises("""
            AgentsInError               15   7  Retail Voice
            AgentsInErrorWidespread     12   7  Retail Voice
            AgentNonResponseHigh        40  30  Billing VOICE
            AgentNonResponseHigh        45  30  Überweisungen VOICE
        """),
    ),
    Scenario(
        "one agent falls into error",
        script=lambda life, begin, end: life.world.agents_error(
            life.id, life.profile("Retail Voice"), 0.01, begin, end
        ),
        lasts=40,
        after=75,
        raises=_raises("AgentsInError 30 7 Retail Voice"),
    ),
    Scenario(
        "most of a team is called to a meeting",
        script=lambda life, begin, end: life.world.hold_meeting(
            life.id, life.profile("Service Digital"), 0.85, begin, end
        ),
        lasts=40,
        after=75,
        raises=_raises("""
            NonProductiveHigh           27   7  Service Digital
            ServiceLevelBurnFast        52  25  Technical Support CHAT
        """),
    ),
    Scenario(
        "AWS throttles every third request",
        begin=_fails(Fault("throttle", probability=0.3)),
        end=_passes,
        wire=True,
        lasts=40,
        after=25,
        # Retries carry the values through.
        raises=_raises("""
            ApiThrottled                32  15  GetCurrentMetricData
            ApiThrottled                32  15  GetMetricData
        """),
    ),
    Scenario(
        "AWS throttles every request",
        begin=_fails(Fault("throttle")),
        end=_passes,
        wire=True,
        lasts=30,
        after=25,
        raises=_raises("""
            DataStale                    8   2  current
            DataStale                   13   2  historical
            DataStale                   16   2  counters
            CollectorFailing            14   2  current
            CollectorFailing            14   2  historical
            CollectorFailing            17   2  counters
            CollectorFailing            22   2  inventory
            CollectorFailing            22   2  profile_queues
            ApiThrottled                25  16  GetCurrentMetricData
            ApiThrottled                25  16  GetMetricData
            ApiThrottled                28  16  ListRoutingProfileQueues
            ApiThrottled                28  16  ListRoutingProfiles
            ApiThrottled                28  16  ListQueues
            ApiThrottled                28  16  DescribeInstance
        """),
    ),
    Scenario(
        "credentials are revoked",
        begin=_fails(Fault("expired_token")),
        end=_passes,
        wire=True,
        lasts=30,
        after=15,
        raises=_raises("""
            DataStale                    8   2  current
            DataStale                   13   2  historical
            DataStale                   16   2  counters
            CollectorFailing            14   2  current
            CollectorFailing            14   2  historical
            CollectorFailing            17   2  counters
            CollectorFailing            22   2  inventory
            CollectorFailing            22   2  profile_queues
            CredentialErrors            14   2  current
            CredentialErrors            14   2  historical
            CredentialErrors            17   2  counters
            CredentialErrors            22   2  inventory
            CredentialErrors            22   2  profile_queues
        """),
    ),
    Scenario(
        "one action is no longer allowed",
        begin=_fails(Fault("deny", operation="GetMetricData")),
        end=_passes,
        wire=True,
        lasts=30,
        after=15,
        raises=_raises("""
            DataStale                   13   2  historical
            DataStale                   16   2  counters
            CollectorFailing            14   2  historical
            CollectorFailing            17   2  counters
            CredentialErrors            14   2  historical
            CredentialErrors            17   2  counters
        """),
    ),
    Scenario(
        "the exporter is down",
        down=True,
        lasts=30,
        after=15,
        raises=_raises("ExporterDown 7 1"),
    ),
    Scenario(
        "one of two exporters is down",
        down=True,
        replica=True,
        lasts=30,
        after=15,
        raises=_raises("ExporterTargetDown 7 1 exporter:10042"),
    ),
    Scenario(
        "the exporter hangs and serves its last values",
        begin=Life.hang,
        end=Life.collect,
        lasts=30,
        after=15,
        raises=_raises("""
            DataStale                    8   2  current
            DataStale                   13   2  historical
            DataStale                   13   2  counters
        """),
    ),
    Scenario(
        "an administrator deletes a queue",
        begin=lambda life: life.world.remove_queue(life.id, life.queue("Sales")),
        wire=True,
        lasts=30,
        after=30,
        raises={},
    ),
    Scenario(
        "nothing happens for a day and a night in a calm centre", hour=6, lead=0, lasts=0, after=24 * 60, raises={}
    ),
)
