"""Adapters, ports and the other devices of a VMX."""

from __future__ import annotations

import msgspec

from kensho.appliances.mac import normal_mac
from kensho.appliances.vmx.keys import Keys
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
from kensho.platforms.vmware import VMX
from kensho.platforms.words import meaning

_MOST_VIDEO_MEMORY = 1 << 33
_CIM_PARALLEL = 22


class Others(msgspec.Struct, frozen=True):
    """Display, sound, USB and what the neutral model has no struct for."""

    video: Video | None
    sound: Sound | None
    usb: tuple[Usb, ...]
    others: tuple[OtherDevice, ...]


def read_nics(keys: Keys) -> tuple[Nic, ...]:
    """Read ``ethernetN``; the network is networkName or, on a desktop, the connection type."""
    return tuple(
        nic for number in keys.numbers("ethernet") if (nic := _nic(keys, f"ethernet{number}"))
    )


def _nic(keys: Keys, name: str) -> Nic | None:
    if not keys.take_true(f"{name}.present"):
        return None
    word = keys.take(f"{name}.virtualdev").lower()
    if word == "vmxnet" and keys.take(f"{name}.features") == "15":
        word = "vmxnet2"
    model = meaning(VMX.nics, word) or NicModel.UNKNOWN
    slot = keys.number(f"{name}.pcislotnumber", -1, 0, 1 << 16)
    connected = keys.take(f"{name}.startconnected").lower() != "false"
    network = keys.take(f"{name}.networkname") or keys.take(f"{name}.vnet")
    # On a distributed switch there is the port group's id only; the name is vCenter's.
    network = network or keys.take(f"{name}.dvs.portgroupid")
    kind = keys.take(f"{name}.connectiontype")
    return Nic(
        id=name,
        model=model,
        network=network or kind,
        mac=_mac(keys, name),
        connected=connected,
        vendor_model=word,
        pci_slot=slot if slot >= 0 else None,
    )


def _mac(keys: Keys, name: str) -> str | None:
    kind = keys.take(f"{name}.addresstype").lower()
    static, generated = keys.take(f"{name}.address"), keys.take(f"{name}.generatedaddress")
    stated = generated if kind in {"generated", "vpx"} and generated else static or generated
    mac = normal_mac(stated)
    if stated and mac is None:
        keys.note(
            "KF-127",
            Severity.WARNING,
            f"adapter {name} has {stated!r} as its address",
            subject=name,
            action="ignored; the adapter gets a new MAC address",
        )
    return mac


def read_serial_ports(keys: Keys) -> tuple[SerialPort, ...]:
    """Read ``serialN``."""
    ports = []
    for number in keys.numbers("serial"):
        name = f"serial{number}"
        if keys.take_true(f"{name}.present"):
            kind = meaning(VMX.serial, keys.take(f"{name}.filetype")) or SerialKind.DEVICE
            ports.append(SerialPort(name, kind, keys.take(f"{name}.filename"), number))
    return tuple(ports)


def read_others(keys: Keys) -> Others:
    """Read display, sound, USB and parallel ports."""
    sound = None
    if keys.take_true("sound.present"):
        word = keys.take("sound.virtualdev").lower()
        sound = Sound(meaning(VMX.sound, word) or word)
    usb = [Usb(r.means) for r in VMX.usb if keys.take_true(f"{r.words[0]}.present")]
    parallel = tuple(
        OtherDevice(f"parallel{n}", _CIM_PARALLEL, keys.take(f"parallel{n}.filename"))
        for n in keys.numbers("parallel")
        if keys.take_true(f"parallel{n}.present")
    )
    return Others(_video(keys), sound, tuple(usb), parallel)


def _video(keys: Keys) -> Video | None:
    memory = keys.number("svga.vramsize", 0, 1, _MOST_VIDEO_MEMORY)
    displays = keys.number("svga.numdisplays", 1, 1, 64)
    accelerated = keys.take_true("mks.enable3d")
    if not memory and displays == 1 and not accelerated:
        return None
    return Video("svga", memory or None, displays, accelerated)
