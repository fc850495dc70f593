"""A dom0: Debian 12 with Xen 4.17, made once and kept in ``.cache/hypervisors`` by a digest of its recipe.

QEMU loads Xen, which is a multiboot kernel, with dom0's Linux and initramfs as its modules: no boot loader.
"""

from __future__ import annotations

import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path

import debian
from cache import digest, keep, work_folder
from debian import install, masked_units, privilege, write_settings
from shell import run, step

CACHE = Path(__file__).parents[3] / ".cache" / "hypervisors"
_MIB = 1300
PACKAGES = (
    *("initramfs-tools", "zstd", "systemd-sysv", "udev", "dbus", "kmod", "e2fsprogs", "iproute2"),
    *("linux-image-amd64", "xen-hypervisor-4.17-amd64", "xen-utils-4.17", "dnsmasq-base"),
    # The device model of HVM guests and their firmware; GRUB that runs as a paravirtual guest.
    *("qemu-system-xen", "seabios", "ovmf", "grub-xen-host"),
)
MIRRORS = (
    "deb http://deb.debian.org/debian bookworm main",
    "deb http://deb.debian.org/debian-security bookworm-security main",
)
_NO_DRIVERS = ("drivers/usb", "drivers/gpu", "drivers/staging", "fs/ocfs2", "fs/ceph", "fs/gfs2")
_TRIALS = """\
[Unit]
Description=Guests that are tried
After=xen.service bridge.service
Requires=bridge.service
[Service]
Type=oneshot
ExecStart=/srv/trials/trials.py
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
"""
# xenbr0 is what configurations of kensho name; guests get their address from dom0.
_BRIDGE = """\
[Unit]
Description=The bridge of guests
[Service]
Type=forking
ExecStartPre=/bin/ip link add xenbr0 type bridge
ExecStartPre=/bin/ip address add 192.168.77.1/24 dev xenbr0
ExecStartPre=/bin/ip link set xenbr0 up
ExecStart=/usr/sbin/dnsmasq --port=0 --interface=xenbr0 --dhcp-range=192.168.77.10,192.168.77.99 --user=root
"""


@dataclass(frozen=True)
class Dom0:
    """What QEMU starts: Xen (ELF, 32 bits), dom0's kernel and initramfs, and the disk of its root."""

    xen: Path
    kernel: Path
    initramfs: Path
    root: Path


def build() -> Dom0:
    """Return the dom0, made now unless it is in the cache (two minutes, 0.7 GB)."""
    folder = CACHE / f"xen-dom0-{digest(__file__, debian.__file__)}"
    made = Dom0(*(folder / name for name in ("xen", "vmlinuz", "initrd.img", "root.img")))
    if folder.exists():
        return made
    with work_folder(CACHE) as work:
        with step("installing Debian 12 with Xen into a folder (two minutes)"):
            write_settings(work / "settings.tar", _settings(), _links())
            install(
                work / "tree", PACKAGES, settings=work / "settings.tar", without=_NO_DRIVERS,
                hooks=('echo root:kensho | chroot "$1" chpasswd',), mirrors=MIRRORS,
            )  # fmt: skip
        with step("making dom0's disk"):
            _take(work)
        keep({work / "made": folder}, "xen-dom0-*")
    return made


def _settings() -> dict[str, str]:
    return {
        "etc/hostname": "dom0\n",
        "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 dom0\n",
        "etc/fstab": "/dev/vda / ext4 defaults 0 0\n/dev/vdb /srv/trials ext4 defaults 0 0\n",
        "srv/trials/.keep": "",
        "etc/initramfs-tools/conf.d/dom0": "MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\n",
        "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n",
        "etc/modules-load.d/xen.conf": "xen-blkback\nxen-netback\nloop max_loop=16\nbridge\n",
        "etc/systemd/system/trials.service": _TRIALS,
        "etc/systemd/system/bridge.service": _BRIDGE,
    }


def _links() -> dict[str, str]:
    wants = "etc/systemd/system/multi-user.target.wants"
    return masked_units() | {
        f"{wants}/trials.service": "/etc/systemd/system/trials.service",
        "etc/systemd/system/xendomains.service": "/dev/null",
        "etc/systemd/system/getty@tty1.service": "/dev/null",
    }


def _take(work: Path) -> None:
    """Take kernels out of the tree and make a file system of it, in ``made``."""
    tree, made = work / "tree", work / "made"
    made.mkdir()
    (xen,) = tree.glob("boot/xen-*-amd64.gz")
    (made / "xen").write_bytes(gzip.decompress(xen.read_bytes()))
    for name, pattern in (("vmlinuz", "boot/vmlinuz-*"), ("initrd.img", "boot/initrd.img-*")):
        (found,) = tree.glob(pattern)
        shutil.copyfile(found, made / name)
    root = made / "root.img"
    with root.open("wb") as file:
        file.truncate(_MIB << 20)
    run([*privilege(), "mkfs.ext4", "-q", "-F", "-L", "dom0", "-m", "0", "-d", tree, root])
