from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import pytest

from kensho.cli.exits import run as run_cli
from kensho.guest.bsd.installed import read_bsd
from kensho.guest.files.tree import GuestFiles
from kensho.guest.inspect.inspect import inspect_disks
from kensho.guest.linux.fstab import parse_fstab, volume_of
from kensho.guest.linux.software import networks
from kensho.guest.volumes.scan import Volumes, scan
from kensho.model.machine import ControllerModel, NicModel
from tests.guest.images_of import MIB, disk_of, ext, partitioned, put, run
from tests.guest.windows.adapt.memory import Memory

VERSION = "6.1.0-13-amd64"
ROOT, BOOT = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
INSIDE = ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod")
LAYOUT = """label: gpt
start=2048, size=32768, type=uefi
start=40960, size=32768, type=linux
start=81920, size=65536, type=linux
"""
ALIASES = """alias pci:v00001AF4d00001001sv*sd*bc*sc*i* virtio_pci
alias pci:v00001AF4d00001042sv*sd*bc*sc*i* virtio_pci
alias pci:v00001AF4d00001000sv*sd*bc*sc*i* virtio_pci
alias pci:v00001AF4d00001041sv*sd*bc*sc*i* virtio_pci
alias pci:v00001AF4d00001004sv*sd*bc*sc*i* virtio_pci
alias pci:v00001AF4d00001048sv*sd*bc*sc*i* virtio_pci
alias virtio:d00000008v* virtio_scsi
alias virtio:d00000002v* virtio_blk
alias virtio:d00000001v* virtio_net
alias pci:v*d*sv*sd*bc01sc06i01* ahci
"""


def bzimage(version: str) -> bytes:
    head = bytearray(0x1000)
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x20E, 0x400)
    head[0x600 : 0x600 + len(version) + 5] = version.encode() + b" (x)\0"
    return bytes(head)


def cpio(names: dict[str, bytes]) -> bytes:
    made = b""
    for name, data in {**names, "TRAILER!!!": b""}.items():
        raw = name.encode() + b"\0"
        mode = {"TRAILER!!!": 0, "lib": 0o120777}.get(name, 0o100644)
        numbers = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        made += b"070701" + b"".join(b"%08X" % n for n in numbers) + raw
        made += bytes(-len(made) % 4) + data
        made += bytes(-len(made) % 4)
    return made


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """A Debian by its files: separate /boot, an ESP nobody mounts, a virtio-only initramfs."""
    tree, boot = tmp_path / "tree", tmp_path / "boot"
    for folder in ("etc/network", "usr/bin", "usr/sbin", f"lib/modules/{VERSION}", "boot",
                   "var/lib/dpkg", "bin"):  # fmt: skip
        (tree / folder).mkdir(parents=True)
    boot.mkdir()
    release = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n'
    (tree / "etc/os-release").write_text(release)
    (tree / "etc/hostname").write_text("web01\n")
    (tree / "etc/fstab").write_text(
        f"UUID={ROOT} / ext4 errors=remount-ro 0 1\nUUID={BOOT} /boot ext2 defaults 0 2\n"
        "/dev/vda7 /data ext4 defaults 0 2\nproc /proc proc defaults 0 0\n"
    )
    (tree / "etc/network/interfaces").write_text("auto lo\niface lo inet loopback\n"
                                                 "iface ens18 inet dhcp\n")  # fmt: skip
    (tree / "usr/bin/vmtoolsd").touch()
    (tree / "bin/sh").write_bytes(b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + bytes(40))
    status = "Package: a\nStatus: install ok installed\n\nPackage: b\n"
    (tree / "var/lib/dpkg/status").write_text(status + "Status: deinstall ok config-files\n")
    modules = tree / f"lib/modules/{VERSION}"
    names = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "ahci", "libahci", "sd_mod")
    dep = "".join(f"kernel/{name}.ko:\n" for name in names)
    (modules / "modules.dep").write_text(
        dep.replace("ahci.ko:\nk", "ahci.ko: kernel/libahci.ko\nk", 1)
    )
    (modules / "modules.alias").write_text(ALIASES)
    (modules / "modules.builtin").write_text("")
    (boot / f"vmlinuz-{VERSION}").write_bytes(bzimage(VERSION))
    inside = {f"usr/lib/modules/{VERSION}/kernel/{n}.ko": b"" for n in INSIDE}
    early = cpio({"kernel/x86/microcode/GenuineIntel.bin": b"m" * 100})
    main = gzip.compress(cpio({"conf/initramfs.conf": b"", "lib": b"usr/lib", **inside}))
    (boot / f"initrd.img-{VERSION}").write_bytes(early.ljust(1024, b"\0") + main)
    (boot / "grub").mkdir()
    (boot / "grub/grub.cfg").touch()
    esp = tmp_path / "esp"
    with esp.open("wb") as file:
        file.truncate(16 * MIB)
    run("mformat", "-i", esp, "-v", "ESP", "-T", 32768, "-h", 4, "-s", 16, "::")
    run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
    (tmp_path / "BOOTX64.EFI").write_bytes(b"MZ")
    run("mcopy", "-i", esp, tmp_path / "BOOTX64.EFI", "::/EFI/BOOT/BOOTX64.EFI")
    disk = partitioned(tmp_path / "disk.img", LAYOUT, 80 * MIB)
    put(disk, 1 * MIB, esp)
    put(disk, 20 * MIB, ext(tmp_path / "b", boot, "-t", "ext2", "-U", BOOT, size=16 * MIB))
    put(disk, 40 * MIB, ext(tmp_path / "r", tree, "-t", "ext4", "-U", ROOT, size=32 * MIB))
    return disk


def test_a_debian_guest(guest: Path) -> None:
    report = inspect_disks([disk_of(guest)])
    assert [(v.id, v.kind) for v in report.volumes] == [
        ("disk1p1", "vfat"), ("disk1p2", "ext2"), ("disk1p3", "ext4"),
    ]  # fmt: skip
    (system,) = report.systems
    assert (system.root, system.guest.id) == ("disk1p3", "debian12")
    assert (system.architecture, system.hostname) == ("x86_64", "web01")
    assert system.package_manager == "dpkg"
    assert system.packages is not None
    assert len(system.packages) == 1
    assert system.boot_loaders == ("grub2", "efi-fallback")
    assert system.tools == ("open-vm-tools",)
    assert [(n.style, n.names) for n in system.networks] == [("ifupdown", ("ens18",))]
    assert [(m.place, m.volume) for m in system.mounts] == [
        ("/", "disk1p3"), ("/boot", "disk1p2"), ("/data", ""),
    ]  # fmt: skip
    (kernel,) = system.kernels
    assert (kernel.version, kernel.image) == (VERSION, f"/boot/vmlinuz-{VERSION}")
    assert (kernel.maker, kernel.packing, kernel.microcode) == ("initramfs-tools", "gzip", True)
    assert (kernel.modules, kernel.problem) == (7, "")
    assert ControllerModel.AHCI not in kernel.controllers
    assert ControllerModel.VIRTIO_BLK in kernel.controllers
    assert kernel.adapters == (NicModel.VIRTIO,)
    assert kernel.initramfs_modules == 4
    codes = {f.code for f in report.findings}
    assert {"KF-805", "KF-808", "KF-809", "KF-810"} <= codes


def test_the_command_line(guest: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run_cli(["inspect", "--deep", "--json", str(guest)]) == 0
    told = json.loads(capsysbinary.readouterr().out)
    assert told["guests"]["vm"]["systems"][0]["guest"]["id"] == "debian12"
    assert run_cli(["inspect", "--deep", str(guest)]) == 0
    shown = capsysbinary.readouterr().out.decode()
    assert "Debian GNU/Linux 12" in shown
    assert VERSION in shown


def test_check_tells_where_it_starts(
    guest: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A guest that has virtio's drivers alone: it gets virtio, and no SATA disk starts it."""
    assert run_cli(["check", str(guest), "--for", "kvm,hyperv", "--json"]) == 10
    kvm, hyperv = json.loads(capsysbinary.readouterr().out)["verdicts"]
    assert (kvm["target"], kvm["kernel"], kvm["starts"]) == ("kvm", VERSION, True)
    assert kvm["disk"]["model"].startswith("virtio")
    compatible = ["--for", "kvm", "--devices", "compatible", "--json"]
    assert run_cli(["check", str(guest), *compatible]) == 10
    (sata,) = json.loads(capsysbinary.readouterr().out)["verdicts"]
    assert sata["disk"]["lacking"]
    assert "virtio-blk" in sata["instead"]
    assert (hyperv["starts"], hyperv.get("instead")) == (False, None)
    assert run_cli(["check", str(guest), "--for", "kvm", "--devices", "native"]) == 0
    assert "virtio-scsi (initramfs)" in capsysbinary.readouterr().out.decode()
    assert run_cli(["check", str(guest), "--for", "nowhere"]) == 2


def test_check_without_a_kernel(tmp_path: Path) -> None:
    path = ext(tmp_path / "e.img", None, "-t", "ext4", size=4 * MIB)
    assert run_cli(["check", str(path)]) == 12


def test_a_damaged_initramfs_is_a_finding(guest: Path) -> None:
    data = bytearray(guest.read_bytes())
    place = data.index(b"\x1f\x8b\x08", 20 * MIB)
    data[place + 40 : place + 60] = bytes(20)
    guest.write_bytes(data)
    report = inspect_disks([disk_of(guest)])
    kernel = report.systems[0].kernels[0]
    assert kernel.problem
    assert not kernel.controllers
    assert "KF-807" in {f.code for f in report.findings}


def test_nothing_inside(tmp_path: Path) -> None:
    path = ext(tmp_path / "e.img", None, "-t", "ext4", size=4 * MIB)
    report = inspect_disks([disk_of(path)])
    assert [f.code for f in report.findings] == ["KF-803"]
    assert inspect_disks([]).findings[0].code == "KF-803"


def test_fstab(guest: Path) -> None:
    volumes = scan([disk_of(guest)])
    text = (
        b"LABEL=ESP /a vfat\n/dev/sda3 /b ext4\n/dev/vdb1 /c ext4\n# x\nbad\n"
        b"/dev/disk/by-uuid/" + ROOT.encode() + b" /d ext4\n/dev/nvme0n1p2 /e\\040f ext2\n"
        b"10.0.0.1:/x /n nfs\n/dev/mapper/vg--a-lv--b /l ext4\n"
    )
    lines = parse_fstab(text)
    found = [getattr(volume_of(line, volumes), "id", None) for line in lines]
    assert found == ["disk1p1", "disk1p3", None, "disk1p3", "disk1p2", None, None]
    assert [line.moves for line in lines] == [False, True, True, False, True, False, False]
    assert lines[4].place == "/e f"
    assert not lines[5].on_disk
    assert volume_of(lines[0], Volumes((), ())) is None


def test_names_that_are_no_utf8_are_told(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/os-release").write_bytes(b"ID=debian\n")
    (tree / "etc/fstab").write_bytes(
        b"/dev/sda1 / ext4 defaults 0 1\nLABEL=gr\xfc\xdfe /d\xe4ten ext4 nofail 0 0\n"
    )
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "boot/grub/grub.cfg").write_bytes(
        b"menuentry 'f\xfcr alle' {\n linux /vmlinuz root=/dev/sda1\n}\n"
    )
    path = ext(tmp_path / "e.img", tree, "-t", "ext4", size=4 * MIB)
    assert run_cli(["inspect", str(path), "--deep", "--json"]) == 0
    (system,) = json.loads(capsysbinary.readouterr().out)["guests"]["vm"]["systems"]
    assert [mount["place"] for mount in system["mounts"]] == ["/", "/d\ufffdten"]
    assert system["boots"][0]["title"] == "f\ufffdr alle"


def test_files_of_nothing_but_line_ends_take_no_time() -> None:
    empty = b" \n" * (1 << 18)
    files = {"/etc/network/interfaces": empty + b"\tiface ens3 inet dhcp\n", "/etc/rc.conf": empty}
    tree = GuestFiles(Memory(files))
    assert list(networks(tree)) == [("ifupdown", ("/etc/network/interfaces",), ("ens3",))]
    bsd = read_bsd(tree, "freebsd")
    assert (bsd.hostname, bsd.networks) == ("", ())
