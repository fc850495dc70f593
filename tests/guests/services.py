"""A Debian with services to probe: SSH, a web server, a port that says nothing, QEMU's guest agent.

    python -m tests.guests.services

It takes its address by DHCP. Kept in ``.cache/guests`` by a digest of the recipe.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import debian
import disk_image
from cache import digest, keep, work_folder
from debian import install, masked_units, write_settings
from disk_image import LINUX_TYPE, make_boot_loaders, make_disk, make_ext4, partitions
from shell import step
from tests.guests.recipe import CACHE

PAGE = "it works\n"
SILENT = 7  #: a port that takes connections, and waits to be spoken to
PACKAGES = (
    *("initramfs-tools", "zstd", "systemd-sysv", "udev", "dbus", "kmod", "e2fsprogs", "iproute2"),
    *("openssh-server", "qemu-guest-agent", "busybox"),
)
_INSTALL_KERNEL = (
    "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG "
    'apt-get --yes -o DPkg::Chroot-Directory="$1" install linux-image-amd64'
)
_UNITS = "etc/systemd/system"
_WANTS = f"{_UNITS}/multi-user.target.wants"
(_ROOT,) = partitions((1100, LINUX_TYPE))


def build(cache: Path = CACHE) -> Path:
    """Return the guest's raw disk image, made now unless it is in the cache."""
    name = digest(__file__, debian.__file__, disk_image.__file__)
    image = cache / f"services-{name}.img"
    if image.exists():
        return image
    root_uuid = str(uuid.uuid5(uuid.NAMESPACE_OID, "services"))
    with work_folder(cache) as work:
        with step("making the guest with services (a minute)"):
            write_settings(work / "settings.tar", _settings(root_uuid), masked_units() | _LINKS)
            install(
                work / "tree",
                PACKAGES,
                settings=work / "settings.tar",
                hooks=(_INSTALL_KERNEL,),
            )
            disk = work / "disk.img"
            make_disk(disk, (_ROOT,), root_uuid)
            make_ext4(disk, _ROOT, work / "tree", root_uuid, "root")
            make_boot_loaders(disk, work, root_uuid)
        keep({disk: image}, "services-*.img")
    return image


def _settings(root_uuid: str) -> dict[str, str]:
    return {
        "etc/hostname": "services\n",
        "etc/fstab": f"UUID={root_uuid} / ext4 errors=remount-ro 0 1\n",
        "etc/systemd/network/80-dhcp.network": "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n",
        "etc/initramfs-tools/conf.d/guest": "MODULES=most\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\n",
        "srv/index.html": PAGE,
        f"{_UNITS}/web.service": _service("/usr/bin/busybox httpd -f -p 80 -h /srv"),
        f"{_UNITS}/silent.service": _service("/bin/sleep infinity"),
        f"{_UNITS}/silent.socket": f"[Socket]\nListenStream={SILENT}\n",
        "boot/grub/grub.cfg": (
            f"set timeout=0\nsearch --no-floppy --fs-uuid --set=root {root_uuid}\n"
            "menuentry 'Debian' {\n"
            f"  linux /vmlinuz root=UUID={root_uuid} ro console=tty0 console=ttyS0,115200\n"
            "  initrd /initrd.img\n}\n"
        ),
    }


def _service(command: str) -> str:
    return f"[Service]\nExecStart={command}\n"


_LINKS = {
    f"{_WANTS}/systemd-networkd.service": "/lib/systemd/system/systemd-networkd.service",
    f"{_WANTS}/web.service": f"/{_UNITS}/web.service",
    f"{_UNITS}/sockets.target.wants/silent.socket": f"/{_UNITS}/silent.socket",
}

if __name__ == "__main__":
    sys.stdout.write(f"{build()}\n")
