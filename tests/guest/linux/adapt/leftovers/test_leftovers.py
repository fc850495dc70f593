"""Settings for the old hypervisor's devices, and what modprobe makes of what is left of them."""

from __future__ import annotations

from pathlib import Path

from kensho.guest.linux.adapt.kernels import early_files
from kensho.guest.linux.adapt.leftovers.display import plan_display
from kensho.guest.linux.adapt.leftovers.lvm import plan_lvm
from kensho.guest.linux.adapt.leftovers.modprobe import plan_modprobe
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.linux.initramfs.image import open_initramfs
from kensho.guest.linux.modules.index import read_index
from kensho.guest.linux.verdict import Kernel
from tests.guest.images_of import run
from tests.guest.linux.adapt.making import adapted, aims_for, codes, plant
from tests.guest.linux.trees import INDEX, debian_base, entry

CONF = """\
# ours \n blacklist virtio-blk\nblacklist pcspkr
install ahci /bin/true\ninstall sd_mod /sbin/modprobe --ignore-install sd_mod
options ahci mobile_lpm_policy=1
"""
CARD = 'Section "Device"\n\tIdentifier "card"\n\tDriver "{}"\nEndSection\n'


def test_drivers_are_allowed_again(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", {
        "etc/modprobe.d/own.conf": CONF, "etc/modprobe.d/other.conf": "blacklist pcspkr\n",
        "etc/dracut.conf.d/x.conf": 'omit_drivers+=" ahci floppy "\nhostonly="yes"\n',
    })  # fmt: skip
    draft = adapted(tree, plan_modprobe, aims_for())
    shown = run("modprobe", "-C", tree / "etc/modprobe.d", "--showconfig")
    said = [line for line in shown.splitlines() if line.startswith(("blacklist", "install"))]
    assert "blacklist virtio_blk" not in said
    assert not any(line.startswith("install ahci") for line in said)
    assert "blacklist pcspkr" in said
    assert any(line.startswith("install sd_mod") for line in said)
    assert "options ahci mobile_lpm_policy=1" in shown
    assert (
        (tree / "etc/modprobe.d/own.conf").read_text().startswith("# ours \n # kensho: blacklist")
    )
    assert (tree / "etc/dracut.conf.d/x.conf").read_text() == (
        'omit_drivers+=" floppy "\nhostonly="yes"\n'
    )
    assert list(draft.early) == ["etc/modprobe.d/own.conf"]
    kernel = Kernel("6.1.0-9-amd64", read_index(INDEX))
    with_copy = [*debian_base(), entry("etc/modprobe.d/own.conf", CONF.encode())]
    made = [open_initramfs(write_archive(entries)) for entries in (debian_base(), with_copy)]
    assert [len(early_files(draft.early, image, kernel)) for image in made] == [0, 1]


def test_x_is_left_to_itself(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", {
        "etc/X11/xorg.conf": CARD.format("vboxvideo"),
        "etc/X11/xorg.conf.d/a.conf": CARD.format("nvidia"),
    })  # fmt: skip
    adapted(tree, plan_display, aims_for("virtualbox"))
    assert (tree / "etc/X11/xorg.conf").exists()
    adapted(tree, plan_display, aims_for("kvm"))
    assert sorted(p.name for p in (tree / "etc/X11").iterdir()) == [
        "xorg.conf.before-kensho",
        "xorg.conf.d",
    ]
    assert (tree / "etc/X11/xorg.conf.before-kensho").read_text() == CARD.format("vboxvideo")
    assert [p.name for p in (tree / "etc/X11/xorg.conf.d").iterdir()] == ["a.conf"]


def test_lvm_looks_at_all_disks(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", {
        "etc/lvm/devices/system.devices": "IDTYPE=sys_wwid IDNAME=t10.ATA DEVNAME=/dev/sda2 PVID=x\n",
        "etc/lvm/lvmlocal.conf": 'local {\n\tsystem_id = ""\n}\n',
        "etc/lvm/lvm.conf": "devices {\n}\n",
        "etc/lvm/cache/.cache": "persistent_filter_cache {}\n",
        "etc/blkid.tab": "->/dev/.blkid.tab", "etc/blkid/blkid.tab": "x",
    })  # fmt: skip
    draft = adapted(tree, plan_lvm, aims_for())
    assert not (tree / "etc/lvm/cache/.cache").exists()
    assert not (tree / "etc/blkid/blkid.tab").exists()
    assert (tree / "etc/blkid.tab").is_symlink()
    assert list(draft.early) == ["etc/lvm/lvmlocal.conf"]
    shown = run("env", f"LVM_SYSTEM_DIR={tree / 'etc/lvm'}", "lvmconfig", "devices/use_devicesfile")
    assert shown == "use_devicesfile=0\n"


def test_a_filter_of_names_is_said(tmp_path: Path) -> None:
    conf = 'devices {\n\tfilter = [ "a|/dev/sda.*|", "r|.*|" ]\n}\n'
    tree = plant(tmp_path / "tree", {"etc/lvm/lvm.conf": conf})
    assert codes(adapted(tree, plan_lvm, aims_for())) == ["KF-878"]
    tree = plant(tmp_path / "other", {"etc/lvm/lvm.conf": conf.replace("\tfilter", "\t# filter")})
    assert codes(adapted(tree, plan_lvm, aims_for())) == []
