"""PlacementGroupSection: DSP0243 2.1 §9.15."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree
from msgspec import field

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.parts import Message, Section, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part


class PlacementGroupSection(Section, frozen=True, kw_only=True):
    """A group of machines to be placed by a policy (``affinity``, ``availability``), in OVF 2."""

    ELEMENT: ClassVar[str] = "PlacementGroupSection"
    ONLY_2: ClassVar[bool] = True

    description: Message | None = field(default=None, name="Description")
    id: str
    policy: str


def read(element: etree._Element, notes: Notes | None = None) -> PlacementGroupSection:
    """Read a PlacementGroupSection."""
    return read_part(PlacementGroupSection, element, notes)


def write(section: PlacementGroupSection, version: Version) -> etree._Element:
    """Write a PlacementGroupSection."""
    return write_part(section, version)
