"""What becomes of a kernel, as data."""

from __future__ import annotations

import msgspec

from kensho.model.machine import ControllerModel


class KernelPlan(msgspec.Struct, frozen=True):
    """What becomes of one kernel: modules added to its initramfs, controllers it cannot drive.

    ``initramfs`` is empty for a kernel that is started without one.
    """

    root: str
    version: str
    initramfs: str
    added: tuple[str, ...] = ()
    missing: tuple[ControllerModel, ...] = ()
