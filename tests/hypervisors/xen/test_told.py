"""What dom0 says is judged: all has to be seen, and of Xen's own devices."""

from __future__ import annotations

import pytest

from tests.hypervisors.xen.told import parts_of, row_of

SAID = """\
dom0: run xl info\r
dom0: | xen_version            : 4.17.7\r
dom0: code 0\r
dom0: trial xl-pv
dom0: run xl -v create /var/lib/xen/images/web.cfg type="pv"
dom0: | Parsing config from /var/lib/xen/images/web.cfg
dom0: code 0
dom0: console
[   16.491314]  xvda: xvda1\r
web login: \r
dom0: milestone login after 60
kensho-report 0 0 1/3 system kernel=6.1.0-56-amd64 firmware=bios\r
kensho-report 0 0 2/3 root source=/dev/xvda1 drivers=vbd\r
kensho-report 0 0 3/3 nic name=enX0 drivers=vif mac=00:50:56:12:34:56 state=up address=192.168.77.52/24\r
kensho-report end\r
kensho-shell# /sys/module/xen_blkfront\r
/sys/module/xen_netfront\r
dom0: console-end
dom0: | /local/domain/0/backend/vbd/1/51712/state = "4"
dom0: | /local/domain/0/backend/vif/1/0/state = "4"
dom0: network answers at 192.168.77.52
dom0: result reported after 114 s
dom0: shutdown clean
dom0: trial xva-pv
dom0: run xl -v create /var/lib/xen/images/machine.cfg
dom0: code 3
dom0: result not created
dom0: done
"""


def _rows(said: str) -> dict[str, bool]:
    return {name: row_of(name, name, text).passed for name, text in parts_of(said)}


def test_a_guest_that_came_up_passes_and_one_that_was_not_created_does_not() -> None:
    assert _rows(SAID) == {"xl-pv": True, "xva-pv": False}
    row = row_of("xl-pv", "", dict(parts_of(SAID))["xl-pv"])
    assert row.milestones == {"login": 60, "report": 114}


@pytest.mark.parametrize(
    ("seen", "instead"),
    [
        ("drivers=vbd", "drivers=sd,ata_piix"),  # the emulated disk, not Xen's
        ("drivers=vif", "drivers=e1000"),
        ("kensho-shell# /sys/module/xen_blkfront", "/sys/bus/xen/drivers/vbd/module"),
        ('51712/state = "4"', '51712/state = "2"'),
        ("network answers", "network silent"),
        ("shutdown clean", "shutdown still runs"),
        ("result reported", "result no login prompt in time"),
    ],
)
def test_what_is_missing_fails_it(seen: str, instead: str) -> None:
    changed = SAID.replace(seen, instead)
    assert changed != SAID
    assert _rows(changed) == {"xl-pv": False, "xva-pv": False}


def test_a_unit_that_failed_fails_it() -> None:
    failed = "kensho-report 0 0 4/4 failed unit=ssh.service\r\nkensho-report end"
    changed = SAID.replace("/3 ", "/4 ").replace("kensho-report end", failed)
    assert _rows(changed) == {"xl-pv": False, "xva-pv": False}


def test_a_guest_that_is_not_adapted_has_to_miss_its_root() -> None:
    text = dict(parts_of(SAID))["xl-pv"]
    missed = text.replace("result reported", "result gave up: ALERT!  UUID=1 does not exist")
    assert row_of("before", "", missed, fails=True).passed
    assert not row_of("before", "", text, fails=True).passed


def test_a_trial_nobody_told_of_fails() -> None:
    row = row_of("xl-hvm", "", "")
    assert not row.passed
    assert row.steps[0].said == "dom0 did not come to an end with it"
