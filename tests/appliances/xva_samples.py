"""Exports made by hand, with the standard library's XML-RPC and tar: nothing of the writer's."""

from __future__ import annotations

import hashlib
import io
import tarfile
import xmlrpc.client
from pathlib import Path

import xxhash

MIB = 1 << 20
UUID = "2f4a9c1e-5f0b-4f6b-8a56-0d9b9b1f6a01"
SNAPSHOT_UUID = "5e1d7c33-7cbb-4a51-9f2b-3a8c4d5e6f70"


def metadata(*objects: tuple[str, str, dict], version: str = "8.4.0") -> bytes:
    """Return an ova.xml with objects as (class, reference, record)."""
    listed = [{"class": c, "id": ref, "snapshot": record} for c, ref, record in objects]
    value = {"version": {"product_version": version, "export_vsn": "2"}, "objects": listed}
    text = xmlrpc.client.dumps((value,), methodresponse=True)
    inner = text[text.index("<value>") : text.rindex("</param>")]
    return f"<?xml version='1.0'?>\n{inner.strip()}".encode()


def vm(ref: str = "Ref:0", **changes: object) -> tuple[str, str, dict]:
    record = {
        "uuid": UUID,
        "name_label": "web",
        "name_description": "the shop's\nfront",
        "is_a_snapshot": False,
        "is_a_template": False,
        "is_control_domain": False,
        "power_state": "Halted",
        "VCPUs_max": "8",
        "VCPUs_at_startup": "4",
        "memory_static_max": str(4096 * MIB),
        "memory_dynamic_max": str(2048 * MIB),
        "memory_dynamic_min": str(1024 * MIB),
        "memory_static_min": str(512 * MIB),
        "HVM_boot_policy": "BIOS order",
        "HVM_boot_params": {"firmware": "uefi", "order": "dcn"},
        "PV_bootloader": "",
        "domain_type": "hvm",
        "platform": {
            "secureboot": "true", "cores-per-socket": "2", "viridian": "true", "vga": "std",
            "videoram": "16", "device-model": "qemu-upstream-uefi", "exp-nested-hvm": "true",
        },
        "NVRAM": {"EFI-variables": "VkFSUw=="},
        "other_config": {"base_template_name": "Debian Bookworm 12", "mac_seed": "x", "team": "a/b"},
        "tags": ["prod", "web"],
        "VTPMs": ["Ref:70"],
        "actions_after_crash": "preserve",
        "guest_metrics": "Ref:60",
        "last_booted_record": "('struct' ...)",
    }  # fmt: skip
    return "VM", ref, record | changes


def vbd(ref: str, vdi: str, userdevice: str, **changes: object) -> tuple[str, str, dict]:
    record = {
        "VM": "Ref:0", "VDI": vdi, "userdevice": userdevice, "bootable": userdevice == "0",
        "mode": "RW", "type": "Disk", "empty": False, "qos_algorithm_type": "", "other_config": {},
    }  # fmt: skip
    return "VBD", ref, record | changes


def vdi(ref: str, size: int, **changes: object) -> tuple[str, str, dict]:
    record = {"uuid": f"00000000-0000-4000-8000-{int(ref[4:]):012d}", "name_label": f"disk {ref}"}
    return "VDI", ref, record | {"virtual_size": str(size), "SR": "Ref:90"} | changes


def vif(ref: str, device: str, network: str, **changes: object) -> tuple[str, str, dict]:
    record = {
        "VM": "Ref:0",
        "device": device,
        "network": network,
        "MAC": "00:16:3E:11:22:0" + device,
    }
    return "VIF", ref, record | {"MTU": "1500", "locking_mode": "network_default"} | changes


def network(ref: str, name: str, bridge: str) -> tuple[str, str, dict]:
    return "network", ref, {"name_label": name, "name_description": "", "bridge": bridge}


def blocks(ref: str, content: bytes, kind: str = "checksum", size: int = MIB):
    """Yield the (name, bytes) that XAPI's exporter makes of a disk."""
    count = -(-len(content) // size)
    for number in range(count):
        block = content[number * size : (number + 1) * size]
        if any(block) or number in {0, count - 1}:
            name = f"{ref}/{number:08d}"
            yield name, block
            digest = hashlib.sha1(block).hexdigest()
            if kind == "xxhash":
                digest = f"{xxhash.xxh64_intdigest(block):016X}"
            if kind:
                yield f"{name}.{kind}", digest.encode()


def pack(path: Path, files) -> Path:
    """Write a tar archive of (name, bytes)."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
