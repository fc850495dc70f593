"""Open a machine of Hyper-V: its configuration, in a folder that Export-VM made or that a host had.

The paths in a configuration are those of the host it was on. What they mean here is a file of that
name below the exported folder, the better the more of the path fits; nothing outside is looked at.
"""

from __future__ import annotations

import contextlib
import dataclasses
import posixpath
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from kensho.appliances.assemble import assemble
from kensho.appliances.hyperv._structs import is_storage
from kensho.appliances.hyperv.drives import Media
from kensho.appliances.hyperv.places import VIRTUAL_MACHINES, Index, index_below, is_checkpoint
from kensho.appliances.hyperv.read import read_configuration
from kensho.appliances.hyperv.tree import Key, Place
from kensho.appliances.hyperv.vmcx import read_storage
from kensho.appliances.hyperv.xml_tree import from_xml
from kensho.appliances.origin import Origin
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.package import Package
from kensho.appliances.store import Store, find, folder_store, open_file
from kensho.appliances.xmlsafe import MAX_XML, parse_xml
from kensho.model.errors import KenshoError, LimitError, UnsafePathError, UsageError
from kensho.model.finding import Finding, Severity
from kensho.model.host_side import Snapshot
from kensho.model.selection import Selection
from kensho.storage import ByteSource

_MOST_CHECKPOINTS = 50  #: as many as a host allows


def open_hyperv(origin: Origin, selection: Selection) -> Package:
    """Open the machine that a ``.vmcx`` or an XML configuration describes.

    Disks are looked for below the folder of the file, or below the one above when that folder is
    called Virtual Machines or Snapshots, as in an export.
    """
    path = origin.path
    if selection.configuration is not None:
        raise UsageError(
            "a configuration of Hyper-V holds one state",
            path=path,
            hint="a checkpoint is a file of its own: name it, below Snapshots",
        )
    store, own = _store(origin)
    index = index_below(Path(path)) if Path(path).is_file() else Index()
    return open_in(store, own, index, path=path, fallback=origin.stem)


def open_in(
    store: Store,
    own: str,
    with_index: Index,
    *,
    path: str,
    fallback: str,
    kind: str = "hyperv",
    beside: tuple[str, ...] = (),
) -> Package:
    """Open the machine whose configuration is ``own`` in ``store``; the index has all its files.

    ``beside`` are files that are no content. The store is closed on errors.
    """
    try:
        root, findings = _load(store.open(own), path)
        notes = Notes(path)
        appliance = read_configuration(
            Key("", children=(root,)) if root.name else root,
            notes,
            fallback,
            Media(lambda name: with_index.locate(name, store), notes),
        )
        _note_state_files(own, with_index, notes)
        past = () if is_checkpoint(own) else tuple(_checkpoints(with_index, store))
        machine = msgspec.structs.replace(appliance.machines[0], snapshots=past)
        appliance = msgspec.structs.replace(appliance, machines=(machine,))
        found = (*findings, *notes.findings)
        package = assemble(kind, path, appliance, store, found, own=(own, *beside))
    except BaseException:
        store.close()
        raise
    return dataclasses.replace(
        package, beside=lambda file_id: _siblings(package, store, with_index, file_id)
    )


def _store(origin: Origin) -> tuple[Store, str]:
    """Return the files of the export, and the configuration's name among them."""
    path = Path(origin.path)
    if path.is_file() and path.parent.name.casefold() in VIRTUAL_MACHINES:
        return folder_store(path.parent.parent, origin.path), f"{path.parent.name}/{path.name}"
    return origin.beside(), origin.name


def _load(source: ByteSource, path: str) -> tuple[Key, tuple[Finding, ...]]:
    """Return the tree of a configuration; LimitError for an XML file beyond any machine's."""
    if is_storage(source):
        return read_storage(source)
    if source.size > MAX_XML:
        raise LimitError(f"{source.size} bytes; at most {MAX_XML} are read", path=path)
    element, findings = parse_xml(source.read_at(0, source.size), path=path)
    return from_xml(element, path), findings


def _note_state_files(own: str, index: Index, notes: Notes) -> None:
    stem = posixpath.basename(own).rpartition(".")[0].casefold()
    files = [n for n in index.names if posixpath.basename(n).casefold().startswith(f"{stem}.")]
    if any(name.lower().endswith(".vmgs") for name in files):
        notes.add(
            "KF-475",
            Severity.NOTE,
            "the firmware's variables are in the .vmgs beside the configuration",
            action="not carried over: the firmware looks for the boot loader at its default path",
        )


def _checkpoints(index: Index, store: Store) -> Iterator[Snapshot]:
    """Yield the checkpoints of an export, by the names that their configurations have."""
    names = sorted(name for name in index.names if is_checkpoint(name))
    for name in [n for n in names if n.lower().endswith((".vmcx", ".xml"))][:_MOST_CHECKPOINTS]:
        stem = posixpath.basename(name).rpartition(".")[0]
        title = ""
        with contextlib.suppress(KenshoError), closing(store.open(name)) as source:
            root, _ = _load(source, store.path)
            top = root if root.name else next(iter(root.children), root)
            title = Place(top, set()).peek("properties", "name")
        yield Snapshot(title or stem, stem)


def _siblings(
    package: Package, store: Store, index: Index, file_id: str
) -> Callable[[str], ByteSource]:
    """Return what opens a disk's parent: in the disk's own folder, else anywhere in the export.

    Names are not case-sensitive on a host, and a checkpoint's disk may be in another folder.
    """
    file = package.appliance.file(file_id)
    folder = "" if file is None else posixpath.dirname(file.href)

    def opened(name: str) -> ByteSource:
        if name.startswith("/") or ".." in name.split("/"):
            raise UnsafePathError(f"refers to a file outside its folder: {name!r}", path=store.path)
        near = posixpath.join(folder, name)
        if find(store, near) is None:
            found, there, _ = index.locate(near, store)
            near = found if there else near
        return open_file(store, near)

    return opened
