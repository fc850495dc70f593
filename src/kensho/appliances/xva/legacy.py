"""XVA of XenServer up to 3.2 (and of rBuilder and others): ``<appliance version="0.1">``.

Source: XenServer's "XVA format" in its VM guide. Each disk is a folder with files
``chunk-000000000.gz``, each holding exactly 10^9 bytes of the disk but the last one. The files
lie in a folder or in a tar archive.
"""

from __future__ import annotations

from lxml import etree

from kensho.appliances.ovf.elements import Notes, attribute, child, children, serialise, text
from kensho.appliances.paths import safe_name
from kensho.appliances.store import Store
from kensho.appliances.xva.blocks import MAX_SIZE
from kensho.appliances.xva.kept import DIALECT
from kensho.appliances.xva.objects import whole
from kensho.disks.base import DiskReader
from kensho.disks.raw import RawDisk
from kensho.model.appliance import Appliance, DiskImage, File
from kensho.model.errors import CorruptError, PackageError, UnsafePathError, UnsupportedError
from kensho.model.finding import Severity
from kensho.model.machine import Controller, ControllerModel, Cpu, Disk, Extra, Machine, Memory
from kensho.model.units import MIB
from kensho.storage.base import ByteSource
from kensho.storage.gzip import GzipSource
from kensho.storage.joined import JoinedSource

CHUNK = 10**9
_MOST_CPUS = 4096
_MOST_MEMORY = 1 << 50
_DEFAULT_MEMORY = 512 * MIB
_SCHEME = "file://"
_CONTROLLER = "xen"


def read_appliance(root: etree._Element, *, notes: Notes, fallback: str) -> Appliance:
    """Return the machine. PackageError without one, CorruptError for a disk without a size."""
    element = child(root, "vm")
    if element is None:
        raise PackageError("the appliance has no machine", path=notes.path, field="vm")
    images = {attribute(vdi, "name"): _image(vdi, notes) for vdi in children(root, "vdi")}
    drives: list[Disk] = []
    for vbd in children(element, "vbd"):
        found = images.get(attribute(vbd, "vdi"))
        unit = len(drives)
        if found is None:
            notes.add(
                "KF-116",
                Severity.ERROR,
                f"drive {attribute(vbd, 'device')!r} refers to {attribute(vbd, 'vdi')!r}, which is"
                " not listed",
                action="left out",
            )
            continue
        drives.append(
            Disk(
                f"vbd{unit}",
                found[0].id,
                _CONTROLLER,
                unit,
                boot_order=1 if attribute(vbd, "function") == "root" and unit == 0 else None,
                name=attribute(vbd, "device"),
                read_only=attribute(vbd, "mode").startswith("r"),
            )
        )
    config, hacks = child(element, "config"), child(element, "hacks")
    if attribute(hacks, "is_hvm").lower() != "true":
        notes.add(
            "KF-482",
            Severity.WARNING,
            "the guest is paravirtualized: Xen starts it without firmware",
            action="read as if it had a BIOS; elsewhere it starts once a boot loader and a kernel"
            " with drivers of that platform are in it",
        )
    name = text(element, "label") or fallback
    used = {drive.image for drive in drives}
    kept = [Extra(DIALECT, "appliance/vm/hacks", serialise(hacks))] if hacks is not None else []
    return Appliance(
        name=name,
        machines=(
            Machine(
                id="vm",
                name=name,
                cpu=Cpu(whole(attribute(config, "vcpus"), _MOST_CPUS) or 1),
                memory=Memory(whole(attribute(config, "mem_set"), _MOST_MEMORY) or _DEFAULT_MEMORY),
                controllers=(Controller(_CONTROLLER, ControllerModel.XEN_VBD),) if drives else (),
                drives=tuple(drives),
                annotation=text(element, "shortdesc"),
                extras=tuple(kept),
            ),
        ),
        images=tuple(image for image, _ in images.values() if image.id in used),
        files=tuple(file for image, file in images.values() if image.id in used),
    )


def _image(vdi: etree._Element, notes: Notes) -> tuple[DiskImage, File]:
    name, source = attribute(vdi, "name"), attribute(vdi, "source")
    size = whole(attribute(vdi, "size"), MAX_SIZE)
    if not size or not name:
        raise CorruptError(
            f"{attribute(vdi, 'size')[:60]!r} is no size of a disk", path=notes.path, field="vdi"
        )
    if attribute(vdi, "type") != "dir-gzipped-chunks" or not source.startswith(_SCHEME):
        raise UnsupportedError(
            f"the disk {name!r} is {attribute(vdi, 'type')!r} at {source!r}",
            path=notes.path,
            field="vdi",
            hint="known are dir-gzipped-chunks in a folder beside ova.xml",
        )
    folder = safe_name(source.removeprefix(_SCHEME), notes.path)
    return DiskImage(name, name, size, "raw"), File(name, folder)


def chunk_names(folder: str, capacity: int) -> tuple[str, ...]:
    """Return the names of a disk's chunks."""
    return tuple(f"{folder}/chunk-{number:09d}.gz" for number in range(-(-capacity // CHUNK)))


def open_chunks(store: Store, folder: str, capacity: int) -> DiskReader:
    """Open a disk of chunks. PackageError when one is missing."""
    names = chunk_names(folder, capacity)
    for name in names:
        if not _is_there(store, name):
            raise PackageError(
                f"the chunk {name} of a disk is missing",
                path=store.path,
                hint="fetch the export again; all its chunks are needed",
            )
    sizes = [CHUNK] * (len(names) - 1) + [capacity - CHUNK * (len(names) - 1)]

    def open_part(number: int) -> ByteSource:
        packed = store.open(names[number])
        try:
            return GzipSource(packed, sizes[number])
        except BaseException:
            packed.close()
            raise

    return RawDisk(JoinedSource(sizes, open_part, f"{store.path}#{folder}"))


def has_chunks(store: Store, folder: str) -> bool:
    """Tell whether a disk's first chunk is there."""
    return _is_there(store, chunk_names(folder, 1)[0])


def _is_there(store: Store, name: str) -> bool:
    try:
        return store.size_of(name) is not None
    except UnsafePathError:
        return False
