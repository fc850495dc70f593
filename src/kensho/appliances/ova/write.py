"""OVA packages, written in one pass (DSP0243 1.1 §5.3).

The descriptor and the manifest come first and hold what is known last: sizes and digests of
the disks. Their room is reserved, the disks are written behind it, and both are filled in at
the end; the manifest's length is known beforehand, the descriptor ends in blanks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from kensho.appliances.disk_job import write_job
from kensho.appliances.names import file_stem
from kensho.appliances.ovf.write import (
    image_order,
    pad_descriptor,
    render_descriptor,
    render_manifest,
)
from kensho.appliances.ovf.write_dialects.base import Dialect
from kensho.appliances.ovf.write_dialects.portable import PORTABLE
from kensho.appliances.ovf.write_dialects.virtualbox import VIRTUALBOX
from kensho.appliances.ovf.write_dialects.vmware import VMWARE
from kensho.appliances.package import Container, DiskJob, PlacedDisk
from kensho.model.appliance import Appliance
from kensho.storage.digest import HashingStream
from kensho.storage.file import FileSink
from kensho.storage.tar_write import TarWriter

_FORMAT, _SUBFORMAT = "vmdk", "streamOptimized"
_NO_DIGEST = "0" * 64
_MOST = 10**18 - 1  #: bytes; more digits than any disk's size has


def write_ova(
    sink: FileSink,
    appliance: Appliance,
    jobs: Sequence[DiskJob],
    *,
    name: str,
    timestamp: int,
    compression: str,
    dialect: Dialect,
) -> tuple[PlacedDisk, ...]:
    """Write NAME.ovf, NAME.mf and the disks, as streamOptimized VMDK, to an empty ``sink``.

    The disks follow each other in the order of the appliance's images. UnsupportedError, before
    a disk is read, for what `render_descriptor` refuses; see `kensho.appliances.package.Container`
    for the parameters. ``dialect`` is one of `kensho.appliances.ovf.write_dialects`.
    """
    stem = file_stem(name)
    order = image_order(appliance)
    jobs = sorted(jobs, key=lambda job: order.get(job.image, len(order)))
    expected = [_expected(job, f"{stem}-disk{i}.vmdk") for i, job in enumerate(jobs, start=1)]
    draft = render_descriptor(appliance, {disk.image: disk for disk in expected}, dialect)

    tar = TarWriter(sink, mtime=timestamp)
    descriptor_slot = tar.reserve(f"{stem}.ovf", len(draft))
    manifest_slot = tar.reserve(f"{stem}.mf", len(render_manifest(f"{stem}.ovf", b"", expected)))
    placed = []
    for job, disk in zip(jobs, expected, strict=True):
        stream = HashingStream(tar.begin(disk.filename))
        virtual_size, data_size = write_job(
            job,
            stream,
            _FORMAT,
            _SUBFORMAT,
            compression=compression,
            identity=f"{stem}/{job.image}",
        )
        placed.append(
            PlacedDisk(
                image=job.image,
                filename=disk.filename,
                format=_FORMAT,
                subformat=_SUBFORMAT,
                virtual_size=virtual_size,
                file_size=tar.end(),
                data_size=data_size,
                sha256=stream.hexdigests()["sha256"],
            )
        )
    final = render_descriptor(appliance, {disk.image: disk for disk in placed}, dialect)
    descriptor = pad_descriptor(final, len(draft))
    descriptor_slot.fill(descriptor)
    manifest_slot.fill(render_manifest(f"{stem}.ovf", descriptor, placed))
    tar.finish()
    return tuple(placed)


#: The containers of the three dialects, as platforms name them.
write_portable_ova: Container = partial(write_ova, dialect=PORTABLE)
write_vmware_ova: Container = partial(write_ova, dialect=VMWARE)
write_virtualbox_ova: Container = partial(write_ova, dialect=VIRTUALBOX)


def _expected(job: DiskJob, filename: str) -> PlacedDisk:
    """Return the disk as large as it cannot be, to find the room its descriptor takes."""
    return PlacedDisk(
        image=job.image,
        filename=filename,
        format=_FORMAT,
        subformat=_SUBFORMAT,
        virtual_size=job.virtual_size,
        file_size=_MOST,
        data_size=_MOST,
        sha256=_NO_DIGEST,
    )
