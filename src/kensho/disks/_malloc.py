"""Tell glibc's malloc to keep what is freed: buffers of 0.1 to 1 MiB come again at once.

Without it such a buffer is given back to the kernel each time, which clears it the next time.
"""

from __future__ import annotations

import functools

# <malloc.h>
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3


@functools.cache
def keep_freed_memory() -> None:
    """Change the allocator of this process, once; does nothing with other C libraries."""
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # pragma: no cover - other C libraries
        return
    for option, value in (
        (_TRIM_THRESHOLD, 256 << 20),
        (_TOP_PAD, 4 << 20),
        (_MMAP_THRESHOLD, 32 << 20),
    ):
        mallopt(option, value)
