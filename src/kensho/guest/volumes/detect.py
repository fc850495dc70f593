"""Tell by its marks what a volume holds: a file system, swap, a layer of something else.

Offsets and magics are those of the formats' own headers (Linux include/uapi/linux/magic.h and each
file system's format, LUKS 1 and 2, mdadm's super-intro.c, [MS-BPB]-style boot sectors).
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from kensho.guest.volumes.view import View
from kensho.guest.volumes.zfs import read_label


@dataclass(frozen=True, slots=True)
class Content:
    """What a volume holds: ``kind`` in the words of blkid, empty when nothing is known of it."""

    kind: str = ""
    label: str = ""
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class _Mark:
    kind: str
    at: int
    magic: bytes


_UFS_MAGIC_AT = 1372
#: Layers below file systems: asked first, as what is in them may show through.
_LAYERS = (
    _Mark("crypto_LUKS", 0, b"LUKS\xba\xbe"),
    _Mark("BitLocker", 3, b"-FVE-FS-"),
    _Mark("LVM2_member", 512, b"LABELONE"),
    _Mark("LVM2_member", 0, b"LABELONE"),
    _Mark("LVM2_member", 1024, b"LABELONE"),
    _Mark("LVM2_member", 1536, b"LABELONE"),
    _Mark("linux_raid_member", 4096, b"\xfc\x4e\x2b\xa9"),
    _Mark("linux_raid_member", 0, b"\xfc\x4e\x2b\xa9"),
)
_OTHERS = (
    _Mark("xfs", 0, b"XFSB"),
    _Mark("btrfs", 0x10040, b"_BHRfS_M"),
    _Mark("ntfs", 3, b"NTFS    "),
    _Mark("exfat", 3, b"EXFAT   "),
    _Mark("ReFS", 3, b"ReFS\0"),
    _Mark("squashfs", 0, b"hsqs"),
    _Mark("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
    _Mark("f2fs", 1024, b"\x10\x20\xf5\xf2"),
    _Mark("hfsplus", 1024, b"H+\0\4"),
    _Mark("hfsplus", 1024, b"HX\0\5"),
    _Mark("apfs", 32, b"NXSB"),
    _Mark("iso9660", 0x8001, b"CD001"),
    _Mark("udf", 0x8001, b"BEA01"),
    _Mark("jfs", 0x8000, b"JFS1"),
    _Mark("reiserfs", 0x10034, b"ReIsEr2Fs"),
    _Mark("reiserfs", 0x10034, b"ReIsErFs"),
    _Mark("bcachefs", 4096 + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")),
    _Mark("VMFS", 0x100000, b"\x0d\xd0\x01\xc0"),
    _Mark("ufs", 65536 + _UFS_MAGIC_AT, b"\x19\x01\x54\x19"),
    _Mark("ufs", 8192 + _UFS_MAGIC_AT, b"\x54\x19\x01\x00"),
    _Mark("ufs", 8192 + _UFS_MAGIC_AT, b"\x19\x01\x54\x19"),
)
_PAGES = (4096, 8192, 16384, 65536)
_EXT_JOURNAL, _EXT_JOURNAL_DEVICE = 0x4, 0x8
_EXT4 = 0x40 | 0x80 | 0x200 | 0x8000  # incompat: extents, 64bit, flex_bg, inline_data
_EXT4_RO = 0x8 | 0x10 | 0x20 | 0x40 | 0x400  # ro_compat: huge_file … metadata_csum
_ZFS_UBERBLOCKS, _ZFS = 0x20000, (0x00BAB10C).to_bytes(8, "little")


def content_of(view: View) -> Content:
    """Return what the volume holds, as far as its marks tell."""
    for mark in _LAYERS:
        if _has(view, mark):
            return Content(mark.kind, *_names(view, mark.kind))
    if _raid_at_end(view):
        return Content("linux_raid_member")
    if _peek(view, 0x438, 2) == b"\x53\xef":
        return _ext(view)
    for mark in _OTHERS:
        if _has(view, mark):
            if mark.kind == "ufs":
                return _ufs(view, mark.at - _UFS_MAGIC_AT)
            return Content(mark.kind, *_names(view, mark.kind))
    for page in _PAGES:
        if _peek(view, page - 10, 10) in {b"SWAPSPACE2", b"SWAP-SPACE"}:
            head = _peek(view, 1024, 128)
            return Content("swap", _text(head[28:44]), str(uuid.UUID(bytes=head[12:28])))
    if any(
        _peek(view, _ZFS_UBERBLOCKS + n * 1024, 8) in {_ZFS, _ZFS[::-1]} for n in range(0, 128, 4)
    ):
        label = read_label(view)
        return Content("zfs_member", str(label.get("name", "")), str(label.get("pool_guid", "")))
    return _fat(view)


def _ext(view: View) -> Content:
    head = _peek(view, 1024, 264)
    if len(head) < 264:
        return Content()
    compat, incompat, ro_compat = struct.unpack_from("<III", head, 0x5C)
    kind = "ext3" if compat & _EXT_JOURNAL else "ext2"
    if incompat & _EXT4 or ro_compat & _EXT4_RO:
        kind = "ext4"
    if incompat & _EXT_JOURNAL_DEVICE:
        kind = "jbd"
    return Content(kind, _text(head[0x78:0x88]), str(uuid.UUID(bytes=head[0x68:0x78])))


def _ufs(view: View, superblock: int) -> Content:
    """Return a UFS with its volume's name, and its id as FreeBSD's /dev/ufsid writes it."""
    first, second = struct.unpack("<II", _peek(view, superblock + 144, 8))
    identity = f"{first:08x}{second:08x}" if first or second else ""
    return Content("ufs", _text(_peek(view, superblock + 680, 32)), identity)


def _fat(view: View) -> Content:
    """Return vfat for a boot sector whose numbers fit a FAT; it has no mark of its own."""
    head = _peek(view, 0, 512)
    if len(head) < 512 or head[510:] != b"\x55\xaa" or head[0] not in {0xEB, 0xE9}:
        return Content()
    sector, cluster, reserved, tables = struct.unpack_from("<HBHB", head, 11)
    if sector not in {512, 1024, 2048, 4096} or not cluster or cluster & (cluster - 1):
        return Content()
    if not reserved or tables not in {1, 2}:
        return Content()
    wide = struct.unpack_from("<H", head, 22)[0] == 0
    at = 64 if wide else 36
    if head[at + 2] not in {0x28, 0x29}:
        return Content("vfat")
    number = head[at + 3 : at + 7][::-1].hex().upper()
    label = _text(head[at + 7 : at + 18])
    return Content("vfat", "" if label == "NO NAME" else label, f"{number[:4]}-{number[4:]}")


def _names(view: View, kind: str) -> tuple[str, str]:
    """Return label and UUID of what has them at a fixed place."""
    if kind == "xfs":
        head = _peek(view, 0, 128)
        return _text(head[108:120]), _uuid(head[32:48])
    if kind == "btrfs":
        head = _peek(view, 0x10000, 0x12B + 256)
        return _text(head[0x12B:]), _uuid(head[0x20:0x30])
    if kind == "ntfs":
        return "", _peek(view, 72, 8)[::-1].hex().upper()
    if kind == "crypto_LUKS":
        head = _peek(view, 0, 208)
        version = int.from_bytes(head[6:8], "big")
        return _text(head[24:72]) if version == 2 else "", _text(head[168:208])
    return "", ""


def _raid_at_end(view: View) -> bool:
    """Tell whether mdraid's superblock of version 1.0 or 0.90 is near the end."""
    late = ((view.size // 512 - 16) & ~7) * 512
    old = (view.size // 65536 - 1) * 65536
    return any(at > 0 and _peek(view, at, 4) == b"\xfc\x4e\x2b\xa9" for at in (late, old))


def _has(view: View, mark: _Mark) -> bool:
    return _peek(view, mark.at, len(mark.magic)) == mark.magic


def _peek(view: View, at: int, length: int) -> bytes:
    return view.read(at, length) if at + length <= view.size else b""


def _uuid(data: bytes) -> str:
    """Return a UUID, empty where the volume ends within the header."""
    return str(uuid.UUID(bytes=data)) if len(data) == 16 else ""


def _text(data: bytes) -> str:
    text = data.partition(b"\0")[0].decode("utf-8", "replace").strip()
    return "".join(c for c in text if c.isprintable())
