"""The planner's rules: each file looks for one kind of change, the table is the whole list.

A rule is a function from a `Journey` to findings. It reads data only, so adding one is a file
and a line here, with its codes explained in docs/findings.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kensho.convert.rules import (
    addresses,
    boot,
    clouds,
    cpu,
    deployment,
    disk_modes,
    disk_order,
    disks,
    drivers,
    extras,
    firmware,
    host_side,
    hyperv,
    identity,
    kubevirt,
    licences,
    machines,
    memory,
    nics,
    other_devices,
    proofs,
    space,
    vagrant,
)
from kensho.convert.rules.journey import ImageFacts, Journey
from kensho.model.finding import Finding
from kensho.platforms import IMAGES

Rule = Callable[[Journey], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    machines.check,
    firmware.check,
    hyperv.check,
    cpu.check,
    memory.check,
    disks.check,
    disk_modes.check,
    disk_order.check,
    boot.check,
    nics.check,
    addresses.check,
    other_devices.check,
    host_side.check,
    drivers.check,
    clouds.check,
    kubevirt.check,
    deployment.check,
    licences.check,
    identity.check,
    extras.check,
    vagrant.check,
    proofs.check,
    space.check,
)
#: Those about an image of files: no device of the machine is in it, which KF-512 says once.
RULES_OF_IMAGES: tuple[Rule, ...] = (
    machines.check,
    disks.check,
    deployment.check,
    licences.check,
    extras.check,
    proofs.check,
    space.check,
)


def check_all(journey: Journey) -> tuple[Finding, ...]:
    """Run every rule and return what they found, in the order of the table."""
    rules = RULES_OF_IMAGES if journey.platform in IMAGES else RULES
    return tuple(finding for rule in rules for finding in rule(journey))


__all__ = ["RULES", "ImageFacts", "Journey", "check_all"]
