"""A machine's root file system as an image for containers: what is planned, written and verified.

The guest's files are read out of its disks in place (`kensho.guest`); nothing is mounted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from kensho.appliances import Package
from kensho.appliances.package import DiskJob, PlacedDisk
from kensho.convert.rules.journey import blocked, note, warning
from kensho.convert.source import opened_image
from kensho.disks.base import DiskReader
from kensho.guest.inspect.systems import Opened, System, find_systems
from kensho.guest.rootfs.image import processor, settings
from kensho.guest.rootfs.layer import write_layer
from kensho.guest.rootfs.select import survey
from kensho.guest.volumes.scan import scan
from kensho.guest.windows.installed import windows_folder
from kensho.model.appliance import Appliance
from kensho.model.errors import KenshoError, UnsupportedError, VerificationError
from kensho.model.finding import Finding
from kensho.model.progress import Meter
from kensho.model.units import format_bytes
from kensho.storage.file import FileSink, FileSource
from kensho.storage.oci_layout import OciArchive
from kensho.storage.tar import BLOCK, read_members

_PIECE = 1 << 20
Opener = Callable[[], AbstractContextManager[DiskReader]]


def look_for_root(package: Package, appliance: Appliance) -> Iterator[Finding]:
    """Yield what there is to say of an image of a machine's root; blocked when there can be none."""
    name = appliance.name
    yield note(
        "KF-512",
        "an image has the guest's files only: no kernel, boot loader, firmware, processors, memory,"
        " adapters or disks",
        name,
        "what starts its services is the guest's own first program; the host gives the kernel",
    )
    if package.arrival is not None:
        yield blocked(
            "KF-513", "files cannot be read out of a pipe", name, "save it, and name the file"
        )
        return
    images = dict.fromkeys(d.image for m in appliance.machines for d in m.disks)
    try:
        with _system([partial(opened_image, package, image) for image in images]) as system:
            for line, why in system.missing:
                yield warning(
                    "KF-514",
                    f"what is mounted at {line.place} is not taken: {why}",
                    name,
                    "the directory in the image is as it is without it",
                )
            for files in (system.files.root, *system.files.mounts.values()):
                for odd in files.warnings:
                    yield warning(
                        "KF-801",
                        f"{system.volume.id}: a file system {odd}",
                        name,
                        "shut the guest down properly, or start it once, then copy its disks again",
                    )
            found = survey(system.files)
    except KenshoError as error:
        yield blocked("KF-513", error.message, name, error.hint)
        return
    yield note(
        "KF-515",
        f"{found.files} files with {format_bytes(found.size)} are taken from {system.volume.id}",
        name,
    )
    for reason, count in sorted(found.left_out.items()):
        examples = ", ".join(found.examples[reason][:3])
        yield note("KF-515", f"{count} left out: {reason} ({examples})", name)


def write_rootfs(
    sink: FileSink,
    appliance: Appliance,
    jobs: Sequence[DiskJob],
    *,
    name: str,
    timestamp: int,
    compression: str,
) -> tuple[PlacedDisk, ...]:
    """Write the image; see `kensho.appliances.package.Container`. There are no disks in it.

    UnsupportedError when there is not exactly one Linux system on the disks.
    """
    del appliance, compression
    openers = [job.open for job in jobs if job.open is not None]
    with _system(openers) as system:
        archive = OciArchive(sink, timestamp)
        archive.begin_layer()
        write_layer(system.files, archive.append)
        archive.end_layer()
        archive.finish(
            name=name,
            architecture=processor(system.files),
            settings=settings(system.files),
        )
    return ()


def verify_rootfs(package: Package, path: Path, images: Sequence[str], meter: Meter) -> None:
    """Read the guest's files again and compare them with the layer, which has to have its digest.

    Raises VerificationError.
    """
    again = hashlib.sha256()
    done = 0

    def count(data: bytes) -> None:
        nonlocal done
        again.update(data)
        done += len(data)
        meter(min(done, total), total)

    with FileSource(path) as archive:
        members = [m for m in read_members(archive) if m.name.startswith("blobs/")]
        layer = max(members, key=lambda m: m.size)
        total = layer.size
        stored = hashlib.sha256()
        for at in range(0, layer.size, _PIECE):
            stored.update(archive.read_at(layer.offset + at, min(_PIECE, layer.size - at)))
    with _system([partial(opened_image, package, image) for image in images]) as system:
        write_layer(system.files, count)
    again.update(bytes(2 * BLOCK))
    digest = layer.name.rpartition("/")[2]
    if not stored.hexdigest() == again.hexdigest() == digest:
        raise VerificationError("the image differs from the guest's files", path=path)


@contextmanager
def _system(openers: Sequence[Opener]) -> Iterator[System]:
    """Open the one Linux system on some disks; UnsupportedError when there is none, or several."""
    with ExitStack() as stack:
        opened = Opened(scan([stack.enter_context(opener()) for opener in openers]))
        opened.open_all()
        found = [s for s in find_systems(opened) if not windows_folder(s.files)]
        if len(found) != 1:
            why = "; ".join(f"{v}: {p}" for v, p in sorted(opened.problems.items())[:5])
            raise UnsupportedError(
                f"{len(found)} Linux systems are on the disks, one is taken"
                + (f" ({why})" if why and not found else ""),
                hint="kensho inspect --deep shows what is on them",
            )
        yield found[0]
