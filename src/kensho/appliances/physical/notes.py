"""What is odd about a physical machine, and about copying its disks while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kensho.appliances.physical.facts import BlockDevice, Facts
from kensho.appliances.physical.machine import ADAPTERS, CONTROLLERS, RAID
from kensho.model.finding import Finding, Severity

_SECTOR = 512  #: bytes, as virtual disks have them
_RAW_RIGHTS = "run kensho as root, or give the user the group that owns the device (disk)"
_NO_RIGHTS = {
    "product_uuid": "the machine's UUID",
    "product_serial": "its serial number",
    "vpd_pg80": "a disk's serial number",
    "mountinfo": "what is mounted",
    "SecureBoot": "whether Secure Boot is on",
}
#: PCI base classes that have no equivalent in a virtual machine, and what they are.
_LOST = {
    0x0B40: "co-processor",
    0x0C04: "Fibre Channel adapter",
    0x0C06: "InfiniBand adapter",
    0x0207: "InfiniBand adapter",
    0x0302: "GPU",
    0x1200: "accelerator",
}


def in_use(disk: BlockDevice, *, live: bool) -> Iterator[Finding]:
    """Find what makes a copy of a disk torn: somebody who writes to it meanwhile."""
    mounts = [m for m in disk.writable_mounts if m.type != "swap"]
    if not mounts:
        return
    places = ", ".join(m.place for m in mounts[:5]) + (" …" if len(mounts) > 5 else "")
    if live:
        yield Finding(
            "KF-520",
            Severity.WARNING,
            f"{disk.path} is copied while it is written to ({places}): the copy is torn",
            subject=disk.name,
            action="as asked for (live); stop services that write, and check the copy's file "
            "systems at its first start",
        )
        return
    yield Finding(
        "KF-520",
        Severity.BLOCKED,
        f"{disk.path} is mounted for writing ({places}): a copy would be torn",
        subject=disk.name,
        action="start the machine from a rescue medium; or remount read-only, freeze the file "
        "system (fsfreeze) or name an LVM snapshot; or accept a torn copy: "
        f"'local:?disk={disk.path}&live'",
    )


def about_disks(disks: tuple[BlockDevice, ...], facts: Facts) -> Iterator[Finding]:
    """Find what the target will not have, or what the disks chosen do not make up alone."""
    chosen = {d.name for d in disks}
    for disk in disks:
        if not disk.readable:
            yield _warning("KF-521", f"{disk.path} cannot be read", disk.name, _RAW_RIGHTS)
        if disk.driver in RAID:
            yield _note(
                "KF-522",
                f"is a volume of a RAID controller ({disk.driver})",
                disk.name,
                "the volume is copied; the controller, its cache and its spare disks stay behind",
            )
        elif disk.driver and disk.driver not in CONTROLLERS:
            yield _note(
                "KF-522",
                f"is on a controller without an equivalent ({disk.driver})",
                disk.name,
                "the target's own is taken; the system needs a driver for that",
            )
        if disk.encrypted:
            yield _warning(
                "KF-523",
                "holds encrypted volumes (dm-crypt); the copy stays encrypted",
                disk.name,
                "have the passphrase at hand: keys in this machine's TPM do not travel",
            )
        others = sorted(
            d.name
            for d in facts.disks
            if d.hardware and d.name not in chosen and set(d.holders) & set(disk.holders)
        )
        if others and not disk.multipath:
            yield _warning(
                "KF-524",
                f"volumes of it are also on {', '.join(others)}",
                disk.name,
                "choose all disks of a RAID or volume group, or they do not start",
            )
        if disk.sector != _SECTOR:
            yield _warning(
                "KF-534",
                f"has sectors of {disk.sector} bytes, and its partition table counts in them",
                disk.name,
                "the copy starts only where its disk has such sectors, too; most targets have "
                f"{_SECTOR}, and there the table has to be made anew",
            )
        if disk.driver == "nvme":
            yield _note(
                "KF-525",
                "is an NVMe disk; it gets another name on another controller",
                disk.name,
                "entries of /etc/fstab by device name (/dev/nvme…) have to become UUIDs",
            )


def about_machine(
    facts: Facts, chosen: tuple[BlockDevice, ...], *, named: bool
) -> Iterator[Finding]:
    """Find what stays behind: disks, adapters, cards, and what only hardware can tell."""
    left = [d for d in facts.disks if d.hardware and d not in chosen]
    if left and not named:
        yield _note(
            "KF-526",
            f"left out: {', '.join(f'{d.path} ({_why_left(d)})' for d in left)}",
            facts.name,
            "name disks to have just those: 'local:?disk=/dev/sda&disk=/dev/sdb'",
        )
    if facts.virtual_adapters:
        yield _note(
            "KF-527",
            f"made by software: {', '.join(facts.virtual_adapters)}",
            facts.name,
            "the system makes bonds, bridges and VLANs again; their settings may name adapters",
        )
    foreign = [a for a in facts.adapters if a.driver not in ADAPTERS]
    if foreign:
        yield _note(
            "KF-528",
            "adapters get another driver, and maybe another name: "
            + ", ".join(f"{a.name} ({a.driver or 'unknown'})" for a in foreign),
            facts.name,
            "addresses tied to a name are to be tied to the MAC address, which is kept",
        )
    lost = Counter(_LOST[kind] for d in facts.pci if (kind := d.kind >> 8) in _LOST)
    if lost:
        words = ", ".join(f"{count} {word}" for word, count in lost.items())
        yield _warning(
            "KF-529",
            f"hardware without an equivalent: {words}",
            facts.name,
            "left out; pass a card through at the target if the system needs one",
        )
    if facts.serial or facts.vendor:
        yield _note(
            "KF-530",
            "maker, model and serial number of the hardware stay behind",
            facts.name,
            "licences that are bound to them have to be renewed",
        )
    if facts.virtual:
        yield _note(
            "KF-531",
            "is a virtual machine itself; what is told of its hardware is its hypervisor's",
            facts.name,
            "where the hypervisor's own files can be had, convert those",
        )
    if not facts.x86:
        yield _warning("KF-225", "the processors are not x86", facts.name, "targets here are x86")
    yield from _unread(facts)


def _why_left(disk: BlockDevice) -> str:
    if disk.usb:
        return "USB"
    if disk.removable:
        return "removable"
    return "another path to a disk" if disk.multipath or disk.wwid else "not chosen"


def _unread(facts: Facts) -> Iterator[Finding]:
    if not facts.unread:
        return
    words = [next((w for n, w in _NO_RIGHTS.items() if n in path), path) for path in facts.unread]
    yield _note(
        "KF-532",
        "could not be read without more rights: " + ", ".join(dict.fromkeys(words)),
        facts.name,
        "run kensho as root to have them, or set them in the plan",
    )


def _note(code: str, message: str, subject: str, action: str) -> Finding:
    return Finding(code, Severity.NOTE, message, subject, action)


def _warning(code: str, message: str, subject: str, action: str) -> Finding:
    return Finding(code, Severity.WARNING, message, subject, action)
