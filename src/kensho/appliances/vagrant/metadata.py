"""``metadata.json`` of a box: for whom it is, and for libvirt which files are its disks.

Source: https://developer.hashicorp.com/vagrant/docs/boxes/format and vagrant-libvirt's box formats:
version 1 has one ``box.img`` and its ``virtual_size`` in GB, version 2 a list of ``disks``.
"""

from __future__ import annotations

import msgspec

from kensho.model.errors import CorruptError

MAX_METADATA = 256 * 1024
NAME = "metadata.json"
NOTE = "kensho.json"  #: the note of where the machine came from
_MOST_DISKS = 64


class BoxDisk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A disk of version 2; ``path`` is a file of the box."""

    path: str
    name: str = ""
    format: str = ""


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole of it, as far as it matters here; ``virtual_size`` is in GB.

    ``name`` is the machine's: Vagrant leaves keys to others that it does not know.
    """

    provider: str
    name: str = ""
    format: str = ""
    virtual_size: int | float | str | None = None
    disks: tuple[BoxDisk, ...] = ()


def read_metadata(data: bytes, path: str) -> Metadata:
    """Return the metadata; CorruptError, saying where, when they are none of a box."""
    try:
        found = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=Metadata)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptError(
            f"not the metadata of a box: {error}",
            path=path,
            field=NAME,
            hint='a box has {"provider": …} there',
        ) from None
    if len(found.disks) > _MOST_DISKS:
        raise CorruptError(f"{len(found.disks)} disks", path=path, field=f"{NAME} disks")
    return found
