"""EulaSection: DSP0243 2.1 §9.6."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree
from msgspec import field

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.parts import Message, Section, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part


class EulaSection(Section, frozen=True, kw_only=True):
    """A licence agreement, to be accepted when the package is deployed."""

    ELEMENT: ClassVar[str] = "EulaSection"

    license: Message = field(name="License")


def read(element: etree._Element, notes: Notes | None = None) -> EulaSection:
    """Read an EulaSection."""
    return read_part(EulaSection, element, notes)


def write(section: EulaSection, version: Version) -> etree._Element:
    """Write an EulaSection."""
    return write_part(section, version)
