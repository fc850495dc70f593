"""Open a container disk: an image whose layers have disks below ``/disk``."""

from __future__ import annotations

import contextlib
import dataclasses

import msgspec

from kensho.appliances.assemble import assemble
from kensho.appliances.image.open import open_disk_in
from kensho.appliances.kubevirt.open import open_documents
from kensho.appliances.kubevirt.values import mapping, text
from kensho.appliances.oci.containerdisk import LABEL, NOTE
from kensho.appliances.oci.layout import Image, open_layer, read_image
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.store import Store, missing, tar_store
from kensho.model.errors import PackageError, UnsupportedError
from kensho.model.origin import try_origin
from kensho.model.selection import Selection
from kensho.model.yamlsafe import load_all, whole_characters
from kensho.storage import ByteSource, TarMember, WindowSource, read_members
from kensho.storage.tar import iterate_members

#: Of images that kensho wrote: the form they were written as.
KIND = "containerdisk"
_FOLDER = "disk/"
_WHITEOUT, _OPAQUE = ".wh.", ".wh..opq"  #: of a name, and of all
_MOST_FILES = 1_000_000


def open_image(origin: Origin, _selection: Selection) -> Package:
    """Open the disks of an image, and the machine if kensho wrote it into the image's labels.

    PackageError when no disk is in it, UnsupportedError for several images or disks without a
    machine, and what the archives raise.
    """
    if origin.name == "index.json":
        outer = origin.beside()
    else:
        archive = origin.open()
        try:
            files = {m.name: m for m in read_members(archive, skip_links=True) if m.type == "file"}
        except BaseException:
            archive.close()
            raise
        outer = tar_store(archive, files)
    opened: list[ByteSource] = []
    try:
        image = read_image(outer)
        disks: dict[str, tuple[ByteSource, TarMember]] = {}
        for layer_name in image.layers:
            layer = open_layer(outer, layer_name)
            opened.append(layer)
            members = _members(layer)
            for gone in filter(None, map(_gone, members)):  # of the layers below
                for name in list(disks) if gone == _OPAQUE else [gone]:
                    disks.pop(name, None)
            disks |= {m.name.removeprefix(_FOLDER): (layer, m) for m in members if not _gone(m)}
        store = _store(outer, disks, opened)
        labels = mapping(image.config, "config", "Labels")
        manifest, note = text(labels.get(LABEL)), text(labels.get(NOTE))
        if manifest:
            documents = load_all(whole_characters(manifest).encode(), origin.path)
            appliance, findings = open_documents(documents, store, origin.path, origin.stem)
            if note:
                found, more = try_origin(lambda: note, path=origin.path)
                appliance = msgspec.structs.replace(appliance, origin=found)
                findings = [*findings, *more]
            package = assemble(KIND, origin.path, appliance, store, findings)
        else:
            package = open_disk_in(store, origin, _only(disks, origin.path), "oci")
        return _vouched(package, image, outer)
    except BaseException:
        _close(outer, opened)
        raise


def _members(layer: ByteSource) -> list[TarMember]:
    # An image may be built on a whole system's: many files, devices, names with backslashes.
    return [
        m
        for m in iterate_members(layer, limit=_MOST_FILES, skip_links=True, below=_FOLDER)
        if m.type == "file" and m.name.startswith(_FOLDER)
    ]


def _gone(member: TarMember) -> str:
    """Return the disk below that a whiteout takes away (image-spec, layer.md), "" for others."""
    name = member.name.removeprefix(_FOLDER)
    return name.removeprefix(_WHITEOUT) if name.startswith(_WHITEOUT) else ""


def _vouched(package: Package, image: Image, outer: Store) -> Package:
    """Return the package with the digests of its layers, which are opened by their names."""

    def open_sibling(name: str) -> ByteSource:
        if name not in image.manifest:
            return package.open_sibling(name)
        return open_layer(outer, name) if image.unpacked else outer.open(name)

    return dataclasses.replace(
        package, manifest=image.manifest, open_sibling=open_sibling, vouches_for_all=True
    )


def _only(disks: dict[str, tuple[ByteSource, TarMember]], path: str) -> str:
    if not disks:
        raise PackageError(
            "no disk is in this image",
            path=path,
            hint="a container disk has its disk below /disk; other images are no machines",
        )
    if len(disks) > 1:
        raise UnsupportedError(
            f"{len(disks)} disks are in this image and nothing says which machine has them",
            path=path,
            hint="unpack them and name the machine's file: " + ", ".join(sorted(disks)[:5]),
        )
    return next(iter(disks))


def _store(
    outer: Store, disks: dict[str, tuple[ByteSource, TarMember]], opened: list[ByteSource]
) -> Store:
    def size_of(name: str) -> int | None:
        return disks[name][1].size if name in disks else None

    def open_name(name: str) -> ByteSource:
        if name not in disks:
            raise missing(name, outer.path)
        layer, member = disks[name]
        return WindowSource(layer, member.offset, member.size, f"{outer.path}#{member.name}")

    return dataclasses.replace(
        outer,
        size_of=size_of,
        open=open_name,
        close=lambda: _close(outer, opened),
        names=tuple(disks),
        base="",
    )


def _close(outer: Store, opened: list[ByteSource]) -> None:
    while opened:
        with contextlib.suppress(OSError):
            opened.pop().close()
    outer.close()
