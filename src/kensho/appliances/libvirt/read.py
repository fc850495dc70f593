"""Read a libvirt domain into the neutral machine.

Source: https://libvirt.org/formatdomain.html; metadata of the guest system after
https://gitlab.com/libosinfo/libosinfo. Elements that are not taken up stay, word for word, as an
`Extra` of dialect ``libvirt`` whose ``where`` is the element's path.
"""

from __future__ import annotations

import re

import msgspec
from lxml import etree

from kensho.appliances.libvirt import words
from kensho.appliances.libvirt.devices import read_nics, read_others
from kensho.appliances.libvirt.drives import read_drives
from kensho.appliances.libvirt.firmware import read_firmware
from kensho.appliances.libvirt.host_side import add_host_side
from kensho.appliances.libvirt.notes import Notes, children, text_of, value
from kensho.appliances.libvirt.write import KENSHO_NS, OSINFO_NS, libvirt_name
from kensho.appliances.xen.domain import paravirtual_extras
from kensho.model import guest_os
from kensho.model.appliance import Appliance, Network
from kensho.model.errors import CorruptError, LimitError, UnsupportedError
from kensho.model.finding import Severity
from kensho.model.machine import Cpu, GuestOs, Machine, Memory, Nic
from kensho.model.units import GIB, KIB

_MOST_CPUS = 4096
_MOST_MEMORY = 1 << 51
_DEFAULT_MEMORY = GIB
_MOST_CHILDREN = 4096  #: elements of a domain, and devices; real ones have fewer than 200
_HEX = re.compile(r"[0-9a-f]{32}")
_X86 = frozenset({"", "x86_64", "i686", "i586", "i386"})
#: Elements of the domain that are taken up whole; those of ``_PARTS`` are kept as text, too,
#: where they say more than the model does.
_READ = frozenset({"name", "uuid", "title", "description", "memory", "devices", "metadata"})
_ROOTS = {
    "domainsnapshot": "a snapshot of a libvirt domain",
    "domaincheckpoint": "a checkpoint of a libvirt domain",
    "domstatus": "the state of a running libvirt domain",
    "domainbackup": "a backup job of a libvirt domain",
}


def read_domain(root: etree._Element, notes: Notes, *, fallback: str) -> Appliance:
    """Read a machine; ``fallback`` names it if the domain does not.

    UnsupportedError for containers and for what is about a domain and none, CorruptError for
    other documents.
    """
    _check_root(root, notes.path)
    for element in (root, *root.findall("devices")):
        if len(element) > _MOST_CHILDREN:
            raise LimitError(
                f"<{element.tag}> has {len(element)} elements; at most {_MOST_CHILDREN} are read",
                path=notes.path,
            )
    kind = (root.get("type") or "").lower()
    devices = root.find("devices")
    if devices is None:
        devices = etree.SubElement(root, "devices")
    ranks = _boot_order(root, devices)
    drives = read_drives(devices, kind, notes, ranks)
    files = list(drives.files)
    others = read_others(devices, notes)
    firmware = read_firmware(root, files, notes, tpm=others.tpm)
    nics = _named(root, read_nics(devices, kind, notes, ranks))
    name, title = text_of(root, "name") or fallback, text_of(root, "title")
    if title and libvirt_name(title) == name:
        name = title  # kensho's own, for a name that libvirt does not take
    _keep_rest(root, notes, title=title if title != name else "")
    machine = Machine(
        id="vm",
        name=name,
        cpu=_cpu(root, notes),
        memory=_memory(root, notes),
        firmware=firmware,
        guest=_guest(root),
        uuid=_uuid(root),
        controllers=drives.controllers,
        drives=drives.drives,
        nics=nics,
        serial_ports=others.serial_ports,
        video=others.video,
        sound=others.sound,
        usb=others.usb,
        others=others.others,
        annotation=root.findtext("description") or "",
        hardware_versions=(kind,) if kind else (),
        extras=(*notes.extras, *(paravirtual_extras(root) if notes.keeps else ())),
    )
    machine = add_host_side(machine, root)
    networks = dict.fromkeys(nic.network for nic in nics if nic.network)
    return Appliance(
        name=name,
        machines=(machine,),
        images=drives.images,
        files=tuple(files),
        networks=tuple(Network(network) for network in networks),
    )


def _check_root(root: etree._Element, path: str) -> None:
    tag = str(root.tag)
    if tag in _ROOTS:
        name = root.findtext("domain/name") or root.findtext(".//domain/name") or ""
        raise UnsupportedError(
            f"is {_ROOTS[tag]}" + (f", {name.strip()[:80]}" if name.strip() else ""),
            path=path,
            hint="use the domain itself: virsh dumpxml --inactive NAME",
        )
    if tag != "domain" or (root.get("type") is None and root.find("devices") is None):
        raise CorruptError(
            f"<{tag[:60]}> is no libvirt domain: it has neither a type nor devices",
            path=path,
            field="domain/@type",
            hint="use what `virsh dumpxml --inactive NAME` prints",
        )
    kind = (root.get("type") or "").lower()
    if kind in words.CONTAINERS or text_of(root, "os/type") == "exe":
        raise UnsupportedError(
            f"is a container ({kind}), not a virtual machine",
            path=path,
            field="domain/@type",
            hint="kensho converts machines with disks of their own",
        )


def _boot_order(root: etree._Element, devices: etree._Element) -> dict[etree._Element, int]:
    """Return the place in the boot order, from 1, by device; ``<os><boot>`` where no device says."""
    stated: dict[etree._Element, int] = {}
    for element in children(devices):
        order = value(element, "boot", "order")
        if order.isascii() and order.isdigit() and 0 < len(order) <= 6 and int(order):
            stated[element] = int(order)
    if stated:
        return stated
    disks = devices.findall("disk")
    firsts = {
        "hd": [e for e in disks if e.get("device") in {None, "disk", "lun"}],
        "cdrom": [e for e in disks if e.get("device") == "cdrom"],
        "network": devices.findall("interface"),
    }
    for element in root.findall("os/boot"):
        candidates = firsts.get(element.get("dev") or "", [])
        if candidates and candidates[0] not in stated:
            stated[candidates[0]] = len(stated) + 1
    return stated


def _named(root: etree._Element, nics: tuple[Nic, ...]) -> tuple[Nic, ...]:
    """Return the adapters with the names and VLANs that kensho wrote beside the domain's own."""
    path = f"metadata/{{{KENSHO_NS}}}networks/{{{KENSHO_NS}}}network"
    said = {e.get("interface"): e for e in root.findall(path)}
    named = []
    for number, nic in enumerate(nics):
        element = said.get(str(number))
        if element is None:
            named.append(nic)
            continue
        vlan = element.get("vlan") or ""
        is_vlan = vlan.isascii() and vlan.isdigit() and len(vlan) <= 4 and int(vlan) <= 4095
        named.append(
            msgspec.structs.replace(
                nic,
                network=element.get("name") or "",
                vlan=int(vlan) if is_vlan else nic.vlan,
                target_network="" if nic.network == "default" else nic.network,
            )
        )
    return tuple(named)


def _cpu(root: etree._Element, notes: Notes) -> Cpu:
    most = max(1, notes.number(text_of(root, "vcpu"), default=1, most=_MOST_CPUS, what="vcpu"))
    current = notes.number(
        value(root, "vcpu", "current"), default=most, most=most, what="vcpu/@current"
    )
    per_socket = 1
    for part in ("dies", "clusters", "cores", "threads"):
        text = value(root, "cpu/topology", part)
        count = notes.number(text, default=1, most=_MOST_CPUS, what=f"topology/@{part}")
        per_socket *= max(1, count)
    count = max(1, current)
    mode = value(root, "cpu[@mode]", "mode")
    features = {e.get("name"): e.get("policy") or "require" for e in root.findall("cpu/feature")}
    says = {features.get(name) for name in ("vmx", "svm")} - {None}
    # A guest with the host's own processor sees its virtualization, too, unless that is taken away.
    nested = bool(says & {"require", "force"}) or (mode == "host-passthrough" and not says)
    return Cpu(
        count=count,
        cores_per_socket=per_socket if count % per_socket == 0 else 1,
        hot_add=count < most,
        nested_virtualization=nested,
    )


def _memory(root: etree._Element, notes: Notes) -> Memory:
    size = _bytes(root.find("memory"), notes)
    if not size:  # a domain may say it by NUMA cells alone
        cells = root.findall("cpu/numa/cell")[:_MOST_CPUS]
        size = min(sum(_cell(cell, notes) for cell in cells), _MOST_MEMORY)
    if not size:
        notes.note(
            "KF-112",
            Severity.WARNING,
            "the machine's memory is not given",
            action="1 GiB is assumed",
        )
    most = _bytes(root.find("maxMemory"), notes)
    current = _bytes(root.find("currentMemory"), notes)
    return Memory(
        size or _DEFAULT_MEMORY,
        reservation=_bytes(root.find("memtune/min_guarantee"), notes) or None,
        limit=_bytes(root.find("memtune/hard_limit"), notes) or None,
        hot_add=most > size > 0,
        minimum=current if 0 < current < size else None,
    )


def _cell(cell: etree._Element, notes: Notes) -> int:
    factor = words.UNITS.get((cell.get("unit") or "KiB").lower(), KIB)
    return factor * notes.number(
        cell.get("memory"), default=0, most=_MOST_MEMORY // factor, what="cell/@memory"
    )


def _bytes(element: etree._Element | None, notes: Notes) -> int:
    """Return a size in bytes; the unit is KiB where none is said."""
    if element is None:
        return 0
    unit = (element.get("unit") or "KiB").strip()
    factor = words.UNITS.get(unit.lower())
    if factor is None:
        notes.note(
            "KF-111",
            Severity.WARNING,
            f"<{element.tag}> is in {unit[:40]!r}, which is no unit of libvirt",
            action="read as KiB",
        )
        factor = KIB
    return factor * notes.number(
        element.text, default=0, most=_MOST_MEMORY // factor, what=str(element.tag)
    )


def _guest(root: etree._Element) -> GuestOs:
    word = value(root, f"metadata/{{{OSINFO_NS}}}libosinfo/{{{OSINFO_NS}}}os", "id")
    if not word:
        return GuestOs()
    guest = guest_os.from_vendor("osinfo", word) or "other"
    arch = value(root, "os/type", "arch")
    narrow = any(row.id == f"{guest}-32" for row in guest_os.TABLE)
    if arch in _X86 - {"", "x86_64"} and narrow:
        guest = f"{guest}-32"
    return GuestOs(id=guest, vendor=(f"osinfo:{word}",))


def _uuid(root: etree._Element) -> str | None:
    plain = re.sub(r"[\s-]", "", text_of(root, "uuid")).lower()
    if not _HEX.fullmatch(plain) or not int(plain, 16):  # zeros: nobody gave it one
        return None
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def _keep_rest(root: etree._Element, notes: Notes, *, title: str) -> None:
    """Keep what was not taken up, and say what changes the machine by being left."""
    for element in children(root):
        if element.tag == "metadata":
            known = {f"{{{KENSHO_NS}}}networks", f"{{{OSINFO_NS}}}libosinfo"}
            for child in children(element):
                if child.tag not in known:
                    notes.keep(child)
        elif element.tag not in _READ or (element.tag == "title" and title):
            notes.keep(element)
        if str(element.tag).endswith("}commandline"):
            notes.note(
                "KF-148",
                Severity.WARNING,
                "the domain adds options to the hypervisor's command line",
                subject=str(element.tag).partition("}")[2],
                action="kept as text, never run; check what they were for",
            )
    arch = value(root, "os/type", "arch")
    if arch not in _X86:
        notes.note(
            "KF-225",
            Severity.WARNING,
            f"the guest is made for {arch[:40]} processors",
            action="the machines that kensho writes are for x86",
        )
