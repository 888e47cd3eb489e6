"""The exporter as a service: signals, reloads and the end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from exporter import allocator, logs
from exporter.app import App
from exporter.exposition import Exposition
from exporter.settings import ConfigError, Settings
from exporter.threads import ASIDE
from exporter.web.app import Page, build_app
from exporter.web.guard import Guard
from exporter.web.page import Reload, Status
from exporter.web.server import serve

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

LAST = 4.5
"""Seconds after which a process that was told to stop has ended, whatever its threads are computing."""
ALIVE = 60.0
"""Seconds without a new page after which the loops do not turn."""


class Daemon:
    """The exporter as a service: an App, a web server around it, reloads and an end."""

    def __init__(self, app: App, load: Callable[[], Settings], guard: Guard | None = None) -> None:
        """`guard`: TLS and users; None: plain HTTP, open to everybody."""
        self.app = app
        self._load = load
        self._guard = guard or Guard()
        self._stopping = asyncio.Event()
        self._reload = asyncio.Event()
        self._hung_up = asyncio.Event()
        self._reloading = asyncio.Lock()

    async def run(self, sock: socket.socket, ready: Callable[[], None] | None = None) -> bool:
        """Until SIGTERM or SIGINT; scrapes that run then are finished. False where a fault ended it."""
        allocator.tune()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up.set)
        background = [
            asyncio.create_task(self._engines(), name="engines"),
            asyncio.create_task(self.app.publisher.run(), name="publisher"),
            asyncio.create_task(self._reload_when_hung_up(), name="reload"),
        ]
        web = asyncio.create_task(self._web(sock, ready), name="web")
        stopping = asyncio.create_task(self._stopping.wait())
        last = threading.Timer(LAST, os._exit, (0,))
        last.daemon = True
        try:
            await asyncio.wait({web, stopping, *background}, return_when=asyncio.FIRST_COMPLETED)
            asked_to = self._stopping.is_set()
            self._stopping.set()
            last.start()
            # Nobody needs what they would still compute, and running scrapes need the loop.
            await _ended([*background, stopping])
            await web
            return asked_to
        finally:
            await _ended([*background, stopping])
            last.cancel()
            self.app.gateway.close()

    async def _web(self, sock: socket.socket, ready: Callable[[], None] | None) -> None:
        await serve(build_app(self, guard=self._guard), sock, self._stopping, ready, self._guard)

    def stop(self) -> None:
        log.info("stopping")
        self._stopping.set()

    def page(self) -> Page:
        made: Exposition = self.app.publisher.page
        return Page(made.text, made.text_gzip, made.openmetrics, made.openmetrics_gzip, made.filtered)

    def healthy(self) -> bool:
        return self.app.clock.monotonic() - self.app.publisher.latest < ALIVE

    def ready(self) -> tuple[bool, str]:
        if self._stopping.is_set():
            return False, "stopping"
        lacking = self.app.publisher.lacking
        return not lacking, lacking or "ready"

    def lifecycle_enabled(self) -> bool:
        return self.app.settings.web.enable_lifecycle

    def config(self) -> str:
        return self.app.shown_settings

    def status(self) -> Status:
        return self.app.status()

    async def reload(self) -> list[str]:
        """Load, validate, and only then swap. The faults that kept the old configuration, none if the new one runs."""
        async with self._reloading:
            now = self.app.clock.time()
            try:
                settings = await ASIDE.run(self._load)
            except ConfigError as error:
                self.app.last_reload = Reload(False, now, error.faults)
                for fault in error.faults:
                    log.error("reload refused, the old configuration keeps running", fault=fault)
                self.app.shared.changed.set()
                return list(error.faults)
            if settings.web.listen_address != self.app.settings.web.listen_address:
                log.warning("a new web.listen_address takes a restart", address=settings.web.listen_address)
            if settings.web.config_file != self.app.settings.web.config_file:
                log.warning("a new web.config_file takes a restart", file=settings.web.config_file)
            logs.configure(settings.log.level, settings.log.format)
            self.app.last_reload = Reload(True, now)
            self.app.adopt(settings)
            self._reload.set()
            log.info("configuration reloaded")
            return []

    async def _reload_when_hung_up(self) -> None:
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            await self.reload()

    async def _engines(self) -> None:
        """One engine after the other: the old one has ended before the new one begins."""
        while True:
            self._reload.clear()
            self.app.tidy()
            running = [
                asyncio.create_task(self.app.engine.run(), name="engine"),
                asyncio.create_task(self.app.keep_identifying(), name="identities"),
            ]
            reload = asyncio.create_task(self._reload.wait())
            try:
                await asyncio.wait({running[0], reload}, return_when=asyncio.FIRST_COMPLETED)
                if running[0].done():
                    await running[0]
            finally:
                await _ended([*running, reload])


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel, and wait until all have ended."""
    held = list(tasks)
    for task in held:
        task.cancel()
    for outcome in await asyncio.gather(*held, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.error("a task ended with a fault", error=repr(outcome))
