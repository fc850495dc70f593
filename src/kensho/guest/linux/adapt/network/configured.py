"""Which adapters a guest's network configuration speaks of: by name, and by address.

Sources: interfaces(5), netplan-yaml(5), nm-settings-keyfile(5), Fedora's sysconfig.txt of initscripts,
ifcfg(5) of wicked, systemd.network(5), systemd.link(5), udev(7). What is read of each is what ties a
name to an address; which names there are is told by their form (systemd.net-naming-scheme(7) and the
kernel's own), so that ports of bonds and bridges count like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kensho.guest.edit.draft import Draft
from kensho.guest.linux.adapt.network.rules import RULES, names_by_slot, names_in_rules
from kensho.model.errors import KenshoError
from kensho.model.yamlsafe import load_all

NETPLAN = ("/etc/netplan", "/lib/netplan", "/usr/lib/netplan")
KEYFILES = ("/etc/NetworkManager/system-connections",)
IFCFG = ("/etc/sysconfig/network-scripts", "/etc/sysconfig/network")
NETWORKD = ("/etc/systemd/network",)
IFUPDOWN = "/etc/network/interfaces"
_GENTOO = "/etc/conf.d/net"
_OTHERS = ("/etc/dhcpcd.conf", _GENTOO)
_UNITS = "/etc/systemd/system"
MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
#: Names of real adapters: the kernel's, systemd's, biosdevname's. What follows a dot is a VLAN on it.
_NAME = re.compile(
    r"(?<![\w.:/-])(eth\d+|en(?:o\d+|s\d+|P?\d*p\d+s\d+|X\d+|v\d+)(?:[fdnuv]\w+)?|enx[0-9a-f]{12}"
    r"|em\d+|p\d+p\d+)(?![\w-])"
)
_OF_UNITS = re.compile(r"(?:dhcpcd|dhclient|netctl-ifplugd)@(.+)\.service")
_COMMAND_LINES = ("/etc/default/grub", "/etc/kernel/cmdline")
_EARLY = re.compile(r"(?<![\w.])(?:ip|ifname|bootdev|IP|DEVICE)=([^\s\"']+)")
_BY_ADDRESS = re.compile(r"enx([0-9a-f]{12})")
#: What a file for a real adapter says, or does not say.
_ETHERNET = re.compile(r"\A(?![\s\S]*^type=)|^type=(?:802-3-)?ethernet[ \t]*$", re.MULTILINE)
_VIRTUAL = re.compile(
    r"^[ \t]*(?:TYPE=[\"']?(?!Ethernet|OVSPort)\w|VLAN=[\"']?yes|BONDING_(?:OPTS|MASTER)=|BRIDGE=[\"']?yes"
    r"|ETHERDEVICE=|DEVICE=[\"']?[\w-]+[.:])",
    re.MULTILINE | re.IGNORECASE,
)
_MATCHES = r"(?:Permanent)?MACAddress=(\S+)[ \t]*$"
_BACKUP = re.compile(r"~$|\.(?:bak|old|orig|rpm\w+|dpkg-\w+|sw.)$")
_WILD = re.compile(r"(?<![\w*])(en\*|eth\*|ens\*|enp\*)")
MOST_TEXT = 1 << 20
#: To YAML 1.1, an address without letters is a number of base 60.
_AS_WRITTEN = {"tag:yaml.org,2002:int": str}


@dataclass(frozen=True, slots=True)
class Configured:
    """What configuration says: ``files`` it is in, ``names`` of adapters in their own order.

    ``known`` maps addresses (as ``aa:bb:cc:dd:ee:ff``) to names where configuration ties them,
    ``nameless`` are addresses that it goes by without a name, ``wild`` patterns of names.
    """

    files: tuple[str, ...]
    names: tuple[str, ...]
    known: dict[str, str]
    nameless: frozenset[str]
    wild: tuple[str, ...]


def read_configured(draft: Draft) -> Configured:
    """Read a guest's network configuration, whatever styles there are. Damaged files say nothing."""
    names: dict[str, None] = {}
    wild: dict[str, None] = {}
    linked, elsewhere = _links(draft)
    ties: list[tuple[str, str]] = [*names_in_rules(draft).items(), *linked]
    names |= dict.fromkeys((*names_by_slot(draft), *elsewhere, *_units(draft), *_early(draft)))
    files = [RULES] if draft.exists(RULES) else []
    for path in configuration_files(draft):
        text = draft.text(path)
        if len(text) > MOST_TEXT:
            continue
        files.append(path)
        own, free = _ties(draft, path, text)
        ties += own
        plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        if path == _GENTOO:
            plain = plain.replace("_", " ")  # config_eth0="dhcp"
        if path.startswith(IFCFG):
            plain = f"{path.rpartition('/ifcfg-')[2]}\n{plain}"
        names |= dict.fromkeys(n for n in _NAME.findall(plain) if n not in free)
        wild |= dict.fromkeys(_WILD.findall(plain))
    ties += [
        (":".join(re.findall("..", m[1])), n) for n in names if (m := _BY_ADDRESS.fullmatch(n))
    ]
    known: dict[str, str] = {}
    for mac, name in ties:
        if MAC.fullmatch(mac) and name and name not in known.values():
            known.setdefault(mac, name)
    nameless = frozenset(mac for mac, name in ties if not name and mac not in known)
    return Configured(tuple(files), tuple(sorted(names, key=natural)), known, nameless, tuple(wild))


def natural(name: str) -> tuple[str | int, ...]:
    """Return what names are sorted by: their numbers as numbers."""
    return tuple(int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name))


def configuration_files(draft: Draft) -> Iterator[str]:
    """Yield the files that set networks up, none twice; backups are left out."""
    for path in (IFUPDOWN, *_OTHERS):
        if draft.exists(path):
            yield path
    for folder, pattern in (
        (f"{IFUPDOWN}.d", r".+"),
        *((folder, r".+\.ya?ml") for folder in NETPLAN),
        *((folder, r".+") for folder in KEYFILES),
        *((folder, r"ifcfg-.+") for folder in IFCFG),
        *((folder, r".+\.network") for folder in NETWORKD),
        ("/etc/wicked/ifconfig", r".+\.xml"),
        ("/etc/netctl", r".+"),
    ):
        for name in draft.names(folder):
            if re.fullmatch(pattern, name) and not _BACKUP.search(name):
                yield f"{folder}/{name}"


def _ties(draft: Draft, path: str, text: str) -> tuple[list[tuple[str, str]], frozenset[str]]:
    """Return (address, name or empty), and words that look like names and are none."""
    if path.startswith(NETPLAN):
        return _netplan(draft, path)
    if path.startswith(KEYFILES):
        if not _ETHERNET.search(text):
            return [], frozenset()  # of a bridge, a VLAN: the address is not of the one it names
        return _one(text, r"mac-address=(\S+)", r"interface-name=(\S+)"), frozenset()
    if path.startswith(NETWORKD):
        return _one(section(text, "Match"), _MATCHES, r"Name=(\S+)"), frozenset()
    if path.startswith(IFCFG):
        if _VIRTUAL.search(text):
            return [], frozenset()
        found = _one(text, r"HWADDR=[\"']?([\w:]+)", r"DEVICE=[\"']?([\w.-]+)")
        file = path.rpartition("/ifcfg-")[2]
        return [(m, n or (file if _NAME.fullmatch(file) else "")) for m, n in found], frozenset()
    return [], frozenset()


def _one(text: str, address: str, name: str) -> list[tuple[str, str]]:
    mac = re.search(rf"^[ \t]*{address}", text, re.MULTILINE)
    own = re.search(rf"^[ \t]*{name}", text, re.MULTILINE)
    exact = own[1] if own and not set("*?[! ") & set(own[1]) else ""
    return [(mac[1].lower(), exact)] if mac else []


def section(text: str, name: str) -> str:
    """Return the lines of a section of an ini file, all of them where it comes up again."""
    found, inside = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            inside = line.strip() == f"[{name}]"
        elif inside:
            found.append(line)
    return "\n".join(found)


def _links(draft: Draft) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Return what ``.link`` files tie, and the names that they give by a slot, a driver or so."""
    ties: list[tuple[str, str]] = []
    others: list[str] = []
    for folder in NETWORKD:
        for name in draft.names(folder):
            if not name.endswith(".link"):
                continue
            text = draft.text(f"{folder}/{name}")
            given = re.search(r"^[ \t]*Name=(\S+)", section(text, "Link"), re.MULTILINE)
            match = section(text, "Match")
            if given and re.search(rf"^[ \t]*{_MATCHES}", match, re.MULTILINE):
                ties += [(mac, given[1]) for mac, _ in _one(match, _MATCHES, r"Name=(\S+)")]
            elif given and re.search(r"^[ \t]*(?:Path|Property)=", match, re.MULTILINE):
                others.append(given[1])
    return ties, tuple(others)


def _units(draft: Draft) -> tuple[str, ...]:
    """Return the names that services are started for, as in dhcpcd@ens33.service."""
    wishes = (f"{_UNITS}/{n}" for n in draft.names(_UNITS) if n.endswith(".wants"))
    units = (_OF_UNITS.fullmatch(unit) for folder in wishes for unit in draft.names(folder))
    return tuple(m[1] for m in units if m and _NAME.fullmatch(m[1]))


def _early(draft: Draft) -> Iterator[str]:
    """Yield the names that an initramfs brings up: dracut.cmdline(7), initramfs.conf(5)."""
    drops = "/etc/initramfs-tools/conf.d"
    own = ("/etc/initramfs-tools/initramfs.conf", *(f"{drops}/{n}" for n in draft.names(drops)))
    for path in (*_COMMAND_LINES, *own):
        for line in draft.text(path)[:MOST_TEXT].splitlines():
            if not line.lstrip().startswith("#"):
                for word in _EARLY.findall(line):
                    yield from _NAME.findall(word.replace(":", " "))


def _netplan(draft: Draft, path: str) -> tuple[list[tuple[str, str]], frozenset[str]]:
    """Return what a file of netplan ties; one that goes by address alone has an id, not a name."""
    ties: list[tuple[str, str]] = []
    ids: set[str] = set()
    try:
        documents = load_all(draft.read(path, MOST_TEXT), path, _AS_WRITTEN)
    except KenshoError:
        return [], frozenset()
    for document in documents:
        network = document.get("network") if isinstance(document, dict) else None
        devices = network.get("ethernets") if isinstance(network, dict) else None
        for own_id, device in devices.items() if isinstance(devices, dict) else ():
            match = device.get("match") if isinstance(device, dict) else None
            if not isinstance(match, dict):
                continue
            name = str(device.get("set-name") or match.get("name") or "")
            if str(own_id) != name:
                ids.add(str(own_id))
            if "macaddress" in match:
                wild = set("*?[") & set(name)
                ties.append((str(match["macaddress"]).lower(), "" if wild else name))
    return ties, frozenset(ids - {name for _, name in ties})
