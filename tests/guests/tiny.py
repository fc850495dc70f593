"""Guests of a kernel and busybox alone: up in seconds, with whatever a test has them do.

All of a guest is in its initramfs; a file system beside it has the boot loader's files. The kernel is that
of the other guests' Debian.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

from disk_image import LINUX_TYPE, make_boot_loaders, make_disk, make_ext4, partitions
from shell import run
from tests.guests.base import build_base
from tests.guests.recipe import CACHE

_ID = "2f4d8a52-6a1c-4d43-9d52-7f5ad2a3d1{:02d}"
_DRIVERS = ("virtio_pci", "virtio_net", "e1000", "e1000e", "vmxnet3", "pcnet32", "8139cp")
_BUSYBOX = Path("/usr/bin/busybox")
_INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module" 2>/dev/null; done </modules/order
ip link set lo up
exec >/dev/ttyS0 2>&1 </dev/null
. /role
echo
printf '%s login: ' "$(hostname)"
while :; do sleep 3600; done
"""
#: Takes what DHCP offers, as busybox' udhcpc hands it over.
_LEASE = """\
#!/bin/busybox sh
[ "$1" = bound ] && ip address add "$ip/24" dev "$interface"
exit 0
"""


def tiny_guest(folder: Path, name: str, role: str) -> Path:
    """Make the disk of a guest that does what ``role`` says, in shell, before it asks for a login.

    ``/lease`` is the script for udhcpc; the modules of usual adapters are loaded.
    """
    work = folder / f"{name}.work"
    (work / "tree/boot/grub").mkdir(parents=True)
    kernel, modules, wanted = _kernel(work)
    shutil.copyfile(kernel, work / "tree/boot/vmlinuz")
    (work / "tree/boot/initrd").write_bytes(_initramfs(work / "root", modules, wanted, name, role))
    (work / "tree/boot/grub/grub.cfg").write_text(
        "set timeout=0\nmenuentry tiny {\n"
        "linux /boot/vmlinuz console=ttyS0,115200 rdinit=/init quiet\ninitrd /boot/initrd\n}\n"
    )
    disk = folder / f"{name}.img"
    (root,) = partitions((48, LINUX_TYPE))
    make_disk(disk, (root,), _ID.format(0))
    make_ext4(disk, root, work / "tree", _ID.format(1), "tiny")
    make_boot_loaders(disk, work, _ID.format(1))
    shutil.rmtree(work)
    return disk


def _kernel(work: Path) -> tuple[Path, Path, list[str]]:
    """Return the kernel's image, the folder of its modules, and those of adapters in their order."""
    tree, base = work / "debian", build_base(CACHE)
    tree.mkdir()
    extract = ["tar", "-C", tree, "--wildcards", "-xf", base]
    run([*extract, "./boot/vmlinuz-*-amd64", "./usr/lib/modules/*/modules.dep"])
    version = min(path.name for path in (tree / "usr/lib/modules").iterdir())  # no module is packed
    modules = tree / "usr/lib/modules" / version
    wanted = _modules(modules)
    run([*extract, *(f"./usr/lib/modules/{version}/{path}" for path in wanted)])
    return tree / "boot" / f"vmlinuz-{version}", modules, wanted


def _initramfs(root: Path, modules: Path, wanted: list[str], name: str, role: str) -> bytes:
    for part in ("bin", "dev", "proc", "sys", "modules"):
        (root / part).mkdir(parents=True)
    said = subprocess.run(["ldd", _BUSYBOX], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", said):
        (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library, root / library[1:])
    shutil.copyfile(_BUSYBOX, root / "bin/busybox")
    for path in wanted:
        shutil.copyfile(modules / path, root / "modules" / Path(path).name)
    (root / "modules/order").write_text("".join(f"{Path(path).name}\n" for path in wanted))
    (root / "init").write_text(_INIT)
    (root / "lease").write_text(_LEASE)
    (root / "role").write_text(f"hostname {name}\n{role}")
    run(["chmod", "-R", "a+rx", root])
    names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
    packed = subprocess.run(
        [_BUSYBOX, "cpio", "-o", "-H", "newc"],
        cwd=root, input=names.encode(), capture_output=True, check=True,
    )  # fmt: skip
    return gzip.compress(packed.stdout, 1, mtime=0)


def _modules(folder: Path) -> list[str]:
    """Return the modules of adapters with what they need, in the order to load them in."""
    needs: dict[str, list[str]] = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    wanted: dict[str, None] = {}
    for name in _DRIVERS:
        for path, below in needs.items():
            if Path(path).name.partition(".")[0] == name:
                wanted |= dict.fromkeys((*reversed(below), path))
    return list(wanted)
