"""Packages from YAML, kensho's own and ova-compose's, and from disk images."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from lxml import etree
from tests.cli.conftest import as_json, kensho  # noqa: F401 - fixtures
from tests.images import MIB, ovf, raw_disk, tar
from tests.packages.edit.conftest import SHARED, assert_valid

from kensho.appliances import open_package
from kensho.disks import open_disk
from kensho.disks.compare import compare
from kensho.storage import FileSource

SPEC = """
name: shop
for: vmware
cpus: 2
memory: 4GiB
firmware: uefi
secure-boot: true
guest: debian12
disks: [a.img, {size: 10GiB}, {image: a.img, size: 16MiB}]
nics: [lan, {network: dmz, type: E1000e, mac: 00-50-56-aa-bb-cc, name: back}]
cdroms: [seed.iso]
product: {name: Shop, version: "2.0", vendor: Acme}
properties:
  hostname: shop
  port: {type: uint16, value: 80, label: Port, user-configurable: true, values: {large: 8080}}
transports: [iso, vmware]
eula: eula.txt
annotation: Careful
configurations:
  small: {label: Small, default: true}
  large: {cpus: 8, memory: 32GiB}
set: {extra.guestinfo.mode: a, config.nestedHVEnabled: true}
files: [eula.txt]
networks: {lan: The LAN}
"""

COMPOSE = """
system:
  name: minimal
  type: vmx-14 vmx-20
  os_cim: 36
  os_vmw: vmwarePhoton64Guest
  firmware: !param firmware=efi
  secure_boot: true
networks:
  one: {name: "VM Network1", description: "Network for service1"}
hardware:
  config: {nestedHVEnabled: true}
  cpus: 2
  cpus_large: {type: cpus, number: 8, configuration: large}
  memory: {type: memory, size: 4096}
  scsi1: {type: scsi_controller}
  sata1: {type: sata_controller}
  cdrom1: {type: cd_drive, parent: sata1, image: seed.iso, connected: true}
  rootdisk: {type: hard_disk, parent: scsi1, raw_image: a.img, disk_id: root, units: KB}
  data: {type: hard_disk, parent: scsi1, disk_capacity: 512}
  usb1: {type: usb_controller}
  usb2: {type: usb3_controller}
  ethernet1: {type: ethernet, subtype: VmxNet3, network: one, config: {wakeOnLanEnabled: false}}
  videocard1: {type: video_card}
  vmci1: {type: vmci}
product: {product: An Example VM, vendor: A Company Inc.}
environment:
  transports: [iso, com.vmware.guestInfo]
  categories: {some: Some Properties}
  properties:
    prop.int: {type: uint16, value: '50000', category: some, user_configurable: true}
    size: {value: {default: "1", configurations: {large: "2"}}}
configurations:
  large: {label: Large, description: More}
extra_configs:
  is_required: {value: 1, required: true}
annotation: {text: the password is top secret}
eula: {file: eula.txt}
later: {}
"""


needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch) -> None:
    raw_disk(tmp_path / "a.img", size=4 * MIB)
    (tmp_path / "seed.iso").write_bytes(b"iso" * 1000)
    (tmp_path / "eula.txt").write_text("Pay.\n")
    (tmp_path / "shop.yaml").write_text(SPEC)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    monkeypatch.chdir(tmp_path)


def descriptor(path: Path | str) -> bytes:
    with tarfile.open(path) as archive:
        return archive.extractfile(archive.getmembers()[0]).read()


def same_content(one: Path, other: Path) -> bool:
    with FileSource(one) as a, FileSource(other) as b:
        return compare(open_disk(a), open_disk(b)) is None


def unpacked(path: str, folder: Path) -> list[str]:
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            (folder / member.name).write_bytes(archive.extractfile(member).read())
        return archive.getnames()


def items(data: bytes, type_: int) -> list[dict[str, str]]:
    return [
        {etree.QName(e).localname: e.text for e in item} | dict(item.attrib)
        for item in etree.fromstring(data).iter("{*}Item")
        if item.findtext("{*}ResourceType") == str(type_)
    ]


@needs_qemu
def test_own_yaml(as_json, tmp_path):  # noqa: F811
    result = as_json("pack", "shop.yaml", "-o", "shop.ova")
    assert not {f["severity"] for f in result["findings"]} & {"error", "blocked"}
    out = tmp_path / "out"
    out.mkdir()
    assert unpacked("shop.ova", out) == [
        *("shop.ovf", "shop.mf", "shop-disk1.vmdk", "shop-disk2.vmdk", "seed.iso", "eula.txt")
    ]
    data = descriptor("shop.ova")
    assert_valid(data)
    assert same_content(tmp_path / "a.img", out / "shop-disk1.vmdk")
    info = subprocess.run(
        ["qemu-img", "info", "--output=json", out / "shop-disk2.vmdk"],
        check=True,
        capture_output=True,
    )
    assert json.loads(info.stdout)["virtual-size"] == 16 * MIB
    package = open_package("shop.ova")
    machine = package.appliance.machines[0]
    package.close()
    assert (machine.cpu.count, machine.memory.size) == (2, 4 << 30)
    assert (machine.firmware.kind, machine.firmware.secure_boot) == ("uefi", True)
    assert [d.unit for d in machine.disks] == [0, 1, 2]
    assert [(n.network, n.vendor_model or n.model) for n in machine.nics][1][0] == "dmz"
    assert machine.nics[1].mac == "00:50:56:aa:bb:cc"
    assert machine.cdroms[0].file is not None
    assert machine.eulas[0].text == "Pay."
    assert machine.transports == ("iso", "com.vmware.guestInfo")
    assert [i["VirtualQuantity"] for i in items(data, 3)] == ["2", "8"]
    assert b'vmw:key="guestinfo.mode"' in data
    assert b'<Value ovf:value="8080" ovf:configuration="large"/>' in data


def test_ova_compose(as_json, tmp_path):  # noqa: F811
    result = as_json("pack", "compose.yaml", "-o", "minimal.ova", "--param", "firmware=efi")
    assert [f["code"] for f in result["findings"]] == ["KF-750"]  # the section "later"
    out = tmp_path / "out"
    out.mkdir()
    assert unpacked("minimal.ova", out) == ["minimal.ovf", "minimal.mf", "seed.iso", "a.vmdk"]
    assert same_content(tmp_path / "a.img", out / "a.vmdk")
    data = descriptor("minimal.ova")
    assert_valid(data)
    (disk, empty) = items(data, 17)
    assert disk["ElementName"] == "rootdisk"
    assert disk["HostResource"] == "ovf:/disk/root"
    assert (disk["AddressOnParent"], empty["AddressOnParent"]) == ("0", "1")
    assert b'ovf:capacity="536870912"' in data
    assert [i["VirtualQuantity"] for i in items(data, 3)] == ["2", "8"]
    assert items(data, 10)[0]["Connection"] == "VM Network1"
    assert items(data, 15)[0]["AutomaticAllocation"] == "true"
    assert b'ovf:required="true" vmw:key="is_required"' in data
    assert b"<Category>Some Properties</Category>" in data
    package = open_package("minimal.ova")
    machine = package.appliance.machines[0]
    package.close()
    assert machine.name == "minimal"
    assert (machine.firmware.kind, machine.firmware.secure_boot) == ("uefi", True)
    assert machine.eulas[0].text == "Pay."


@needs_qemu
def test_disk_images(as_json, tmp_path):  # noqa: F811
    subprocess.run(
        ["qemu-img", "convert", "-O", "qcow2", "a.img", "disk.qcow2"], check=True, cwd=tmp_path
    )
    as_json(
        *("pack", "disk.qcow2", "1GiB", "--name", "web", "--cpus", 2, "--memory", "4GiB"),
        *("--network", "lan", "--eula", "eula.txt", "--property", "k=v", "-o", "web.ova"),
    )
    data = descriptor("web.ova")
    assert_valid(data)
    out = tmp_path / "out"
    out.mkdir()
    unpacked("web.ova", out)
    assert same_content(tmp_path / "a.img", out / "web-disk1.vmdk")
    assert not [p for p in os.listdir(tmp_path) if p.startswith(".")]  # noqa: PTH208


def test_what_is_packed_is_valid_to_the_letter(as_json, kensho):  # noqa: F811
    for name in ("shop", "compose"):
        as_json("pack", f"{name}.yaml", "-o", f"{name}.ova")
        _, out, _ = kensho("validate", f"{name}.ova", "--mode", "strict", "--json")
        found = json.loads(out)
        assert not [v for v in found["violations"] if v["severity"] == "error"]
        assert kensho("verify", f"{name}.ova")[0] == 0


def test_the_same_input_gives_the_same_bytes(as_json, tmp_path):  # noqa: F811
    as_json("pack", "shop.yaml", "-o", "one.ova")
    as_json("pack", "shop.yaml", "-o", "two/one.ova")
    assert Path("one.ova").read_bytes() == Path("two/one.ova").read_bytes()


@pytest.mark.parametrize("target", ["ova", "virtualbox", "vmware"])
def test_targets(as_json, target):  # noqa: F811
    as_json("pack", "a.img", "--for", target, "--network", "lan", "-o", "x.ova")
    assert_valid(descriptor("x.ova"))


def test_several_machines(as_json):  # noqa: F811
    Path("two.yaml").write_text(
        "name: pair\nfor: vmware\nstartup: [db+30, web]\nmachines:\n"
        "- {name: db, disks: [a.img], nics: [back], product: {name: DB}}\n"
        "- {name: web, nics: [back, front], configurations: {big: {cpus: 4}}}\n"
    )
    as_json("pack", "two.yaml", "-o", "pair.ova")
    data = descriptor("pair.ova")
    assert_valid(data)
    assert b'ovf:id="db" ovf:order="1" ovf:startDelay="30"' in data
    package = open_package("pair.ova")
    assert [m.name for m in package.appliance.machines] == ["db", "web"]
    package.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.img", "--for", "kvm"], "takes no OVF package"),
        (["gone.img"], "No such file"),
        (["shop.yaml", "--cpus", "4"], "all there is to say"),
        (["compose.yaml", "--for", "virtualbox"], "in VMware's words"),
        (["a.img", "--memory", "4096"], "4096MiB"),
        ([], "nothing to pack"),
        (["eula.txt"], ""),
    ],
)
def test_refused(kensho, arguments, words):  # noqa: F811
    code, _, err = kensho("pack", *arguments, "-o", "x.ova")
    assert code in {2, 12}
    assert words in err
    assert not Path("x.ova").exists()


def test_vmware_open_vmdk_85_an_existing_ovf_is_wrapped(kensho, tmp_path):  # noqa: F811
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "a.img").write_bytes(Path("a.img").read_bytes())
    (folder / "old.ovf").write_text(ovf({"a.img": 4 * MIB}))
    assert kensho("pack", "old/old.ovf", "-o", "new.ova")[0] == 0
    before = (folder / "old.ovf").read_bytes()
    size = f' ovf:href="a.img" ovf:size="{4 * MIB}"'.encode()
    assert descriptor("new.ova") == before.replace(b' ovf:href="a.img"', size)
    assert kensho("verify", "new.ova")[0] in {0, 3}


def test_libguestfs_virt_v2v_6_no_tar_program_is_asked(as_json, monkeypatch):  # noqa: F811
    """An archive is read the same in every language, and without a `tar` to run."""
    tar(Path("web.ova"), {"web.ovf": ovf({"a.img": 4 * MIB}).encode(), "a.img": b"x"})
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert as_json("inspect", "web.ova")


def test_nextcloud_vm_2579_a_disk_that_moves_is_said(kensho):  # noqa: F811
    """A guest that expects sda and gets another name is warned of before, not after."""
    files = {"web.ovf": ovf({"a.img": 4 * MIB}).encode(), "a.img": Path("a.img").read_bytes()}
    tar(Path("web.ova"), files)
    _, out, _ = kensho("plan", "web.ova", "--to", "xenserver", "--json")
    assert "KF-320" in {f["code"] for f in json.loads(out)["findings"]}


@needs_qemu
@pytest.mark.skipif(not SHARED.exists(), reason="needs the corpus")
def test_ova_compose_files_of_open_vmdk(kensho, tmp_path):  # noqa: F811
    folder = SHARED / "corpus" / "vmware+open-vmdk"
    subprocess.run(
        [
            "qemu-img",
            "convert",
            "-O",
            "vmdk",
            "-o",
            "subformat=streamOptimized",
            "a.img",
            "dummy.vmdk",
        ],
        check=True,
    )
    for name in ("photon.vmdk", "dummy-512.vmdk", "dummy-4k.vmdk", "dummy.img"):
        Path(name).write_bytes(Path("a.img" if name.endswith("img") else "dummy.vmdk").read_bytes())
    found = [*folder.glob("pytest/configs/*.yaml"), folder / "ova-compose/example.yaml"]
    assert len(found) > 20
    for path in found:
        Path(path.name).write_bytes(path.read_bytes())
        arguments = ("--param", "rootdisk=dummy.vmdk", "-o", "x.ova", "--overwrite")
        code, _, err = kensho("pack", path.name, *arguments)
        assert code == 0, (path, err)
        assert_valid(descriptor("x.ova"))
