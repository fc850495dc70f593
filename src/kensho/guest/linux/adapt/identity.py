"""A copy is told apart from the machine it was made of: machine-id, host keys, leases, random seeds.

The hostname stays. Of machine-id(5)'s ways the file is emptied: a new id is made at the next start, and
nothing else happens; without the file, or with ``uninitialized`` in it, systemd would take the guest for
newly installed and reset which services are started. Debian and its kin make host keys when they are
installed and never after (sshd(8)): there, a service makes them before sshd starts.
"""

from __future__ import annotations

import re

from kensho.guest.edit.draft import Draft
from kensho.guest.files.base import Kind
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.services.first_boot import Job, run_at_start
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity

_KEY = re.compile(r"ssh_host_\w+_key(?:\.pub)?")
_SSH = "/etc/ssh"
_OTHER_KEY = re.compile(r"dropbear_\w+_host_key")
_DROPBEAR = ("/etc/dropbear", "/etc/dropbear/initramfs", "/etc/dropbear-initramfs")
#: What makes host keys at each start where there are none: Red Hat, Arch, SUSE.
_MAKERS = (
    *(f"{top}/systemd/system/{unit}" for top in ("/usr/lib", "/lib") for unit in (
        "sshd-keygen@.service", "sshd-keygen.service", "sshdgenkeys.service")),
    "/usr/sbin/sshd-gen-keys-start",
)  # fmt: skip
_SCRIPTS = ("/etc/init.d/sshd", "/etc/rc.d/init.d/sshd")
_JOB = Job(
    "kensho-host-keys",
    "Host keys for SSH are made where there are none",
    "/usr/bin/ssh-keygen -A",
    before=("ssh.service", "sshd.service", "ssh.socket", "sshd.socket"),
    unless=f"{_SSH}/ssh_host_*_key",
)
#: Folders, and what in them is one machine's own: leases with the client's id, seeds.
_OWN = (
    ("/var/lib/dhcp", r"dhclient.*\.leases.*"),  # a server's own are there, too
    ("/var/lib/dhclient", r".+\.leases?.*"),
    ("/var/lib/dhcpcd", r"duid|secret|.+\.lease6?"),
    ("/var/lib/NetworkManager", r".+\.lease|secret_key"),
    ("/var/lib/wicked", r"(?:duid|iaid|lease-.+)\.xml"),
    ("/var/lib/systemd", r"random-seed"),
    ("/var/lib/urandom", r"random-seed"),
    ("/var/lib/misc", r"random-seed"),
    ("/var/lib", r"random-seed"),
    ("/boot/efi/loader", r"random-seed"),
    ("/efi/loader", r"random-seed"),
    ("/boot/loader", r"random-seed"),
)
_ID, _DBUS = "/etc/machine-id", "/var/lib/dbus/machine-id"


def plan_identity(guest: LinuxGuest) -> None:
    """Take away what tells this machine from others, where a copy is wanted (KF-880)."""
    if not guest.aims.identity:
        return
    draft = guest.draft
    _machine_id(draft)
    _host_keys(draft)
    for folder, pattern in _OWN:
        for name in draft.names(folder):
            if re.fullmatch(pattern, name):
                draft.delete(f"{folder}/{name}", "is the other machine's")


def _machine_id(draft: Draft) -> None:
    why = "a machine-id of its own is made at the next start"
    if draft.text(_ID).strip() not in {"", "uninitialized"}:
        draft.write(_ID, b"", why)
    one = draft.files.settled(_ID) == draft.files.settled(
        _DBUS
    )  # either may be a link to the other
    if _kind(draft, _DBUS) is Kind.FILE and not one:
        if draft.exists(_ID):
            draft.link(_DBUS, _ID, why)
        else:
            draft.delete(_DBUS, why)


def _host_keys(draft: Draft) -> None:
    for folder in _DROPBEAR:
        if any(_OTHER_KEY.fullmatch(name) for name in draft.names(folder)):
            draft.note(
                "KF-880", Severity.WARNING,
                "nothing in the guest would make new host keys for dropbear, and an initramfs may have a copy",
                "they stay the other machine's: make new ones with dropbearkey in the guest, and the "
                "initramfs anew", folder,
            )  # fmt: skip
    keys = [name for name in draft.names(_SSH) if _KEY.fullmatch(name)]
    makes = any(draft.exists(path) for path in _MAKERS) or any(
        "keygen" in draft.text(path) for path in _SCRIPTS
    )
    if keys and not makes and not (
        draft.exists("/usr/bin/ssh-keygen") and run_at_start(draft, _JOB)
    ):  # fmt: skip
        draft.note(
            "KF-880", Severity.WARNING, "nothing in the guest would make new host keys for SSH",
            "they stay the other machine's: make new ones with ssh-keygen -A in the guest", _SSH,
        )  # fmt: skip
        return
    for name in keys:
        draft.delete(f"{_SSH}/{name}", "host keys of its own are made at the next start")


def _kind(draft: Draft, path: str) -> Kind | None:
    try:
        return draft.files.stat(path, follow=False).kind
    except KenshoError:
        return None
