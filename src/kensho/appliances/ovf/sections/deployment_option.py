"""DeploymentOptionSection: DSP0243 2.1 §9.8."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Message, Part, Section


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
