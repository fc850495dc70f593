"""Where bytes live: files, memory, windows into files, tar members."""

from kensho.storage.atomic import PendingFile
from kensho.storage.base import ByteSink, ByteSource, ReadBuffer, StreamSink, WriteBuffer
from kensho.storage.digest import HashingStream, digest_source
from kensho.storage.file import FileSink, FileSource
from kensho.storage.memory import MemorySink, MemorySource
from kensho.storage.tar import TarMember, read_members
from kensho.storage.tar_write import TarSlot, TarWriter
from kensho.storage.window import WindowSource

__all__ = [
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
