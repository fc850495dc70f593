"""The old platform's tools are switched off where none of the targets is that platform.

Nothing is uninstalled: they can be switched on again. Tools that look by themselves where they are stay
as they are.
"""

from __future__ import annotations

import re

from kensho.guest.edit.draft import Draft
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.platform_tools.table import SELF_AWARE, TOOLS, Tool
from kensho.guest.linux.adapt.services.disable import disable_script, disable_unit, unit_text
from kensho.model.finding import Severity

_ANYWHERE = "ova"  #: a package for whatever imports it
_CONDITION = re.compile(r"^(?:ConditionVirtualization|BindsTo)=", re.MULTILINE)


def plan_tools(guest: LinuxGuest) -> None:
    """Switch off tools that are of no use on any target (KF-875, KF-876)."""
    draft = guest.draft
    targets = {platform.name for platform in guest.aims.platforms}
    kept = [name for name, units in SELF_AWARE if any(unit_text(draft, unit) for unit in units)]
    for tool in TOOLS:
        if _ANYWHERE in targets or targets & tool.platforms:
            continue
        before = len(draft.edits)
        kept += [tool.name] if not _disable(draft, tool) else []
        if len(draft.edits) > before:
            draft.note(
                "KF-875", Severity.NOTE, f"{tool.name} is for none of the targets",
                "it is not started any more, and stays installed",
            )  # fmt: skip
    if kept and _ANYWHERE not in targets:
        draft.note(
            "KF-876", Severity.NOTE, f"{', '.join(kept)}: looks by itself where it runs",
            "left as it is",
        )  # fmt: skip


def _disable(draft: Draft, tool: Tool) -> bool:
    """Switch a tool off; False when it is there and is left alone."""
    if tool.kept_by and draft.exists(tool.kept_by):
        return False
    why = f"{tool.name}: not for the targets"
    if any(_CONDITION.search(unit_text(draft, unit)) for unit in tool.units):
        return False
    for unit in tool.units:
        disable_unit(draft, unit, why)
    for script in tool.scripts:
        disable_script(draft, script, why)
    for path in tool.autostart:
        text = draft.text(path)
        group = re.search(r"^\[Desktop Entry\][ \t]*\n", text, re.MULTILINE)
        if group and not re.search(r"^Hidden=true", text, re.MULTILINE):
            draft.write(path, f"{text[: group.end()]}Hidden=true\n{text[group.end() :]}", why)
    return True
