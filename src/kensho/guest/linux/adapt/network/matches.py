"""Configuration that goes by an adapter's driver, which is another one elsewhere.

What goes by a driver beside a name or an address is Azure's: there two devices have one address, and
that of the host's hardware (mlx4, mlx5, mana) is not to be set up. So netplan is told any other
driver, and files that are for drivers by name get those of the targets. Sources: netplan-yaml(5),
``match``; systemd.network(5), nm-settings(5), ``Driver``.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence

from kensho.guest.devices import NICS
from kensho.guest.edit.draft import Draft
from kensho.guest.linux.adapt.network.configured import (
    KEYFILES,
    MOST_TEXT,
    NETPLAN,
    configuration_files,
    section,
)
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity
from kensho.model.machine import NicModel
from kensho.model.yamlsafe import load_all

_VENDOR = ("/usr/lib/systemd/network", "/lib/systemd/network")
_OWN = "/etc/systemd/network"
_WHY = "the network is set up whatever driver the adapter has"
_NOT_HARDWARE = "[!m]*"  # neither mlx4, mlx5 nor mana
#: What drivers call themselves, where that is not the module's name.
_CALLED = {"xen_netfront": "vif", "ne2k_pci": "ne2k-pci"}
#: Of hardware that clouds and hosts give to guests, which no target of ours has.
_REAL = ("ixgbevf", "gve", "vmxnet", "8139too", "igb", "igbvf", "ixgbe", "i40e", "iavf", "tg3")
_YAML = re.compile(r"^([ \t]+)driver:[ \t]*[\"']?([\w*?-]+)[\"']?[ \t]*$", re.MULTILINE)
_BESIDE = re.compile(r"(?:macaddress|name):")
_NETWORKD = re.compile(r"^([ \t]*Driver=)([^!\n]+)$", re.MULTILINE)
_KEYFILE = re.compile(r"^([ \t]*driver=)([^!&|\n]+)$", re.MULTILINE)


def widen_drivers(draft: Draft, adapters: Iterable[NicModel]) -> None:
    """Have configuration for a driver fit those of the targets' adapters, too (KF-884)."""
    drivers = _called(adapters)
    for path in configuration_files(draft):
        after = text = draft.text(path)
        if len(text) > MOST_TEXT:
            continue
        if path.startswith(NETPLAN):
            after = _netplan(text, drivers)
        elif path.endswith(".network"):
            after = _NETWORKD.sub(lambda m: m[1] + _more(m[2], drivers, " "), text)
        elif path.startswith(KEYFILES):
            after = _KEYFILE.sub(lambda m: m[1] + _more(m[2], drivers, ";"), text)
        if after != text:
            draft.write(path, after, _WHY)
        if _still_bound(draft, path, after, drivers):
            draft.note(
                "KF-884", Severity.WARNING,
                f"{path} sets the network up by the adapter's driver or slot",
                "match a name or an address there instead, or give the machine the same kind of adapter",
                path,
            )  # fmt: skip
    _vendor(draft, drivers)


def _called(adapters: Iterable[NicModel]) -> tuple[str, ...]:
    """Return what the adapters' drivers call themselves."""
    modules = (NICS[model].linux[-1] for model in adapters)
    return tuple(dict.fromkeys(_CALLED.get(name, name) for name in modules))


def _still_bound(draft: Draft, path: str, text: str, drivers: tuple[str, ...]) -> bool:
    if path.startswith(NETPLAN):
        return any(_others(known, drivers) for known in _netplan_drivers(draft, path))
    if path.endswith(".network"):
        return re.search(r"^[ \t]*Path=[^!\s]", section(text, "Match"), re.MULTILINE) is not None
    if path.startswith(KEYFILES):
        return re.search(r"^[ \t]*path=[^!\s]", section(text, "match"), re.MULTILINE) is not None
    return False


def _netplan_drivers(draft: Draft, path: str) -> Iterator[list[str]]:
    try:
        documents = load_all(draft.read(path), path)
    except KenshoError:
        return
    for document in documents:
        network = document.get("network") if isinstance(document, dict) else None
        devices = network.get("ethernets") if isinstance(network, dict) else None
        for device in devices.values() if isinstance(devices, dict) else ():
            match = device.get("match") if isinstance(device, dict) else None
            told = match.get("driver") if isinstance(match, dict) else None
            if told:
                yield [str(word) for word in told] if isinstance(told, list) else [str(told)]


def _others(patterns: Sequence[str], drivers: Iterable[str]) -> list[str]:
    """Return the drivers that no pattern fits; none where the patterns are not for real adapters."""
    if not any(_fits(real, patterns) for real in (*_called(NICS), *_REAL)):
        return []  # as for a bridge, or containers
    return [driver for driver in drivers if not _fits(driver, patterns)]


def _fits(driver: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(driver, pattern.strip()) for pattern in patterns)


def _more(known: str, drivers: tuple[str, ...], between: str) -> str:
    more = _others([word for word in re.split(r"[;\s]+", known) if word], drivers)
    return between.join([known.rstrip(" \t\r;"), *more]) if more else known


def _netplan(text: str, drivers: tuple[str, ...]) -> str:
    lines = text.split("\n")
    for at, line in enumerate(lines):
        match = _YAML.fullmatch(line)
        if match is None or not _others([match[2]], drivers):
            continue
        near = [lines[at - 1] if at else "", *lines[at + 1 : at + 2]]
        if any(x.startswith(match[1]) and _BESIDE.match(x[len(match[1]) :]) for x in near):
            lines[at] = f'{match[1]}driver: "{_NOT_HARDWARE}"'
    return "\n".join(lines)


def _vendor(draft: Draft, drivers: tuple[str, ...]) -> None:
    """Widen what a package brings (Amazon's 80-ec2.network) by a drop-in."""
    for folder in _VENDOR:
        for name in draft.names(folder):
            if not name.endswith(".network") or draft.exists(f"{_OWN}/{name}"):
                continue
            match = _NETWORKD.search(draft.text(f"{folder}/{name}"))
            path = f"{_OWN}/{name}.d/kensho.conf"
            known = match[2].split() if match else []
            more = _others(known, drivers)
            if known and more:
                draft.write(path, f"# kensho\n[Match]\nDriver={' '.join(more)}\n", _WHY)
