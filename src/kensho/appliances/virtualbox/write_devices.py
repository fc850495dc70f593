"""Display, adapters, ports, sound and USB of VirtualBox's Hardware element, as they are written.

Source: VirtualBox-settings.xsd (see ``devices.py``); the words are the platform's table.
"""

from __future__ import annotations

import uuid

from lxml import etree

from kensho.appliances.mapped import not_supported
from kensho.appliances.ovf.write_xml import clean
from kensho.appliances.virtualbox.devices import ATTACHED
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.machine import Machine, Nic, SerialKind
from kensho.model.units import MIB
from kensho.platforms.virtualbox import VBOX
from kensho.platforms.words import word_for

NAMESPACE = "http://www.virtualbox.org/"
_ADAPTERS = 8
#: Base address and interrupt of the serial ports of a PC.
_UARTS = (("0x3f8", "4"), ("0x2f8", "3"), ("0x3e8", "4"), ("0x2e8", "3"))
_VIDEO = {"vboxvga": "VBoxVGA", "vmsvga": "VMSVGA", "vboxsvga": "VBoxSVGA"}
_MOST_VIDEO, _USUAL_VIDEO = 256, 32  # MiB
_MOST_DISPLAYS = 64


def tag(name: str) -> str:
    """Return the name of an element of the settings, in its namespace."""
    return f"{{{NAMESPACE}}}{name}"


def add(parent: etree._Element, name: str, /, **attributes: str) -> etree._Element:
    """Add an element; what XML cannot carry is replaced in the values."""
    element = etree.SubElement(parent, tag(name))
    for key, value in attributes.items():
        element.set(key, clean(value))
    return element


def braced(value: uuid.UUID) -> str:
    """Return a UUID as the settings have it."""
    return f"{{{value}}}"


def flag(value: bool) -> str:  # noqa: FBT001 - the value itself
    """Return XML's word."""
    return "true" if value else "false"


def add_display(display: etree._Element, machine: Machine) -> None:
    """Say the display adapter: VirtualBox's own choice for the guest unless it had one of these."""
    video = machine.video
    windows = guest_os.get(machine.guest.id).family == "windows"
    usual = "VBoxSVGA" if windows else "VMSVGA"
    memory = (video.memory // MIB if video and video.memory else _USUAL_VIDEO) or 1
    display.set("controller", _VIDEO.get(video.model.lower() if video else "", usual))
    display.set("VRAMSize", str(min(memory, _MOST_VIDEO)))
    display.set("monitorCount", str(min(video.displays if video else 1, _MOST_DISPLAYS)))
    display.set("accelerate3D", flag(bool(video and video.accelerated_3d)))


def add_network(hardware: etree._Element, machine: Machine, appliance: Appliance) -> None:
    """Add the adapters; they are on VirtualBox's NAT unless the network says otherwise."""
    network = add(hardware, "Network")
    for slot, nic in enumerate(machine.nics):
        word = word_for(VBOX.nics, nic.model)
        if word is None or slot >= _ADAPTERS:
            raise not_supported("VirtualBox", nic, nic.model.value)
        adapter = add(network, "Adapter", slot=str(slot), enabled="true", type=word)
        if nic.mac is not None:
            adapter.set("MACAddress", nic.mac.replace(":", "").upper())
        adapter.set("cable", flag(nic.connected))
        _attach(adapter, nic, appliance)


def _attach(adapter: etree._Element, nic: Nic, appliance: Appliance) -> None:
    if nic.target_network:
        add(adapter, "BridgedInterface", name=nic.target_network)
        return
    known = next((n for n in appliance.networks if n.name == nic.network), None)
    words = {text: kind for kind, text in ATTACHED.items()}  # the last of two equal ones
    kind = words.get(known.description, "NAT") if known is not None else "NAT"
    if kind in {"NAT", "GenericInterface"} or known is None:
        add(adapter, "NAT")
    else:
        kind = "BridgedInterface" if kind == "HostInterface" else kind
        add(adapter, kind, name=known.name)


def add_ports(hardware: etree._Element, machine: Machine) -> None:
    """Add the serial ports; what was at their other end on the old host is not there."""
    if not machine.serial_ports:
        return
    uart = add(hardware, "UART")
    for slot, (port, (base, interrupt)) in enumerate(
        zip(machine.serial_ports, _UARTS, strict=False)
    ):
        element = add(uart, "Port", slot=str(slot), enabled="true", IOBase=base, IRQ=interrupt)
        mode = word_for(VBOX.serial, port.kind) if port.kind is SerialKind.NETWORK else None
        if mode is None or not port.target:
            element.set("hostMode", "Disconnected")
        else:
            element.set("hostMode", mode)
            element.set("path", clean(port.target))
            element.set("server", "true")


def add_audio(hardware: etree._Element, machine: Machine, version: str) -> None:
    """Add the sound card, or say that there is none."""
    # "Default" is what 7.0 brought; a word 6.1 does not know makes it refuse the file.
    driver = "Null" if version == "1.18" else "Default"
    if machine.sound is None:
        add(hardware, "AudioAdapter", driver=driver, enabled="false")
        return
    word = word_for(VBOX.sound, machine.sound.model) or "HDA"
    add(
        hardware,
        "AudioAdapter",
        controller=word,
        driver=driver,
        enabled="true",
        enabledOut="true",
    )


def add_usb(hardware: etree._Element, machine: Machine) -> None:
    """Add the USB controllers; one for full speed where the neutral model has UHCI."""
    controllers = add(add(hardware, "USB"), "Controllers")
    words = [word_for(VBOX.usb, usb.model) or "OHCI" for usb in machine.usb]
    for word in dict.fromkeys(words):
        add(controllers, "Controller", name=word, type=word)
