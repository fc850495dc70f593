"""An XVA taken apart as XenServer takes it, with nothing of kensho's: its disk, and xl's words for its machine.

Sources: xapi's ocaml/xapi/stream_vdi.ml (a block's number times 1 MiB is its place, what is not there is zero,
every SHA-1 is looked at) and export.ml (``ova.xml`` is a value of XML-RPC); xl.cfg(5). It stands in for
xapi, which Debian 12 does not have: what xapi says of the metadata is not shown by it.
"""

from __future__ import annotations

import hashlib
import tarfile
import xmlrpc.client
from pathlib import Path
from typing import Any

_MIB = 1 << 20
_HEAD, _TAIL = b"<methodResponse><params><param>", b"</param></params></methodResponse>"


def unpack(xva: Path, folder: Path, images: str) -> Path:
    """Write every disk as ``xvda.raw`` and a configuration that names them in ``images``; return that."""
    with tarfile.open(xva) as tar:
        first = tar.next()
        assert first is not None
        assert first.name == "ova.xml"
        objects = _objects(_content(tar, first))
        vm = _only(objects, "VM")
        drives = []
        for vbd in (objects[ref][1] for ref in vm["VBDs"]):
            if vbd["type"] == "Disk":
                name = f"xvd{chr(ord('a') + int(vbd['userdevice']))}"
                size = int(objects[vbd["VDI"]][1]["virtual_size"])
                _write(tar, vbd["VDI"], size, folder / f"{name}.raw")
                access = "w" if vbd["mode"] == "RW" else "r"
                drives.append(
                    f"format=raw, vdev={name}, access={access}, target={images}/{name}.raw"
                )
    nics = []
    for vif in (objects[ref][1] for ref in vm["VIFs"]):
        bridge = objects[vif["network"]][1]["bridge"]
        nics.append(f"mac={vif['MAC']},bridge={bridge}")
    settings = {
        "name": vm["name_label"],
        "uuid": vm["uuid"],
        "memory": int(vm["memory_static_max"]) // _MIB,
        "vcpus": int(vm["VCPUs_at_startup"]),
        "disk": drives,
        "vif": nics,
        "serial": "pty",
    } | _kind(vm)
    config = folder / "machine.cfg"
    config.write_text("".join(f"{key} = {_value(value)}\n" for key, value in settings.items()))
    return config


def _kind(vm: dict[str, Any]) -> dict[str, str]:
    if not vm["HVM_boot_policy"]:
        return {"type": "pv", "bootloader": vm["PV_bootloader"]}
    firmware = vm["HVM_boot_params"].get("firmware", "bios")
    order = vm["HVM_boot_params"].get("order", "cd")
    return {"type": "hvm", "bios": "ovmf" if firmware == "uefi" else "seabios", "boot": order}


def _objects(data: bytes) -> dict[str, tuple[str, dict[str, Any]]]:
    text = data[data.index(b"<value>") :]
    ((value,), _) = xmlrpc.client.loads(_HEAD + text + _TAIL)
    listed: Any = value
    return {one["id"]: (one["class"], one["snapshot"]) for one in listed["objects"]}


def _only(objects: dict[str, tuple[str, dict[str, Any]]], kind: str) -> dict[str, Any]:
    (found,) = (record for name, record in objects.values() if name == kind)
    return found


def _write(tar: tarfile.TarFile, ref: str, size: int, path: Path) -> None:
    members = [m for m in tar.getmembers() if m.name.startswith(f"{ref}/")]
    sums = {m.name.removesuffix(".checksum"): m for m in members if m.name.endswith(".checksum")}
    with path.open("wb") as file:
        file.truncate(size)
        for member in members:
            if member.name.endswith(".checksum"):
                continue
            block = _content(tar, member)
            assert hashlib.sha1(block).hexdigest() == _content(tar, sums[member.name]).decode()
            if block.strip(b"\0"):
                file.seek(int(member.name.rpartition("/")[2]) * _MIB)
                file.write(block)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _value(value: object) -> str:
    if isinstance(value, list):
        return "[ " + ", ".join(_value(one) for one in value) + " ]"
    return str(value) if isinstance(value, int) else f'"{value}"'
