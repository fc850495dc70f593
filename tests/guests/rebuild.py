"""A guest that makes its own initramfs anew, as an update of its kernel does."""

from __future__ import annotations

from pathlib import Path

from kensho.proof.profiles import profile
from tests.guests.boots import boot
from tests.guests.overlays import empty, kernels_of, starting
from tests.guests.settings import REBUILT, entry

# Minutes of one core under emulation: initramfs-tools two, dracut four.
_TIMEOUT = 1800


def rebuilt(disk: Path, version: str, overlay: Path, log: Path) -> Path:
    """Let the guest remake the initramfs of a kernel on its old platform; what it writes is in ``overlay``."""
    before = kernels_of(disk)[version]
    chosen = starting(disk, entry(version, "rebuild"), overlay.with_suffix(".rebuilding"))
    boot(empty(chosen, overlay), profile("kvm-virtio"), log, keeps=True, timeout=_TIMEOUT)
    assert REBUILT in log.read_text(errors="replace"), log
    after = kernels_of(overlay)[version]
    assert after.in_initramfs != before.in_initramfs, "the initramfs is the one of before"
    return overlay
