"""Tar archives written in one pass, for readers as strict as ESXi's.

Plain ustar headers, GNU base-256 only for members of 8 GiB and more and a GNU
long-name member only for names over 100 bytes; never pax, which ovftool and
older VirtualBox versions do not read. Same input, same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kensho.model.errors import UsageError
from kensho.storage.tar import BLOCK, checksum

if TYPE_CHECKING:
    from kensho.storage.base import ReadBuffer

_OCTAL_MAX = 8**11  # 11 digits: sizes below 8 GiB
_ZERO = bytes(BLOCK)


class PatchableStream(Protocol):
    """A stream that lets bytes already appended be replaced.

    A pipe will do for a writer of which only ``add`` and ``place`` are used.
    """

    @property
    def position(self) -> int:
        """Bytes appended so far."""

    def append(self, data: ReadBuffer) -> None:
        """Write all of ``data`` after what was appended before."""

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Replace bytes from ``offset`` on."""

    def advance_to(self, offset: int) -> None:
        """Go on from ``offset``; bytes before it that were never written are zero."""


class TarSlot:
    """Room for a member of known size whose bytes come later; ``fill`` it once."""

    __slots__ = ("_offset", "_stream", "filled", "name", "size")

    def __init__(self, stream: PatchableStream, name: str, offset: int, size: int) -> None:
        self._stream = stream
        self._offset = offset
        self.name = name
        self.size = size
        self.filled = False

    def fill(self, data: ReadBuffer, *, pad: bytes | None = None) -> None:
        """Put ``data`` into the slot. UsageError unless it fits exactly.

        With ``pad``, one byte such as a newline, shorter data are padded with it.
        """
        rest = self.size - len(data)
        if rest < 0 or (rest and (pad is None or len(pad) != 1)):
            raise UsageError(f"{len(data)} bytes do not fit {self.name!r}, which has {self.size}")
        self._stream.write_at(self._offset, bytes(data) + (pad or b"") * rest)
        self.filled = True


class TarMemberSink:
    """A StreamSink for the member that ``TarWriter.begin`` opened; its byte 0 is position 0."""

    __slots__ = ("_position", "_stream")

    def __init__(self, stream: PatchableStream) -> None:
        self._stream = stream
        self._position = 0

    @property
    def position(self) -> int:
        """Bytes appended to this member."""
        return self._position

    def append(self, data: ReadBuffer) -> None:
        """Append ``data`` to the member."""
        self._stream.append(data)
        self._position += len(data)


class TarRegion:
    """A ByteSink for the member that ``TarWriter.region`` opened; its byte 0 is offset 0."""

    __slots__ = ("_base", "_stream", "position")

    def __init__(self, stream: PatchableStream, base: int) -> None:
        self._stream = stream
        self._base = base
        self.position = 0  #: the member's size so far

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write all of ``data`` at ``offset``, growing the member as needed."""
        self._stream.write_at(self._base + offset, data)
        self.position = max(self.position, offset + len(data))

    def truncate(self, size: int) -> None:
        """Make the member ``size`` bytes long; it only ever grows."""
        if size < self.position:
            raise UsageError(f"a tar member of {self.position} bytes cannot shrink to {size}")
        self.position = size

    def flush(self) -> None:
        """Leave that to whoever owns the archive."""

    def settle(self) -> None:
        """Let the archive go on behind the member."""
        self._stream.advance_to(self._base + self.position)


class TarWriter:
    """Writes members one after the other into ``stream``.

    ``mtime`` (seconds since 1970) goes into every header, as near as ustar can say it; owner is
    0:0, mode 0644.
    """

    __slots__ = ("_mtime", "_names", "_open", "_placed", "_slots", "_stream")

    def __init__(self, stream: PatchableStream, *, mtime: int = 0) -> None:
        self._stream = stream
        self._mtime = max(0, min(mtime, _OCTAL_MAX - 1))
        self._names: set[str] = set()
        self._slots: list[TarSlot] = []
        self._open: tuple[str, int, TarMemberSink | TarRegion] | None = None
        self._placed: tuple[str, int, int] | None = None

    def add(self, name: str, data: ReadBuffer) -> None:
        """Write a whole member."""
        self._header(name, len(data))
        self._stream.append(data)
        self._pad(len(data))

    def reserve(self, name: str, size: int) -> TarSlot:
        """Leave room for a member of ``size`` bytes and return the slot to fill later."""
        self._header(name, size)
        slot = TarSlot(self._stream, name, self._stream.position, size)
        self._slots.append(slot)
        left = size
        while left > 0:
            self._stream.append(bytes(min(left, 1 << 20)))
            left -= 1 << 20
        self._pad(size)
        return slot

    def place(self, name: str, size: int) -> int:
        """Start a member of known size and return where its first byte goes.

        The caller writes the bytes there, those that are not zero at least, and then calls
        ``placed``. The stream has to have ``advance_to``.
        """
        self._header(name, size)
        self._placed = (name, size, self._stream.position)
        return self._stream.position

    def placed(self) -> None:
        """Finish the member that ``place`` started."""
        if self._placed is None:
            raise UsageError("no tar member was placed")
        _, size, at = self._placed
        self._placed = None
        self._stream.advance_to(at + size)
        self._pad(size)

    def begin(self, name: str) -> TarMemberSink:
        """Start a member whose size shows only at its ``end``; append to what is returned."""
        at = self._header(name, 0)
        sink = TarMemberSink(self._stream)
        self._open = (name, at, sink)
        return sink

    def region(self, name: str) -> TarRegion:
        """Start a member that is written at any offset, until its ``end``.

        The stream has to have ``advance_to``; bytes that are never written are zero.
        """
        at = self._header(name, 0)
        sink = TarRegion(self._stream, self._stream.position)
        self._open = (name, at, sink)
        return sink

    def end(self) -> int:
        """Finish the member begun last, write its size into its header and return it."""
        if self._open is None:
            raise UsageError("no tar member is open")
        name, at, sink = self._open
        self._open = None
        if isinstance(sink, TarRegion):
            sink.settle()
        self._pad(sink.position)
        self._stream.write_at(at, pack_header(_short(name), sink.position, self._mtime))
        return sink.position

    def finish(self) -> None:
        """Write the end of the archive. UsageError if a slot was never filled."""
        unfinished = self._open or self._placed
        if unfinished is not None:
            raise UsageError(f"tar member {unfinished[0]!r} was not ended")
        empty = [slot.name for slot in self._slots if not slot.filled]
        if empty:
            raise UsageError(f"tar members never filled: {', '.join(empty)}")
        self._stream.append(_ZERO * 2)

    def _header(self, name: str, size: int) -> int:
        unfinished = self._open or self._placed
        if unfinished is not None:
            raise UsageError(f"tar member {unfinished[0]!r} was not ended")
        if not name or name in self._names or "\0" in name:
            raise UsageError(f"bad or repeated tar member name {name!r}")
        self._names.add(name)
        encoded = name.encode()
        if len(encoded) > 100:
            self._stream.append(pack_header(b"././@LongLink", len(encoded) + 1, 0, b"L"))
            self._stream.append(encoded + b"\0")
            self._pad(len(encoded) + 1)
        at = self._stream.position
        self._stream.append(pack_header(_short(name), size, self._mtime))
        return at

    def _pad(self, size: int) -> None:
        self._stream.append(_ZERO[: -size % BLOCK])


def _short(name: str) -> bytes:
    return name.encode()[:100]


def pack_header(name: bytes, size: int, mtime: int, kind: bytes = b"0") -> bytes:
    """Return one 512-byte header block; ``name`` has at most 100 bytes."""
    big = size >= _OCTAL_MAX
    sizes = b"\x80" + size.to_bytes(11, "big") if big else b"%011o\0" % size
    magic = b"ustar  \0" if big or kind == b"L" else b"ustar\x0000"
    header = bytearray(BLOCK)
    header[0 : len(name)] = name
    header[100:124] = b"0000644\0" + b"0000000\0" * 2
    header[124:136] = sizes
    header[136:148] = b"%011o\0" % mtime
    header[156:157] = kind
    header[257:265] = magic
    if not big and kind == b"0":
        header[329:345] = b"0000000\0" * 2  # device numbers, which ustar has even for files
    header[148:156] = b"%06o\0 " % checksum(bytes(header))
    return bytes(header)
