"""Make the checksums of a damaged file right, so that damage gets behind them."""

import struct

from kensho.appliances.proxmox import vma_structs as s
from kensho.disks._structs import vhd, vhdx
from kensho.storage import tar


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
