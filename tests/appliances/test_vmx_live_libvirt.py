"""libvirt's own VMX parser reads what kensho writes, and is asked live about the corpus.

``virsh domxml-from-native vmware-vmx`` works without any VMware product but for one question: the
driver asks ``vmrun`` and ``vmplayer -v`` which version is installed. Two scripts answer that; the
conversion itself is libvirt's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.appliances.libvirt_facts import as_libvirt_says, corpus_folder, facts, machine_of
from tests.appliances.mapped_machines import HOSTILE
from tests.appliances.written import appliance_for, placed, with_machine

from kensho.appliances.vmx.write import render
from kensho.model.appliance import Appliance
from kensho.model.machine import Bus, ControllerModel, Firmware, Machine, NicModel

NO_MAC = "00:00:00:00:00:00"
ANSWER = '#!/bin/sh\n[ "$1" = -v ] && echo "VMware Player 17.5.0 build-1"\nexit 0\n'


@pytest.fixture(scope="module")
def libvirt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment in which libvirt's VMware driver opens; skip where there is none."""
    folder = tmp_path_factory.mktemp("vmware")
    for name in ("vmrun", "vmplayer"):
        (folder / name).write_text(ANSWER)
        (folder / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}
    if shutil.which("virsh") is None:
        pytest.skip("virsh is not installed")
    found = subprocess.run(
        ["virsh", "-c", "vmwareplayer:///session", "version"],
        env=environment,
        capture_output=True,
        check=False,
    )
    if found.returncode:
        pytest.skip("libvirt is built without its VMware driver")
    return environment


def domain_of(vmx: Path, environment: dict[str, str]) -> Path:
    """Return the domain that libvirt makes of a VMX, as a file beside it."""
    command = ["virsh", "-c", "vmwareplayer:///session", "domxml-from-native", "vmware-vmx"]
    done = subprocess.run(
        [*command, str(vmx)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    domain = vmx.with_suffix(".xml")
    domain.write_text(done.stdout, encoding="utf-8")
    return domain


def agree(vmx: Path, environment: dict[str, str]) -> None:
    """Compare what kensho and libvirt make of a VMX, but for what libvirt leaves out."""
    assert told(machine_of(vmx)) == told(machine_of(domain_of(vmx, environment)))


def named(appliance: Appliance) -> Appliance:
    """Return the appliance with a network for every adapter: libvirt insists on one."""
    nics = appliance.machines[0].nics
    changed = tuple(msgspec.structs.replace(n, network=n.network or "VM Network") for n in nics)
    return with_machine(appliance, nics=changed)


def told(machine: Machine) -> dict[str, object]:
    """Return the facts that libvirt's driver keeps.

    Places on the second SCSI controller and those after it are not: its VMware driver counts
    seven disks on each, unlike its ESX driver that made the corpus' pairs.
    """
    machine = as_libvirt_says(machine)
    found = facts(machine)
    controllers = {c.id: c for c in machine.controllers}
    found["disks"] = sorted(controllers[d.controller].bus for d in machine.disks)
    found["cdroms"] = sorted(controllers[d.controller].bus for d in machine.cdroms)
    used = {d.controller for d in machine.disks}
    scsi = [c for c in machine.controllers if c.bus is Bus.SCSI and c.id in used]
    found["scsi"] = [c.model for c in scsi if c.index == 0]
    # Zeros stand for an address that is still to be generated.
    found["adapters"] = [(n.model, None if n.mac == NO_MAC else n.mac) for n in machine.nics]
    return found


@pytest.mark.parametrize(
    ("disk", "nic"),
    [
        (ControllerModel.PVSCSI, NicModel.VMXNET3),
        (ControllerModel.LSISAS, NicModel.E1000E),
        (ControllerModel.LSILOGIC, NicModel.E1000),
        (ControllerModel.BUSLOGIC, NicModel.PCNET),
        (ControllerModel.AHCI, NicModel.VMXNET2),
        (ControllerModel.IDE, NicModel.VMXNET),
    ],
)
@pytest.mark.parametrize("firmware", [Firmware.BIOS, Firmware.UEFI])
def test_what_is_written_is_what_libvirt_reads(
    tmp_path: Path,
    libvirt: dict[str, str],
    disk: ControllerModel,
    nic: NicModel,
    firmware: Firmware,
) -> None:
    cdrom = ControllerModel.IDE if disk is ControllerModel.AHCI else ControllerModel.AHCI
    appliance = named(appliance_for(disk, nic, cdrom=cdrom, firmware=firmware))
    (document,) = render(appliance, placed(appliance, subformat="monolithicSparse"))
    path = tmp_path / document.name
    path.write_bytes(document.data)
    agree(path, libvirt)


#: Domains have no names with slashes or control characters, and libvirt takes % for ESX's escapes.
_TEXT = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/%"))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=_TEXT.filter(bool), notes=_TEXT)
def test_names_and_notes_arrive(
    tmp_path: Path, libvirt: dict[str, str], name: str, notes: str
) -> None:
    base = named(appliance_for(ControllerModel.PVSCSI, NicModel.VMXNET3))
    appliance = with_machine(base, name=name, annotation=notes)
    (document,) = render(appliance, placed(appliance, subformat="monolithicSparse"))
    path = tmp_path / "a.vmx"
    path.write_bytes(document.data)
    agree(path, libvirt)


def test_a_hostile_name_arrives_as_one_value(tmp_path: Path, libvirt: dict[str, str]) -> None:
    name = HOSTILE.translate(dict.fromkeys(map(ord, "%/\r\n\x07"), "_"))
    base = named(appliance_for(ControllerModel.PVSCSI, NicModel.VMXNET3))
    appliance = with_machine(base, name=name)
    (document,) = render(appliance, placed(appliance, subformat="monolithicSparse"))
    path = tmp_path / "a.vmx"
    path.write_bytes(document.data)
    agree(path, libvirt)
    assert machine_of(path).name == name


def test_the_corpus_agrees_live(tmp_path: Path, libvirt: dict[str, str]) -> None:
    folder = corpus_folder() / "libvirt-9.0.0/tests/vmx2xmldata"
    if not folder.exists():
        pytest.skip("the corpus is not here")
    compared = 0
    for vmx in sorted(folder.glob("*in-the-wild*.vmx")):
        copy = tmp_path / vmx.name
        copy.write_bytes(vmx.read_bytes())
        try:
            domain_of(copy, libvirt)
        except AssertionError:
            continue  # ESX's names of data stores are for the ESX driver only
        copy.with_suffix(".xml").unlink()
        agree(copy, libvirt)
        compared += 1
    assert compared > 5
