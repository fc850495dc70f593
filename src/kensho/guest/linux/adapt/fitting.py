"""What becomes of the kernels' initramfs where there is little room, as on a full /boot.

Measured before anything is written. What does not fit is packed more tightly, then made for fewer
controllers, then left out for the older kernels that are not started by default; each is said. What never fits is refused by who
plans the whole, with the bytes that are lacking.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from kensho.guest.edit.placing import by_volume, rooms
from kensho.guest.edit.room import Room
from kensho.guest.linux.adapt.boot.default import default_version
from kensho.guest.linux.adapt.drivers import Enlarged, enlarge
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.initramfs.image import Initramfs
from kensho.guest.linux.kernels import MAX_INITRAMFS, Found, load_initramfs
from kensho.guest.linux.verdict import Kernel
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity
from kensho.model.machine import ControllerModel

#: What packs a kernel's modules best comes first; all of them are older than the kernels met.
_TIGHTEST = ("xz", "zstd", "gzip")
_MOST_CONFIG = 4 << 20
_REMEDY = "make room there, or remove kernels the guest no longer needs, and adapt it again"


@dataclass(slots=True)
class Job:
    """A kernel whose initramfs is enlarged; ``result`` as planned last, None when it is left.

    ``maker``, ``codec`` and ``networked`` are what is asked of that initramfs later. It is not kept itself:
    unpacked, those of a guest's kernels are gigabytes.
    """

    found: Found
    kernel: Kernel
    maker: str
    codec: str | None
    networked: bool
    early: dict[str, bytes] = field(default_factory=dict)
    result: Enlarged | None = None

    def plan(
        self,
        guest: LinuxGuest,
        models: Sequence[ControllerModel],
        packing: str = "",
        initramfs: Initramfs | None = None,
    ) -> Enlarged:
        """Plan it, and put it into the draft in the place of what was planned before.

        ``initramfs`` is what the kernel has now, read again where it is not given.
        """
        if self.result is not None:
            self.forget(guest)
        files, found = guest.system.files, self.found
        self.result = enlarge(
            files, self.kernel, found.modules, found.initramfs,
            initramfs or load_initramfs(files, found), models, self.early, packing, guest.aims.adapters,
        )  # fmt: skip
        if self.result.edit:
            guest.draft.take(self.result.edit)
        return self.result

    def forget(self, guest: LinuxGuest) -> None:
        """Take what was planned out of the draft."""
        before = guest.system.files.read(self.found.initramfs, MAX_INITRAMFS)
        guest.draft.write(self.found.initramfs, before, "as it is")
        self.result = None


def fit(guest: LinuxGuest, jobs: Sequence[Job]) -> tuple[ControllerModel, ...]:
    """Make what was planned for the kernels fit where it can be made to.

    Return the controllers that are provided for: their drivers are what the guest's own maker of the
    initramfs has room for, too. Raises what reading the files raises.
    """
    models = guest.aims.controllers
    short = lacking(guest)
    small = sorted((job for job in jobs if _on(guest, job, short)), key=_age)
    if not small:
        return models
    first = default_version(guest)  # the kernel that has to start is the last to be left out
    small.sort(key=lambda job: job.found.version == first)
    where = ", ".join(short)
    for job in small:
        job.plan(guest, models, _packing(guest, job))
    if not lacking(guest):
        what = f"there is little room on {where}: what is added to the initramfs is packed tightly"
        guest.draft.note("KF-843", Severity.NOTE, what, "done")
        return models
    chosen = guest.aims.chosen_controllers or models
    missed = sum(room.lacking for room in lacking(guest).values())
    others = ", ".join(model.value for model in models if model not in chosen)
    if others:
        for job in small:
            job.plan(guest, chosen, _packing(guest, job))
        what = (
            f"{missed} bytes are lacking on {where} for all drivers: the initramfs has those of the "
            f"controllers that kensho convert chooses, and not those of {others}"
        )
        guest.draft.note("KF-844", Severity.WARNING, what, _REMEDY)
    while len(small) > 1 and (short := lacking(guest)):
        job = small.pop(0)
        job.forget(guest)
        missed = sum(room.lacking for room in short.values())
        what = (
            f"kernel {job.found.version} cannot be adapted: {missed} bytes are lacking on {where}"
        )
        guest.draft.note("KF-845", Severity.WARNING, what, f"left as it is; {_REMEDY}")
    return chosen


def lacking(guest: LinuxGuest) -> dict[str, Room]:
    """Return the volumes, by id, that what is planned does not fit on."""
    placed = by_volume(guest.opened, [(guest.draft.files, guest.draft.edits)])
    return {volume.id: room for volume, room in rooms(placed) if room.lacking}


def _on(guest: LinuxGuest, job: Job, volumes: dict[str, Room]) -> bool:
    files, _ = guest.system.files.mount_of(guest.system.files.real(job.found.initramfs))
    changed = job.result is not None and job.result.edit is not None
    return changed and any(guest.opened.systems.get(volume) is files for volume in volumes)


def _packing(guest: LinuxGuest, job: Job) -> str:
    """Return the codec that packs best of those the kernel reads by its own configuration."""
    own = job.codec
    if own == "lz4":
        return own  # what follows lz4 has to be lz4, too: see `with_overlay`
    readable = {own}
    for path in (f"/boot/config-{job.found.version}", f"{job.found.modules}/config"):
        try:
            text = guest.system.files.read(path, _MOST_CONFIG).decode("ascii", "replace")
        except KenshoError:
            continue
        readable |= {codec for codec in _TIGHTEST if f"CONFIG_RD_{codec.upper()}=y\n" in text}
    return next((codec for codec in _TIGHTEST if codec in readable), "")


def _age(job: Job) -> list[tuple[int, str]]:
    """Sort versions as people do: 6.1.0-9 is before 6.1.0-10."""
    return [
        (int(part) if part.isdigit() else -1, part)
        for part in re.split(r"(\d+)", job.found.version)
        if part
    ]
