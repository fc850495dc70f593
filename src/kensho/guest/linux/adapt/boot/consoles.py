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
_OLD = re.compile(r"^(?!\s*#)[^\n]*getty[^\n]*\b((?:hvc|xvc)\d)\b", re.MULTILINE)
_SCREEN = re.compile(r"^(?!\s*#)[^\n]*getty[^\n]*\b(?:tty1|console|/dev/\$\w+)", re.MULTILINE)


def plan_consoles(guest: LinuxGuest) -> None:
    """Name consoles of Xen that a login is asked for on (KF-865)."""
    paths = [path for pattern in _FILES for path in matches(guest.system.files, pattern)]
    texts = [guest.draft.text(path) for path in paths]
    old = {name for text in texts for name in _OLD.findall(text)}
    if not old:
        return
    screen = any(_SCREEN.search(text) for text in texts)
    guest.draft.note(
        "KF-865", Severity.NOTE if screen else Severity.WARNING,
        f"a login is asked for on {', '.join(sorted(old))}, which Xen alone has"
        + ("" if screen else ", and not on the screen"),
        "add a getty for tty1 or ttyS0 to /etc/inittab or /etc/init",
    )  # fmt: skip
