"""The requests of one client, answered one after the other.

Spec: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md,
"Transmission phase". Memory: one piece of a request, whatever is asked for.
"""

from __future__ import annotations

import dataclasses
import errno
import struct
from typing import TYPE_CHECKING

from kensho.disks.nbd import protocol as p
from kensho.model.errors import KenshoError, NoSpaceError
from kensho.model.extent import Kind

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Iterator

    from kensho.disks.nbd.negotiate import Agreement
    from kensho.model.extent import Extent

_MAX_EXTENTS = 1 << 16  # looked at for one reply
_MAX_DESCRIPTORS = 1 << 12  # in one reply
_MAX_MESSAGE = 512
_ZEROS = bytes(p.PIECE)
_OFFSET, _HOLE, _ERROR = struct.Struct(">Q"), struct.Struct(">QI"), struct.Struct(">IH")
_FLAGS = {
    p.READ: p.FLAG_DF,
    p.WRITE: 0,
    p.FLUSH: 0,
    p.TRIM: 0,
    p.CACHE: 0,
    p.WRITE_ZEROES: p.FLAG_NO_HOLE,
    p.BLOCK_STATUS: p.FLAG_REQ_ONE,
}


class _RefusedError(Exception):
    """A request that cannot be done: the number and the words the client is told."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(frozen=True, slots=True)
class _Request:
    flags: int
    command: int
    cookie: int
    offset: int
    length: int


class Session:
    """One client in transmission."""

    __slots__ = ("_agreed", "_buffer", "_disk", "_sock", "_unread", "_writable")

    def __init__(self, sock: socket.socket, export: p.Export, agreed: Agreement) -> None:
        self._sock = sock
        self._disk = export.disk
        self._writable = export.writable
        self._agreed = agreed
        self._buffer = memoryview(bytearray(p.PIECE))
        self._unread = 0

    def run(self, stopping: threading.Event) -> None:
        """Answer until the client leaves or ``stopping`` is set.

        ClientGoneError or OSError when the client just hangs up.
        """
        while not stopping.is_set():
            magic, *fields = p.REQUEST.unpack(p.receive(self._sock, p.REQUEST.size))
            request = _Request(*fields)
            if magic != p.REQUEST_MAGIC:
                raise p.ClientGoneError
            if request.command == p.DISC:
                return
            self._unread = request.length if request.command == p.WRITE else 0
            if self._unread > p.MAX_REQUEST:
                raise p.ClientGoneError
            try:
                self._do(request)
            except _RefusedError as error:
                self._fail(request, error.code, str(error))
            except NoSpaceError as error:
                self._fail(request, p.ENOSPC, error.message)
            except KenshoError as error:
                # The words of the error, not its path: a client need not know our folders.
                self._fail(request, p.EIO, error.message)
            except MemoryError:
                self._fail(request, p.ENOMEM, "out of memory")

    def _do(self, request: _Request) -> None:
        command = request.command
        if command not in _FLAGS:
            raise _RefusedError(p.EINVAL, f"unknown command {command}")
        if request.flags & ~(_FLAGS[command] | p.FLAG_FUA):
            raise _RefusedError(p.EINVAL, f"flags {request.flags:#x} do not go with the command")
        if command == p.FLUSH:
            self._flush()
            self._succeed(request)
            return
        self._check_range(request)
        if command == p.READ:
            self._read(request)
        elif command == p.BLOCK_STATUS:
            self._status(request)
        else:
            if command != p.CACHE:  # a hint, which the page cache takes care of
                self._change(request)
            self._succeed(request)

    def _check_range(self, request: _Request) -> None:
        changing = request.command in {p.WRITE, p.WRITE_ZEROES, p.TRIM}
        if changing and self._writable is None:
            raise _RefusedError(p.EPERM, "the export is read-only")
        if request.offset + request.length > self._disk.virtual_size:
            code = p.ENOSPC if request.command in {p.WRITE, p.WRITE_ZEROES} else p.EINVAL
            raise _RefusedError(code, "beyond the end of the disk")

    # -- reading ------------------------------------------------------------------------------

    def _read(self, request: _Request) -> None:
        if request.length > p.MAX_REQUEST:
            raise _RefusedError(p.EINVAL, f"more than {p.MAX_REQUEST} bytes at once")
        if not self._agreed.structured:
            self._read_simple(request)
        elif request.flags & p.FLAG_DF:
            self._read_whole(request)
        else:
            self._read_chunks(request)

    def _read_simple(self, request: _Request) -> None:
        """Answer an old client: after the first piece there is no way to report an error."""
        head = p.SIMPLE_REPLY.pack(p.SIMPLE_REPLY_MAGIC, 0, request.cookie)
        for start, end in _pieces(request.offset, request.length):
            view = self._buffer[: end - start]
            try:
                self._load(start, view)
            except KenshoError as error:
                if start > request.offset:
                    raise p.ClientGoneError from error
                raise
            p.send(self._sock, head, view)
            head = b""
        if head:
            self._sock.sendall(head)

    def _read_whole(self, request: _Request) -> None:
        if request.length > p.PIECE:
            raise _RefusedError(p.EOVERFLOW, f"more than {p.PIECE} bytes in one piece")
        if request.length:
            self._send_data(request, request.offset, request.offset + request.length)
        self._done(request)

    def _read_chunks(self, request: _Request) -> None:
        for start, end, kind in self._kinds(request):
            if kind is not Kind.DATA:
                head = self._chunk(request, p.CHUNK_HOLE, _HOLE.size)
                self._sock.sendall(head + _HOLE.pack(start, end - start))
                continue
            for low, high in _pieces(start, end - start):
                self._send_data(request, low, high)
        self._done(request)

    def _kinds(self, request: _Request) -> Iterator[tuple[int, int, Kind]]:
        """Yield (start, end, DATA or HOLE) of the request, neighbours of one kind merged."""
        begin, last, end = request.offset, None, request.offset
        for extent in self._extents(request):
            kind = Kind.DATA if extent.kind is Kind.DATA else Kind.HOLE
            if last is not None and kind is not last:
                yield begin, end, last
                begin = end
            last, end = kind, extent.end
        if last is not None:
            yield begin, end, last

    def _extents(self, request: _Request) -> Iterator[Extent]:
        try:
            yield from self._disk.extents(request.offset, request.offset + request.length)
        except OSError as error:  # of the file; those of the socket are raised outside
            raise _RefusedError(p.EIO, error.strerror or "read error") from error

    def _send_data(self, request: _Request, start: int, end: int) -> None:
        view = self._buffer[: end - start]
        self._load(start, view)
        head = self._chunk(request, p.CHUNK_DATA, _OFFSET.size + len(view))
        p.send(self._sock, head + _OFFSET.pack(start), view)

    def _load(self, offset: int, view: memoryview) -> None:
        try:
            self._disk.read_into(offset, view)
        except OSError as error:  # of the file; those of the socket do not come by here
            raise _RefusedError(p.EIO, error.strerror or "read error") from error

    def _status(self, request: _Request) -> None:
        if not self._agreed.allocation:
            raise _RefusedError(p.EINVAL, "no metadata context was chosen")
        if request.length == 0:
            raise _RefusedError(p.EINVAL, "the status of nothing")
        found = self._descriptors(request)
        body = struct.pack(f">I{2 * len(found)}I", p.BASE_ALLOCATION_ID, *sum(found, ()))
        head = self._chunk(request, p.CHUNK_STATUS, len(body), last=True)
        self._sock.sendall(head + body)

    def _descriptors(self, request: _Request) -> list[tuple[int, int]]:
        """Return (length, state) from the start of the request on: at least one, bounded."""
        limit = 1 if request.flags & p.FLAG_REQ_ONE else _MAX_DESCRIPTORS
        found: list[tuple[int, int]] = []
        try:
            for count, extent in enumerate(self._extents(request)):
                state = 0 if extent.kind is Kind.DATA else p.STATE_HOLE | p.STATE_ZERO
                if found and found[-1][1] == state:
                    found[-1] = (found[-1][0] + extent.length, state)
                elif len(found) == limit or count >= _MAX_EXTENTS:
                    break
                else:
                    found.append((extent.length, state))
        except (KenshoError, _RefusedError):
            if not found:  # else the client meets the damage when it asks for the rest
                raise
        return found

    # -- writing ------------------------------------------------------------------------------

    def _change(self, request: _Request) -> None:
        disk = self._writable
        assert disk is not None
        try:
            if request.command == p.TRIM:
                disk.discard(request.offset, request.length)
            elif request.command == p.WRITE_ZEROES and not request.flags & p.FLAG_NO_HOLE:
                disk.zero(request.offset, request.length)
            else:
                self._store(disk, request)
        except OSError as error:
            raise _refusal(error) from error
        if request.flags & p.FLAG_FUA:
            self._flush()

    def _store(self, disk: p.WritableDisk, request: _Request) -> None:
        """Write the client's bytes, or zeros that keep their room."""
        for start, end in _pieces(request.offset, request.length):
            view: memoryview | bytes = self._buffer[: end - start]
            if request.command == p.WRITE:
                self._take_payload(self._buffer[: end - start])
            else:
                view = _ZEROS[: end - start]
            disk.write_at(start, view)

    def _take_payload(self, view: memoryview) -> None:
        try:
            p.receive_into(self._sock, view)
        except OSError as error:  # must not be taken for one of the disk
            raise p.ClientGoneError from error
        self._unread -= len(view)

    def _flush(self) -> None:
        if self._writable is None:
            return
        try:
            self._writable.flush()
        except OSError as error:
            raise _refusal(error) from error

    # -- replies ------------------------------------------------------------------------------

    def _chunk(self, request: _Request, kind: int, length: int, *, last: bool = False) -> bytes:
        flags = p.FLAG_DONE if last else 0
        return p.CHUNK.pack(p.STRUCTURED_REPLY_MAGIC, flags, kind, request.cookie, length)

    def _done(self, request: _Request) -> None:
        self._sock.sendall(self._chunk(request, p.CHUNK_NONE, 0, last=True))

    def _succeed(self, request: _Request) -> None:
        self._sock.sendall(p.SIMPLE_REPLY.pack(p.SIMPLE_REPLY_MAGIC, 0, request.cookie))

    def _fail(self, request: _Request, code: int, message: str) -> None:
        while self._unread:  # the payload of a write that was refused
            self._take_payload(self._buffer[: min(self._unread, p.PIECE)])
        if not self._agreed.structured:
            self._sock.sendall(p.SIMPLE_REPLY.pack(p.SIMPLE_REPLY_MAGIC, code, request.cookie))
            return
        text = message.encode()[:_MAX_MESSAGE]
        head = self._chunk(request, p.CHUNK_ERROR, _ERROR.size + len(text), last=True)
        self._sock.sendall(head + _ERROR.pack(code, len(text)) + text)


def _refusal(error: OSError) -> _RefusedError:
    no_room = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    return _RefusedError(p.ENOSPC if no_room else p.EIO, error.strerror or "write error")


def _pieces(offset: int, length: int) -> Iterator[tuple[int, int]]:
    end = offset + length
    for start in range(offset, end, p.PIECE):
        yield start, min(start + p.PIECE, end)
