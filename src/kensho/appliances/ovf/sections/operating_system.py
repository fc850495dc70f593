"""OperatingSystemSection: DSP0243 2.1 §9.9."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree
from msgspec import field

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.parts import Message, Section, UInt16, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part
from kensho.appliances.ovf.write_xml import VMW

_VMW_OS_TYPE = f"{{{VMW}}}osType"


class OperatingSystemSection(Section, frozen=True, kw_only=True):
    """The guest: ``id`` is CIM_OperatingSystem.OsType."""

    ELEMENT: ClassVar[str] = "OperatingSystemSection"

    description: Message | None = field(default=None, name="Description")
    id: UInt16
    version: str = ""

    @property
    def vmw_os_type(self) -> str:
        """Return VMware's id of the guest, empty when it is not said."""
        return next((a.value for a in self.unknown_attributes if a.name == _VMW_OS_TYPE), "")


def read(element: etree._Element, notes: Notes | None = None) -> OperatingSystemSection:
    """Read an OperatingSystemSection."""
    return read_part(OperatingSystemSection, element, notes)


def write(section: OperatingSystemSection, version: Version) -> etree._Element:
    """Write an OperatingSystemSection."""
    return write_part(section, version)
