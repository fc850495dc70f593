"""What is measured: from which input to what, how the peer does it, and what it should come to."""

from __future__ import annotations

import dataclasses

_SO = ("-O", "vmdk", "-o", "subformat=streamOptimized")
_PARALLEL = ("-m", "16", "-W")


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """``source`` names an input of ``disks.py``; goals are ratios, theirs / ours.

    ``limit`` is what ours is held against: a codec of ``limits.py``, or ``copy``.
    """

    source: str
    format: str
    subformat: str
    qemu: tuple[str, ...]
    wall: float | None = None
    cpu: float | None = None
    compression: str = "fast"
    passthrough: str = ""
    limit: str = ""
    not_larger: bool = False
    peer: str = "qemu-img"


def _plain(source: str, format_: str, wall: float, cpu: float, limit: str = "copy") -> Pair:
    qemu = ("-O", "vpc", "-o", "force_size=on") if format_ == "vhd" else ("-O", format_)
    return Pair(source, format_, "", qemu, wall, cpu, limit=limit)


PAIRS = {
    "so": Pair("raw", "vmdk", "streamOptimized", _SO, 20, limit="zlib"),
    "so-small": Pair("raw", "vmdk", "streamOptimized", _SO, 4.5, compression="small", limit="zlib",
                     not_larger=True),
    "so-raw": _plain("so", "raw", 3.5, 1.8, "inflate"),
    "so-qcow2": _plain("so", "qcow2", 3.5, 1.8, "inflate"),
    "so-vhdx": _plain("so", "vhdx", 3.5, 1.8, "inflate"),
    "so-vhd": _plain("so", "vhd", 3.5, 1.8, "inflate"),
    "qcow2c": Pair("raw", "qcow2", "compressed", ("-O", "qcow2", "-c", *_PARALLEL), 12, limit="deflate"),
    "qcow2z": Pair("raw", "qcow2", "compressed-zstd",
                   ("-O", "qcow2", "-c", "-o", "compression_type=zstd", *_PARALLEL), 1.8, limit="zstd"),
    "so-qcow2c": Pair("so", "qcow2", "compressed", ("-O", "qcow2", "-c", *_PARALLEL)),
    "so-qcow2c-checked": Pair("so", "qcow2", "compressed", ("-O", "qcow2", "-c", *_PARALLEL), 25,
                              passthrough="checked", limit="inflate"),
    "so-qcow2c-blind": Pair("so", "qcow2", "compressed", ("-O", "qcow2", "-c", *_PARALLEL), 80,
                            passthrough="blind"),
    "so-so-blind": Pair("so", "vmdk", "streamOptimized", _SO, 80, passthrough="blind"),
    "so-so-checked": Pair("so", "vmdk", "streamOptimized", _SO, passthrough="checked", limit="inflate"),
    "raw-raw": _plain("raw", "raw", 1.0, 1.0),
    "qcow2": _plain("raw", "qcow2", 1.3, 1.5),
    "vhdx": _plain("raw", "vhdx", 1.3, 1.5),
    "vhd": _plain("raw", "vhd", 1.3, 1.5),
    "vdi": _plain("raw", "vdi", 1.3, 1.5),
    "qcow2-raw": _plain("qcow2", "raw", 1.3, 1.5),
    "vhdx-raw": _plain("vhdx", "raw", 1.3, 1.5),
    "vhd-raw": _plain("vhd", "raw", 1.3, 1.5),
    "vdi-raw": _plain("vdi", "raw", 1.3, 1.5),
    "frag-raw": _plain("fragments", "raw", 1.0, 1.0),
    "frag-qcow2": _plain("fragments", "qcow2", 1.0, 1.0),
    "frag-vhdx": _plain("fragments", "vhdx", 1.0, 1.0),
    "frag-vhd": _plain("fragments", "vhd", 1.0, 1.0),
    "frag-vdi": _plain("fragments", "vdi", 1.0, 1.0),
    "frag-so": Pair("fragments", "vmdk", "streamOptimized", _SO, 1.0, 1.0, limit="zlib"),
    "noise-raw": _plain("noise", "raw", 1.0, 1.0),
    "noise-qcow2": _plain("noise", "qcow2", 1.3, 1.5),
    "noise-so": Pair("noise", "vmdk", "streamOptimized", _SO, 6),
    "so-vmdk-convert": Pair("raw", "vmdk", "streamOptimized", ("-c", "1", "-n", "2"), 6, peer="vmdk-convert"),
    "so-small-vmdk-convert": Pair("raw", "vmdk", "streamOptimized", ("-c", "6", "-n", "2"),
                                  compression="small", peer="vmdk-convert"),
}  # fmt: skip
#: Run a second time into ``--reflink``, where blocks can be shared.
SHARED = ("qcow2", "vhdx", "vhd", "vdi", "raw-raw")
SHARED_GOAL = 8.0
#: Run with the output made durable.
DURABLE_GOAL = 1.5
QEMU_FORMAT = {"vhd": "vpc"}
