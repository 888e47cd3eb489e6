"""The exporter's daemon by shared time: `python -m tests.chaos.daemon CONFIG MOMENT HEARTBEAT LIE`, a real process.

All that differs from `amazon-connect-exporter run`: where time comes from, how a name resolves, that timeouts of
sockets are real seconds, and that the page is made less often, which would else be most of the work. A LIE, one of
tests.chaos.lies, is told on purpose.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from botocore.config import Config
from uvicorn import Server

from exporter import logs, publisher
from exporter.app import App
from exporter.aws.sessions import Sessions
from exporter.daemon import Daemon
from exporter.jobs import Clock
from exporter.model import Access
from exporter.settings import load
from exporter.web.server import bind
from tests.chaos.lies import LIES
from tests.chaos.moment import RATE, CountedThreads, FastLoop, Moment

ENDPOINT = "connect.chaos"
"""The name of AWS's endpoint, which is on loopback while it resolves."""
HEARTBEAT = "30"
"""Seconds of shared time after which a page is made at the latest; by default."""
PAUSE = 12.0
"""Seconds of shared time between two pages."""


class HastySessions(Sessions):
    """Clients whose timeouts are as long as they look by shared time."""

    def _config(self, access: Access) -> Config:
        connect, read = access.connect_timeout / RATE, access.read_timeout / RATE
        return super()._config(replace(access, connect_timeout=connect, read_timeout=read))


def main(config: str, moment_file: str, heartbeat: str = HEARTBEAT, lie: str = "") -> int:
    moment = Moment(Path(moment_file))
    if lie:
        LIES[lie]()
    resolve_with(moment)
    publisher.HEARTBEAT, publisher.PAUSE, publisher.LONGEST_PAUSE = float(heartbeat), PAUSE, PAUSE
    Server.main_loop = _main_loop  # type: ignore[method-assign]
    read = partial(load, Path(config), os.environ)
    settings = read()
    logs.configure(settings.log.level, settings.log.format)
    sock = bind(settings.web.listen_address)
    clock = Clock(moment.wall, moment.monotonic)
    app = App(settings, config_path=config, freeze=True, clock=clock)
    loop = FastLoop(moment)
    gateway: Any = app.gateway
    gateway._threads = CountedThreads(gateway._threads, loop)
    gateway._openers = CountedThreads(gateway._openers, loop)
    gateway._sessions = HastySessions(monotonic=moment.monotonic)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return 0 if runner.run(Daemon(app, read).run(sock)) else 1


def resolve_with(moment: Moment) -> None:
    """From now on ENDPOINT is this machine, or nowhere."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **more: Any) -> Any:
        if host == ENDPOINT:
            if moment.lost:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            host = "127.0.0.1"
        return resolve(host, *arguments, **more)

    socket.getaddrinfo = getaddrinfo


async def _main_loop(self: Server) -> None:
    """uvicorn's own, looking ten times a real second instead of ten times a shared one."""
    while not await self.on_tick(0):  # noqa: ASYNC110 (as the original)
        await asyncio.sleep(0.1 * RATE)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
