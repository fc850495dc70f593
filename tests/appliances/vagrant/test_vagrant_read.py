from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.appliances.hyperv_samples import as_xml, gen1
from tests.appliances.ovf_samples import codes
from tests.appliances.vagrant.boxes import LIBVIRT, VAGRANTFILE, box, disk, gnu_tar

from kensho.appliances import Package, open_package
from kensho.appliances.vagrant.recognise import is_box
from kensho.appliances.vagrant.vagrantfile import read_vagrantfile
from kensho.convert.source import opened_image
from kensho.disks import content_root, open_disk
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    PackageError,
    UnsafePathError,
    UnsupportedError,
)
from kensho.model.machine import ControllerModel, Firmware, NicModel
from kensho.model.units import GIB, MIB
from kensho.storage import FileSource, MemorySource

OVF = b"""<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" ovf:version="1.0"
 xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
<References><File ovf:id="f1" ovf:href="box-disk001.vmdk"/></References>
<DiskSection><Info/><Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="3145728"/></DiskSection>
<NetworkSection><Info/><Network ovf:name="NAT"/></NetworkSection>
<VirtualSystem ovf:id="web"><Info/><VirtualHardwareSection><Info/>
<System><vssd:ElementName>x</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
<vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType></System>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
<rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
<Item><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID>
<rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
<Item><rasd:Address>0</rasd:Address><rasd:InstanceID>3</rasd:InstanceID>
<rasd:ResourceSubType>AHCI</rasd:ResourceSubType><rasd:ResourceType>20</rasd:ResourceType></Item>
<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:HostResource>/disk/d1</rasd:HostResource>
<rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent>
<rasd:ResourceType>17</rasd:ResourceType></Item>
<Item><rasd:Connection>NAT</rasd:Connection><rasd:InstanceID>5</rasd:InstanceID>
<rasd:ResourceSubType>E1000</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType></Item>
</VirtualHardwareSection></VirtualSystem></Envelope>"""
VMX = b"""config.version = "8"
virtualHW.version = "19"
displayName = "Desktop"
memsize = "768"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "d.vmdk"
"""


def roots(package: Package) -> list[str]:
    found = []
    for image in package.appliance.images:
        with opened_image(package, image.id) as reader:
            found.append(content_root(reader))
    return found


def root_of(path: Path) -> str:
    with FileSource(path) as source:
        return content_root(open_disk(source))


def test_a_libvirt_box_and_its_vagrantfile(tmp_path: Path) -> None:
    image = disk(tmp_path / "i")
    files = {"metadata.json": LIBVIRT, "Vagrantfile": VAGRANTFILE, "box.img": image}
    package = open_package(box(tmp_path / "web.box", files))
    machine = package.appliance.machines[0]
    assert (package.kind, machine.name) == ("vagrant", "web")
    assert (machine.cpu.count, machine.cpu.cores_per_socket) == (4, 2)
    assert machine.memory.size == 2 * GIB
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.controllers[0].model is ControllerModel.AHCI
    assert machine.nics[0].model is NicModel.E1000
    assert machine.guest.id == "linux"
    assert package.findings == ()
    (extra,) = package.appliance.extras
    assert (extra.dialect, extra.text) == ("vagrant", VAGRANTFILE.decode())
    assert roots(package) == [root_of(image)]
    package.close()
    assert not list(tmp_path.rglob("pwned"))


def test_a_libvirt_box_that_says_nothing(tmp_path: Path) -> None:
    files = {"./box.img": disk(tmp_path / "i"), "./metadata.json": LIBVIRT}
    package = open_package(box(tmp_path / "a.box", files))
    machine = package.appliance.machines[0]
    assert (machine.cpu.count, machine.memory.size) == (1, 512 * MIB)
    assert machine.controllers[0].model is ControllerModel.VIRTIO_BLK
    assert not machine.firmware.stated
    assert codes(package.findings) == {"KF-466"}
    package.close()


def test_several_disks_of_version_2(tmp_path: Path) -> None:
    disks = [disk(tmp_path / f"d{n}", mark=bytes([65 + n])) for n in range(3)]
    metadata = {
        "provider": "libvirt",
        "format": "qcow2",
        "disks": [{"path": f"disk{n}.img"} for n in range(3)],
    }
    files = {f"disk{n}.img": path for n, path in enumerate(disks)}
    files = {"metadata.json": json.dumps(metadata).encode(), **files}
    package = open_package(box(tmp_path / "a.box", files))
    machine = package.appliance.machines[0]
    assert [c.index for c in machine.controllers] == [0, 1, 2]
    assert roots(package) == [root_of(path) for path in disks]
    package.close()


_PAX = ("--format=posix", "-S")


@pytest.mark.parametrize(
    "words",
    [
        ("-z",),
        ("-S",),
        ("-S", "-z"),
        (),
        (*_PAX, "--sparse-version=1.0"),
        (*_PAX, "--sparse-version=0.1"),
        ("bsdtar",),
        ("bsdtar", "-z"),
    ],
)
def test_boxes_that_gnu_tar_packs(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "metadata.json").write_bytes(LIBVIRT)
    (folder / "Vagrantfile").write_bytes(VAGRANTFILE)
    image = folder / "box.img"
    image.write_bytes(b"\x00\xfe\xaa\x55" * 4096)
    with image.open("r+b") as file:
        for place in range(1, 40):  # more parts than one header takes
            file.seek(place * 131072)
            file.write(bytes([place]) * 4096)
        file.truncate(8 << 20)
    path = tmp_path / "gnu.box"
    if "bsdtar" in words and shutil.which("bsdtar") is None:
        pytest.skip("bsdtar is not installed")
    gnu_tar(path, folder, *words, "./Vagrantfile", "./box.img", "./metadata.json")
    package = open_package(path)
    assert package.kind == "vagrant"
    source = package.open_file("file0")
    assert source.size == 8 << 20
    assert source.read_at(0, source.size) == image.read_bytes()
    assert source.read_at(131070, 9) == image.read_bytes()[131070:131079]
    assert sum(e.length for e in source.extents()) == source.size
    assert roots(package) == [root_of(image)]
    package.close()


@pytest.mark.parametrize("order", ["ovf", "disk"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_virtualbox_box(tmp_path: Path, order: str, packed: bool) -> None:
    image = disk(tmp_path / "i", "vmdk", "streamOptimized")
    files = {"box.ovf": OVF, "box-disk001.vmdk": image}
    files |= {"metadata.json": b'{"provider":"virtualbox"}', "Vagrantfile": VAGRANTFILE}
    names = list(files) if order == "ovf" else sorted(files, key=lambda n: n != "Vagrantfile")
    path = box(tmp_path / "v.box", {n: files[n] for n in names}, "w:gz" if packed else "w")
    package = open_package(path)
    machine = package.appliance.machines[0]
    assert package.kind == "vagrant"
    assert machine.nics[0].mac == "08:00:27:aa:bb:cc"
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.memory.size == 512 * MIB
    assert roots(package) == [root_of(image)]
    package.close()


def test_a_virtualbox_box_of_vagrant_1_0(tmp_path: Path) -> None:
    image = disk(tmp_path / "i", "vmdk", "streamOptimized")
    files = {"Vagrantfile": b"", "box.ovf": OVF, "box-disk001.vmdk": image}
    package = open_package(box(tmp_path / "v.box", files))
    assert package.appliance.machines[0].cpu.count == 2
    package.close()


def test_a_vmware_box(tmp_path: Path) -> None:
    image = disk(tmp_path / "i", "vmdk")
    files = {"metadata.json": b'{"provider":"vmware_desktop"}', "d.vmdk": image}
    files |= {"machine.vmx": VMX, "machine.vmsd": b"", "Vagrantfile": VAGRANTFILE}
    package = open_package(box(tmp_path / "v.box", files, "w:gz"))
    assert package.appliance.machines[0].name == "Desktop"
    assert package.findings == ()
    assert roots(package) == [root_of(image)]
    package.close()


def test_a_hyperv_box(tmp_path: Path) -> None:
    system, data = (disk(tmp_path / n, "vhdx", "dynamic", n.encode()) for n in "sd")
    files = {
        "metadata.json": b'{"provider":"hyperv"}',
        "Virtual Machines/box.xml": as_xml(gen1()),
        "Virtual Hard Disks/sys.vhdx": system,
        "Virtual Hard Disks/data.vhdx": data,
        "Vagrantfile": VAGRANTFILE,
    }
    package = open_package(box(tmp_path / "h.box", files, "w:gz"))
    machine = package.appliance.machines[0]
    assert (package.kind, machine.name) == ("vagrant", "old web")
    assert roots(package) == [root_of(system), root_of(data)]
    package.close()


@pytest.mark.parametrize(
    ("metadata", "error", "words"),
    [
        (b'{"provider":"hyperv"}', PackageError, "0 configurations"),
        (b'{"provider":"parallels"}', UnsupportedError, "parallels"),
        (b'{"provider":"docker"}', UnsupportedError, "docker"),
        (b'{"provider":7}', CorruptError, "provider"),
        (b'{"provider":"libvirt","disks":7}', CorruptError, "disks"),
        (b'{"provider":"libvirt","disks":[{"path":"a"},{"path":"a"}]}', CorruptError, "one file"),
        (b'{"provider":"libvirt","x":' + b"[" * 9000, CorruptError, "metadata"),
        (b'{"provider":"libvirt"} \xff', CorruptError, "metadata"),
        (b'{"provider":"virtualbox"}', PackageError, "no .ovf"),
        (b'{"provider":"vmware_desktop"}', PackageError, "no .vmx"),
        (b'{"provider":"libvirt"' + b" " * (300 << 10) + b"}", LimitError, "bytes"),
    ],
)
def test_boxes_that_cannot_be_read(
    tmp_path: Path, metadata: bytes, error: type[KenshoError], words: str
) -> None:
    path = box(tmp_path / "a.box", {"Vagrantfile": b"", "metadata.json": metadata})
    with pytest.raises(error, match=words) as raised:
        open_package(path)
    assert raised.value.hint or raised.value.path


def test_disks_outside_the_box_are_never_opened(tmp_path: Path) -> None:
    secret = disk(tmp_path / "secret")
    for name in (str(secret), "../secret", "/etc/passwd", "gone.img"):
        metadata = json.dumps({"provider": "libvirt", "disks": [{"path": name}]}).encode()
        path = box(tmp_path / "a.box", {"metadata.json": metadata})
        package = open_package(path)
        assert codes(package.findings) & {"KF-217", "KF-201"}
        with pytest.raises((UnsafePathError, PackageError)):
            package.open_file("file0")
        package.close()


def test_other_archives_are_no_boxes(tmp_path: Path) -> None:
    for files in (
        {"a.ovf": OVF, "metadata.json": LIBVIRT},
        {"ova.xml": b"<x/>", "Vagrantfile": b""},
        {"disk.raw": b"x"},
        {"metadata.json": b"{}"},
        {"metadata.json": b'{"name": "x", "versions": []}'},
    ):
        with FileSource(box(tmp_path / "a", files)) as source:
            assert not is_box(source)


def test_a_box_that_is_damaged_is_no_raw_disk(tmp_path: Path) -> None:
    (tmp_path / "a.box").write_bytes(b"\x00damaged" * 100)
    with pytest.raises(CorruptError):
        open_package(tmp_path / "a.box")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("config.vm.box = 'a\\'b\\\\c'", "a'b\\c"),
        ('config.vm.box = "a\\"\\u{4e2d}\\n#b" # c', 'a"中\n#b'),
        ('config.vm.box = "a#{`touch pwned`}"', None),
        ('config.vm.box = "a\\#{b}"', "a#{b}"),
        ('config.vm.box = ENV["BOX"]', None),
        ("config.vm.box = :base", "base"),
        ("config.vm.box == 'x'", None),
        ('config.vm.box = "\\u{110000}"', None),
        ("config.vm.box = %q(x)", None),
        ("config.vm.box = 'x' + y", None),
    ],
)
def test_only_literals_are_read(line: str, value: str | None) -> None:
    assert read_vagrantfile(line.encode()).config.get("vm.box") == value


def test_comments_and_what_is_behind_the_end_are_no_settings() -> None:
    text = "a.b = 1\n# a.b = 2\n=begin\na.b = 3\n=end\na.c = 4 # a.b = 5\n__END__\na.b = 6\n"
    assert read_vagrantfile(text.encode()).config == {"b": "1", "c": "4"}


_SMALL = {"metadata.json": LIBVIRT, "Vagrantfile": VAGRANTFILE, "box.img": b"QFI\xfb" + bytes(600)}


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_change_of_a_box_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    raw = bytearray(box(folder / "a.box", _SMALL).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, min(len(raw), 4096) - 1))] = data.draw(st.integers(0, 255))
    packed = data.draw(st.booleans())
    (folder / "a.box").write_bytes(gzip.compress(bytes(raw)) if packed else raw)
    try:
        package = open_package(folder / "a.box")
    except KenshoError:
        return
    package.close()


@given(st.binary(max_size=400))
def test_any_bytes_are_a_vagrantfile(data: bytes) -> None:
    assert read_vagrantfile(data).text == data.decode("utf-8", "replace")
    is_box(MemorySource(data, "a"))
