"""Proxmox VE configurations: what kensho writes reads back, and what real ones have."""

from __future__ import annotations

import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_machines import HOSTILE, disk_machine, placed, with_machine

from kensho.appliances import open_package
from kensho.appliances.package import Package
from kensho.appliances.proxmox.conf import parse_conf
from kensho.appliances.proxmox.read import read_conf
from kensho.appliances.proxmox.write import render
from kensho.cli.exits import run
from kensho.convert.mapping import map_machine
from kensho.convert.source import opened_image
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.errors import KenshoError, UnsupportedError, UsageError
from kensho.model.finding import Severity
from kensho.model.machine import (
    Controller,
    ControllerModel,
    Disk,
    Firmware,
    Machine,
    NicModel,
    SerialKind,
    Sound,
)
from kensho.model.selection import Selection
from kensho.model.units import GIB, MIB
from kensho.platforms import find_platform

needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")

#: As Proxmox VE 8 writes them.
REAL = """\
#Web server%3A the first one
#second line
agent: 1
args: -device $(touch pwned)
balloon: 1024
boot: order=scsi0;ide2;net0
cores: 4
cpu: x86-64-v2-AES
efidisk0: local-lvm:vm-101-disk-0,efitype=4m,pre-enrolled-keys=1,size=4M
bios: ovmf
hostpci0: 0000:01:00,pcie=1
hotplug: disk,network,usb,memory,cpu
ide2: local:iso/debian-12.iso,media=cdrom,size=631M
machine: pc-q35-8.1
memory: 4096
meta: creation-qemu=8.1.5,ctime=1713000000
name: web
net0: virtio=BC:24:11:AA:BB:CC,bridge=vmbr0,firewall=1,tag=12
net1: model=e1000,macaddr=BC:24:11:AA:BB:CD,bridge=vmbr1,link_down=1
numa: 0
ostype: win11
parent: before
scsi0: local-lvm:vm-101-disk-1,cache=writeback,discard=on,iothread=1,size=32G,ssd=1
scsi1: nfs:101/vm-101-disk-2.qcow2,size=1T,ro=1
scsihw: virtio-scsi-single
serial0: socket
serial1: /dev/ttyS0
smbios1: uuid=2fe7ed89-bafa-4c28-b209-38288aeb803d,manufacturer=QUNNRQ==,base64=1
sockets: 2
tpmstate0: local-lvm:vm-101-disk-3,size=4M,version=v2.0
unused0: local-lvm:vm-101-disk-9
vga: qxl,memory=32
vmgenid: 94309b84-54d9-404c-a15a-5a5b4459fc3a

[PENDING]
memory: 8192

[before]
memory: 2048
snaptime: 1713000001

[special:cloudinit]
"""


def opened(folder: Path, text: str, name: str = "101.conf") -> Package:
    path = folder / name
    path.write_text(text)
    return open_package(path)


def codes(package: Package) -> dict[str, Severity]:
    return {f.code: f.severity for f in package.findings}


def test_a_real_one(tmp_path: Path) -> None:
    package = opened(tmp_path, REAL)
    machine = package.appliance.machines[0]
    assert package.kind == "pve"
    assert (machine.name, machine.annotation) == ("web", "Web server: the first one\nsecond line")
    assert (machine.cpu.count, machine.cpu.cores_per_socket, machine.cpu.hot_add) == (8, 4, True)
    assert (machine.memory.size, machine.memory.hot_add) == (4 * GIB, True)
    firmware = machine.firmware
    assert (firmware.kind, firmware.secure_boot, firmware.tpm) == (Firmware.UEFI, True, True)
    assert machine.uuid == "2fe7ed89-bafa-4c28-b209-38288aeb803d"
    assert guest_os.get(machine.guest.id).pve == "win11"
    assert [(c.model, c.index) for c in machine.controllers] == [
        (ControllerModel.IDE, 1),
        (ControllerModel.VIRTIO_SCSI, 0),
    ]
    assert machine.disks == (
        Disk(
            "scsi0",
            "disk-scsi0",
            "scsi-0",
            0,
            boot_order=1,
            solid_state=True,
            cache="writeback",
        ),
        Disk("scsi1", "disk-scsi1", "scsi-0", 1, read_only=True),
    )
    assert [i.capacity for i in package.appliance.images] == [32 * GIB, 1024 * GIB]
    assert machine.cdroms[0].boot_order == 2
    assert [(n.model, n.network, n.mac, n.connected, n.vlan) for n in machine.nics] == [
        (NicModel.VIRTIO, "vmbr0", "bc:24:11:aa:bb:cc", True, 12),
        (NicModel.E1000, "vmbr1", "bc:24:11:aa:bb:cd", False, None),
    ]
    assert [(p.kind, p.target) for p in machine.serial_ports] == [
        (SerialKind.NONE, ""),
        (SerialKind.DEVICE, "/dev/ttyS0"),
    ]
    assert machine.video is not None
    assert (machine.video.model, machine.video.memory) == ("qxl", 32 * MIB)
    kept = {e.where: e.text for e in machine.extras}
    assert kept["args"] == "-device $(touch pwned)"
    assert kept["scsi0"].startswith("local-lvm:vm-101-disk-1,cache=writeback")
    assert "snaptime: 1713000001" in kept["[before]"]
    assert kept["[PENDING]"].strip() == "memory: 8192"
    found = codes(package)
    assert found["KF-236"] is Severity.WARNING
    assert found["KF-237"] is Severity.WARNING
    assert found["KF-201"] in {Severity.ERROR, Severity.NOTE}
    assert sum(f.code == "KF-239" for f in package.findings) == 2
    with pytest.raises(UsageError, match="snapshots"):
        open_package(tmp_path / "101.conf", Selection(configuration="before"))


@pytest.mark.parametrize(
    ("volume", "file"),
    [
        ("local-lvm:vm-101-disk-1", "vm-101-disk-1"),
        ("local-lvm:vm-101-disk-1", "vm-101-disk-1.raw"),
        ("nfs:101/vm-101-disk-2.qcow2", "vm-101-disk-2.qcow2"),
        ("nfs:101/vm-101-disk-2.qcow2", "101/vm-101-disk-2.qcow2"),
        ("nfs:101/vm-101-disk-2.qcow2", "images/101/vm-101-disk-2.qcow2"),
        ("nfs:base-9-disk-0/vm-101-disk-0.qcow2", "vm-101-disk-0.qcow2"),
    ],
)
def test_volumes_beside_the_file(tmp_path: Path, volume: str, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_bytes(b"\0" * 1024)
    package = opened(
        tmp_path, f"name: a\nmemory: 512\nboot: order=scsi0\nscsi0: {volume},size=1K\n"
    )
    assert package.open_file("file-scsi0").size == 1024
    assert "KF-237" not in codes(package)


@pytest.mark.parametrize(
    "volume", ["/dev/sda", "nfs:../../etc/passwd", "/etc/passwd", "x:/", "x:.."]
)
def test_nothing_outside_the_folder_is_opened(tmp_path: Path, volume: str) -> None:
    package = opened(tmp_path, f"name: a\nmemory: 512\nscsihw: lsi\nscsi0: {volume}\n")
    assert codes(package)["KF-237"] is Severity.WARNING
    assert codes(package)["KF-201"] is Severity.ERROR
    with pytest.raises(KenshoError):
        package.open_file("file-scsi0")


def test_boot_order_of_old(tmp_path: Path) -> None:
    text = """boot: ndc\nbootdisk: virtio1\ncores: 1\nide2: none,media=cdrom\nmemory: 512
net0: rtl8139=02:00:00:00:00:01,bridge=vmbr0\nvirtio0: a:1\nvirtio1: a:2\nide0: cdrom,media=cdrom\n"""
    machine = opened(tmp_path, text).appliance.machines[0]
    assert {d.id: d.boot_order for d in machine.drives} == {
        "ide0": 2,
        "ide2": None,
        "virtio0": None,
        "virtio1": 3,
    }
    assert machine.nics[0].boot_order == 1
    assert machine.cdroms[0].host_device == "cdrom"
    assert machine.name == "101"


def test_bad_lines_and_numbers(tmp_path: Path) -> None:
    conf, findings = parse_conf(b"cores: x\ncores: 0\nwhat\nmemory: 99999999999\n", path="p")
    assert [f.code for f in findings] == ["KF-238", "KF-238"]
    appliance, more = read_conf(conf, path="p", fallback="f", locate=lambda _key, _v: ("", False))
    assert {f.code for f in more} == {"KF-112"}
    assert appliance.machines[0].cpu.count == 1
    assert appliance.machines[0].memory.size == 512 * MIB


def test_a_container_is_named(tmp_path: Path) -> None:
    text = (
        "arch: amd64\nhostname: a\nmemory: 512\nostype: debian\nrootfs: local:1\nnet0: name=eth0\n"
    )
    with pytest.raises(UnsupportedError, match="container"):
        opened(tmp_path, text)


def test_sound(tmp_path: Path) -> None:
    text = "audio0: device=ich9-intel-hda,driver=spice\nmemory: 512\nname: a\nostype: l26\n"
    assert opened(tmp_path, text).appliance.machines[0].sound == Sound("hda")


def machines() -> list[Appliance]:
    """Return machines with every controller, adapter, firmware and guest of Proxmox VE."""
    kinds = (
        ControllerModel.VIRTIO_SCSI,
        ControllerModel.AHCI,
        ControllerModel.IDE,
        ControllerModel.LSI53C895A,
        ControllerModel.PVSCSI,
        ControllerModel.MEGASAS,
    )
    found = [
        disk_machine(
            disk=disk,
            firmware=firmware,
            secure_boot=firmware is Firmware.UEFI,
            tpm=guest == "win2k22",
            guest=guest,
            cdrom=ControllerModel.AHCI if disk is ControllerModel.IDE else ControllerModel.IDE,
        )
        for disk, firmware, guest in product(kinds, Firmware, ("debian12", "win2k22", "other"))
    ]
    nics = (NicModel.E1000, NicModel.E1000E, NicModel.RTL8139, NicModel.VMXNET3, NicModel.PCNET)
    found += [disk_machine(nic=nic, cdrom=None) for nic in (*nics, NicModel.NE2K)]
    found += [disk_machine(cpus=cpus, disks=disks) for cpus in ((1, 1), (5, 2)) for disks in (0, 6)]
    base = disk_machine()
    blk = tuple(Controller(f"c{n}", ControllerModel.VIRTIO_BLK, n) for n in range(2))
    drives = tuple(Disk(f"d{n}", f"img{n}", f"c{n}", boot_order=2 - n) for n in range(2))
    found.append(with_machine(base, controllers=blk, drives=drives))
    found.append(with_machine(base, name=HOSTILE, annotation=HOSTILE, uuid=None, video=None))
    flagged = [msgspec.structs.replace(d, solid_state=True, read_only=True) for d in drives]
    found.append(
        with_machine(
            disk_machine(),
            drives=tuple(
                msgspec.structs.replace(d, controller="c0", unit=n) for n, d in enumerate(flagged)
            ),
        )
    )
    return found


def facts(machine: Machine) -> dict[str, object]:
    """Return what a configuration can say of a machine, without the names of its parts."""
    places = {c.id: (c.model, c.index) for c in machine.controllers}
    cpus = machine.cpu
    whole = cpus.count % cpus.cores_per_socket == 0
    return {
        "cpu": (cpus.count, cpus.cores_per_socket if whole else 1),
        "memory": machine.memory,
        "firmware": machine.firmware,
        "uuid": machine.uuid,
        "guest": guest_os.to_vendor(machine.guest.id, "pve"),
        "drives": sorted((type(d).__name__, *places[d.controller], d.unit) for d in machine.drives),
        "flags": sorted((d.unit, d.solid_state, d.read_only) for d in machine.disks),
        "nics": [(n.model, n.mac, n.vlan, n.connected) for n in machine.nics],
        "ports": len(machine.serial_ports),
        "video": machine.video.memory if machine.video else None,
        "boot": (boot := machine.boot_disk()) and (*places[boot.controller], boot.unit),
    }


def read_back(appliance: Appliance) -> Appliance:
    data = render(appliance, placed(appliance))[1].data
    conf, findings = parse_conf(data, path="p")
    found, more = read_conf(
        conf, path="p", fallback="p", locate=lambda key, v: (v, key != "efidisk0")
    )
    assert (findings, more) == ((), ())
    return found


@pytest.mark.parametrize("appliance", machines())
def test_what_kensho_writes_reads_back_equal(appliance: Appliance) -> None:
    found = read_back(appliance)
    assert facts(found.machines[0]) == facts(appliance.machines[0])
    used = {d.image for d in appliance.machines[0].disks}
    assert [i.capacity for i in found.images] == [
        i.capacity for i in appliance.images if i.id in used
    ]
    # Written once more, it is the same text: nothing got lost and nothing was made up.
    places = {i.id: p for i, p in zip(found.images, placed(found).values(), strict=True)}
    first = parse_conf(render(appliance, placed(appliance))[1].data, path="p")
    again = parse_conf(render(found, places)[1].data, path="p")
    if not found.machines[0].disks:  # without a drive on it, this is a word and no controller
        kept = {e.where: e.text for e in found.machines[0].extras}
        assert kept["scsihw"] == first[0].options.pop("scsihw")
    assert again == first


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(1, 64), st.integers(1, 1 << 20))
def test_any_note_cpu_and_memory_read_back(note: str, cpus: int, memory: int) -> None:
    base = disk_machine(cpus=(cpus, 1))
    size = msgspec.structs.replace(base.machines[0].memory, size=memory * MIB)
    found = read_back(with_machine(base, annotation=note, memory=size)).machines[0]
    assert (found.cpu.count, found.memory.size) == (cpus, memory * MIB)
    expected = note.encode(errors="replace").decode()
    assert found.annotation == expected.rstrip()


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    conf, _ = parse_conf(b"memory: 1\n" + data, path="p")
    read_conf(conf, path="p", fallback="p", locate=lambda _key, _v: ("x", False))


@needs_qemu
def test_kensho_s_own_folder_is_a_source(tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(8 * MIB)
        file.seek(MIB)
        file.write(b"kensho" * 1000)
    vdi = tmp_path / "web.vdi"
    command = ["qemu-img", "convert", "-f", "raw", "-O", "vdi", str(raw), str(vdi)]
    subprocess.run(command, check=True, capture_output=True)
    out = tmp_path / "pve"
    assert run(["convert", str(vdi), "--to", "proxmox", "-o", str(out)]) == 0
    package = open_package(next(out.glob("*.conf")))
    assert not any(f.code in {"KF-201", "KF-237"} for f in package.findings)
    with opened_image(package, package.appliance.machines[0].disks[0].image) as disk:
        read = bytearray(8 * MIB)
        disk.read_into(0, read)
    assert bytes(read) == raw.read_bytes()
    package.close()
    kvm = tmp_path / "kvm"
    assert run(["convert", package.path, "--to", "kvm", "-o", str(kvm)]) == 0
    disks = [str(next(folder.glob("*.qcow2"))) for folder in (out, kvm)]
    subprocess.run(["qemu-img", "compare", *disks], check=True, capture_output=True)


MUTANTS = b"""bios: ovmf
boot: order=scsi0;net0
cpu: x86-64-v2-AES,flags=+aes
efidisk0: local-lvm:vm-101-disk-1,efitype=4m,pre-enrolled-keys=1,size=4M
ide2: local-lvm:vm-101-cloudinit,media=cdrom
machine: pc-q35-8.1,viommu=intel
memory: 2048
name: web01
net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,rate=10
ostype: l26
scsi0: local-lvm:vm-101-disk-0,cache=writeback,iothread=1,serial=abc,size=32G
scsihw: virtio-scsi-single
smbios1: uuid=0d6a3a0c-1d2f-4a52-9a10-000000000001,base64=1,serial=YWJj
sshkeys: ssh-ed25519%20AAAA
tags: prod;web
vga: qxl,memory=32
"""
BITS = [b"", b"\n", b"$(id)", b"`", b"'", b'"', b",", b"=", b"9" * 30, b"-1", b"\xff", b"%00", b";"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, len(MUTANTS)), st.sampled_from(BITS)), max_size=6))
def test_a_changed_configuration_makes_a_script_bash_can_read(changes: list[Any]) -> None:
    """Whatever is in a configuration, what is written of it is a script and a configuration again."""
    data = MUTANTS
    for at, bit in changes:
        data = data[:at] + bit + data[at:]
    conf, _ = parse_conf(data, path="p")
    found, _ = read_conf(conf, path="p", fallback="p", locate=lambda key, _v: (key, True))
    platform = find_platform("proxmox")
    machine = found.machines[0]
    try:
        mapped = map_machine(machine, platform, platform.forms[0], platform.compatible)
        script, config = render(
            with_machine(found, **msgspec.structs.asdict(mapped)), placed(found)
        )
    except KenshoError:
        return
    result = subprocess.run(["bash", "-n"], input=script.data, capture_output=True)
    assert result.returncode == 0, result.stderr
    lines = script.data.decode().splitlines()
    assert not [line for line in lines if line.lstrip().startswith(("id", "$(id)"))]
    _, findings = parse_conf(config.data, path="p")
    assert not findings
