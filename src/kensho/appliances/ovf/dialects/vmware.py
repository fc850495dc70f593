"""VMware: vmw:Config and vmw:ExtraConfig of the hardware, vmw:BootOrderSection.

Namespace ``http://www.vmware.com/schema/ovf``.
"""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children, dialect, section_kind

#: Keys that the neutral model takes up; all others are kept word for word.
TAKEN = frozenset(
    {
        *("firmware", "bootoptions.efisecurebootenabled", "nestedhvenabled"),
        *("cpuhotaddenabled", "memoryhotaddenabled", "cpuid.corespersocket", "nvram"),
    }
)


def read_config(section: etree._Element) -> dict[str, str]:
    """Return a hardware section's vmw:Config and vmw:ExtraConfig by key in lower case.

    Where both have a key, vmw:Config counts.
    """
    config: dict[str, str] = {}
    for name in ("Config", "ExtraConfig"):
        for element in children(section, name):
            key = attribute(element, "key").lower()
            if is_config(element) and key:
                config.setdefault(key, attribute(element, "value"))
    return config


def is_config(element: etree._Element) -> bool:
    """Tell whether the element is VMware's, not another vendor's of the same name."""
    return dialect(element) == "vmw"


def is_taken(element: etree._Element) -> bool:
    """Tell whether the neutral model has what a vmw:Config says."""
    return is_config(element) and attribute(element, "key").lower() in TAKEN


def read_boot_order(system: etree._Element) -> Sequence[str]:
    """Return the InstanceIDs of vmw:BootOrderSection, first to be tried first."""
    return [
        attribute(section, "instanceId")
        for section in children(system)
        if section_kind(section) == "BootOrderSection" and attribute(section, "instanceId")
    ]
