"""How glibc hands out memory, set for a process that makes pages of megabytes in changing threads for months.

Left alone, glibc gives each thread a heap of its own and learns to take ever larger blocks from heaps instead of asking
the kernel for them: a page that is freed then leaves a hole that the next, slightly larger page does not fit into.
`make soak` shows the difference.
"""

from __future__ import annotations

import ctypes
import os

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

HEAPS = 2
LARGE = 256 << 10
"""Bytes from which a block comes from the kernel and goes back to it at once; set, it stays so."""


def tune() -> bool:
    """Before threads begin. False where there is nothing to set: another C library, or the user has set it already."""
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, HEAPS) and mallopt(_M_MMAP_THRESHOLD, LARGE))
