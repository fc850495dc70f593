"""The machine of a libvirt box: disks, and the little that its Vagrantfile says of the rest.

Source: vagrant-libvirt's configuration (https://vagrant-libvirt.github.io/vagrant-libvirt/) and its
defaults: 1 processor, 512 MB, virtio for disks and adapters, one adapter on its own network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kensho.appliances.vagrant.metadata import BoxDisk, Metadata
from kensho.appliances.vagrant.vagrantfile import Vagrantfile
from kensho.model.appliance import Appliance, DiskImage, File, Network
from kensho.model.errors import CorruptError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import (
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
    Nic,
    NicModel,
)
from kensho.model.units import MIB
from kensho.platforms.kvm import LIBVIRT
from kensho.platforms.words import meaning

NETWORK = "vagrant-libvirt"  #: what the plugin calls the network it makes
_DEFAULT_MEMORY_MB, _MOST_MEMORY_MB, _MOST_CPUS = 512, 1 << 31, 4096
#: What Vagrant calls a family of guests (config.vm.guest); most boxes leave it to detection.
_GUESTS = {
    **dict.fromkeys(("linux", "debian", "ubuntu", "redhat", "fedora", "suse", "arch"), "linux"),
    "alpine": "alpine",
    "freebsd": "freebsd",
    "openbsd": "openbsd",
    "netbsd": "netbsd",
    "windows": "windows",
}
_PER_CONTROLLER = {ControllerModel.VIRTIO_BLK: 1, ControllerModel.AHCI: 6, ControllerModel.IDE: 2}


def box_disks(metadata: Metadata) -> tuple[BoxDisk, ...]:
    """Return the files of the disks, whichever version the metadata are."""
    return metadata.disks or (BoxDisk("box.img", format=metadata.format),)


def read_libvirt(
    metadata: Metadata, vagrantfile: Vagrantfile, *, name: str, firmware: Firmware | None, path: str
) -> tuple[Appliance, tuple[Finding, ...]]:
    """Return the machine; ``firmware`` is what its disk boots with where the box does not say."""
    said = vagrantfile.provider("libvirt")
    disks = box_disks(metadata)
    if len({disk.path for disk in disks}) < len(disks):
        raise CorruptError("two disks are one file", path=path, field="metadata.json disks")
    model, strange = _disk_model(said)
    controllers, drives = _place(len(disks), model)
    settings, assumed = _firmware(said, firmware)
    nic = meaning(LIBVIRT.nics, said.get("nic_model_type", "virtio")) or NicModel.UNKNOWN
    cpus = _number(said, "cpus", _MOST_CPUS) or 1
    cores = _number(said, "cores", _MOST_CPUS) or 1
    memory = _number(said, "memory", _MOST_MEMORY_MB) or _DEFAULT_MEMORY_MB
    machine = Machine(
        id="vm",
        name=name,
        cpu=Cpu(
            cpus,
            cores if cpus % cores == 0 else 1,
            nested_virtualization=said.get("nested") == "true",
        ),
        memory=Memory(memory * MIB),
        firmware=settings,
        guest=GuestOs(_GUESTS.get(vagrantfile.config.get("vm.guest", ""), "other")),
        controllers=controllers,
        drives=drives,
        nics=(Nic("nic0", nic, NETWORK, vendor_model=said.get("nic_model_type", "")),),
        hardware_versions=("kvm",),
    )
    appliance = Appliance(
        name=name,
        machines=(machine,),
        images=tuple(_image(n, disk, metadata) for n, disk in enumerate(disks)),
        files=tuple(File(f"file{n}", disk.path) for n, disk in enumerate(disks)),
        networks=(Network(NETWORK),),
    )
    missing = [word for word in ("cpus", "memory", "disk_bus") if word not in said]
    missing += ["firmware"] if assumed else []
    findings = [*_assumptions(missing, machine, path), *strange]
    return appliance, tuple(findings)


def _image(number: int, disk: BoxDisk, metadata: Metadata) -> DiskImage:
    # virtual_size is rounded up to whole GB, and not always right: the image knows.
    return DiskImage(f"disk{number}", f"file{number}", format=disk.format or metadata.format)


def _disk_model(said: Mapping[str, str]) -> tuple[ControllerModel, Sequence[Finding]]:
    word = said.get("disk_bus", "virtio")
    model = meaning(LIBVIRT.controllers, f"{word}:")
    if model is not None:
        return model, ()
    finding = Finding(
        "KF-466",
        Severity.WARNING,
        f"disk_bus is {word!r}",
        subject="Vagrantfile",
        action="the disks are put on virtio, vagrant-libvirt's default",
    )
    return ControllerModel.VIRTIO_BLK, (finding,)


def _place(count: int, model: ControllerModel) -> tuple[tuple[Controller, ...], tuple[Disk, ...]]:
    per = _PER_CONTROLLER.get(model, 7)
    controllers = tuple(Controller(f"controller{n}", model, n) for n in range(-(-count // per)))
    disks = tuple(
        Disk(f"disk{n}", f"disk{n}", f"controller{n // per}", n % per, boot_order=None if n else 1)
        for n in range(count)
    )
    return controllers, disks


def _firmware(said: Mapping[str, str], of_disk: Firmware | None) -> tuple[FirmwareSettings, bool]:
    loader = said.get("loader", "").upper()
    if any(word in loader for word in ("OVMF", "EDK2", "AAVMF", "EFI")):
        return FirmwareSettings(Firmware.UEFI, secure_boot="SECBOOT" in loader), False
    return FirmwareSettings(of_disk or Firmware.BIOS, stated=False), True


def _number(said: Mapping[str, str], key: str, most: int) -> int | None:
    text = said.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) <= most else None


def _assumptions(missing: list[str], machine: Machine, path: str) -> list[Finding]:
    if not missing:
        return []
    kind = machine.firmware.kind.upper()
    return [
        Finding(
            "KF-466",
            Severity.WARNING,
            f"the box does not say its {', '.join(missing)}: {machine.cpu.count} processor(s),"
            f" {machine.memory.size // MIB} MiB, {kind} and {machine.controllers[0].model.value}"
            " are read",
            subject=path,
            action="what it does not say are vagrant-libvirt's defaults, the firmware is what the"
            " disk boots with; --firmware corrects it",
        )
    ]
