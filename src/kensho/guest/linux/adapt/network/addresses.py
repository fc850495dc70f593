"""Addresses that the machine will not have any more, in the guest's configuration.

An address that changes is replaced word for word. One that the target draws cannot be known: lines that
only narrow a name down to it (``HWADDR=``, ``mac-address=`` beside the name) go; what names by the
address alone is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kensho.guest.edit.draft import Draft
from kensho.guest.linux.adapt.network.configured import IFCFG, KEYFILES, configuration_files
from kensho.guest.linux.adapt.network.links import FOLDER
from kensho.guest.linux.adapt.network.rules import RULES
from kensho.model.finding import Severity

_NARROWING = {
    IFCFG: (r"^[ \t]*HWADDR=[^\n]*\n?", r"^[ \t]*DEVICE=|^[ \t]*NAME="),
    KEYFILES: (r"^[ \t]*mac-address=[^\n]*\n?", r"^[ \t]*interface-name=\S"),
}


def change_addresses(draft: Draft, changes: Mapping[str, str]) -> None:
    """Bring configuration to new addresses; ``changes`` maps old ones to new, or to nothing."""
    if not changes:
        return
    links = (f"{FOLDER}/{n}" for n in draft.names(FOLDER) if n.endswith(".link"))
    for path in (RULES, *links, *configuration_files(draft)):
        before = text = draft.text(path)
        text = _renewed(text, {old: new for old, new in changes.items() if new})
        for old in (old for old, new in changes.items() if not new):
            text = _without_narrowing(path, text, old)
        if text != before:
            draft.write(path, text, "addresses of the machine's adapters brought up to date")
        gone = [old for old, new in changes.items() if not new and _has(text, old)]
        if gone and "10-kensho-" not in path:
            draft.note(
                "KF-873", Severity.WARNING,
                f"{path} goes by {', '.join(gone)}, and the target draws another address",
                "change it there, or give the machine that address at the target", path,
            )  # fmt: skip


def _has(text: str, address: str) -> bool:
    return re.search(rf"(?<![\w:-]){_spelt(address)}(?![\w:-])", text, re.IGNORECASE) is not None


def _spelt(address: str) -> str:
    return re.escape(address).replace(":", "[:-]")


def _renewed(text: str, changes: Mapping[str, str]) -> str:
    """Return a text with all addresses brought up to date at once: two may have changed places."""
    if not changes:
        return text
    new = {old.lower(): address for old, address in changes.items()}
    pattern = rf"(?<![\w:-])(?:{'|'.join(map(_spelt, changes))})(?![\w:-])"
    return re.sub(
        pattern,
        lambda m: _like(m[0], new[m[0].lower().replace("-", ":")]),
        text,
        flags=re.IGNORECASE,
    )


def _without_narrowing(path: str, text: str, old: str) -> str:
    for folders, (line, name) in _NARROWING.items():
        if path.startswith(folders) and re.search(name, text, re.MULTILINE):
            found = re.search(line, text, re.MULTILINE)
            if found and _has(found[0], old):
                return text[: found.start()] + text[found.end() :]
    return text


def _like(old: str, new: str) -> str:
    """Return an address as the one it takes the place of is written."""
    spelt = new.upper() if old.upper() == old and old.lower() != old else new
    return spelt.replace(":", "-") if "-" in old else spelt
