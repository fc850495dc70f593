"""InstallSection: DSP0243 2.1 §9.10."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Section, UInt16


class InstallSection(Section, frozen=True, kw_only=True):
    """The machine installs itself at its first boot, then powers off."""

    ELEMENT: ClassVar[str] = "InstallSection"

    initial_boot_stop_delay: UInt16 = field(name="initialBootStopDelay")  #: seconds; 0: for ever
