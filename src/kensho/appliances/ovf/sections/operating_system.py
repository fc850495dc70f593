"""OperatingSystemSection: DSP0243 2.1 §9.9."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Message, Section, UInt16
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
