"""AnnotationSection: DSP0243 2.1 §9.4."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Message, Section


class AnnotationSection(Section, frozen=True, kw_only=True):
    """A note for people."""

    ELEMENT: ClassVar[str] = "AnnotationSection"

    annotation: Message = field(name="Annotation")
