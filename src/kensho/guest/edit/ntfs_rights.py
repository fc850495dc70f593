"""Rights of new files on NTFS: those that their folder hands down, as Windows would give them.

Left alone, ntfs-3g lets everybody write to what it makes, drivers and services among it.
Spec: [MS-DTYP] 2.4.4 (ACE), 2.4.5 (ACL), 2.4.6 (security descriptor), 2.5.3.4 (inheritance).
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterator

from kensho.guest.edit.plan import FileEdit
from kensho.model.errors import CorruptError

_KEY = "system.ntfs_acl"  #: where ntfs-3g shows a file's security descriptor
_OBJECT, _CONTAINER, _NO_PROPAGATE, _ONLY, _INHERITED = 1, 2, 4, 8, 16
_SELF_RELATIVE, _AUTO_INHERITED, _PRESENT = 0x8000, 0x0400, 0x0004
_ADMINISTRATORS = bytes.fromhex("01020000000000052000000020020000")  # S-1-5-32-544
_SYSTEM = bytes.fromhex("010100000000000512000000")  # S-1-5-18
_CREATORS = {
    bytes.fromhex("010100000000000300000000"): _ADMINISTRATORS,  # S-1-3-0, the owner
    bytes.fromhex("010100000000000301000000"): _SYSTEM,  # S-1-3-1, the group
}
_FULL = 0x1F01FF
_GENERIC = {1 << 28: _FULL, 1 << 29: 0x1200A0, 1 << 30: 0x120116, 1 << 31: 0x120089}
_ALLOW, _PLAIN_TYPES = 0, frozenset({0, 1, 2})  #: ACCESS_ALLOWED, DENIED, SYSTEM_AUDIT
_MAX_ACES = 4096
_MOST = 1 << 16  #: bytes of an extended attribute, as Linux has it


def hand_down(folder: int, made: int, edit: FileEdit) -> None:
    """Give what was made in a folder the rights the folder hands down; both are open."""
    del edit  # its mode and owner are Unix's
    directory = stat.S_ISDIR(os.fstat(made).st_mode)
    os.setxattr(made, _KEY, inherited(_descriptor(folder), directory=directory))


def _descriptor(folder: int) -> bytes:
    """Return a folder's security descriptor, empty when it has none.

    Not by os.getxattr, which tries a small buffer first: ntfs-3g fails with EIO then, not ERANGE.
    """
    room = ctypes.create_string_buffer(_MOST)
    libc = ctypes.CDLL(None, use_errno=True)
    got = libc.fgetxattr(ctypes.c_int(folder), _KEY.encode(), room, ctypes.c_size_t(_MOST))
    return room.raw[:got] if got > 0 else b""


def inherited(above: bytes, *, directory: bool) -> bytes:
    """Return the security descriptor of a new file, or folder, below one with that of ``above``.

    SYSTEM and the administrators alone may do everything where nothing is handed down. CorruptError
    when ``above`` makes no sense.
    """
    aces = [new for old in _aces(above) for new in _passed(*old, directory=directory)]
    if not aces:
        full = (
            _ace(_ALLOW, 0, struct.pack("<I", _FULL) + who) for who in (_SYSTEM, _ADMINISTRATORS)
        )
        aces = list(full)
    body = b"".join(aces)
    acl = (
        struct.pack("<BBHHH", 4 if _has_objects(aces) else 2, 0, 8 + len(body), len(aces), 0) + body
    )
    control = _SELF_RELATIVE | _AUTO_INHERITED | _PRESENT
    owner = 20 + len(acl)
    group = owner + len(_ADMINISTRATORS)
    return (
        struct.pack("<BBHIIII", 1, 0, control, owner, group, 0, 20)
        + acl
        + _ADMINISTRATORS
        + _SYSTEM
    )


def _has_objects(aces: list[bytes]) -> bool:
    return any(ace[0] in {5, 6, 7, 8} for ace in aces)


def _aces(descriptor: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (type, flags, rest) of the entries of a discretionary access list."""
    if len(descriptor) < 20:
        return
    control = struct.unpack_from("<H", descriptor, 2)[0]
    (at,) = struct.unpack_from("<I", descriptor, 16)
    if not control & _PRESENT or not at:
        return
    if at + 8 > len(descriptor):
        raise CorruptError("NTFS: a folder's access list makes no sense")
    size, count = struct.unpack_from("<HH", descriptor, at + 2)
    end, at = min(at + size, len(descriptor)), at + 8
    for _ in range(min(count, _MAX_ACES)):
        length = struct.unpack_from("<H", descriptor, at + 2)[0] if at + 4 <= end else 0
        if length < 16 or length % 4 or at + length > end:
            raise CorruptError("NTFS: a folder's access list makes no sense")
        yield descriptor[at], descriptor[at + 1], descriptor[at + 4 : at + length]
        at += length


def _passed(kind: int, flags: int, rest: bytes, *, directory: bool) -> Iterator[bytes]:
    """Yield what becomes of an entry below its folder: what counts, then what is handed on."""
    to_folders, on = bool(flags & _CONTAINER), not flags & _NO_PROPAGATE
    if not directory:
        if flags & _OBJECT:
            yield _ace(kind, _INHERITED, _settled(kind, rest))
        return
    handed = flags & (_OBJECT | _CONTAINER) | _INHERITED
    if to_folders:
        settled = _settled(kind, rest)
        if settled == rest and on:
            yield _ace(kind, handed, rest)
            return
        yield _ace(kind, _INHERITED, settled)
    if on and flags & (_OBJECT | _CONTAINER):
        yield _ace(kind, handed | _ONLY, rest)


def _settled(kind: int, rest: bytes) -> bytes:
    """Return an entry's mask and holder with generic rights and creators made real ones."""
    if kind not in _PLAIN_TYPES:
        return rest
    (mask,) = struct.unpack_from("<I", rest)
    for generic, real in _GENERIC.items():
        if mask & generic:
            mask = mask & ~generic | real
    return struct.pack("<I", mask) + _CREATORS.get(rest[4:], rest[4:])


def _ace(kind: int, flags: int, rest: bytes) -> bytes:
    return struct.pack("<BBH", kind, flags, 4 + len(rest)) + rest
