"""Write a machine as a libvirt domain for QEMU/KVM.

Source: https://libvirt.org/formatdomain.html and the RELAX NG schema ``domain.rng`` that libvirt
installs (checked with virt-xml-validate of libvirt 9.0); metadata of the guest system after
https://gitlab.com/libosinfo/libosinfo. The schema wants absolute paths, so disks are named
under `IMAGES_FOLDER`, where libvirt's default storage pool lives.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping

from lxml import etree

from kensho.appliances.libvirt.extras import add_extras
from kensho.appliances.libvirt.platform import add_clock, add_features, add_firmware
from kensho.appliances.mapped import (
    boot_ranks,
    controller_of,
    not_supported,
    only_machine,
    placed_disk,
)
from kensho.appliances.names import file_stem
from kensho.appliances.package import Document, PlacedDisk
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.machine import (
    Bus,
    Cdrom,
    ControllerModel,
    Cpu,
    Disk,
    Firmware,
    Machine,
    NicModel,
)
from kensho.platforms.base import CACHES
from kensho.platforms.kvm import LIBVIRT
from kensho.platforms.words import controller_word, word_for

IMAGES_FOLDER = "/var/lib/libvirt/images"
OSINFO_NS = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
AGENT_PORT = "org.qemu.guest_agent.0"  #: as QEMU's agent looks for it
KENSHO_NS = "urn:kensho:libvirt:1"  #: what a domain has no element for, such as network names

_UNICAST_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", re.IGNORECASE)
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME.xml``, a domain to ``virsh define``.

    Raises UnsupportedError for several machines and for a device libvirt has no word for.
    """
    machine = only_machine(appliance, "libvirt")
    stem = file_stem(appliance.name)
    root = etree.Element("domain", type="kvm", nsmap={"kensho": KENSHO_NS, "libosinfo": OSINFO_NS})
    _add_identity(root, machine)
    _text(root, "memory", str(machine.memory.size // 1024), unit="KiB")
    _text(root, "vcpu", str(machine.cpu.count), placement="static")
    board = _board(machine)
    add_firmware(root, machine, board)
    add_features(root, machine, board)
    _add_cpu(root, machine.cpu)
    add_clock(root, machine)
    devices = etree.SubElement(root, "devices")
    _add_drives(devices, appliance, machine, disks)
    _add_nics(devices, machine)
    _add_others(devices, machine)
    add_extras(root, machine)
    files = (*(d.filename for d in disks.values()), *(f.href for f in appliance.files))
    root.addprevious(etree.Comment(_how_to(stem, files)))
    data = etree.tostring(
        root.getroottree(), xml_declaration=True, encoding="UTF-8", pretty_print=True
    )
    return (Document(f"{stem}.xml", data),)


def _how_to(stem: str, filenames: Iterable[str]) -> str:
    names = " ".join(sorted(filenames))
    text = (
        f"\n  Made by kensho. To use it:\n"
        f"    cp {names} {IMAGES_FOLDER}/\n"
        f"    virsh define {stem}.xml\n"
        f"  Elsewhere than in {IMAGES_FOLDER}: change the paths of <source file='…'>.\n"
        '  On a host without KVM libvirt refuses it: change type="kvm" to type="qemu".\n'
    )
    return re.sub("-(?=-)", "- ", text)  # XML allows no "--" in a comment


def _text(parent: etree._Element, tag: str, text: str = "", **attributes: str) -> etree._Element:
    child = etree.SubElement(parent, tag, attributes)
    if text:
        child.text = text
    return child


def _line(text: str) -> str:
    """Return ``text`` on one line, without what XML cannot carry."""
    return " ".join(_NOT_XML.sub(" ", text).split())


def libvirt_name(name: str) -> str:
    """Return what libvirt can call a domain; it makes file names of it: no slash, nothing hidden."""
    return _line(name).replace("/", "-").lstrip(". ") or "machine"


def _add_identity(root: etree._Element, machine: Machine) -> None:
    name = libvirt_name(machine.name)
    _text(root, "name", name)
    if machine.uuid is not None:
        with contextlib.suppress(ValueError):  # not a UUID: libvirt makes one
            _text(root, "uuid", str(uuid.UUID(machine.uuid)))
    if _line(machine.name) not in {"", name}:
        _text(root, "title", _line(machine.name))
    if machine.annotation.strip():
        _text(root, "description", _NOT_XML.sub(" ", machine.annotation))
    metadata = etree.SubElement(root, "metadata")
    info = etree.SubElement(metadata, f"{{{OSINFO_NS}}}libosinfo")
    etree.SubElement(info, f"{{{OSINFO_NS}}}os", id=guest_os.to_vendor(machine.guest.id, "osinfo"))
    if machine.nics:
        networks = etree.SubElement(metadata, f"{{{KENSHO_NS}}}networks")
        for number, nic in enumerate(machine.nics):
            attributes = {"interface": str(number), "name": _line(nic.network)}
            if nic.vlan is not None:
                attributes["vlan"] = str(nic.vlan)
            etree.SubElement(networks, f"{{{KENSHO_NS}}}network", attributes)


def _board(machine: Machine) -> str:
    """Return the machine type: q35 has PCI Express and no IDE, pc has IDE and no secure boot."""
    has_ide = any(c.bus is Bus.IDE for c in machine.controllers)
    return "pc" if has_ide and machine.firmware.kind is Firmware.BIOS else "q35"


def _add_cpu(root: etree._Element, cpu: Cpu) -> None:
    mode = "host-passthrough" if cpu.nested_virtualization else "host-model"
    element = etree.SubElement(root, "cpu", mode=mode)
    # libvirt refuses a topology that does not multiply to the number of processors.
    cores = cpu.cores_per_socket if cpu.count % max(1, cpu.cores_per_socket) == 0 else 1
    _text(
        element, "topology", sockets=str(cpu.count // cores), cores=str(cores), threads="1"
    )  # fmt: skip


def _add_drives(
    devices: etree._Element,
    appliance: Appliance,
    machine: Machine,
    disks: Mapping[str, PlacedDisk],
) -> None:
    ranks = boot_ranks(machine)
    used: dict[tuple[str, int], str] = {}
    names = {"virtio": 0, "scsi": 0, "sata": 0, "ide": 0}
    drives = [d for d in machine.drives if isinstance(d, Disk | Cdrom)]
    for drive in machine.drives:
        if drive not in drives:
            raise not_supported("libvirt", drive, "floppy")
    placed = [(controller_of(machine, d), d) for d in drives]
    placed.sort(key=lambda pair: (pair[0].bus.value, pair[0].index, pair[1].unit))
    for controller, drive in placed:
        word = controller_word(LIBVIRT.controllers, controller.model)
        if word is None:
            raise not_supported("libvirt", drive, controller.model.value)
        bus, _, model = word.partition(":")
        kind = "disk" if isinstance(drive, Disk) else "cdrom"
        element = etree.SubElement(devices, "disk", type="file", device=kind)
        if isinstance(drive, Disk):
            _add_source(element, placed_disk(drive, disks), bus, drive.cache)
        elif (inserted := appliance.file(drive.file)) is not None:
            etree.SubElement(element, "driver", name="qemu", type="raw")
            _text(element, "source", file=f"{IMAGES_FOLDER}/{inserted.href}")
        target = _text(element, "target", dev=_device_name(bus, names), bus=bus)
        if isinstance(drive, Disk):
            _add_modes(element, target, drive, bus)
        if isinstance(drive, Cdrom) or drive.read_only:
            etree.SubElement(element, "readonly")
        if controller.model is ControllerModel.LSISAS:
            # QEMU's mptsas shows no disk to the guest without a world-wide name.
            _text(element, "wwn", _wwn(machine.id, drive.id))
        if drive.id in ranks:
            _text(element, "boot", order=str(ranks[drive.id]))
        _add_address(element, controller.index, drive.unit, bus, model)
        if bus in {"scsi", "sata"}:
            used[bus, controller.index] = model
    for (bus, index), model in sorted(used.items()):
        attributes = {"type": bus, "index": str(index)} | ({"model": model} if model else {})
        etree.SubElement(devices, "controller", attributes)


def _add_source(element: etree._Element, placed: PlacedDisk, bus: str, cache: str) -> None:
    driver = {"name": "qemu", "type": placed.format}
    if cache in CACHES:
        driver["cache"] = cache
    if bus in {"virtio", "scsi", "sata"}:
        driver["discard"] = "unmap"
    etree.SubElement(element, "driver", driver)
    _text(element, "source", file=f"{IMAGES_FOLDER}/{placed.filename}")


def _add_modes(element: etree._Element, target: etree._Element, disk: Disk, bus: str) -> None:
    if disk.solid_state and bus in {"scsi", "sata", "ide"}:
        target.set("rotation_rate", "1")
    if disk.shared:
        etree.SubElement(element, "shareable")
    if disk.iops or disk.bandwidth:
        limits = etree.SubElement(element, "iotune")
        if disk.bandwidth:
            _text(limits, "total_bytes_sec", str(disk.bandwidth))
        if disk.iops:
            _text(limits, "total_iops_sec", str(disk.iops))


def _device_name(bus: str, names: dict[str, int]) -> str:
    """Return the next free name; SCSI and SATA share ``sd``."""
    prefix = {"virtio": "vd", "ide": "hd"}.get(bus, "sd")
    key = "scsi" if prefix == "sd" else bus
    number = names[key]
    names[key] += 1
    letters = ""
    while number >= 0:
        letters = chr(ord("a") + number % 26) + letters
        number = number // 26 - 1
    return prefix + letters


def _add_address(element: etree._Element, index: int, unit: int, bus: str, model: str) -> None:
    where = {"controller": str(index), "bus": "0", "target": "0", "unit": str(unit)}
    if bus == "virtio":
        return  # a PCI function; libvirt finds it a slot
    if bus == "ide":  # two channels of one chip
        where |= {"controller": "0", "bus": str(index)}
    elif model in {"lsisas1068", "lsisas1078", "vmpvscsi"}:  # these have targets, not units
        where |= {"target": str(unit), "unit": "0"}
    etree.SubElement(element, "address", {"type": "drive"} | where)


def _wwn(machine_id: str, drive_id: str) -> str:
    """Return a world-wide name in the range QEMU uses, always the same for a drive."""
    digest = hashlib.sha256(f"{machine_id}\0{drive_id}".encode()).hexdigest()
    return "5000c500" + digest[:8]


def _add_nics(devices: etree._Element, machine: Machine) -> None:
    ranks = boot_ranks(machine)
    for nic in machine.nics:
        model = word_for(LIBVIRT.nics, nic.model)
        if model is None:
            raise not_supported("libvirt", nic, nic.model.value)
        # A bridge of the host is said as bridge:NAME; anything else is a network of libvirt's.
        target = nic.target_network or "default"
        bridge = target.removeprefix("bridge:") if target.startswith("bridge:") else ""
        kind = "bridge" if bridge else "network"
        element = etree.SubElement(devices, "interface", type=kind)
        if nic.mac is not None and _UNICAST_MAC.fullmatch(nic.mac):
            _text(element, "mac", address=nic.mac.lower())
        _text(element, "source", **{kind: _line(bridge or target)})
        _text(element, "model", type=model)
        if not nic.connected:
            _text(element, "link", state="down")
        if nic.id in ranks:
            _text(element, "boot", order=str(ranks[nic.id]))


def _uses_virtio(machine: Machine) -> bool:
    virtio = {ControllerModel.VIRTIO_BLK, ControllerModel.VIRTIO_SCSI}
    return any(c.model in virtio for c in machine.controllers) or any(
        n.model is NicModel.VIRTIO for n in machine.nics
    )


def _add_others(devices: etree._Element, machine: Machine) -> None:
    for port in range(max(1, len(machine.serial_ports))):
        serial = etree.SubElement(devices, "serial", type="pty")
        _text(serial, "target", port=str(port))
    console = etree.SubElement(devices, "console", type="pty")
    _text(console, "target", type="serial", port="0")
    if machine.usb:
        for number, usb in enumerate(machine.usb):
            model = word_for(LIBVIRT.usb, usb.model) or "qemu-xhci"
            etree.SubElement(devices, "controller", type="usb", index=str(number), model=model)
        # An absolute pointer: without it the mouse in a VNC window runs away.
        etree.SubElement(devices, "input", type="tablet", bus="usb")
    else:
        etree.SubElement(devices, "controller", type="usb", index="0", model="none")
    etree.SubElement(devices, "graphics", type="vnc", autoport="yes", listen="127.0.0.1")
    video = etree.SubElement(devices, "video")
    model_of_video = {"type": "vga"}
    if machine.video is not None and machine.video.memory:
        # QEMU's VGA takes 1 to 256 MiB.
        model_of_video["vram"] = str(min(max(machine.video.memory // 1024, 1024), 262144))
    etree.SubElement(video, "model", model_of_video)
    if machine.sound is not None:
        card = word_for(LIBVIRT.sound, machine.sound.model) or "ich9"
        etree.SubElement(devices, "sound", model=card)
    if machine.firmware.tpm:
        # CRB needs UEFI; BIOS finds a TIS.
        uefi = machine.firmware.kind is Firmware.UEFI
        tpm = etree.SubElement(devices, "tpm", model="tpm-crb" if uefi else "tpm-tis")
        _text(tpm, "backend", type="emulator", version="2.0")
    # A guest without virtio drivers would show an unknown PCI device.
    virtio = _uses_virtio(machine)
    if virtio:  # without its port the guest's agent does not start
        channel = etree.SubElement(devices, "channel", type="unix")
        _text(channel, "target", type="virtio", name=AGENT_PORT)
    etree.SubElement(devices, "memballoon", model="virtio" if virtio else "none")
    if virtio:
        rng = etree.SubElement(devices, "rng", model="virtio")
        _text(rng, "backend", "/dev/urandom", model="random")
