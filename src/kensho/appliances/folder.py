"""Find the one machine in a folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from kensho.appliances.hyperv.places import configurations_in
from kensho.appliances.sniff import (
    is_domain,
    is_hyperv,
    is_kubevirt,
    is_note,
    is_oci,
    is_pve,
    is_saved,
    is_surely_disk,
    is_xen,
)
from kensho.model.errors import KenshoError, LocatorError
from kensho.model.origin import SUFFIX
from kensho.storage import ByteSource, FileSource

_DESCRIPTORS = frozenset({".ovf", ".vmx", ".vbox"})
_RAW = frozenset({".img", ".raw", ".dd"})
#: One file with everything in it: an appliance of its own, even beside a disk image.
_WHOLE = frozenset({".ova", ".box", ".xva", ".vma"})
_PACKED = frozenset({".zst", ".gz", ".lzo"})
#: Images that kensho wrote hold the machine, too; the manifest beside one only names it.
_CONTAINER_DISK = ".oci.tar"
_LISTED = 10
_VMDK_TEXT = b"# Disk DescriptorFile"
_TEXT_LIMIT = 64 * 1024


def descriptor_in(folder: Path) -> Path:
    """Return the only machine's file in a folder; a disk image where there is nothing else.

    Files are looked for in this order: OVF, VMX, .vbox; XenServer's metadata; a configuration of
    Hyper-V here or in the folders of its export; libvirt domain, container disk, KubeVirt manifest;
    one file with everything (OVA, Vagrant box, XVA, VMA); configuration of Proxmox VE, of xl; facts
    of a physical machine; kensho's note.

    LocatorError, listing the candidates, when there are several, or none.
    """
    if (folder / "oci-layout").is_file():
        return folder / "index.json"
    files = sorted(entry for entry in folder.iterdir() if entry.is_file())
    for wanted in (
        _by_suffix(files, _DESCRIPTORS),
        [f for f in files if f.name == "ova.xml"],
        _hyperv(folder),
        _recognised(_by_suffix(files, {".xml"}), is_domain),
        _recognised([f for f in files if f.name.endswith(_CONTAINER_DISK)], is_oci),
        _recognised(_by_suffix(files, {".yaml", ".yml", ".json"}), is_kubevirt),
        [f for f in files if _is_whole(f.name)],
        _recognised(_by_suffix(files, {".conf"}), is_pve),
        _recognised(_by_suffix(files, {".cfg", ".xl", ".hvm", ".conf"}), is_xen),
        _recognised(_by_suffix(files, {".json"}), is_saved),
        _recognised([f for f in files if f.name.endswith(SUFFIX)], is_note),
        _disks(files),
    ):
        if len(wanted) == 1:
            return wanted[0]
        if wanted:
            names = ", ".join(str(entry.relative_to(folder)) for entry in wanted[:_LISTED])
            more = f" and {len(wanted) - _LISTED} more" if len(wanted) > _LISTED else ""
            raise LocatorError(
                f"several machines are in this folder: {names}{more}",
                path=folder,
                hint=f"name one of them, such as {wanted[0]}",
            )
    raise LocatorError(
        "no machine's file of a kind known here and no disk image is in this folder",
        path=folder,
        hint="name the folder that holds the machine's files (OVF, VMX, .vbox, Hyper-V's, libvirt's,"
        " Xen's, Proxmox VE's, KubeVirt's, an OVA, XVA, VMA or box), or the file itself",
    )


def _by_suffix(files: list[Path], suffixes: frozenset[str] | set[str]) -> list[Path]:
    # A folder is searched by name; what is found is then recognised by its content.
    return [f for f in files if f.suffix.lower() in suffixes and not f.name.startswith("._")]


def _is_whole(name: str) -> bool:
    suffixes = [s.lower() for s in Path(name).suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in _WHOLE and not name.startswith("._")


def _hyperv(folder: Path) -> list[Path]:
    """Return the configurations of Hyper-V; a .vmrs is what a machine was doing, and is none."""
    found = []
    for file in configurations_in(folder):
        with contextlib.suppress(KenshoError), FileSource(file) as source:
            if is_hyperv(source):
                found.append(file)
    return found


def _recognised(files: list[Path], is_one: Callable[[ByteSource], bool]) -> list[Path]:
    """Return the files that are one by their content."""
    found = []
    for file in files:
        with contextlib.suppress(KenshoError), FileSource(file) as source:
            if is_one(source):
                found.append(file)
    return found


def _disks(files: list[Path]) -> list[Path]:
    """Return the disk images, without the extents that a VMDK's text descriptor names."""
    found: list[Path] = []
    descriptors = b""
    for file in files:
        try:
            with FileSource(file) as source:
                if is_surely_disk(source) or file.suffix.lower() in _RAW:
                    found.append(file)
                head = source.read_at(0, min(_TEXT_LIMIT, source.size))
                if head.startswith(_VMDK_TEXT):
                    descriptors += head
        except KenshoError:
            continue
    return [f for f in found if f'"{f.name}"'.encode() not in descriptors]
