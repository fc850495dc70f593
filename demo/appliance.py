"""Build the demo appliance: a small Debian 12 disk image that boots anywhere.

::

    mmdebstrap -> tree -> mkfs.ext4 -d -> GPT image + ESP + GRUB for BIOS and for UEFI

Nothing is mounted and no loop device is used: the file systems are written at
their offsets inside the image. The result is kept under ``.cache/demo`` by a hash
of this file, so the next run finds it there.

The guest has the generic kernel and an initramfs with all storage drivers, so it
starts on whatever bus a hypervisor gives it. It asks for a login on the screen and
on the first serial port (user ``root``, password ``kensho``; no network service
listens) and takes its address by DHCP.

Run by root, or by a user who has sudo. A user with neither gets mmdebstrap's
unshare mode, which needs the package uidmap and entries in /etc/subuid.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
import tarfile
import tempfile
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shell import run, step

SECTOR = 512
MIB = 1 << 20
GRUB = Path("/usr/lib/grub")
NAME = "kensho-demo"
GUEST = "debian12"
PASSWORD = "kensho"

INSTALL_KERNEL = 'apt-get --yes -o DPkg::Chroot-Directory="$1" install linux-image-amd64'
PACKAGES = (
    "initramfs-tools",
    "zstd",
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "e2fsprogs",
    "iproute2",
)

# Texts nobody reads in a demo, and drivers for hardware that no virtual machine has.
LEFT_OUT = (
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/doc/*",
    "/lib/modules/*/kernel/sound/*",
    "/lib/modules/*/kernel/drivers/media/*",
    "/lib/modules/*/kernel/drivers/infiniband/*",
    "/lib/modules/*/kernel/drivers/net/wireless/*",
    "/lib/modules/*/kernel/net/wireless/*",
    "/lib/modules/*/kernel/net/mac80211/*",
    "/lib/modules/*/kernel/drivers/gpu/drm/amd/*",
    "/lib/modules/*/kernel/drivers/gpu/drm/i915/*",
    "/lib/modules/*/kernel/drivers/gpu/drm/nouveau/*",
    "/lib/modules/*/kernel/drivers/gpu/drm/radeon/*",
)
KEPT = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")

# Housekeeping that would run in the demo's few seconds of life.
MASKED_UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "motd-news.timer",
    "systemd-networkd-wait-online.service",
)

GRUB_MODULES = (
    *("part_gpt", "ext2", "search", "search_fs_uuid", "normal", "configfile", "linux"),
    *("serial", "terminal", "echo", "test"),
)


@dataclass(frozen=True)
class Partition:
    """A stretch of the disk, in sectors."""

    start: int
    count: int
    kind: str

    @property
    def offset(self) -> int:
        """Where it begins, in bytes."""
        return self.start * SECTOR

    @property
    def end(self) -> int:
        """The first sector after it."""
        return self.start + self.count


BIOS_BOOT = Partition(2048, 2048, "21686148-6449-6E6F-744E-656564454649")
ESP = Partition(BIOS_BOOT.end, 16 * MIB // SECTOR, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
ROOT = Partition(ESP.end, 1000 * MIB // SECTOR, "0FC63DAF-8483-4772-8E79-3D69D8477DE4")
DISK_SECTORS = ROOT.end + 2048


def build(cache: Path) -> Path:
    """Return the appliance's raw disk image, built now unless it is in the cache."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    image = cache / f"{NAME}-{recipe[:12]}.img"
    if image.exists():
        print(f"  using the appliance built before: {image}")
        return image
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".build-", dir=cache))
    # mmdebstrap's own helpers run as another user and have to get through here.
    work.chmod(0o755)
    root_uuid = str(uuid.uuid5(uuid.NAMESPACE_OID, recipe))
    try:
        with step("installing Debian 12 into a folder (about a minute)"):
            _install_debian(work, root_uuid)
        with step("making the disk image"):
            _make_disk(work, root_uuid)
        for outdated in cache.glob(f"{NAME}-*.img"):
            outdated.unlink()
        # A reader of the cache sees a whole image or none.
        (work / "disk.img").replace(image)
    finally:
        run([*_privilege(), "rm", "-rf", "--one-file-system", work])
    return image


def _privilege() -> list[str]:
    """Return what to put before a command that must keep the owners of the guest's files."""
    if os.geteuid() == 0:
        return []
    return ["sudo"] if shutil.which("sudo") else ["mmdebstrap", "--unshare-helper"]


def _install_debian(work: Path, root_uuid: str) -> None:
    _write_settings(work / "settings.tar", root_uuid)
    privilege = _privilege()
    unshared = privilege[:1] == ["mmdebstrap"]
    dpkg = ["force-unsafe-io"]
    dpkg += [f"path-exclude={path}" for path in LEFT_OUT]
    dpkg += [f"path-include={path}" for path in KEPT]
    run(
        [
            *([] if unshared else privilege),
            "mmdebstrap",
            f"--mode={'unshare' if unshared else 'root'}",
            "--variant=apt",
            "--format=directory",
            '--aptopt=Acquire::Languages "none"',
            *(f"--dpkgopt={option}" for option in dpkg),
            f"--include={','.join(PACKAGES)}",
            f"--essential-hook=tar-in {work / 'settings.tar'} /",
            # Last: beside udev and kmod, each of which asks for a new initramfs, it would be
            # made twice, and making it is a third of all the time.
            f"--customize-hook=APT_CONFIG=$MMDEBSTRAP_APT_CONFIG {INSTALL_KERNEL}",
            f'--customize-hook=echo root:{PASSWORD} | chroot "$1" chpasswd',
            "bookworm",
            work / "tree",
            *os.environ.get("KENSHO_DEMO_MIRROR", "").split(),
        ]
    )


def _settings(root_uuid: str) -> dict[str, str]:
    return {
        "etc/hostname": f"{NAME}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {NAME}\n",
        "etc/fstab": f"UUID={root_uuid} / ext4 errors=remount-ro 0 1\n",
        "etc/systemd/network/80-dhcp.network": "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n",
        # Fast to make and fast to unpack; the size matters less.
        "etc/initramfs-tools/conf.d/kensho": "MODULES=most\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\n",
        "boot/grub/grub.cfg": f"""\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=0
search --no-floppy --fs-uuid --set=root {root_uuid}
menuentry 'Debian GNU/Linux' {{
  linux /vmlinuz root=UUID={root_uuid} ro console=tty0 console=ttyS0,115200
  initrd /initrd.img
}}
""",
    }


def _write_settings(path: Path, root_uuid: str) -> None:
    """Write the guest's own settings as a tar file whose members belong to root."""
    units = "etc/systemd/system"
    links = {f"{units}/{unit}": "/dev/null" for unit in MASKED_UNITS}
    links[f"{units}/multi-user.target.wants/systemd-networkd.service"] = (
        "/lib/systemd/system/systemd-networkd.service"
    )
    with tarfile.open(path, "w") as tar:
        for name, text in _settings(root_uuid).items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(member)


def _make_disk(work: Path, root_uuid: str) -> None:
    disk = work / "disk.img"
    with disk.open("wb") as file:
        file.truncate(DISK_SECTORS * SECTOR)
    table = ["label: gpt", f"label-id: {root_uuid}"]
    table += [f"start={p.start}, size={p.count}, type={p.kind}" for p in (BIOS_BOOT, ESP, ROOT)]
    run(["sfdisk", "--quiet", disk], stdin="\n".join(table) + "\n")
    _make_root(disk, work / "tree", root_uuid)
    _make_boot_loaders(disk, work, root_uuid)


def _make_root(disk: Path, tree: Path, root_uuid: str) -> None:
    options = f"offset={ROOT.offset},lazy_itable_init=0,lazy_journal_init=0"
    run(
        [
            *_privilege(),
            *("mkfs.ext4", "-q", "-F", "-U", root_uuid, "-L", "root", "-m", "0", "-J", "size=8"),
            *("-E", options, "-d", tree, disk, f"{ROOT.count * SECTOR // 1024}k"),
        ]
    )


def _make_boot_loaders(disk: Path, work: Path, root_uuid: str) -> None:
    early = work / "early.cfg"
    early.write_text(
        f"search --no-floppy --fs-uuid --set=root {root_uuid}\n"
        "set prefix=($root)/boot/grub\nnormal\n"
    )
    core, loader = work / "core.img", work / "BOOTX64.EFI"
    _make_grub("i386-pc", ["biosdisk", *GRUB_MODULES], early, core)
    _make_grub("x86_64-efi", ["efi_gop", *GRUB_MODULES], early, loader)

    esp = f"{disk}@@{ESP.offset}"
    run(["mformat", "-i", esp, "-T", str(ESP.count), "-v", "ESP", "::"])
    run(["mmd", "-i", esp, "::/EFI", "::/EFI/BOOT"])
    run(["mcopy", "-i", esp, loader, "::/EFI/BOOT/BOOTX64.EFI"])
    _embed_bios_grub(disk, core.read_bytes())


def _make_grub(platform: str, modules: Iterable[str], early: Path, output: Path) -> None:
    run(
        [
            *("grub-mkimage", "-O", platform, "-d", GRUB / platform, "-p", "/boot/grub"),
            *("-c", early, "-o", output, *modules),
        ]
    )


def _embed_bios_grub(disk: Path, core: bytes) -> None:
    """Put GRUB's first sector into the MBR and the rest into the BIOS boot partition.

    Each part has to know where the next one lies: the boot sector at 0x5c, the
    core's first sector in the block list at its end (0x1f4).
    """
    if len(core) > BIOS_BOOT.count * SECTOR:
        raise ValueError("GRUB's core image does not fit its partition")
    boot = bytearray((GRUB / "i386-pc" / "boot.img").read_bytes()[:440])
    struct.pack_into("<Q", boot, 0x5C, BIOS_BOOT.start)
    patched = bytearray(core)
    struct.pack_into("<Q", patched, 0x1F4, BIOS_BOOT.start + 1)
    with disk.open("r+b") as file:
        file.write(boot)  # the partition table begins at 446 and stays
        file.seek(BIOS_BOOT.offset)
        file.write(patched)


if __name__ == "__main__":
    print(build(Path(__file__).resolve().parent.parent / ".cache" / "demo"))
