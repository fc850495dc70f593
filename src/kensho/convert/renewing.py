"""A new identity for a copy: what tells one machine from another is drawn anew.

A move keeps the identity, a clone must not have it. New are the machine's UUID (and with it the
serial number that VMware makes of it), the addresses of its adapters, serial numbers and generation
ids among a vendor's own settings. They are drawn once, when the plan is made, and are in the plan.
What the guest itself remembers (host keys, machine-id, SID) is its disk's, and stays unless the
guest is adapted.
"""

from __future__ import annotations

import enum
import re
import secrets
import uuid
from dataclasses import dataclass
from functools import partial

import msgspec

from kensho.model.appliance import Appliance
from kensho.model.machine import Extra, Machine, Nic
from kensho.platforms.base import Carries, Platform

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
#: Settings that are drawn anew: in these a UUID is replaced by another.
_GENERATIONS = {
    "libvirt": re.compile(r"/domain/genid"),
    "pve": re.compile(r"vmgenid"),
    "xen": re.compile(r"ms_vm_genid"),
    "xva": re.compile(r".*/generation_id"),
}
#: Settings that go: the target makes new ones, or a copy has none.
_GONE = {
    "vmx": re.compile(
        r"(?i)uuid\.location|vc\.uuid|vm\.genidx?|.*\.generatedaddress(offset)?|vmci0\.id"
        r"|serialnumber|smbios\.assettag|.*\.(sas)?wwid"
    ),
    "xva": re.compile(r".*/(mac_seed|bios_strings/.*(serial|uuid|asset).*)"),
    "xen": re.compile(r"uuid"),
    "hyperv": re.compile(r"(?i).*(serial_?number|asset_?tag|generation_?id|global_id|/bios_guid)"),
    "kubevirt": re.compile(r".*/firmware/serial"),
}
#: Parts of settings that go: the setting, and the part.
_PARTS = {
    "libvirt": (
        re.compile(r"/domain/sysinfo(\[[0-9]+\])?"),
        re.compile(r"<entry\b[^>]*\bname=[\"'](?:serial|uuid|asset)[\"'][^>]*>[^<]*</entry>\s*"),
    ),
    "pve": (re.compile(r"smbios1"), re.compile(r"(?:^|,)(?:serial|uuid)=[^,]*")),
    "vbox": (
        re.compile(r"Machine/(ExtraData|Hardware/(GuestProperties|Network))"),
        re.compile(
            r"<(?:\w+:)?ExtraDataItem\b[^>]*/Dmi[A-Za-z]*(?:Serial|Uuid|AssetTag)[\"'][^>]*/>\s*"
            r"|<(?:\w+:)?GuestProperty\b[^>]*[\"']/VirtualBox/GuestInfo/Net/[^>]*/>\s*"
            # Of an adapter that is switched off: those that are on have new ones.
            r"|(?P<kept><(?:\w+:)?Adapter\b(?=[^>]*\benabled=.false)[^>]*?) MACAddress=.[0-9A-Fa-f]*."
        ),
    ),
    "vmxf": (re.compile(r".*"), re.compile(r"<VCId\b[^>]*>[^<]*</VCId>\s*")),
}


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
    old: dict[str, str]  #: what stood for the machine, without separators, and what does now


def draw(appliance: Appliance, platform: Platform) -> dict[str, Renewed]:
    """Draw an identity for every machine, by its id; no two are alike.

    ``appliance`` has all that the machines ever had: adapters that the way had no place for, too.
    """
    taken: set[str] = set()
    return {machine.id: _drawn(machine, platform, taken) for machine in appliance.machines}


def _drawn(machine: Machine, platform: Platform, taken: set[str]) -> Renewed:
    new = str(uuid.uuid4())
    macs = {nic.id: _address(platform.static_macs, taken) for nic in machine.nics}
    old = {machine.uuid: new} if machine.uuid else {}  # in front: an address may be its end
    old |= {nic.mac: macs[nic.id] for nic in machine.nics if nic.mac}
    plain = {_plain(word): word_now for word, word_now in old.items()}
    known = {w: n for w, n in plain.items() if w.strip("0") and len(w) == len(_plain(n))}
    return Renewed(new, str(uuid.uuid4()), macs, known)


def renew(appliance: Appliance, drawn: dict[str, Renewed], carries: Carries | None) -> Appliance:
    """Return the appliance with the identities drawn, as far as a form ``carries`` them."""
    machines = tuple(
        _renewed(m, drawn[m.id], carries) if m.id in drawn else m for m in appliance.machines
    )
    extras = tuple(
        msgspec.structs.replace(extra, text=_with_new_words(extra.text, *drawn.values()))
        for extra in appliance.extras
    )
    return msgspec.structs.replace(appliance, machines=machines, extras=extras)


def _renewed(machine: Machine, new: Renewed, carries: Carries | None) -> Machine:
    def address(nic: Nic) -> str | None:
        return new.macs.get(nic.id) if carries is None or carries.mac else None

    return msgspec.structs.replace(
        machine,
        uuid=new.uuid if carries is None or carries.uuid else None,
        nics=tuple(msgspec.structs.replace(nic, mac=address(nic)) for nic in machine.nics),
        extras=tuple(
            _with_new_parts(extra, new)
            for extra in machine.extras
            if not _is(_GONE, extra.dialect, extra.where)
        ),
    )


def _with_new_parts(extra: Extra, new: Renewed) -> Extra:
    text = extra.text
    if _is(_GENERATIONS, extra.dialect, extra.where):
        text = _UUID.sub(new.generation, text)
    setting, part = _PARTS.get(extra.dialect, (None, None))
    if setting is not None and part is not None and setting.fullmatch(extra.where):
        text = part.sub(lambda found: found.groupdict().get("kept") or "", text).lstrip(",")
    return msgspec.structs.replace(extra, text=_with_new_words(text, new))


def _with_new_words(text: str, *machines: Renewed) -> str:
    """Return a text in which machines go by their new UUIDs and addresses.

    However they are spelt: with colons, hyphens, VMware's blanks, or nothing between the digits.
    """
    for old, now in (pair for new in machines for pair in new.old.items()):
        pairs = (old[i : i + 2] for i in range(0, len(old), 2))
        spelt = r"(?<![0-9A-Fa-f])" + "[-: ]?".join(pairs) + r"(?![0-9A-Fa-f])"
        text = re.sub(spelt, partial(_spelt_like, now), text, flags=re.IGNORECASE)
    return text


def _spelt_like(new: str, found: re.Match[str]) -> str:
    """Return ``new`` with the separators and the case of what was found."""
    old, digits = found[0], iter(_plain(new))
    text = "".join(next(digits) if char.isalnum() else char for char in old)
    return text.upper() if old.upper() == old != old.lower() else text


def _plain(word: str) -> str:
    """Return a UUID or an address without separators, in lower case."""
    return re.sub(r"[-: ]", "", word).lower()


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
