"""An archive appended to an initramfs, with the modules it lacks.

The kernel unpacks members one after the other, later ones on top; so what the guest has made stays
as it is, and nothing of the guest is run. Two things must not be in it: a folder where the base has
a link (it would take its place), and drivers of network adapters alone (the names given to
adapters within the initramfs would hold, before the guest's own rules are there).
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Mapping
from types import MappingProxyType

from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import Entry, write_archive
from kensho.guest.linux.initramfs.image import Initramfs

#: Where an archive begins: the loader's 4 bytes, and a page's worth for readers that look there.
_ALIGNMENT = 512
_FOLDER, _FILE, _LINK = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777


def with_overlay(
    base: Initramfs,
    files: Mapping[str, bytes],
    packing: str = "",
    links: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """Return the bytes of an initramfs with ``files`` on top, packed as its last member is.

    ``packing`` names a codec that the kernel is known to read, to pack them as tightly as it can.
    ``links`` are the symbolic links to be made with them, by path: for places that are empty.

    Paths are relative to its root; links of the base in them are followed. Files that are there
    already with the same content are left out; with none left, its bytes come back as they are.
    """
    entries: dict[str, Entry] = {}
    for path, content in sorted(files.items()):
        place = base.real(path)
        old = base.files.get(place)
        if old is not None and bytes(old.data) == content:
            continue
        for folder in _folders(place):
            if folder not in base.files and folder not in entries:
                entries[folder] = Entry(folder, _FOLDER, memoryview(b""))
        entries[place] = Entry(place, _FILE, memoryview(content))
    for path, target in sorted(links.items()) if entries else ():
        entries[base.real(path)] = Entry(base.real(path), _LINK, memoryview(target.encode()))
    if not entries:
        return base.data
    archive = pack(
        write_archive(list(entries.values())), packing or base.codec, tight=bool(packing)
    )
    if base.codec == "lz4":
        # Linux before 5.14 takes zeros behind lz4 for a block of it, and unpacks no more after that.
        last = base.segments[-1]
        return base.data[: last.offset + last.size] + archive
    return base.data + bytes(-len(base.data) % _ALIGNMENT) + archive


def _folders(path: str) -> list[str]:
    parts = posixpath.dirname(path).split("/") if "/" in path else []
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]
