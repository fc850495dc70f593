"""PlacementGroupSection: DSP0243 2.1 §9.15."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Message, Section


class PlacementGroupSection(Section, frozen=True, kw_only=True):
    """A group of machines to be placed by a policy (``affinity``, ``availability``), in OVF 2."""

    ELEMENT: ClassVar[str] = "PlacementGroupSection"
    ONLY_2: ClassVar[bool] = True

    description: Message | None = field(default=None, name="Description")
    id: str
    policy: str
