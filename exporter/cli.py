"""The commands and their exit codes: 0 done, 1 something could not be collected, 2 what was asked for is wrong."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from exporter import __version__, check, demo, logs, policy, reference
from exporter.app import App
from exporter.daemon import Daemon
from exporter.plan import advice, plan_of
from exporter.settings import ConfigError, Settings, load
from exporter.targets import discovery_access, targets
from exporter.web import guard
from exporter.web.server import bind

PROGRAM = "amazon-connect-exporter"
DEFAULT = "run"
REVISION = os.environ.get("EXPORTER_REVISION", "")

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """The console script. Exit 2 prints one line a fault on stderr, never a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    options = parser.parse_args(_with_default(arguments))
    command: Command = options.command
    try:
        status = command(options)
        sys.stdout.flush()
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as fault:
        if fault.errno != errno.ENOSPC:
            raise
        print(f"{PROGRAM}: {fault.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    else:
        return status


def run(options: argparse.Namespace) -> int:
    """The daemon."""
    read = partial(_checked, partial(_load, options))
    settings = read()
    _logs(settings)
    return serve(settings, read, _bind(settings.web.listen_address), config_path=options.config or "")


def serve(
    settings: Settings,
    read: Callable[[], Settings],
    sock: socket.socket,
    config_path: str = "",
    ready: Callable[[str], None] | None = None,
) -> int:
    """Collect until a signal comes, and answer on a socket that listens."""
    door = guard.Guard(settings.web.config_file)
    app = App(settings, revision=REVISION, config_path=config_path, freeze=True)
    url = _url(sock, "https" if door.tls else "http")
    logs.get_logger(__name__).info("listening", url=url, version=__version__)
    door.announce()
    well = asyncio.run(Daemon(app, read, door).run(sock, partial(ready, url) if ready else None))
    return 0 if well else 1


def check_command(options: argparse.Namespace) -> int:
    """Validate; with --live, ask AWS."""
    settings = _checked(partial(_load, options))
    _logs(settings)
    source = options.config or "the environment"
    print(
        f"{source}: valid: {len(settings.instances)} instances, {len(settings.discovery)} discovery blocks", flush=True
    )
    for line in advice(settings):
        print(f"note  {line}", flush=True)
    return asyncio.run(_live(settings)) if options.live else 0


async def _live(settings: Settings) -> int:
    app, failed = App(settings), False
    try:
        async for line in check.live(app):
            print(f"{'ok  ' if line.ok else 'FAIL'}  {line.text}", flush=True)
            failed = failed or not line.ok
    finally:
        app.gateway.close()
    return int(failed)


def once(options: argparse.Namespace) -> int:
    """Collect everything one time, print the page."""
    settings = _load(options)
    _logs(settings)
    return asyncio.run(_once(settings))


async def _once(settings: Settings) -> int:
    app = App(settings, revision=REVISION)
    try:
        await app.engine.once()
        page = await app.publisher.make()
    finally:
        app.gateway.close()
    sys.stdout.buffer.write(page.text)
    sys.stdout.buffer.flush()
    collected = all(state.success for state in app.engine.states())
    found = all(discovery.success for discovery in app.engine.discovery.values())
    return 0 if collected and found and app.engine.watches else 1


def demo_command(options: argparse.Namespace) -> int:
    """Simulator and exporter together."""
    # A day of contacts is not worth living through for an address that is taken.
    with (
        _bind(options.listen_address or demo.ADDRESS) as sock,
        demo.contact_centre(options.seed, options.instances, options.queues, _say) as simulator,
    ):
        demo.use_only_the_simulator(simulator.url)
        overrides = _overrides(options, {"web.listen_address": demo.ADDRESS})
        read = partial(_checked, partial(load, None, demo.environment(simulator.url), overrides))
        settings = read()
        _logs(settings)

        def ready(url: str) -> None:
            _say(f"A contact centre is at work: open {url}/ in a browser; its metrics are on {url}/metrics")

        return serve(settings, read, sock, ready=ready)


def simulate(options: argparse.Namespace) -> int:
    """The simulator alone."""
    logs.configure(options.log_level or "info", options.log_format or "console")
    # Taken and given back: the simulator listens by itself, but only after a while, and a taken port is said at once.
    with _bind(options.listen_address or "127.0.0.1:0") as sock:
        host, port = sock.getsockname()[:2]
    with demo.contact_centre(options.seed, options.instances, options.queues, _say, host, port) as simulator:
        _say(f"Amazon Connect is simulated at {simulator.url}: use it as endpoint_url, with any credentials.")
        demo.wait_for_a_signal()
    return 0


def metrics(options: argparse.Namespace) -> int:
    """The catalogue."""
    print(reference.metrics_table(options.format))
    return 0


def iam_policy(options: argparse.Namespace) -> int:
    """The policy document, or one for each account."""
    settings = _load(options)
    places = [discovery_access(block, settings, region) for block in settings.discovery for region in block.regions]
    documents = policy.documents(targets(settings), places, plan_of(settings))
    print(json.dumps(documents if len(documents) > 1 else next(iter(documents.values())), indent=2))
    return 0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; how it is right, `--help` says."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="Amazon Connect's own metrics for Prometheus.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, does: Command, about: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(command=does)
        command.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="how much is logged")
        command.add_argument("--log-format", choices=("console", "json", "logfmt"), help="how a log line looks")
        return command

    def config(command: argparse.ArgumentParser) -> None:
        command.add_argument("--config", metavar="FILE", help="the configuration, YAML; the environment stands over it")

    def web(command: argparse.ArgumentParser) -> None:
        command.add_argument("--listen-address", metavar="ADDRESS", help="host:port, or :port for every interface")
        command.add_argument("--web-config-file", metavar="FILE", help="TLS and basic auth")

    def centre(command: argparse.ArgumentParser) -> None:
        command.add_argument("--seed", type=int, default=1, help="the same seed makes the same contact centre")
        command.add_argument("--instances", type=_positive, default=2, help="how many instances (%(default)s)")
        command.add_argument("--queues", type=_positive, default=12, help="queues of each (%(default)s)")

    command = add("run", run, "the daemon (the default command)")
    config(command)
    web(command)
    command = add("check", check_command, "validate the configuration")
    config(command)
    command.add_argument("--live", action="store_true", help="also ask AWS once for everything that will be asked")
    config(add("once", once, "collect everything once and print the metrics"))
    command = add("demo", demo_command, "a simulated contact centre and the exporter, no AWS account needed")
    web(command)
    centre(command)
    command = add("simulate", simulate, "a simulated Amazon Connect for any AWS client")
    command.add_argument("--listen-address", metavar="ADDRESS", help="host:port; a free port of loopback by default")
    centre(command)
    command = add("metrics", metrics, "the catalogue of metrics")
    command.add_argument("--format", choices=("table", "markdown", "json"), default="table")
    config(add("iam-policy", iam_policy, "the least-privilege IAM policy for a configuration"))
    return parser


def _with_default(arguments: list[str]) -> list[str]:
    """The command first: `--config FILE` alone means `run --config FILE`; an option may stand before its command."""
    if arguments and arguments[0] in ("-h", "--help", "--version"):
        return arguments
    at = 0
    while at < len(arguments) and arguments[at].startswith("-"):
        alone = "=" in arguments[at] or arguments[at] in ("--live", "-h", "--help")
        at += 1 if alone else 2
    if at >= len(arguments):
        return [DEFAULT, *arguments]
    return [arguments[at], *arguments[:at], *arguments[at + 1 :]]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be 1 or more")
    return number


def _load(options: argparse.Namespace) -> Settings:
    path = Path(options.config) if options.config else None
    return load(path, os.environ, _overrides(options))


def _checked(read: Callable[[], Settings]) -> Settings:
    """The settings, and the web configuration file that they name looked through."""
    settings = read()
    guard.check(settings.web.config_file)
    return settings


def _overrides(options: argparse.Namespace, defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the command line says, by key of the configuration."""
    keys = {
        "log.level": "log_level",
        "log.format": "log_format",
        "web.listen_address": "listen_address",
        "web.config_file": "web_config_file",
    }
    given = {key: getattr(options, name, None) for key, name in keys.items()}
    return {**(defaults or {}), **{key: value for key, value in given.items() if value is not None}}


def _logs(settings: Settings) -> None:
    logs.configure(settings.log.level, settings.log.format)


def _bind(address: str) -> socket.socket:
    try:
        return bind(address)
    except (OSError, ValueError) as error:
        raise ConfigError((getattr(error, "strerror", None) or str(error),)) from None


def _url(sock: socket.socket, scheme: str) -> str:
    host, port = sock.getsockname()[:2]
    shown = {"::": "localhost", "0.0.0.0": "localhost"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{scheme}://{shown}:{port}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
