"""VMX configurations for Workstation, Player, Fusion and ESXi folders.

Source: the settings VMware's products write themselves (there is no published specification),
as collected in libvirt's vmx2xml test data.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping

from kensho.appliances.mapped import controller_of, only_machine, placed_disk
from kensho.appliances.names import file_stem
from kensho.appliances.ovf.write_dialects.base import memory_size
from kensho.appliances.ovf.write_dialects.vmware import (
    MEMORY_STEP,
    MOST_DISPLAYS,
    MOST_VIDEO_MEMORY,
)
from kensho.appliances.package import Document, PlacedDisk
from kensho.appliances.vmx.boot import boot_entries
from kensho.appliances.vmx.extras import kept
from kensho.appliances.vmx.text import to_vmx
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.errors import UnsupportedError
from kensho.model.machine import (
    Bus,
    Cdrom,
    Controller,
    Disk,
    Firmware,
    Floppy,
    Machine,
    Nic,
    NicModel,
    SerialKind,
)
from kensho.model.units import MIB
from kensho.platforms.versions import to_write
from kensho.platforms.vmware import VERSIONS, VMX
from kensho.platforms.words import controller_word, word_for

Entry = tuple[str, str | int | bool]

#: Workstation's own networks by the words people use for them; any other name is ESXi's.
_CONNECTIONS = {"nat": "nat", "hostonly": "hostonly", "host-only": "hostonly"}


def render(
    appliance: Appliance, disks: Mapping[str, PlacedDisk], *, hosted: bool = True
) -> tuple[Document, ...]:
    """Return NAME.vmx of the appliance's one machine, for a folder with its VMDK files.

    NAME is made of the appliance's name. Raises UnsupportedError for several machines and for
    a controller or adapter VMware does not have, UsageError for a disk that was not placed.
    ``hosted`` machines are those of Workstation and Fusion, others ESXi's.
    """
    machine = only_machine(appliance, "VMX")
    stem = file_stem(appliance.name)
    entries = [
        *_general(machine, hosted=hosted),
        *_settings(appliance, machine),
        *_controllers(machine),
        *_drives(appliance, machine, disks),
        *(entry for number, nic in enumerate(machine.nics) for entry in _nic(nic, number)),
        *boot_entries(machine, lambda drive: _place(machine, drive)),
        *_serial_ports(machine, stem),
        *_other_devices(machine),
        *_texts(machine),
    ]
    entries += kept(machine.extras, entries)
    return (Document(f"{stem}.vmx", to_vmx(entries)),)


def _general(machine: Machine, *, hosted: bool) -> Iterator[Entry]:
    yield ".encoding", "UTF-8"
    yield "config.version", 8
    yield "virtualHW.version", int(to_write(VERSIONS, machine).name.removeprefix("vmx-"))
    if hosted:
        yield "virtualHW.productCompatibility", "hosted"
    # pvscsi, lsisas1068, e1000e, vmxnet3 and nvme sit behind PCIe root ports.
    yield "pciBridge0.present", True
    for number in (4, 5, 6, 7):
        yield f"pciBridge{number}.present", True
        yield f"pciBridge{number}.virtualDev", "pcieRootPort"
        yield f"pciBridge{number}.functions", 8
    yield "vmci0.present", True
    yield "hpet0.present", True
    # Three escapes of vSphere's are taken for what they stand for, here and by others.
    yield "displayName", re.sub(r"%(?=25|2[fF]|5[cC])", "%25", machine.name)
    given = [w.removeprefix("vmx:") for w in machine.guest.vendor if w.startswith("vmx:")]
    yield "guestOS", next(iter(given), "") or guest_os.to_vendor(machine.guest.id, "vmx")
    if given and machine.guest.description:
        yield "guestOSAltName", machine.guest.description
    if machine.firmware.kind is Firmware.UEFI:
        yield "firmware", "efi"
        if machine.firmware.secure_boot:
            yield "uefi.secureBoot.enabled", True
    yield "memsize", memory_size(machine, MEMORY_STEP) // MIB
    yield "numvcpus", machine.cpu.count
    if machine.cpu.cores_per_socket > 1:
        yield "cpuid.coresPerSocket", machine.cpu.cores_per_socket


def _settings(appliance: Appliance, machine: Machine) -> Iterator[Entry]:
    """Yield what processors, memory and firmware have beside their size and kind."""
    cpu, memory = machine.cpu, machine.memory
    if cpu.hot_add:
        yield "vcpu.hotadd", True
    if memory.hot_add:
        yield "mem.hotadd", True
    if cpu.nested_virtualization:
        yield "vhv.enable", True
    # ESXi counts in MHz and MiB.
    for key, value, unit in (
        ("sched.cpu.min", cpu.reservation_hz, 1_000_000),
        ("sched.cpu.max", cpu.limit_hz, 1_000_000),
        ("sched.mem.min", memory.reservation, MIB),
        ("sched.mem.max", memory.limit, MIB),
    ):
        if value:
            yield key, -(-value // unit)
    store = appliance.file(machine.firmware.nvram)
    if store is not None:
        yield "nvram", store.href


def _controllers(machine: Machine) -> Iterator[Entry]:
    for controller in machine.controllers:
        word = controller_word(VMX.controllers, controller.model)
        if word is None:
            raise UnsupportedError(
                f"VMware has no controller {controller.model.value} ({machine.name})",
                field=controller.id,
            )
        prefix, _, kind = word.partition(":")
        if prefix == "ide":
            continue  # always there
        key = f"{prefix}{controller.index}"
        yield f"{key}.present", True
        if kind:
            yield f"{key}.virtualDev", kind
        if controller.pci_slot is not None:
            yield f"{key}.pciSlotNumber", controller.pci_slot


def _drives(
    appliance: Appliance, machine: Machine, disks: Mapping[str, PlacedDisk]
) -> Iterator[Entry]:
    taken: set[str] = set()
    floppies = 0
    for drive in machine.drives:
        if isinstance(drive, Floppy):
            yield f"floppy{floppies}.present", True
            yield f"floppy{floppies}.startConnected", False
            yield f"floppy{floppies}.fileType", "device"
            yield f"floppy{floppies}.fileName", "auto detect"
            floppies += 1
            continue
        controller = controller_of(machine, drive)
        key = _place(machine, drive)
        if key in taken:
            raise UnsupportedError(f"two drives of {machine.name} at {key}", field=drive.id)
        taken.add(key)
        yield f"{key}.present", True
        if isinstance(drive, Disk):
            yield f"{key}.fileName", placed_disk(drive, disks).filename
            if controller.bus is Bus.SCSI:
                yield f"{key}.deviceType", "scsi-hardDisk"
            yield from _mode(key, drive)
        elif (inserted := appliance.file(drive.file)) is not None:
            yield f"{key}.deviceType", "cdrom-image"
            yield f"{key}.fileName", inserted.href
        else:
            yield f"{key}.deviceType", "cdrom-raw"
            yield f"{key}.fileName", "auto detect"
            yield f"{key}.autodetect", True
            yield f"{key}.startConnected", False
    if not floppies:
        yield "floppy0.present", False  # VMware assumes one otherwise


def _place(machine: Machine, drive: Disk | Cdrom) -> str:
    return f"{_controller_key(controller_of(machine, drive))}:{drive.unit}"


def _mode(key: str, disk: Disk) -> Iterator[Entry]:
    persistence = "nonpersistent" if disk.nonpersistent else "persistent"
    if disk.independent:
        yield f"{key}.mode", f"independent-{persistence}"
    elif disk.nonpersistent:
        yield f"{key}.mode", persistence


def _nic(nic: Nic, number: int) -> Iterator[Entry]:
    model = word_for(VMX.nics, nic.model)
    if model is None:
        name = nic.vendor_model if nic.model is NicModel.UNKNOWN else nic.model.value
        raise UnsupportedError(f"VMware has no adapter {name or 'unknown'}", field=nic.id)
    key = f"ethernet{number}"
    yield f"{key}.present", True
    yield f"{key}.virtualDev", "vmxnet" if model == "vmxnet2" else model
    if model == "vmxnet2":
        yield f"{key}.features", 15
    # Workstation goes by the type, ESXi by the name.
    yield f"{key}.connectionType", _CONNECTIONS.get(nic.network.lower(), "bridged")
    if nic.network:
        yield f"{key}.networkName", nic.network
    if nic.mac is None:
        yield f"{key}.addressType", "generated"
    else:
        yield f"{key}.addressType", "static"
        yield f"{key}.address", nic.mac
        if not _is_static(nic.mac):
            yield f"{key}.checkMACAddress", False
    if not nic.connected:
        yield f"{key}.startConnected", False
    if nic.pci_slot is not None:
        yield f"{key}.pciSlotNumber", nic.pci_slot


def _is_static(mac: str) -> bool:
    """Tell whether VMware takes the address as static without being told: 00:50:56:00 … 3f."""
    octets = mac.lower().split(":")
    return octets[:3] == ["00", "50", "56"] and len(octets) == 6 and octets[3] <= "3f"


def _serial_ports(machine: Machine, stem: str) -> Iterator[Entry]:
    for number, port in enumerate(machine.serial_ports):
        key = f"serial{number}"
        yield f"{key}.present", True
        # Where the port ended on the old host is not the new host's business, and a path out
        # of a stranger's package must never become one that VMware writes to.
        if port.kind is SerialKind.FILE:
            yield f"{key}.fileType", "file"
            yield f"{key}.fileName", f"{stem}-serial{number}.log"
        else:
            yield f"{key}.fileType", "device"
            yield f"{key}.fileName", "auto detect"
            yield f"{key}.autodetect", True
        yield f"{key}.startConnected", False


def _other_devices(machine: Machine) -> Iterator[Entry]:
    present = {"uhci" if usb.model == "ohci" else usb.model for usb in machine.usb}
    if "ehci" in present:
        present.add("uhci")  # high speed is an addition to VMware's USB 1.1 adapter
    for usb in VMX.usb:
        if usb.means in present:
            yield f"{usb.words[0]}.present", True
    sound = None if machine.sound is None else word_for(VMX.sound, machine.sound.model)
    if sound is not None:
        yield "sound.present", True
        yield "sound.virtualDev", sound
        yield "sound.fileName", "-1"
        yield "sound.autodetect", True
    yield "svga.present", True
    if machine.video is not None:
        if machine.video.memory is not None:
            yield "svga.vramSize", min(machine.video.memory, MOST_VIDEO_MEMORY)
        if machine.video.displays > 1:
            yield "svga.numDisplays", min(machine.video.displays, MOST_DISPLAYS)
        if machine.video.accelerated_3d:
            yield "mks.enable3d", True


def _texts(machine: Machine) -> Iterator[Entry]:
    if machine.uuid is not None:
        text = _bios_uuid(machine.uuid)
        if text:
            yield "uuid.bios", text
            yield "uuid.action", "keep"  # else the first start asks whether it was copied
    if machine.annotation:
        yield "annotation", machine.annotation
    # The planner leaves a source's environment out; what is here was made for this machine.
    for extra in machine.extras:
        if extra.dialect == "vmx" and extra.where == "guestinfo.ovfEnv":
            yield extra.where, extra.text


def _bios_uuid(text: str) -> str:
    """Return VMware's notation, ``56 4d … -… ef 31``; empty when it is no UUID."""
    try:
        raw = uuid.UUID(text).bytes
    except ValueError:
        return ""
    return f"{raw[:8].hex(' ')}-{raw[8:].hex(' ')}"


def _controller_key(controller: Controller) -> str:
    return f"{controller.bus.value}{controller.index}"
