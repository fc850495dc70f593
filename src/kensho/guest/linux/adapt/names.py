"""Names of network adapters that stay what the guest's configuration calls them.

On another platform an adapter is another device in another slot, and systemd's and udev's names go by
those; the address (MAC) goes along. So for every adapter that the configuration names, a ``.link`` file
ties the name to the address (systemd.link(5)), and udev's old lists of names, which would give the next
number to what they do not know, are emptied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.tree import GuestFiles
from kensho.model.machine import Nic

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")  # IFNAMSIZ less its end
_RULES = "/etc/udev/rules.d/70-persistent-net.rules"
_RULE = re.compile(r'ATTR\{address\}=="([0-9A-Fa-f:]{17})".*?NAME="([^"]+)"')
_MOST = 1 << 20


def pinned_names(names: Mapping[str, str]) -> tuple[FileEdit, ...]:
    """Return a ``.link`` file for each adapter; ``names`` maps addresses to the guest's names.

    The names sort before systemd's own 99-default.link and what distributions add.
    """
    edits = []
    for mac, name in sorted(names.items()):
        if not _NAME.fullmatch(name) or not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", mac):
            continue  # not a name or an address that the kernel can have
        text = (
            "# kensho: the adapter keeps its name on whatever platform\n"
            f"[Match]\nMACAddress={mac}\n\n[Link]\nName={name}\n"
        )
        path = f"/etc/systemd/network/10-kensho-{name}.link"
        edits.append(FileEdit(path, text.encode(), f"{name} stays the name of {mac}"))
    return tuple(edits)


def names_in_rules(files: GuestFiles) -> dict[str, str]:
    """Return what udev's list of persistent names says: addresses to names."""
    if not files.exists(_RULES):
        return {}
    text = files.read(_RULES, _MOST).decode(errors="replace")
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {m[1].lower(): m[2] for line in lines if (m := _RULE.search(line))}


def without_rules(files: GuestFiles, nics: Iterable[Nic]) -> tuple[FileEdit, ...]:
    """Return the edit that takes addresses the machine no longer has out of udev's list."""
    if not files.exists(_RULES):
        return ()
    known = {nic.mac for nic in nics if nic.mac}
    raw = files.read(_RULES, _MOST)
    lines = raw.decode(errors="surrogateescape").splitlines(keepends=True)
    kept = [line for line in lines if not (m := _RULE.search(line)) or m[1].lower() in known]
    text = "".join(kept).encode(errors="surrogateescape")
    if text == raw:
        return ()
    return (FileEdit(_RULES, text, "addresses the machine no longer has are taken out"),)
