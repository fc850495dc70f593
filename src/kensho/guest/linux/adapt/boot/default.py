"""Which kernel is started by itself, and whether it is one that could be adapted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.boot.configs import Started, started
from kensho.guest.linux.kernels import find_kernels
from kensho.model.finding import Severity

if TYPE_CHECKING:
    from kensho.guest.linux.adapt.kernel_plan import KernelPlan


def check_default(guest: LinuxGuest, plans: Sequence[KernelPlan]) -> None:
    """KF-868 when another kernel than the one started by default drives more of what is wanted."""
    version = default_version(guest)
    if not version or not plans:
        return
    lacking = {plan.version: len(plan.missing) for plan in plans}
    best = min(lacking, key=lambda name: lacking[name])
    if best != version and lacking[best] < lacking.get(version, 1 << 16):
        what = "has fewer drivers" if version in lacking else "cannot be adapted"
        guest.draft.note(
            "KF-868", Severity.WARNING,
            f"kernel {version} is started by default and {what}; {best} is the better one",
            f"choose {best} in the loader's menu, or make it the default in the guest",
        )  # fmt: skip


def default_version(guest: LinuxGuest) -> str:
    """Return the version of the kernel that is started by itself; empty when that is not told."""
    offered = started(guest.system.files, guest.draft.text)
    chosen = next((entry for entry in offered if entry.default), None)
    return version_of_entry(guest, chosen) if chosen else ""


def version_of_entry(guest: LinuxGuest, entry: Started) -> str:
    """Return the version of the kernel an entry starts; empty when that is not told."""
    files = guest.system.files
    name = entry.kernel.rpartition("/")[2]
    for found in find_kernels(files):
        for path in (entry.kernel, f"/boot{entry.kernel}"):
            if found.image and files.exists(path) and files.real(path) == files.real(found.image):
                return found.version
        if found.image.endswith(f"/{name}") and name != "linux":
            return found.version
    return ""
