from __future__ import annotations

import re

import msgspec
import pytest
from mapped_machines import HOSTILE, check_golden, disk_machine, placed, with_machine

from kensho.appliances.hyperv.write import render
from kensho.model.errors import UnsupportedError
from kensho.model.machine import ControllerModel, Firmware, Floppy, NicModel, SerialPort
from kensho.model.powershell import literal

QUOTES = "'\u2018\u2019\u201a\u201b"
#: A single-quoted literal as PowerShell reads it: any two single quotes in a row are one.
LITERAL = re.compile(f"[{QUOTES}](?:[^{QUOTES}]|[{QUOTES}]{{2}})*[{QUOTES}]")

GEN1 = disk_machine(disk=ControllerModel.IDE, cdrom=None, nic=NicModel.HYPERV_LEGACY, disks=2)
GEN2 = disk_machine(
    disk=ControllerModel.HYPERV_SCSI,
    cdrom=ControllerModel.HYPERV_SCSI,
    nic=NicModel.HYPERV,
    firmware=Firmware.UEFI,
)


def script(appliance):
    (document,) = render(appliance, placed(appliance, "vhdx"))
    return document.data.decode("utf-8-sig")


def without_literals(text):
    return LITERAL.sub("@", text)


@pytest.mark.parametrize(
    ("name", "appliance"),
    [
        ("gen1", GEN1),
        (
            "gen2-windows",
            disk_machine(
                disk=ControllerModel.HYPERV_SCSI,
                cdrom=ControllerModel.HYPERV_SCSI,
                nic=NicModel.HYPERV,
                firmware=Firmware.UEFI,
                secure_boot=True,
                tpm=True,
                guest="win2k22",
            ),
        ),
    ],
)
def test_golden(name, appliance):
    (document,) = render(appliance, placed(appliance, "vhdx"))
    assert document.name == "web01-import.ps1"
    check_golden(f"hyperv/{name}.ps1", document.data)


def test_windows_powershell_can_read_it():
    (document,) = render(GEN1, placed(GEN1, "vhdx"))
    assert document.data.startswith(b"\xef\xbb\xbf")
    assert document.data.count(b"\n") == document.data.count(b"\r\n")
    assert b"\r\r" not in document.data


@pytest.mark.parametrize("text", [HOSTILE, "'", "\u2019", "''", "a\u2018'b", "", "$(x)", "a\0b"])
def test_a_literal_is_one_literal(text):
    assert LITERAL.fullmatch(literal(text))
    inner = literal(text)[1:-1]
    assert re.sub(f"[{QUOTES}]([{QUOTES}])", r"\1", inner) == text.replace("\0", "")


@pytest.mark.parametrize("appliance", [GEN1, GEN2])
def test_hostile_text_changes_nothing_but_literals(appliance):
    machine = appliance.machines[0]
    nics = tuple(msgspec.structs.replace(n, network=HOSTILE) for n in machine.nics)
    hostile = with_machine(appliance, name=HOSTILE, annotation=HOSTILE, nics=nics)
    files = placed(appliance, "vhdx")
    files = {k: msgspec.structs.replace(v, filename=f"{HOSTILE}.vhdx") for k, v in files.items()}
    (document,) = render(hostile, files)
    text = document.data.decode("utf-8-sig")
    assert "rm -rf" in text
    plain = without_literals(script(appliance))
    assert without_literals(text) == plain
    assert "rm -rf" not in plain


def test_no_comment_upsets_the_quoting():
    for appliance in (GEN1, GEN2):
        assert not set(without_literals(script(appliance))) & set(QUOTES)


def test_generation_follows_firmware():
    assert "Generation = 1" in script(GEN1)
    assert "Generation = 2" in script(GEN2)
    assert "Set-VMFirmware -VM $vm -EnableSecureBoot Off" in script(GEN2)
    assert "Set-VMFirmware" not in script(GEN1)


@pytest.mark.parametrize(
    ("guest", "template"),
    [("win2k22", "MicrosoftWindows"), ("debian12", "MicrosoftUEFICertificateAuthority")],
)
def test_secure_boot_template(guest, template):
    machine = msgspec.structs.replace(GEN2.machines[0].firmware, secure_boot=True, tpm=True)
    text = script(
        with_machine(
            GEN2,
            firmware=machine,
            guest=msgspec.structs.replace(GEN2.machines[0].guest, id=guest),
        )
    )
    assert f"-EnableSecureBoot On -SecureBootTemplate '{template}'" in text
    assert text.index("Set-VMKeyProtector") < text.index("Enable-VMTPM")


def test_drives_keep_their_places():
    text = script(GEN2)
    assert (
        "$drive1 = Add-VMHardDiskDrive -VM $vm -ControllerType SCSI -ControllerNumber 0"
        " -ControllerLocation 1 -Path (Join-Path $PSScriptRoot 'web01-disk2.vhdx') -Passthru"
    ) in text
    assert "$drive2 = Add-VMDvdDrive -VM $vm -ControllerNumber 0 -ControllerLocation 2" in text
    assert "Set-VMFirmware -VM $vm -BootOrder $drive0" in text


def test_adapters_have_their_mac_and_vlan():
    text = script(GEN2)
    assert "-Name 'VM Network' -StaticMacAddress '005056010203' -Passthru" in text
    assert "-Access -VlanId 12" in text
    assert "Connect-Adapter -Adapter $nic0 -Network 'VM Network'" in text
    assert "-Adapter $nic1" not in text
    assert "Set-VMNetworkAdapter -VMNetworkAdapter $nic1 -MacAddressSpoofing Off" in text
    assert "-VMNetworkAdapter $nic1 -SwitchName $Switch" not in text
    assert "-IsLegacy $true" in script(GEN1)


def test_only_two_serial_ports():
    text = script(with_machine(GEN1, serial_ports=tuple(SerialPort(id=f"s{i}") for i in range(4))))
    assert text.count("Set-VMComPort") == 2
    assert r"'\\.\pipe\web01-com1'" in text


@pytest.mark.parametrize(
    "appliance",
    [
        disk_machine(disk=ControllerModel.VIRTIO_SCSI, nic=NicModel.HYPERV),
        disk_machine(disk=ControllerModel.IDE, cdrom=None, nic=NicModel.E1000),
        disk_machine(
            disk=ControllerModel.IDE, cdrom=None, nic=NicModel.HYPERV, firmware=Firmware.UEFI
        ),
        disk_machine(
            disk=ControllerModel.IDE, cdrom=ControllerModel.HYPERV_SCSI, nic=NicModel.HYPERV
        ),
        with_machine(GEN2, nics=GEN1.machines[0].nics),
        with_machine(GEN2, drives=(Floppy(id="f"),)),
        msgspec.structs.replace(GEN2, machines=GEN2.machines * 2),
    ],
)
def test_what_hyperv_lacks_is_refused(appliance):
    with pytest.raises(UnsupportedError):
        script(appliance)


def test_a_chosen_configuration_version_is_asked_for():
    text = script(with_machine(GEN2, hardware_versions=("9.0",)))
    assert "[string]$Version = '9.0'," in text
    assert "[string]$Version = ''," in script(GEN2)


def test_a_name_like_a_place_in_the_script_stays_a_name():
    text = script(with_machine(GEN2, name="@FILES@ @GENERATION@"))
    assert "[string]$Name = '@FILES@ @GENERATION@'," in text
