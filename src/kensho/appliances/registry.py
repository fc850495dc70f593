"""The kinds of machine files kensho reads, how each is recognised, and which code opens it.

Content decides. A new kind is one line in ``SOURCES`` and one module, imported on use; what is
recognised and not read has a line in ``REFUSED`` or ``REFUSED_ROOTS`` that says what it is.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from kensho.appliances.note import with_note
from kensho.appliances.origin import Origin, find_origin
from kensho.appliances.package import Package
from kensho.appliances.physical.locator import is_local
from kensho.appliances.sniff import (
    is_disk,
    is_domain,
    is_hyperv,
    is_kubevirt,
    is_note,
    is_oci,
    is_ova_xml,
    is_pve,
    is_saved,
    is_surely_disk,
    is_tar,
    is_vbox,
    is_vma,
    is_vmx,
    is_xen,
    is_xml,
    is_xva,
    refuse_empty,
)
from kensho.appliances.vagrant.recognise import is_box
from kensho.appliances.whole_packed import PACKINGS, unpacked
from kensho.disks.gcp import is_gcp_image
from kensho.model.errors import CorruptError, UnsupportedError, UsageError
from kensho.model.selection import Selection
from kensho.storage import ByteSource, unzstd
from kensho.storage.locator import is_pipe


@dataclass(frozen=True, slots=True)
class Source:
    """One kind: ``matches`` looks at the file, ``reader`` is the ``module:function`` to open it.

    ``one_state`` is for readers that look at no `Selection.configuration`: there is nothing to choose.
    """

    name: str
    title: str
    matches: Callable[[ByteSource], bool]
    reader: str
    one_state: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Something recognised by its first bytes that is not read."""

    magic: bytes | tuple[bytes, ...]
    title: str
    hint: str


#: The one kind that is recognised through gzip, whose bound is in the archive's own header.
_GCP = Source(
    "gcp",
    "Google Cloud image",
    is_gcp_image,
    "kensho.appliances.clouds.gcp_image:open_gcp",
    one_state=True,
)

#: Asked in this order; only the last one could mistake another's file for its own.
SOURCES: tuple[Source, ...] = (
    _GCP,
    Source("xva", "XenServer or XCP-ng export", is_xva, "kensho.appliances.xva.open:open_xva"),
    Source("vagrant", "Vagrant box", is_box, "kensho.appliances.vagrant.open:open_box"),
    Source(
        "oci",
        "container disk image",
        is_oci,
        "kensho.appliances.oci.open:open_image",
        one_state=True,
    ),
    Source("ova", "OVF package in a tar archive", is_tar, "kensho.appliances.ova.read:open_ova"),
    Source("vma", "Proxmox VE backup", is_vma, "kensho.appliances.proxmox.vma_open:open_vma"),
    Source(
        "libvirt",
        "libvirt domain",
        is_domain,
        "kensho.appliances.libvirt.open:open_domain",
        one_state=True,
    ),
    Source("vbox", "VirtualBox settings", is_vbox, "kensho.appliances.virtualbox.open:open_vbox"),
    Source("xva", "XenServer metadata", is_ova_xml, "kensho.appliances.xva.open:open_metadata"),
    Source(
        "hyperv", "Hyper-V configuration", is_hyperv, "kensho.appliances.hyperv.open:open_hyperv"
    ),
    Source("ovf", "OVF descriptor", is_xml, "kensho.appliances.ovf.open:open_ovf"),
    Source(
        "facts",
        "facts of a machine",
        is_saved,
        "kensho.appliances.physical.saved:open_saved",
        one_state=True,
    ),
    Source("note", "note of kensho's", is_note, "kensho.appliances.note:open_note", one_state=True),
    Source(
        "kubevirt",
        "KubeVirt manifest",
        is_kubevirt,
        "kensho.appliances.kubevirt.open:open_manifest",
        one_state=True,
    ),
    Source("vmx", "VMware configuration file", is_vmx, "kensho.appliances.vmx.open:open_vmx"),
    Source("pve", "Proxmox VE configuration", is_pve, "kensho.appliances.proxmox.open:open_conf"),
    Source(
        "xen",
        "Xen configuration file",
        is_xen,
        "kensho.appliances.xen.read:open_xen",
        one_state=True,
    ),
    Source(
        "disk",
        "disk image alone",
        is_disk,
        "kensho.appliances.image.open:open_single_disk",
        one_state=True,
    ),
)

#: A file named like this that has no mark of any kind is damaged, not a raw disk image.
_MACHINE_SUFFIXES = frozenset(
    {".ova", ".ovf", ".vmx", ".vbox", ".xva", ".vma", ".vmcx", ".vmrs", ".xml", ".box"}
)
#: Nor is a file with a zero in it that has the name of a text.
_TEXT_SUFFIXES = frozenset({".cfg", ".conf", ".json", ".yaml", ".yml"})
#: What lies beside an OVF descriptor and is none.
_BESIDE = frozenset({".mf", ".cert"})

REFUSED: tuple[Refused, ...] = (
    Refused(
        b"./etc/vzdump/pct.conf\0",
        "a Proxmox VE backup of a container (LXC), not of a virtual machine",
        "a container has no disks or firmware; restore it with pct restore",
    ),
    Refused(b"\x1f\x8b", "compressed with gzip", "unpack it first: gunzip, or tar -xzf"),
    Refused(b"BZh", "compressed with bzip2", "unpack it first: bunzip2"),
    Refused(b"\xfd7zXZ\0", "compressed with xz", "unpack it first: unxz"),
    Refused(unzstd.MAGICS, "compressed with zstd", "unpack it first: unzstd"),
    Refused(b"\x89LZO", "compressed with lzop", "unpack it first: lzop -d"),
    Refused(b"PK\x03\x04", "a zip archive", "unpack it and name the machine's file in it"),
    Refused(b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and name the machine's file"),
    Refused(
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, not the file itself",
        "fetch the file: git lfs pull",
    ),
)


def open_package(
    locator: str | Path,
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> Package:
    """Open what one of ``SOURCES`` recognises, or a folder with it.

    ``locator`` is a path, a URL, ``archive#member``, or ``-`` for standard input, of which a
    pipe gives the descriptor only. OVA, OVF and Proxmox VE's backups may be packed with gzip, zstd or lzop. ``selection`` says what is
    read of a package that offers a choice; UsageError when it names what the package does not
    have. LocatorError when there is nothing or too much at ``locator``, UnsupportedError naming
    what it is when it is something else, FormatError and PackageError kinds when it cannot be read.
    """
    if os.fspath(locator) == "-" and is_pipe():
        from kensho.appliances.ova.pipe import open_pipe
        from kensho.storage.pipe import PipeReader

        return open_pipe(PipeReader(), selection)
    if is_local(os.fspath(locator)):
        from kensho.appliances.physical.open import open_local

        _refuse_choice(selection, "machine itself", os.fspath(locator))
        return open_local(os.fspath(locator))
    origin = find_origin(locator)
    with closing(origin.open()) as source:
        if _GCP.matches(source):
            kind = _GCP
        else:
            origin, head = unpacked(origin, source) or (origin, source)
            kind = _recognise(head)
    if kind.one_state:
        _refuse_choice(selection, kind.title, origin.path)
    return with_note(_load(kind.reader)(origin, selection), origin)


def _refuse_choice(selection: Selection, title: str, path: str) -> None:
    """Raise UsageError when a snapshot or configuration is wanted of what has one state."""
    if selection.configuration is not None:
        raise UsageError(
            f"a {title} has one state; there is no {selection.configuration!r} to choose",
            path=path,
            hint="leave --configuration out; kensho reads snapshots of VirtualBox, VMware and"
            " XenServer",
        )


def _recognise(source: ByteSource) -> Source:
    refuse_empty(source)
    head = source.read_at(0, min(64, source.size))
    for refused in REFUSED:
        if head.startswith(refused.magic):
            raise UnsupportedError(f"is {refused.title}", path=source.name, hint=refused.hint)
    suffix = _suffix(source.name)
    no_disk = suffix in _MACHINE_SUFFIXES | _TEXT_SUFFIXES | _BESIDE
    for kind in SOURCES:
        if kind.matches(source) and not (
            no_disk and kind.name == "disk" and not is_surely_disk(source)
        ):
            return kind
    if suffix in _BESIDE:
        raise UnsupportedError(
            f"is named {suffix}, as what lies beside a descriptor",
            path=source.name,
            hint="name the .ovf beside it; `kensho verify` checks its manifest and certificate",
        )
    if suffix in _MACHINE_SUFFIXES:
        raise CorruptError(
            f"is named {suffix} and holds nothing of that kind",
            path=source.name,
            hint="the file is damaged or encrypted; fetch it again",
        )
    raise UnsupportedError(
        "is a text file of no kind known here"
        if suffix not in _TEXT_SUFFIXES
        else f"is named {suffix} and describes no machine in a way known here",
        path=source.name,
        hint="kensho reads OVA, OVF, VMX, .vbox, XVA, VMA, Vagrant boxes, configurations of Hyper-V,"
        " libvirt, Xen, Proxmox VE and KubeVirt, and disk images",
    )


def _suffix(name: str) -> str:
    """Return what a file is called as, in lower case; a compression's suffix tells nothing."""
    path = Path(name)
    packed = path.suffix.lower() in {s for packing in PACKINGS for s in packing.suffixes}
    inner = Path(path.stem).suffix.lower() if packed else ""
    return inner if inner in _MACHINE_SUFFIXES else path.suffix.lower()


def _load(target: str) -> Callable[[Origin, Selection], Package]:
    module, _, function = target.partition(":")
    function_ = getattr(importlib.import_module(module), function)
    return cast("Callable[[Origin, Selection], Package]", function_)
