"""Turn a configuration of xl or xm into the libvirt domain that says the same.

Source: xl.cfg(5) of Xen 4.17; where libvirt 9.0 reads these files (src/libxl/xen_common.c, xen_xl.c)
this makes what that makes. The domain is then read as every other one.
"""

from __future__ import annotations

from lxml import etree

from kensho.appliances.libvirt.open import Loaded, open_loaded
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.xen.disks import parse_disk
from kensho.appliances.xen.kept import DIALECT, PARAVIRTUAL, STARTS_WITH
from kensho.appliances.xen.parse import Setting, Value, parse_config
from kensho.model.errors import LimitError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Extra
from kensho.model.selection import Selection
from kensho.platforms.kvm import LIBVIRT
from kensho.platforms.words import meaning, word_for
from kensho.platforms.xen import XL

_MOST_CONFIG = 1 << 20
_VIF_KEYS = frozenset({"mac", "bridge", "model", "type", "vifname"})
_BOOT = {"c": "hd", "d": "cdrom", "n": "network", "a": "fd"}
_SERIAL = {"file": "file", "pipe": "pipe", "tcp": "tcp", "udp": "udp", "unix": "unix"}


def open_xen(origin: Origin, selection: Selection) -> Package:
    """Open the machine an xl or xm configuration describes; its disks are as a domain's."""
    return open_loaded(origin, selection, "xen", _load)


def _load(data: bytes, path: str) -> Loaded:
    if len(data) > _MOST_CONFIG:
        raise LimitError(f"{len(data)} bytes; at most {_MOST_CONFIG} are read", path=path)
    config = _Config(parse_config(data, path=path))
    root = _domain(config)
    own = () if config.is_hvm else STARTS_WITH
    rest = [Extra(DIALECT, key, s.text) for key, s in config.rest() if key not in own]
    return Loaded(root, _findings(config, path), (*rest, *_other_words(config)))


def _findings(config: _Config, path: str) -> tuple[Finding, ...]:
    if config.is_hvm:
        return ()
    finding = Finding(
        "KF-482",
        Severity.WARNING,
        f"the guest is paravirtualized ({config.kind}): Xen starts it without firmware, with"
        f" {config.text('bootloader') or config.text('kernel') or 'what the host has'}",
        subject=path,
        action="read as if it had a BIOS; elsewhere it starts once a boot loader (GRUB for BIOS) and"
        " a kernel with drivers of that platform are in it",
    )
    return (finding,)


def _other_words(config: _Config) -> list[Extra]:
    """Return what the domain says in other words, or not at all."""
    most = [Extra(DIALECT, "maxvcpus", text)] if (text := config.written("maxvcpus")) else []
    return [*most, *_starts_with(config), *_of_vifs(config)]


def _starts_with(config: _Config) -> list[Extra]:
    """Return how a paravirtualized guest starts, or the kernel of its host that an HVM guest has."""
    if config.is_hvm:
        kernel = config.text("kernel")
        own = not kernel or "hvmloader" in kernel
        return [] if own else [Extra(DIALECT, "kernel", config.written("kernel"))]
    said = [(key, config.written(key)) for key in STARTS_WITH]
    found = [Extra(DIALECT, PARAVIRTUAL + key, text) for key, text in said if text]
    return [Extra(DIALECT, f"{PARAVIRTUAL}type", f'"{config.kind}"'), *found]


def _of_vifs(config: _Config) -> list[Extra]:
    """Return what adapters have beside address, bridge and model, by their number."""
    found = []
    for number, text in enumerate(config.texts("vif")):
        pairs = [part.strip() for part in text.split(",")]
        rest = [p for p in pairs if p and p.partition("=")[0].strip().lower() not in _VIF_KEYS]
        if rest:
            found.append(Extra(DIALECT, f"vif/{number}", ",".join(rest)))
    return found


class _Config:
    """The settings; those that were asked for are not among the rest."""

    def __init__(self, settings: dict[str, Setting]) -> None:
        self._settings = settings
        self._taken: set[str] = set()

    def text(self, key: str) -> str:
        value = self._take(key)
        return "" if isinstance(value, list) else str(value).strip()

    def flag(self, key: str) -> bool:
        return self.text(key).lower() in {"1", "true", "yes", "on"}

    def texts(self, key: str) -> list[str]:
        value = self._take(key)
        if isinstance(value, list):  # an empty text in it is a device of defaults
            return [str(item) for item in value if not isinstance(item, list)]
        return [str(value)] if value != "" else []

    def _take(self, key: str) -> Value:
        self._taken.add(key)
        setting = self._settings.get(key)
        return "" if setting is None else setting.value

    @property
    def kind(self) -> str:
        """What kind of guest it is: ``hvm``, ``pv`` or ``pvh``."""
        word = self.text("type").lower() or self.text("builder").lower()
        return word if word in {"hvm", "pvh"} else "pv"

    @property
    def is_hvm(self) -> bool:
        """Tell whether the guest has firmware."""
        return self.kind == "hvm"

    def written(self, key: str) -> str:
        """Return a setting's value as it is in the file, empty where it is not."""
        setting = self._settings.get(key)
        return "" if setting is None else setting.text

    def rest(self) -> list[tuple[str, Setting]]:
        return [item for item in self._settings.items() if item[0] not in self._taken]


def _domain(config: _Config) -> etree._Element:
    root = etree.Element("domain", type="xen")
    is_hvm = config.is_hvm
    _add(root, "name", config.text("name"))
    _add(root, "uuid", config.text("uuid"))
    memory = config.text("memory")
    _add(root, "memory", config.text("maxmem") or memory, unit="MiB")
    if memory and config.text("maxmem"):
        _add(root, "currentMemory", memory, unit="MiB")
    vcpus = config.text("vcpus")
    most = config.text("maxvcpus") or vcpus or "1"
    _add(root, "vcpu", most, **({"current": vcpus} if vcpus else {}))
    if config.flag("nestedhvm"):
        cpu = etree.SubElement(root, "cpu")
        etree.SubElement(cpu, "feature", name="vmx", policy="require")
    if config.flag("localtime"):
        etree.SubElement(root, "clock", offset="localtime")
    _os(root, config, is_hvm=is_hvm)
    devices = etree.SubElement(root, "devices")
    for text in config.texts("disk"):
        _disk(devices, text, is_hvm=is_hvm)
    for name in ("fda", "fdb"):
        if target := config.text(name):
            drive = etree.SubElement(devices, "disk", type="file", device="floppy")
            _set(etree.SubElement(drive, "source"), "file", target)
            etree.SubElement(drive, "target", dev=name, bus="fdc")
    for text in config.texts("vif"):
        _vif(devices, text, is_hvm=is_hvm)
    for key in ("serial", "parallel"):
        for text in config.texts(key):
            _port(devices, key, text)
    for text in config.texts("pci"):
        hostdev = etree.SubElement(devices, "hostdev", mode="subsystem", type="pci")
        _set(hostdev, "model", text)
    _display(devices, config, is_hvm=is_hvm)
    return root


def _os(root: etree._Element, config: _Config, *, is_hvm: bool) -> None:
    word = (config.text("bios") or config.text("firmware")).lower()
    os_ = etree.SubElement(root, "os")
    if is_hvm and word in {"ovmf", "uefi"}:
        os_.set("firmware", "efi")
    _add(os_, "type", "hvm" if is_hvm else "linux")
    kernel = config.text("kernel")
    if kernel and "hvmloader" not in kernel:
        _add(os_, "kernel", kernel)
    if loader := config.text("bootloader"):
        _add(root, "bootloader", loader)
    for letter in config.text("boot").lower():
        if letter in _BOOT:
            etree.SubElement(os_, "boot", dev=_BOOT[letter])


def _disk(devices: etree._Element, text: str, *, is_hvm: bool) -> None:
    spec = parse_disk(text)
    is_device = spec.target.startswith("/dev/")
    kind, attribute = ("block", "dev") if is_device else ("file", "file")
    device = "cdrom" if spec.is_cdrom else "disk"
    element = etree.SubElement(devices, "disk", type=kind, device=device)
    driver = etree.SubElement(element, "driver", name="qemu")
    _set(driver, "type", "vpc" if spec.format == "vhd" else spec.format)
    if spec.target:
        _set(etree.SubElement(element, "source"), attribute, spec.target)
    bus = "xen" if spec.vdev.startswith("xvd") or not is_hvm else ""
    bus = bus or ("scsi" if spec.vdev.startswith("sd") else "ide")
    target = etree.SubElement(element, "target", bus=bus)
    _set(target, "dev", spec.vdev)
    if spec.read_only:
        etree.SubElement(element, "readonly")
    if spec.shared:
        etree.SubElement(element, "shareable")


def _vif(devices: etree._Element, text: str, *, is_hvm: bool) -> None:
    pairs = (part.partition("=") for part in text.split(","))
    said = {key.strip().lower(): value.strip() for key, _, value in pairs}
    element = etree.SubElement(devices, "interface", type="bridge")
    if "mac" in said:
        _set(etree.SubElement(element, "mac"), "address", said["mac"])
    _set(etree.SubElement(element, "source"), "bridge", said.get("bridge", ""))
    is_front = said.get("type") in {"netfront", "vif"} or not is_hvm
    model = "netfront" if is_front else said.get("model") or "rtl8139"
    _set(etree.SubElement(element, "model"), "type", model)


def _port(devices: etree._Element, tag: str, text: str) -> None:
    if text.strip().lower() in {"", "none"}:
        return
    word, _, where = text.partition(":")
    kind = "dev" if text.startswith("/dev/") else _SERIAL.get(word, "pty")
    element = etree.SubElement(devices, tag, type=kind)
    if kind != "pty":
        _set(etree.SubElement(element, "source"), "path", text if kind == "dev" else where)


def _display(devices: etree._Element, config: _Config, *, is_hvm: bool) -> None:
    word = config.text("vga").lower() or ("stdvga" if config.flag("stdvga") else "")
    memory = config.text("videoram")
    if is_hvm and word != "none" and (word or memory):
        video = etree.SubElement(devices, "video")
        model = etree.SubElement(video, "model", type={"stdvga": "vga"}.get(word, "cirrus"))
        if memory.isascii() and memory.isdigit() and len(memory) < 6:
            model.set("vram", str(int(memory) * 1024))
    if sound := config.text("soundhw").split(",")[0].strip():
        _set(etree.SubElement(devices, "sound"), "model", "hda" if sound == "all" else sound)
    version = meaning(XL.usb, config.text("usbversion").strip())
    if version is not None or config.flag("usb") or config.texts("usbdevice"):
        word = word_for(LIBVIRT.usb, version or "uhci") or "piix3-uhci"
        etree.SubElement(devices, "controller", type="usb", model=word)


def _add(parent: etree._Element, tag: str, text: str, **attributes: str) -> None:
    element = etree.SubElement(parent, tag)
    element.text = _plain(text)
    for key, value in attributes.items():
        _set(element, key, value)


def _set(element: etree._Element, key: str, value: str) -> None:
    element.set(key, _plain(value))


def _plain(text: str) -> str:
    """Return ``text`` without what XML cannot carry: control characters and lone surrogates."""
    return "".join(
        c if c in "\t\n" or (c.isprintable() and c not in "\ufffe\uffff") else " " for c in text
    )
