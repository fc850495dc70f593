"""VMA, Proxmox VE's archive of a machine and its disks: the structures on disk.

Source: vma_spec.txt of pve-qemu (https://git.proxmox.com/?p=pve-qemu.git). All numbers are
big-endian but the lengths of blobs. A header (magic, version, UUID, time, MD5 of the header with
zeros in its place, tables of 256 configurations and 256 devices, the blobs they point into) is
followed by extents: 512 bytes that say of up to 59 clusters of 64 KiB which device's they are and
which of their 16 blocks follow. Blocks that are all zero are left out.
"""

from __future__ import annotations

import hashlib
import struct

MAGIC, EXTENT_MAGIC = b"VMA\0", b"VMAE"
VERSION = 1
BLOCK = 4096
CLUSTER = 16 * BLOCK
SECTOR = 512
PER_EXTENT = 59  #: clusters
ALL_BLOCKS = 0xFFFF  #: the mask of a cluster that is stored whole

#: magic, version, UUID, seconds since 1970, MD5, offset and size of the blobs, size of the header
HEAD = struct.Struct(">4sI16sq16sIII")
NAMES_AT, DATA_AT, DEVICES_AT = 2044, 3068, 4096
CONFIGS = struct.Struct(">256I")  #: places among the blobs, twice: of names and of contents
DEVICE = struct.Struct(">I4xQ16x")  #: place of the name among the blobs, size in bytes
DEVICES = 256
BLOBS_AT = DEVICES_AT + DEVICES * DEVICE.size
BLOB = struct.Struct("<H")  #: the length in front of a blob
MOST_HEADER = BLOBS_AT + (2 * 256 + DEVICES) * (BLOB.size + 0xFFFF) + SECTOR
MOST_BLOB = 0xFFFF

#: magic, blocks that follow, UUID, MD5; then one number for each cluster
EXTENT = struct.Struct(">4s2xH16s16s59Q")
EXTENT_SIZE = SECTOR
MD5_AT, EXTENT_MD5_AT = 32, 24
_MASK_AT, _DEVICE_AT = 48, 32

#: The device that is no disk but the memory of a machine that ran.
MEMORY = "vmstate"


def info(device: int, cluster: int, mask: int) -> int:
    """Return the number for a cluster: the mask has bit n for block n that is stored."""
    return mask << _MASK_AT | device << _DEVICE_AT | cluster


def parts(number: int) -> tuple[int, int, int]:
    """Return device, cluster and mask of `info`; device 0 is none."""
    return number >> _DEVICE_AT & 0xFF, number & 0xFFFFFFFF, number >> _MASK_AT


def digest(data: bytes | bytearray, at: int) -> bytes:
    """Return the MD5 of a header that has its own at byte ``at``: it guards against accidents."""
    md5 = hashlib.md5(memoryview(data)[:at], usedforsecurity=False)
    md5.update(bytes(16))
    md5.update(memoryview(data)[at + 16 :])
    return md5.digest()
