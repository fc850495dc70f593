"""Firmware, Secure Boot and TPM."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import Firmware


def check(journey: Journey) -> Iterator[Finding]:
    """Find firmware that changes, was assumed, or holds secrets that cannot travel."""
    for before, after in journey.machines():
        old, new = before.firmware, after.firmware
        if old.kind is not new.kind:
            yield warning(
                "KF-310",
                f"{journey.form.title} cannot say that the firmware is {old.kind.upper()}",
                before.name,
                _remedy(journey, old.kind),
            )
        elif not old.stated:
            yield note(
                "KF-311",
                f"the source does not state the firmware; {old.kind.upper()} is assumed",
                before.name,
                "if the guest does not start, plan again with --firmware",
            )
        if old.secure_boot and not new.secure_boot:
            yield warning(
                "KF-312",
                "Secure Boot has no place in the target",
                before.name,
                "off after the import; switch it on there if it is needed",
            )
        if old.secure_boot and new.secure_boot and old.nvram and not new.nvram:
            yield warning(
                "KF-430",
                "Secure Boot keys that were enrolled, and revocations (dbx), stay behind",
                before.name,
                "the target's own keys, mostly Microsoft's, hold; enrol yours again there",
            )
        if old.tpm:
            kept = "a new, empty one is made" if new.tpm else "there is none in the target"
            yield warning(
                "KF-313",
                "what the virtual TPM holds (such as BitLocker keys) does not travel",
                before.name,
                f"{kept}; have the recovery key at hand or suspend the encryption first",
            )
        if old.nvram is not None and new.nvram is None:
            yield note(
                "KF-314",
                "the firmware's variable store is not carried over",
                before.name,
                "the firmware looks for the boot loader at its default path",
            )


def _remedy(journey: Journey, kind: Firmware) -> str:
    if journey.platform.name == "virtualbox" and kind is Firmware.UEFI:
        return "VBoxManage modifyvm NAME --firmware efi before the first start, or --form vbox"
    return "set it after the import"
