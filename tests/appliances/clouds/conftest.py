from __future__ import annotations

import msgspec
import pytest
from mapped_machines import HOSTILE, disk_machine, placed, with_machine

from kensho.convert.mapping import Devices, choose_policy, map_machine
from kensho.model.machine import Firmware
from kensho.platforms import find_form, find_platform


@pytest.fixture
def cloud_machine():
    """Return a function that maps a machine to a cloud, as the planner does."""

    def make(target, form=None, *, hostile=False, **wishes):
        source = disk_machine(**wishes)
        if hostile:
            source = with_machine(source, name=HOSTILE, annotation=HOSTILE)
            source = msgspec.structs.replace(source, name=HOSTILE)
        platform = find_platform(target)
        form = find_form(platform, form)
        machine = source.machines[0]
        policy = choose_policy(machine, platform, Devices.AUTO)
        after = map_machine(machine, platform, form, policy)
        appliance = msgspec.structs.replace(source, machines=(after,))
        return appliance, placed(appliance, form.disk.suffix)

    return make


UEFI = {"firmware": Firmware.UEFI, "secure_boot": True, "tpm": True}
