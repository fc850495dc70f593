"""LVM that looks at the old disks alone: caches, the devices file, filters (lvm.conf(5), lvmdevices(8)).

The devices file lists disks by what the old controller called them, and the initramfs has a copy: both
are told to look at all disks again. A filter of names is the administrator's; it is told.
"""

from __future__ import annotations

import re

from kensho.guest.edit.draft import Draft
from kensho.guest.files.base import Kind
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity

_DEVICES = "/etc/lvm/devices/system.devices"
_LOCAL = "/etc/lvm/lvmlocal.conf"
_CACHES = ("/etc/lvm/cache/.cache", "/etc/blkid.tab", "/etc/blkid/blkid.tab")
_SWITCH = (
    "devices {\n\t# kensho: disks have other ids on another controller\n\tuse_devicesfile = 0\n}\n"
)
_MOST_TEXT = 1 << 16
_FILTER = re.compile(r"^[ \t]*(?:global_)?filter[ \t]*=[ \t]*\[(.*?)\]", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"/dev/(?:h|s|v|xv)d[a-z]|/dev/disk/by-(?:path|id)|\^?/dev/\(?(?:s|v|h)d")


def plan_lvm(guest: LinuxGuest) -> None:
    """Have LVM find its volumes on other controllers (KF-878 where a filter forbids it)."""
    draft = guest.draft
    for path in _CACHES:
        if not _is_link(draft, path):  # Debian had one, to where it does not last
            draft.delete(path, "a cache of devices' old names")
    if draft.exists(_DEVICES):
        text = draft.text(_LOCAL)
        if "use_devicesfile = 0" not in text:
            text += "" if text.endswith("\n") or not text else "\n"
            draft.write(_LOCAL, text + _SWITCH, "LVM looks at all disks, whatever they are called")
        draft.early[_LOCAL[1:]] = draft.read(_LOCAL)
    lines = (
        x for x in draft.text("/etc/lvm/lvm.conf").splitlines() if not x.lstrip().startswith("#")
    )
    found = _FILTER.search("\n".join(lines))
    if found and _NAME.search(found[1]) and re.search(r"[\"']r[|/!]", found[1]):
        draft.note(
            "KF-878", Severity.WARNING, "LVM's filter names disks as the old controller called them",
            "widen the filter in the guest before it is moved, or keep the kind of controller",
            "/etc/lvm/lvm.conf",
        )  # fmt: skip


def _is_link(draft: Draft, path: str) -> bool:
    try:
        return draft.files.stat(path, follow=False).kind is Kind.SYMLINK
    except KenshoError:
        return False
