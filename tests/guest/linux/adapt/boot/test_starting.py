"""The loader that UEFI finds by itself, the kernel started by default, and what is only named."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import msgspec
import pytest

from kensho.cli.exits import run as run_cli
from kensho.guest.aims import Aims
from kensho.guest.edit.backends import edit_volume
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.inspect.inspect import inspect_disks
from kensho.guest.linux.adapt.boot.arguments import CONSOLES
from kensho.guest.linux.adapt.boot.consoles import plan_consoles
from kensho.guest.linux.adapt.boot.default import check_default
from kensho.guest.linux.adapt.boot.fallback import plan_fallback
from kensho.guest.linux.adapt.boot.fstab import plan_fstab
from kensho.guest.linux.adapt.boot.loaders import plan_loaders
from kensho.guest.linux.adapt.boot.mdadm import plan_mdadm
from kensho.guest.linux.adapt.boot.unknown import plan_unknown
from kensho.guest.linux.adapt.kernel_plan import KernelPlan
from kensho.guest.linux.boot.efi_image import architecture_of, grub_prefix
from kensho.guest.volumes.scan import Volume
from kensho.model.finding import Severity
from kensho.model.machine import ControllerModel, Firmware
from kensho.platforms import find_platform
from tests.guest.images_of import disk_of, run
from tests.guest.linux.adapt.boot.machines import (
    DATA,
    ROOT,
    Part,
    guest_on,
    make_disk,
    root,
    tree_of,
)
from tests.guest.linux.adapt.making import codes

FSTAB = f"UUID={ROOT} / ext4 defaults 0 1\nUUID=C0FF-EE42 /boot/efi vfat umask=0077 0 1\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disks")


def disk_with_esp(folder: Path, esp: dict[str, bytes], fstab: str = FSTAB) -> Path:
    tree = tree_of(folder, etc__fstab=fstab, boot__efi__x="")
    top = folder / "esp"
    shutil.rmtree(top, ignore_errors=True)
    for name, content in {"EFI/none": b"", **esp}.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return make_disk(folder, root(tree), Part("vfat", top))


SHIM = {
    "EFI/debian/shimx64.efi": b"shim", "EFI/debian/grubx64.efi": b"grub", "EFI/debian/mmx64.efi": b"mok",
    "EFI/debian/fbx64.efi": b"fallback", "EFI/debian/grub.cfg": b"#",
}  # fmt: skip


def test_shim_and_what_it_needs_are_put_where_uefi_looks(folder: Path, tmp_path: Path) -> None:
    disk = disk_with_esp(folder, SHIM)
    guest = guest_on(disk)
    plan_fallback(guest)
    planned = {edit.path: edit.content for edit in guest.draft.edits}
    assert planned == {
        "/boot/efi/EFI/BOOT/BOOTX64.EFI": b"shim",
        "/boot/efi/EFI/BOOT/grubx64.efi": b"grub",
        "/boot/efi/EFI/BOOT/mmx64.efi": b"mok",
    }
    assert guest.draft.findings == []
    # mtools sees them once they are there, and then nothing is left to do
    edits = [_below(edit, "/boot/efi") for edit in guest.draft.edits]
    patch = edit_volume(_esp(guest.opened.volumes.volumes), edits, tmp_path)
    with disk.open("r+b") as file:
        for _, piece in pieces(patch):
            file.seek(piece.start)
            file.write(piece.file.read_bytes()[piece.at : piece.at + piece.length])
    esp = f"{disk}@@{(1 + 4) << 20}"
    assert run("mtype", "-i", esp, "::/EFI/BOOT/BOOTX64.EFI") == "shim"
    assert "mmx64" in run("mdir", "-b", "-i", esp, "::/EFI/BOOT")
    again = guest_on(disk)
    plan_fallback(again)
    assert again.draft.edits == ()


def _esp(volumes: tuple[Volume, ...]) -> Volume:
    return next(volume for volume in volumes if volume.content.kind == "vfat")


def _below(edit: FileEdit, top: str) -> FileEdit:
    return msgspec.structs.replace(edit, path=edit.path.removeprefix(top))


@pytest.mark.parametrize(
    ("esp", "target"),
    [
        ({"EFI/alpine/grubx64.efi": b"g"}, "BOOTX64.EFI"),
        ({"EFI/systemd/systemd-bootaa64.efi": b"s"}, "BOOTAA64.EFI"),
        ({"EFI/arch/grubia32.efi": b"g", "EFI/Microsoft/Boot/bootmgfw.efi": b"w"}, "BOOTIA32.EFI"),
    ],
)
def test_without_shim_the_loader_alone(folder: Path, esp: dict[str, bytes], target: str) -> None:
    guest = guest_on(disk_with_esp(folder, esp))
    plan_fallback(guest)
    assert [edit.path for edit in guest.draft.edits] == [f"/boot/efi/EFI/BOOT/{target}"]


def test_suses_shim_looks_for_grub_under_another_name(folder: Path) -> None:
    pe = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + (0xAA64).to_bytes(2, "little")
    esp = {"EFI/sles/shim.efi": pe, "EFI/sles/grub.efi": b"g", "EFI/sles/MokManager.efi": b"m"}
    guest = guest_on(disk_with_esp(folder, esp))
    plan_fallback(guest)
    names = [edit.path.rpartition("/")[2] for edit in guest.draft.edits]
    assert names == ["BOOTAA64.EFI", "grub.efi", "MokManager.efi"]


def test_a_loader_that_is_not_known(folder: Path) -> None:
    """RHEL 6 has GRUB legacy for EFI, whose configuration is named after itself."""
    guest = guest_on(disk_with_esp(folder, {"EFI/redhat/grub.efi": b"legacy"}))
    plan_fallback(guest)
    (finding,) = guest.draft.findings
    assert (finding.code, guest.draft.edits) == ("KF-866", ())
    assert "/EFI/redhat/grub.efi" in finding.message


def test_a_fallback_that_is_there_is_left(folder: Path) -> None:
    guest = guest_on(disk_with_esp(folder, {**SHIM, "EFI/Boot/bootx64.efi": b"own"}))
    plan_fallback(guest)
    assert (guest.draft.edits, guest.draft.findings) == ((), [])


def test_an_esp_that_nobody_mounts_is_named(folder: Path) -> None:
    guest = guest_on(disk_with_esp(folder, SHIM, fstab=f"UUID={ROOT} / ext4 a 0 1\n"))
    plan_fallback(guest)
    (finding,) = guest.draft.findings
    assert (finding.code, guest.draft.edits) == ("KF-866", ())
    assert "/EFI/debian/shimx64.efi as /EFI/BOOT/BOOTX64.EFI" in finding.action


@pytest.mark.parametrize("form", ["x86_64-efi", "i386-efi"])
def test_where_a_grub_looks_for_its_configuration(folder: Path, tmp_path: Path, form: str) -> None:
    modules = Path("/usr/lib/grub") / form
    if not modules.is_dir():
        pytest.skip(f"GRUB's parts for {form} are not installed")
    images = {}
    for prefix in ("/EFI/debian", "(,gpt2)/boot/grub"):
        path = tmp_path / "grub.efi"
        run("grub-mkimage", "-O", form, "-d", modules, "-p", prefix, "-o", path, "normal", "fat")
        images[prefix] = path.read_bytes()
        assert grub_prefix(images[prefix]) == prefix
        assert architecture_of(images[prefix]) == {"x86_64-efi": "x64", "i386-efi": "ia32"}[form]
    assert grub_prefix(b"mimg" * 100) is None
    (tmp_path / "early.cfg").write_text("search --fs-uuid --set=root x\n")
    run("grub-mkimage", "-O", form, "-d", modules, "-p", "/boot/grub", "-c", tmp_path / "early.cfg",
        "-o", tmp_path / "grub.efi", "normal")  # fmt: skip
    assert grub_prefix((tmp_path / "grub.efi").read_bytes()) is None  # it finds the folder itself
    for prefix, expected in (("/EFI/debian", ["KF-866"]), ("(,gpt2)/boot/grub", [])):
        guest = guest_on(disk_with_esp(folder, {"EFI/x/grubx64.efi": images[prefix]}))
        plan_fallback(guest)
        assert codes(guest.draft) == expected


@pytest.mark.parametrize(("firmware", "said"), [(Firmware.BIOS, True), (Firmware.UEFI, False)])
def test_firmware_that_a_target_has_not(folder: Path, firmware: Firmware, said: bool) -> None:
    guest = guest_on(disk_with_esp(folder, SHIM))
    kvm = find_platform("kvm")
    form = msgspec.structs.replace(kvm.forms[0], firmware=(firmware,))
    only = Aims((msgspec.structs.replace(kvm, forms=(form,)),))
    plan_fallback(dataclasses.replace(guest, aims=only))
    assert codes(guest.draft) == (["KF-867"] if said else [])


def _simple(folder: Path, **files: str) -> Path:
    tree = tree_of(folder, **{"etc/fstab": f"UUID={ROOT} / ext4 a 0 1\n", **files})
    return make_disk(folder, root(tree))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, [("KF-863", "no kernel was found")]),
        ({"boot/vmlinuz-6.1": "", "boot/grub/grub.cfg": "linux /boot/vmlinuz-6.1 root=x\n"}, []),
        ({"boot/vmlinuz-6.1": ""}, [("KF-863", "no boot loader")]),
        ({"boot/vmlinuz-6.1": "", "etc/lilo.conf": "boot=/dev/sda"}, [("KF-862", "LILO")]),
        ({"boot/EFI/Linux/arch.efi": "MZ"}, [("KF-862", "in one file")]),
    ],
)
def test_what_cannot_be_changed_is_named(
    folder: Path, files: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    guest = guest_on(_simple(folder, **files))
    plan_unknown(guest)
    found = guest.draft.findings
    assert [f.code for f in found] == [code for code, _ in expected]
    assert all(words in f.message for f, (_, words) in zip(found, expected, strict=True))
    assert all(f.action for f in found)


def test_another_system_on_the_disks(folder: Path) -> None:
    tree = tree_of(folder, etc__fstab="")
    guest = guest_on(make_disk(folder, root(tree), Part("ext4", tree, DATA)))
    plan_unknown(guest)
    assert "KF-869" in codes(guest.draft)


INITTAB = "id:3:initdefault:\n{}#h0:2345:respawn:/sbin/agetty hvc1\nco:2345:respawn:/sbin/agetty xvc0 9600\n"


@pytest.mark.parametrize(
    ("screen", "severity"),
    [("1:2345:respawn:/sbin/mingetty tty1\n", Severity.NOTE), ("", Severity.WARNING)],
)
def test_a_login_on_xens_console(folder: Path, screen: str, severity: Severity) -> None:
    guest = guest_on(_simple(folder, **{"etc/inittab": INITTAB.format(screen)}))
    plan_consoles(guest)
    (finding,) = guest.draft.findings
    assert (finding.code, finding.severity) == ("KF-865", severity)
    assert "xvc0, which" in finding.message


def test_mdadm_looks_at_all_partitions(folder: Path) -> None:
    text = "# DEVICE /dev/sda1\nDEVICE /dev/sda1 /dev/sdb1\nARRAY /dev/md0 UUID=x devices=/dev/sda1,/dev/sdb1\n"
    guest = guest_on(_simple(folder, **{"etc/mdadm/mdadm.conf": text}))
    plan_mdadm(guest)
    fixed = text.replace("\nDEVICE /dev/sda1 /dev/sdb1", "\nDEVICE partitions")
    assert guest.draft.text("/etc/mdadm/mdadm.conf") == fixed
    assert guest.draft.early == {"etc/mdadm/mdadm.conf": fixed.encode()}
    assert codes(guest.draft) == ["KF-861"]


TWO = """\
set default="0"
menuentry 'new' {
  linux /boot/vmlinuz-6.1 root=UUID=x
}
menuentry 'old' {
  linux /boot/vmlinuz-5.10 root=UUID=x
}
"""


@pytest.mark.parametrize(
    ("plans", "said"),
    [
        ({"5.10": (), "6.1": ()}, ""),
        ({"5.10": ()}, "cannot be adapted"),
        ({"5.10": (), "6.1": (ControllerModel.PVSCSI,)}, "has fewer drivers"),
        ({"5.10": (ControllerModel.PVSCSI,), "6.1": ()}, ""),
    ],
)
def test_the_default_kernel_is_not_the_best(
    folder: Path, plans: dict[str, tuple[ControllerModel, ...]], said: str
) -> None:
    kernels = {f"boot/vmlinuz-{v}": "" for v in ("6.1", "5.10")}
    guest = guest_on(_simple(folder, **{"boot/grub/grub.cfg": TWO, **kernels}))
    check_default(
        guest, [KernelPlan("disk1p1", v, "", (), missing) for v, missing in plans.items()]
    )
    assert codes(guest.draft) == (["KF-868"] if said else [])
    assert all(said in f.message for f in guest.draft.findings)


def test_inspect_tells_what_is_started(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disk = _simple(folder, **{"boot/grub/grub.cfg": TWO})
    (system,) = inspect_disks([disk_of(disk)]).systems
    assert [(b.title, b.kernel, b.arguments, b.default) for b in system.boots] == [
        ("new", "/boot/vmlinuz-6.1", "root=UUID=x", True),
        ("old", "/boot/vmlinuz-5.10", "root=UUID=x", False),
    ]
    assert run_cli(["inspect", "--deep", str(disk)]) == 0
    assert "starts by default (grub2): /boot/vmlinuz-6.1 root=UUID=x" in capsys.readouterr().out


def test_a_boot_volume_by_another_disks_name_is_mounted(folder: Path) -> None:
    """SLES names partitions by the old controller's id: /boot is found all the same."""
    boot = folder / "boot-tree"
    boot.mkdir()
    (boot / "vmlinuz-6.1").touch()
    disk_id = "/dev/disk/by-id/scsi-SVMware_Virtual_disk-part"
    fstab = f"{disk_id}1 / ext4 a 0 1\n{disk_id}2 /boot ext4 a 0 2\n"
    tree = tree_of(folder, etc__fstab=fstab, boot__x="")
    guest = guest_on(make_disk(folder, root(tree), Part("ext4", boot, DATA)))
    assert guest.system.files.exists("/boot/vmlinuz-6.1")
    plan_fstab(guest)
    assert (
        guest.draft.text("/etc/fstab")
        == f"UUID={ROOT} / ext4 a 0 1\nUUID={DATA} /boot ext4 a 0 2\n"
    )


def test_an_esp_that_systemd_mounts_by_itself(folder: Path) -> None:
    """Arch with systemd-boot: fstab does not know the ESP, the kernel and its entry are on it."""
    tree = tree_of(folder, etc__fstab="")
    (tree / "boot").mkdir()
    top = folder / "arch-esp"
    (top / "loader/entries").mkdir(parents=True)
    (top / "vmlinuz-linux").touch()
    (top / "loader/loader.conf").write_text("default arch*\n")
    entry = "title Arch\nlinux /vmlinuz-linux\ninitrd /i.img\noptions root=/dev/sda1 rw\n"
    (top / "loader/entries/arch.conf").write_text(entry)
    guest = guest_on(make_disk(folder, root(tree), Part("vfat", top)))
    plan_loaders(guest)
    (edit,) = guest.draft.edits
    assert edit.path == "/boot/loader/entries/arch.conf"
    assert f"options root=UUID={ROOT} rw {CONSOLES}\n".encode() in (edit.content or b"")


def test_a_guest_that_its_host_started(folder: Path) -> None:
    guest = guest_on(_simple(folder))
    plan_fallback(guest)
    assert codes(guest.draft) == ["KF-867"]
    xen = Aims((find_platform("xen"),))
    guest = dataclasses.replace(guest_on(_simple(folder)), aims=xen)
    plan_fallback(guest)
    assert codes(guest.draft) == []


def test_a_full_esp_is_no_reason_to_refuse_all(folder: Path) -> None:
    esp = {"EFI/debian/shimx64.efi": b"s" * (1 << 20), "EFI/debian/grubx64.efi": b"g" * (3 << 19)}
    guest = guest_on(disk_with_esp(folder, esp))
    plan_fallback(guest)
    (finding,) = guest.draft.findings
    assert (finding.code, guest.draft.edits) == ("KF-866", ())
    assert "bytes are lacking" in finding.message


def test_suses_grub_has_its_configuration_beside_it(folder: Path) -> None:
    pe = b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + (0x8664).to_bytes(2, "little")
    esp = {
        "EFI/sles/shim.efi": pe,
        "EFI/sles/grub.efi": b"g",
        "EFI/sles/grub.cfg": b"configfile x\n",
    }
    guest = guest_on(disk_with_esp(folder, esp))
    plan_fallback(guest)
    assert guest.draft.text("/boot/efi/EFI/BOOT/grub.cfg") == "configfile x\n"


def test_a_loader_of_a_system_that_is_gone_is_not_taken(folder: Path, tmp_path: Path) -> None:
    modules = Path("/usr/lib/grub/x86_64-efi")
    if not modules.is_dir():
        pytest.skip("GRUB's parts for x86_64-efi are not installed")
    esp = {"EFI/rocky/grub.cfg": b"#"}
    for name in ("centos", "rocky"):
        path = tmp_path / f"{name}.efi"
        prefix = f"/EFI/{name}"
        run("grub-mkimage", "-O", "x86_64-efi", "-d", modules, "-p", prefix, "-o", path, "normal")
        esp |= {f"EFI/{name}/shimx64.efi": b"shim", f"EFI/{name}/grubx64.efi": path.read_bytes()}
    guest = guest_on(disk_with_esp(folder, esp))
    plan_fallback(guest)
    assert guest.draft.read("/boot/efi/EFI/BOOT/grubx64.efi") == esp["EFI/rocky/grubx64.efi"]
