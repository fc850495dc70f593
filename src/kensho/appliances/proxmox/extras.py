"""Options of qm.conf(5) that the model does not have, written back beside what it has.

What the model says has the word. Of a drive's and an adapter's property string only what describes
the device is taken: caches, limits, queues; never where something is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kensho.appliances.proxmox.conf import properties
from kensho.model.machine import Machine
from kensho.platforms.extras import Fate, fate_of

_KEY = re.compile(r"[a-z][a-z_-]*[0-9]*", re.ASCII)
_VALUE = re.compile(r"[\x20-\x7e]{1,4096}")
_PART = re.compile(r"[\x20-\x2b\x2d-\x7e]{1,512}")  #: no comma: it would begin another part
_DEVICE = re.compile(r"(?:ide|sata|scsi|virtio|net|serial|efidisk|tpmstate|unused)[0-9]+", re.ASCII)
#: Nothing that the model has: where it is gone from there, somebody took it away.
_OF_DRIVES = re.compile(
    r"aio|backup|detect_zeroes|iothread|queues|replicate|rerror|werror|serial|wwn|vendor"
    r"|product|(?!iops$|mbps$)(?:iops|mbps|bps)(?:_rd|_wr)?(?:_max)?(?:_length)?",
    re.ASCII,
)
_OF_NICS = re.compile(r"firewall|mtu|queues|rate|trunks", re.ASCII)
_OF_SMBIOS = re.compile(r"manufacturer|product|version|serial|sku|family|base64", re.ASCII)
_MACHINE = re.compile(
    r"(?:type=)?(?:pc|q35|pc-(?:i440fx|q35)-[0-9.]+)(?:\+pve[0-9]+)?(?:,viommu=(?:intel|virtio))?",
    re.ASCII,
)


def of_dialect(machine: Machine) -> dict[str, str]:
    """Return the options to consider, by key: Proxmox VE's own, harmless, on one line."""
    return {
        e.where: e.text
        for e in machine.extras
        if e.dialect == "pve"
        and _KEY.fullmatch(e.where)
        and _VALUE.fullmatch(e.text)
        and fate_of(e) is Fate.BACK
    }


def with_options(options: Mapping[str, str], machine: Machine) -> dict[str, str]:
    """Return the machine's options with those it had on Proxmox VE before."""
    result = dict(options)
    for key, value in of_dialect(machine).items():
        if key == "smbios1":
            more = _parts(value, _OF_SMBIOS, "uuid")
            result[key] = ",".join(filter(None, (options.get(key, ""), *more)))
        elif key == "vga":
            kind = properties(value, "type").get("type", "std")
            if kind == (machine.video.model if machine.video else "std"):
                result[key] = value
        elif key == "machine":
            if _MACHINE.fullmatch(value):
                result[key] = value
        elif key == "cpu" or (key not in options and not _DEVICE.fullmatch(key)):
            result[key] = value
    return {key: value for key, value in result.items() if value}


def with_drive_parts(options: list[str], key: str, machine: Machine) -> list[str]:
    """Return a disk's options with those it had at the same place before.

    What is said already has the word: Proxmox VE refuses a property that is there twice.
    """
    said = {option.partition("=")[0] for option in options}
    had = _parts(of_dialect(machine).get(key, ""), _OF_DRIVES, "file")
    return [*options, *(part for part in had if part.partition("=")[0] not in said)]


def had_volume(machine: Machine, key: str) -> str:
    """Return the volume a drive had at the same place before, to see what kind it was."""
    return properties(of_dialect(machine).get(key, ""), "file").get("file", "")


def nic_parts(number: int, machine: Machine) -> str:
    """Return what an adapter had beside model, bridge and VLAN, with a comma in front."""
    text = of_dialect(machine).get(f"net{number}", "")
    return "".join(f",{part}" for part in _parts(text, _OF_NICS, "model"))


def _parts(text: str, wanted: re.Pattern[str], first: str) -> list[str]:
    return [
        f"{name}={value}"
        for name, value in properties(text, first).items()
        if wanted.fullmatch(name) and _PART.fullmatch(value)
    ]
