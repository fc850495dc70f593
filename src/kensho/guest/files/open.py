"""Which reader a volume's files are read by, and why others are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kensho.guest.files.base import FileSystem
from kensho.guest.files.btrfs.reader import open_btrfs
from kensho.guest.files.ext.reader import open_ext
from kensho.guest.files.fat import open_fat
from kensho.guest.files.ntfs.reader import open_ntfs
from kensho.guest.files.ufs.reader import open_ufs
from kensho.guest.files.xfs.reader import open_xfs
from kensho.guest.volumes.scan import Volume
from kensho.guest.volumes.view import View
from kensho.model.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class Backend:
    """A way to read a kind of file system; ``why`` is shown to the user."""

    name: str
    opens: Callable[[View], FileSystem]
    why: str


_EXT = Backend("ext", open_ext, "kensho's own reader, in place")
_FAT = Backend("fat", open_fat, "kensho's own reader, in place")
_XFS = Backend("xfs", open_xfs, "kensho's own reader, in place")
_BTRFS = Backend("btrfs", open_btrfs, "kensho's own reader, in place")
_UFS = Backend("ufs", open_ufs, "kensho's own reader, in place")
_NTFS = Backend("ntfs", open_ntfs, "kensho's own reader, in place")

BACKENDS = {
    "ext2": _EXT,
    "ext3": _EXT,
    "ext4": _EXT,
    "vfat": _FAT,
    "xfs": _XFS,
    "btrfs": _BTRFS,
    "ntfs": _NTFS,
    "ufs": _UFS,
}


def open_files(volume: Volume) -> FileSystem:
    """Open a volume's file system.

    UnsupportedError, saying what to do, when there is no reader for it; CorruptError and
    TruncatedError when it is damaged.
    """
    if volume.view is None:
        raise UnsupportedError(volume.refusal or "cannot be read", path=volume.id)
    kind = volume.content.kind
    backend = BACKENDS.get(kind)
    if backend is None:
        raise UnsupportedError(
            f"the files of {kind or 'an unknown file system'} are not read",
            path=volume.id,
            hint="read are " + ", ".join(BACKENDS),
        )
    return backend.opens(volume.view)
