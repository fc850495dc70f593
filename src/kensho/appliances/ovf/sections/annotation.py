"""AnnotationSection: DSP0243 2.1 §9.4."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree
from msgspec import field

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.parts import Message, Section, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part


class AnnotationSection(Section, frozen=True, kw_only=True):
    """A note for people."""

    ELEMENT: ClassVar[str] = "AnnotationSection"

    annotation: Message = field(name="Annotation")


def read(element: etree._Element, notes: Notes | None = None) -> AnnotationSection:
    """Read an AnnotationSection."""
    return read_part(AnnotationSection, element, notes)


def write(section: AnnotationSection, version: Version) -> etree._Element:
    """Write an AnnotationSection."""
    return write_part(section, version)
