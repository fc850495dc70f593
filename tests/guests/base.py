"""The Debian 12 that all guests are made of: kernels, and an initramfs of each kind for each.

Three kernels: Debian's, a newer one from backports, whose modules are packed with xz, and the one for
clouds, which has no drivers for most controllers. Kinds of initramfs:

``most``
    initramfs-tools as it comes, with everything: the control.
``virtio``
    initramfs-tools with ``MODULES=list`` and virtio's drivers alone, as ``MODULES=dep`` leaves
    them under KVM.
``dracut``
    dracut with virtio's drivers alone. ``drivers`` is no strict list: its modules ``qemu`` and
    ``kernel-modules`` bring AHCI and IDE, so they are left out.
"""

from __future__ import annotations

from pathlib import Path

import debian
from cache import digest, keep, work_folder
from debian import install, masked_units, write_settings
from shell import step

PACKAGES = (
    *("initramfs-tools", "dracut-core", "lvm2", "btrfs-progs", "xfsprogs", "zstd"),
    *("systemd-sysv", "udev", "dbus", "kmod", "e2fsprogs", "iproute2"),
)
MIRRORS = (
    "deb http://deb.debian.org/debian bookworm main",
    "deb http://deb.debian.org/debian bookworm-backports main",
    "deb http://deb.debian.org/debian-security bookworm-security main",
)
# What no guest here is given; the fewer modules, the sooner all is made.
_NO_DRIVERS = (
    *(f"drivers/{name}" for name in ("bluetooth", "comedi", "gpu", "hid", "hwmon", "iio", "isdn")),
    *(f"drivers/{name}" for name in ("mfd", "mtd", "staging", "target", "thunderbolt", "usb")),
    *("drivers/net/wwan", "drivers/net/can", "net/bluetooth", "fs/ocfs2", "fs/ceph", "fs/gfs2"),
)
_VIRTIO = "virtio_pci virtio_blk virtio_scsi sd_mod ext4 xfs btrfs crc32c_generic"
_DRACUT_NOT = "kernel-modules kernel-modules-extra qemu nvdimm virtiofs lunmask overlay-root resume"
_INSTALL_KERNELS = (
    "APT_CONFIG=$MMDEBSTRAP_APT_CONFIG INITRD=No "
    'apt-get --yes -o DPkg::Chroot-Directory="$1" install '
)
_MAKE = """\
#!/bin/sh
# makes an initramfs of each kind for each kernel
set -e
cd /initramfs
for kind in most virtio; do
  cp -an /etc/initramfs-tools/. conf/$kind/
done
mkdir most virtio dracut
most() {
  for version in $(ls /lib/modules | grep -v cloud); do
    mkinitramfs -d /initramfs/conf/most -o most/initrd.img-$version $version
  done
}
most & most=$!
for version in $(ls /lib/modules); do
  mkinitramfs -d /initramfs/conf/virtio -o virtio/initrd.img-$version $version
  dracut --quiet --confdir /initramfs/conf/dracut --kver $version dracut/initrd.img-$version
done
wait $most
"""
_SETTINGS = {
    "initramfs/make": _MAKE,
    "initramfs/conf/most/conf.d/guest": "MODULES=most\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\n",
    "initramfs/conf/virtio/conf.d/guest": "MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\n",
    "initramfs/conf/virtio/modules": _VIRTIO.replace(" ", "\n") + "\n",
    "initramfs/conf/dracut/10-guest.conf": (
        f'hostonly="no"\ncompress="gzip"\nomit_dracutmodules+=" {_DRACUT_NOT} "\n'
        f'add_drivers+=" {_VIRTIO} "\n'
    ),
}


def build_base(cache: Path) -> Path:
    """Return the tree as a tar file, made now unless it is in the cache."""
    done = cache / f"base-{digest(__file__, debian.__file__)}.tar"
    if done.exists():
        return done
    with work_folder(cache) as work:
        with step("installing Debian 12 with three kernels (two minutes)"):
            write_settings(work / "settings.tar", _SETTINGS, masked_units())
            install(
                work / "tree.tar",
                PACKAGES,
                settings=work / "settings.tar",
                hooks=(
                    f"{_INSTALL_KERNELS} linux-image-amd64 linux-image-cloud-amd64",
                    f"{_INSTALL_KERNELS} linux-image-amd64/bookworm-backports",
                    'chroot "$1" /initramfs/make',
                    'echo root:kensho | chroot "$1" chpasswd',
                ),
                mirrors=MIRRORS,
                without=_NO_DRIVERS,
            )
        keep({work / "tree.tar": done}, "base-*.tar")
    return done
