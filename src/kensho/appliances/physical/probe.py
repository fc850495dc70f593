"""Probe a running Linux machine through /proc and /sys, with as few rights as may be.

Sources: proc(5), the kernel's Documentation/ABI (sysfs-block, sysfs-class-net, sysfs-bus-pci,
sysfs-firmware-efi, sysfs-class-tpm), SMBIOS as /sys/class/dmi/id shows it.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from kensho.appliances.mac import normal_mac
from kensho.appliances.physical.blocks import block_devices
from kensho.appliances.physical.facts import Adapter, Facts, PciDevice
from kensho.appliances.physical.tree import Tree
from kensho.model.os_release import OsRelease, parse_os_release
from kensho.model.units import MIB

_SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_DMI = "sys/class/dmi/id"
_PCI = "sys/bus/pci/devices"
_MEMORY = "sys/devices/system/memory"
#: What makers leave in a field they did not fill in.
_PLACEHOLDERS = frozenset(
    {"", "none", "default string", "to be filled by o.e.m.", "system serial number",
     "system product name", "system manufacturer", "not specified", "0123456789"}
)  # fmt: skip
_STEP = 256 * MIB  #: memory modules come in whole steps; the kernel keeps a little for itself


def probe(root: Path = Path("/")) -> Facts:
    """Return the facts of the machine whose /proc, /sys, /etc and /dev are below ``root``.

    Nothing is opened for writing and no device is read. What is not there is left empty.
    """
    tree = Tree(root)
    cpus, sockets, model, flags, x86 = _processors(tree)
    adapters, virtual = _adapters(tree)
    release = tree.data("etc/os-release") or tree.data("usr/lib/os-release")
    uefi = tree.has("sys/firmware/efi")
    facts = Facts(
        name=tree.text("proc/sys/kernel/hostname") or tree.text("etc/hostname") or "machine",
        cpus=cpus,
        sockets=sockets,
        memory=_memory(tree),
        cpu_model=model,
        x86=x86,
        bits=64 if "lm" in flags or not x86 else 32,
        virtual="hypervisor" in flags,
        virtualization=bool(flags & {"vmx", "svm"}),
        uefi=uefi,
        secure_boot=uefi and tree.data(_SECURE_BOOT)[-1:] == b"\x01",
        tpm=_tpm(tree),
        vendor=_dmi(tree, "sys_vendor"),
        product=_dmi(tree, "product_name"),
        uuid=_dmi(tree, "product_uuid").lower(),
        serial=_dmi(tree, "product_serial"),
        booted=_boot_time(tree),
        boot_id=tree.text("proc/sys/kernel/random/boot_id"),
        os=parse_os_release(release) if release else OsRelease(),
        disks=block_devices(tree),
        adapters=adapters,
        virtual_adapters=virtual,
        pci=_pci(tree),
    )
    return msgspec.structs.replace(facts, unread=tuple(dict.fromkeys(tree.unread)))


def _processors(tree: Tree) -> tuple[int, int, str, frozenset[str], bool]:
    """Return the logical processors, sockets, model, flags, and whether they are x86."""
    text = tree.data("proc/cpuinfo").decode("utf-8", "replace")
    pairs = [
        (key.strip(), value.strip())
        for key, mark, value in (line.partition(":") for line in text.splitlines())
        if mark
    ]
    count = sum(key == "processor" for key, _ in pairs)
    sockets = len({value for key, value in pairs if key == "physical id"})
    first = dict(reversed(pairs))
    flags = frozenset(first.get("flags", "").split())
    x86 = not pairs or ("vendor_id" in first and "flags" in first)
    return max(1, count), max(1, sockets), first.get("model name", ""), flags, x86


def _memory(tree: Tree) -> int:
    """Return the memory installed: that of all blocks, as MemTotal leaves out the kernel's own.

    Without blocks it is MemTotal, rounded up to what modules come in.
    """
    found = re.search(rb"^MemTotal:\s*(\d+) kB", tree.data("proc/meminfo"), re.MULTILINE)
    total = int(found[1]) * 1024 if found else 0
    size = tree.number(f"{_MEMORY}/block_size_bytes", 16) or 0
    blocks = [name for name in tree.names(_MEMORY) if re.fullmatch(r"memory\d+", name)]
    online = sum(tree.text(f"{_MEMORY}/{name}/state") == "online" for name in blocks) * size
    if total <= online <= total + total // 8 + _STEP:  # a block more at the PCI hole is usual
        total = online
    return max(1, -(-total // _STEP)) * _STEP


def _boot_time(tree: Tree) -> int:
    found = re.search(rb"^btime (\d{1,12})$", tree.data("proc/stat"), re.MULTILINE)
    return int(found[1]) if found else 0


def _dmi(tree: Tree, name: str) -> str:
    text = tree.text(f"{_DMI}/{name}")
    return "" if text.lower() in _PLACEHOLDERS else text


def _tpm(tree: Tree) -> str:
    if not tree.has("sys/class/tpm/tpm0"):
        return ""
    return tree.text("sys/class/tpm/tpm0/tpm_version_major") or "1"


def _adapters(tree: Tree) -> tuple[tuple[Adapter, ...], tuple[str, ...]]:
    """Return the adapters that are hardware, and the names of those that software made."""
    real: list[Adapter] = []
    virtual: list[str] = []
    for name in tree.names("sys/class/net"):
        place = f"sys/class/net/{name}"
        if not tree.has(f"{place}/device"):
            # bonding_masters is a plain file among the folders
            if name != "lo" and tree.has(f"{place}/address"):
                virtual.append(name)
            continue
        if tree.has(f"{place}/device/physfn"):
            virtual.append(name)  # a virtual function of an adapter that is listed itself
            continue
        mac = normal_mac(tree.text(f"{place}/address"))
        if mac is None:
            continue  # InfiniBand has longer addresses, a modem has none
        speed = tree.number(f"{place}/speed")
        real.append(
            Adapter(
                name,
                _permanent(tree, name) or mac,
                tree.link(f"{place}/device/driver"),
                speed if speed is not None and speed > 0 else None,
            )
        )
    return tuple(real), tuple(virtual)


def _permanent(tree: Tree, name: str) -> str | None:
    """Return an enslaved adapter's own address: in a bond it shows the bond's."""
    for bond in tree.names("proc/net/bonding"):
        text = tree.data(f"proc/net/bonding/{bond}").decode("utf-8", "replace")
        found = re.search(
            rf"^Slave Interface: {re.escape(name)}$.*?^Permanent HW addr: (\S+)$",
            text,
            re.MULTILINE | re.DOTALL,
        )
        if found:
            return normal_mac(found[1])
    return None


def _pci(tree: Tree) -> tuple[PciDevice, ...]:
    found = []
    for address in tree.names(_PCI):
        place = f"{_PCI}/{address}"
        numbers = [tree.number(f"{place}/{name}", 16) for name in ("class", "vendor", "device")]
        kind, vendor, device = numbers
        if kind is not None and vendor is not None and device is not None:
            driver = tree.link(f"{place}/driver")
            found.append(PciDevice(address, kind, vendor, device, driver))
    return tuple(found)
