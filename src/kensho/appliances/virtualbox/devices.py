"""Adapters, ports, display, sound and USB of VirtualBox's Hardware element.

Source: VirtualBox-settings.xsd (TNetworkAdapter, TUARTPort, TLPTPort, TDisplay, TAudioAdapter,
TUSB and the deprecated TUSBController).
"""

from __future__ import annotations

from lxml import etree

from kensho.appliances.mac import normal_mac
from kensho.appliances.ovf.elements import Notes, attribute, child, children, is_true, local
from kensho.model.appliance import Network
from kensho.model.finding import Severity
from kensho.model.machine import (
    Nic,
    NicModel,
    OtherDevice,
    SerialKind,
    SerialPort,
    Sound,
    Usb,
    Video,
)
from kensho.model.units import MIB
from kensho.platforms.virtualbox import VBOX
from kensho.platforms.words import meaning, word_for

#: How an adapter is plugged in, and that in words; the element's name attribute is the network.
ATTACHED = {
    "NAT": "VirtualBox NAT of the machine's own",
    "NATNetwork": "VirtualBox NAT network",
    "BridgedInterface": "bridged to the host's interface",
    "HostInterface": "bridged to the host's interface",
    "InternalNetwork": "VirtualBox internal network",
    "HostOnlyInterface": "VirtualBox host-only interface",
    "HostOnlyNetwork": "VirtualBox host-only network",
    "GenericInterface": "VirtualBox generic driver",
    "CloudNetwork": "VirtualBox cloud network",
}
_CIM_PARALLEL = 22
_MOST_VIDEO_MIB = 1 << 13


def read_nics(
    hardware: etree._Element | None, order: dict[str, int], notes: Notes
) -> tuple[tuple[Nic, ...], tuple[Network, ...]]:
    """Return the enabled adapters and their networks."""
    nics: list[Nic] = []
    networks: dict[str, Network] = {}
    adapters = children(child(hardware, "Network"), "Adapter")
    for adapter in sorted(adapters, key=lambda a: attribute(a, "slot").zfill(8)):
        if not is_true(attribute(adapter, "enabled")):
            continue
        name = f"nic{attribute(adapter, 'slot') or len(nics)}"
        word = attribute(adapter, "type")
        network = _network(adapter)
        if network is not None:
            networks.setdefault(network.name, network)
        nics.append(
            Nic(
                id=name,
                model=meaning(VBOX.nics, word) or NicModel.UNKNOWN,
                network="" if network is None else network.name,
                mac=_mac(adapter, name, notes),
                # Without an attachment there is nothing at the other end of the cable.
                connected=network is not None and attribute(adapter, "cable").lower() != "false",
                boot_order=None if nics else order.get("Network"),
                vendor_model=word or word_for(VBOX.nics, NicModel.PCNET) or "",
            )
        )
    return tuple(nics), tuple(networks.values())


def _network(adapter: etree._Element) -> Network | None:
    attached = child(adapter, *ATTACHED)
    if attached is None:
        return None
    kind = local(attached)
    name = attribute(attached, "name") or attribute(attached, "driver") or kind
    return Network(name, ATTACHED[kind])


def _mac(adapter: etree._Element, name: str, notes: Notes) -> str | None:
    stated = attribute(adapter, "MACAddress")
    mac = normal_mac(stated)
    if stated and mac is None:
        notes.add(
            "KF-127",
            Severity.WARNING,
            f"adapter {name} has {stated!r} as its address",
            subject=name,
            action="ignored; the adapter gets a new MAC address",
        )
    return mac


def read_serial_ports(hardware: etree._Element | None) -> tuple[SerialPort, ...]:
    """Return the enabled serial ports."""
    ports: list[SerialPort] = []
    for port in children(child(hardware, "UART", "Uart"), "Port"):
        if is_true(attribute(port, "enabled")):
            slot = attribute(port, "slot")
            index = int(slot) if slot in {"0", "1", "2", "3"} else len(ports)
            kind = meaning(VBOX.serial, attribute(port, "hostMode")) or SerialKind.NONE
            ports.append(SerialPort(f"serial{index}", kind, attribute(port, "path"), index))
    return tuple(ports)


def read_parallel_ports(hardware: etree._Element | None) -> tuple[OtherDevice, ...]:
    """Return the enabled parallel ports."""
    return tuple(
        OtherDevice(f"parallel{attribute(port, 'slot')}", _CIM_PARALLEL, attribute(port, "path"))
        for port in children(child(hardware, "LPT", "Lpt"), "Port")
        if is_true(attribute(port, "enabled"))
    )


def read_video(hardware: etree._Element | None) -> Video | None:
    """Return the display adapter; None when the settings leave it to the defaults."""
    display = child(hardware, "Display")
    if display is None:
        return None
    memory = _number(attribute(display, "VRAMSize"), 8, _MOST_VIDEO_MIB)
    count = attribute(display, "monitorCount") or attribute(display, "MonitorCount")
    return Video(
        model=(attribute(display, "controller") or "VBoxVGA").lower(),
        memory=memory * MIB or None,
        displays=max(1, _number(count, 1, 64)),
        accelerated_3d=is_true(attribute(display, "accelerate3D")),
    )


def read_sound(hardware: etree._Element | None) -> Sound | None:
    """Return the sound card when there is one."""
    audio = child(hardware, "AudioAdapter")
    enabled = attribute(audio, "enabled")
    # Before the attribute, a driver of none was how to have no sound card.
    on = is_true(enabled) if enabled else attribute(audio, "driver").lower() not in {"", "null"}
    word = attribute(audio, "controller")
    return Sound(meaning(VBOX.sound, word) or word.lower()) if on else None


def read_usb(hardware: etree._Element | None) -> tuple[Usb, ...]:
    """Return the USB controllers."""
    controllers = children(child(child(hardware, "USB"), "Controllers"), "Controller")
    found = [meaning(VBOX.usb, w := attribute(c, "type")) or w.lower() for c in controllers]
    old = child(hardware, "USBController")
    if is_true(attribute(old, "enabled")):
        found.append("ohci")
        if is_true(attribute(old, "enabledEhci")):
            found.append("ehci")
    return tuple(Usb(model) for model in found)


def _number(text: str, default: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return default
    return min(int(text), most)
