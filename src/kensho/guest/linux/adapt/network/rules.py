"""udev's own list of adapters' names, as guests before systemd's names keep it (udev(7)).

udev up to 196 names by these rules alone and swaps names where two adapters come in another order; its
generator gives the next number to an address that is not listed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from kensho.guest.edit.draft import Draft

RULES = "/etc/udev/rules.d/70-persistent-net.rules"
_FOLDER = "/etc/udev/rules.d"
_BY_SLOT = re.compile(r'(?:KERNELS|ID|DEVPATH|ENV\{ID_PATH\})==".*?\bNAME:?="([\w.-]+)"')
_MOST_LINE = 4096
_MOST_TEXT = 1 << 18
_RULE = re.compile(r'(?:ATTRS?|SYSFS)\{address\}=="([0-9A-Fa-f:]{17})".*?\bNAME="([^"]+)"')


def names_in_rules(draft: Draft) -> dict[str, str]:
    """Return what the list says: addresses to names."""
    return {m[1].lower(): m[2] for x in draft.text(RULES).splitlines() if (m := _rule(x))}


def names_by_slot(draft: Draft) -> tuple[str, ...]:
    """Return the names that rules of any file give to adapters by where they are."""
    lines = (
        line
        for name in draft.names(_FOLDER)
        if name.endswith(".rules")
        for line in draft.text(f"{_FOLDER}/{name}")[:_MOST_TEXT].splitlines()
        if len(line) <= _MOST_LINE and not line.lstrip().startswith("#")
    )
    found = (_BY_SLOT.search(line) for line in lines if '"net"' in line and not _RULE.search(line))
    return tuple(m[1] for m in found if m)


def drop_addresses(draft: Draft, there: Collection[str]) -> None:
    """Take the addresses that the machine does not have out of the list."""
    text = draft.text(RULES)
    lines = text.splitlines(keepends=True)
    kept = [x for x in lines if not (m := _rule(x)) or m[1].lower() in there]
    if kept != lines:
        draft.write(RULES, "".join(kept), "addresses the machine does not have are taken out")


def add_names(draft: Draft, names: Mapping[str, str], alone: str = "") -> None:
    """Add adapters that the list does not have; ``DRIVERS`` leaves out VLANs and bridges.

    ``alone`` is the name of the only adapter, whatever its address: the first one that the kernel
    finds.
    """
    known = names_in_rules(draft)
    text = draft.text(RULES)
    if text and not text.endswith("\n"):
        text += "\n"
    matches = {f'ATTR{{address}}=="{m}"': n for m, n in sorted(names.items()) if m not in known}
    if alone:
        matches[f'KERNEL=="eth0|{alone}"'] = alone
    added = False
    for match, name in matches.items():
        line = f'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", {match}, ATTR{{type}}=="1", NAME="{name}"'
        if line not in text:
            text, added = f"{text}{line}\n", True
    if added:
        draft.write(RULES, text, "adapters keep their names by their addresses")


def _rule(line: str) -> re.Match[str] | None:
    if len(line) > _MOST_LINE or line.lstrip().startswith("#"):
        return None
    return _RULE.search(line)
