"""Write a domain for libvirt's driver of Xen (libxl).

Source: https://libvirt.org/formatdomain.html, https://libvirt.org/drvxen.html, and what libvirt 9.0
itself makes of xl's configurations (src/libxl/xen_xl.c): names of devices and bridges are those of
the configuration for xl.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lxml import etree

from kensho.appliances.libvirt.write import IMAGES_FOLDER, libvirt_name
from kensho.appliances.mapped import boot_ranks, not_supported, only_machine, placed_disk
from kensho.appliances.names import file_stem
from kensho.appliances.package import Document, PlacedDisk
from kensho.appliances.xen.kept import Kept, kept_of
from kensho.appliances.xen.vdevs import device_names
from kensho.appliances.xen.write import bridge_of, is_local_time, mac_of, start_of, uuid_of
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.machine import Cdrom, Disk, Firmware, Machine, Nic, NicModel
from kensho.platforms.kvm import LIBVIRT
from kensho.platforms.words import word_for
from kensho.platforms.xen import XL

#: Where Xen's packages put the firmware; libvirt only looks whether one is named.
_HVMLOADER = "/usr/lib/xen/boot/hvmloader"
_OVMF = "/usr/lib/xen/boot/ovmf.bin"
_BUSES = {"xvd": "xen", "hd": "ide", "sd": "scsi"}  # by how a drive's name begins
_BOOT = {Disk: "hd", Cdrom: "cdrom", Nic: "network"}
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME.xml``, a domain for ``virsh -c xen:///system define``.

    Raises UnsupportedError for several machines and for devices Xen does not have.
    """
    machine = only_machine(appliance, "libvirt")
    kept = kept_of(machine)
    stem = file_stem(appliance.name)
    root = etree.Element("domain", type="xen")
    _add(root, "name", libvirt_name(machine.name))
    if known := uuid_of(machine):
        _add(root, "uuid", known)
    if machine.annotation.strip():
        _add(root, "description", machine.annotation)
    _add(root, "memory", str(machine.memory.size // 1024), unit="KiB")
    if machine.memory.minimum:
        _add(root, "currentMemory", str(start_of(machine) // 1024), unit="KiB")
    _add(root, "vcpu", str(machine.cpu.count))
    _add_start(root, machine, kept)
    is_windows = guest_os.get(machine.guest.id).family == "windows"
    if not kept.paravirtual:
        features = etree.SubElement(root, "features")
        for name in ("acpi", "apic", "pae"):
            etree.SubElement(features, name)
        if is_windows:
            etree.SubElement(etree.SubElement(features, "hyperv"), "relaxed", state="on")
    if machine.cpu.nested_virtualization:
        cpu = etree.SubElement(root, "cpu", mode="host-passthrough")
        etree.SubElement(cpu, "feature", policy="require", name="vmx")
    _add(root, "clock", offset="localtime" if is_local_time(machine) else "utc")
    devices = etree.SubElement(root, "devices")
    _add_drives(devices, appliance, machine, disks, kept)
    for nic in machine.nics:
        _add_nic(devices, nic)
    _add_others(devices, machine, kept)
    root.addprevious(etree.Comment(_how_to(stem, disks)))
    data = etree.tostring(
        root.getroottree(), xml_declaration=True, encoding="UTF-8", pretty_print=True
    )
    return (Document(f"{stem}.xml", data),)


def _add_start(root: etree._Element, machine: Machine, kept: Kept) -> None:
    """Add how the guest starts: firmware, or boot loader or kernel of a paravirtualized one."""
    settings = {key: text for key, text in kept.settings.items() if isinstance(text, str)}
    if kept.paravirtual and (loader := settings.get("bootloader")):
        _add(root, "bootloader", loader)
    element = etree.SubElement(root, "os")
    if kept.paravirtual:
        kind = "xenpvh" if kept.paravirtual == "pvh" else "linux"
        _add(
            element, "type", kind, arch="x86_64", machine="xenpvh" if kind == "xenpvh" else "xenpv"
        )
        for key, tag in (("kernel", "kernel"), ("ramdisk", "initrd"), ("cmdline", "cmdline")):
            if key in settings:
                _add(element, tag, settings[key])
        return
    _add(element, "type", "hvm", arch="x86_64", machine="xenfv")
    if machine.firmware.kind is Firmware.UEFI:
        _add(element, "loader", _OVMF, readonly="yes", type="pflash")
    else:
        _add(element, "loader", _HVMLOADER, type="rom")
    devices: dict[str, type[Disk | Cdrom | Nic]] = {
        d.id: type(d) for d in machine.drives if isinstance(d, Disk | Cdrom)
    }
    devices |= {nic.id: Nic for nic in machine.nics}
    ranks = boot_ranks(machine)
    kinds = [_BOOT[devices[device]] for device in sorted(ranks, key=ranks.__getitem__)]
    for kind in dict.fromkeys(kinds):
        etree.SubElement(element, "boot", dev=kind)


def _add_drives(
    devices: etree._Element,
    appliance: Appliance,
    machine: Machine,
    disks: Mapping[str, PlacedDisk],
    kept: Kept,
) -> None:
    names = device_names(machine)
    for drive in machine.drives:
        name = names[drive.id]
        is_disk = isinstance(drive, Disk)
        element = etree.SubElement(
            devices, "disk", type="file", device="disk" if is_disk else "cdrom"
        )
        placed = placed_disk(drive, disks) if isinstance(drive, Disk) else None
        file = appliance.file(drive.file) if isinstance(drive, Cdrom) else None
        format_ = placed.format if placed is not None else "raw"
        etree.SubElement(element, "driver", name="qemu", type=format_)
        filename = placed.filename if placed is not None else file.href if file else ""
        if filename:
            _add(element, "source", file=f"{IMAGES_FOLDER}/{filename}")
        bus = next(word for prefix, word in _BUSES.items() if name.startswith(prefix))
        bus = "xen" if kept.paravirtual else bus  # there is no chip behind a name
        etree.SubElement(element, "target", dev=name, bus=bus)
        if not is_disk or (isinstance(drive, Disk) and drive.read_only):
            etree.SubElement(element, "readonly")
        if isinstance(drive, Disk) and drive.shared:
            etree.SubElement(element, "shareable")


def _add_nic(devices: etree._Element, nic: Nic) -> None:
    word = word_for(XL.nics, nic.model)
    if word is None:
        raise not_supported("Xen", nic, nic.model.value)
    element = etree.SubElement(devices, "interface", type="bridge")
    if mac := mac_of(nic):
        _add(element, "mac", address=mac)
    _add(element, "source", bridge=bridge_of(nic))
    _add(element, "model", type="netfront" if nic.model is NicModel.XEN else word)


def _add_others(devices: etree._Element, machine: Machine, kept: Kept) -> None:
    if kept.paravirtual:
        console = etree.SubElement(devices, "console", type="pty")
        _add(console, "target", type="xen", port="0")
        return
    for port in range(max(1, len(machine.serial_ports))):
        _add(etree.SubElement(devices, "serial", type="pty"), "target", port=str(port))
    for number, usb in enumerate(machine.usb[:1]):
        model = word_for(LIBVIRT.usb, usb.model) or "piix3-uhci"
        etree.SubElement(devices, "controller", type="usb", index=str(number), model=model)
    if machine.usb:
        etree.SubElement(devices, "input", type="tablet", bus="usb")
    etree.SubElement(devices, "graphics", type="vnc", autoport="yes", listen="127.0.0.1")
    video = machine.video
    model = {"cirrus": "cirrus", "qxl": "qxl"}.get(video.model if video else "", "vga")
    element = etree.SubElement(etree.SubElement(devices, "video"), "model", type=model)
    if video is not None and video.memory:
        element.set("vram", str(max(16384, min(524288, video.memory // 1024))))
    if machine.sound is not None:
        card = word_for(LIBVIRT.sound, machine.sound.model) or "ac97"
        etree.SubElement(devices, "sound", model=card)


def _add(parent: etree._Element, tag: str, text: str = "", **attributes: str) -> etree._Element:
    plain = {key: _NOT_XML.sub(" ", value) for key, value in attributes.items()}
    element = etree.SubElement(parent, tag, plain)
    if text:
        element.text = _NOT_XML.sub(" ", text)
    return element


def _how_to(stem: str, disks: Mapping[str, PlacedDisk]) -> str:
    names = " ".join(sorted(disk.filename for disk in disks.values()))
    text = (
        f"\n  Made by kensho. To use it:\n"
        f"    cp {names} {IMAGES_FOLDER}/\n"
        f"    virsh -c xen:///system define {stem}.xml\n"
        f"  Bridges are those of the host: change them where it has others.\n"
    )
    return re.sub("-(?=-)", "- ", text)  # XML allows no "--" in a comment
