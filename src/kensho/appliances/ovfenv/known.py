"""Properties that every guest understands under some name: host name, password, keys, addresses.

There is no standard for what a property's key means. The names here are those that cloud-init's
OVF data source reads, that VMware's appliances use, and that the field has made common; VMware's
qualifiers (Ip, Netmask, Gateway, Dns, SearchPath, with a network's name) say it without guessing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from kensho.appliances.names import dns_name
from kensho.appliances.ovfenv.environment import own_products
from kensho.model.addresses import is_ip, prefix_length, split_addresses
from kensho.model.appliance import Appliance
from kensho.model.machine import Machine, Nic, Property
from kensho.model.property_values import read_qualifiers, value_type

_WORDS = {
    "host_name": ("hostname", "localhostname", "fqdn"),
    "instance_id": ("instanceid",),
    "password": ("password", "userpassword", "loginpassword"),
    "root_password": ("rootpassword", "rootpwd", "rootpw"),
    "public_keys": (
        *("publickeys", "publickey", "sshkey", "sshkeys", "sshpublickey", "sshpublickeys"),
        *("authorizedkeys", "sshauthorizedkeys", "sshauthorizedkey", "authorizedkey"),
    ),
    "user_data": ("userdata",),
    "ip": (
        *("ip", "ipaddr", "ipaddress", "ipv4", "ipv4address", "ipv4addr", "ip4", "ip4address"),
        *("ipv6", "ipv6address", "ipv6addr"),
    ),
    "netmask": ("netmask", "subnetmask", "prefix", "prefixlength", "ipv4netmask", "ipv6netmask"),
    "gateway": ("gateway", "gw", "defaultgateway", "ipv4gateway", "ipv6gateway"),
    "dns": ("dns", "dnsserver", "dnsservers", "nameserver", "nameservers", "pridns", "secdns"),
    "search": (
        *("searchpath", "dnssearchpath", "domainsearch", "searchdomain", "searchdomains"),
        *("domain", "domainname", "dnsdomain"),
    ),
}
_MEANING = {word: meaning for meaning, words in _WORDS.items() for word in words}
_PER_NIC = frozenset({"ip", "netmask", "gateway", "dns"})
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9-]{1,63})*")
_DOMAIN = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")


class Interface(msgspec.Struct, frozen=True):
    """How one adapter is to be addressed: ``addresses`` with their prefix lengths."""

    nic: int
    mac: str | None
    addresses: tuple[str, ...]
    gateways: tuple[str, ...] = ()


class Known(msgspec.Struct, frozen=True):
    """What was understood. ``left_out`` says in words what could not be made use of."""

    host_name: str
    instance_id: str
    password: str = ""
    root_password: str = ""
    public_keys: tuple[str, ...] = ()
    user_data: bytes = b""
    interfaces: tuple[Interface, ...] = ()
    dns: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class _Group:
    """The address properties that belong together: those of one network, or of one number."""

    nic: int | None
    ip: list[str] = field(default_factory=list)
    netmask: list[str] = field(default_factory=list)
    gateway: list[str] = field(default_factory=list)


def understand(appliance: Appliance, machine: Machine) -> Known:
    """Return what the properties of a machine mean to any guest."""
    single: dict[str, str] = {}
    groups: dict[str, _Group] = {}
    dns: list[str] = []
    search: list[str] = []
    for prop in _properties(appliance, machine):
        meaning, group = _meaning(prop)
        value = prop.value.strip()
        if not value or not meaning:
            continue
        if meaning == "dns":
            dns += split_addresses(value)
        elif meaning == "search":
            search += split_addresses(value)
        elif meaning in _PER_NIC:
            found = groups.setdefault(group, _Group(_nic_of(machine, group)))
            getattr(found, meaning).extend(split_addresses(value))
        else:
            single.setdefault(meaning, value)
    left_out: list[str] = []
    interfaces = _interfaces(machine, groups, left_out)
    host = single.get("host_name", "")
    if host and not _LABEL.fullmatch(host):
        left_out.append(f"{host!r} is no host name")
        host = ""
    return Known(
        host_name=host or dns_name(machine.name or machine.id),
        instance_id=single.get("instance_id", "") or dns_name(machine.uuid or machine.id),
        password=single.get("password", ""),
        root_password=single.get("root_password", ""),
        public_keys=_keys(single.get("public_keys", "")),
        user_data=_maybe_base64(single.get("user_data", "")),
        interfaces=interfaces,
        dns=tuple(dict.fromkeys(d for d in dns if is_ip(d))),
        search=tuple(dict.fromkeys(s for s in search if _DOMAIN.fullmatch(s))),
        left_out=tuple(left_out),
    )


def _properties(appliance: Appliance, machine: Machine) -> Iterable[Property]:
    """Yield the machine's own properties first: they count before the collection's."""
    for product in (*own_products(appliance, machine), *appliance.products):
        yield from product.properties


def _meaning(prop: Property) -> tuple[str, str]:
    """Return what a property means and which of several it is: a network's name or a number."""
    kind = value_type(prop.type, prop.qualifiers)
    if kind.network and kind.kind in _PER_NIC:
        return kind.kind, kind.network
    for name, _ in read_qualifiers(prop.qualifiers):
        if name.lower() in {"searchpath", "domainname"}:
            return "search", ""
    word = re.sub(r"[^a-z0-9]", "", prop.key.lower().removeprefix("guestinfo."))
    meaning = _MEANING.get(word)
    if meaning is not None:
        return meaning, ""
    stem = word.rstrip("0123456789")
    meaning = _MEANING.get(stem, "")
    return (meaning, word[len(stem) :]) if meaning in _PER_NIC else ("", "")


def _nic_of(machine: Machine, group: str) -> int | None:
    """Return the adapter a group is about: by number, or by the network it is on."""
    if not group:
        return 0
    if group.isdecimal():
        return int(group) if len(group) < 4 else None
    wanted = group.casefold()
    return next((n for n, nic in enumerate(machine.nics) if nic.network.casefold() == wanted), None)


def _interfaces(
    machine: Machine, groups: dict[str, _Group], left_out: list[str]
) -> tuple[Interface, ...]:
    found: dict[int, Interface] = {}
    for name, group in groups.items():
        if not group.ip:
            continue
        addresses = _with_prefixes(group)
        if len(addresses) < len(group.ip):
            left_out.append(f"no netmask for {', '.join(group.ip)}")
        number = group.nic
        if not addresses or number is None or not _can_tell(machine.nics, number):
            if addresses:
                left_out.append(f"no adapter can be told apart for {name or 'the address'}")
            continue
        mac = machine.nics[number].mac if number < len(machine.nics) else None
        gateways = tuple(g for g in group.gateway if is_ip(g))
        found.setdefault(number, Interface(number, mac, addresses, gateways))
    return tuple(found[number] for number in sorted(found))


def _can_tell(nics: tuple[Nic, ...], number: int) -> bool:
    """Tell whether a guest can find the adapter: it is the only one, or has an address."""
    if len(nics) <= 1:
        return number == 0
    return number < len(nics) and nics[number].mac is not None


def _with_prefixes(group: _Group) -> tuple[str, ...]:
    lengths = [n for n in map(prefix_length, group.netmask) if n is not None]
    found = []
    for text in group.ip:
        address, slash, own = text.partition("/")
        most = 128 if ":" in address else 32
        fitting = next((n for n in lengths if n <= most), None)
        length = prefix_length(own) if slash else fitting
        if length is None and most == 128:
            length = 64
        if is_ip(address) and length is not None and length <= most:
            found.append(f"{address}/{length}")
    return tuple(found)


def _keys(text: str) -> tuple[str, ...]:
    """Return the lines of a list of SSH keys; some put commas between them."""
    lines = re.split(r"[\r\n]+|,(?=\s*(?:ssh-|ecdsa-|sk-))", text)
    return tuple(line.strip() for line in lines if line.strip())


def _maybe_base64(text: str) -> bytes:
    """Decode what is surely base64, as cloud-init does with its OVF data source."""
    try:
        decoded = base64.b64decode("".join(text.split()), validate=True)
        decoded.decode()
    except (binascii.Error, ValueError):
        return text.encode(errors="replace")
    return decoded
