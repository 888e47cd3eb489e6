from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

SHOWN = """
import ctypes, os, sys, threading
from exporter import allocator
tuned = allocator.tune() if sys.argv[1] == "tuned" else None
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
meeting = threading.Barrier(8)
def work():
    libc.malloc(1000)
    meeting.wait(10)
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(tuned, flush=True)
out = ctypes.c_void_p(libc.fdopen(os.dup(1), b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


def shown(how: str, **environment: str) -> tuple[str, int]:
    """What `tune` said, and the heaps after eight threads have wanted memory at one time."""
    argv = [sys.executable, "-c", SHOWN, how]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30, env={**kept, **environment})
    return done.stdout.split("\n", 1)[0], len(re.findall("<heap nr=", done.stdout))


@pytest.mark.skipif(not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="no glibc")
def test_eight_threads_share_two_heaps_unless_the_user_has_said_otherwise() -> None:
    assert shown("left alone")[1] > 2
    said, heaps = shown("tuned")
    assert said == "True"
    assert heaps <= 2
    assert shown("tuned", MALLOC_ARENA_MAX="5")[0] == "False"
