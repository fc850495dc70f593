"""Will this target take the package? One profile's facts, asked of one package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from kensho.appliances.ovf.elements import attribute, children, required
from kensho.appliances.ovf.resources import alternatives
from kensho.appliances.ovf.units import parse_unit
from kensho.model.units import format_bytes
from kensho.packages.validate.engine import MOST_FAULTS, cut, line_of
from kensho.packages.validate.profile import Device, Effect, Profile, Reason, Verdict
from kensho.packages.validate.questions.devices import into_mib
from kensho.packages.validate.questions.table import QUESTIONS
from kensho.packages.validate.rule import Fault, Mend, OnWriting
from kensho.packages.validate.rules import manifest
from kensho.packages.validate.rules.firmware import skip_device
from kensho.packages.validate.rules.hardware import CPU, MEMORY
from kensho.packages.validate.rules.items import put
from kensho.packages.validate.rules.networks import NICS
from kensho.packages.validate.subject import Hardware, Item, Subject

REMOVABLE = (14, 15, 16)  #: an empty drive is no loss
_FAMILY, _DEVICE, _FILES = "KF-696", "KF-697", "KF-698"
_VMX = re.compile(r"([A-Za-z][A-Za-z.]*)-0*([0-9]{1,6})(?:[.][0-9]+)?", re.ASCII)
_FORMATS = (("vmdk", "vmdk"), ("vhdx", "vhdx"), ("vhd", "vhd"), ("qcow", "qcow2"), ("iso", "iso"))


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason with where it is and how to mend it."""

    code: str
    effect: Effect
    fault: Fault
    why: str
    mend: Mend | None = None


def judge(subject: Subject, profile: Profile) -> Verdict:
    """Return the target's verdict, the gravest reasons first."""
    found = sorted(reasons(subject, profile), key=lambda f: (-_rank(f.effect), line_of(f.fault)))
    return Verdict(
        target=profile.name,
        title=profile.title,
        verdict=max((f.effect for f in found), key=_rank, default=Effect.ACCEPT),
        basis=profile.basis,
        reasons=tuple(
            Reason(
                code=f.code,
                effect=f.effect,
                message=cut(f"{f.fault.message}: {f.why}" if f.why else f.fault.message),
                line=line_of(f.fault),
                subject=f.fault.subject,
                mendable=f.mend is not None and f.effect is not Effect.ACCEPT,
            )
            for f in found
        ),
        hint=profile.hint,
    )


def reasons(subject: Subject, profile: Profile) -> Iterator[Finding]:
    """Yield everything that counts, notes (accept) too."""
    yield from _version(subject, profile)
    yield from _families(subject, profile)
    for _, _, item in subject.items():
        yield from _device(item, profile)
        yield from _memory(item, profile)
    yield from _limits(subject, profile)
    yield from _formats(subject, profile)
    yield from _digests(subject, profile)
    for name, feature in profile.features.items():
        question = QUESTIONS[name]
        for fault in islice(question.find(subject), MOST_FAULTS):
            yield Finding(question.code, feature.effect, fault, feature.why, question.mend)


def _rank(effect: Effect) -> int:
    return list(Effect).index(effect)


def _version(subject: Subject, profile: Profile) -> Iterator[Finding]:
    effect = profile.versions.get(subject.version, Effect.REFUSE)
    if effect is not Effect.ACCEPT:
        said = f"OVF {subject.version}" if subject.version else "no version of OVF known"
        converts = profile.versions.get("1") is Effect.ACCEPT and subject.version
        mend = OnWriting("the descriptor is written as OVF 1") if converts else None
        yield Finding(_FAMILY, effect, Fault(subject.root, said), "not read by it", mend)


def _families(subject: Subject, profile: Profile) -> Iterator[Finding]:
    if profile.families is None:
        return
    for system in subject.systems:
        for hardware in system.hardware[:1]:
            words = hardware.families
            if not words or any(_accepted(word, profile) for word in words):
                continue
            node = next(children(hardware.system, "VirtualSystemType"), hardware.element)
            fault = Fault(node, f"hardware family {' '.join(words)}", system.id, data=profile)
            warns = profile.other_family is Effect.ACCEPT
            why = "unknown to it, and read" if warns else f"unsupported; it takes {_taken(profile)}"
            mend = put_family if profile.family and profile.other_family is Effect.REFUSE else None
            yield Finding(_FAMILY, profile.other_family, fault, why, mend)


def _accepted(word: str, profile: Profile) -> bool:
    match = _VMX.fullmatch(word)
    for family in profile.families or ():
        if family.newest is None:
            if word.lower().startswith(family.prefix):
                return True
        elif match and match[1].lower() == family.prefix and int(match[2]) <= family.newest:
            return True
    return False


def _taken(profile: Profile) -> str:
    names = [
        f.prefix if f.newest is None else f"{f.prefix}-{f.newest:02d} and older"
        for f in profile.families or ()
    ]
    return ", ".join(names)


def put_family(subject: Subject, fault: Fault) -> str | None:
    """Write a family that the profile takes: the newest of a too new one, else its own choice.

    What a machine of a newer version has and an older one has not are devices, which are judged
    and mended by themselves.
    """
    if fault.element is None:
        return None
    before, profile = (fault.element.text or "").strip(), fault.data
    named = [m[1].lower() for m in map(_VMX.fullmatch, before.replace(",", " ").split()) if m]
    newest = [f for f in profile.families if f.newest is not None and f.prefix in named]
    after = f"{newest[0].prefix}-{newest[0].newest:02d}" if newest else profile.family
    fault.element.text = after
    del subject
    return f"hardware family {before} became {after}"


def _device(item: Item, profile: Profile) -> Iterator[Finding]:
    if profile.devices is None or item.type is None:
        return
    device = profile.devices.get(item.type)
    if device is None:
        may_go = not required(item.element)
        effect = profile.unknown_optional if may_go else profile.unknown_device
        if effect is not Effect.ACCEPT:
            why = "it is left out" if effect is Effect.LOSS else "no such device there"
            mend = skip if effect is Effect.REFUSE else None
            yield Finding(_DEVICE, effect, Fault(item.element, item.name, item.id), why, mend)
        return
    (effect, what), why = _subtype(item, device), device.why
    if effect is Effect.REFUSE and device.replacement is None and not required(item.element):
        effect, why = Effect.LOSS, f"{device.why}; it may be left out, and is"
    if effect is not Effect.ACCEPT:
        mend = None
        if effect is Effect.REFUSE:
            mend = replace if device.replacement is not None else skip
        fault = Fault(item.element, f"{item.name}{what}", item.id, data=device.replacement)
        yield Finding(_DEVICE, effect, fault, why, mend)


def _subtype(item: Item, device: Device) -> tuple[Effect, str]:
    words = alternatives(item.subtype)
    if not words:
        empty = item.type in REMOVABLE and not any(item.all("HostResource"))
        effect = max(device.effect, device.none, key=_rank)
        return (Effect.ACCEPT if empty and effect is Effect.LOSS else effect), ""
    if device.subtypes is None or any(_is_one_of(word, device.subtypes) for word in words):
        return device.effect, ""
    return max(device.effect, device.other, key=_rank), f", subtype {item.subtype!r}"


def _is_one_of(word: str, known: frozenset[str]) -> bool:
    return word in known or any(k.endswith("*") and word.startswith(k[:-1]) for k in known)


def replace(subject: Subject, fault: Fault) -> str | None:
    """Write another ResourceSubType, or take it out where there is none to write."""
    element = fault.element
    if element is None:
        return None
    if fault.data:
        put(element, "ResourceSubType", fault.data)
        return f"item {fault.subject} is {fault.data}"
    for child in list(children(element, "ResourceSubType")):
        element.remove(child)
    del subject
    return f"item {fault.subject} has no subtype"


def skip(subject: Subject, fault: Fault) -> str | None:
    """Say that the device may be left out."""
    return skip_device(subject, fault)


def _memory(item: Item, profile: Profile) -> Iterator[Finding]:
    if profile.memory_units is None or item.type != MEMORY or item.bound != "normal":
        return
    said = item.get("AllocationUnits", "VirtualQuantityUnits")
    if said not in profile.memory_units:
        fault = Fault(
            item.element,
            f"{item.name} is in {said or 'no unit'!r}",
            item.id,
            data=parse_unit(said) if said else None,
        )
        why = f"only {', '.join(sorted(profile.memory_units))} are read"
        yield Finding(_DEVICE, profile.memory_effect, fault, why, into_mib)


def _limits(subject: Subject, profile: Profile) -> Iterator[Finding]:
    for system in subject.systems:
        for hardware in system.hardware[:1]:
            for what, most in profile.limits.items():
                found, item = _amount(hardware, what)
                if item is not None and found > most:
                    shown = format_bytes if what == "memory" else str
                    fault = Fault(item.element, f"{shown(found)} {_WORDS[what]}", system.id)
                    why = f"it has at most {shown(most)} in a machine"
                    yield Finding(_DEVICE, Effect.REFUSE, fault, why)


_WORDS = {"cpus": "processors", "memory": "of memory", "nics": "adapters"}


def _amount(hardware: Hardware, what: str) -> tuple[int, Item | None]:
    """Return how much of something a machine has by default, and the item that says so."""
    items = [i for i in hardware.items if i.bound == "normal" and not i.configurations]
    if what == "nics":
        nics = [i for i in items if i.type in NICS]
        return len(nics), nics[-1] if nics else None
    wanted = CPU if what == "cpus" else MEMORY
    item = next((i for i in items if i.type == wanted), None)
    text = "" if item is None else item.get("VirtualQuantity")
    if item is None or not (text.isascii() and text.isdigit() and len(text) < 20):
        return 0, None
    unit = parse_unit(item.get("AllocationUnits")) if what == "memory" else None
    return int(text) * (unit.factor if unit else 1), item


def _formats(subject: Subject, profile: Profile) -> Iterator[Finding]:
    if profile.disk_formats is None:
        return
    for disk in subject.disks:
        uri = attribute(disk, "format").lower()
        found = next((name for word, name in _FORMATS if word in uri), "")
        if found and found not in profile.disk_formats and attribute(disk, "fileRef"):
            fault = Fault(disk, f"disk {attribute(disk, 'diskId')} is {found.upper()}")
            why = f"it takes {', '.join(sorted(f.upper() for f in profile.disk_formats))}"
            yield Finding(_FILES, Effect.REFUSE, fault, why)


def _digests(subject: Subject, profile: Profile) -> Iterator[Finding]:
    if profile.digests is None:
        return
    for algorithm in sorted(manifest.algorithms(subject) - profile.digests):
        fault = Fault(None, f"the manifest has {algorithm.upper()} digests")
        known = ", ".join(sorted(a.upper() for a in profile.digests))
        mend = OnWriting("the manifest is written new")
        yield Finding(_FILES, Effect.REFUSE, fault, f"it reads {known}", mend)
