"""Adapters, ports, display and the other devices of a libvirt domain.

Source: https://libvirt.org/formatdomain.html#devices. What has no place in the model is kept as
text; what the guest has from its host is said, as an importer has to do something about it.
"""

from __future__ import annotations

import msgspec
from lxml import etree

from kensho.appliances.libvirt import words
from kensho.appliances.libvirt.notes import Notes, children, value
from kensho.appliances.mac import normal_mac
from kensho.appliances.names import unique
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
from kensho.platforms.kvm import LIBVIRT
from kensho.platforms.words import meaning

_CIM_OTHER, _CIM_PARALLEL = 1, 22
_MOST_VLAN = 4094
_MOST_KIB = 1 << 32
#: Which attribute of ``<source>`` says where an adapter is, by the interface's type.
_NETWORK_OF = {
    "network": "network", "bridge": "bridge", "direct": "dev", "internal": "name",
    "vds": "portgroupid", "ethernet": "dev", "vdpa": "dev",
}  # fmt: skip
_KEPT_SOURCE = frozenset({"network", "bridge"})
#: What the readers of this package take up, whole.
_READ = frozenset({"disk", "interface", "serial", "parallel", "video", "sound", "tpm"})
_STORAGE = frozenset({"ide", "sata", "scsi", "fdc", "usb"})


class Others(msgspec.Struct, frozen=True):
    """What a domain has besides drives and adapters."""

    serial_ports: tuple[SerialPort, ...]
    video: Video | None
    sound: Sound | None
    usb: tuple[Usb, ...]
    others: tuple[OtherDevice, ...]
    tpm: bool


def read_nics(
    devices: etree._Element, kind: str, notes: Notes, ranks: dict[etree._Element, int]
) -> tuple[Nic, ...]:
    """Read the adapters of a domain of type ``kind``."""
    return tuple(
        _nic(element, f"net{number}", kind, notes, ranks.get(element))
        for number, element in enumerate(devices.findall("interface"))
    )


def _nic(element: etree._Element, name: str, kind: str, notes: Notes, rank: int | None) -> Nic:
    how = element.get("type") or ""
    source = element.find("source")
    key = _NETWORK_OF.get(how)
    network = "" if source is None or key is None else (source.get(key) or "").strip()
    word = value(element, "model", "type")
    model = meaning(LIBVIRT.nics, word) or NicModel.UNKNOWN
    if not word and kind in {"qemu", "kvm", "hvf"}:
        model = NicModel.RTL8139  # libvirt's default on x86
    if how == "hostdev":
        model = NicModel.SRIOV
        notes.note(
            "KF-139",
            Severity.WARNING,
            f"{name} is a function of the host's own adapter (SR-IOV)",
            subject=name,
            action="becomes an adapter of the target",
        )
    if how not in _KEPT_SOURCE or element.find("virtualport") is not None:
        notes.keep(element)
    tags = element.findall("vlan/tag")
    if len(tags) > 1 and how in _KEPT_SOURCE:
        notes.keep(element)
    vlan = notes.number(
        tags[0].get("id") if len(tags) == 1 else "", default=0, most=4095, what=f"VLAN of {name}"
    )
    return Nic(
        name,
        model,
        network,
        _mac(element, name, notes),
        connected=value(element, "link", "state") != "down",
        boot_order=rank,
        vendor_model=word if model is NicModel.UNKNOWN else "",
        vlan=vlan if 0 < vlan <= _MOST_VLAN else None,
    )


def _mac(element: etree._Element, name: str, notes: Notes) -> str | None:
    stated = value(element, "mac", "address")
    mac = normal_mac(stated)
    if stated and mac is None:
        notes.note(
            "KF-127",
            Severity.WARNING,
            f"adapter {name} has {stated[:60]!r} as its address",
            subject=name,
            action="ignored; the adapter gets a new MAC address",
        )
    return mac


def read_others(devices: etree._Element, notes: Notes) -> Others:
    """Read all devices but drives and adapters; keep those the model has no struct for."""
    sound = devices.find("sound")
    word = "" if sound is None else (sound.get("model") or "").lower()
    names: set[str] = set()
    others: list[OtherDevice] = []
    for number, element in enumerate(devices.findall("parallel")):
        others.append(OtherDevice(f"parallel{number}", _CIM_PARALLEL, _end(element)))
    for element in children(devices):
        tag = str(element.tag)
        if tag in _READ or (tag == "controller" and element.get("type") in _STORAGE):
            continue
        notes.keep(element)
        if tag in words.PASSED_THROUGH:
            name = unique(tag, names)
            what = " ".join(filter(None, (element.get("type"), element.get("model"))))
            others.append(OtherDevice(name, _CIM_OTHER, f"{tag} {what[:60]}".strip(), tag))
            notes.note(
                "KF-139",
                Severity.WARNING,
                f"a device of the host, or shared with it: {tag} {what[:60]}".rstrip(),
                subject=name,
                action="kept as text; give the machine an equivalent at the target",
            )
    return Others(
        tuple(_serial(e, n, notes) for n, e in enumerate(devices.findall("serial"))),
        _video(devices, notes),
        None if sound is None else Sound(meaning(LIBVIRT.sound, word) or word),
        _usb(devices),
        tuple(others),
        _tpm(devices, notes),
    )


def _serial(element: etree._Element, number: int, notes: Notes) -> SerialPort:
    kind = meaning(LIBVIRT.serial, element.get("type") or "") or SerialKind.NONE
    port = notes.number(
        value(element, "target", "port"), default=number, most=255, what=f"serial port {number}"
    )
    target = _end(element) if kind is not SerialKind.NONE else ""
    return SerialPort(f"serial{number}", kind, target, port)


def _end(element: etree._Element) -> str:
    """Return where a port ends on the host, as text."""
    source = element.find("source")
    if source is None:
        return ""
    host = source.get("host") or ""
    if host or source.get("service"):
        return f"{element.get('type')}://{host}:{source.get('service') or ''}"
    return source.get("path") or ""


def _video(devices: etree._Element, notes: Notes) -> Video | None:
    model = devices.find("video/model")
    word = "" if model is None else model.get("type") or ""
    if model is None or word == "none":
        return None
    memory = notes.number(model.get("vram"), default=0, most=_MOST_KIB, what="video memory")
    return Video(
        word,
        memory * KIB or None,
        max(1, notes.number(model.get("heads"), default=1, most=64, what="displays")),
        value(model, "acceleration", "accel3d") == "yes",
    )


def _usb(devices: etree._Element) -> tuple[Usb, ...]:
    """Return one controller per index: UHCI companions of an EHCI are a part of it."""
    found: dict[str, str] = {}
    for element in devices.findall("controller[@type='usb']"):
        word = (element.get("model") or "").lower()
        if word == "none":
            continue
        model = meaning(LIBVIRT.usb, word) or words.USB_DEFAULT
        index = element.get("index") or "0"
        if found.get(index) not in {"ehci", "xhci"}:
            found[index] = model
    return tuple(Usb(model) for model in found.values())


def _tpm(devices: etree._Element, notes: Notes) -> bool:
    tpm = devices.find("tpm")
    if tpm is not None and value(tpm, "backend", "type") == "passthrough":
        notes.keep(tpm)
        notes.note(
            "KF-139",
            Severity.WARNING,
            "the TPM is the host's own",
            subject="tpm",
            action="becomes a virtual one, without what the host's holds",
        )
    return tpm is not None
