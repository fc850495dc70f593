"""Boxes that are written: read back, unpacked by other tools, their Vagrantfile asked by Ruby."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from itertools import product
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.appliances.mapped_machines import HOSTILE
from tests.appliances.vagrant.boxes import disk

from kensho.appliances import open_package
from kensho.appliances.vagrant.ruby import quote, read_literal
from kensho.appliances.vagrant.settings import libvirt_lines, virtualbox_lines, vmware_lines
from kensho.appliances.vagrant.vagrantfile import read_vagrantfile
from kensho.convert.plan import Request, make_plan
from kensho.convert.result import Result
from kensho.convert.run import Options, run_plan
from kensho.disks import content_root, open_disk
from kensho.model.machine import (
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
    Nic,
    NicModel,
)
from kensho.model.units import GIB
from kensho.storage import FileSource

VMX = """config.version = "8"
virtualHW.version = "13"
displayName = "Web server"
guestOS = "debian12-64"
annotation = "it's |22mine|22 #{{x}}"
memsize = "1024"
numvcpus = "4"
cpuid.coresPerSocket = "2"
{firmware}
scsi0.present = "TRUE"
scsi0.virtualDev = "{controller}"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "a.vmdk"
scsi0:1.present = "TRUE"
scsi0:1.fileName = "b.vmdk"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
ethernet0.address = "00:50:56:01:02:03"
ethernet1.present = "TRUE"
ethernet1.virtualDev = "vmxnet3"
"""
#: Runs a Vagrantfile without Vagrant and prints what was set, as Vagrant's own objects record it.
RECORDER = """
require "json"
class Recorder
  def initialize(seen, path) = (@seen, @path = seen, path)
  def provider(name)
    @seen["provider"] = name
    yield Recorder.new(@seen, name)
  end
  def method_missing(name, *args)
    return Recorder.new(@seen, "#{@path}.#{name}") if args.empty?
    (@seen["#{@path}.#{name.to_s.delete_suffix("=")}"] ||= []).concat(args)
  end
end
module Vagrant
  def self.configure(version)
    seen = {}
    yield Recorder.new(seen, "config")
    puts JSON.generate(seen)
  end
end
load ARGV[0]
"""
MACHINE = Machine(
    id="vm",
    name=HOSTILE,
    cpu=Cpu(4, 2, nested_virtualization=True),
    memory=Memory(2 * GIB),
    firmware=FirmwareSettings(Firmware.UEFI),
    guest=GuestOs("win2k22"),
    controllers=(Controller("c", ControllerModel.AHCI),),
    drives=(Disk("d", "i", "c"),),
    nics=(Nic("n", NicModel.E1000E),),
    annotation=HOSTILE,
)
needs_ruby = pytest.mark.skipif(shutil.which("ruby") is None, reason="ruby is not installed")


def ruby(folder: Path, vagrantfile: bytes) -> dict[str, object]:
    """Return what Ruby makes of a Vagrantfile."""
    (folder / "Vagrantfile").write_bytes(vagrantfile)
    (folder / "recorder.rb").write_text(RECORDER)
    for words in (["-wc", "Vagrantfile"], ["recorder.rb", "./Vagrantfile"]):
        done = subprocess.run(
            ["ruby", *words], cwd=folder, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["Vagrantfile", "recorder.rb"]
    return json.loads(done.stdout)


@needs_ruby
def test_ruby_takes_a_hostile_text_as_one_value(tmp_path: Path) -> None:
    seen = ruby(tmp_path, libvirt_lines(MACHINE))
    assert seen["config.vm.post_up_message"] == [HOSTILE]
    assert seen["provider"] == "libvirt"
    assert (seen["libvirt.cpus"], seen["libvirt.memory"]) == ([4], [2048])
    assert (seen["libvirt.disk_bus"], seen["libvirt.nested"]) == (["sata"], [True])
    assert seen["libvirt.cputopology"] == [{"sockets": "2", "cores": "2", "threads": "1"}]
    assert seen["config.vm.communicator"] == ["winrm"]
    assert "libvirt.boot" not in seen
    nics = (msgspec.structs.replace(MACHINE.nics[0], boot_order=1),)
    drives = (msgspec.structs.replace(MACHINE.disks[0], boot_order=2),)
    changed = msgspec.structs.replace(MACHINE, nics=nics, drives=drives)
    assert ruby(tmp_path, libvirt_lines(changed))["libvirt.boot"] == ["network", "hd"]


@needs_ruby
def test_ruby_reads_the_other_providers(tmp_path: Path) -> None:
    seen = ruby(tmp_path, virtualbox_lines(MACHINE, "080027000001"))
    assert seen["config.vm.base_mac"] == ["080027000001"]
    assert seen["virtualbox.customize"][0] == ["modifyvm", "id", "--firmware", "efi"]
    assert ruby(tmp_path, vmware_lines(MACHINE))["config.vm.post_up_message"] == [HOSTILE]


@needs_ruby
def test_ruby_reads_every_literal_as_it_was(tmp_path: Path) -> None:
    texts: list[str] = [
        HOSTILE,
        "",
        "#{x}",
        "#$0",
        "#@a",
        "\\",
        '"',
        "\0\x1a\x04__END__",
        "\n=begin",
    ]

    @settings(max_examples=200, database=None)
    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def collect(text: str) -> None:
        texts.append(text)

    collect()
    script = "require 'json'\nputs JSON.generate([" + ",\n".join(map(quote, texts)) + "])\n"
    (tmp_path / "a.rb").write_text(script, encoding="ascii")
    done = subprocess.run(["ruby", "-w", str(tmp_path / "a.rb")], check=True, capture_output=True)
    assert json.loads(done.stdout) == texts


@given(st.text())
def test_a_literal_is_read_as_it_was_written(text: str) -> None:
    literal = quote(text)
    assert literal.isascii()
    assert literal.isprintable()
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if whole == text:
        assert read_literal(literal) == text


def convert(
    folder: Path, target: str, *, controller: str = "pvscsi", firmware: str = ""
) -> tuple[Path, Result]:
    source = folder / "in"
    source.mkdir()
    text = VMX.format(firmware=firmware, controller=controller)
    (source / "web.vmx").write_text(text, encoding="utf-8")
    disk(source / "a.vmdk", "vmdk", mark=b"\x41")
    disk(source / "b.vmdk", "vmdk", mark=b"\x42")
    plan = make_plan(Request(source=str(source / "web.vmx"), target=target, form="vagrant"))
    result = run_plan(plan, folder / "out", options=Options())
    return folder / "out" / "Web-server.box", result


@pytest.mark.parametrize(
    ("target", "firmware"),
    list(product(["kvm", "virtualbox", "vmware"], ['firmware = "efi"', ""])),
)
def test_a_box_is_read_back(tmp_path: Path, target: str, firmware: str) -> None:
    path, result = convert(tmp_path, target, firmware=firmware)
    assert result.check == "ok"
    codes = {f.code for f in result.findings}
    assert {"KF-467", "KF-468"} <= codes
    assert ("KF-469" in codes) == (target == "kvm")
    package = open_package(path)
    machine = package.appliance.machines[0]
    package.close()
    assert package.kind == "vagrant"
    assert (machine.cpu.count, machine.memory.size) == (4, GIB)
    assert machine.firmware.kind is (Firmware.UEFI if firmware else Firmware.BIOS)
    assert machine.annotation == 'it\'s "mine" #{x}'
    assert len(machine.disks) == 2
    if target != "kvm":
        assert machine.nics[0].mac == "00:50:56:01:02:03"
    if target != "virtualbox":
        assert machine.cpu.cores_per_socket == 2


@pytest.mark.parametrize("target", ["kvm", "virtualbox", "vmware"])
def test_what_came_from_vmware_returns_as_it_was(tmp_path: Path, target: str) -> None:
    path, _ = convert(tmp_path, target)
    back = make_plan(Request(source=str(path), target="vmware", form="vmx"))
    before = make_plan(
        Request(source=str(tmp_path / "in" / "web.vmx"), target="vmware", form="vmx")
    )
    one, other = back.after.machines[0], before.after.machines[0]
    for field in ("name", "cpu", "memory", "firmware", "controllers", "nics", "annotation"):
        assert getattr(one, field) == getattr(other, field), field
    assert [(d.controller, d.unit) for d in one.disks] == [
        (d.controller, d.unit) for d in other.disks
    ]


@pytest.mark.parametrize("target", ["kvm", "virtualbox", "vmware"])
def test_the_same_source_gives_the_same_box(tmp_path: Path, target: str) -> None:
    path, _ = convert(tmp_path, target)
    plan = make_plan(
        Request(source=str(tmp_path / "in" / "web.vmx"), target=target, form="vagrant")
    )
    run_plan(plan, tmp_path / "again")
    assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
@pytest.mark.parametrize("target", ["kvm", "vmware"])
@pytest.mark.parametrize("tool", ["tar", "bsdtar"])
def test_other_tools_unpack_it_and_read_its_disks(tmp_path: Path, target: str, tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    path, result = convert(tmp_path, target)
    out = tmp_path / "unpacked"
    out.mkdir()
    subprocess.run([tool, "-C", str(out), "-xf", str(path)], check=True)
    metadata = json.loads((out / "metadata.json").read_text())
    provider = "libvirt" if target == "kvm" else "vmware_desktop"
    assert metadata["provider"] == provider
    if target == "kvm":
        assert metadata == {
            "provider": "libvirt",
            "name": "Web server",
            "format": "qcow2",
            "virtual_size": 1,
            "disks": [{"path": "box_0.img"}, {"path": "box_1.img"}],
        }
    for placed, source in zip(result.disks, ("a.vmdk", "b.vmdk"), strict=True):
        words = ["qemu-img", "compare", str(out / placed.filename), str(tmp_path / "in" / source)]
        assert b"identical" in subprocess.run(words, check=True, capture_output=True).stdout
        words = ["qemu-img", "check", "-f", placed.format, str(out / placed.filename)]
        subprocess.run(words, check=True, capture_output=True)


def test_a_box_of_one_disk_is_version_1(tmp_path: Path) -> None:
    image = disk(tmp_path / "web.qcow2")
    plan = make_plan(Request(source=str(image), target="kvm", form="vagrant", name="web"))
    run_plan(plan, tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "web.box") as archive:
        names = archive.getnames()
        metadata = archive.extractfile("metadata.json")
        assert metadata is not None
        found = json.load(metadata)
    assert found == {"provider": "libvirt", "name": "web", "format": "qcow2", "virtual_size": 1}
    assert names[:3] == ["metadata.json", "Vagrantfile", "box.img"]


def test_what_is_written_is_what_is_read() -> None:
    said = read_vagrantfile(libvirt_lines(MACHINE)).provider("libvirt")
    assert said["cores"] == "2"
    assert said["memory"] == "2048"
    assert said["loader"].endswith("OVMF_CODE.fd")
    bios = msgspec.structs.replace(MACHINE, firmware=FirmwareSettings())
    assert "loader" not in read_vagrantfile(libvirt_lines(bios)).provider("libvirt")
    assert read_vagrantfile(virtualbox_lines(MACHINE, "080027000001")).efi


def test_the_boot_disk_is_the_first_one_of_a_libvirt_box(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    text = VMX.format(firmware='bios.hddOrder = "scsi0:1"', controller="pvscsi")
    (source / "web.vmx").write_text(text, encoding="utf-8")
    for name in "ab":
        disk(source / f"{name}.vmdk", "vmdk", mark=name.encode())
    request = Request(source=str(source / "web.vmx"), target="kvm", form="vagrant")
    result = run_plan(make_plan(request), tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "Web-server.box") as archive:
        first = archive.extractfile("box_0.img")
        assert first is not None
        (tmp_path / "first.qcow2").write_bytes(first.read())
    with FileSource(tmp_path / "first.qcow2") as made, FileSource(source / "b.vmdk") as boot:
        assert content_root(open_disk(made)) == content_root(open_disk(boot))
    assert [d.filename for d in result.disks] == ["box_0.img", "box_1.img"]
