"""Machines adapted together, and addresses that do not stay."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kensho.convert.adaptation import new_addresses
from kensho.convert.adapting import plan_guests
from kensho.convert.guests import GuestDisk, GuestDisks
from kensho.guest.aims import Aims
from kensho.model.errors import UnsupportedError
from kensho.platforms import find_form, find_platform
from tests.cli.small_guest import guest_disk
from tests.convert.machines import machine
from tests.guest.images_of import disk_of
from tests.images import raw_disk


def test_one_of_several_machines_that_cannot_be_adapted(tmp_path: Path) -> None:
    good = disk_of(guest_disk(tmp_path, boot=False))
    bad = disk_of(raw_disk(tmp_path / "none.img"))
    one, other = (
        GuestDisks(name, None, (GuestDisk("disk1", name, reader),))
        for name, reader in (("good", good), ("bad", bad))
    )
    aims = Aims((find_platform("vmware"),))
    planned, findings = plan_guests((one, other), aims)
    assert [guest.disks.id for guest in planned] == ["good"]
    assert [f.subject for f in findings if f.code == "KF-920"] == ["bad"]
    with pytest.raises(UnsupportedError, match="neither a Windows nor a Linux"):
        plan_guests((other,), aims)


def test_addresses_that_the_target_draws() -> None:
    one = machine()
    nic = msgspec.structs.replace(one.nics[0], mac="00:50:56:AA:BB:01")
    one = msgspec.structs.replace(one, nics=(nic,))
    forms = {name: find_form(find_platform(name), None) for name in ("kvm", "aws")}
    assert new_addresses((one,), forms["kvm"], {}) == {}
    assert new_addresses((one,), forms["aws"], {}) == {one.id: {"00:50:56:aa:bb:01": ""}}
