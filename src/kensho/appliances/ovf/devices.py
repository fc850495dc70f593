"""Adapters, ports and everything else that is neither processor, memory nor storage."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kensho.appliances.mac import normal_mac
from kensho.appliances.ovf import resources
from kensho.appliances.ovf.drives import DRIVES, controller_model
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.items import Item, Resource
from kensho.appliances.ovf.quantities import to_int
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
from kensho.model.units import KIB

_ETHERNET = frozenset({Resource.ETHERNET, Resource.ETHERNET_CONNECTION})
_VTPM = "vmware.vtpm"
#: oVirt's VmInterfaceType numbers, as ResourceSubType of adapters.
_OVIRT_NICS = {
    "0": NicModel.RTL8139,
    "1": NicModel.RTL8139,
    "2": NicModel.E1000,
    "3": NicModel.VIRTIO,
    "5": NicModel.SRIOV,
    "6": NicModel.E1000E,
}
_SERIAL = {
    "device": SerialKind.DEVICE,
    "file": SerialKind.FILE,
    "pipe": SerialKind.PIPE,
    "uri": SerialKind.NETWORK,
    "network": SerialKind.NETWORK,
}


class Devices(msgspec.Struct, frozen=True):
    """The devices of one machine, in the order of the source."""

    nics: tuple[Nic, ...] = ()
    serial_ports: tuple[SerialPort, ...] = ()
    video: Video | None = None
    sound: Sound | None = None
    usb: tuple[Usb, ...] = ()
    others: tuple[OtherDevice, ...] = ()
    tpm: bool = False


def read_devices(items: Sequence[Item], *, xen: bool, macs: Sequence[str], notes: Notes) -> Devices:
    """Read all items that are no processor, memory, controller or drive.

    ``macs`` are the adapters' addresses where the dialect keeps them elsewhere, in the order
    of the adapters.
    """
    nics: list[Nic] = []
    serial: list[SerialPort] = []
    usb: list[Usb] = []
    others: list[OtherDevice] = []
    video: Video | None = None
    sound: Sound | None = None
    tpm = False
    if len(macs) != sum(item.type in _ETHERNET for item in items):
        macs = ()  # whose is whose cannot be told
    for item in items:
        if item.type in DRIVES or item.type in {Resource.PROCESSOR, Resource.MEMORY}:
            continue
        if controller_model(item) is not None:
            continue
        kind = item.value("type")
        if item.type in _ETHERNET:
            mac = macs[len(nics)] if len(nics) < len(macs) else ""
            nics.append(_nic(item, mac, xen=xen, notes=notes))
        elif item.type == Resource.SERIAL:
            serial.append(_serial(item, len(serial)))
        elif item.type == Resource.USB:
            if item.value("usbpolicy").lower() != "disabled":  # oVirt
                usb.append(_usb(item))
        elif item.type == Resource.GRAPHICS or kind == "video":
            video = video or _video(item)
        elif _is_sound(item, kind):
            sound = sound or Sound(_sound_model(item))
        elif item.subtype.lower() == _VTPM:
            tpm = True
        else:
            others.append(OtherDevice(item.id, item.type, item.name, item.subtype, item.required))
    return Devices(tuple(nics), tuple(serial), video, sound, tuple(usb), tuple(others), tpm)


def _nic(item: Item, mac: str, *, xen: bool, notes: Notes) -> Nic:
    stated = item.value("macaddress") or item.address or mac
    address = normal_mac(stated)
    if address is None and mac:
        address = normal_mac(mac)
    if address is None and len(stated) > 3:  # a short number is the adapter's place
        notes.add(
            "KF-127",
            Severity.WARNING,
            f"adapter {item.id} has {stated!r} as its address",
            subject=item.id,
            action="ignored; the adapter gets a new MAC address",
        )
    if len(item.connections) > 1:
        notes.add(
            "KF-130",
            Severity.WARNING,
            f"adapter {item.id} may be on {' or '.join(item.connections)}",
            subject=item.id,
            action=f"read as on {item.connections[0]}",
        )
    model = resources.lookup(resources.NICS, item.subtype)
    if model is None:
        model = _OVIRT_NICS.get(item.subtype, NicModel.XEN if xen else NicModel.UNKNOWN)
    return Nic(
        id=item.id,
        model=model,
        network=item.connections[0] if item.connections else "",
        mac=address,
        connected=item.automatic,
        name=item.name,
        vendor_model=item.subtype,
        pci_slot=to_int(item.value("slotinfo.pcislotnumber")),
    )


def _serial(item: Item, index: int) -> SerialPort:
    word = item.subtype.lower().removeprefix("vmware.serialport.").removeprefix("remote")
    target = item.hosts[0] if item.hosts else ""
    if not target and to_int(item.address) is None:
        target = item.address
    kind = _SERIAL.get(word)
    if kind is None:
        kind = SerialKind.NETWORK if "://" in target else SerialKind.NONE
    return SerialPort(item.id, kind, target, index)


def _usb(item: Item) -> Usb:
    known = resources.lookup(resources.USB, item.subtype)
    if known is not None:
        return Usb(known)
    words = f"{item.subtype} {item.name} {item.description}".lower()
    if "xhci" in words or "3.0" in words:
        return Usb("xhci")
    return next((Usb(word) for word in ("uhci", "ohci") if word in words), Usb())


def _video(item: Item) -> Video:
    memory = to_int(item.value("videoramsizeinkb") or item.value("vram"))
    displays = to_int(item.value("numdisplays")) or 1
    return Video(
        model=item.value("device") or item.subtype,
        memory=memory * KIB if memory and memory > 0 else None,
        displays=max(1, displays),
        accelerated_3d=item.value("enable3dsupport").lower() == "true",
    )


def _is_sound(item: Item, kind: str) -> bool:
    if item.type == Resource.SOUND or kind == "sound":
        return True
    return item.type == Resource.OTHER and item.subtype.lower().startswith("vmware.soundcard")


def _sound_model(item: Item) -> str:
    word = item.subtype or item.value("device")
    return resources.lookup(resources.SOUND, word) or word
