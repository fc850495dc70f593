"""Read the machines in ``ova.xml`` into the neutral model.

Source: https://xapi-project.github.io/xen-api/ (classes VM, VBD, VDI, VIF, network, VTPM) and
XAPI's ocaml/xapi/export.ml: an export holds the machine, its snapshots and what they refer to.
"""

from __future__ import annotations

import uuid as uuids

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.xva.devices import Locate, read_drives, read_nics
from kensho.appliances.xva.kept import kept_of
from kensho.appliances.xva.note import NOTE, read_note
from kensho.appliances.xva.objects import NULL, Objects, Row, whole
from kensho.model import guest_os
from kensho.model.appliance import Appliance, DiskImage, File, Network
from kensho.model.errors import PackageError, UsageError
from kensho.model.finding import Severity
from kensho.model.host_side import HostDevice, HostDeviceKind, Snapshot
from kensho.model.machine import (
    Cpu,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
    Video,
)
from kensho.model.units import MIB
from kensho.platforms.words import meaning
from kensho.platforms.xenserver import XVA

_MOST_CPUS = 4096
_MOST_MEMORY = 1 << 50
_DEFAULT_MEMORY = 512 * MIB
_LISTED = 20


def read_machines(
    objects: Objects, *, notes: Notes, fallback: str, wanted: str | None, locate: Locate
) -> Appliance:
    """Return the machines of an export, or the snapshot (or machine) called ``wanted``.

    ``locate`` says where a VDI's content is, ``fallback`` names a machine without a name.
    PackageError without a machine, UsageError when nothing is called ``wanted``.
    """
    rows = _chosen(objects, wanted, notes)
    images: dict[str, tuple[DiskImage, File]] = {}
    machines, networks = [], dict[str, Network]()
    for number, row in enumerate(rows):
        machine_id = "vm" if len(rows) == 1 else f"vm{number + 1}"
        machines.append(
            _machine(row, objects, machine_id, fallback, notes, images, networks, locate)
        )
    text = rows[0].map("other_config").get(NOTE, "") if len(rows) == 1 else ""
    origin, problems = read_note(text, notes.path)
    notes.findings.update(dict.fromkeys(problems))
    return Appliance(
        name=machines[0].name,
        machines=tuple(machines),
        images=tuple(image for image, _ in images.values()),
        files=tuple(file for _, file in images.values()),
        networks=tuple(networks.values()),
        configuration=wanted,
        origin=origin,
    )


def _chosen(objects: Objects, wanted: str | None, notes: Notes) -> list[Row]:
    """Return the machines to read: not the snapshots, unless one is asked for by name or UUID."""
    rows = [row for row in objects.get("vm", {}).values() if not row.flag("is_control_domain")]
    if not rows:
        raise PackageError("the export describes no machine", path=notes.path, field="objects")
    snapshots = [row for row in rows if row.flag("is_a_snapshot")]
    names = ", ".join(row.text("name_label") or row.ref for row in snapshots[:_LISTED])
    names += " …" if len(snapshots) > _LISTED else ""
    if wanted is not None:
        found = [row for row in rows if wanted in {row.text("name_label"), row.text("uuid")}]
        if len(found) == 1:
            return found
        raise UsageError(
            f"{wanted!r} is ambiguous" if found else f"no snapshot is called {wanted!r}",
            path=notes.path,
            hint=f"snapshots: {names}; a UUID says which one" if names else "there are none",
        )
    machines = [row for row in rows if not row.flag("is_a_snapshot")]
    if not machines and len(rows) > 1:
        raise UsageError(
            "the export holds snapshots only",
            path=notes.path,
            hint=f"--configuration NAME: {names}",
        )
    if machines and snapshots:
        notes.add(
            "KF-480",
            Severity.NOTE,
            f"the machine has snapshots: {names}",
            action="the current state is read; --configuration NAME or UUID reads a snapshot",
        )
    return machines or rows


def _machine(
    row: Row,
    objects: Objects,
    machine_id: str,
    fallback: str,
    notes: Notes,
    images: dict[str, tuple[DiskImage, File]],
    networks: dict[str, Network],
    locate: Locate,
) -> Machine:
    name = row.text("name_label") or fallback
    _note_state(row, name, notes)
    platform, boot = row.map("platform"), row.map("HVM_boot_params")
    vbds = [vbd for vbd in objects.get("vbd", {}).values() if vbd.text("VM") == row.ref]
    vifs = [vif for vif in objects.get("vif", {}).values() if vif.text("VM") == row.ref]
    order = boot.get("order", "") if row.text("HVM_boot_policy") else ""
    # A letter counts where there is such a device: places in the order are of devices.
    present = {"d" if v.text("type").lower() == "cd" else "c" for v in vbds} | {"n" for _ in vifs}
    order = "".join(letter for letter in order.lower() if letter in present)
    controllers, drives, kept = read_drives(vbds, objects, order, notes, images, locate)
    nics, kept_nics = read_nics(vifs, objects, order, notes, networks)
    return Machine(
        id=machine_id,
        name=name,
        cpu=_cpu(row, platform, notes),
        memory=_memory(row, notes),
        firmware=_firmware(row, platform, boot, objects),
        guest=_guest(row, objects),
        uuid=_uuid(row.text("uuid")),
        controllers=controllers,
        drives=drives,
        nics=nics,
        video=_video(platform),
        host_devices=_host_devices(row),
        snapshots=_snapshots(row, objects),
        annotation=row.text("name_description"),
        extras=(*kept_of("VM", row, "", notes), *kept, *kept_nics),
    )


def _note_state(row: Row, name: str, notes: Notes) -> None:
    state = row.text("power_state")
    if state in {"Suspended", "Running", "Paused"}:
        suspended = row.text("suspend_VDI") not in {"", NULL}
        notes.add(
            "KF-481",
            Severity.WARNING if suspended or state != "Suspended" else Severity.NOTE,
            f"the machine was {state.lower()} when it was exported: what was in its memory is not"
            " in its disks",
            subject=name,
            action="not carried over, as if the power was cut; shut it down before an export",
        )
    if not row.text("HVM_boot_policy") and row.text("domain_type") not in {"hvm", "pvh"}:
        how = row.text("PV_bootloader") or row.text("PV_kernel") or "a kernel of its host"
        notes.add(
            "KF-482",
            Severity.WARNING,
            f"the guest is paravirtualized: Xen starts it with {how}, without firmware and maybe"
            " without a boot loader",
            subject=name,
            action="read as if it had a BIOS; elsewhere it starts once a boot loader (GRUB for BIOS)"
            " and a kernel with drivers of that platform are in it",
        )
    if row.flag("is_a_template") and not row.flag("is_a_snapshot"):
        notes.add(
            "KF-483",
            Severity.NOTE,
            "it is a template, not a machine",
            subject=name,
            action="read as the machine that would be made from it",
        )


def _cpu(row: Row, platform: dict[str, str], notes: Notes) -> Cpu:
    most = row.number("VCPUs_max", _MOST_CPUS) or 0
    count = row.number("VCPUs_at_startup", _MOST_CPUS) or most
    if not count:
        _assumed(notes, "VCPUs_at_startup", row.text("VCPUs_at_startup"), "1")
        count = 1
    cores = whole(platform.get("cores-per-socket", ""), _MOST_CPUS) or 1
    nested = {platform.get("exp-nested-hvm"), platform.get("nested-virt")} & {"true", "1"}
    return Cpu(
        count=count,
        cores_per_socket=cores if count % cores == 0 else 1,
        hot_add=most > count,
        nested_virtualization=bool(nested),
    )


def _memory(row: Row, notes: Notes) -> Memory:
    """Return dynamic_max, of which a balloon may leave dynamic_min; static_max is the limit."""
    most = row.number("memory_static_max", _MOST_MEMORY) or 0
    size = row.number("memory_dynamic_max", _MOST_MEMORY) or most
    if not size:
        _assumed(notes, "memory_static_max", row.text("memory_static_max"), f"{_DEFAULT_MEMORY}")
        size = _DEFAULT_MEMORY
    least = row.number("memory_dynamic_min", _MOST_MEMORY) or 0
    return Memory(
        size=size, minimum=least if 0 < least < size else None, limit=most if most > size else None
    )


def _assumed(notes: Notes, field: str, text: str, assumed: str) -> None:
    notes.add(
        "KF-112",
        Severity.ERROR,
        f"{field} is {text[:60]!r}" if text else f"{field} is missing",
        subject=field,
        action=f"{assumed} is assumed",
    )


def _firmware(
    row: Row, platform: dict[str, str], boot: dict[str, str], objects: Objects
) -> FirmwareSettings:
    kind = Firmware.UEFI if boot.get("firmware", "").lower() == "uefi" else Firmware.BIOS
    chips = objects.get("vtpm", {})
    has_chip = any(
        row.ref in {chip.text("VM"), chip.text("vTPM'_VM")} for chip in chips.values()
    ) or bool(row.texts("VTPMs"))
    uefi = kind is Firmware.UEFI
    return FirmwareSettings(
        kind,
        secure_boot=uefi and platform.get("secureboot", "").lower() == "true",
        tpm=has_chip or platform.get("vtpm", "").lower() in {"true", "1"},
    )


def _guest(row: Row, objects: Objects) -> GuestOs:
    """Return the guest: what its own tools reported, else the template it was made from."""
    template = row.map("other_config").get("base_template_name", "")
    metrics = objects.get("vm_guest_metrics", {}).get(row.text("guest_metrics"))
    said = metrics.map("os_version") if metrics is not None else {}
    name = said.get("name", "").partition("|")[0]
    found = next(
        (
            known
            for word in (template, name, said.get("distro", ""))
            if (known := guest_os.from_vendor("xen", word)) not in {None, "other"}
        ),
        None,
    )
    return GuestOs(
        id=found or "other",
        version=said.get("major", ""),
        description=name,
        vendor=(f"xen:{template}",) if template else (),
    )


def _video(platform: dict[str, str]) -> Video | None:
    word = platform.get("vga", "")
    memory = whole(platform.get("videoram", ""), 1 << 16)
    if not word and not memory:
        return None
    model = meaning(XVA.video, word) or word
    return Video(model=model, memory=memory * MIB if memory else None)


def _snapshots(row: Row, objects: Objects) -> tuple[Snapshot, ...]:
    """Return the machine's snapshots that are in the export."""
    found = (s for s in objects.get("vm", {}).values() if s.text("snapshot_of") == row.ref)
    return tuple(Snapshot(s.text("name_label"), s.text("uuid")) for s in found)


def _host_devices(row: Row) -> tuple[HostDevice, ...]:
    """Return devices of the host that the machine has."""
    pci = [p for p in row.map("other_config").get("pci", "").split(",") if p.strip()]
    found = [(HostDeviceKind.PCI, name.strip()[:60]) for name in pci[:_LISTED]]
    found += [(HostDeviceKind.GPU, ref) for ref in row.texts("VGPUs")]
    found += [(HostDeviceKind.USB, ref) for ref in row.texts("VUSBs")]
    return tuple(HostDevice(f"host{n}", kind, name) for n, (kind, name) in enumerate(found))


def _uuid(text: str) -> str | None:
    try:
        return str(uuids.UUID(text)) if text else None
    except ValueError:
        return None
