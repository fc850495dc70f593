"""Write a backup as vzdump makes it, for ``qmrestore``: VMA, as it is or in Zstandard.

Source: vma_spec.txt of pve-qemu, vzdump(1), qmrestore(1). The configuration says with
``#qmdump#map:`` which device is which drive; a machine with UEFI or a TPM has the volumes for
them too, empty ones: variables without keys, a TPM that is set up at the first start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from kensho.appliances.mapped import only_machine
from kensho.appliances.package import Container, DiskJob, PlacedDisk
from kensho.appliances.proxmox.efi_vars import empty_variables
from kensho.appliances.proxmox.vma import Device
from kensho.appliances.proxmox.vma_archive import DeviceWriter, ExtentWriter, pack_header
from kensho.appliances.proxmox.vma_note import note_parts
from kensho.appliances.proxmox.vma_structs import CLUSTER, DEVICES, SECTOR
from kensho.appliances.proxmox.write import STORAGE, archived_config
from kensho.capacity import processors
from kensho.model.appliance import Appliance
from kensho.model.errors import UnsupportedError
from kensho.model.machine import Firmware, FirmwareSettings
from kensho.model.units import MIB
from kensho.storage.file import FileSink

if TYPE_CHECKING:
    from kensho.storage.base import ReadBuffer, StreamSink

_LEVELS = {"fast": 1, "balanced": 3, "small": 15}
_MOST_THREADS = 4
_TPM_STATE = 4 * MIB


def write_vma(
    sink: FileSink,
    appliance: Appliance,
    jobs: Sequence[DiskJob],
    *,
    name: str,
    timestamp: int,
    compression: str,
    packed: bool,
) -> tuple[PlacedDisk, ...]:
    """Write the machine and its disks; ``filename`` of a placed disk is its device's name.

    ``compression`` says how small Zstandard makes it. Raises UnsupportedError for several machines,
    devices Proxmox VE does not have and one image in two drives, UsageError for a disk without a
    job.
    """
    machine = only_machine(appliance, "Proxmox VE")
    text, images = archived_config(appliance, {job.image: _expected(job) for job in jobs})
    by_image = {image: key for key, image in images.items()}
    if len(by_image) != len(images):
        raise UnsupportedError("two drives have one image; a VMA holds a disk for each drive")
    empty = _empty_volumes(machine.firmware)
    sizes = [(key, len(data)) for key, (_, data) in empty.items()]
    sizes += [(by_image[job.image], _rounded(job.virtual_size)) for job in jobs]
    if len(sizes) >= DEVICES:
        raise UnsupportedError(f"{len(sizes)} volumes; a VMA holds {DEVICES - 1}")
    devices = {
        key: Device(number, empty[key][0] if key in empty else f"drive-{key}", size)
        for number, (key, size) in enumerate(sizes, 1)
    }
    uuid = hashlib.sha256(f"vma/{name}/{timestamp}/{text}".encode()).digest()[:16]
    maps = "".join(f"#qmdump#map:{k}:{d.name}:{STORAGE}:raw:\n" for k, d in devices.items())
    configs = {"qemu-server.conf": (text + maps).encode(errors="replace")}
    configs |= note_parts(appliance.origin)
    target: StreamSink = _Packed(sink, compression) if packed else sink
    target.append(pack_header(uuid, timestamp, configs, tuple(devices.values())))
    extents = ExtentWriter(target, uuid)
    for key, (_, data) in empty.items():
        _write_small(DeviceWriter(extents, devices[key]), data)
    placed = []
    for job in jobs:
        device, begin = devices[by_image[job.image]], target.position
        writer = DeviceWriter(extents, device)
        data_size = job.copy(writer)
        placed.append(
            PlacedDisk(
                image=job.image,
                filename=device.name,
                format="vma",
                subformat="",
                virtual_size=device.size,
                file_size=target.position - begin,
                data_size=data_size,
            )
        )
    extents.flush()
    if isinstance(target, _Packed):
        target.finish()
    return tuple(placed)


#: The containers as the platform names them.
write_plain_vma: Container = partial(write_vma, packed=False)
write_zstd_vma: Container = partial(write_vma, packed=True)


def _expected(job: DiskJob) -> PlacedDisk:
    return PlacedDisk(
        image=job.image,
        filename="",
        format="vma",
        subformat="",
        virtual_size=_rounded(job.virtual_size),
        file_size=0,
        data_size=0,
    )


def _rounded(size: int) -> int:
    return max(1, -(-size // SECTOR)) * SECTOR


def _empty_volumes(firmware: FirmwareSettings) -> dict[str, tuple[str, bytes]]:
    """Return device name and content of the volumes that are no disks, by key."""
    volumes = {}
    if firmware.kind is Firmware.UEFI:
        volumes["efidisk0"] = ("drive-efidisk0", empty_variables())
    if firmware.tpm:
        volumes["tpmstate0"] = ("drive-tpmstate0-backup", bytes(_TPM_STATE))
    return volumes


def _write_small(writer: DeviceWriter, data: bytes) -> None:
    for at in range(0, len(data), CLUSTER):
        part = memoryview(data)[at : at + CLUSTER]
        if any(part):
            writer.commit(writer.encode(at, part))
    writer.finish()


class _Packed:
    """Zstandard in front of a sink; ``position`` counts what went in."""

    def __init__(self, sink: StreamSink, compression: str) -> None:
        import zstandard

        threads = min(processors(), _MOST_THREADS)
        level = _LEVELS.get(compression, _LEVELS["fast"])
        compressor = zstandard.ZstdCompressor(level=level, threads=threads, write_checksum=True)
        self._stream = compressor.compressobj()
        self._sink = sink
        self.position = 0

    def append(self, data: ReadBuffer) -> None:
        """Compress ``data`` and append what comes of it."""
        self._sink.append(self._stream.compress(data))
        self.position += len(data)

    def finish(self) -> None:
        """Append what is left."""
        self._sink.append(self._stream.flush())
