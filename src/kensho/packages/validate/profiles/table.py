"""All profiles by name. What a profile does not know is not judged."""

from __future__ import annotations

from collections.abc import Mapping

from kensho.model.errors import UsageError
from kensho.packages.validate.profile import Profile
from kensho.packages.validate.profiles import hyperv, kvm, portable, virtualbox, vmware, xen

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for module in (portable, vmware, virtualbox, xen, kvm, hyperv)
    for profile in module.PROFILES
}
ALIASES = {"xo": "xcp-ng", "virt-v2v": "kvm", "vmware": "esxi-7", "virtualbox": "virtualbox-7"}


def profiles_of(names: str) -> tuple[Profile, ...]:
    """Return the profiles of a list such as ``esxi-7,xo``; UsageError names what there is."""
    found = []
    for name in filter(None, (part.strip().lower() for part in names.split(","))):
        profile = PROFILES.get(ALIASES.get(name, name))
        if profile is None:
            raise UsageError(f"no target is called {name!r}", hint=f"one of {', '.join(PROFILES)}")
        found.append(profile)
    return tuple({profile.name: profile for profile in found}.values())
