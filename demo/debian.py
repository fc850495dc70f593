"""A small Debian installed into a folder by mmdebstrap, for disk images made without mounting.

Run by root, or by a user who has sudo. A user with neither gets mmdebstrap's
unshare mode, which needs the package uidmap and entries in /etc/subuid.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from shell import run

# Texts nobody reads in a test or a demo.
_LEFT_OUT = (
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/doc/*",
)
_KEPT = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")
# Drivers for hardware that no virtual machine has.
_NO_DRIVERS = (
    "sound",
    "drivers/media",
    "drivers/infiniband",
    "drivers/net/wireless",
    "net/wireless",
    "net/mac80211",
    "drivers/gpu/drm/amd",
    "drivers/gpu/drm/i915",
    "drivers/gpu/drm/nouveau",
    "drivers/gpu/drm/radeon",
)

# Housekeeping that would run in a guest's few seconds of life.
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


def privilege() -> list[str]:
    """Return what to put before a command that must keep the owners of the guest's files."""
    if os.geteuid() == 0:
        return []
    return ["sudo"] if shutil.which("sudo") else ["mmdebstrap", "--unshare-helper"]


def install(
    tree: Path,
    packages: Sequence[str],
    *,
    settings: Path,
    hooks: Sequence[str],
    mirrors: Sequence[str] = (),
    without: Sequence[str] = (),
) -> None:
    """Install Debian 12 into the folder ``tree``, or the archive when that is its name.

    ``settings`` is a tar file unpacked before the packages are configured, ``hooks`` are shell
    commands after that, with the folder as ``$1``. ``mirrors`` are lines of sources.list, Debian's
    own when there are none. ``without`` names folders of kernel modules to leave out, below
    ``kernel/``, on top of those that no virtual machine needs.
    """
    before = privilege()
    unshared = before[:1] == ["mmdebstrap"]
    modules = [
        f"{top}/modules/*/kernel/{folder}/*"
        for top in ("/lib", "/usr/lib")
        for folder in (*_NO_DRIVERS, *without)
    ]
    dpkg = ["force-unsafe-io"]
    dpkg += [f"path-exclude={path}" for path in (*_LEFT_OUT, *modules)]
    dpkg += [f"path-include={path}" for path in _KEPT]
    run(
        [
            *([] if unshared else before),
            "mmdebstrap",
            f"--mode={'unshare' if unshared else 'root'}",
            "--variant=apt",
            f"--format={'tar' if tree.suffix == '.tar' else 'directory'}",
            '--aptopt=Acquire::Languages "none"',
            *(f"--dpkgopt={option}" for option in dpkg),
            f"--include={','.join(packages)}",
            f"--essential-hook=tar-in {settings} /",
            *(f"--customize-hook={hook}" for hook in hooks),
            "bookworm",
            tree,
            *mirrors,
        ]
    )


def write_settings(
    path: Path, texts: Mapping[str, str], links: Mapping[str, str] | None = None
) -> None:
    """Write a guest's own settings as a tar file whose members belong to root.

    Texts that begin with ``#!`` are programs.
    """
    with tarfile.open(path, "w") as tar:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            member.mode = 0o755 if text.startswith("#!") else 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(member)


def masked_units() -> dict[str, str]:
    """Return the links that keep housekeeping from running, for `write_settings`."""
    return {f"etc/systemd/system/{unit}": "/dev/null" for unit in MASKED_UNITS}
