"""Why a guest did not come up, and what would mend it: from what it said, and what was told before.

A row for each way to fail. What a guest says is matched line by line on its serial port and its text
screen; a root that was not found is a driver that is not there in time, unless the static verdict says
that it is: then it is the name of the root.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from kensho.proof.boot import BootResult, Verdict
from kensho.proof.screen import Look


class Cause(msgspec.Struct, frozen=True):
    """A likely cause: ``code`` as in docs/findings.md, ``evidence`` the line that told it."""

    code: str
    what: str
    remedy: str
    evidence: str = ""


_ADAPT = "kensho adapt gives its initramfs the drivers"
_NO_ROOT = re.compile(
    r"ALERT! .* does not exist|Gave up waiting for root|dracut.*Warning: .*does not exist"
    r"|VFS: (Cannot open root device|Unable to mount root fs)|Could not find root|\(initramfs\)"
    r"|dracut-emergency|Warning: Could not boot|dracut-initqueue.*timeout|reboot: System halted"
)
_NO_INIT = re.compile(
    r"No working init found|Requested init .* failed|Failed to execute .*init|can't execute"
    r"|run-init: .*: (No such file|Permission)|Target filesystem doesn't have|No init found"
)
#: Tried in this order, after a root that was not found: code, what a line says, what it means, remedy.
_ROWS: tuple[tuple[str, re.Pattern[str], str, str], ...] = (
    (
        "KF-963",
        re.compile(r"Kernel panic - not syncing"),
        "the kernel panicked",
        "the lines before it say why; another kernel of the guest may start",
    ),
    (
        "KF-964",
        re.compile(r"^grub( rescue)?>|error: no such (device|partition)|error: .*not found\.$"),
        "the boot loader does not find its files",
        "make the boot loader's configuration anew, or start from the volume it was made for",
    ),
    (
        "KF-965",
        re.compile(
            r"No bootable device|No bootable option or device|not a bootable disk"
            r"|EFI Internal Shell|UEFI Interactive Shell|^Shell>"
        ),
        "the firmware found nothing to start",
        "give the machine the firmware that the guest was installed with (--firmware)",
    ),
    (
        "KF-969",
        re.compile(r"You are in (emergency|rescue) mode|Give root password for maintenance"),
        "the guest came up in its rescue shell",
        "a line of fstab may name a volume that is not there: kensho adapt names them by UUID",
    ),
)


def likely_cause(
    result: BootResult, said: str, *, driver: bool | None, controller: str
) -> Cause | None:
    """Return why a boot failed, None for one that did not.

    ``said`` is the serial log; ``driver`` what the static verdict says of the boot disk's
    ``controller``, None when it says nothing.
    """
    if result.verdict is Verdict.LOGIN:
        return None
    lines = [*said.splitlines(), *result.text, result.reason]
    found = _first(_NO_INIT, lines)
    if found is not None:  # before the shell that the initramfs ends in, whatever it lacks
        return Cause("KF-962", "the root was found, and has no init that can be run",
                     "look at init= on the kernel's command line, and at /sbin/init in the guest",
                     found)  # fmt: skip
    found = _first(_NO_ROOT, lines)
    if found is not None:
        if driver is False:
            what = f"the root was not found: no driver for {controller} is there in time"
            return Cause("KF-960", what, _ADAPT, found)
        remedy = "look at root= on the kernel's command line: no volume of the disks may be that"
        return Cause("KF-961", "the root was not found, though its disk is driven", remedy, found)
    for code, pattern, what, remedy in _ROWS:
        found = _first(pattern, lines)
        if found is not None:
            return Cause(code, what, remedy, found)
    return _by_end(result, controller)


def _by_end(result: BootResult, controller: str) -> Cause:
    """Return what the way it ended tells, when nothing that was said does."""
    if any(shot.look is Look.STOPPED for shot in result.screenshots):
        return Cause(
            "KF-971",
            f"Windows stopped; if the code is 7B, no driver for {controller} starts with it",
            "kensho adapt enables the drivers that Windows brings; others: --drivers",
        )
    if "restarted" in result.reason:
        return Cause(
            "KF-966", "the guest restarts", "the last lines of its log may say why", result.reason
        )
    if result.verdict is Verdict.EXITED:
        return Cause("KF-968", "the guest or QEMU ended", "see the reason", result.reason)
    if not result.milestones.keys() - {"firmware"}:
        return Cause(
            "KF-967", "the guest said nothing",
            "it may have no console on the serial port: kensho adapt adds one",
        )  # fmt: skip
    last = list(result.milestones)[-1]
    return Cause(
        "KF-970", f"the guest got as far as: {last}", "give it more time: --timeout", result.reason
    )


def _first(pattern: re.Pattern[str], lines: Sequence[str]) -> str | None:
    return next((line.strip()[:200] for line in lines if pattern.search(line)), None)
