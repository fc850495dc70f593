"""DeploymentOptionSection: DSP0243 2.1 §9.8."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree
from msgspec import field

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.parts import Message, Part, Section, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part


class Configuration(Part, frozen=True, kw_only=True):
    """A named choice of items and property values."""

    ELEMENT: ClassVar[str] = "Configuration"

    label: Message = field(name="Label")
    description: Message = field(name="Description")
    id: str
    default: bool = False


class DeploymentOptionSection(Section, frozen=True, kw_only=True):
    """The configurations to choose from; the first is the default when none says so."""

    ELEMENT: ClassVar[str] = "DeploymentOptionSection"

    configurations: tuple[Configuration, ...] = ()


def read(element: etree._Element, notes: Notes | None = None) -> DeploymentOptionSection:
    """Read a DeploymentOptionSection."""
    return read_part(DeploymentOptionSection, element, notes)


def write(section: DeploymentOptionSection, version: Version) -> etree._Element:
    """Write a DeploymentOptionSection."""
    return write_part(section, version)
