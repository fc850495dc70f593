"""The network comes up on another platform: names of adapters are tied, old addresses brought up to date.

On another platform an adapter is another device in another slot, and systemd's names go by those; the
address (MAC) goes along. Configuration stays as it is, for the names in it stay.
"""

from __future__ import annotations

import re

from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.network.addresses import change_addresses
from kensho.guest.linux.adapt.network.configured import Configured, read_configured
from kensho.guest.linux.adapt.network.links import (
    FOLDER,
    RULE_FOLDERS,
    keep_early,
    name_by_address,
    others,
    tie_names,
    uses_links,
)
from kensho.guest.linux.adapt.network.matches import widen_drivers
from kensho.guest.linux.adapt.network.naming import Naming, name_adapters
from kensho.guest.linux.adapt.network.rules import (
    RULES,
    add_names,
    drop_addresses,
    names_in_rules,
)
from kensho.model.finding import Severity
from kensho.model.machine import NicModel

_KERNELS = re.compile(r"eth\d+")
_GENERATORS = ("/lib/udev/rules.d/75-persistent-net-generator.rules", "/lib/udev/write_net_rules")
#: Their adapters sit in no slot: systemd leaves them the kernel's name, or (Xen, from 253 and Debian 12's 252) enX0.
_WITHOUT_SLOT = {NicModel.HYPERV: "eth0", NicModel.XEN: "eth0 or enX0"}


def plan_network(guest: LinuxGuest) -> None:
    """Tie the adapters' names to their addresses (KF-870 to KF-874)."""
    draft, aims = guest.draft, guest.aims
    nics = aims.machine.nics if aims.machine is not None else None
    configured = read_configured(draft)
    naming = name_adapters(configured, nics)
    _say_unknown(guest, configured, naming)
    change_addresses(draft, aims.macs)
    names = {new: n for mac, n in naming.names.items() if (new := aims.macs.get(mac, mac))}
    targets = {platform.name for platform in aims.platforms}
    drawing = tuple(p.name for p in aims.platforms if not any(f.carries.mac for f in p.forms))
    drawn = [n for mac, n in naming.names.items() if drawing or not aims.macs.get(mac, mac)]
    alone = naming.alone
    if drawn and nics is not None and len(nics) == 1:
        alone, drawn = drawn[0], []
    if drawn:
        draft.note(
            "KF-872", Severity.NOTE if drawing and set(drawing) < targets else Severity.WARNING,
            f"{', '.join(drawing) or 'the target'} draws the addresses of adapters: the names "
            f"{', '.join(drawn)} are not tied there",
            "look at the machine's network after its start there",
        )  # fmt: skip
    # The list is of no use to a machine without addresses; names of one's own are not given up for that.
    plain = all(_KERNELS.fullmatch(name) for name in names_in_rules(draft).values())
    if nics is not None and (plain or all(nic.mac for nic in nics)):
        there = [aims.macs.get(nic.mac.lower(), nic.mac.lower()) for nic in nics if nic.mac]
        drop_addresses(draft, there)
    if uses_links(draft):
        files = tie_names(draft, names, alone)
        if "en*" in configured.wild and _unnamed(guest, configured):
            files += name_by_address(draft)
        keep_early(draft, files)
        _say_race(guest, names)
        beside = others(draft)
        if files and beside:
            draft.note(
                "KF-882", Severity.NOTE,
                f"{', '.join(beside)}: udev applies one .link file to an adapter, and that which ties "
                "its name comes first",
                "copy other settings from there, if they are to stay", FOLDER,
            )  # fmt: skip
    elif draft.exists(RULES) or any(draft.exists(path) for path in _GENERATORS):
        add_names(draft, names, "" if alone == "eth0" else alone)
    elif any(name != "eth0" for name in (*names.values(), alone) if name):
        if any(draft.exists(folder) for folder in RULE_FOLDERS):  # systemd 197 to 208, eudev
            add_names(draft, names, "" if alone == "eth0" else alone)
        _say_race(guest, names)
    _say_patterns(guest, configured)
    widen_drivers(draft, aims.adapters)


def _say_unknown(guest: LinuxGuest, configured: Configured, naming: Naming) -> None:
    if not naming.unknown:
        return
    words = ", ".join(naming.unknown)
    if guest.aims.machine is None:
        remedy = "give the machine's own file and not its disk alone: it has the addresses"
    else:
        remedy = (
            "tie the names to addresses in the guest (.link files), or look at it after the start"
        )
    draft = guest.draft
    draft.note(
        "KF-870", Severity.WARNING,
        f"the network is set up for {words}, and which adapter that is cannot be told",
        remedy, configured.files[0] if configured.files else "",
    )  # fmt: skip


def _say_race(guest: LinuxGuest, names: dict[str, str]) -> None:
    racing = sorted(name for name in names.values() if _KERNELS.fullmatch(name))
    if racing and len(names) > 1:
        guest.draft.note(
            "KF-871", Severity.WARNING,
            f"{', '.join(racing)} are names that the kernel itself gives, in the order it finds adapters",
            "they are kept where that order stays; two adapters are not swapped by newer udev",
        )  # fmt: skip


def _say_patterns(guest: LinuxGuest, configured: Configured) -> None:
    others = _unnamed(guest, configured)
    if others and not ("en*" in configured.wild and uses_links(guest.draft)):
        guest.draft.note(
            "KF-874", Severity.WARNING,
            f"the network is set up for adapters called {', '.join(configured.wild)}; a target's "
            f"are {', '.join(others)}",
            "add that name in the guest, or give the machine an emulated adapter there",
        )  # fmt: skip


def _unnamed(guest: LinuxGuest, configured: Configured) -> list[str]:
    """Return names of targets' adapters that no pattern of the configuration fits."""
    if not configured.wild or configured.names or "eth*" in configured.wild:
        return []
    return sorted({_WITHOUT_SLOT[m] for m in guest.aims.adapters if m in _WITHOUT_SLOT})
