"""Open the machine that kensho runs on. Devices are opened read-only, as raw disks."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from kensho.appliances.assemble import assemble
from kensho.appliances.package import Package
from kensho.appliances.physical.facts import BlockDevice, Facts
from kensho.appliances.physical.locator import HINT, KIND, Local, read_local
from kensho.appliances.physical.machine import machine_of
from kensho.appliances.physical.notes import about_disks, about_machine, in_use
from kensho.appliances.physical.probe import probe
from kensho.appliances.physical.tree import Tree
from kensho.appliances.store import Store, missing
from kensho.disks import DiskReader, open_disk
from kensho.model.errors import LocatorError, UsageError
from kensho.model.finding import Finding
from kensho.storage import ByteSource, FileSource


def open_local(locator: str, root: Path = Path("/")) -> Package:
    """Open the running machine, or one whose /proc, /sys and /dev are below ``root``.

    UsageError when the locator makes no sense, LocatorError when there is no such disk or none
    at all. What could not be read is a finding; a disk in use blocks a plan unless ``live``.
    """
    wish = read_local(locator)
    facts = probe(root)
    chosen = choose(facts, wish, root)
    appliance = machine_of(facts, chosen)
    findings: list[Finding] = []
    for disk in chosen:
        findings.extend(in_use(disk, live=wish.live))
    findings.extend(about_disks(chosen, facts))
    findings.extend(about_machine(facts, chosen, named=bool(wish.disks)))
    store = _store(chosen, root)
    package = assemble(KIND, locator, appliance, store, findings)
    files = {image.id: image.file or "" for image in appliance.images}

    def open_image(image_id: str) -> DiskReader:
        # What the running system wrote must not be taken for another format's mark.
        return open_disk(package.open_file(files[image_id]), format="raw")

    changing = any(d.writable_mounts for d in chosen)
    return dataclasses.replace(package, open_image=open_image, changing=changing)


def about_device(path: Path, root: Path = Path("/")) -> tuple[Finding, ...]:
    """Return what is odd about reading one block device of the running machine."""
    facts = probe(root)
    real = "/" + Tree(root).real(str(path)[1:]).lstrip("/")
    for disk in facts.disks:
        if disk.path == real:
            return tuple(in_use(disk, live=False))
    return ()


def stamp_of(facts: Facts, disks: tuple[BlockDevice, ...]) -> str:
    """Return what tells this machine, since it was started, with these disks from any other."""
    told = (facts.name, facts.boot_id, [(d.path, d.size, d.serial, d.wwid) for d in disks])
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


def identity_of(locator: str) -> tuple[int, int, str]:
    """Return bytes, seconds since 1970 of its start, and stamp of the machine a locator means."""
    facts = probe()
    disks = choose(facts, read_local(locator), Path("/"))
    return sum(d.size for d in disks), facts.booted, stamp_of(facts, disks)


def choose(facts: Facts, wish: Local, root: Path) -> tuple[BlockDevice, ...]:
    """Return the disks a locator means."""
    if wish.disks:
        return tuple(dict.fromkeys(_named(facts, path, root) for path in wish.disks))
    # One path is enough of a disk that is there several times.
    seen: set[tuple[str, int]] = set()  # with the size, as some makers number all disks alike
    found = []
    for disk in facts.disks:
        key = (disk.wwid, disk.size)
        if not disk.hardware or disk.usb or disk.removable or (disk.wwid and key in seen):
            continue
        seen.add(key)
        found.append(disk)
    if not found:
        raise LocatorError(
            "this machine shows no disk of its own", path="local:", hint=f"name one: {HINT}"
        )
    return tuple(found)


def _named(facts: Facts, path: str, root: Path) -> BlockDevice:
    real = "/" + Tree(root).real(path[1:]).lstrip("/")
    for disk in facts.disks:
        if disk.path == real:
            return disk
        if any(f"/dev/{p.name}" == real for p in disk.partitions):
            raise UsageError(
                f"is a partition of {disk.path}", path=path, hint=f"name the disk: {disk.path}"
            )
    known = ", ".join(d.path for d in facts.disks if d.hardware)
    raise LocatorError("is no disk of this machine", path=path, hint=f"disks: {known or 'none'}")


def _store(disks: Iterable[BlockDevice], root: Path) -> Store:
    sizes = {disk.path: disk.size for disk in disks}
    opened: list[ByteSource] = []

    def open_name(name: str) -> ByteSource:
        if name not in sizes:
            raise missing(name, KIND)
        opened.append(FileSource(root / name[1:], name=name))
        return opened[-1]

    def close() -> None:
        while opened:
            opened.pop().close()

    return Store("local:", sizes.get, open_name, close, named=frozenset(sizes))
