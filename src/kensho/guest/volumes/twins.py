"""Volumes that nothing tells apart: copies of a disk beside it, snapshots that were given along."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kensho.guest.volumes.scan import Volume, Volumes
from kensho.model.finding import Finding, Severity

#: Whose members have one UUID and belong together; Windows does not go by NTFS's serial number.
_OTHERS = frozenset({"linux_raid_member", "zfs_member", "btrfs", "ntfs"})
_NO_UUID = re.compile(r"[0-]*")


def notes_of_twins(volumes: Volumes) -> Iterator[Finding]:
    """Yield KF-813 for volumes, or physical volumes of LVM, that have one UUID."""
    named: dict[str, list[Volume]] = {}
    for volume in volumes.volumes:
        uuid = volume.content.uuid.lower()
        if not _NO_UUID.fullmatch(uuid) and volume.content.kind not in _OTHERS:
            named.setdefault(uuid, []).append(volume)
    for uuid, twins in named.items():
        if len(twins) > 1:
            names = ", ".join(volume.id for volume in twins)
            yield Finding(
                "KF-813", Severity.WARNING,
                f"{names} have one UUID ({uuid}): which one a start takes is left to chance",
                twins[0].id,
                "the one on the disk of a system's root is taken here, else the first; leave the copy out, "
                "or give it a UUID of its own",
            )  # fmt: skip
