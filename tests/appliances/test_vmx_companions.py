"""What is beside a VMX: snapshots, locks, a suspended machine's state, the extended configuration."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.appliances.ovf_samples import codes

from kensho.appliances import Package, open_package
from kensho.appliances.vmx.parse import read_dictionary
from kensho.appliances.vmx.snapshots import Snapshots, at_snapshot, choose, read_vmsd
from kensho.convert.source import opened_image
from kensho.disks import open_disk
from kensho.model.errors import KenshoError, PackageError, UnsupportedError, UsageError
from kensho.model.finding import Severity
from kensho.model.selection import Selection
from kensho.storage import MemorySource

BASE = '.encoding = "UTF-8"\nconfig.version = "8"\nvirtualHW.version = "19"\nmemsize = "512"\n'
VMSD = """.encoding = "UTF-8"
snapshot.lastUID = "3"
snapshot.current = "3"
snapshot.numSnapshots = "3"
snapshot.mru0.uid = "3"
snapshot0.uid = "1"
snapshot0.filename = "web-Snapshot1.vmsn"
snapshot0.displayName = "fresh |22install|22"
snapshot0.description = "as installed"
snapshot0.createTimeHigh = "397000"
snapshot0.createTimeLow = "1"
snapshot0.numDisks = "1"
snapshot0.disk0.fileName = "web.vmdk"
snapshot0.disk0.node = "scsi0:0"
snapshot1.uid = "2"
snapshot1.parent = "1"
snapshot1.displayName = "twice"
snapshot1.disk0.fileName = "web-000001.vmdk"
snapshot1.disk0.node = "scsi0:0"
snapshot2.uid = "3"
snapshot2.parent = "2"
snapshot2.displayName = "twice"
"""
MACHINE = (
    BASE + 'scsi0.present = "TRUE"\nscsi0:0.fileName = "web-000001.vmdk"\n'
    'scsi0:0.present = "TRUE"\nscsi0:1.fileName = "later.vmdk"\nscsi0:1.present = "TRUE"\n'
    'scsi0:2.fileName = "log.vmdk"\nscsi0:2.present = "TRUE"\n'
    'scsi0:2.mode = "independent-persistent"\nide0:0.present = "TRUE"\n'
    'ide0:0.deviceType = "cdrom-image"\nide0:0.fileName = "tools.iso"\n'
)


def opened(folder: Path, text: str, snapshot: str | None = None) -> Package:
    path = folder / "web.vmx"
    path.write_text(text, encoding="utf-8")
    return open_package(path, Selection(configuration=snapshot))


def hrefs(package: Package) -> list[str]:
    appliance = package.appliance
    images = {i.id: i.file for i in appliance.images}
    files = (appliance.file(images[d.image]) for d in appliance.machines[0].disks)
    return [file.href for file in files if file is not None]


def test_the_current_state_is_read_and_snapshots_are_named(tmp_path: Path) -> None:
    (tmp_path / "web.vmsd").write_text(VMSD, encoding="utf-8")
    package = opened(tmp_path, MACHINE)
    (finding,) = [f for f in package.findings if f.code == "KF-460"]
    assert 'fresh "install", twice, twice (current)' in finding.message
    assert hrefs(package) == ["web-000001.vmdk", "later.vmdk", "log.vmdk"]
    package.close()


@pytest.mark.parametrize("wanted", ['fresh "install"', "1"])
def test_a_snapshot_has_its_own_disks(tmp_path: Path, wanted: str) -> None:
    (tmp_path / "web.vmsd").write_text(VMSD, encoding="utf-8")
    package = opened(tmp_path, MACHINE, wanted)
    assert hrefs(package) == ["web.vmdk", "log.vmdk"]
    assert package.appliance.configuration == wanted
    (finding,) = [f for f in package.findings if f.code == "KF-461"]
    assert "scsi0:1 came later" in finding.message
    assert len(package.appliance.machines[0].cdroms) == 1
    package.close()


@pytest.mark.parametrize("wanted", ["twice", "nothing", ""])
def test_a_snapshot_that_is_not_one(tmp_path: Path, wanted: str) -> None:
    (tmp_path / "web.vmsd").write_text(VMSD, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        opened(tmp_path, MACHINE, wanted)
    assert "2 twice, 3 twice" in error.value.hint


def test_a_machine_without_snapshots_has_none_to_choose(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        opened(tmp_path, MACHINE, "1")


def test_the_list_of_snapshots_is_no_machine(tmp_path: Path) -> None:
    (tmp_path / "web.vmsd").write_text(VMSD, encoding="utf-8")
    with pytest.raises(PackageError, match="snapshots"):
        open_package(tmp_path / "web.vmsd")


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
def test_deltas_are_read_over_their_parents(tmp_path: Path) -> None:
    def run(*words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, cwd=tmp_path)

    (tmp_path / "raw").write_bytes(b"base" * 128 + bytes(3 << 20))
    flat = ("-o", "subformat=twoGbMaxExtentSparse")
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", *flat, "raw", "web.vmdk")
    run("qemu-img", "create", "-f", "vmdk", "-b", "web.vmdk", "-F", "vmdk", "web-000001.vmdk")
    run("qemu-io", "-f", "vmdk", "-c", "write -P 0x42 1M 64k", "web-000001.vmdk")
    (tmp_path / "web.vmsd").write_text(VMSD, encoding="utf-8")
    machine = MACHINE.replace('scsi0:1.present = "TRUE"', 'scsi0:1.present = "FALSE"')
    for snapshot, expected in ((None, b"\x42"), ("1", b"\0")):
        package = opened(tmp_path, machine, snapshot)
        with opened_image(package, package.appliance.machines[0].disks[0].image) as disk:
            buffer = bytearray(2 << 20)
            disk.read_into(0, buffer)
        assert buffer[:8] == b"basebase"
        assert buffer[1 << 20 : (1 << 20) + 1] == expected
        package.close()


@pytest.mark.parametrize("lock", ["web.vmx.lck/M1.lck", "web.vmx.lck", "a.vmdk.lck/M2.lck"])
def test_a_lock_says_that_the_machine_runs(tmp_path: Path, lock: str) -> None:
    (tmp_path / lock).parent.mkdir(exist_ok=True)
    (tmp_path / lock).write_bytes(b"")
    package = opened(tmp_path, BASE + 'scsi0:0.fileName = "a.vmdk"\n')
    assert "KF-463" in codes(package.findings)


def test_an_empty_folder_of_locks_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "web.vmx.lck").mkdir()
    assert opened(tmp_path, BASE).findings == ()


def test_a_suspended_machine(tmp_path: Path) -> None:
    assert codes(opened(tmp_path, BASE + 'checkpoint.vmState = "web.vmss"\n').findings) == {
        "KF-462"
    }
    assert opened(tmp_path, BASE + 'checkpoint.vmState = ""\n').findings == ()


def test_the_extended_configuration_is_kept_word_for_word(tmp_path: Path) -> None:
    text = '<?xml version="1.0"?>\n<Foundry><VM>ü</VM></Foundry>'
    (tmp_path / "web.vmxf").write_text(text, encoding="utf-8")
    package = opened(tmp_path, BASE + 'extendedConfigFile = "web.vmxf"\n')
    kept = {(e.dialect, e.where): e.text for e in package.appliance.machines[0].extras}
    assert kept[("vmxf", "web.vmxf")] == text
    assert kept[("vmx", "extendedConfigFile")] == "web.vmxf"
    outside = opened(tmp_path, BASE + 'extendedConfigFile = "../web.vmxf"\n')
    assert [e.dialect for e in outside.appliance.machines[0].extras] == ["vmx"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('encryption.keySafe = "vmware:key/list/(pair/(phrase/x/pass2key=PBKDF2"', "a passphrase"),
        ('encryption.bundle = "vmware:key/list/(pair/(fqid/<VMWARE-NULL>/KMS/x"', "key provider"),
        ('encryption.data = "x"', "by VMware"),
    ],
)
def test_an_encrypted_machine_is_refused_with_its_kind(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(UnsupportedError, match=words) as error:
        opened(tmp_path, f'.encoding = "UTF-8"\ndisplayName = "x"\n{text}\n')
    assert error.value.hint


def test_a_machine_encrypted_in_part_is_read(tmp_path: Path) -> None:
    text = 'encryption.keySafe = "vmware:key/x"\nmanagedVM.autoAddVTPM = "software"\n'
    package = opened(tmp_path, BASE + text)
    assert codes(package.findings) == {"KF-465"}
    assert package.appliance.machines[0].firmware.tpm


DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="{kind}"
RW 2048 {extent}
{more}
"""


@pytest.mark.parametrize(
    ("kind", "extent", "more", "words"),
    [
        ("vmfs", 'VMFS "a-flat.vmdk"', 'ddb.iofilters = "vmwarevmcrypt"', "encrypted by vSphere"),
        ("monolithicFlat", 'FLAT "a.bin" 0', 'encryption.data = "x"', "encrypted by VMware"),
        ("fullDevice", r'FLAT "\\.\PhysicalDrive1" 0', "", "a physical disk of its host"),
        ("partitionedDevice", 'FLAT "/dev/sdb" 0', "", "a physical disk of its host"),
        ("vmfsRawDeviceMap", 'VMFSRDM "a-rdm.vmdk"', "", "a raw device mapping"),
        ("vmfsPassthroughRawDeviceMap", 'VMFSRAW "a-rdmp.vmdk"', "", "a raw device mapping"),
    ],
)
def test_disks_that_are_not_in_their_files(kind: str, extent: str, more: str, words: str) -> None:
    text = DESCRIPTOR.format(kind=kind, extent=extent, more=more)
    with pytest.raises(UnsupportedError, match=words) as error:
        open_disk(MemorySource(text.encode(), "a.vmdk"))
    assert error.value.hint


def test_raw_disks_passed_through_drives_and_shared_disks(tmp_path: Path) -> None:
    package = opened(
        tmp_path,
        BASE + 'scsi0:0.present = "TRUE"\nscsi0:2.present = "TRUE"\n'
        'scsi0:0.fileName = "a.vmdk"\nscsi0:0.deviceType = "rawDisk"\n'
        'scsi0:1.fileName = "/vmfs/devices/cdrom/mpx.vmhba32:C0:T0:L0"\n'
        'scsi0:1.present = "TRUE"\nscsi0:1.deviceType = "scsi-passthru"\n'
        'scsi0:2.fileName = "b.vmdk"\nscsi0:2.sharing = "multi-writer"\n'
        'ethernet0.present = "TRUE"\nethernet0.dvs.portgroupId = "dvportgroup-7"\n',
    )
    machine = package.appliance.machines[0]
    assert [d.shared for d in machine.disks] == [False, True]
    assert machine.cdroms[0].host_device.startswith("/vmfs/devices/cdrom/")
    assert machine.nics[0].network == "dvportgroup-7"
    assert {f.code for f in package.findings if f.severity is Severity.WARNING} == {"KF-464"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('displayName = "My "best" one"', 'My "best" one'),
        ('displayName = "left open', "left open"),
        ('displayName = "web" rest', "web"),
        ('displayName = "web"\0\0', "web"),
    ],
)
def test_quotes_where_they_do_not_belong(line: str, value: str) -> None:
    dictionary, findings = read_dictionary(line.encode(), path="a.vmx")
    assert dictionary.get("displayname") == value
    assert codes(findings) == {"KF-141"}


def test_a_header_no_quotes_and_zeros_at_the_end(tmp_path: Path) -> None:
    text = "#!/usr/bin/vmware\r\nconfig.version = 8\r\nmemsize = 96\r\n\0\0\0"
    package = opened(tmp_path, text)
    assert package.kind == "vmx"
    assert package.appliance.machines[0].memory.size == 96 << 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('bios.bootOrder = "cdrom,hdd,ethernet0"\n', {"ide0:0": 1, "scsi0:0": 2, "ethernet0": 3}),
        (
            'bios.bootOrder = "HDD,cdrom"\nbios.hddOrder = "scsi0:2,scsi0:0"\n',
            {"scsi0:2": 1, "scsi0:0": 2, "ide0:0": 3},
        ),
        ('bios.hddOrder = "scsi0:1"\n', {"scsi0:1": 1}),
        ('bios.bootOrder = "ethernet7,floppy,,hdd"\nbios.hddOrder = "sata9:9"\n', {"scsi0:0": 1}),
        ("", {}),
    ],
)
def test_the_boot_order_is_read(tmp_path: Path, text: str, expected: dict[str, int]) -> None:
    machine = opened(tmp_path, MACHINE + 'ethernet0.present = "TRUE"\n' + text).appliance.machines[
        0
    ]
    devices = [*machine.disks, *machine.cdroms, *machine.nics]
    assert {d.id: d.boot_order for d in devices if d.boot_order is not None} == expected


_KEYS = ["uid", "parent", "displayName", "disk0.node", "disk0.fileName", "current", ""]
_LINES = st.builds(
    lambda number, key, value: f'snapshot{number}.{key} = "{value}"',
    st.sampled_from(["", "0", "1", "7", "999999", "-1"]),
    st.sampled_from(_KEYS),
    st.sampled_from(["1", "scsi0:0", "../../etc/passwd", "x.vmdk", "scsi999:1", "\x00", "$(x)"]),
)


@settings(max_examples=60)
@given(st.lists(_LINES, max_size=12))
def test_any_list_of_snapshots_is_read_or_refused(lines: list[str]) -> None:
    values, _ = read_dictionary("\n".join(lines).encode(), path="a.vmsd")
    snapshots = read_vmsd(values)
    machine, _ = read_dictionary(MACHINE.encode(), path="a.vmx")
    for snapshot in snapshots.all:
        try:
            changed, _ = at_snapshot(machine, choose(snapshots, snapshot.uid, "a.vmx"))
        except KenshoError:
            continue
        assert set(changed.spelling) == set(changed.values)
    assert Snapshots().listed() == ""
