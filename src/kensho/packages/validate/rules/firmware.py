"""Firmware, which OVF has no word for: VMware's and VirtualBox's, and the variable store."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.appliances.ovf.elements import attribute, children, dialect, local, required
from kensho.packages.validate.rule import FIELD, Fault, Rule
from kensho.packages.validate.subject import Subject, System


def is_uefi(system: System) -> bool:
    """Tell whether a machine is said to have UEFI firmware."""
    for element in system.element.iter():
        name = local(element)
        if name == "Config" and dialect(element) == "vmw":
            if attribute(element, "key").lower() == "firmware":
                return attribute(element, "value").lower() == "efi"
        elif name == "Firmware" and attribute(element, "type"):
            return attribute(element, "type").lower().startswith("efi")
    return False


def variable_store(subject: Subject) -> Iterator[Fault]:
    """A machine with UEFI comes with its variables, where its boot entries are."""
    stores = [f for f in subject.files if attribute(f, "href").lower().endswith(".nvram")]
    for system in subject.systems:
        if is_uefi(system) and not stores:
            yield Fault(
                system.element,
                f"machine {system.id!r} has UEFI firmware and the package no variable store: "
                "its guest must boot by the fall-back path EFI/BOOT",
                system.id,
            )


def vendor_devices(subject: Subject) -> Iterator[Fault]:
    """An item of a kind that is a vendor's own may be skipped (DSP1041: 32768 to 65535)."""
    for _, _, item in subject.items():
        vendors = item.type is not None and 0x8000 <= item.type <= 0xFFFF
        if vendors and required(item.element):
            yield Fault(
                item.element,
                f"{item.name} is of a vendor's own kind and required; others refuse it",
                item.id,
            )


def skip_device(subject: Subject, fault: Fault) -> str | None:
    """Mark the item as one that may be skipped."""
    if fault.element is None:
        return None
    from kensho.packages.validate.rules.content import may_be_skipped

    may_be_skipped(subject, fault)
    return f"item {fault.subject} is marked ovf:required=false"


def stray_firmware(subject: Subject) -> Iterator[Fault]:
    """A variable store in the package is named by a machine, or it is not used."""
    named = {
        attribute(e, "value").rpartition("/")[2]
        for s in subject.systems
        for h in s.hardware
        for e in children(h.element)
        if local(e) in {"ExtraConfig", "Config"} and attribute(e, "key").lower() == "nvram"
    }
    for file in subject.files:
        name = attribute(file, "id")
        if attribute(file, "href").lower().endswith(".nvram") and name not in named:
            yield Fault(file, f"no machine names the variable store {name}", name)


RULES = (
    Rule(
        "KF-687", FIELD, "UEFI machines have their variables", "VMware: ExtraConfig nvram",
        "export the machine with its .nvram file, or see that it boots without", variable_store,
    ),
    Rule(
        "KF-688", FIELD, "variable stores are named", "VMware: ExtraConfig nvram",
        "add vmw:ExtraConfig with key nvram and value ovf:/file/ID", stray_firmware,
    ),
    Rule(
        "KF-694", FIELD, "vendors' devices may be skipped", "DSP1041; CIM ResourceType",
        'say ovf:required="false" on the item', vendor_devices, skip_device,
    ),
)  # fmt: skip
