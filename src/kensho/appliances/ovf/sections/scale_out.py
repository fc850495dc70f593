"""ScaleOutSection: DSP0243 2.1 §9.14."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Message, Part, Section, UInt32


class InstanceCount(Part, frozen=True, kw_only=True):
    """How many copies there may be, and are by default."""

    ELEMENT: ClassVar[str] = "InstanceCount"

    minimum: UInt32 = 1
    default: UInt32
    maximum: UInt32 | None = None
    configuration: str = ""


class ScaleOutSection(Section, frozen=True, kw_only=True):
    """How many copies of the entity a collection has, in OVF 2."""

    ELEMENT: ClassVar[str] = "ScaleOutSection"
    ONLY_2: ClassVar[bool] = True

    description: Message | None = field(default=None, name="Description")
    counts: tuple[InstanceCount, ...] = ()
    id: str
