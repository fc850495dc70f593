"""A whole OVF descriptor as data, nothing lost: DSP0243 2.1 §7, DSP8023 1.1.1 and 2.0.1.

`read_envelope_model` takes OVF 0.9, 1.x and 2.x; unknown XML and comments are kept in their places.
`write_envelope` writes what the model says, in either version's namespace. What one version cannot
say and what the schema does not allow is `packages.version`'s affair.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import ClassVar

import msgspec
from lxml import etree
from msgspec import field

from kensho.appliances.ovf.elements import Notes, local, serialise
from kensho.appliances.ovf.sections.content import (
    AnySection,
    VirtualSystem,
    VirtualSystemCollection,
)
from kensho.appliances.ovf.sections.keeping import namespace_of, parse_kept
from kensho.appliances.ovf.sections.parts import OVF_NAMESPACES, Part, Version
from kensho.appliances.ovf.sections.plan import plan_of
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.references import References
from kensho.appliances.ovf.sections.strings import Strings
from kensho.appliances.ovf.sections.writing import build, tidy
from kensho.model.errors import UnsupportedError
from kensho.model.finding import Severity


class Envelope(Part, frozen=True, kw_only=True):
    """A descriptor. The schema allows one machine or collection in ``contents``.

    ``before`` and ``after`` are the comments and instructions around the root element.
    """

    ELEMENT: ClassVar[str] = "Envelope"
    ASIDE: ClassVar[frozenset[str]] = frozenset({"before", "after"})

    references: References
    sections: tuple[AnySection, ...] = ()
    contents: tuple[VirtualSystem | VirtualSystemCollection, ...] = ()
    strings: tuple[Strings, ...] = ()
    language: str = field(default="", name="xml:lang")
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def read_envelope_model(root: etree._Element, notes: Notes | None = None) -> Envelope:
    """Read a descriptor. ``notes`` gets a finding for each thing that is not as the schema has it.

    UnsupportedError when the root is no Envelope, LimitError when there is too much of something.
    """
    notes = notes or Notes("")
    if local(root) != Envelope.ELEMENT:
        raise UnsupportedError(f"its root is <{local(root)}>", path=notes.path, field="Envelope")
    if version_of(root) is None:
        notes.add(
            "KF-723",
            Severity.NOTE,
            f"the envelope's namespace is {namespace_of(root) or 'none'!r}, an old or a wrong one",
            action="written in the namespace of a published version",
        )
    return msgspec.structs.replace(
        read_part(Envelope, root, notes),
        before=tuple(serialise(e) for e in reversed(list(root.itersiblings(preceding=True)))),
        after=tuple(serialise(e) for e in root.itersiblings()),
    )


def write_envelope(envelope: Envelope, version: Version) -> etree._Element:
    """Return the root of a descriptor in the namespace of ``version``, indented."""
    kept: list[etree._Element] = []
    root = build(envelope, Envelope.ELEMENT, version, kept)
    tidy(root, kept)
    for text in envelope.before:
        root.addprevious(parse_kept(text))
    for text in reversed(envelope.after):
        root.addnext(parse_kept(text))
    return root


def children_up_to(parent: str, name: str) -> tuple[str, ...]:
    """Return the schema's children of the element ``parent`` up to ``name``, none if it has none.

    Where several may stand in any order, such as sections, all of them are there.
    """
    cls = _parts().get(parent)
    elements = plan_of(cls).elements if cls else {}
    same = [n for n, slot in enumerate(elements.values()) if slot is elements.get(name)]
    return tuple(elements)[: same[-1] + 1] if same else ()


@functools.cache
def _parts() -> Mapping[str, type[Part]]:
    """Return the classes of all elements by name."""
    found: dict[str, type[Part]] = {Envelope.ELEMENT: Envelope}
    todo: list[type[Part]] = [Envelope]
    for cls in todo:
        for slot in plan_of(cls).slots:
            new = {n: part for n, part in slot.parts.items() if n not in found}
            found.update(new)
            todo.extend(new.values())
    return found


def version_of(root: etree._Element) -> Version | None:
    """Return the version whose namespace the envelope is in, None for any other namespace."""
    found = namespace_of(root)
    return next((v for v, namespace in OVF_NAMESPACES.items() if namespace == found), None)
