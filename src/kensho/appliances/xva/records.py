"""The records of an XVA that hang on a machine: VBD, VIF, network, VDI and SR.

Source: https://xapi-project.github.io/xen-api/ (fields of the classes), and import.ml of XAPI for
which of them matter: SRs and networks are looked up on the importing pool, not made from these.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from kensho.appliances.mapped import controller_of, not_supported
from kensho.appliances.xva.kept import apply, settings_of
from kensho.appliances.xva.objects import NULL
from kensho.appliances.xva.xmlrpc import Record
from kensho.model.errors import UsageError
from kensho.model.machine import Cdrom, ControllerModel, Disk, Machine, Nic, NicModel

VM, SR, VTPM = "Ref:0", "Ref:1", "Ref:2"
#: The network of the first interface of every host: where an adapter goes whose network the
#: pool does not know by name.
_FALLBACK_BRIDGE = "xenbr0"
_NAMESPACE = uuid.UUID("6f1c3a52-5b0e-5d7e-9d7c-0d4f6b3c8a11")
_PLACE = re.compile(r"vif([0-6])")
_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Vdi:
    """A disk of the export: its reference, the image it is made of, its size in bytes."""

    ref: str
    image: str
    virtual_size: int


def part_uuid(machine: Machine, *path: str) -> str:
    """Return a UUID that is always the same for a part of a machine."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join((machine.id, machine.uuid or "", *path))))


def vbds_of(machine: Machine, vdis: Sequence[Vdi]) -> dict[str, Record]:
    """Return the virtual block devices by reference."""
    by_image = {vdi.image: vdi.ref for vdi in vdis}
    boot = machine.boot_disk()
    result: dict[str, Record] = {}
    for number, drive in enumerate(machine.drives):
        if not isinstance(drive, Disk | Cdrom):
            raise not_supported("Xen", drive, "floppy")
        model = controller_of(machine, drive).model
        if model is not ControllerModel.XEN_VBD:
            raise not_supported("Xen", drive, model.value)
        is_disk = isinstance(drive, Disk)
        if isinstance(drive, Disk) and drive.image not in by_image:
            raise UsageError(f"disk {drive.id!r} is not in the export", field=drive.id)
        read_only = drive.read_only if isinstance(drive, Disk) else True
        record: Record = {
            "uuid": part_uuid(machine, "VBD", drive.id),
            "VM": VM,
            "VDI": by_image[drive.image] if isinstance(drive, Disk) else NULL,
            "device": _device_name(drive.unit),
            "userdevice": str(drive.unit),
            "bootable": drive is boot,
            "mode": "RO" if read_only else "RW",
            "type": "Disk" if is_disk else "CD",
            "empty": not is_disk,
            "unpluggable": is_disk,
            "storage_lock": False,
        }
        settings = settings_of(machine.extras, "VBD", str(drive.unit))
        result[f"Ref:{100 + number}"] = apply(settings, record | _attached_device(), frozenset())
    return result


def _attached_device() -> Record:
    """Return the fields that block devices and adapters share."""
    return {
        "allowed_operations": [],
        "current_operations": {},
        "currently_attached": False,
        "metrics": NULL,
        "other_config": {},
        "qos_algorithm_params": {},
        "qos_algorithm_type": "",
        "qos_supported_algorithms": [],
        "runtime_properties": {},
        "status_code": "0",
        "status_detail": "",
    }


def _device_name(unit: int) -> str:
    """Return ``xvda`` for 0, ``xvdaa`` for 26."""
    letters = ""
    while unit >= 0:
        letters = chr(ord("a") + unit % 26) + letters
        unit = unit // 26 - 1
    return f"xvd{letters}"


def vifs_and_networks(
    machine: Machine,
) -> tuple[dict[str, Record], dict[str, Record]]:
    """Return the adapters and the networks they are on, both by reference."""
    names = list(dict.fromkeys(nic.network for nic in machine.nics))
    refs = {name: f"Ref:{900 + number}" for number, name in enumerate(names)}
    places = _places(machine)
    vifs = {
        f"Ref:{500 + n}": _vif(machine, nic, places[n], refs[nic.network])
        for n, nic in enumerate(machine.nics)
    }
    bridges = settings_of(machine.extras, "network", "bridge")
    networks: dict[str, Record] = {}
    for name, ref in refs.items():
        networks[ref] = {
            "uuid": part_uuid(machine, "network", name),
            "name_label": " ".join(name.split()),
            "name_description": "",
            "VIFs": [vif_ref for vif_ref, vif in vifs.items() if vif["network"] == ref],
            "PIFs": [],
            "MTU": "1500",
            "bridge": bridges.get(name, _FALLBACK_BRIDGE),
            "managed": True,
            "default_locking_mode": "unlocked",
            "allowed_operations": [],
            "current_operations": {},
            "assigned_ips": {},
            "blobs": {},
            "other_config": {},
            "purpose": [],
            "tags": [],
        }
    return vifs, networks


def _vif(machine: Machine, nic: Nic, number: int, network: str) -> Record:
    if nic.model is not NicModel.XEN:
        raise not_supported("Xen", nic, nic.model.value)
    mac = (nic.mac or "").lower()
    known = _MAC.fullmatch(mac) is not None
    addresses = ["ipv4_addresses", "ipv4_allowed", "ipv6_addresses", "ipv6_allowed"]
    record: Record = {
        "uuid": part_uuid(machine, "VIF", nic.id),
        "VM": VM,
        "network": network,
        "device": str(number),
        "MAC": mac if known else "",
        "MAC_autogenerated": not known,
        "MTU": "1500",
        "locking_mode": "network_default" if nic.connected else "disabled",
        "ipv4_configuration_mode": "None",
        "ipv6_configuration_mode": "None",
        "ipv4_gateway": "",
        "ipv6_gateway": "",
    }
    record |= {name: [] for name in addresses}
    decided = frozenset[str]() if nic.connected else frozenset({"locking_mode"})
    settings = settings_of(machine.extras, "VIF", str(number))
    return apply(settings, record | _attached_device(), decided)


def _places(machine: Machine) -> list[int]:
    """Return the adapters' numbers: those they had in an XVA, else in their order."""
    found = [_PLACE.fullmatch(nic.id) for nic in machine.nics]
    numbers = [int(match[1]) for match in found if match is not None]
    whole = len(set(numbers)) == len(machine.nics) and numbers == sorted(numbers)
    return numbers if whole else list(range(len(machine.nics)))


def vdi_record(machine: Machine, vdi: Vdi, vbds: list[str]) -> Record:
    """Return a disk's record; ``vbds`` are the references of the devices that use it."""
    drive = next((d for d in machine.disks if d.image == vdi.image), None)
    label = (drive.name if drive else "") or f"{machine.name} {vdi.image}"
    flags = [
        "allow_caching",
        "cbt_enabled",
        "is_a_snapshot",
        "is_tools_iso",
        "missing",
        "storage_lock",
    ]
    record: Record = {
        "uuid": part_uuid(machine, "VDI", vdi.image),
        "name_label": " ".join(label.split()),
        "name_description": "",
        "SR": SR,
        "VBDs": vbds,
        "virtual_size": str(vdi.virtual_size),
        "physical_utilisation": "0",
        "type": "user",
        "sharable": drive.shared if drive else False,
        "read_only": drive.read_only if drive else False,
        "managed": True,
        "location": part_uuid(machine, "VDI", vdi.image),
        "on_boot": "persist",
        "parent": NULL,
        "snapshot_of": NULL,
        "metadata_of_pool": NULL,
        "metadata_latest": False,
        "snapshot_time": datetime.datetime.fromtimestamp(0, datetime.UTC),
        "snapshots": [],
        "allowed_operations": [],
        "crash_dumps": [],
        "current_operations": {},
        "other_config": {},
        "sm_config": {},
        "tags": [],
        "xenstore_data": {},
    }
    record |= dict.fromkeys(flags, False)
    settings = {} if drive is None else settings_of(machine.extras, "VDI", str(drive.unit))
    return apply(settings, record, frozenset())


def vtpm_record(machine: Machine) -> Record:
    """Return a new virtual TPM, in the fields of XAPI's own export (export.ml, not the API's)."""
    return {
        "vTPM'_VM": VM,
        "vTPM'_uuid": part_uuid(machine, "VTPM"),
        "vTPM'_is_unique": False,
        "vTPM'_is_protected": False,
        "vTPM'_content": "",
    }


def sr_record(machine: Machine, vdis: list[str]) -> Record:
    """Return the storage repository that the disks are said to be on."""
    return {
        "uuid": part_uuid(machine, "SR"),
        "name_label": "kensho",
        "name_description": "",
        "VDIs": vdis,
        "PBDs": [],
        "type": "lvm",
        "content_type": "user",
        "shared": False,
        "virtual_allocation": "0",
        "physical_utilisation": "0",
        "physical_size": "0",
        "introduced_by": NULL,
        "clustered": False,
        "is_tools_sr": False,
        "local_cache_enabled": False,
        "allowed_operations": [],
        "current_operations": {},
        "blobs": {},
        "other_config": {},
        "sm_config": {},
        "tags": [],
    }
