"""Read a libvirt domain (https://libvirt.org/formatdomain.html) as a machine to boot."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from lxml import etree

from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import CorruptError, FormatError, LocatorError, UnsupportedError
from kensho.model.machine import Firmware
from kensho.proof.qemu.machine import BootDisk, BootNic, QemuMachine

_POWERS = (("k", 10), ("K", 10), ("M", 20), ("G", 30), ("T", 40))
_DECIMAL = {"b": 1, "bytes": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BINARY = {f"{letter}{end}": 1 << n for letter, n in _POWERS for end in ("", "iB")}
_UNITS = _DECIMAL | _BINARY
_SCSI_MODELS = {
    "virtio-scsi": "virtio-scsi-pci",
    "virtio-transitional": "virtio-scsi-pci",
    "virtio-non-transitional": "virtio-scsi-pci",
    "lsilogic": "lsi53c895a",
    "lsisas1068": "mptsas1068",
    "lsisas1078": "megasas",
    "vmpvscsi": "pvscsi",
}
_NIC_MODELS = {
    "virtio": "virtio-net-pci",
    "virtio-transitional": "virtio-net-pci",
    "virtio-non-transitional": "virtio-net-pci",
    "e1000": "e1000",
    "e1000e": "e1000e",
    "rtl8139": "rtl8139",
    "vmxnet3": "vmxnet3",
    "pcnet": "pcnet",
    "ne2k_pci": "ne2k_pci",
    "i82551": "i82551",
    "tulip": "tulip",
}
# What libvirt takes on x86 when the domain does not say.
_DEFAULT_SCSI = "lsilogic"
_DEFAULT_NIC = "rtl8139"

_DRIVES_PER_CONTROLLER = {"ide": 4, "sata": 6, "scsi": 7}
_DIGITS = re.compile(r"[0-9]{1,18}")
_BOOTED_WITHOUT = ("floppy", "lun")


def read_domain(path: Path) -> QemuMachine:
    """Read a domain's XML file.

    A disk that lies beside it under its own name is taken first, because kensho's results
    name the folder they are meant for; else the path holds as it is, relative to the XML.
    Raises LocatorError when the file or one of its disks is missing, FormatError when
    it is no domain, UnsupportedError when QEMU on x86 has no such device.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LocatorError(f"cannot be read: {error.strerror}", path=path) from error
    root, _findings = parse_xml(data, path=path)
    if root.tag != "domain":
        raise FormatError(f"the root element is <{root.tag}>, not <domain>", path=path)
    try:
        return _machine(root, path.resolve().parent)
    except FormatError as error:
        if error.path is None:
            raise type(error)(
                error.message, path=path, field=error.field, hint=error.hint or None
            ) from None
        raise


def _machine(root: etree._Element, folder: Path) -> QemuMachine:
    os_type = root.find("os/type")
    arch = "x86_64" if os_type is None else os_type.get("arch", "x86_64")
    if arch not in {"x86_64", "i686"}:
        raise UnsupportedError(f"architecture {arch}", field="os/type/@arch")
    board = _board("" if os_type is None else os_type.get("machine", ""))
    devices = root.findall("devices/disk")
    left_out = [f"disk ({d.get('device')})" for d in devices if d.get("device") in _BOOTED_WITHOUT]
    disks = [_disk(d, folder) for d in devices if d.get("device") not in _BOOTED_WITHOUT]
    if board == "q35" and any(disk.bus == "ide" for disk in disks):
        raise UnsupportedError("a q35 machine has no IDE controller", field="devices/disk")
    return QemuMachine(
        name=(root.findtext("name") or "guest").strip(),
        board=board,
        firmware=_firmware(root),
        vcpus=_number(root.findtext("vcpu", "1"), "vcpu"),
        memory=_memory(root),
        disks=_with_boot_order(disks, [b.get("dev", "") for b in root.findall("os/boot")]),
        nics=tuple(_nic(element) for element in root.findall("devices/interface")),
        scsi_controllers=_scsi_controllers(root, disks),
        left_out=(*left_out, *(f"{e.tag}" for e in root.findall("devices/hostdev"))),
    )


def _board(machine: str) -> str:
    """Reduce a versioned machine type to its family; this QEMU may not know the version."""
    if machine in {"", "pc"} or machine.startswith("pc-i440fx"):
        return "pc"
    if machine == "q35" or machine.startswith("pc-q35"):
        return "q35"
    raise UnsupportedError(f"machine type {machine!r}", field="os/type/@machine")


def _firmware(root: etree._Element) -> Firmware:
    if root.find("os[@firmware='efi']") is not None:
        return Firmware.UEFI
    return Firmware.BIOS if root.find("os/loader[@type='pflash']") is None else Firmware.UEFI


def _memory(root: etree._Element) -> int:
    element = root.find("memory")
    if element is None:
        raise CorruptError("no <memory>", field="memory")
    unit = element.get("unit", "KiB")
    if unit not in _UNITS:
        raise CorruptError(f"unknown unit {unit!r}", field="memory/@unit")
    return _number(element.text, "memory") * _UNITS[unit]


def _number(text: str | None, field: str) -> int:
    digits = (text or "").strip()
    if not _DIGITS.fullmatch(digits) or int(digits) == 0:
        raise CorruptError(f"{digits[:40]!r} is not a number above zero", field=field)
    return int(digits)


def _count(element: etree._Element, key: str) -> int:
    text = element.get(key, "0")
    if not _DIGITS.fullmatch(text):
        raise CorruptError(f"{text[:40]!r} is not a number", field=f"{element.tag}/@{key}")
    return int(text)


def _disk(element: etree._Element, folder: Path) -> BootDisk:
    target, source = element.find("target"), element.find("source")
    name = "" if target is None else target.get("dev", "")
    bus = ("" if target is None else target.get("bus", "")) or _bus_of_name(name)
    if bus not in {"virtio", "scsi", "sata", "ide", "nvme"}:
        raise UnsupportedError(f"disk bus {bus!r}", field=f"devices/disk[{name}]/target/@bus")
    driver, boot = element.find("driver"), element.find("boot")
    controller, unit = _place(element, bus, name)
    return BootDisk(
        path=_source(element.get("type", "file"), source, folder, name),
        format="raw" if driver is None else driver.get("type", "raw"),
        bus=bus,
        controller=controller,
        unit=unit,
        cdrom=element.get("device") == "cdrom",
        serial=(element.findtext("serial") or "").strip(),
        boot_order=None if boot is None else _number(boot.get("order"), "boot"),
    )


def _bus_of_name(name: str) -> str:
    return {"vd": "virtio", "sd": "scsi", "hd": "ide"}.get(name[:2], "")


def _source(kind: str, source: etree._Element | None, folder: Path, name: str) -> str | None:
    if kind not in {"file", "block"}:
        raise UnsupportedError(f"disk source of type {kind!r}", field=f"devices/disk[{name}]")
    given = None if source is None else source.get("file") or source.get("dev")
    if given is None:
        return None
    beside = folder / Path(given).name
    path = beside if beside.is_file() else folder / given
    if not path.exists():
        raise LocatorError("the domain names this disk, and there is no such file", path=path)
    return str(path)


def _place(element: etree._Element, bus: str, name: str) -> tuple[int, int]:
    """Return controller and unit: as addressed, else as libvirt derives them from the name."""
    address = element.find("address[@type='drive']")
    if address is not None:
        controller, ide_bus, target, unit = (
            _count(address, key) for key in ("controller", "bus", "target", "unit")
        )
        return controller, {"ide": 2 * ide_bus + unit, "scsi": target or unit}.get(bus, unit)
    index = _index_of_name(name)
    per_controller = _DRIVES_PER_CONTROLLER.get(bus)
    return divmod(index, per_controller) if per_controller else (0, index)


def _index_of_name(name: str) -> int:
    """Count drive names: vda is 0, vdz 25, vdaa 26."""
    letters = name[2:] if name[:2] in {"vd", "sd", "hd"} else ""
    index = 0
    for letter in letters:
        if not "a" <= letter <= "z":
            return 0
        index = index * 26 + ord(letter) - ord("a") + 1
    return max(index - 1, 0)


def _with_boot_order(disks: list[BootDisk], os_boot: list[str]) -> tuple[BootDisk, ...]:
    """Give every drive its place in the boot order: its own, else that of its kind."""
    if any(disk.boot_order is not None for disk in disks):
        return tuple(disks)
    kinds = [kind for kind in os_boot if kind in {"hd", "cdrom"}] or ["hd"]
    ordered = sorted(
        (d for d in disks if _kind(d) in kinds and d.path),
        key=lambda disk: kinds.index(_kind(disk)),
    )
    order = {id(disk): number for number, disk in enumerate(ordered, 1)}
    return tuple(msgspec.structs.replace(disk, boot_order=order.get(id(disk))) for disk in disks)


def _kind(disk: BootDisk) -> str:
    return "cdrom" if disk.cdrom else "hd"


def _scsi_controllers(root: etree._Element, disks: list[BootDisk]) -> tuple[tuple[int, str], ...]:
    models = {}
    for element in root.findall("devices/controller[@type='scsi']"):
        index, model = _count(element, "index"), element.get("model", "auto")
        if model == "auto":
            model = _DEFAULT_SCSI
        if model not in _SCSI_MODELS:
            raise UnsupportedError(f"SCSI controller {model!r}", field="devices/controller/@model")
        models[index] = _SCSI_MODELS[model]
    for disk in disks:
        if disk.bus == "scsi":
            models.setdefault(disk.controller, _SCSI_MODELS[_DEFAULT_SCSI])
    return tuple(sorted(models.items()))


def _nic(element: etree._Element) -> BootNic:
    model, mac = element.find("model"), element.find("mac")
    name = _DEFAULT_NIC if model is None else model.get("type", _DEFAULT_NIC)
    if name not in _NIC_MODELS:
        raise UnsupportedError(f"network card {name!r}", field="devices/interface/model/@type")
    return BootNic(device=_NIC_MODELS[name], mac="" if mac is None else mac.get("address", ""))
