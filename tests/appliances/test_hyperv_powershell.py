"""The script for Hyper-V, read by a parser that is not ours."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mapped_machines import GOLDEN, HOSTILE, placed, with_machine
from powershell import commands, literals, parsed, shape
from test_hyperv import GEN1, GEN2, script

from kensho.appliances.hyperv.write import render
from kensho.model.machine import Firmware, GuestOs, Memory
from kensho.model.powershell import literal
from kensho.model.units import GIB, MIB

ATTACKS = (
    HOSTILE,
    'a\'; rm -rf "$HOME"; `x`',
    "'; Remove-Item -Recurse C:\\ #",
    "\u2019; Remove-Item C:\\; \u2018",
    "$(Get-Process) ${env:PATH} @args",
    "a`'b\n'; exit 1\n'",
    "'@\n'@\n\"@",
    "#> --% %PATH% & whoami | Out-Null",
)

#: The commands of the Hyper-V module, and PowerShell's own, that a script may call.
KNOWN = {
    *("Set-StrictMode", "Test-Path", "Join-Path", "Get-Command", "Where-Object", "ForEach-Object"),
    *("Write-Output", "Connect-Adapter"),
    *("Get-VM", "New-VM", "Set-VM", "Remove-VM", "Get-VMSwitch", "Set-VMProcessor", "Set-VMMemory"),
    *("Set-VMFirmware", "Set-VMBios", "Set-VMKeyProtector", "Enable-VMTPM", "Set-VMComPort"),
    *("Get-VMScsiController", "Add-VMScsiController", "Add-VMHardDiskDrive"),
    *("Get-VMDvdDrive", "Add-VMDvdDrive", "Remove-VMDvdDrive"),
    *("Get-VMNetworkAdapter", "Add-VMNetworkAdapter", "Remove-VMNetworkAdapter"),
    *("Set-VMNetworkAdapter", "Connect-VMNetworkAdapter", "Set-VMNetworkAdapterVlan"),
    *("Get-VMIntegrationService", "Enable-VMIntegrationService", "Disable-VMIntegrationService"),
}


@pytest.mark.parametrize("path", sorted((GOLDEN / "hyperv").glob("*.ps1")), ids=lambda p: p.name)
def test_golden_scripts_are_well_formed(path: Path):
    text = path.read_bytes().decode("utf-8-sig")
    parsed(text)
    assert set(commands(text)) <= KNOWN


def test_the_parser_sees_faults():
    for wrong in ("$x = 'a", "if ($x) {", "$x = 'a'b'"):
        with pytest.raises(AssertionError):
            parsed(wrong + "\n")


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60))
@example("'")
@example("\u2018\u2019\u201a\u201b''")
@example("`$(x)${y}\"\n@'")
def test_a_literal_is_one_string_with_the_same_text(text):
    line = f"$x = {literal(text)}\n"
    assert literals(line) == [text]
    assert shape(line) == shape("$x = 'plain'\n")


def hostile(appliance, text):
    machine = appliance.machines[0]
    nics = tuple(
        msgspec.structs.replace(n, network=text, target_network=text if n.connected else "")
        for n in machine.nics
    )
    return with_machine(appliance, name=text, annotation=text, nics=nics)


@pytest.mark.parametrize("text", ATTACKS)
@pytest.mark.parametrize("appliance", [GEN1, GEN2])
def test_hostile_names_stay_literals(appliance, text):
    files = {
        k: msgspec.structs.replace(v, filename=f"{text}.vhdx")
        for k, v in placed(appliance, "vhdx").items()
    }

    def made(machine, places):
        (document,) = render(machine, places)
        return document.data.decode("utf-8-sig")

    plain = made(hostile(appliance, "plain"), placed(appliance, "vhdx"))
    attacked = made(hostile(appliance, text), files)
    assert shape(attacked) == shape(plain)
    assert commands(attacked) == commands(plain)
    found = literals(attacked)
    crlf = re.sub(r"\r\n|\r|\n", "\r\n", text)
    assert found.count(crlf) >= 2  # the notes, and the switch of the adapter that is connected
    assert found.count(f"{crlf}.vhdx") == 2 * len(files)
    one_line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    assert one_line[:100] in found


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
)
def test_any_name_and_notes_parse(name, notes):
    text = script(hostile(with_machine(GEN2, annotation=notes), name or "x"))
    assert set(commands(text)) <= KNOWN


def test_dynamic_memory():
    memory = Memory(2 * GIB, minimum=GIB + 1, limit=4 * GIB)
    text = script(with_machine(GEN2, memory=memory))
    assert (
        "Set-VMMemory -VM $vm -DynamicMemoryEnabled $true -StartupBytes 2147483648"
        f" -MinimumBytes {GIB + 2 * MIB} -MaximumBytes 4294967296"
    ) in text
    assert "-DynamicMemoryEnabled $false" in script(GEN2)
    bounded = Memory(2 * GIB, minimum=1, limit=GIB)
    assert f"-MinimumBytes {32 * MIB} -MaximumBytes {2 * GIB}" in script(
        with_machine(GEN2, memory=bounded)
    )


def test_trunks_and_strange_vlans():
    nics = [msgspec.structs.replace(GEN2.machines[0].nics[0], vlan=v) for v in (4095, 5000, -1)]
    text = script(with_machine(GEN2, nics=tuple(nics)))
    assert text.count("Set-VMNetworkAdapterVlan") == 1
    assert "-Trunk -AllowedVlanIdList '1-4094' -NativeVlanId 0" in text


def test_keys_and_version_of_an_earlier_hyper_v():
    firmware = msgspec.structs.replace(GEN2.machines[0].firmware, secure_boot=True)
    guest = GuestOs(vendor=("hyperv:MicrosoftWindows", "hyperv:'; exit"))
    machine = {"firmware": firmware, "guest": guest, "hardware_versions": ("8.0",)}
    text = script(with_machine(GEN2, **machine))
    assert "-SecureBootTemplate 'MicrosoftWindows'" in text
    assert "[string]$Version = '8.0'," in text
    assert "[string]$Version = ''," in script(with_machine(GEN2, hardware_versions=("hyperv-9.0",)))


def test_what_ifs_come_before_anything_is_made():
    text = script(GEN2)
    assert "SupportsShouldProcess = $true" in text
    assert text.index("$PSCmdlet.ShouldProcess") < text.index("New-VM @new")
    assert text.index("try {") < text.index("Set-VMProcessor") < text.index("catch {")
    assert GEN2.machines[0].firmware.kind is Firmware.UEFI
