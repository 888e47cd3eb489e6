"""A contact centre to try the exporter on: the simulator, and a configuration that knows nothing else."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from exporter.simulator.server import Simulator
from exporter.simulator.world import World

REGION = "us-east-1"
ADDRESS = "127.0.0.1:10042"
HISTORY_SHOWN = 0.1
"""Progress is said every tenth."""


@contextmanager
def contact_centre(
    seed: int, instances: int, queues: int, say: Callable[[str], None], host: str = "127.0.0.1", port: int = 0
) -> Iterator[Simulator]:
    """A simulated Amazon Connect that has lived for a day already. OSError where the port is taken."""
    begun, told = time.monotonic(), 0.0

    def progress(done: float) -> None:
        nonlocal told
        if done - told >= HISTORY_SHOWN or done >= 1:
            told = done
            say(f"Living through the last 24 hours: {done:.0%}")

    world = World(seed=seed, instances=instances, queues=queues, regions=(REGION,), progress=progress)
    say(f"{instances} instances of {queues} queues, a day of contacts, in {time.monotonic() - begun:.1f} s")
    with Simulator(world, host=host, port=port) as simulator:
        yield simulator


def environment(url: str) -> dict[str, str]:
    """The exporter's configuration, as environment: every instance that the simulator lists."""
    return {
        "AMAZON_CONNECT_EXPORTER_AWS__ENDPOINT_URL": url,
        "AMAZON_CONNECT_EXPORTER_DISCOVERY": json.dumps([{"regions": [REGION]}]),
    }


def use_only_the_simulator(url: str) -> None:
    """No credentials of this machine are read or sent, nothing is asked of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="demo",
        AWS_SECRET_ACCESS_KEY="demo",  # noqa: S106 (the simulator takes any)
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_ENDPOINT_URL_STS=url,
    )


def wait_for_a_signal() -> None:
    """Until SIGTERM or SIGINT."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.pause()
