from __future__ import annotations

import json

import pytest
from mapped_machines import HOSTILE, disk_machine, placed, with_machine
from stand_in import option, run_script

from kensho.appliances.clouds.openstack import distro_of, render
from kensho.appliances.clouds.parts import one_line
from kensho.model.errors import UnsupportedError
from kensho.model.machine import ControllerModel, Firmware, NicModel

REPLIES = {
    "image create": "image-id",
    "volume create": "volume-id",
    "volume show": "available",
    "port create": "port-id",
}


def run(tmp_path, appliance, disks, replies=REPLIES):
    return run_script(
        render(appliance, disks),
        tmp_path,
        ["m1.large", "front", "back"],
        tools=["openstack"],
        files=[d.filename for d in disks.values()],
        replies=replies,
    )


def test_volumes_ports_and_the_machine(tmp_path, cloud_machine):
    appliance, disks = cloud_machine(
        "openstack", firmware=Firmware.UEFI, secure_boot=True, tpm=True
    )
    calls = run(tmp_path, appliance, disks)
    image = calls[0]
    found = {w for i, w in enumerate(image) if image[i - 1] == "--property"}
    assert found >= {
        "hw_firmware_type=uefi",
        "os_secure_boot=required",
        "hw_tpm_version=2.0",
        "hw_disk_bus=scsi",
        "hw_scsi_model=virtio-scsi",
        "hw_vif_model=virtio",
        "os_type=linux",
        "os_distro=debian",
        "hw_machine_type=q35",
    }
    server = calls[-1]
    assert option(server, "--flavor") == "m1.large"
    assert option(server, "--volume") == "volume-id"
    assert "boot_index=-1" in option(server, "--block-device")
    assert server[-2:] == ["--", "web01"]
    ports = [call for call in calls if call[1:3] == ["port", "create"]]
    assert option(ports[0], "--network") == "front"
    assert option(ports[0], "--mac-address") == "00:50:56:01:02:03"
    assert "--mac-address" not in ports[1]
    _script, properties = render(appliance, disks)
    assert {f"{k}={v}" for k, v in json.loads(properties.data).items()} == found


def test_a_guest_without_drivers_gets_sata(cloud_machine):
    appliance, disks = cloud_machine("openstack", guest="win2k22", nic=NicModel.E1000)
    _script, properties = render(appliance, disks)
    found = json.loads(properties.data)
    assert found["hw_disk_bus"] == "sata"
    assert found["hw_vif_model"] == "e1000"
    assert found["os_type"] == "windows"
    assert "os_secure_boot" not in found


def test_hostile_text_stays_one_argument(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("openstack", hostile=True)
    server = run(tmp_path, appliance, disks)[-1]
    assert server[-1] == one_line(HOSTILE)
    assert f"description={one_line(HOSTILE)}" in server


def test_what_openstack_cannot_say_is_refused():
    appliance = disk_machine(disk=ControllerModel.IDE, cdrom=None)
    with pytest.raises(UnsupportedError):
        render(appliance, placed(appliance))


@pytest.mark.parametrize(
    ("guest", "distro"), [("debian12", "debian"), ("win2k22", "windows"), ("other", "")]
)
def test_distributions(guest, distro):
    assert distro_of(guest) == distro


@pytest.mark.parametrize("step", ["image create", "volume create", "port create"])
def test_what_fails_stops_the_script(tmp_path, cloud_machine, step):
    # Within $(…) bash forgets set -e: it went on without the id, and waited for nothing for ever.
    appliance, disks = cloud_machine("openstack")
    with pytest.raises(AssertionError):
        run(tmp_path, appliance, disks, REPLIES | {step: "FAIL"})
    assert b"server" not in (tmp_path / "calls").read_bytes().split(b"\0")


def test_a_name_has_nothing_that_does_not_print(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("openstack")
    appliance = with_machine(appliance, name="\ufeffa\u2028b\u202ec\x85d \u00e9")
    assert run(tmp_path, appliance, disks)[-1][-1] == "a b c d \u00e9"
