"""PlacementSection: DSP0243 2.1 §9.15."""

from __future__ import annotations

from typing import ClassVar

from kensho.appliances.ovf.sections.parts import Section


class PlacementSection(Section, frozen=True, kw_only=True):
    """The placement group a machine or collection is in, in OVF 2."""

    ELEMENT: ClassVar[str] = "PlacementSection"
    ONLY_2: ClassVar[bool] = True

    group: str
