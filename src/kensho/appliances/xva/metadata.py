"""``ova.xml``: the database records of a machine as XAPI exports and imports them.

Source: https://xapi-project.github.io/xen-api/ (classes VM, VBD, VDI, VIF, SR, network) and what
XAPI's import does with them (ocaml/xapi/import.ml, importexport.ml): objects refer to each other
by the ids of this file, networks are matched by name and else by bridge, an SR record is only
looked at for its content type. Values are XML-RPC, 64-bit integers as plain strings.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping, Sequence

from lxml import etree

from kensho.appliances.mapped import boot_ranks
from kensho.appliances.xva.kept import apply, is_paravirtual, settings_of
from kensho.appliances.xva.note import NOTE, pack_note
from kensho.appliances.xva.objects import NULL, whole
from kensho.appliances.xva.records import (
    SR,
    VM,
    VTPM,
    Vdi,
    part_uuid,
    sr_record,
    vbds_of,
    vdi_record,
    vifs_and_networks,
    vtpm_record,
)
from kensho.appliances.xva.xmlrpc import Record, Value, encode
from kensho.model import guest_os
from kensho.model.appliance import Provenance
from kensho.model.machine import Cdrom, Firmware, Machine
from kensho.model.units import MIB
from kensho.platforms.words import word_for
from kensho.platforms.xenserver import XVA

_DECIDED = frozenset(
    {"HVM_boot_params/order", "HVM_boot_params/firmware", "platform/secureboot", "domain_type"}
    | {"platform/cores-per-socket", "platform/exp-nested-hvm", "platform/nested-virt"}
)


def ova_xml(
    machine: Machine, vdis: Sequence[Vdi], timestamp: int, origin: Provenance | None = None
) -> bytes:
    """Return the metadata of an export of one machine, with the note of where it came from.

    Raises UnsupportedError for devices Xen does not have, UsageError for a disk without VDI.
    """
    objects: list[Value] = []
    vbds = vbds_of(machine, vdis)
    nics, networks = vifs_and_networks(machine)
    objects.append(_object("VM", VM, _vm(machine, [*vbds], [*nics], origin)))
    if machine.firmware.tpm:
        objects.append(_object("VTPM", VTPM, vtpm_record(machine)))
    for ref, vbd in vbds.items():
        objects.append(_object("VBD", ref, vbd))
    for ref, vif in nics.items():
        objects.append(_object("VIF", ref, vif))
    for ref, network in networks.items():
        objects.append(_object("network", ref, network))
    for vdi in vdis:
        used_by = [ref for ref, vbd in vbds.items() if vbd["VDI"] == vdi.ref]
        objects.append(_object("VDI", vdi.ref, vdi_record(machine, vdi, used_by)))
    objects.append(_object("SR", SR, sr_record(machine, [vdi.ref for vdi in vdis])))
    day = datetime.datetime.fromtimestamp(timestamp, datetime.UTC)
    # The version decides which fixes for old exports XAPI applies; these are of XenServer 7.1.
    version = {
        "hostname": "localhost",
        "date": day.strftime("%Y-%m-%d"),
        "product_version": "7.1.0",
        "product_brand": "XenServer",
        "build_number": "137272c",
        "xapi_major": "1",
        "xapi_minor": "9",
        "export_vsn": "2",
    }
    root = encode({"version": version, "objects": objects})
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _object(class_: str, ref: str, record: Mapping[str, Value]) -> Value:
    return {"class": class_, "id": ref, "snapshot": record}


def _vm_uuid(machine: Machine) -> str:
    try:
        return str(uuid.UUID(machine.uuid or ""))
    except ValueError:
        return part_uuid(machine, "VM")


def _vm(machine: Machine, vbds: list[str], vifs: list[str], origin: Provenance | None) -> Record:
    most = machine.memory.size
    memory, count = str(most), str(machine.cpu.count)
    uefi = machine.firmware.kind is Firmware.UEFI
    epoch = datetime.datetime.fromtimestamp(0, datetime.UTC)
    empty = ["PV_args", "PV_bootloader", "PV_bootloader_args", "PV_kernel", "PV_legacy_args", "PV_ramdisk", "PCI_bus", "domarch", "ha_restart_priority", "generation_id", "last_booted_record", "recommendations", "reference_label", "snapshot_metadata", "transportable_snapshot_id"]  # fmt: skip
    nothing = ["affinity", "appliance", "guest_metrics", "metrics", "parent", "protection_policy", "resident_on", "scheduled_to_be_resident_on", "snapshot_of", "snapshot_schedule", "suspend_SR", "suspend_VDI"]  # fmt: skip
    lists = ["VGPUs", "VTPMs", "VUSBs", "allowed_operations", "attached_PCIs", "children", "consoles", "crash_dumps", "snapshots", "tags"]  # fmt: skip
    maps = ["NVRAM", "VCPUs_params", "bios_strings", "blobs", "blocked_operations", "current_operations", "last_boot_CPU_flags", "snapshot_info", "xenstore_data"]  # fmt: skip
    flags = ["ha_always_run", "has_vendor_device", "is_a_snapshot", "is_a_template", "is_control_domain", "is_default_template", "is_snapshot_from_vmpp", "is_vmss_snapshot", "requires_reboot"]  # fmt: skip
    zeros = "hardware_platform_version memory_overhead order shutdown_delay start_delay version"
    record: Record = dict.fromkeys(empty, "")
    record |= dict.fromkeys(nothing, NULL) | dict.fromkeys(zeros.split(), "0")
    record |= {name: [] for name in lists} | {name: {} for name in maps}
    record |= dict.fromkeys(flags, False)
    record |= {
        "uuid": _vm_uuid(machine),
        "name_label": " ".join(machine.name.split()),
        "name_description": machine.annotation,
        "power_state": "Halted",
        "user_version": "1",
        "domid": "-1",
        "domain_type": "hvm",
        "HVM_boot_policy": "BIOS order",
        "HVM_boot_params": {
            "order": _boot_order(machine),
            "firmware": "uefi" if uefi else "bios",
        },
        "HVM_shadow_multiplier": 1.0,
        "platform": _platform(machine),
        "memory_static_max": str(max(machine.memory.limit or most, most)),
        "memory_static_min": str(min(machine.memory.minimum or most, most)),
        "memory_dynamic_max": memory,
        "memory_dynamic_min": str(min(machine.memory.minimum or most, most)),
        "memory_target": memory,
        "VCPUs_max": count,
        "VCPUs_at_startup": count,
        "actions_after_crash": "restart",
        "actions_after_reboot": "restart",
        "actions_after_shutdown": "destroy",
        "snapshot_time": epoch,
        "other_config": {
            "base_template_name": guest_os.to_vendor(machine.guest.id, "xen"),
            "install-methods": "cdrom",
            "mac_seed": part_uuid(machine, "mac_seed"),
        },
        "VBDs": vbds,
        "VIFs": vifs,
        "VTPMs": [VTPM] if machine.firmware.tpm else [],
    }
    record = _as_kept(machine, record)
    if origin is not None:
        config = record["other_config"]
        assert isinstance(config, dict)
        record["other_config"] = {**config, NOTE: pack_note(origin)}
    return record


def _as_kept(machine: Machine, record: Record) -> Record:
    """Return the machine's record with the settings kept of the XVA it came from.

    What firmware and processors decide stays as it is. A paravirtualized guest stays one.
    """
    settings = settings_of(machine.extras, "VM")
    uefi = machine.firmware.kind is Firmware.UEFI
    decided = set(_DECIDED)
    if ("uefi" in settings.get("platform/device-model", "")) != uefi:
        decided.add("platform/device-model")
    if not uefi:
        decided.add("NVRAM")
    if (whole(settings.get("VCPUs_max", ""), 1 << 16) or 0) < machine.cpu.count:
        decided.add("VCPUs_max")
    result = apply(settings, record, frozenset(decided))
    if is_paravirtual(settings) and not uefi:
        result |= {"HVM_boot_policy": "", "domain_type": settings.get("domain_type", "pv")}
    return result


def _platform(machine: Machine) -> Value:
    """Return what XAPI hands to the device model."""
    windows = guest_os.get(machine.guest.id).family == "windows"
    video = machine.video
    uefi = machine.firmware.kind is Firmware.UEFI
    platform = {
        "acpi": "1",
        "apic": "true",
        "device-model": "qemu-upstream-uefi" if uefi else "qemu-upstream-compat",
        "hpet": "true",
        "nx": "true",
        "pae": "true",
        "secureboot": "true" if machine.firmware.secure_boot else "false",
        "timeoffset": "0",
        "vga": (word_for(XVA.video, video.model) if video else None) or "std",
        # Xen's VGA takes 4 to 16 MiB.
        "videoram": str(min(max(video.memory // MIB, 4), 16) if video and video.memory else 8),
        "viridian": "true" if windows else "false",
    }
    if machine.cpu.nested_virtualization:
        platform["exp-nested-hvm"] = "true"
    cores = machine.cpu.cores_per_socket
    if cores > 1 and machine.cpu.count % cores == 0:
        platform["cores-per-socket"] = str(cores)
    return platform


def _boot_order(machine: Machine) -> str:
    """Return the kinds of devices to start from: c disk, d CD, n network."""
    ranks = boot_ranks(machine)
    letters = {d.id: "d" if isinstance(d, Cdrom) else "c" for d in machine.drives}
    letters |= {nic.id: "n" for nic in machine.nics}
    stated = [letters[device] for device in sorted(ranks, key=ranks.__getitem__)]
    return "".join(dict.fromkeys([*stated, *"cdn"]))
