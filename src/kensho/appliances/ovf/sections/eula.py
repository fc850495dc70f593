"""EulaSection: DSP0243 2.1 §9.6."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Message, Section


class EulaSection(Section, frozen=True, kw_only=True):
    """A licence agreement, to be accepted when the package is deployed."""

    ELEMENT: ClassVar[str] = "EulaSection"

    license: Message = field(name="License")
