"""The numbers and messages of the NBD protocol, and bytes on a socket.

Spec: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md,
"Values". All big endian.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from kensho.disks.base import DiskReader
from kensho.model.errors import UsageError

if TYPE_CHECKING:
    import socket

    from kensho.storage.base import ReadBuffer

NBD_MAGIC = 0x4E42444D41474943  # "NBDMAGIC"
OPTION_MAGIC = 0x49484156454F5054  # "IHAVEOPT"
OPTION_REPLY_MAGIC = 0x3E889045565A9
REQUEST_MAGIC = 0x25609513
SIMPLE_REPLY_MAGIC = 0x67446698
STRUCTURED_REPLY_MAGIC = 0x668E33EF

GREETING = struct.Struct(">QQH")
CLIENT_FLAGS = struct.Struct(">I")
OPTION = struct.Struct(">QII")
OPTION_REPLY = struct.Struct(">QIII")
REQUEST = struct.Struct(">IHHQQI")
SIMPLE_REPLY = struct.Struct(">IIQ")
CHUNK = struct.Struct(">IHHQI")

# Handshake flags, the same bits in both directions
FIXED_NEWSTYLE, NO_ZEROES = 1 << 0, 1 << 1

# Options
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_STARTTLS, OPT_INFO, OPT_GO = 1, 2, 3, 5, 6, 7
OPT_STRUCTURED_REPLY, OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT = 8, 9, 10

# Replies to options
REP_ACK, REP_SERVER, REP_INFO, REP_META_CONTEXT = 1, 2, 3, 4
REP_ERR_UNSUP = 1 << 31 | 1
REP_ERR_POLICY = 1 << 31 | 2
REP_ERR_INVALID = 1 << 31 | 3
REP_ERR_UNKNOWN = 1 << 31 | 6
REP_ERR_TOO_BIG = 1 << 31 | 9
INFO_EXPORT, INFO_NAME, INFO_DESCRIPTION, INFO_BLOCK_SIZE = 0, 1, 2, 3

# Transmission flags
HAS_FLAGS, READ_ONLY, SEND_FLUSH, SEND_FUA = 1 << 0, 1 << 1, 1 << 2, 1 << 3
SEND_TRIM, SEND_WRITE_ZEROES, SEND_DF = 1 << 5, 1 << 6, 1 << 7
CAN_MULTI_CONN, SEND_CACHE = 1 << 8, 1 << 10

# Commands and their flags
READ, WRITE, DISC, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS = range(8)
FLAG_FUA, FLAG_NO_HOLE, FLAG_DF, FLAG_REQ_ONE = 1 << 0, 1 << 1, 1 << 2, 1 << 3

# Chunks of a structured reply
FLAG_DONE = 1 << 0
CHUNK_NONE, CHUNK_DATA, CHUNK_HOLE, CHUNK_STATUS, CHUNK_ERROR = 0, 1, 2, 5, 1 << 15 | 1

EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW = 1, 5, 12, 22, 28, 75

BASE_ALLOCATION = "base:allocation"
BASE_ALLOCATION_ID = 1
STATE_HOLE, STATE_ZERO = 1 << 0, 1 << 1

MAX_STRING = 4096
MAX_NAME = 255  #: characters, which are four bytes at most
MAX_OPTION = 64 << 10
MAX_REQUEST = 32 << 20  #: bytes of one READ or WRITE, the protocol's own default
PIECE = 1 << 20  #: bytes of a request in memory at one time


@runtime_checkable
class WritableDisk(DiskReader, Protocol):
    """A disk that can be changed; every method may be called from any thread."""

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write ``data``; NoSpaceError when there is no room for it."""

    def zero(self, offset: int, length: int) -> None:
        """Make the range read as zero, without keeping room for it."""

    def discard(self, offset: int, length: int) -> None:
        """Give up what lies in the range; it may read as zero afterwards."""

    def flush(self) -> None:
        """Make all that was written durable."""


@dataclasses.dataclass(frozen=True, slots=True)
class Export:
    """A disk and the name it is offered by; it can be written when it is a WritableDisk.

    The empty name always stands for it too. UsageError for a name clients cannot say.
    """

    disk: DiskReader
    name: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if len(self.name) > MAX_NAME or not self.name.isprintable():
            raise UsageError(
                "not a name for an export", hint=f"printable and at most {MAX_NAME} characters"
            )

    @property
    def writable(self) -> WritableDisk | None:
        """The disk if it can be written."""
        return self.disk if isinstance(self.disk, WritableDisk) else None


class ClientGoneError(Exception):
    """The client left, or broke the protocol in a way that leaves only hanging up."""


def receive(sock: socket.socket, length: int) -> bytes:
    """Return exactly ``length`` bytes, which the caller has bounded."""
    buffer = bytearray(length)
    receive_into(sock, memoryview(buffer))
    return bytes(buffer)


def receive_into(sock: socket.socket, view: memoryview) -> None:
    """Fill ``view``; ClientGoneError when the client ends first."""
    done = 0
    while done < len(view):
        got = sock.recv_into(view[done:])
        if got == 0:
            raise ClientGoneError
        done += got


def send(sock: socket.socket, head: bytes, body: ReadBuffer = b"") -> None:
    """Send both, in one system call if the socket takes them."""
    if not len(body):
        sock.sendall(head)
        return
    sent = sock.sendmsg([head, body])
    if sent < len(head):
        sock.sendall(head[sent:])
        sent = len(head)
    if sent < len(head) + len(body):
        sock.sendall(memoryview(body)[sent - len(head) :])
