"""What a conversion leaves behind is found by a plan over a real source in its own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.convert.mapping import Devices
from kensho.convert.plan import Request, make_plan
from kensho.model.finding import Severity
from kensho.model.machine import Bus
from tests.images import raw_disk

VMX = """\
.encoding = "UTF-8"
displayName = "web01"
guestOS = "debian12-64"
memsize = "1024"
numvcpus = "4"
{more}
scsi0.present = "TRUE"
scsi0.virtualDev = "lsilogic"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "web01.img"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "e1000"
ethernet0.addressType = "static"
ethernet0.address = "{mac}"
"""
DOMAIN = """\
<domain type='kvm'><name>web01</name><memory unit='MiB'>1024</memory>{memory}<vcpu>4</vcpu>{more}
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='raw' {driver}/>
<source file='web01.img'/><target dev='{dev}' bus='{bus}'/>{disk}</disk>{devices}</devices></domain>
"""
QM = "name: web01\nmemory: 1024\nostype: {os}\nscsihw: virtio-scsi-pci\n{more}\nscsi0: {disk}\n"
VBOX = """\
<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">
<Machine uuid="{{6e2b9d6c-0000-4000-8000-000000000001}}" name="web01" OSType="Debian_64">
<MediaRegistry><HardDisks>
<HardDisk uuid="{{6e2b9d6c-0000-4000-8000-000000000002}}" location="web01.img" format="RAW"
 type="{kind}"/></HardDisks></MediaRegistry>
<Hardware><Memory RAMSize="1024"/>{more}<StorageControllers>
<StorageController name="SATA" type="AHCI" PortCount="1">
<AttachedDevice type="HardDisk" port="0" device="0">
<Image uuid="{{6e2b9d6c-0000-4000-8000-000000000002}}"/></AttachedDevice></StorageController>
</StorageControllers></Hardware>{after}</Machine></VirtualBox>
"""
SNAPSHOT = '<Snapshot uuid="{6e2b9d6c-0000-4000-8000-000000000003}" name="before the update"/>'


def vmx(more: str = "", mac: str = "00:50:56:00:00:01") -> tuple[str, str]:
    return "web01.vmx", VMX.format(more=more, mac=mac)


def domain(**parts: str) -> tuple[str, str]:
    empty = dict.fromkeys(("memory", "more", "driver", "disk", "devices"), "")
    return "web01.xml", DOMAIN.format(**({**empty, "dev": "sda", "bus": "sata"} | parts))


def qm(more: str = "", disk: str = "local:web01.img", os: str = "l26") -> tuple[str, str]:
    return "100.conf", QM.format(more=more, disk=disk, os=os)


def vbox(more: str = "", after: str = "", kind: str = "Normal") -> tuple[str, str]:
    return "web01.vbox", VBOX.format(more=more, after=after, kind=kind)


HOSTDEV = """<hostdev mode='subsystem' type='pci'><source>
<address domain='0x0000' bus='0x3b' slot='0x00' function='0x0'/></source></hostdev>"""
REDIRDEV = "<redirdev bus='usb' type='spicevmc'/>"
FOLDER = "<filesystem type='mount'><source dir='/srv'/><target dir='srv'/></filesystem>"
IOTUNE = "<iotune><total_iops_sec>500</total_iops_sec></iotune>"
LIMITED = "local:web01.img,iops=100,mbps=12.5"


def codes(folder: Path, source: tuple[str, str], target: str) -> dict[str, Severity]:
    name, text = source
    raw_disk(folder / "web01.img")
    (folder / name).write_text(text)
    plan = make_plan(Request(str(folder / name), target))
    return {f.code: f.severity for f in plan.findings}


@pytest.mark.parametrize(
    ("source", "target", "code", "severity"),
    [
        (vmx(), "kvm", "KF-411", Severity.NOTE),
        (vmx(mac="00:0c:29:11:22:33"), "vmware", "KF-411", Severity.NOTE),
        (vmx(mac="52:54:00:11:22:33"), "kvm", "KF-411", Severity.NOTE),
        (vmx(mac="02:11:22:33:44:55"), "kvm", "KF-411", Severity.NOTE),
        (vmx('ethernet0.pciSlotNumber = "192"'), "vmware", "KF-412", Severity.NOTE),
        (domain(bus="virtio", dev="vda"), "vmware", "KF-413", Severity.NOTE),
        (vmx('scsi0:0.mode = "independent-nonpersistent"'), "kvm", "KF-415", Severity.WARNING),
        (vbox(kind="Immutable"), "kvm", "KF-415", Severity.WARNING),
        (vmx('sched.scsi0:0.throughputCap = "500"'), "hyperv", "KF-416", Severity.NOTE),
        (domain(disk=IOTUNE), "vmware", "KF-416", Severity.NOTE),
        (qm(disk=LIMITED), "hyperv", "KF-416", Severity.NOTE),
        (domain(driver="cache='none'"), "vmware", "KF-417", Severity.NOTE),
        (qm(disk="local:web01.img,cache=unsafe"), "xenserver", "KF-417", Severity.NOTE),
        (domain(devices=HOSTDEV), "proxmox", "KF-420", Severity.WARNING),
        (qm("hostpci0: 0000:3b:00.0,x-vga=1"), "kvm", "KF-420", Severity.WARNING),
        (qm("usb0: host=046d:c52b"), "kvm", "KF-420", Severity.WARNING),
        (vmx('pciPassthru0.present = "TRUE"'), "kvm", "KF-420", Severity.WARNING),
        (domain(devices=FOLDER), "proxmox", "KF-421", Severity.WARNING),
        (
            vmx('sharedFolder0.enabled = "TRUE"\nsharedFolder0.guestName = "x"'),
            "kvm",
            "KF-421",
            Severity.WARNING,
        ),
        (
            vbox('<SharedFolders><SharedFolder name="x" hostPath="/x"/></SharedFolders>'),
            "kvm",
            "KF-421",
            Severity.WARNING,
        ),
        (domain(devices=REDIRDEV), "vmware", "KF-422", Severity.NOTE),
        (qm("usb0: spice"), "kvm", "KF-422", Severity.NOTE),
        (vbox(after=SNAPSHOT), "kvm", "KF-423", Severity.NOTE),
        (
            domain(devices="<watchdog model='i6300esb' action='reset'/>"),
            "vmware",
            "KF-424",
            Severity.NOTE,
        ),
        (qm("watchdog: model=i6300esb"), "kvm", "KF-424", Severity.NOTE),
        (domain(more="<clock offset='localtime'/>"), "vmware", "KF-425", Severity.WARNING),
        (qm("localtime: 0", os="win11"), "hyperv", "KF-425", Severity.WARNING),
        (domain(more="<cpu mode='host-passthrough'/>"), "vmware", "KF-426", Severity.NOTE),
        (qm("cpu: x86-64-v3"), "kvm", "KF-426", Severity.NOTE),
        (vmx('sched.cpu.affinity = "0,1"'), "kvm", "KF-427", Severity.NOTE),
        (qm("affinity: 0-3"), "kvm", "KF-427", Severity.NOTE),
        (
            domain(more="<cputune><vcpupin vcpu='0' cpuset='2'/></cputune>"),
            "proxmox",
            "KF-427",
            Severity.NOTE,
        ),
        (
            domain(memory="<currentMemory unit='MiB'>512</currentMemory>"),
            "vmware",
            "KF-428",
            Severity.NOTE,
        ),
        (qm("balloon: 512"), "kvm", "KF-428", Severity.NOTE),
        (qm("cpulimit: 1.5"), "kvm", "KF-342", Severity.NOTE),
        (
            domain(more="<cputune><quota>50000</quota><period>100000</period></cputune>"),
            "vmware",
            "KF-342",
            Severity.NOTE,
        ),
        (vbox('<CPU count="2" executionCap="50"/>'), "kvm", "KF-342", Severity.NOTE),
        (
            domain(more="<memoryBacking><hugepages/></memoryBacking>"),
            "vmware",
            "KF-429",
            Severity.NOTE,
        ),
        (
            qm("net0: virtio=52:54:00:11:22:33\nboot: order=net0"),
            "vmware",
            "KF-431",
            Severity.WARNING,
        ),
        (vmx('mks.enable3d = "TRUE"'), "kvm", "KF-432", Severity.NOTE),
    ],
)
def test_what_stays_behind_is_found(
    tmp_path: Path, source: tuple[str, str], target: str, code: str, severity: Severity
) -> None:
    assert codes(tmp_path, source, target)[code] is severity


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        (domain(driver="cache='none'"), "proxmox", "KF-417"),
        (domain(disk=IOTUNE), "proxmox", "KF-416"),
        (qm(disk=LIMITED), "kvm", "KF-416"),
        (domain(more="<clock offset='localtime'/>"), "proxmox", "KF-425"),
        (qm("localtime: 1", os="win11"), "hyperv", "KF-425"),
        (vmx('mks.enable3d = "TRUE"'), "vmware", "KF-432"),
        (vmx(), "vmware", "KF-411"),
        (domain(more="<cpu mode='host-passthrough'/>"), "hyperv", "KF-344"),
    ],
)
def test_what_the_target_says_is_no_finding(
    tmp_path: Path, source: tuple[str, str], target: str, code: str
) -> None:
    assert code not in codes(tmp_path, source, target)


def test_a_guest_of_ide_with_five_disks_is_told_that_ide_is_full(tmp_path: Path) -> None:
    lines = ['guestOS = "winxppro"', 'displayName = "xp"', 'memsize = "512"']
    lines += [
        'scsi0.present = "TRUE"',
        'ide1:0.present = "TRUE"',
        'ide1:0.deviceType = "cdrom-raw"',
    ]
    for number in range(5):
        raw_disk(tmp_path / f"{number}.img")
        lines += [f'scsi0:{number}.present = "TRUE"', f'scsi0:{number}.fileName = "{number}.img"']
    (tmp_path / "xp.vmx").write_text("\n".join(lines) + "\n")
    plan = make_plan(Request(str(tmp_path / "xp.vmx"), "kvm"))
    found = {f.code: f for f in plan.findings}
    assert "IDE has 4 places" in found["KF-414"].message
    assert "ahci" in found["KF-360"].message
    buses = [c.bus for c in plan.after.machines[0].controllers]
    assert Bus.IDE in buses
    first = plan.after.machines[0].disks[0]
    controller = plan.after.machines[0].controller(first.controller)
    assert controller is not None
    assert controller.bus is Bus.IDE
    assert plan.after.machines[0].cdroms[0].controller.startswith("ide")


def test_disks_that_change_places_are_a_warning(tmp_path: Path) -> None:
    """Hyper-V starts from IDE alone, so the second disk by order becomes the first one."""
    for name in ("a", "b"):
        raw_disk(tmp_path / f"{name}.img")
    (tmp_path / "100.conf").write_text(
        "name: two\nmemory: 512\nostype: l26\nscsihw: virtio-scsi-pci\nboot: order=scsi1\n"
        "scsi0: local:a.img\nscsi1: local:b.img\n"
    )
    plan = make_plan(Request(str(tmp_path / "100.conf"), "hyperv"))
    found = [f for f in plan.findings if f.code == "KF-413"]
    assert [f.severity for f in found] == [Severity.WARNING]


def test_keys_of_secure_boot_stay_behind(tmp_path: Path) -> None:
    name, text = vmx(
        'firmware = "efi"\nuefi.secureBoot.enabled = "TRUE"\nnvram = "web01.nvram"',
    )
    (tmp_path / "web01.nvram").write_bytes(b"MRVN" + bytes(60))
    assert codes(tmp_path, (name, text), "kvm")["KF-430"] is Severity.WARNING
    assert "KF-430" not in codes(tmp_path, (name, text.replace("TRUE", "FALSE", 1)), "kvm")


def test_an_old_linux_is_told_what_it_cannot_drive(tmp_path: Path) -> None:
    name, text = vmx()
    raw_disk(tmp_path / "web01.img")
    (tmp_path / name).write_text(text.replace("debian12-64", "other26xlinux-64"))
    request = Request(str(tmp_path / name), "kvm", devices=Devices.NATIVE)
    assert "KF-434" in {f.code for f in make_plan(request).findings}
    assert "KF-434" not in {f.code for f in make_plan(Request(request.source, "kvm")).findings}
