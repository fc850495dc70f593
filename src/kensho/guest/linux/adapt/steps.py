"""The steps of a Linux adaptation, in their order.

A step reads the guest through its draft and writes to it what has to change, with a reason each; what
it cannot do it notes as a finding. The drivers come last: what other steps want in the initramfs
(``draft.early``) is added together with them.
"""

from __future__ import annotations

from collections.abc import Callable

from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.kernels import KernelPlan, plan_kernels
from kensho.guest.linux.adapt.network.step import plan_network

STEPS: tuple[Callable[[LinuxGuest], None], ...] = (plan_network,)


def adapt_linux(guest: LinuxGuest) -> tuple[KernelPlan, ...]:
    """Plan all steps; return what becomes of each kernel."""
    for step in STEPS:
        step(guest)
    return plan_kernels(guest)
