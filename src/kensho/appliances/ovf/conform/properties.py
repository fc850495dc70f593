"""Properties that one version, or the schema's limits, do not allow."""

from __future__ import annotations

import msgspec

from kensho.appliances.ovf.conform.walk import changed, without
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.envelope import Envelope
from kensho.appliances.ovf.sections.items import AnyItem
from kensho.appliances.ovf.sections.parts import OVF, Part, UnknownAttribute, Version
from kensho.appliances.ovf.sections.plan import plan_of
from kensho.appliances.ovf.sections.system import System
from kensho.model.finding import Severity

_MOST_CAPTION = 64  #: CIM_ManagedElement.Caption
_VERSION = f"{{{OVF}}}version"


def with_properties_of(envelope: Envelope, version: Version, notes: Notes) -> Envelope:
    """Return the model without properties that ``version`` lacks, captions cut to what is allowed."""

    def change(part: Part) -> Part:
        if version == 1:
            part = _without_new(part, notes)
        if isinstance(part, (AnyItem, System)):
            part = _short(part, notes)
        return part

    # VirtualBox says the version in an attribute of its own making.
    attributes = tuple(
        UnknownAttribute(a.name, f"{version}.0", a.prefix) if a.name == _VERSION else a
        for a in envelope.unknown_attributes
    )
    envelope = msgspec.structs.replace(envelope, unknown_attributes=attributes)
    return changed(envelope, change)


def _without_new(part: Part, notes: Notes) -> Part:
    lost = {
        slot.field: slot
        for slot in plan_of(type(part)).slots
        if slot.since_2 and getattr(part, slot.field) != slot.default
    }
    if not lost:
        return part
    names = ", ".join("".join(slot.parts) or slot.name for slot in lost.values())
    name = next(
        (str(getattr(part, f)) for f in ("instance_id", "name", "key") if hasattr(part, f)), ""
    )
    notes.add(
        "KF-725",
        Severity.WARNING,
        f"{type(part).ELEMENT} of OVF 1 cannot say {names}",
        subject=name,
        action="left out",
    )
    return msgspec.structs.replace(
        part,
        **{field: slot.default for field, slot in lost.items()},
        unknown_attributes=without(part.unknown_attributes, (s.name for s in lost.values())),
    )


def _short(part: Part, notes: Notes) -> Part:
    caption: str = getattr(part, "caption", "")
    if len(caption) <= _MOST_CAPTION:
        return part
    notes.add(
        "KF-724",
        Severity.NOTE,
        f"a Caption has {len(caption)} characters; CIM allows {_MOST_CAPTION}",
        subject=str(getattr(part, "instance_id", "")),
        action="cut",
    )
    name = getattr(part, "element_name", "") or caption
    return msgspec.structs.replace(part, caption=caption[:_MOST_CAPTION], element_name=name)
