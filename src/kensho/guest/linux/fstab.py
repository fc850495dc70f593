"""fstab(5), and which volume a device's name in it means."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kensho.guest.volumes.scan import Volume, Volumes

_OCTAL = re.compile(r"\\([0-7]{3})")
_MAX_LINES = 10_000
#: Names that depend on the controller: IDE and SCSI, virtio, Xen, NVMe, SD cards.
_KERNEL_NAME = re.compile(
    r"/dev/(?:(?:h|s|v|xv)d([a-z])(\d*)|nvme(\d+)n1(?:p(\d+))?|mmcblk(\d+)(?:p(\d+))?)"
)
#: Of the BSDs: a partition of a GPT, of a slice's disklabel, of the only disklabel.
_BSD_NAME = re.compile(
    r"/dev/(?:ada?|da|vtbd|nda|nvd|mfid|xbd|wd|sd|ld)(\d+)(?:p(\d+)|s(\d+)([a-h])|([a-p]))"
)
_NOT_ON_DISK = frozenset(
    {"proc", "sysfs", "tmpfs", "devpts", "devtmpfs", "nfs", "nfs4", "cifs", "bind", "cgroup",
     "cgroup2", "debugfs", "securityfs", "efivarfs", "overlay", "9p", "virtiofs", "fuse.sshfs"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ``device`` may be a path or ``UUID=…``; ``options`` as written."""

    device: str
    place: str
    type: str
    options: tuple[str, ...]

    @property
    def on_disk(self) -> bool:
        """Tell whether a volume of the machine's disks is meant."""
        return self.type not in _NOT_ON_DISK and (
            self.device.startswith("/dev/") or "=" in self.device
        )

    @property
    def moves(self) -> bool:
        """Tell whether the device's name changes with the controller."""
        return _KERNEL_NAME.fullmatch(self.device) is not None


def parse_fstab(data: bytes) -> tuple[Line, ...]:
    """Return the lines that have at least device, place and type."""
    found = []
    for raw in data.decode("utf-8", "surrogateescape").splitlines()[:_MAX_LINES]:
        words = raw.split()
        if len(words) >= 3 and not words[0].startswith("#"):
            device, place, kind = (_plain(word) for word in words[:3])
            options = tuple(words[3].split(",")) if len(words) > 3 else ()
            found.append(Line(device, place, kind, options))
    return tuple(found)


def volume_of(line: Line, volumes: Volumes) -> Volume | None:
    """Return the volume a line means, None when it is not here or cannot be told.

    A kernel's name (``/dev/sda1``) is taken for the disk of that number, as it most likely is.
    """
    device = line.device
    if "=" in device and not device.startswith("/"):
        return volumes.find(device)
    for folder, key in (
        ("/dev/disk/by-uuid/", "UUID"),
        ("/dev/disk/by-label/", "LABEL"),
        ("/dev/disk/by-partuuid/", "PARTUUID"),
        ("/dev/disk/by-partlabel/", "PARTLABEL"),
        ("/dev/gpt/", "PARTLABEL"),  # these four are FreeBSD's: glabel(8)
        ("/dev/gptid/", "PARTUUID"),
        ("/dev/ufs/", "LABEL"),
        ("/dev/ufsid/", "UUID"),
    ):
        if device.startswith(folder):
            return volumes.find(f"{key}={device.removeprefix(folder)}")
    if device.startswith("/dev/mapper/"):
        # vg-lv, in which a dash of a name's own is doubled
        name = device.removeprefix("/dev/mapper/").replace("--", "\0").replace("-", "/", 1)
        return volumes.find(name.replace("\0", "-"))
    array = re.fullmatch(r"/dev/md(\d+)", device)
    if array:
        return volumes.find(f"md/{array[1]}")
    match = _BSD_NAME.fullmatch(device)
    if match:
        disk, part, slice_, letter, only = match.groups()
        name = f"disk{int(disk) + 1}p"
        if only:
            return next(
                (v for v in volumes.volumes if re.fullmatch(rf"{name}\d+{only}", v.id)), None
            )
        return volumes.find(name + (part or f"{slice_}{letter}"))
    match = _KERNEL_NAME.fullmatch(device)
    if match:
        letter, sd, nvme, nvme_part, card, card_part = match.groups()
        number = ord(letter) - ord("a") if letter else int(nvme or card)
        part = sd or nvme_part or card_part
        return volumes.find(f"disk{number + 1}" + (f"p{part}" if part else ""))
    return volumes.find(device.removeprefix("/dev/"))


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
