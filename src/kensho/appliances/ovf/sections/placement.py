"""PlacementSection: DSP0243 2.1 §9.15."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.parts import Section, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part


class PlacementSection(Section, frozen=True, kw_only=True):
    """The placement group a machine or collection is in, in OVF 2."""

    ELEMENT: ClassVar[str] = "PlacementSection"
    ONLY_2: ClassVar[bool] = True

    group: str


def read(element: etree._Element, notes: Notes | None = None) -> PlacementSection:
    """Read a PlacementSection."""
    return read_part(PlacementSection, element, notes)


def write(section: PlacementSection, version: Version) -> etree._Element:
    """Write a PlacementSection."""
    return write_part(section, version)
