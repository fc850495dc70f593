"""Processors, memory, hardware family, firmware and VMware's settings of a machine."""

from __future__ import annotations

from lxml import etree

from kensho.appliances.ovf.elements import attribute, child, children, dialect, text
from kensho.appliances.ovf.items import Resource
from kensho.appliances.ovf.sections.parts import VSSD
from kensho.appliances.ovf.units import parse_unit
from kensho.appliances.ovf.write_xml import VMW, clean
from kensho.model.errors import UsageError
from kensho.model.units import MIB
from kensho.packages.edit.items import groups, in_configuration, items, new_item, rename, set_field
from kensho.packages.edit.scope import Scope, hardware
from kensho.packages.edit.tree import (
    add,
    append,
    namespace,
    place,
    remove,
    set_attribute,
    set_attribute_as_root,
    vendor,
)

FIRMWARE = {"bios": "bios", "efi": "efi", "uefi": "efi"}


def set_cpus(scope: Scope, count: int) -> None:
    """Set the number of virtual processors."""
    for item in _of_type(scope, Resource.PROCESSOR, f"{count} virtual CPU(s)", "hertz * 10^6"):
        rename(item, text(item, "VirtualQuantity"), str(count))
        set_field(item, "VirtualQuantity", count)


def set_cores_per_socket(scope: Scope, cores: int) -> None:
    """Set ``vmw:CoresPerSocket``; OVF has no word of its own for it."""
    for item in _of_type(scope, Resource.PROCESSOR, "1 virtual CPU(s)", "hertz * 10^6"):
        total = text(item, "VirtualQuantity")
        if total.isdigit() and int(total) % cores:
            raise UsageError(f"{total} processors are no whole number of sockets of {cores} cores")
        found = next((e for e in children(item) if _lower_name(e) == "corespersocket"), None)
        if found is None:
            found = append(item, f"{{{VMW}}}CoresPerSocket", "vmw")
            set_attribute_as_root(found, "required", "false")
        found.text = str(cores)


def _lower_name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def set_memory(scope: Scope, size: int) -> None:
    """Set the memory in bytes, in the unit that is there when it can say it."""
    for item in _of_type(scope, Resource.MEMORY, "", "byte * 2^20"):
        old = text(item, "VirtualQuantity")
        unit = parse_unit(text(item, "AllocationUnits") or "byte * 2^20")
        factor = unit.factor if unit is not None and unit.base == "byte" else 0
        same = bool(factor) and not size % factor
        if not same:
            factor = MIB
            set_field(item, "AllocationUnits", "byte * 2^20")
        if size % factor:
            raise UsageError(f"memory: {size} bytes are no whole number of MiB")
        if not text(item, "ElementName"):
            set_field(item, "ElementName", f"{size // MIB} MB of memory")
        if same:
            rename(item, old, str(size // factor))
        set_field(item, "VirtualQuantity", size // factor)


def _of_type(scope: Scope, kind: Resource, name: str, units: str) -> list[etree._Element]:
    found = []
    for section in hardware(scope):
        devices = groups(items(section, kind))
        if not devices:
            fields = {
                "AllocationUnits": units,
                "ElementName": name or None,
                "ResourceType": int(kind),
                "VirtualQuantity": 1,
            }
            found.append(new_item(section, fields, configurations=scope.configurations))
            continue
        found.extend(in_configuration(scope, devices[0]))
    return found


def set_system_type(scope: Scope, value: str) -> None:
    """Set VirtualSystemType, a list divided by blanks; it is the same in all configurations."""
    for section in hardware(scope):
        system = child(section, "System")
        if system is None:
            system = add(section, "System")
            for name, content in (("ElementName", "Virtual Hardware Family"), ("InstanceID", "0")):
                append(system, f"{{{VSSD}}}{name}", "vssd").text = content
        found = child(system, "VirtualSystemType")
        if found is None:
            known = next(iter(children(system)), None)
            uri = VSSD if known is None else namespace(known)
            found = place(system, f"{{{uri}}}VirtualSystemType")
        found.text = clean(" ".join(value.replace(",", " ").split()))


def set_firmware(scope: Scope, kind: str) -> None:
    """Set ``vmw:Config firmware`` to ``bios`` or ``efi``; BIOS has no Secure Boot."""
    if kind.lower() not in FIRMWARE:
        raise UsageError(f"firmware: neither bios nor efi: {kind!r}")
    set_config(scope, "firmware", FIRMWARE[kind.lower()])
    if FIRMWARE[kind.lower()] == "bios" and _config(scope, "bootOptions.efiSecureBootEnabled"):
        set_config(scope, "bootOptions.efiSecureBootEnabled", "false")


def set_secure_boot(scope: Scope, *, on: bool) -> None:
    """Set Secure Boot; UsageError when the firmware is said to be BIOS."""
    if on and _config(scope, "firmware").lower() == "bios":
        raise UsageError("Secure Boot needs EFI firmware", hint="add --set firmware=efi")
    set_config(scope, "bootOptions.efiSecureBootEnabled", "true" if on else "false")


def set_config(scope: Scope, key: str, value: str | None, element: str = "Config") -> None:
    """Set a ``vmw:Config`` or ``vmw:ExtraConfig`` of the machine; None removes it."""
    for section in hardware(scope):
        found = _find(section, key, element)
        if value is None:
            if found is not None:
                remove(found)
        elif found is None:
            vendor(section, element, {"key": key, "value": value})
        else:
            set_attribute(found, "value", value)


def _find(section: etree._Element, key: str, name: str) -> etree._Element | None:
    for element in children(section, name):
        if dialect(element) == "vmw" and attribute(element, "key") == key:
            return element
    return None


def _config(scope: Scope, key: str) -> str:
    found = (_find(section, key, "Config") for section in hardware(scope))
    return next((attribute(e, "value") for e in found if e is not None), "")
