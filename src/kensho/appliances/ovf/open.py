"""Open an OVF package that lies in a folder or on a web server: DSP0243 §5.2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from lxml import etree

from kensho.appliances.assemble import assemble
from kensho.appliances.origin import Origin
from kensho.appliances.ovf.elements import local
from kensho.appliances.ovf.manifest import MAX_MANIFEST, read_manifest
from kensho.appliances.ovf.read import read_envelope
from kensho.appliances.ovf.texts import MAX_BUNDLE
from kensho.appliances.package import Digest, Package
from kensho.appliances.store import Store, absent, fetching, find, read_text_file
from kensho.appliances.xmlsafe import MAX_XML, parse_xml
from kensho.model.appliance import Appliance
from kensho.model.errors import UnsupportedError
from kensho.model.finding import Finding
from kensho.model.selection import Selection

#: Root elements of other machine files, by local name.
_OTHER_ROOTS = {
    "ParallelsVirtualMachine": ("a Parallels machine", "its disk images have to be exported"),
    "Parallels_disk_image": ("a Parallels disk descriptor", "Parallels disks are not read yet"),
    "configuration": (
        "settings of some program, not of a machine",
        "of an export from Hyper-V name the folder, or the file below Virtual Machines",
    ),
    "Environment": ("an OVF environment", "name the package's .ovf file instead"),
}


def open_ovf(origin: Origin, selection: Selection) -> Package:
    """Open a package whose files lie beside its descriptor.

    UnsupportedError for XML that is no OVF, FormatError kinds when it cannot be read.
    """
    store = origin.beside()
    try:
        store = fetching(store) if selection.fetch else store
        appliance, findings = read_descriptor(store, origin.name, selection, fallback=origin.stem)
        manifest, own, more = manifest_beside(store, origin.name)
        return assemble(
            "ovf",
            origin.path,
            appliance,
            store,
            (*findings, *more),
            manifest=manifest,
            own=(origin.name, *own),
        )
    except BaseException:
        store.close()
        raise


def read_descriptor(
    store: Store, name: str, selection: Selection, *, fallback: str
) -> tuple[Appliance, tuple[Finding, ...]]:
    """Read the descriptor called ``name``; ``fallback`` names an appliance without a name."""
    path = f"{store.path}#{name}" if store.names else store.path
    root, findings = parse_xml(read_text_file(store, name, MAX_XML), path=path)
    refuse_other(root, path)
    appliance, more = read_envelope(
        root,
        selection,
        path=path,
        fallback=fallback,
        load=lambda href: _bundle(store, href),
    )
    return appliance, (*findings, *more)


def _bundle(store: Store, href: str) -> bytes:
    name = find(store, href)
    if name is None:
        raise absent(store, href)
    return read_text_file(store, name, MAX_BUNDLE)


def manifest_beside(
    store: Store, descriptor: str
) -> tuple[Mapping[str, tuple[Digest, ...]] | None, tuple[str, ...], tuple[Finding, ...]]:
    """Return the manifest's digests, the names of the manifest and certificate, and findings."""
    stem = PurePosixPath(descriptor).stem
    own = tuple(n for n in (f"{stem}.mf", f"{stem}.cert") if store.size_of(n) is not None)
    name = f"{stem}.mf"
    if name not in own:
        others = [n for n in store.names if n.lower().endswith(".mf") and "/" not in n]
        if len(others) != 1:
            return None, own, ()
        name = others[0]
        own = (*own, name)
    digests, findings = read_manifest(
        read_text_file(store, name, MAX_MANIFEST), path=f"{store.path}#{name}"
    )
    return digests, own, findings


def refuse_other(root: etree._Element, path: str) -> None:
    """Raise UnsupportedError, saying what it is, for XML that is no OVF envelope."""
    name = local(root)
    if name == "Envelope":
        return
    title, hint = _OTHER_ROOTS.get(
        name,
        (f"XML, but no OVF: its root is <{name}>", "an OVF descriptor's root is <Envelope>"),
    )
    raise UnsupportedError(f"is {title}", path=path, field="Envelope", hint=hint)
