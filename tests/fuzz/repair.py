"""Make the checksums of a damaged file right, so that damage gets behind them."""

import hashlib
import struct
import zlib

import google_crc32c

from kensho.appliances.proxmox import vma_structs as s
from kensho.disks._structs import vhd, vhdx
from kensho.guest.windows.hive._structs import checksum
from kensho.storage import tar

KIB, MIB = 1 << 10, 1 << 20


def repair_vhdx(file):
    for at in vhdx.HEADER_PLACES:
        _crc32c(file, at, vhdx.PAGE)
    for at in vhdx.REGION_PLACES:
        _crc32c(file, at, vhdx.KIB64)
    for at, data in list(file.pieces):
        if data[:4] == b"loge" and at + 12 <= file.size:
            (length,) = struct.unpack("<I", file.read_at(at + 8, 4))
            _crc32c(file, at, min(length, 1 << 20))


def _crc32c(file, at, length):
    if 8 <= length <= file.size - at:
        crc = vhdx.checksum_of(file.read_at(at, length))
        file.write_at(at + 4, struct.pack("<I", crc))


def repair_vhd(file):
    for at in (0, file.size - 512):
        if at < 0 or at + 512 > file.size:
            continue
        raw = file.read_at(at, 512)
        file.write_at(at + 64, struct.pack(">I", vhd.footer_sum(raw)))
        (dynamic,) = struct.unpack_from(">Q", raw, 16)
        if dynamic + 1024 <= file.size:
            raw = file.read_at(dynamic, 1024)
            file.write_at(dynamic + 36, struct.pack(">I", vhd.dynamic_sum(raw)))


def repair_tar(file):
    for at in {at // 512 * 512 for at, _ in file.pieces}:
        if at + 512 <= file.size:
            raw = file.read_at(at, 512)
            if raw[257:262] == b"ustar":
                file.write_at(at + 148, b"%06o\0 " % tar.checksum(raw))


def repair_vma(file):
    if file.size < s.BLOBS_AT:
        return
    size = s.HEAD.unpack(file.read_at(0, s.HEAD.size))[-1]
    if s.BLOBS_AT <= size <= min(file.size, s.MOST_HEADER):
        file.write_at(s.MD5_AT, s.digest(file.read_at(0, size), s.MD5_AT))
    at = size
    for _ in range(100):
        if at + s.EXTENT_SIZE > file.size:
            break
        raw = file.read_at(at, s.EXTENT_SIZE)
        file.write_at(at + s.EXTENT_MD5_AT, s.digest(raw, s.EXTENT_MD5_AT))
        at += s.EXTENT_SIZE + struct.unpack_from(">H", raw, 6)[0] * s.BLOCK


def repair_gpt(file):
    for at in (512, 4096, file.size - 512, file.size - 4096):
        if not 0 < at <= file.size - 512 or file.read_at(at, 8) != b"EFI PART":
            continue
        head = bytearray(file.read_at(at, 512))
        size, table, count, entry = (
            *struct.unpack_from("<I", head, 12),
            *struct.unpack_from("<QII", head, 72),
        )
        sector = 512 if at in {512, file.size - 512} else 4096
        length = count * entry
        if 92 <= size <= 512 and length <= MIB and table * sector + length <= file.size:
            struct.pack_into("<I", head, 88, zlib.crc32(file.read_at(table * sector, length)))
            struct.pack_into("<I", head, 16, zlib.crc32(head[:16] + bytes(4) + head[20:size]))
            file.write_at(at, bytes(head))


def repair_lvm(file):
    for at in range(0, 2048, 512):
        if at + 512 > file.size or file.read_at(at, 8) != b"LABELONE":
            continue
        label = file.read_at(at, 512)
        place = (
            struct.unpack_from("<I", label, 20)[0] + 40 + 32
        )  # behind the data area and the end of its list
        file.write_at(at + 16, struct.pack("<I", _crc_lvm(label[20:])))
        area = struct.unpack_from("<Q", label, place)[0] if place + 8 <= 512 else file.size
        if area + 512 <= file.size:
            length = struct.unpack_from("<Q", label, place + 8)[0]
            head = bytearray(file.read_at(area, 512))
            offset, used = struct.unpack_from("<QQ", head, 40)
            first = max(0, min(used, length - offset))  # the area is a ring
            if used <= MIB and max(area + offset + first, area + 512 + used - first) <= file.size:
                text = file.read_at(area + offset, first) + file.read_at(area + 512, used - first)
                struct.pack_into("<I", head, 56, _crc_lvm(text))
            file.write_at(area, struct.pack("<I", _crc_lvm(head[4:])) + bytes(head[4:]))


def _crc_lvm(data):
    return zlib.crc32(data, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def repair_md(file):
    for at in (0, 4096, (file.size // 512 - 16 & ~7) * 512):
        if 0 <= at <= file.size - 4096 and file.read_at(at, 4) == b"\xfc\x4e\x2b\xa9":
            raw = file.read_at(at, 4096)
            roles = min(struct.unpack_from("<I", raw, 220)[0], 1900)
            raw = raw[:216] + bytes(4) + raw[220 : 256 + 2 * roles]
            total = sum(struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) // 4 * 4]))
            total += int.from_bytes(raw[len(raw) // 4 * 4 :], "little")
            file.write_at(
                at + 216, struct.pack("<I", (total & 0xFFFFFFFF) + (total >> 32) & 0xFFFFFFFF)
            )


def repair_luks(file):
    for at in (0, 16 * KIB):
        if at + 4096 > file.size:
            continue
        size = struct.unpack(">Q", file.read_at(at + 8, 8))[0]
        if 4096 < size <= 64 * KIB and at + size <= file.size:
            raw = file.read_at(at, size)
            file.write_at(at + 448, hashlib.sha256(raw[:448] + bytes(64) + raw[512:]).digest())


def repair_btrfs(file):
    """Superblock and nodes: those of the size of a page of 4 KiB, as the seeds have them."""
    for at in sorted({at & -4096 for at, _ in file.pieces} | {64 * KIB}):
        if 64 * KIB <= at <= file.size - 4096:
            raw = file.read_at(at, 4096)
            file.write_at(at, google_crc32c.value(raw[32:]).to_bytes(4, "little"))


def repair_hive(file):
    if file.size >= 4096:
        file.write_at(508, struct.pack("<I", checksum(file.read_at(0, 512))))


REPAIRS = {
    "vhdx": repair_vhdx,
    "vhd": repair_vhd,
    "tar": repair_tar,
    "vma": repair_vma,
    "gpt": repair_gpt,
    "lvm": repair_lvm,
    "md": repair_md,
    "luks": repair_luks,
    "btrfs": repair_btrfs,
    "hive": repair_hive,
}
