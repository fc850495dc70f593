"""Where bytes live: files, memory, windows into files, tar members."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kensho.storage._cache import BlockCache
    from kensho.storage.atomic import PendingFile
    from kensho.storage.base import ByteSink, ByteSource, ReadBuffer, StreamSink, WriteBuffer
    from kensho.storage.digest import HashingStream, digest_source
    from kensho.storage.file import FileSink, FileSource
    from kensho.storage.memory import MemorySink, MemorySource
    from kensho.storage.tar import TarMember, read_members
    from kensho.storage.tar_write import TarSlot, TarWriter
    from kensho.storage.window import WindowSource

#: Which module a name is in. Imported when it is first asked for: a copy of a raw disk needs no
#: tar and no digests, and their imports would be a tenth of its time.
_MODULES = {
    "BlockCache": "_cache",
    "ByteSink": "base",
    "ByteSource": "base",
    "FileSink": "file",
    "FileSource": "file",
    "HashingStream": "digest",
    "MemorySink": "memory",
    "MemorySource": "memory",
    "PendingFile": "atomic",
    "ReadBuffer": "base",
    "StreamSink": "base",
    "TarMember": "tar",
    "TarSlot": "tar_write",
    "TarWriter": "tar_write",
    "WindowSource": "window",
    "WriteBuffer": "base",
    "digest_source": "digest",
    "read_members": "tar",
}

__all__ = [
    "BlockCache",
    "ByteSink",
    "ByteSource",
    "FileSink",
    "FileSource",
    "HashingStream",
    "MemorySink",
    "MemorySource",
    "PendingFile",
    "ReadBuffer",
    "StreamSink",
    "TarMember",
    "TarSlot",
    "TarWriter",
    "WindowSource",
    "WriteBuffer",
    "digest_source",
    "read_members",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
