"""How disks are written, shared, cached, limited and encrypted by their hypervisor."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import Disk
from kensho.model.units import format_bytes


def check(journey: Journey) -> Iterator[Finding]:
    """Find modes of disks that the target's files do not say."""
    for before, after in journey.machines():
        new = {d.id: d for d in after.disks}
        for disk in before.disks:
            yield from _modes(disk, new.get(disk.id))


def _modes(old: Disk, new: Disk | None) -> Iterator[Finding]:
    if new is None:
        return
    name = old.name or old.id
    if old.shared and not new.shared:
        yield warning("KF-324", "the disk is shared between machines", name, "made a plain disk")
    fields = {"independent": "independent", "read_only": "read-only", "solid_state": "SSD"}
    lost = [w for field, w in fields.items() if getattr(old, field) and not getattr(new, field)]
    if lost:
        yield note("KF-325", f"{' and '.join(lost)} mode is not carried over", name)
    if old.nonpersistent and not new.nonpersistent:
        yield warning(
            "KF-415",
            "the source throws away what is written to the disk; the target keeps it",
            name,
            "take a snapshot there to go back to",
        )
    limits = [
        *([f"{old.iops} operations"] if old.iops and not new.iops else []),
        *([format_bytes(old.bandwidth)] if old.bandwidth and not new.bandwidth else []),
    ]
    if limits:
        yield note(
            "KF-416",
            f"a limit of {' and '.join(limits)} per second is not carried over",
            name,
            "set it after the import",
        )
    if old.cache and not new.cache:
        yield note(
            "KF-417",
            f"the cache mode {old.cache!r} is not carried over",
            name,
            "the target's default holds; a mode that ignores flushes would be unsafe anyway"
            if old.cache == "unsafe"
            else "the target's default holds",
        )
    if old.encrypted and not new.encrypted:
        yield warning(
            "KF-418",
            "the disk was encrypted where it comes from; the result is not",
            name,
            "encrypt the storage it goes to",
        )
