"""Old guests that ask for a login on a console of the old platform alone: named, not changed.

systemd asks on every console that the kernel has (systemd-getty-generator(8)); inittab(5) and upstart's
init(5) have a line or a file for each.
"""

from __future__ import annotations

import re

from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.software import matches
from kensho.model.finding import Severity

_FILES = ("/etc/inittab", "/etc/init/*.conf")
_OLD = re.compile(r"\b(?:hvc|xvc)\d\b")
_SCREEN = re.compile(r"\b(?:tty1|console)\b|/dev/\$\w+")


def plan_consoles(guest: LinuxGuest) -> None:
    """Name consoles of Xen that a login is asked for on (KF-865)."""
    paths = [path for pattern in _FILES for path in matches(guest.system.files, pattern)]
    lines = [
        line
        for path in paths
        for line in guest.draft.text(path).split("\n")
        if "getty" in line and not line.lstrip().startswith("#")
    ]
    old = {name for line in lines for name in _OLD.findall(line)}
    if not old:
        return
    screen = any(_SCREEN.search(line) for line in lines)
    guest.draft.note(
        "KF-865", Severity.NOTE if screen else Severity.WARNING,
        f"a login is asked for on {', '.join(sorted(old))}, which Xen alone has"
        + ("" if screen else ", and not on the screen"),
        "add a getty for tty1 or ttyS0 to /etc/inittab or /etc/init",
    )  # fmt: skip
