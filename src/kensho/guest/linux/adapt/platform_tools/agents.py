"""The agent of whatever platform the guest starts on is installed at its first start, if asked for.

It comes from the guest's own package manager, so the network is used; the script is ``agent.sh``.
"""

from __future__ import annotations

from importlib.resources import files

from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.services.first_boot import Job, run_at_start
from kensho.model.finding import Severity

_SCRIPT = "/usr/local/sbin/kensho-agent"
_JOB = Job(
    "kensho-agent", "The agent of this machine's platform is installed", f"/bin/sh {_SCRIPT}"
)
_MANAGERS = ("/usr/bin/apt-get", "/usr/bin/dnf", "/usr/bin/yum", "/usr/bin/zypper", "/sbin/apk")


def plan_agents(guest: LinuxGuest) -> None:
    """Have the platform's agent installed at the first start (KF-877 where that cannot be)."""
    draft = guest.draft
    if not guest.aims.agents:
        return
    if any(draft.exists(path) for path in _MANAGERS) and run_at_start(draft, _JOB):
        text = files(__package__).joinpath("agent.sh").read_bytes()
        draft.write(_SCRIPT, text, _JOB.title, mode=0o755)
        return
    draft.note(
        "KF-877", Severity.WARNING, "no agent can be installed at the first start",
        "install the platform's own in the guest: its package manager or its init is not known",
    )  # fmt: skip
