"""Build the demo appliance: a small Debian 12 disk image that boots anywhere.

::

    mmdebstrap -> tree -> mkfs.ext4 -d -> GPT image + ESP + GRUB for BIOS and for UEFI

The result is kept under ``.cache/demo`` by a hash of the recipe, so the next run
finds it there.

The guest has the generic kernel and an initramfs with all storage drivers, so it
starts on whatever bus a hypervisor gives it. It asks for a login on the screen and
on the first serial port (user ``root``, password ``kensho``; no network service
listens) and takes its address by DHCP.

`build_as_made` returns the same guest as its maker had it, who knew one hypervisor: an
initramfs with the drivers of ESXi's PVSCSI and of its IDE CD-ROM alone, which is what
``MODULES=dep`` leaves there; a network that is set up for ``ens192``, the name that VMXNET3
gets; and drivers of old adapters switched off, as guides to hardening ask for.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import debian
import disk_image
from cache import digest, keep, work_folder
from debian import install, masked_units, privilege, write_settings
from disk_image import LINUX_TYPE, make_boot_loaders, make_disk, make_ext4, partitions
from shell import run, step

NAME = "kensho-demo"
GUEST = "debian12"
PASSWORD = "kensho"
_RECIPE = (__file__, debian.__file__, disk_image.__file__)

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
(ROOT,) = partitions((1000, LINUX_TYPE))
DRIVERS_AS_MADE = frozenset({"vmw_pvscsi", "ata_piix"})
SWITCHED_OFF = frozenset({"8139cp", "8139too", "pcnet32", "tulip"})
_AS_MADE = {
    "etc/initramfs-tools/conf.d/kensho": "MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\n",
    "etc/initramfs-tools/modules": "".join(
        f"{name}\n" for name in (*sorted(DRIVERS_AS_MADE), "sd_mod", "ext4")
    ),
    "etc/systemd/network/10-ens192.link": "[Match]\nDriver=vmxnet3\n\n[Link]\nName=ens192\n",
    "etc/systemd/network/80-dhcp.network": "[Match]\nName=ens192\n\n[Network]\nDHCP=yes\n",
    "etc/modprobe.d/hardening.conf": "".join(
        f"blacklist {name}\n" for name in sorted(SWITCHED_OFF)
    ),
}


def build(cache: Path) -> Path:
    """Return the appliance's raw disk image, built now unless it is in the cache."""
    return _built(cache)[0]


def build_as_made(cache: Path) -> Path:
    """Return the raw disk image of the appliance as it was made for one hypervisor."""
    return _built(cache)[1]


def _built(cache: Path) -> tuple[Path, Path]:
    recipe = digest(*_RECIPE)
    image = cache / f"{NAME}-{recipe}.img"
    as_made = cache / f"{NAME}-{recipe}-as-made.img"
    if image.exists() and as_made.exists():
        print(f"  using the appliance built before: {image}")
        return image, as_made
    root_uuid = str(uuid.uuid5(uuid.NAMESPACE_OID, recipe))
    with work_folder(cache) as work:
        with step("installing Debian 12 into a folder (about a minute)"):
            _install_debian(work, root_uuid)
        with step("making the disk image"):
            _make_disk(work, work / "disk.img", root_uuid)
        with step("making it as it was made for one hypervisor"):
            _put_back(work)
            _make_disk(work, work / "as-made.img", root_uuid)
        keep({work / "disk.img": image, work / "as-made.img": as_made}, f"{NAME}-*.img")
    return image, as_made


def _install_debian(work: Path, root_uuid: str) -> None:
    links = masked_units()
    links["etc/systemd/system/multi-user.target.wants/systemd-networkd.service"] = (
        "/lib/systemd/system/systemd-networkd.service"
    )
    write_settings(work / "settings.tar", _settings(root_uuid), links)
    install(
        work / "tree",
        PACKAGES,
        settings=work / "settings.tar",
        hooks=(
            # Last: beside udev and kmod, each of which asks for a new initramfs, it would be
            # made twice, and making it is a third of all the time.
            f"APT_CONFIG=$MMDEBSTRAP_APT_CONFIG {INSTALL_KERNEL}",
            f'echo root:{PASSWORD} | chroot "$1" chpasswd',
        ),
        mirrors=os.environ.get("KENSHO_DEMO_MIRROR", "").split(),
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


def _put_back(work: Path) -> None:
    """Change the tree to what it was for one hypervisor."""
    settings = work / "as-made.tar"
    write_settings(settings, _AS_MADE)
    run([*privilege(), "tar", "--extract", "--file", settings, "--directory", work / "tree"])
    run([*privilege(), "chroot", work / "tree", "update-initramfs", "-u", "-k", "all"])


def _make_disk(work: Path, disk: Path, root_uuid: str) -> None:
    make_disk(disk, (ROOT,), root_uuid)
    make_ext4(disk, ROOT, work / "tree", root_uuid, "root")
    make_boot_loaders(disk, work, root_uuid)


if __name__ == "__main__":
    print(build(Path(__file__).resolve().parent.parent / ".cache" / "demo"))
