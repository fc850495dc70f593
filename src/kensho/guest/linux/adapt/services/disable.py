"""Services switched off as their own managers do it: nothing is deleted but links.

Sources: systemctl(1) ``disable`` and ``mask``, update-rc.d(8) (a start link becomes a stop link),
init(5) of Upstart (override files), rc-update(8).
"""

from __future__ import annotations

import re

from kensho.guest.edit.draft import Draft
from kensho.model.errors import KenshoError

UNITS = "/etc/systemd/system"
_VENDOR = ("/usr/lib/systemd/system", "/lib/systemd/system")
#: Folders of run levels: Debian, Red Hat, SUSE. One is often a link to another.
LEVELS = ("/etc/rc{}.d", "/etc/rc.d/rc{}.d", "/etc/init.d/rc{}.d")
_START = re.compile(r"S(\d\d)(.+)")


def disable_unit(draft: Draft, unit: str, why: str) -> None:
    """Take away what starts a unit; it is masked where its package itself has it started."""
    _drop_wishes(draft, UNITS, unit, why)
    wanted = (f"{v}/{f}/{unit}" for v in _VENDOR for f in draft.names(v) if f.endswith(".wants"))
    own = f"{UNITS}/{unit}"
    if any(draft.exists(path) for path in wanted) and not draft.exists(own):
        draft.link(own, "/dev/null", why)


def _drop_wishes(draft: Draft, folder: str, unit: str, why: str) -> None:
    for name in draft.names(folder):
        if name.endswith((".wants", ".requires")) and unit in draft.names(f"{folder}/{name}"):
            draft.delete(f"{folder}/{name}/{unit}", why)


def disable_script(draft: Draft, script: str, why: str) -> None:
    """Switch a script of /etc/init.d off, whichever manager starts it."""
    for folder in level_folders(draft, "2345S"):
        for name in draft.names(folder):
            match = _START.fullmatch(name)
            if match and match[2] == script:
                target = _target(draft, f"{folder}/{name}")
                draft.delete(f"{folder}/{name}", why)
                if target:
                    draft.link(f"{folder}/K{99 - int(match[1]):02d}{script}", target, why)
    if draft.exists(f"/etc/init/{script}.conf"):
        draft.write(f"/etc/init/{script}.override", "manual\n", why)
    for level in draft.names("/etc/runlevels"):
        if script in draft.names(f"/etc/runlevels/{level}"):
            draft.delete(f"/etc/runlevels/{level}/{script}", why)


def level_folders(draft: Draft, levels: str) -> tuple[str, ...]:
    """Return the folders of these run levels that are there, each once."""
    paths = (pattern.format(level) for level in levels for pattern in LEVELS)
    return tuple(dict.fromkeys(draft.files.settled(p) for p in paths if draft.exists(p)))


def unit_text(draft: Draft, unit: str) -> str:
    """Return a unit's text, the administrator's before the vendor's; empty without one."""
    for folder in (UNITS, *_VENDOR):
        text = draft.text(f"{folder}/{unit}")
        if text:
            return text
    return ""


def _target(draft: Draft, path: str) -> str:
    try:
        return draft.files.readlink(path)
    except KenshoError:
        return ""
