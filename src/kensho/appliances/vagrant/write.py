"""Vagrant boxes, written in one pass: plain tar archives with qcow2 or VMDK disks inside.

Source: https://developer.hashicorp.com/vagrant/docs/boxes/format. Vagrant unpacks what bsdtar
knows, so the archive is not packed once more: the disks are compressed already where the provider
reads that. What a Vagrantfile is told stands in it as one quoted literal each (`ruby.quote`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from kensho.appliances.disk_job import write_job
from kensho.appliances.mapped import only_machine
from kensho.appliances.names import file_stem
from kensho.appliances.ovf.write import render_descriptor
from kensho.appliances.ovf.write_dialects.virtualbox import VIRTUALBOX
from kensho.appliances.package import DiskJob, PlacedDisk
from kensho.appliances.vagrant.metadata import NAME, NOTE, BoxDisk
from kensho.appliances.vagrant.recognise import VIRTUALBOX_OVF
from kensho.appliances.vagrant.settings import libvirt_lines, virtualbox_lines, vmware_lines
from kensho.appliances.vmx.write import render as render_vmx
from kensho.model.appliance import Appliance
from kensho.model.machine import Machine
from kensho.model.origin import dump_origin
from kensho.model.units import GIB
from kensho.storage.file import FileSink
from kensho.storage.tar_write import TarWriter


def write_libvirt_box(
    sink: FileSink,
    appliance: Appliance,
    jobs: Sequence[DiskJob],
    *,
    name: str,
    timestamp: int,
    compression: str,
) -> tuple[PlacedDisk, ...]:
    """Write a box for vagrant-libvirt: ``box.img``, or ``box_N.img`` for several disks.

    The disk the machine starts from is the first one. See `Container` for the parameters;
    UnsupportedError for several machines.
    """
    machine = only_machine(appliance, "Vagrant")
    ordered = _boot_first(machine, jobs)
    names = ["box.img"] if len(ordered) == 1 else [f"box_{n}.img" for n in range(len(ordered))]
    tar = TarWriter(sink, mtime=timestamp)
    _add_json(tar, _libvirt_metadata(machine, ordered, names))
    tar.add("Vagrantfile", libvirt_lines(machine))
    placed = [
        _write_region(tar, job, filename, "qcow2", "compressed", f"{name}/{job.image}", compression)
        for job, filename in zip(ordered, names, strict=True)
    ]
    _add_note(tar, appliance)
    tar.finish()
    return tuple(placed)


def write_virtualbox_box(
    sink: FileSink,
    appliance: Appliance,
    jobs: Sequence[DiskJob],
    *,
    name: str,
    timestamp: int,
    compression: str,
) -> tuple[PlacedDisk, ...]:
    """Write a box for VirtualBox: ``box.ovf`` with streamOptimized VMDK disks beside it."""
    machine = only_machine(appliance, "Vagrant")
    tar = TarWriter(sink, mtime=timestamp)
    _add_json(tar, {"provider": "virtualbox"})
    tar.add("Vagrantfile", virtualbox_lines(machine, _base_mac(machine, name)))
    placed = []
    for number, job in enumerate(jobs, start=1):
        filename = f"box-disk{number:03d}.vmdk"
        stream = tar.begin(filename)
        sizes = write_job(
            job,
            stream,
            "vmdk",
            "streamOptimized",
            compression=compression,
            identity=f"{name}/{job.image}",
        )
        placed.append(_placed(job, filename, "vmdk", "streamOptimized", sizes, tar.end()))
    disks = {disk.image: disk for disk in placed}
    tar.add(VIRTUALBOX_OVF, render_descriptor(appliance, disks, VIRTUALBOX))
    tar.finish()
    return tuple(placed)


def write_vmware_box(
    sink: FileSink,
    appliance: Appliance,
    jobs: Sequence[DiskJob],
    *,
    name: str,
    timestamp: int,
    compression: str,
) -> tuple[PlacedDisk, ...]:
    """Write a box for VMware Workstation and Fusion: a VMX with its VMDK disks."""
    machine = only_machine(appliance, "Vagrant")
    stem = file_stem(name)
    tar = TarWriter(sink, mtime=timestamp)
    _add_json(tar, {"provider": "vmware_desktop"})
    tar.add("Vagrantfile", vmware_lines(machine))
    placed = [
        _write_region(
            tar,
            job,
            f"{stem}-disk{number}.vmdk",
            "vmdk",
            "monolithicSparse",
            f"{name}/{job.image}",
            compression,
        )
        for number, job in enumerate(jobs, start=1)
    ]
    named = msgspec.structs.replace(appliance, name=stem)
    for document in render_vmx(named, {disk.image: disk for disk in placed}):
        tar.add(document.name, document.data)
    _add_note(tar, appliance)
    tar.finish()
    return tuple(placed)


def _boot_first(machine: Machine, jobs: Iterable[DiskJob]) -> list[DiskJob]:
    boot = machine.boot_disk()
    return sorted(jobs, key=lambda job: boot is None or job.image != boot.image)


def _libvirt_metadata(
    machine: Machine, jobs: Sequence[DiskJob], names: Sequence[str]
) -> dict[str, object]:
    gigabytes = -(-jobs[0].virtual_size // GIB) if jobs else 1
    found: dict[str, object] = {
        "provider": "libvirt",
        "name": machine.name.encode("utf-8", "replace").decode(),
        "format": "qcow2",
        "virtual_size": max(1, gigabytes),
    }
    if len(names) > 1:
        found["disks"] = [BoxDisk(name) for name in names]
    return found


def _add_json(tar: TarWriter, value: dict[str, object]) -> None:
    tar.add(NAME, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _add_note(tar: TarWriter, appliance: Appliance) -> None:
    """Keep the note of where the machine came from, which Vagrant does not look at."""
    if appliance.origin is not None:
        tar.add(NOTE, dump_origin(appliance.origin, indent=1).encode())


def _base_mac(machine: Machine, name: str) -> str:
    """Return the address of the first adapter, which Vagrant wants to know of a VirtualBox box."""
    stated = machine.nics[0].mac if machine.nics else None
    if stated is not None:
        return stated.replace(":", "").upper()
    # VirtualBox's own prefix, and the same address for the same machine every time.
    return "080027" + hashlib.sha256(f"{name}/nic0".encode()).hexdigest()[:6].upper()


def _write_region(
    tar: TarWriter,
    job: DiskJob,
    filename: str,
    format_: str,
    subformat: str,
    identity: str,
    compression: str,
) -> PlacedDisk:
    region = tar.region(filename)
    sizes = write_job(job, region, format_, subformat, compression=compression, identity=identity)
    return _placed(job, filename, format_, subformat, sizes, tar.end())


def _placed(
    job: DiskJob,
    filename: str,
    format_: str,
    subformat: str,
    sizes: tuple[int, int],
    file_size: int,
) -> PlacedDisk:
    return PlacedDisk(
        image=job.image,
        filename=filename,
        format=format_,
        subformat=subformat,
        virtual_size=sizes[0],
        file_size=file_size,
        data_size=sizes[1],
    )


__all__ = ["write_libvirt_box", "write_virtualbox_box", "write_vmware_box"]
