"""Names of files and of disks in items, as the standard spells them: DSP0243 2.1 §7.2, §8.2."""

from __future__ import annotations

import re

import msgspec

from kensho.appliances.ovf.conform.walk import changed
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.envelope import Envelope
from kensho.appliances.ovf.sections.items import AnyItem
from kensho.appliances.ovf.sections.parts import Part
from kensho.appliances.ovf.sections.references import File
from kensho.model.finding import Severity

#: ``disk/id`` of OVF 0.9, ``/disk/id`` of VirtualBox, ``ovf://disk/id`` of OVF 1.0.
_OLD_HOST = re.compile(r"(?:ovf:)?/{0,2}(disk|file)/(?=.)")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def with_names_of_files(envelope: Envelope, notes: Notes) -> Envelope:
    """Return the model with hrefs that are URIs and hosts as in ``ovf:/disk/id``."""

    def change(part: Part) -> Part:
        if isinstance(part, File):
            href = _BARE_PERCENT.sub("%25", part.href)
            return part if href == part.href else _with(part, notes, part.href, href=href)
        hosts = getattr(part, "host_resource", ()) if isinstance(part, AnyItem) else ()
        new = tuple(_OLD_HOST.sub(r"ovf:/\1/", host, count=1) for host in hosts)
        new = tuple(n if _OLD_HOST.match(h) else h for n, h in zip(new, hosts, strict=True))
        return part if new == hosts else _with(part, notes, ", ".join(hosts), host_resource=new)

    return changed(envelope, change)


def _with(part: Part, notes: Notes, old: str, **new: object) -> Part:
    notes.add(
        "KF-726",
        Severity.NOTE,
        f"{type(part).ELEMENT} names {old!r}, which is no URI or an old form of one",
        action="written as the standard has it",
    )
    return msgspec.structs.replace(part, **new)
