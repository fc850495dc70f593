"""The handshake of one client: fixed newstyle negotiation, until it has chosen an export.

Spec: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md,
"Fixed newstyle negotiation", "Option types".
"""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING

from kensho.disks.nbd import protocol as p

if TYPE_CHECKING:
    import socket

_MAX_OPTIONS = 256  # of one client
_MAX_QUERIES = 64
_PREFERRED_BLOCK = 4096
_U16, _U32 = struct.Struct(">H"), struct.Struct(">I")
_EXPORT_REPLY = struct.Struct(">QH")
_INFO_EXPORT = struct.Struct(">HQH")
_INFO_BLOCK_SIZE = struct.Struct(">HIII")


@dataclasses.dataclass(frozen=True, slots=True)
class Agreement:
    """What the client asked for and got."""

    structured: bool = False
    allocation: bool = False  #: may ask for the status of blocks


class _InvalidOptionError(Exception):
    """The data of an option make no sense; the client is told and may go on."""


def negotiate(sock: socket.socket, export: p.Export) -> Agreement | None:
    """Talk until the client enters transmission; None when it left politely.

    ClientGoneError and OSError when it did not.
    """
    sock.sendall(p.GREETING.pack(p.NBD_MAGIC, p.OPTION_MAGIC, p.FIXED_NEWSTYLE | p.NO_ZEROES))
    (flags,) = p.CLIENT_FLAGS.unpack(p.receive(sock, p.CLIENT_FLAGS.size))
    if flags & ~(p.FIXED_NEWSTYLE | p.NO_ZEROES):
        raise p.ClientGoneError
    agreed = Agreement()
    for _ in range(_MAX_OPTIONS):
        magic, option, length = p.OPTION.unpack(p.receive(sock, p.OPTION.size))
        if magic != p.OPTION_MAGIC:
            raise p.ClientGoneError
        if length > p.MAX_OPTION:
            _too_long(sock, option, length)
            continue
        data = p.receive(sock, length)
        if option == p.OPT_EXPORT_NAME:
            _enter(sock, export, agreed, data, zeroes=not flags & p.NO_ZEROES)
            return agreed
        if option == p.OPT_ABORT:
            _reply(sock, option, p.REP_ACK)
            return None
        try:
            agreed, done = _answer(sock, export, agreed, option, data)
        except _InvalidOptionError as error:
            _reply(sock, option, p.REP_ERR_INVALID, str(error).encode())
            continue
        if done:
            return agreed
    raise p.ClientGoneError


def transmission_flags(export: p.Export, agreed: Agreement) -> int:
    """Say what the export can do, in the terms this client understands."""
    # All clients see one state of the disk, so several connections of one client do as well.
    flags = p.HAS_FLAGS | p.SEND_FLUSH | p.CAN_MULTI_CONN | p.SEND_CACHE
    if agreed.structured:
        flags |= p.SEND_DF
    if export.writable is None:
        return flags | p.READ_ONLY
    return flags | p.SEND_FUA | p.SEND_TRIM | p.SEND_WRITE_ZEROES


def _answer(
    sock: socket.socket, export: p.Export, agreed: Agreement, option: int, data: bytes
) -> tuple[Agreement, bool]:
    """Answer one option; return what is agreed now and whether transmission begins."""
    if option in {p.OPT_INFO, p.OPT_GO}:
        return agreed, _info(sock, export, agreed, option, data)
    if option == p.OPT_STRUCTURED_REPLY:
        _demand_empty(data)
        _reply(sock, option, p.REP_ACK)
        return dataclasses.replace(agreed, structured=True), False
    if option in {p.OPT_LIST_META_CONTEXT, p.OPT_SET_META_CONTEXT}:
        return _meta_context(sock, export, agreed, option, data), False
    if option == p.OPT_LIST:
        _demand_empty(data)
        name = export.name.encode()
        _reply(sock, option, p.REP_SERVER, _U32.pack(len(name)) + name)
        _reply(sock, option, p.REP_ACK)
    elif option == p.OPT_STARTTLS:
        _demand_empty(data)
        _reply(sock, option, p.REP_ERR_POLICY, b"this server speaks no TLS; use an SSH tunnel")
    else:
        _reply(sock, option, p.REP_ERR_UNSUP)
    return agreed, False


def _enter(
    sock: socket.socket, export: p.Export, agreed: Agreement, data: bytes, *, zeroes: bool
) -> None:
    # This old option knows no error reply: a wrong name ends the connection.
    if not _is_ours(export, data):
        raise p.ClientGoneError
    reply = _EXPORT_REPLY.pack(export.disk.virtual_size, transmission_flags(export, agreed))
    sock.sendall(reply + bytes(124 if zeroes else 0))


def _info(
    sock: socket.socket, export: p.Export, agreed: Agreement, option: int, data: bytes
) -> bool:
    name, at = _string(data, 0)
    if at + 2 > len(data):
        raise _InvalidOptionError("no number of information requests")
    (count,) = _U16.unpack_from(data, at)
    if len(data) != at + 2 + 2 * count:
        raise _InvalidOptionError("the number of information requests is wrong")
    wanted = struct.unpack_from(f">{count}H", data, at + 2)
    if not _is_ours(export, name):
        _reply(sock, option, p.REP_ERR_UNKNOWN, b"there is no export of this name")
        return False
    flags = transmission_flags(export, agreed)
    _reply(
        sock, option, p.REP_INFO, _INFO_EXPORT.pack(p.INFO_EXPORT, export.disk.virtual_size, flags)
    )
    if p.INFO_NAME in wanted:
        _reply(sock, option, p.REP_INFO, _U16.pack(p.INFO_NAME) + export.name.encode())
    if p.INFO_DESCRIPTION in wanted and export.description:
        text = (
            _U16.pack(p.INFO_DESCRIPTION)
            + export.description.encode(errors="replace")[: p.MAX_STRING]
        )
        _reply(sock, option, p.REP_INFO, text)
    sizes = _INFO_BLOCK_SIZE.pack(p.INFO_BLOCK_SIZE, 1, _PREFERRED_BLOCK, p.MAX_REQUEST)
    _reply(sock, option, p.REP_INFO, sizes)
    _reply(sock, option, p.REP_ACK)
    return option == p.OPT_GO


def _meta_context(
    sock: socket.socket, export: p.Export, agreed: Agreement, option: int, data: bytes
) -> Agreement:
    if not agreed.structured:
        raise _InvalidOptionError("structured replies come first")
    name, at = _string(data, 0)
    if at + 4 > len(data):
        raise _InvalidOptionError("no number of queries")
    (count,) = _U32.unpack_from(data, at)
    at += 4
    if count > _MAX_QUERIES:
        _reply(sock, option, p.REP_ERR_TOO_BIG, b"too many queries")
        return agreed
    queries = []
    for _ in range(count):
        query, at = _string(data, at)
        queries.append(query)
    if at != len(data):
        raise _InvalidOptionError("more data than queries")
    if not _is_ours(export, name):
        _reply(sock, option, p.REP_ERR_UNKNOWN, b"there is no export of this name")
        return agreed
    setting = option == p.OPT_SET_META_CONTEXT
    accepted = {p.BASE_ALLOCATION.encode()} | (set() if setting else {b"base:"})
    found = any(query in accepted for query in queries) or (not setting and not queries)
    if found:
        context = _U32.pack(p.BASE_ALLOCATION_ID if setting else 0) + p.BASE_ALLOCATION.encode()
        _reply(sock, option, p.REP_META_CONTEXT, context)
    _reply(sock, option, p.REP_ACK)
    return dataclasses.replace(agreed, allocation=found) if setting else agreed


def _is_ours(export: p.Export, name: bytes) -> bool:
    return name in {b"", export.name.encode()}


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the string at ``at``, which its length precedes, and what is behind it."""
    if at + 4 > len(data):
        raise _InvalidOptionError("a string is missing")
    (length,) = _U32.unpack_from(data, at)
    at += 4
    if length > p.MAX_STRING or at + length > len(data):
        raise _InvalidOptionError("a string is too long")
    return data[at : at + length], at + length


def _demand_empty(data: bytes) -> None:
    if data:
        raise _InvalidOptionError("this option has no data")


def _too_long(sock: socket.socket, option: int, length: int) -> None:
    """Skip the data of an option that is too long and say so; hang up when it is absurd."""
    if option == p.OPT_EXPORT_NAME or length > p.MAX_REQUEST:
        raise p.ClientGoneError
    while length:
        length -= len(p.receive(sock, min(length, p.MAX_OPTION)))
    _reply(sock, option, p.REP_ERR_TOO_BIG)


def _reply(sock: socket.socket, option: int, kind: int, data: bytes = b"") -> None:
    sock.sendall(p.OPTION_REPLY.pack(p.OPTION_REPLY_MAGIC, option, kind, len(data)) + data)
