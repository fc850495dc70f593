"""Hypervisors' virtual hardware as far as QEMU has it: one file for each, a row for each generation."""

from __future__ import annotations

from kensho.model.errors import UsageError
from kensho.proof.profiles import clouds, hyperv, kvm, virtualbox, vmware, xen
from kensho.proof.profiles.base import Profile

PROFILES: tuple[Profile, ...] = (
    *vmware.PROFILES,
    *virtualbox.PROFILES,
    *kvm.PROFILES,
    *xen.PROFILES,
    *hyperv.PROFILES,
    *clouds.PROFILES,
)
#: One of each hardware.
DISTINCT = tuple(row for row in PROFILES if not row.same_as)


def profile(name: str) -> Profile:
    """Return a profile. UsageError with the names when there is none of that name."""
    found = next((row for row in PROFILES if row.name == name), None)
    if found is None:
        known = ", ".join(row.name for row in PROFILES)
        raise UsageError(f"there is no profile {name!r}", hint=f"profiles: {known}")
    return found
