"""The script that reports is put into a guest's overlay, where its init starts it."""

from __future__ import annotations

from importlib.resources import files

from kensho.guest.edit.draft import Draft
from kensho.guest.linux.adapt.services.first_boot import Job, run_at_start

_SCRIPT = "/usr/local/sbin/kensho-report"
_JOB = Job("kensho-report", "What this system started from is reported", f"/bin/sh {_SCRIPT}")


def plan_report(draft: Draft) -> bool:
    """Plan that a Linux guest reports at its next start; False where nothing known would start it."""
    if not run_at_start(draft, _JOB):
        return False
    text = files(__package__).joinpath("report.sh").read_bytes()
    draft.write(_SCRIPT, text, _JOB.title, mode=0o755)
    return True
