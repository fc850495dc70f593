"""The boot order of a VMX: ``bios.bootOrder`` by kind of device, ``bios.hddOrder`` among disks.

VMware publishes no specification; vSphere's API (VirtualMachineBootOptions) and the files of its
products agree on the words ``hdd``, ``cdrom``, ``floppy`` and ``ethernetN``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from kensho.appliances.vmx.keys import Keys
from kensho.model.machine import Cdrom, Disk, Machine

_DISKS = frozenset({"hdd", "hd", "disk"})
_CDROMS = frozenset({"cdrom", "cd"})


def with_boot_order(machine: Machine, keys: Keys) -> Machine:
    """Return the machine with its devices' places in the boot order, as far as it is stated."""
    disks = _listed(keys, "bios.hddorder", [d.id for d in machine.disks])
    cdroms = _listed(keys, "bios.cdromorder", [d.id for d in machine.cdroms])
    words = _words(keys, "bios.bootorder")
    if not words and keys.peek("bios.hddorder"):
        words = ["hdd"]
    order: list[str] = []
    adapters = {nic.id for nic in machine.nics}
    for word in words:
        if word in _DISKS:
            order += disks or [d.id for d in machine.disks[:1]]
        elif word in _CDROMS:
            order += cdroms or [d.id for d in machine.cdroms[:1]]
        elif word in adapters:
            order.append(word)
    ranks = {device: rank for rank, device in enumerate(dict.fromkeys(order), 1)}
    change = msgspec.structs.replace
    return change(
        machine,
        drives=tuple(
            change(d, boot_order=ranks[d.id])
            if isinstance(d, Disk | Cdrom) and d.id in ranks
            else d
            for d in machine.drives
        ),
        nics=tuple(change(n, boot_order=ranks[n.id]) if n.id in ranks else n for n in machine.nics),
    )


def _words(keys: Keys, key: str) -> list[str]:
    """Return a list's words, each once; the keys stay among the extras, which have all of their text."""
    text = keys.peek(key).lower().removeprefix("allow:")
    return list(dict.fromkeys(word for part in text.split(",") if (word := part.strip())))


def _listed(keys: Keys, key: str, there: list[str]) -> list[str]:
    known = set(there)
    return [word for word in _words(keys, key) if word in known]


def boot_entries(
    machine: Machine, key_of: Callable[[Disk | Cdrom], str]
) -> Iterator[tuple[str, str]]:
    """Yield the keys of the stated boot order; ``key_of`` gives a drive's place, ``scsi0:1``."""
    found: list[tuple[int, str, str]] = [
        (d.boot_order, "hdd" if isinstance(d, Disk) else "cdrom", key_of(d))
        for d in machine.drives
        if isinstance(d, Disk | Cdrom) and d.boot_order is not None
    ]
    found += [
        (nic.boot_order, f"ethernet{number}", "")
        for number, nic in enumerate(machine.nics)
        if nic.boot_order is not None
    ]
    found.sort(key=lambda entry: entry[0])
    if found:
        yield "bios.bootOrder", ",".join(dict.fromkeys(word for _, word, _ in found))
    for key, wanted in (("bios.hddOrder", "hdd"), ("bios.cdromOrder", "cdrom")):
        places = [place for _, word, place in found if word == wanted]
        if places:
            yield key, ",".join(places)
