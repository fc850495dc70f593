"""A new identity for a copy: what tells one machine from another is drawn anew.

A move keeps the identity, a clone must not have it. New are the machine's UUID (and with it the
serial number that VMware makes of it), the addresses of its adapters, serial numbers and generation
ids among a vendor's own settings. They are drawn once, when the plan is made, and are in the plan.
What the guest itself remembers (host keys, machine-id, SID) is its disk's, and stays.
"""

from __future__ import annotations

import enum
import re
import secrets
import uuid
from dataclasses import dataclass

import msgspec

from kensho.model.appliance import Appliance
from kensho.model.machine import Extra, Machine, Nic
from kensho.platforms.base import Carries, Platform

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
#: Settings that are drawn anew: in these a UUID is replaced by another.
_GENERATIONS = {
    "libvirt": re.compile(r"/domain/genid"),
    "pve": re.compile(r"vmgenid"),
    "xva": re.compile(r".*/generation_id"),
}
#: Settings that go: the target makes new ones, or a copy has none.
_GONE = {
    "vmx": re.compile(r"(?i)uuid\.location|vc\.uuid|vm\.genidx?|.*\.generatedaddress(offset)?"),
    "xva": re.compile(r".*/(mac_seed|bios_strings/.*(serial|uuid).*)"),
    "xen": re.compile(r"uuid"),
    "hyperv": re.compile(r"(?i).*/(bios_serial_number|bios_guid|.*/serial_?number)"),
}
#: Parts of settings that go: a serial number among what else is said of the board.
_PARTS = {
    "libvirt": re.compile(
        r"<entry\b[^>]*\bname=[\"'](?:serial|uuid|asset)[\"'][^>]*>[^<]*</entry>\s*"
    ),
    "pve": re.compile(r"(?:^|,)(?:serial|uuid)=[^,]*"),
}
_PARTS_OF = {"libvirt": "/domain/sysinfo", "pve": "smbios1"}


class IdentityPolicy(enum.StrEnum):
    """Whether a machine is moved or copied."""

    KEEP = "keep"  #: it is moved: the same machine elsewhere
    NEW = "new"  #: it is copied: the old one goes on to be


@dataclass(frozen=True, slots=True)
class Renewed:
    """The identity drawn for one machine: addresses by the id of their adapter."""

    uuid: str
    generation: str
    macs: dict[str, str]


def draw(appliance: Appliance, platform: Platform) -> dict[str, Renewed]:
    """Draw an identity for every machine, by its id; no two are alike."""
    taken: set[str] = set()
    return {
        machine.id: Renewed(
            uuid=str(uuid.uuid4()),
            generation=str(uuid.uuid4()),
            macs={nic.id: _address(platform.static_macs, taken) for nic in machine.nics},
        )
        for machine in appliance.machines
    }


def renew(appliance: Appliance, drawn: dict[str, Renewed], carries: Carries | None) -> Appliance:
    """Return the appliance with the identities drawn, as far as a form ``carries`` them."""
    machines = tuple(
        _renewed(m, drawn[m.id], carries) if m.id in drawn else m for m in appliance.machines
    )
    old: dict[str, str] = {}
    for machine in appliance.machines:
        if machine.id in drawn:
            old |= _old_and_new(machine, drawn[machine.id])
    extras = tuple(_swap_all(extra, old) for extra in appliance.extras)
    return msgspec.structs.replace(appliance, machines=machines, extras=extras)


def _old_and_new(machine: Machine, new: Renewed) -> dict[str, str]:
    """Return what a machine's identity is renewed to, by what it was."""
    old = {nic.mac: new.macs[nic.id] for nic in machine.nics if nic.mac and nic.id in new.macs}
    return old | ({machine.uuid: new.uuid} if machine.uuid is not None else {})


def _renewed(machine: Machine, new: Renewed, carries: Carries | None) -> Machine:
    def address(nic: Nic) -> str | None:
        return new.macs.get(nic.id) if carries is None or carries.mac else None

    old = _old_and_new(machine, new)
    return msgspec.structs.replace(
        machine,
        uuid=new.uuid if carries is None or carries.uuid else None,
        nics=tuple(msgspec.structs.replace(nic, mac=address(nic)) for nic in machine.nics),
        extras=tuple(
            _with_new_parts(_swap_all(extra, old), new)
            for extra in machine.extras
            if not _is(_GONE, extra.dialect, extra.where)
        ),
    )


def _swap_all(extra: Extra, old: dict[str, str]) -> Extra:
    text = extra.text
    for was, now in old.items():
        text = _swapped(text, was, now)
    return msgspec.structs.replace(extra, text=text)


def _with_new_parts(extra: Extra, new: Renewed) -> Extra:
    text = extra.text
    if _is(_GENERATIONS, extra.dialect, extra.where):
        text = _UUID.sub(new.generation, text)
    if extra.where == _PARTS_OF.get(extra.dialect):
        text = _PARTS[extra.dialect].sub("", text).lstrip(",")
    return msgspec.structs.replace(extra, text=text)


def _swapped(text: str, was: str, now: str) -> str:
    """Return a setting with an address or UUID renewed, however the vendor spells it."""
    for mark in (":", "-", ""):
        pattern = mark.join(re.escape(part) for part in re.split("[:-]", was))
        word = mark.join(re.split("[:-]", now))
        for spelt, put in ((pattern.upper(), word.upper()), (pattern, word)):
            text = re.sub(spelt, put, text, flags=re.IGNORECASE if spelt is pattern else 0)
    return text


def _is(table: dict[str, re.Pattern[str]], dialect: str, where: str) -> bool:
    pattern = table.get(dialect)
    return pattern is not None and pattern.fullmatch(where) is not None


def _address(ranges: tuple[str, ...], taken: set[str]) -> str:
    """Return an address of the first range, else a locally administered one (IEEE 802-2014, 8.2).

    A range is the beginning of an address, or ``first-last``; see `Platform.static_macs`.
    """
    while True:
        octets = bytearray(secrets.token_bytes(6))
        octets[0] = octets[0] & 0xFC | 0x02
        for wanted in ranges[:1]:
            first, last = (bytes.fromhex(w.replace(":", "")) for w in _ends(wanted))
            low, high = int.from_bytes(first), int.from_bytes(last)
            octets[: len(first)] = (low + secrets.randbelow(high - low + 1)).to_bytes(len(first))
        address = octets.hex(":")
        if address not in taken:
            taken.add(address)
            return address


def _ends(wanted: str) -> tuple[str, str]:
    first, _, last = wanted.partition("-")
    return first, last or first
