"""What a form says it carries is in its files: read back, it is what the plan said."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.appliances import open_package
from kensho.convert.mapping_facts import DISK_MODES
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.model.host_side import Clock
from kensho.model.machine import Machine
from kensho.platforms import find_form, find_platform
from tests.images import raw_disk

DOMAIN = """\
<domain type='kvm'><name>web01</name><memory unit='MiB'>1024</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><clock offset='localtime'/>
<cpu mode='host-passthrough'/>
<devices>
<disk type='file' device='disk'><driver name='qemu' type='raw' cache='writethrough'/>
<source file='web01.img'/><target dev='sda' bus='scsi' rotation_rate='1'/>{mode}
<iotune><total_bytes_sec>13107200</total_bytes_sec><total_iops_sec>400</total_iops_sec></iotune>
</disk><controller type='scsi' index='0' model='virtio-scsi'/>
</devices></domain>
"""
VMX = """\
.encoding = "UTF-8"
displayName = "web01"
guestOS = "debian12-64"
memsize = "1024"
mks.enable3d = "TRUE"
vhv.enable = "TRUE"
scsi0.present = "TRUE"
scsi0.virtualDev = "pvscsi"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "web01.img"
scsi0:0.mode = "{mode}"
"""


def machine_in(path: Path) -> Machine:
    package = open_package(str(path))
    package.close()
    return package.appliance.machines[0]


def converted(folder: Path, source: Path, target: str, form: str, made: str) -> Machine:
    plan = make_plan(Request(str(source), target, form=form))
    result = run_plan(plan, folder / "out")
    read = machine_in(Path(result.folder) / made)
    carried = find_form(find_platform(target), form).carries
    planned = plan.after.machines[0]
    for mode in DISK_MODES:
        told, found = getattr(planned.disks[0], mode), getattr(read.disks[0], mode)
        assert mode in carried.disk_modes or told == DISK_MODES[mode]
        assert found == told, mode
    return read


@pytest.mark.parametrize("mode", ["<readonly/>", "<shareable/>"])
@pytest.mark.parametrize(
    ("target", "form", "made"),
    [
        ("kvm", "libvirt", "web01.xml"),
        ("proxmox", "qm", "web01.conf"),
        ("vmware", "vmx", "web01.vmx"),
        ("virtualbox", "vbox", "web01.vbox"),
    ],
)
def test_modes_of_a_disk_and_the_clock(
    tmp_path: Path, mode: str, target: str, form: str, made: str
) -> None:
    raw_disk(tmp_path / "web01.img")
    source = tmp_path / "web01.xml"
    source.write_text(DOMAIN.format(mode=mode))
    read = converted(tmp_path, source, target, form, made)
    carries = find_form(find_platform(target), form).carries
    assert (read.clock is Clock.LOCAL) == carries.clock
    if target in {"kvm", "proxmox"}:
        assert (read.disks[0].iops, read.disks[0].bandwidth) == (400, 13107200)
        assert read.disks[0].cache == "writethrough"


@pytest.mark.parametrize("mode", ["independent-persistent", "independent-nonpersistent"])
def test_vmware_keeps_its_own_modes(tmp_path: Path, mode: str) -> None:
    raw_disk(tmp_path / "web01.img")
    source = tmp_path / "web01.vmx"
    source.write_text(VMX.format(mode=mode))
    read = converted(tmp_path, source, "vmware", "vmx", "web01.vmx")
    assert read.disks[0].independent
    assert read.disks[0].nonpersistent == mode.endswith("nonpersistent")
    assert read.video is not None
    assert read.video.accelerated_3d
    assert read.cpu.nested_virtualization


def test_nested_virtualization_stays_on_kvm(tmp_path: Path) -> None:
    raw_disk(tmp_path / "web01.img")
    source = tmp_path / "web01.vmx"
    source.write_text(VMX.format(mode="persistent"))
    assert converted(tmp_path, source, "kvm", "libvirt", "web01.xml").cpu.nested_virtualization
