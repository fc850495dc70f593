"""The platforms kensho converts to. One file each; this table is the whole list."""

from __future__ import annotations

from kensho.model.errors import UsageError
from kensho.platforms import (
    aws,
    azure,
    gcp,
    hyperv,
    kubevirt,
    kvm,
    oci_rootfs,
    openstack,
    portable,
    proxmox,
    virtualbox,
    vmware,
    xen,
    xenserver,
)
from kensho.platforms.base import Form, Platform

PLATFORMS: tuple[Platform, ...] = (
    portable.PLATFORM,
    vmware.PLATFORM,
    virtualbox.PLATFORM,
    kvm.PLATFORM,
    proxmox.PLATFORM,
    hyperv.PLATFORM,
    xenserver.PLATFORM,
    xen.PLATFORM,
    kubevirt.PLATFORM,
    aws.PLATFORM,
    azure.PLATFORM,
    gcp.PLATFORM,
    openstack.PLATFORM,
)


#: Not machines any more: what is taken out of one.
IMAGES: tuple[Platform, ...] = (oci_rootfs.PLATFORM,)


def find_platform(name: str) -> Platform:
    """Return the platform called ``name`` (or by an alias). Raises UsageError with the names."""
    wanted = name.lower()
    for platform in (*PLATFORMS, *IMAGES):
        if wanted == platform.name or wanted in platform.aliases:
            return platform
    known = ", ".join(p.name for p in (*PLATFORMS, *IMAGES))
    raise UsageError(f"there is no target {name!r}", hint=f"targets: {known}")


def find_form(platform: Platform, name: str | None) -> Form:
    """Return a form of a platform, its first one when ``name`` is None. Raises UsageError."""
    form = platform.form(name)
    if form is None:
        known = ", ".join(f.name for f in platform.forms)
        raise UsageError(f"{platform.name} has no form {name!r}", hint=f"its forms: {known}")
    return form


__all__ = ["IMAGES", "PLATFORMS", "Form", "Platform", "find_form", "find_platform"]
