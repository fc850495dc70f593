"""What a step of a Linux adaptation is given."""

from __future__ import annotations

from dataclasses import dataclass

from kensho.guest.aims import Aims
from kensho.guest.edit.draft import Draft
from kensho.guest.inspect.systems import Opened, System


@dataclass(frozen=True, slots=True)
class LinuxGuest:
    """A Linux on a machine's volumes, what is wanted of it, and the draft to write changes to."""

    system: System
    opened: Opened
    aims: Aims
    draft: Draft
