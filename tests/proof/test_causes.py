"""Why guests did not come up: lines that their kernels, initramfs and firmware really write."""

from __future__ import annotations

import pytest

from kensho.proof.boot import BootResult, Verdict
from kensho.proof.causes import likely_cause
from kensho.proof.observe import Screenshot
from kensho.proof.screen import Look


def result(verdict: Verdict = Verdict.FAILED, **changes: object) -> BootResult:
    settings = {
        "verdict": verdict,
        "reason": "",
        "seconds": 9.0,
        "milestones": {"kernel": 2.0},
        "log": "x",
    }
    return BootResult(**(settings | changes))


@pytest.mark.parametrize(
    ("said", "driver", "code"),
    [
        ("ALERT!  UUID=0-1 does not exist.  Dropping to a shell!", False, "KF-960"),
        ("ALERT!  UUID=0-1 does not exist.  Dropping to a shell!", True, "KF-961"),
        ('VFS: Cannot open root device "sda9" or unknown-block(0,0)', True, "KF-961"),
        ("dracut-initqueue[300]: Warning: dracut-initqueue timeout", False, "KF-960"),
        ("Kernel panic - not syncing: No working init found.", True, "KF-962"),
        ("run-init: /sbin/nothing: No such file or directory", True, "KF-962"),
        ("Target filesystem doesn't have requested /nothing.\n(initramfs) ", True, "KF-962"),
        ("[1.2] Kernel panic - not syncing: Fatal exception in interrupt", True, "KF-963"),
        ("grub rescue> ", True, "KF-964"),
        ("BdsDxe: No bootable option or device was found.", None, "KF-965"),
        ("You are in emergency mode. After logging in, type", True, "KF-969"),
        ("a line that says nothing", True, "KF-970"),
    ],
)
def test_what_a_guest_says(said: str, driver: bool | None, code: str) -> None:
    cause = likely_cause(result(), f"first\n{said}\nlast\n", driver=driver, controller="pvscsi")
    assert cause is not None
    assert cause.code == code
    assert cause.remedy
    if code != "KF-970":
        assert cause.evidence == said.partition("\n")[0].strip()


def test_what_only_the_screen_or_the_end_tells() -> None:
    def code(found: BootResult) -> str:
        cause = likely_cause(found, "", driver=None, controller="pvscsi")
        assert cause is not None
        return cause.code

    assert code(result(text=("No bootable device.",))) == "KF-965"
    blue = Screenshot("a.png", "0", 9.0, "end", Look.STOPPED)
    assert code(result(Verdict.TIMEOUT, screenshots=(blue,))) == "KF-971"
    assert code(result(reason="the guest restarted 2 times")) == "KF-966"
    assert code(result(Verdict.EXITED, reason="the guest powered itself off")) == "KF-968"
    assert code(result(Verdict.TIMEOUT, milestones={"firmware": 1.0})) == "KF-967"
    assert likely_cause(result(Verdict.LOGIN), "Kernel panic", driver=True, controller="x") is None
