from __future__ import annotations

import json

import pytest
from clouds_words import strings_of
from mapped_machines import HOSTILE
from stand_in import option, run_script

from kensho.appliances.clouds.azure import literal, render
from kensho.appliances.clouds.parts import one_line
from kensho.model.machine import Firmware

REPLIES = {"grant-access": "https://x.blob/sas?sig=a&b=c"}
ARGUMENTS = ["group", "westeurope", "/subnets/a", "/subnets/b"]


def run(tmp_path, appliance, disks):
    return run_script(
        render(appliance, disks),
        tmp_path,
        ARGUMENTS,
        tools=["az", "azcopy"],
        files=[d.filename for d in disks.values()],
        replies=REPLIES,
    )


def test_disks_are_uploaded_and_the_template_deployed(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("azure", firmware=Firmware.UEFI, secure_boot=True, tpm=True)
    calls = run(tmp_path, appliance, disks)
    first, second = [call for call in calls if call[1:3] == ["disk", "create"]]
    assert option(first, "--name") == "web01-disk1"
    assert option(first, "--hyper-v-generation") == "V2"
    assert option(first, "--security-type") == "TrustedLaunch"
    assert option(first, "--os-type") == "Linux"
    assert option(first, "--upload-size-bytes") == "1024"
    assert "--os-type" not in second
    copies = [call for call in calls if call[0] == "azcopy"]
    assert [call[3] for call in copies] == [REPLIES["grant-access"]] * 2
    deploy = calls[-1]
    assert deploy[1:4] == ["deployment", "group", "create"]
    assert deploy[deploy.index("--parameters") + 1 : -2] == [
        "location=westeurope",
        "subnetId1=/subnets/a",
        "subnetId2=/subnets/b",
    ]


def test_the_template_attaches_what_was_uploaded(cloud_machine):
    appliance, disks = cloud_machine("azure", firmware=Firmware.BIOS, guest="win2k22", disks=3)
    _script, template = render(appliance, disks)
    value = json.loads(template.data)
    *nics, machine = value["resources"]
    assert [nic["name"] for nic in nics] == ["web01-nic1", "web01-nic2"]
    storage = machine["properties"]["storageProfile"]
    assert storage["osDisk"]["osType"] == "Windows"
    assert [disk["lun"] for disk in storage["dataDisks"]] == [0, 1]
    assert "web01-disk3" in storage["dataDisks"][1]["managedDisk"]["id"]
    assert "securityProfile" not in machine["properties"]
    assert machine["dependsOn"] == [
        nic["id"] for nic in machine["properties"]["networkProfile"]["networkInterfaces"]
    ]


def test_hostile_text_stays_text(tmp_path, cloud_machine):
    appliance, disks = cloud_machine("azure", hostile=True)
    run(tmp_path, appliance, disks)
    _script, template = render(appliance, disks)
    tags = json.loads(template.data)["resources"][-1]["tags"]
    assert tags == {"name": one_line(HOSTILE), "notes": one_line(HOSTILE)}


def test_no_text_of_the_machine_is_an_expression(cloud_machine):
    appliance, disks = cloud_machine("azure")
    machine = appliance.machines[0]
    import msgspec

    machine = msgspec.structs.replace(machine, name="[concat('x')]", annotation="[y]")
    appliance = msgspec.structs.replace(appliance, machines=(machine,))
    _script, template = render(appliance, disks)
    found = set(strings_of(json.loads(template.data)))
    assert "[[concat('x')]" in found
    assert "[[y]" in found
    assert not found & {"[concat('x')]", "[y]"}


@pytest.mark.parametrize(
    ("text", "written"), [("a", "a"), ("[a]", "[[a]"), ("[a] b", "[a] b"), ("", "")]
)
def test_literals(text, written):
    assert literal(text) == written
