"""All volumes of a machine's disks: partitions, whole disks, LVM across them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kensho.disks.base import DiskReader
from kensho.disks.partition_table import Partition, PartitionTable, read_partition_table
from kensho.guest.volumes.detect import Content, content_of
from kensho.guest.volumes.disklabel import SLICES, Labelled, read_disklabel
from kensho.guest.volumes.luks.device import Key, unlocked
from kensho.guest.volumes.lvm import PhysicalVolume, logical_volumes, read_pv, written_id
from kensho.guest.volumes.md import Member, mirrors, read_member
from kensho.guest.volumes.view import CachedDisk, View, part_of
from kensho.model.errors import KenshoError

#: Kinds that hold other volumes or need a key, and what is to be done about them.
REFUSALS = {
    "crypto_LUKS": "encrypted with LUKS: give its passphrase or key in a file, --key ID=FILE",
    "BitLocker": "encrypted with BitLocker: decrypt it in Windows first (manage-bde -off C:)",
    "zfs_member": "a member of a ZFS pool: all members are needed, and zpool",
}


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume that may hold a file system.

    ``id`` is ``disk1p2`` (``disk1p2a`` in a BSD's slice), ``disk1`` for a whole disk, ``md/0`` for an array, ``vg/lv``, or ``crypt/ID`` for what is in a LUKS
    volume; ``view`` its bytes, None with ``refusal`` saying why and what to do. ``locked`` are the bytes
    of a LUKS volume. ``partition`` is its entry, None where it has none.
    """

    id: str
    size: int
    content: Content
    view: View | None = None
    partition: Partition | None = None
    refusal: str = ""
    locked: View | None = None


@dataclass(frozen=True, slots=True)
class Volumes:
    """What was found on all disks: ``tables`` in the order of the disks, ``problems`` in words."""

    volumes: tuple[Volume, ...]
    tables: tuple[PartitionTable | None, ...]
    problems: tuple[str, ...] = ()

    def near(self, root: Volume) -> Volumes:
        """Return the same with a system's root first, then what else is on its disk: of twins, these are meant."""
        disk = f"{root.id.partition('p')[0]}p"
        order = sorted(self.volumes, key=lambda v: (v.id != root.id, not v.id.startswith(disk)))
        return replace(self, volumes=tuple(order))

    def find(self, word: str) -> Volume | None:
        """Return the first volume with that id, UUID, PARTUUID or label (``UUID=…``, ``LABEL=…`` too)."""
        key, mark, value = word.partition("=")
        value = (value if mark else key).strip('"')
        for volume in self.volumes:
            part = volume.partition
            names = {
                "UUID": volume.content.uuid.lower(),
                "LABEL": volume.content.label,
                "PARTUUID": part.uuid if part else "",
                "PARTLABEL": part.name if part else "",
            }
            wanted = [names.get(key, "")] if mark else [volume.id, *names.values()]
            if value and (value in wanted or value.lower() in wanted):
                return volume
        return None


def scan(disks: Sequence[DiskReader], keys: Sequence[Key] = ()) -> Volumes:
    """Return the volumes of these disks, which stay open as long as they are read.

    A damaged part becomes a problem in words, or a volume with a refusal; the rest is still
    found. Volumes of LUKS are opened by ``keys``. Nothing is opened or assembled by other programs.
    """
    volumes: list[Volume] = []
    tables: list[PartitionTable | None] = []
    problems: list[str] = []
    for number, disk in enumerate(disks, 1):
        name = f"disk{number}"
        cached = CachedDisk(disk, name)
        try:
            table = read_partition_table(disk)
        except KenshoError as error:
            problems.append(f"{name}: {error.message}")
            table = None
        tables.append(table)
        if table is not None and table.damaged:
            problems.append(
                f"{name}: the GPT is damaged"
                + ("; its backup at the end of the disk is read" if table.backup else "")
            )
        volumes.extend(_volumes(cached, table, name))
    volumes.extend(_unlocked(volumes, keys, problems))
    volumes.extend(_arrays(volumes, problems))
    volumes.extend(_unlocked(volumes, keys, problems))
    volumes.extend(_logical(volumes, problems))
    volumes.extend(_unlocked(volumes, keys, problems))
    return Volumes(tuple(volumes), tuple(tables), tuple(problems))


def _volumes(disk: CachedDisk, table: PartitionTable | None, name: str) -> Iterator[Volume]:
    if table is None:
        if disk.size:
            yield _volume(disk, name, 0, disk.size, None)
        return
    for partition in table.partitions:
        identity = f"{name}p{partition.number}"
        volume = _volume(disk, identity, partition.start, partition.size, partition)
        labelled = _labelled(volume)
        if labelled:
            yield replace(volume, view=None, refusal="holds the partitions of a BSD disklabel")
        else:
            yield volume
        for part in labelled:
            yield _volume(
                disk, f"{identity}{part.letter}", partition.start + part.start, part.size, partition
            )


def _labelled(volume: Volume) -> tuple[Labelled, ...]:
    system = SLICES.get(volume.partition.type if volume.partition else "")
    if system is None or volume.view is None or volume.partition is None:
        return ()
    return read_disklabel(volume.view, system, volume.partition.start)


def _volume(
    disk: CachedDisk, name: str, start: int, size: int, partition: Partition | None
) -> Volume:
    try:
        view = part_of(disk, start, size, name)
        content = content_of(view)
    except KenshoError as error:
        return Volume(name, size, Content(), None, partition, error.message)
    return _holding(name, view, content, partition)


def _holding(name: str, view: View, content: Content, partition: Partition | None) -> Volume:
    refusal = REFUSALS.get(content.kind, "")
    locked = view if content.kind == "crypto_LUKS" else None
    return Volume(name, view.size, content, None if refusal else view, partition, refusal, locked)


def _unlocked(volumes: list[Volume], keys: Sequence[Key], problems: list[str]) -> Iterator[Volume]:
    """Return what is in the LUKS volumes that a key is given for; each is tried once."""
    for number, volume in enumerate(volumes):
        if volume.locked is None:
            continue
        secrets = tuple(k.secret for k in keys if k.fits(volume.id, volume.content.uuid))
        if not secrets:
            continue
        name = f"crypt/{volume.id}"
        volumes[number] = replace(volume, locked=None)
        try:
            view = unlocked(volume.locked, name, secrets)
        except KenshoError as error:
            problems.append(f"{volume.id}: {error.message}")
            continue
        if view is None:
            problems.append(f"{volume.id}: none of the keys given for it opens it")
            continue
        volumes[number] = replace(volume, locked=None, refusal=f"LUKS, opened as {name}")
        yield _opened(name, view.size, view, "")


def _arrays(volumes: list[Volume], problems: list[str]) -> Iterator[Volume]:
    """Return the software RAID arrays; their members in ``volumes`` lose their view."""
    members: list[Member] = []
    for number, volume in enumerate(volumes):
        if volume.content.kind != "linux_raid_member" or volume.view is None:
            continue
        refusal = "a member of a Linux software RAID"
        try:
            members.append(read_member(volume.view))
        except KenshoError as error:
            refusal = error.message
            problems.append(f"{volume.id}: {error.message}")
        volumes[number] = replace(volume, view=None, refusal=refusal)
    for name, view, refusal in mirrors(members):
        size = view.size if view else 0
        yield _opened(f"md/{name}", size, view, refusal)


def _logical(volumes: list[Volume], problems: list[str]) -> Iterator[Volume]:
    """Return the logical volumes; the physical ones in ``volumes`` lose their view."""
    pvs: list[PhysicalVolume] = []
    for number, volume in enumerate(volumes):
        if volume.content.kind != "LVM2_member" or volume.view is None:
            continue
        disk, start = volume.view.whole()
        volumes[number] = replace(volume, view=None, refusal="part of an LVM volume group")
        try:
            pvs.append(read_pv(disk, start, volume.size))
        except KenshoError as error:
            problems.append(f"{volume.id}: {error.message}")
            continue
        volumes[number] = replace(
            volumes[number], content=replace(volume.content, uuid=written_id(pvs[-1].id))
        )
    try:
        found = logical_volumes(pvs)
    except KenshoError as error:
        problems.append(error.message)
        return
    for lv in found:
        yield _opened(f"{lv.group}/{lv.name}", lv.size, lv.view, lv.refusal)


def _opened(name: str, size: int, view: View | None, refusal: str) -> Volume:
    """Return a volume made of others, and what it holds."""
    if view is None:
        return Volume(name, size, Content(), None, None, refusal)
    try:
        return _holding(name, view, content_of(view), None)
    except KenshoError as error:
        return Volume(name, size, Content(), None, None, error.message)
