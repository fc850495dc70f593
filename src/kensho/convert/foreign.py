"""What would pass for a raw disk and is none."""

from __future__ import annotations

from kensho.model.errors import UnsupportedError

#: DMU_BACKUP_MAGIC in the first record of ``zfs send``, in both byte orders.
_ZFS_MAGIC = frozenset({0x2F5BACBAC, int.from_bytes((0x2F5BACBAC).to_bytes(8, "big"), "little")})


def refuse_zfs(head: bytes, name: str) -> None:
    """Raise UnsupportedError for what begins as a ZFS stream, as in Solaris archives."""
    if len(head) >= 16 and int.from_bytes(head[8:16], "little") in _ZFS_MAGIC:
        raise UnsupportedError(
            "holds a ZFS stream, not a disk",
            path=name,
            hint="deploy the archive with Solaris and export the machine's disks",
        )
