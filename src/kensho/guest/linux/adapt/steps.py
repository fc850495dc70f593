"""The steps of a Linux adaptation, in their order.

A step reads the guest through its draft and writes to it what has to change, with a reason each; what
it cannot do it notes as a finding. The drivers come last: what other steps want in the initramfs
(``draft.early``) is added together with them.
"""

from __future__ import annotations

from collections.abc import Callable

from kensho.guest.linux.adapt.cloud_init import plan_cloud_init
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.identity import plan_identity
from kensho.guest.linux.adapt.kernels import KernelPlan, plan_kernels
from kensho.guest.linux.adapt.leftovers.display import plan_display
from kensho.guest.linux.adapt.leftovers.lvm import plan_lvm
from kensho.guest.linux.adapt.leftovers.modprobe import plan_modprobe
from kensho.guest.linux.adapt.network.step import plan_network
from kensho.guest.linux.adapt.platform_tools.agents import plan_agents
from kensho.guest.linux.adapt.platform_tools.step import plan_tools
from kensho.guest.linux.adapt.selinux import plan_labels

STEPS: tuple[Callable[[LinuxGuest], None], ...] = (
    plan_network,
    plan_modprobe,
    plan_lvm,
    plan_display,
    plan_tools,
    plan_agents,
    plan_identity,
    plan_cloud_init,
    plan_labels,  # last of these: it looks at the new files of all others
)


def adapt_linux(guest: LinuxGuest) -> tuple[KernelPlan, ...]:
    """Plan all steps; return what becomes of each kernel."""
    for step in STEPS:
        step(guest)
    return plan_kernels(guest)
