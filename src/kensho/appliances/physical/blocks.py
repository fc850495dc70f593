"""Block devices as /sys/block shows them, and what is mounted from them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from kensho.appliances.physical.facts import BlockDevice, Mount, Partition
from kensho.appliances.physical.tree import Tree

_BLOCK = "sys/block"
#: Never a machine's disk: memory, tapes' and CD drives' block devices, floppies, network exports.
_NOT_DISKS = re.compile(r"(ram|zram|sr|fd|nbd|mtdblock)\d+")
#: Drivers of a disk itself, not of its controller.
_DISK_DRIVERS = frozenset({"sd", "ses", "sr", "ch", "osst", "st", "pcieport", "virtio-pci"})
_UNIT = 512  #: /sys/block counts in this, whatever the device's own sectors are
_DEEPEST = 16
_OCTAL = re.compile(r"\\([0-7]{3})")


def block_devices(tree: Tree) -> tuple[BlockDevice, ...]:
    """Return the machine's whole block devices that have any bytes, built ones among them."""
    mounts = _mounts(tree)
    found = []
    for name in tree.names(_BLOCK):
        size = (tree.number(f"{_BLOCK}/{name}/size") or 0) * _UNIT
        hidden = tree.number(f"{_BLOCK}/{name}/hidden") == 1  # one path of a multipath NVMe
        if size and not hidden and not _NOT_DISKS.fullmatch(name):
            found.append(_device(tree, name, size, mounts))
    return tuple(found)


def _device(tree: Tree, name: str, size: int, mounts: tuple[Mount, ...]) -> BlockDevice:
    place = f"{_BLOCK}/{name}"
    partitions = tuple(_partitions(tree, name))
    holders = tuple(_holders(tree, (name, *(p.name for p in partitions))))
    parts = {name, *(p.name for p in partitions), *holders}
    kinds = [tree.text(f"{_BLOCK}/{holder}/dm/uuid") for holder in holders]
    hardware = tree.has(f"{place}/device")
    real = tree.real(place)
    path = "/dev/" + name.replace("!", "/")
    return BlockDevice(
        name=name,
        path=path,
        size=size,
        sector=tree.number(f"{place}/queue/logical_block_size") or _UNIT,
        driver=_driver(tree, real) if hardware else "",
        model=_first(tree, place, "device/model", "dm/name"),
        serial=_serial(tree, place),
        wwid=_first(tree, place, "wwid", "device/wwid"),
        rotational=tree.number(f"{place}/queue/rotational") == 1,
        removable=tree.number(f"{place}/removable") == 1,
        read_only=tree.number(f"{place}/ro") == 1,
        usb="/usb" in real,
        hardware=hardware,
        readable=os.access(tree.root / path[1:], os.R_OK),
        partitions=partitions,
        holders=holders,
        below=tree.names(f"{place}/slaves"),
        mounts=tuple(m for m in mounts if m.device in parts),
        encrypted=any(kind.startswith("CRYPT-") for kind in kinds),
        multipath=any(kind.startswith("mpath-") for kind in kinds),
    )


def _partitions(tree: Tree, name: str) -> Iterator[Partition]:
    for part in tree.names(f"{_BLOCK}/{name}"):
        place = f"{_BLOCK}/{name}/{part}"
        if tree.has(f"{place}/partition"):
            start, size = tree.number(f"{place}/start"), tree.number(f"{place}/size")
            yield Partition(part, (start or 0) * _UNIT, (size or 0) * _UNIT)


def _holders(tree: Tree, names: tuple[str, ...]) -> Iterator[str]:
    """Yield what is built on these devices, and on that, and so on."""
    seen: set[str] = set()
    wanted = list(names)
    for _ in range(_DEEPEST):
        above: list[str] = []
        for name in wanted:
            for folder in (f"{_BLOCK}/{name}/holders", f"sys/class/block/{name}/holders"):
                above.extend(h for h in tree.names(folder) if h not in seen)
                seen.update(above)
        yield from dict.fromkeys(above)
        if not above:
            return
        wanted = above


def _driver(tree: Tree, real: str) -> str:
    """Return the driver of the controller a device hangs on: the nearest one above the disk's."""
    while "/" in real:
        driver = tree.link(f"{real}/driver") or tree.link(f"{real}/device/driver")
        if driver and driver not in _DISK_DRIVERS:
            return driver
        real = real.rpartition("/")[0]
    return ""


def _serial(tree: Tree, place: str) -> str:
    text = _first(tree, place, "serial", "device/serial")
    if text:
        return text
    page = tree.data(f"{place}/device/vpd_pg80")  # SPC: header of 4 bytes, then the number
    return "".join(c for c in page[4:].decode("ascii", "replace") if c.isprintable()).strip()


def _first(tree: Tree, place: str, *names: str) -> str:
    return next((text for name in names if (text := tree.text(f"{place}/{name}"))), "")


def _mounts(tree: Tree) -> tuple[Mount, ...]:
    """Return what is mounted from block devices, and active swap: proc_pid_mountinfo(5)."""
    numbers = {
        tree.text(f"sys/class/block/{name}/dev"): name for name in tree.names("sys/class/block")
    }
    found: list[Mount] = []
    # Whoever has mounts of its own (a service, a container) does not see all the machine's; the first
    # process does, and root may look there. That others may not is nothing to tell.
    tables = tree.data("proc/self/mountinfo"), Tree(tree.root).data("proc/1/mountinfo")
    for line in b"\n".join(tables).decode("utf-8", "replace").splitlines():
        left, _, right = line.partition(" - ")
        fields, rest = left.split(), right.split()
        if len(fields) < 6 or len(rest) < 3:
            continue
        # btrfs has a number of its own; then the name of the device has to do
        name = numbers.get(fields[2]) or _named(tree, _plain(rest[1]))
        # the file system's own state: a place may be read-only while another one is not
        writable = "rw" in rest[2].split(",")
        devices = _btrfs(tree, name) if rest[0] == "btrfs" else (name,)
        place = _plain(fields[4])
        found.extend(Mount(device, place, rest[0], writable) for device in devices if device)
    for line in tree.data("proc/swaps").decode("utf-8", "replace").splitlines()[1:]:
        words = line.split()
        if len(words) > 1 and words[1] == "partition" and (name := _named(tree, words[0])):
            found.append(Mount(name, "swap", "swap", writable=True))
    return tuple(dict.fromkeys(found))


def _btrfs(tree: Tree, name: str) -> tuple[str, ...]:
    """Return all devices of a btrfs, of which a mount names but one."""
    for label in tree.names("sys/fs/btrfs"):
        devices = tree.names(f"sys/fs/btrfs/{label}/devices")
        if name in devices:
            return devices
    return (name,)


def _named(tree: Tree, path: str) -> str:
    """Return the kernel's name of a device given by a path that may be a link."""
    if not path.startswith("/dev/"):
        return ""
    real = tree.real(path[1:])
    return real.removeprefix("/").removeprefix("dev/").replace("/", "!")


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
