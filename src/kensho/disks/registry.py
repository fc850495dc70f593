"""The formats kensho knows, how their files are recognised, and which code handles them.

A new format is one line in ``FORMATS`` and one module; the module is imported
when a file of that format is opened or created, not before.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any, cast

from kensho.disks._siblings import safe_sibling
from kensho.disks.base import Layer
from kensho.model.errors import UnsupportedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kensho.disks.base import DiskReader, DiskWriter, ParentRef, SiblingOpener, SiblingSink
    from kensho.storage.base import ByteSink, ByteSource, StreamSink

HEAD = 4096
TAIL = 512
_STRONG = 90


@dataclasses.dataclass(frozen=True, slots=True)
class Magic:
    """``value`` at ``offset`` (negative: from the end) speaks for a format with ``confidence``.

    It may also begin up to ``within`` bytes behind ``offset``.
    """

    offset: int
    value: bytes
    confidence: int
    why: str
    within: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Descriptor:
    """One format: its names, its marks and ``module:function`` of its code.

    ``writers`` maps each subformat that can be written into one file to its target;
    the first one is the default. ``folder_writers`` has those that need more files
    beside it: ``create_disk`` wants a ``sibling_sink`` for them. ``child_writers`` has
    those that can be based on a parent, ``folder_child_writers`` those that need more
    files as well; ``snapshots`` opens an internal snapshot.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    reader: str
    writers: dict[str, str]
    magic: tuple[Magic, ...] = ()
    folder_writers: dict[str, str] = dataclasses.field(default_factory=dict)
    child_writers: dict[str, str] = dataclasses.field(default_factory=dict)
    folder_child_writers: dict[str, str] = dataclasses.field(default_factory=dict)
    snapshots: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A format a file may have: ``confidence`` is 0..100, ``why`` says what was seen."""

    name: str
    confidence: int
    why: str


FORMATS: tuple[Descriptor, ...] = (
    Descriptor(
        "vmdk",
        "VMware virtual disk",
        (".vmdk",),
        "kensho.disks.vmdk:open_vmdk",
        {
            "streamOptimized": "kensho.disks.vmdk_stream:create_stream_optimized",
            "monolithicSparse": "kensho.disks.vmdk_write:create_monolithic_sparse",
        },
        (
            Magic(0, b"KDMV", 100, "VMDK sparse extent header"),
            Magic(0, b"COWD", 100, "VMware ESX copy-on-write header"),
            Magic(0, b"# Disk DescriptorFile", 100, "VMDK text descriptor"),
            Magic(0, b"\xbe\xba\xfe\xca\x00\x00\x00\x00", 90, "VMware seSparse header"),
        ),
        {
            "monolithicFlat": "kensho.disks.vmdk_split:create_monolithic_flat",
            "vmfs": "kensho.disks.vmdk_split:create_vmfs",
            "twoGbMaxExtentSparse": "kensho.disks.vmdk_split:create_split_sparse",
            "twoGbMaxExtentFlat": "kensho.disks.vmdk_split:create_split_flat",
        },
        child_writers={"monolithicSparse": "kensho.disks.vmdk_child:create_vmdk_child"},
        folder_child_writers={"vmfsSparse": "kensho.disks.vmdk_esx_write:create_vmfs_sparse"},
    ),
    Descriptor(
        "vhdx",
        "Hyper-V virtual disk (VHDX)",
        (".vhdx", ".avhdx"),
        "kensho.disks.vhdx:open_vhdx",
        {
            "dynamic": "kensho.disks.vhdx_write:create_vhdx",
            "fixed": "kensho.disks.vhdx_write:create_vhdx_fixed",
            "dynamic-4kn": "kensho.disks.vhdx_write:create_vhdx_4kn",
            "fixed-4kn": "kensho.disks.vhdx_write:create_vhdx_fixed_4kn",
        },
        (Magic(0, b"vhdxfile", 100, "VHDX file identifier"),),
        child_writers={
            "differencing": "kensho.disks.vhdx_child:create_vhdx_child",
            "differencing-4kn": "kensho.disks.vhdx_child:create_vhdx_child_4kn",
        },
    ),
    Descriptor(
        "vhd",
        "Virtual PC and Hyper-V disk (VHD)",
        (".vhd", ".vpc", ".avhd"),
        "kensho.disks.vhd:open_vhd",
        {
            "dynamic": "kensho.disks.vhd_write:create_vhd_dynamic",
            "fixed": "kensho.disks.vhd_write:create_vhd_fixed",
        },
        (
            Magic(0, b"conectix", 95, "VHD footer copy at the start"),
            Magic(-512, b"conectix", 90, "VHD footer at the end"),
            Magic(-511, b"conectix", 90, "VHD footer of 511 bytes at the end"),
        ),
        child_writers={"differencing": "kensho.disks.vhd_child:create_vhd_child"},
    ),
    Descriptor(
        "qcow2",
        "QEMU copy-on-write disk",
        (".qcow2", ".qcow", ".img"),
        "kensho.disks.qcow2:open_qcow2",
        {
            "uncompressed": "kensho.disks.qcow2_write:create_qcow2",
            "compressed": "kensho.disks.qcow2_write:create_qcow2_compressed",
            "compressed-zstd": "kensho.disks.qcow2_write:create_qcow2_zstd",
            "v2": "kensho.disks.qcow2_write:create_qcow2_v2",
            "v2-compressed": "kensho.disks.qcow2_write:create_qcow2_v2_compressed",
        },
        (Magic(0, b"QFI\xfb", 100, "QCOW magic"),),
        folder_writers={"data-file": "kensho.disks.qcow2_write:create_qcow2_data_file"},
        child_writers={
            "uncompressed": "kensho.disks.qcow2_write:create_qcow2",
            "compressed": "kensho.disks.qcow2_write:create_qcow2_compressed",
            "compressed-zstd": "kensho.disks.qcow2_write:create_qcow2_zstd",
            "v2": "kensho.disks.qcow2_write:create_qcow2_v2",
            "v2-compressed": "kensho.disks.qcow2_write:create_qcow2_v2_compressed",
        },
        snapshots="kensho.disks.qcow2:open_qcow2_snapshot",
    ),
    Descriptor(
        "vdi",
        "VirtualBox disk",
        (".vdi",),
        "kensho.disks.vdi:open_vdi",
        {
            "dynamic": "kensho.disks.vdi_write:create_vdi",
            "fixed": "kensho.disks.vdi_write:create_vdi_fixed",
        },
        (Magic(64, b"\x7f\x10\xda\xbe", 100, "VDI signature"),),
        child_writers={"differencing": "kensho.disks.vdi_write:create_vdi_child"},
    ),
    Descriptor(
        "asif",
        "Apple sparse image (ASIF)",
        (".asif",),
        "kensho.disks.asif:open_asif",
        {},
        (Magic(0, b"shdw\0\0\0", 100, "ASIF header"),),
    ),
    Descriptor(
        "hdd",
        "Parallels disk",
        (".hdd", ".hds", ".xml"),
        "kensho.disks.hdd:open_hdd",
        {},
        (
            Magic(0, b"WithoutFreeSpace", 100, "Parallels image header"),
            Magic(0, b"WithouFreSpacExt", 100, "Parallels image header"),
            Magic(0, b"<Parallels_disk_image", 100, "Parallels disk descriptor", within=1024),
        ),
    ),
    Descriptor(
        "qed",
        "QEMU enhanced disk",
        (".qed",),
        "kensho.disks.qed:open_qed",
        {},
        (Magic(0, b"QED\0", 100, "QED magic"),),
    ),
    Descriptor(
        "raw",
        "raw disk image",
        (".raw", ".img", ".bin", ".dd"),
        "kensho.disks.raw:open_raw",
        {"sparse": "kensho.disks.raw:create_raw"},
    ),
)

#: Never looked for in a file's first bytes, and written only when asked for by this name.
PACKED_RAW = Descriptor(
    "gcp",
    "raw disk in a tar.gz, as Google Cloud takes it",
    (),
    "kensho.disks.gcp:open_gcp_image",
    {"tar.gz": "kensho.disks.gcp_write:create_gcp"},
)

_BY_NAME = {descriptor.name: descriptor for descriptor in (*FORMATS, PACKED_RAW)}


def descriptor_of(name: str) -> Descriptor:
    """Return the format called ``name``; UsageError names those there are."""
    try:
        return _BY_NAME[name]
    except KeyError:
        known = ", ".join(_BY_NAME)
        raise UsageError(f"no disk format {name!r}", hint=f"known: {known}") from None


def detect(source: ByteSource) -> tuple[Candidate, ...]:
    """Say which formats ``source`` may have, best first; empty if it is no disk at all.

    Content decides; the suffix only breaks a tie. Raw has no mark of its own and
    is offered last, unless the head is plainly text.
    """
    head = source.read_at(0, min(HEAD, source.size))
    tail_at = max(0, source.size - TAIL)
    tail = source.read_at(tail_at, source.size - tail_at)
    suffix = _suffix(source.name)
    found = []
    for descriptor in FORMATS:
        hits = [m for m in descriptor.magic if _matches(m, head, tail)]
        if hits:
            best = max(hits, key=lambda m: m.confidence)
            found.append(Candidate(descriptor.name, best.confidence, best.why))
    if source.size and not _looks_like_text(head):
        named = suffix in _BY_NAME["raw"].suffixes
        why = "no other format's mark" + (f", and the name ends in {suffix}" if named else "")
        found.append(Candidate("raw", 30 if named else 20, why))
    # Two strong marks are a tie: a guest can write one into the first sector of a fixed VHD.
    found.sort(
        key=lambda c: (
            c.confidence < _STRONG,
            suffix not in _BY_NAME[c.name].suffixes,
            -c.confidence,
        )
    )
    return tuple(found)


def open_disk(
    source: ByteSource,
    *,
    sibling: SiblingOpener | None = None,
    format: str | None = None,  # noqa: A002
    snapshot: str | None = None,
) -> DiskReader:
    """Open a virtual disk for reading, with all the disks it is based on.

    ``sibling`` opens extent and parent files by the relative name found inside the
    disk; without it such disks are refused. ``format`` skips detection. ``snapshot``
    is the id or name of an internal snapshot to read instead of the current state.
    FormatError kinds when the file cannot be read as what it is, LocatorError when a
    parent or a snapshot is missing. The reader does not close ``source``, only what
    it opened through ``sibling``.
    """
    reader = open_layer(source, sibling=sibling, format=format, snapshot=snapshot)
    if not isinstance(reader, Layer) or reader.parent is None:
        return reader
    from kensho.disks.chain import complete

    return complete(reader, None if sibling is None else safe_sibling(sibling, source.name))


def open_layer(
    source: ByteSource,
    *,
    sibling: SiblingOpener | None = None,
    format: str | None = None,  # noqa: A002
    snapshot: str | None = None,
) -> DiskReader:
    """Open one file of a chain alone: its holes are its parent's. Else as ``open_disk``."""
    if format is None:
        candidates = detect(source)
        if not candidates:
            raise UnsupportedError(
                "not a virtual disk: the file is empty or text", path=source.name
            )
        format = candidates[0].name  # noqa: A001
    descriptor = descriptor_of(format)
    checked = None if sibling is None else safe_sibling(sibling, source.name)
    if snapshot is None:
        return cast("DiskReader", _load(descriptor.reader)(source, checked))
    if not descriptor.snapshots:
        raise UsageError(f"{format} has no internal snapshots", path=source.name)
    return cast("DiskReader", _load(descriptor.snapshots)(source, checked, snapshot))


def create_disk(
    format: str,  # noqa: A002
    subformat: str | None,
    sink: ByteSink | StreamSink,
    virtual_size: int,
    *,
    compression: str = "fast",
    identity: bytes | None = None,
    sibling_sink: SiblingSink | None = None,
    name: str = "disk",
    parent: ParentRef | None = None,
) -> DiskWriter:
    """Begin a virtual disk of ``virtual_size`` bytes in ``sink``.

    ``subformat`` None means the format's usual one. Stream formats need a
    StreamSink, all others a ByteSink. ``compression`` is fast, balanced or small.
    Identifiers and times inside the disk are derived from ``identity`` (random and
    now without it), so equal input and identity give equal bytes.
    Subformats of several files (``Descriptor.folder_writers``) write the main one into
    ``sink`` and get each other one from ``sibling_sink``; ``name`` is the file name the
    main one will have, from which the others' are made (``disk.vmdk``:
    ``disk-flat.vmdk``). The caller owns all sinks: it flushes and closes them after
    ``finish``. UsageError for unknown names or without the ``sibling_sink`` needed, LimitError when the format cannot hold the size.
    With ``parent`` (``Descriptor.child_writers``) the disk is based on that one and the
    writer is a ``ChildWriter``.
    """
    descriptor = descriptor_of(format)
    if parent is not None:
        chosen = subformat or next(iter(descriptor.child_writers), "")
        if chosen in descriptor.folder_child_writers:
            beside = _demand_beside(format, chosen, sibling_sink)
            create = _load(descriptor.folder_child_writers[chosen])
            made = create(sink, virtual_size, parent, beside, name, identity=identity)
            return cast("DiskWriter", made)
        if chosen not in descriptor.child_writers:
            known = ", ".join((*descriptor.child_writers, *descriptor.folder_child_writers))
            raise UsageError(
                f"{format} {chosen} cannot have a parent", hint=f"known: {known or 'none'}"
            )
        create = _load(descriptor.child_writers[chosen])
        options = {"compression": compression, "identity": identity}
        return cast("DiskWriter", create(sink, virtual_size, parent, **options))
    chosen = subformat or next(iter(descriptor.writers), "")
    if chosen in descriptor.folder_writers:
        beside = _demand_beside(format, chosen, sibling_sink)
        create = _load(descriptor.folder_writers[chosen])
        return cast("DiskWriter", create(sink, virtual_size, beside, name, identity=identity))
    if chosen not in descriptor.writers:
        known = ", ".join((*descriptor.writers, *descriptor.folder_writers)) or "none"
        raise UsageError(f"{format} has no writable subformat {chosen!r}", hint=f"known: {known}")
    create = _load(descriptor.writers[chosen])
    return cast(
        "DiskWriter", create(sink, virtual_size, compression=compression, identity=identity)
    )


def _demand_beside(format_: str, subformat: str, sibling_sink: SiblingSink | None) -> SiblingSink:
    if sibling_sink is None:
        raise UsageError(f"{format_} {subformat} is written as several files, here is one only")
    return sibling_sink


def _matches(magic: Magic, head: bytes, tail: bytes) -> bool:
    if magic.offset >= 0:
        end = magic.offset + magic.within + len(magic.value)
        return head.find(magic.value, magic.offset, end) >= 0
    at = len(tail) + magic.offset
    return at >= 0 and tail.startswith(magic.value, at)


def _looks_like_text(head: bytes) -> bool:
    sample = head.lstrip(b"\xef\xbb\xbf")[:512]
    return bool(sample.strip()) and all(byte >= 0x20 or byte in b"\t\r\n\f" for byte in sample)


def _suffix(name: str) -> str:
    dot = name.rfind(".")
    return (
        name[dot:].lower() if dot > max(name.rfind("/"), name.rfind("\\"), name.rfind("#")) else ""
    )


def _load(target: str) -> Callable[..., Any]:
    module, _, function = target.partition(":")
    return cast("Callable[..., Any]", getattr(importlib.import_module(module), function))
