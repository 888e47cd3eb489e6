"""`python -m exporter`, and the console script. Here before all that takes a second to import: what signals do then."""

from __future__ import annotations

import os
import signal
import sys

ENDING = frozenset({"check", "once", "metrics", "iam-policy"})
"""Commands that end by themselves: killed, they have failed. For the others SIGTERM is the way to end."""


def main() -> int:
    if not ENDING.intersection(sys.argv[1:]):
        # Also as the first process of a container, for which the kernel ignores signals that nobody handles.
        signal.signal(signal.SIGTERM, _end)
        signal.signal(signal.SIGINT, _end)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from exporter import cli  # noqa: PLC0415 (the rest of the program)

    return cli.main()


def _end(*_: object) -> None:
    os._exit(0)  # nothing is under way yet


if __name__ == "__main__":
    sys.exit(main())
