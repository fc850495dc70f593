"""DiskDescriptor.xml: of which files a Parallels disk consists.

Spec: QEMU docs/interop/prl-xml.rst, https://www.qemu.org/docs/master/interop/prl-xml.html.
Read with expat, which has no way out of the file: a document type is refused, so there
are no entities, and the size is bounded.
"""

from __future__ import annotations

import dataclasses
from typing import NoReturn
from xml.parsers import expat

from kensho.model.errors import CorruptError, UnsupportedError

MAX_BYTES = 1 << 20
MARK = b"<Parallels_disk_image"
_TOP = "5fbaabe3-6958-40ff-92a7-860e329aab41"  # what the active state is called by default
_NONE = "00000000-0000-0000-0000-000000000000"
_MAX_SECTORS = 1 << 41


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """One file: a layer of a part of the disk."""

    guid: str
    type: str
    file: str


@dataclasses.dataclass(frozen=True, slots=True)
class Storage:
    """A part of the disk, from sector ``start`` to ``end``, and its layers in no order."""

    start: int
    end: int
    images: tuple[Image, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class HddDescriptor:
    """A parsed descriptor; ``chain`` has the layers' GUIDs, the active one first."""

    storages: tuple[Storage, ...]
    chain: tuple[str, ...]


@dataclasses.dataclass(slots=True)
class _Element:
    name: str
    text: str = ""
    children: list[_Element] = dataclasses.field(default_factory=list)

    def all(self, name: str) -> list[_Element]:
        return [child for child in self.children if child.name == name]

    def find(self, *names: str) -> _Element | None:
        element: _Element | None = self
        for name in names:
            element = next(iter(element.all(name)), None) if element is not None else None
        return element

    def value(self, *names: str) -> str:
        element = self.find(*names)
        return "" if element is None else element.text.strip()

    def guid(self, *names: str) -> str:
        return self.value(*names).strip("{}").lower()


def parse_hdd_descriptor(raw: bytes, path: str) -> HddDescriptor:
    """Parse a descriptor of at most ``MAX_BYTES``.

    CorruptError if it contradicts itself, UnsupportedError for encrypted and padded disks.
    """
    root = _elements(raw, path)
    if root.name != "Parallels_disk_image":
        raise CorruptError(f"not a Parallels disk but {root.name!r}", path=path)
    if root.guid("Disk_Parameters", "Encryption", "Engine") not in {"", _NONE}:
        raise UnsupportedError(
            "an encrypted disk", path=path, field="Engine", hint="decrypt it in Parallels Desktop"
        )
    if root.value("Disk_Parameters", "Padding") not in {"", "0"}:
        raise UnsupportedError("a padded disk", path=path, field="Padding")
    data = root.find("StorageData")
    storages = tuple(_storage(element, path) for element in data.all("Storage")) if data else ()
    position = 0
    for storage in storages:
        if storage.start != position or not storage.start < storage.end <= _MAX_SECTORS:
            raise CorruptError(
                f"a part from sector {storage.start} to {storage.end}, {position} comes next",
                path=path,
                field="Start",
            )
        position = storage.end
    if not storages:
        raise CorruptError("the descriptor names no storage", path=path, field="StorageData")
    size = _number(root.find("Disk_Parameters"), "Disk_size", path)
    if size != position:
        raise CorruptError(
            f"a disk of {size} sectors whose parts have {position}", path=path, field="Disk_size"
        )
    return HddDescriptor(storages, _chain(root.find("Snapshots"), storages, path))


def _storage(element: _Element, path: str) -> Storage:
    images = tuple(
        Image(image.guid("GUID"), image.value("Type"), image.value("File"))
        for image in element.all("Image")
    )
    return Storage(_number(element, "Start", path), _number(element, "End", path), images)


def _number(element: _Element | None, name: str, path: str) -> int:
    text = "" if element is None else element.value(name)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise CorruptError(f"{text!r} is not a number", path=path, field=name)
    return int(text)


def _chain(snapshots: _Element | None, storages: tuple[Storage, ...], path: str) -> tuple[str, ...]:
    parents: dict[str, str] = {}
    for shot in snapshots.all("Shot") if snapshots else []:
        parents[shot.guid("GUID")] = shot.guid("ParentGUID") or _NONE
    if not parents:  # only layers of one kind, then
        parents = {image.guid: _NONE for image in storages[0].images}
    leaves = set(parents) - set(parents.values())
    top = snapshots.guid("TopGUID") if snapshots else ""
    if not top:
        top = _TOP if _TOP in parents or len(leaves) != 1 else leaves.pop()
    chain: list[str] = []
    while top != _NONE:
        if top not in parents:
            raise CorruptError(f"there is no snapshot {top!r}", path=path, field="Snapshots")
        if top in chain:
            raise CorruptError(f"snapshot {top!r} is its own parent", path=path, field="ParentGUID")
        chain.append(top)
        top = parents[top]
    return tuple(chain)


def _elements(raw: bytes, path: str) -> _Element:
    document = _Element("")
    stack = [document]
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_: object) -> NoReturn:
        raise CorruptError("has a document type, which no such file needs", path=path)

    def start(name: str, _: dict[str, str]) -> None:
        element = _Element(name)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].text += data

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        parser.Parse(raw, True)  # noqa: FBT003 - the parser has no keywords
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise CorruptError(f"not well-formed: {error}", path=path) from None
    return document.children[0]
