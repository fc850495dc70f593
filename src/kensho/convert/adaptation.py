"""The adaptation of guests as a part of a plan: which files change and why, not their bytes.

A run plans it again from the disks, and does nothing when it would be another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from kensho.convert.adapting import PlannedGuest
from kensho.guest.aims import Aims
from kensho.guest.edit.backends import choose
from kensho.guest.linux.adapt.kernels import KernelPlan
from kensho.model.errors import CorruptError
from kensho.platforms import find_platform


class AdaptStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """What becomes of one file: its new ``size`` and ``sha256``, empty when it goes or is a link.

    ``editor`` is the program that changes the files of its ``volume``; ``details`` are the changes
    within the file.
    """

    machine: str
    volume: str
    path: str
    why: str
    editor: str
    size: int = 0
    sha256: str = ""
    target: str = ""
    details: tuple[str, ...] = ()


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the user wants of the guests; none of it without ``platforms``."""

    platforms: tuple[str, ...] = ()

    def aims(self, *, identity: bool) -> Aims:
        """Return it as what plans adaptations understands."""
        return Aims(tuple(map(find_platform, self.platforms)), identity=identity)


class Adaptation(msgspec.Struct, frozen=True):
    """All that is to be changed of the guests; ``kernels`` says what the kernels are given."""

    platforms: tuple[str, ...]
    steps: tuple[AdaptStep, ...]
    kernels: tuple[KernelPlan, ...]


def described(guests: Iterable[PlannedGuest], aims: Aims) -> Adaptation:
    """Return planned edits as data."""
    steps: list[AdaptStep] = []
    kernels: list[KernelPlan] = []
    for guest in guests:
        kernels += guest.plan.kernels
        for volume in guest.plan.volumes:
            editor = choose(volume.volume).name
            for edit in volume.edits:
                content = edit.content
                steps.append(
                    AdaptStep(
                        machine=guest.disks.id,
                        volume=volume.volume.id,
                        path=edit.path,
                        why=edit.why,
                        editor=editor,
                        size=len(content or b""),
                        sha256=hashlib.sha256(content).hexdigest() if content is not None else "",
                        target=edit.target,
                        details=edit.details,
                    )
                )
    return Adaptation(tuple(p.name for p in aims.platforms), tuple(steps), tuple(kernels))


def demand_same(planned: Adaptation, now: Adaptation, source: str) -> None:
    """Raise CorruptError, naming the first file, unless what is to be changed is what was planned."""
    if planned == now:
        return
    known = set(planned.steps)
    odd = next((s for s in now.steps if s not in known), None)
    raise CorruptError(
        "the guest is to be changed in another way than was planned"
        + (f": {odd.path}" if odd is not None else ""),
        path=source,
        hint="make the plan again, with this version of kensho",
    )
