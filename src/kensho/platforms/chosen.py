"""A platform as it is in one of its versions, and with what one of its forms can say."""

from __future__ import annotations

import msgspec

from kensho.model.errors import UsageError
from kensho.platforms.base import DevicePolicy, Form, Platform
from kensho.platforms.versions import Version, find


def in_form(platform: Platform, form: Form) -> Platform:
    """Return the platform with the devices that a form of it can say beside the others."""
    models = frozenset(c.model for c in form.controllers)

    def keeping(policy: DevicePolicy) -> DevicePolicy:
        return msgspec.structs.replace(
            policy, keep=policy.keep | models, keep_nics=policy.keep_nics | form.nics
        )

    return msgspec.structs.replace(
        platform,
        controllers=(*platform.controllers, *form.controllers),
        native=keeping(platform.native),
        compatible=keeping(platform.compatible),
        guests={generation: keeping(policy) for generation, policy in platform.guests.items()},
    )


def at(platform: Platform, version: str) -> Platform:
    """Return the platform as it is in one of its versions. Raises UsageError with their names."""
    found = find(platform.versions, version)
    if found is None:
        known = ", ".join(v.name for v in platform.versions)
        raise UsageError(
            f"{platform.title} has no version {version!r}",
            hint=f"its versions: {known}" if known else "leave the version out: it has none",
        )
    change = msgspec.structs.replace
    return change(
        platform,
        version=found.name,
        most_cpus=found.cpus,
        most_memory=found.memory,
        most_nics=found.nics,
        controllers=tuple(c for c in platform.controllers if c.model not in found.lacks),
        native=_without(platform.native, found, platform),
        compatible=_without(platform.compatible, found, platform),
        guests={g: _without(p, found, platform) for g, p in platform.guests.items()},
        forms=tuple(
            change(
                form,
                firmware=tuple(f for f in form.firmware if f in found.firmware),
                controllers=tuple(c for c in form.controllers if c.model not in found.lacks),
                nics=frozenset(form.nics - found.lacks),
                carries=change(
                    form.carries,
                    secure_boot=form.carries.secure_boot and found.secure_boot,
                    tpm=form.carries.tpm and found.tpm,
                ),
            )
            for form in platform.forms
        ),
    )


def _without(policy: DevicePolicy, version: Version, platform: Platform) -> DevicePolicy:
    """Return a policy without the adapters that a version lacks; drives see to themselves."""
    spare = platform.fallback or platform.compatible
    return msgspec.structs.replace(
        policy,
        nic=spare.nic if policy.nic in version.lacks else policy.nic,
        keep_nics=frozenset(policy.keep_nics - version.lacks),
    )
