"""The steps of a Linux adaptation, in their order.

A step reads the guest through its draft and writes to it what has to change, with a reason each; what
it cannot do it notes as a finding. The drivers come last: what other steps want in the initramfs
(``draft.early``) is added together with them.
"""

from __future__ import annotations

from collections.abc import Callable

from kensho.guest.linux.adapt.boot.consoles import plan_consoles
from kensho.guest.linux.adapt.boot.crypttab import plan_crypttab
from kensho.guest.linux.adapt.boot.default import check_default
from kensho.guest.linux.adapt.boot.fallback import plan_fallback
from kensho.guest.linux.adapt.boot.fstab import plan_fstab
from kensho.guest.linux.adapt.boot.grub import plan_grub
from kensho.guest.linux.adapt.boot.loaders import plan_loaders
from kensho.guest.linux.adapt.boot.mdadm import plan_mdadm
from kensho.guest.linux.adapt.boot.resume import plan_resume
from kensho.guest.linux.adapt.boot.units import plan_units
from kensho.guest.linux.adapt.boot.unknown import plan_unknown
from kensho.guest.linux.adapt.cloud_init import plan_cloud_init
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.identity import plan_identity
from kensho.guest.linux.adapt.kernel_plan import KernelPlan
from kensho.guest.linux.adapt.kernels import plan_kernels
from kensho.guest.linux.adapt.leftovers.display import plan_display
from kensho.guest.linux.adapt.leftovers.lvm import plan_lvm
from kensho.guest.linux.adapt.leftovers.modprobe import plan_modprobe
from kensho.guest.linux.adapt.network.step import plan_network
from kensho.guest.linux.adapt.platform_tools.agents import plan_agents
from kensho.guest.linux.adapt.platform_tools.step import plan_tools
from kensho.guest.linux.adapt.selinux import plan_labels

STEPS: tuple[Callable[[LinuxGuest], None], ...] = (
    # Who names devices first: what they meant is told from the guest as it was.
    plan_fstab,
    plan_crypttab,
    plan_units,
    plan_mdadm,
    plan_resume,
    plan_loaders,
    plan_grub,  # settings of GRUB 2 after what they are about
    plan_fallback,
    plan_consoles,
    plan_unknown,
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
    plans = plan_kernels(guest)
    check_default(guest, plans)
    return plans
