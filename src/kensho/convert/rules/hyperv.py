"""What Hyper-V's generations and the version of its exported form do not go with."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, blocked, warning
from kensho.model import guest_os
from kensho.model.finding import Finding
from kensho.model.guest_os import Generation
from kensho.model.machine import Firmware, Machine, NicModel
from kensho.platforms.hyperv import VERSIONS

_EXPORT = VERSIONS[0]  #: of the exported form
#: Windows that generation 2 machines do not start, for want of drivers; nor do 32-bit ones.
_TOO_OLD = frozenset({Generation.WINDOWS_XP, Generation.WINDOWS_XP_64, Generation.WINDOWS_VISTA})


def check(journey: Journey) -> Iterator[Finding]:
    """Find guests that generation 2 does not start, and what the exported form cannot say."""
    if journey.platform.name != "hyperv":
        return
    for before, after in journey.machines():
        if after.firmware.kind is Firmware.UEFI:
            yield from _generation(before)
        if journey.form.name == "export":
            yield from _exported(before, after)


def _generation(machine: Machine) -> Iterator[Finding]:
    guest = guest_os.get(machine.guest.id)
    if guest.family == "windows" and (
        guest.bits == 32 or guest_os.generation(guest.id) in _TOO_OLD
    ):
        yield warning(
            "KF-479",
            f"a generation 2 machine does not start {guest.title}",
            machine.name,
            "Microsoft names 64-bit Windows 8 and Server 2012 as the oldest there",
        )


def _exported(before: Machine, after: Machine) -> Iterator[Finding]:
    is_windows = guest_os.get(before.guest.id).family == "windows" or any(
        word == "hyperv:MicrosoftWindows" for word in before.guest.vendor
    )
    if after.firmware.secure_boot and not is_windows:
        yield warning(
            "KF-478",
            f"configuration version {_EXPORT.name} knows Secure Boot with the keys of Windows only",
            before.name,
            "before the first start: Set-VMFirmware -EnableSecureBoot Off",
        )
    if after.cpu.count > _EXPORT.cpus or after.memory.size > _EXPORT.memory:
        yield warning(
            "KF-478",
            f"configuration version {_EXPORT.name} allows {_EXPORT.cpus} processors and 1 TiB",
            before.name,
            "use --form powershell",
        )
    if any(nic.model is NicModel.HYPERV_LEGACY for nic in after.nics):
        yield blocked(
            "KF-478",
            "the exported form cannot say a legacy network adapter",
            before.name,
            "use --form powershell, which can",
        )
