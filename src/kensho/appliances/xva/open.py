"""Open an XVA: the archive itself, or a folder with its ``ova.xml`` and disks as VHD files.

In a folder, as storage repositories of files (ext, NFS) and backups of them have it, a VDI is
``UUID.vhd``, or what its ``location`` says; a chain is found by the parent locators in the files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lxml import etree

from kensho.appliances.assemble import assemble
from kensho.appliances.origin import Origin
from kensho.appliances.ovf.elements import Notes, local
from kensho.appliances.package import Package
from kensho.appliances.store import Store, read_text_file, tar_store
from kensho.appliances.xmlsafe import MAX_XML, parse_xml
from kensho.appliances.xva.archive import METADATA, scan
from kensho.appliances.xva.blocks import BlockIndex
from kensho.appliances.xva.devices import Locate, Place
from kensho.appliances.xva.disk import XvaDisk
from kensho.appliances.xva.legacy import has_chunks, open_chunks, read_appliance
from kensho.appliances.xva.objects import Row, read_objects
from kensho.appliances.xva.read import read_machines
from kensho.disks.base import DiskReader
from kensho.model.appliance import Appliance
from kensho.model.errors import PackageError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.selection import Selection
from kensho.storage.base import ByteSource

_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,120}")
_SUFFIXES = ((".vhd", "vhd"), (".qcow2", "qcow2"), (".raw", "raw"))
_OLD = "appliance"


def open_xva(origin: Origin, selection: Selection) -> Package:
    """Open the machine in an archive; ``selection.configuration`` names a snapshot.

    Raises what `scan` and `read_machines` do.
    """
    source = origin.open()
    try:
        archive = scan(source)
        path = f"{source.name}#{METADATA}"
        root, findings = parse_xml(archive.metadata, path=path)
        notes = Notes(path)
        appliance = _read(root, notes, origin, selection, lambda vdi: Place(vdi.ref, "xva"))
        store = tar_store(source, archive.others)
        return _of_blocks(appliance, source, store, archive.indexes, (*findings, *notes.findings))
    except BaseException:
        source.close()
        raise


def open_metadata(origin: Origin, selection: Selection) -> Package:
    """Open the machine that an ``ova.xml`` in a folder describes, its disks as VHD files there."""
    store = origin.beside()
    try:
        root, findings = parse_xml(read_text_file(store, origin.name, MAX_XML), path=origin.path)
        notes = Notes(origin.path)
        appliance = _read(root, notes, origin, selection, lambda vdi: _beside(vdi, store))
        every = (*findings, *notes.findings)
        if local(root) == _OLD:
            return _of_blocks(appliance, None, store, {}, every)
        return assemble("xva", origin.path, appliance, store, every, own=(origin.name,))
    except BaseException:
        store.close()
        raise


def _read(
    root: etree._Element, notes: Notes, origin: Origin, selection: Selection, locate: Locate
) -> Appliance:
    if local(root) == _OLD:
        return read_appliance(root, notes=notes, fallback=origin.stem)
    return read_machines(
        read_objects(root, notes.path),
        notes=notes,
        fallback=origin.stem,
        wanted=selection.configuration,
        locate=locate,
    )


def _beside(vdi: Row, store: Store) -> Place:
    """Return the file of a VDI in a folder, a likely name where none is there."""
    if store.size_of(f"{vdi.ref}/00000000") is not None:
        raise UnsupportedError(
            "is an unpacked XVA",
            path=store.path,
            hint="name the archive itself, or pack it again: tar --sort=name -cf NAME.xva ova.xml Ref:*",
        )
    names = [name for name in (vdi.text("uuid"), vdi.text("location")) if _PLAIN.fullmatch(name)]
    for name in names:
        for suffix, format_ in _SUFFIXES:
            if store.size_of(name + suffix) is not None:
                return Place(name + suffix, format_)
    return Place(f"{names[0] if names else 'unnamed'}.vhd", "vhd")


def _of_blocks(
    appliance: Appliance,
    source: ByteSource | None,
    store: Store,
    indexes: Mapping[str, BlockIndex],
    findings: tuple[Finding, ...],
) -> Package:
    """Return a package whose disks are blocks of the archive, or chunks in folders."""
    archive = store.path

    def open_image(image_id: str) -> DiskReader:
        image = appliance.image(image_id)
        file = None if image is None else appliance.file(image.file)
        if image is None or file is None or image.capacity is None:
            raise PackageError(f"there is no disk {image_id!r}", path=archive)
        if image.format == "raw":
            return open_chunks(store, file.href, image.capacity)
        index = indexes.get(file.href)
        if index is None or source is None:
            raise PackageError(
                f"the archive has no blocks of {image_id}",
                path=archive,
                hint="it was exported with metadata=true, or is cut: export the machine again",
            )
        return XvaDisk(source, index, image.capacity)

    def not_a_file(name: str) -> ByteSource:
        raise PackageError(f"{name!r} is no file of its own", path=archive)

    there = {
        file.id for file in appliance.files if file.href in indexes or has_chunks(store, file.href)
    }
    missing = [
        Finding(
            "KF-484",
            Severity.ERROR,
            f"the archive has no blocks of {disk.name or disk.image}",
            subject=disk.image,
            action="the machine can be inspected; export it without metadata=true for its disks",
        )
        for machine in appliance.machines
        for disk in machine.disks
        if disk.image not in there
    ]
    return Package(
        "xva",
        archive,
        appliance,
        not_a_file,
        not_a_file,
        (*findings, *missing),
        close=store.close,
        open_image=open_image,
    )
