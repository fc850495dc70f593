"""Where bytes live: files, memory, windows into files, tar members."""

from kensho.storage.base import ByteSink, ByteSource, ReadBuffer, StreamSink, WriteBuffer

__all__ = ["ByteSink", "ByteSource", "ReadBuffer", "StreamSink", "WriteBuffer"]
