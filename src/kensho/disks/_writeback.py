"""Ask the kernel to begin writing dirty pages, without waiting (sync_file_range(2))."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from kensho.storage.base import KernelFile

if TYPE_CHECKING:
    from kensho.storage.base import ByteSink

_WRITE = 2  # SYNC_FILE_RANGE_WRITE


def start_writeback(sink: ByteSink) -> None:
    """Begin writing what is dirty in the sink's file; a hint that may do nothing."""
    file = sink.kernel_file() if isinstance(sink, KernelFile) else None
    call = _sync_file_range()
    if file is not None and call is not None:
        call(file[0], 0, 0, _WRITE)  # a length of 0 means to the end


@functools.cache
def _sync_file_range() -> Any:
    import ctypes

    try:
        call = ctypes.CDLL(None).sync_file_range
    except (AttributeError, OSError):  # pragma: no cover - other C libraries
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call
