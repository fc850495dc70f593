"""The way back: what a note says of a machine's origin, brought together with the machine as it is.

Three versions of every fact: as the first source had it, as kensho wrote it, as it is read now.
What is now as it was written was changed by nobody, and the source's word counts; what was changed
on the way counts as it is. So a machine that comes home is what it was, with the changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from kensho.convert.returning_devices import Log, merge_drives, merge_nics, merged, three_way
from kensho.model.appliance import Appliance, Provenance
from kensho.model.finding import Finding, Severity
from kensho.model.machine import ControllerModel, Extra, Machine
from kensho.platforms import PLATFORMS
from kensho.platforms.base import DevicePolicy, Platform

_LISTED = 12
_PORTABLE = "ova"
_NO_CDS = frozenset({ControllerModel.NVME, ControllerModel.VIRTIO_BLK, ControllerModel.PVSCSI})
#: Readers that are called neither like a platform nor like one of its forms.
_KINDS = {"oci": "kubevirt"}
_STRUCTS = ("cpu", "memory", "firmware")
#: Paired one by one, kept as they are now, or (snapshots) not to be had again.
_NOT_WHOLE = frozenset(
    {*_STRUCTS, "id", "controllers", "drives", "nics", "extras", "hardware_sections", "ranges"}
    | {"snapshots"}
)
_WHOLE = tuple(f for f in Machine.__struct_fields__ if f not in _NOT_WHOLE)
_OF_ALL = ("name", "networks", "products", "eulas", "annotation", "start_order")


@dataclass(frozen=True, slots=True)
class Returned:
    """A source with its note taken in.

    ``basis`` is what to map: the machine as it was, where it ``home``s, else as it is now, with all
    extras. ``first`` is the merged source, for the next note; ``kind`` and ``platform`` are its.
    """

    basis: Appliance
    first: Appliance
    kind: str
    platform: str
    home: bool
    findings: tuple[Finding, ...] = ()


def take_note(now: Appliance, kind: str, platform: Platform) -> Returned:
    """Bring an appliance together with the note it has, if it has one that is about it.

    ``kind`` is the reader it came by, ``platform`` where it is to go.
    """
    origin, now = now.origin, msgspec.structs.replace(now, origin=None)
    if origin is None:
        return Returned(now, now, kind, family_of(now, kind), home=False)
    pairs = [(m, _same_machine(m, now, origin)) for m in now.machines]
    if not any(old for _, old in pairs):
        found = (_mismatch(now, origin),)
        return Returned(now, now, kind, family_of(now, kind), home=False, findings=found)
    log = Log()
    sources = {m.id: m for m in origin.source.machines}
    alike: list[Machine] = []
    first: list[Machine] = []
    renamed: dict[str, str] = {}
    for machine, old in pairs:
        source = sources.get(old.id) if old is not None else None
        if old is None or source is None:
            alike.append(machine)
            first.append(machine)
            continue
        renamed[old.id] = machine.id
        same, both = _merge_machine(machine, old, source, (now, origin.written), log)
        alike.append(same)
        first.append(both)
    start = [
        tuple(msgspec.structs.replace(i, machine=renamed.get(i.machine, i.machine)) for i in order)
        for order in (origin.written.start_order, origin.source.start_order)
    ]
    together = merged(
        now,
        msgspec.structs.replace(origin.written, start_order=start[0]),
        msgspec.structs.replace(origin.source, start_order=start[1]),
        _OF_ALL,
        "",
        log,
    )
    extras = merge_extras(now.extras, origin.written.extras, origin.source.extras)
    whole = msgspec.structs.replace(together, machines=tuple(first), extras=extras)
    home = origin.platform == platform.name
    basis = whole
    if not home:
        basis = msgspec.structs.replace(now, machines=tuple(alike), extras=extras)
    findings = tuple(_report(origin, log, platform, home=home))
    return Returned(basis, whole, origin.kind, origin.platform, home=home, findings=findings)


def without_note(now: Appliance, kind: str) -> Returned:
    """Return a source whose note cannot be followed: what it tells of has no room at home."""
    now = msgspec.structs.replace(now, origin=None)
    finding = Finding(
        "KF-451",
        Severity.WARNING,
        "the note tells of drives that the platform has no room for",
        now.name,
        "ignored; the machine is converted as it is",
    )
    return Returned(now, now, kind, family_of(now, kind), home=False, findings=(finding,))


def home_policy(platform: Platform) -> DevicePolicy:
    """Return the policy for a machine that comes home: all that the platform has stays as it is."""
    all_there_are = frozenset(c.model for c in platform.controllers)
    policies = (platform.native, platform.compatible, *platform.guests.values())
    return msgspec.structs.replace(
        platform.compatible,
        keep=all_there_are,
        keep_cds=all_there_are - _NO_CDS,
        keep_nics=frozenset().union(*(p.keep_nics for p in policies)),
    )


def at_home(moved: Machine, machine: Machine) -> Machine:
    """Return a machine mapped home with what mapping takes away from any other.

    That is the version of the hardware, memory to the byte, and PCI slots, where the device is what it
    was.
    """
    nics = {nic.id: nic for nic in machine.nics}
    controllers = {(c.model, c.index): c for c in machine.controllers}
    change = msgspec.structs.replace
    return change(
        moved,
        hardware_versions=moved.hardware_versions or machine.hardware_versions,
        memory=change(moved.memory, size=machine.memory.size),
        nics=tuple(
            change(n, pci_slot=nics[n.id].pci_slot)
            if n.id in nics and n.model is nics[n.id].model
            else n
            for n in moved.nics
        ),
        controllers=tuple(
            change(c, pci_slot=old.pci_slot)
            if (old := controllers.get((c.model, c.index))) is not None
            else c
            for c in moved.controllers
        ),
    )


def family_of(appliance: Appliance, kind: str) -> str:
    """Return the name of the platform whose words an appliance is in; empty when nobody's."""
    words = [w.lower() for m in appliance.machines for v in m.hardware_versions for w in v.split()]
    own = [p for p in PLATFORMS if p.name != _PORTABLE]
    named = {p.name for p in own if {p.name, *p.aliases} & set(words)}
    spoken = {p.name for p in own if any(word.startswith(p.hardware[:1]) for word in words)}
    found = named or spoken
    if len(found) == 1:
        return found.pop()
    if kind in {"ova", "ovf"}:
        return _PORTABLE if found else ""
    kind = _KINDS.get(kind, kind)
    by_kind = [p.name for p in PLATFORMS if kind in {p.name, *p.aliases} or p.form(kind)]
    return by_kind[0] if len(by_kind) == 1 else ""


def _same_machine(machine: Machine, now: Appliance, origin: Provenance) -> Machine | None:
    """Return the machine of the note that this one was written as, None when there is none."""
    for old in origin.written.machines:
        named = machine.name == old.name
        known = machine.uuid is not None and machine.uuid == old.uuid
        if (named or known) and _shares_disk(machine, now, old, origin.written):
            return old
    return None


def _shares_disk(machine: Machine, now: Appliance, old: Machine, written: Appliance) -> bool:
    before = {disk_file(written, disk.image) for disk in old.disks}
    after = {disk_file(now, disk.image) for disk in machine.disks}
    return bool(before & after) or not (before and after)


def disk_file(appliance: Appliance, image_id: str) -> str:
    """Return the name of the file that an image is in, without its folder."""
    image = appliance.image(image_id)
    file = appliance.file(image.file) if image is not None else None
    return image_id if file is None else file.href.replace("\\", "/").rpartition("/")[2]


def _merge_machine(
    now: Machine, old: Machine, source: Machine, of: tuple[Appliance, Appliance], log: Log
) -> tuple[Machine, Machine]:
    """Return the machine as it is with its source's ids, and the merged one."""
    subject = f"{now.name}: " if len(of[0].machines) > 1 else ""
    files = (
        {d.id: disk_file(of[0], d.image) for d in now.disks},
        {d.id: disk_file(of[1], d.image) for d in old.disks},
    )
    drives = merge_drives(now, old, source, files, subject, log)
    nics = merge_nics(now.nics, old.nics, source.nics, subject, log)
    whole = merged(now, old, source, _WHOLE, subject, log)
    parts = {
        name: merged(
            getattr(now, name),
            getattr(old, name),
            getattr(source, name),
            tuple(f for f in getattr(now, name).__struct_fields__ if f != "nvram"),
            f"{subject}{name}.",
            log,
        )
        for name in _STRUCTS
    }
    extras = merge_extras(now.extras, old.extras, source.extras)
    alike = msgspec.structs.replace(
        now,
        controllers=drives.now_controllers,
        drives=drives.now,
        nics=nics.now,
        extras=extras,
    )
    whole = msgspec.structs.replace(
        whole,
        controllers=drives.controllers,
        drives=drives.merged,
        nics=nics.merged,
        extras=extras,
        **parts,
    )
    return alike, whole


def merge_extras(
    now: Iterable[Extra], written: Iterable[Extra], source: Iterable[Extra]
) -> tuple[Extra, ...]:
    """Return the source's extras with what was added, changed or removed since they were written.

    A written one without text stands for any text.
    """
    present, old, first = (_by_place(extras) for extras in (now, written, source))
    result: list[Extra] = []
    for place in dict.fromkeys([*first, *present]):
        here, was = present.get(place, ()), old.get(place, ())
        same = here == was or (
            bool(here) and len(here) == len(was) and not any(e.text for e in was)
        )
        result.extend(three_way(here, here if same else was, first.get(place, ())))
    return tuple(result)


def _by_place(extras: Iterable[Extra]) -> dict[tuple[str, str], tuple[Extra, ...]]:
    found: dict[tuple[str, str], list[Extra]] = {}
    for extra in extras:
        found.setdefault((extra.dialect, extra.where), []).append(extra)
    return {place: tuple(some) for place, some in found.items()}


def _mismatch(now: Appliance, origin: Provenance) -> Finding:
    names = ", ".join(m.name for m in origin.written.machines) or "none"
    return Finding(
        "KF-451",
        Severity.WARNING,
        f"the note of where the machine came from is about another one: {names[:200]}",
        now.name,
        "ignored; remove the note if it does not belong here",
    )


def _report(origin: Provenance, log: Log, platform: Platform, *, home: bool) -> Iterable[Finding]:
    came = origin.kind + (f" ({origin.platform})" if origin.platform else "")
    if not home:
        yield Finding(
            "KF-450",
            Severity.NOTE,
            f"a note says that the machine came from {came}",
            origin.source.name,
            "what was in the source travels on with the result",
        )
        return
    back = _listed(log.back)
    yield Finding(
        "KF-450",
        Severity.NOTE,
        f"the machine comes back to {platform.title}, from where a note says it came",
        origin.source.name,
        f"as it was there: {back}" if back else "nothing was changed by the journey",
    )
    if log.changed:
        yield Finding(
            "KF-453",
            Severity.NOTE,
            f"changed since the machine left: {_listed(log.changed)}",
            origin.source.name,
            "taken as it is now, not as it was",
        )


def _listed(words: list[str]) -> str:
    unique = list(dict.fromkeys(words))
    more = f" and {len(unique) - _LISTED} more" if len(unique) > _LISTED else ""
    return ", ".join(unique[:_LISTED]) + more
