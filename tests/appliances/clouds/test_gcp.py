from __future__ import annotations

from mapped_machines import HOSTILE, with_machine
from stand_in import option, run_script

from kensho.appliances.clouds.gcp import render
from kensho.appliances.clouds.parts import one_line
from kensho.model.machine import Firmware


def run(tmp_path, appliance, disks, *arguments):
    return run_script(
        render(appliance, disks),
        tmp_path,
        ["a-bucket", "europe-west4-a", *arguments],
        tools=["gcloud"],
        files=[d.filename for d in disks.values()],
    )


def test_images_disks_and_the_machine(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("gcp", firmware=Firmware.UEFI, secure_boot=True, tpm=True)
    calls = run(tmp_path, appliance, disks, "front", "back")
    verbs = [call[1:4] for call in calls]
    assert verbs == [
        ["storage", "cp", calls[0][3]],
        ["compute", "images", "create"],
        ["storage", "cp", calls[2][3]],
        ["compute", "images", "create"],
        ["compute", "disks", "create"],
        ["compute", "instances", "create"],
    ]
    assert calls[0][4] == "gs://a-bucket/web01/web01-disk1.tar.gz"
    assert option(calls[1], "--source-uri") == calls[0][4]
    assert option(calls[1], "--guest-os-features") == "UEFI_COMPATIBLE,VIRTIO_SCSI_MULTIQUEUE,GVNIC"
    machine = calls[-1]
    assert machine[4] == "web01"
    assert option(machine, "--machine-type") == "e2-highcpu-4"
    assert [w for w in machine if w.startswith("--network-interface")] == [
        "--network-interface=network=front",
        "--network-interface=network=back",
    ]
    assert option(machine, "--disk") == "name=web01-disk2,device-name=web01-disk2"
    assert "--shielded-secure-boot" in machine
    assert "--shielded-vtpm" in machine


def test_one_adapter_without_networks(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("gcp")
    calls = run(tmp_path, appliance, disks)
    assert "--network-interface=network=default" in calls[-1]
    assert not [word for word in calls[-1] if "shielded" in word]


def test_hostile_text_stays_one_argument(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("gcp", hostile=True)
    calls = run(tmp_path, appliance, disks, "$(touch pwned)")
    assert option(calls[-1], "--description") == one_line(HOSTILE)
    assert "--network-interface=network=$(touch pwned)" in calls[-1]


def test_a_name_with_commas_is_one_value_of_the_metadata(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("gcp")
    name = "a,kensho-other=b!,c^"
    calls = run(tmp_path, with_machine(appliance, name=name), disks)
    # `gcloud topic escaping`: ^X^ at the beginning, and X parts the members.
    _, mark, text = option(calls[-1], "--metadata").split("^", 2)
    assert mark
    assert text.split(mark) == [f"kensho-name={name}"]
