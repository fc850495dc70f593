"""A package as the rules look at it: the parts of the descriptor by kind, whatever the dialect.

Everything is found by local names (appliances/ovf/elements.py), so that a wrong namespace is one
finding and not fifty. Nothing here judges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children, dialect, local, section_kind, text
from kensho.appliances.ovf.open import refuse_other
from kensho.appliances.ovf.sections.parts import OVF_NAMESPACES
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.finding import Finding
from kensho.packages.source import OvfPackage

_DRAFT = "http://www.vmware.com/schema/ovf/1/envelope"
VERSIONS = {uri: str(version) for version, uri in OVF_NAMESPACES.items()} | {_DRAFT: "0.9"}
ITEMS = ("Item", "StorageItem", "EthernetPortItem")


@dataclass(frozen=True, slots=True)
class Item:
    """A virtual hardware item; texts are stripped."""

    element: etree._Element
    id: str
    type: int | None  #: ResourceType, None when it is absent or no number
    subtype: str

    def get(self, *names: str) -> str:
        """Return the first such child's text, empty without one."""
        return text(self.element, *names)

    def all(self, name: str) -> tuple[str, ...]:
        """Return the texts of all such children."""
        return tuple(text(child) for child in children(self.element, name))

    @property
    def configurations(self) -> frozenset[str]:
        """The deployment options the item is for; empty for all."""
        return frozenset(attribute(self.element, "configuration").split())

    @property
    def bound(self) -> str:
        """``min``, ``max`` or ``normal``."""
        return attribute(self.element, "bound").lower() or "normal"

    @property
    def name(self) -> str:
        """What to call it in a message."""
        kind = f" ({self.type})" if self.type is not None else ""
        return f"item {self.id or '(without InstanceID)'}{kind}"


@dataclass(frozen=True, slots=True)
class Hardware:
    """A VirtualHardwareSection."""

    element: etree._Element
    system: etree._Element | None
    items: tuple[Item, ...]

    @property
    def families(self) -> tuple[str, ...]:
        """The words of VirtualSystemType: a list divided by blanks or commas."""
        return tuple(text(self.system, "VirtualSystemType").replace(",", " ").split())


@dataclass(frozen=True, slots=True)
class System:
    """A VirtualSystem with its hardware sections."""

    element: etree._Element
    id: str
    hardware: tuple[Hardware, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """A package to judge; ``package`` is None when only the descriptor is looked at."""

    root: etree._Element
    name: str
    version: str  #: 0.9, 1 or 2; empty for a namespace of none of them
    notes: tuple[Finding, ...]  #: what parsing noticed
    package: OvfPackage | None
    files: tuple[etree._Element, ...]
    disks: tuple[etree._Element, ...]
    networks: tuple[etree._Element, ...]
    contents: tuple[etree._Element, ...]  #: VirtualSystems and collections, nested ones too
    systems: tuple[System, ...]
    looks: dict[str, Any] = field(default_factory=dict, compare=False)  #: disk images looked at

    def items(self) -> Iterator[tuple[System, Hardware, Item]]:
        """Yield every hardware item with where it is."""
        for system in self.systems:
            for hardware in system.hardware:
                for item in hardware.items:
                    yield system, hardware, item

    def elements(self) -> Iterator[etree._Element]:
        """Yield all elements but those inside vendors' own, such as VirtualBox's settings."""
        pending = [self.root]
        while pending:
            element = pending.pop()
            yield element
            if dialect(element) in {"ovf", "cim"} or element is self.root:
                pending += [c for c in reversed(element) if local(c)]

    def sections(self, kind: str) -> Iterator[etree._Element]:
        """Yield all sections of a kind, wherever they are."""
        for parent in (self.root, *self.contents):
            for section in children(parent):
                if section_kind(section) == kind:
                    yield section

    def configurations(self) -> tuple[etree._Element, ...]:
        """Return the Configuration elements of the deployment options."""
        return tuple(
            c for s in self.sections("DeploymentOptionSection") for c in children(s) if is_option(c)
        )


def is_option(element: etree._Element) -> bool:
    """Tell whether the element declares a deployment option."""
    return local(element) == "Configuration"


def subject_of(
    root: etree._Element,
    name: str,
    *,
    notes: tuple[Finding, ...] = (),
    package: OvfPackage | None = None,
) -> Subject:
    """Index a descriptor. The tree stays the caller's; index it again after changing it."""
    contents = tuple(_contents(root))
    return Subject(
        root=root,
        name=name,
        version=version_name(root),
        notes=notes,
        package=package,
        files=tuple(f for r in children(root, "References") for f in children(r, "File")),
        disks=tuple(_of(root, "DiskSection", "Disk")),
        networks=tuple(_of(root, "NetworkSection", "Network")),
        contents=contents,
        systems=tuple(_system(c) for c in contents if content_kind(c) == "VirtualSystem"),
    )


def read_subject(data: bytes, name: str) -> Subject:
    """Read a descriptor alone. Raises what parsing does, UnsupportedError for other XML."""
    root, notes = parse_xml(data, path=name)
    refuse_other(root, name)
    return subject_of(root, name, notes=notes)


def package_subject(package: OvfPackage) -> Subject:
    """Index an opened package."""
    return subject_of(package.root, package.name, notes=package.findings, package=package)


def version_name(root: etree._Element) -> str:
    """Return the standard's version by the envelope's namespace; empty for any other."""
    return VERSIONS.get(namespace(root), "")


def namespace(element: etree._Element) -> str:
    """Return the element's namespace, empty for none."""
    tag = str(element.tag)  # not etree.QName: prefixes that were never declared are no names
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def content_kind(element: etree._Element) -> str:
    """Return ``VirtualSystem``, ``VirtualSystemCollection`` or an empty text."""
    kind = section_kind(element)
    return kind if kind in {"VirtualSystem", "VirtualSystemCollection"} else ""


def _contents(parent: etree._Element) -> Iterator[etree._Element]:
    """Yield contents in the order of the document, nested ones behind what they are in."""
    pending = [c for c in reversed(parent) if local(c) and content_kind(c)]
    while pending:
        element = pending.pop()
        yield element
        if content_kind(element) == "VirtualSystemCollection":
            pending += [c for c in reversed(element) if local(c) and content_kind(c)]


def _of(root: etree._Element, section: str, name: str) -> Iterator[etree._Element]:
    for parent in children(root):
        if section_kind(parent) == section:
            yield from children(parent, name)


def _system(element: etree._Element) -> System:
    sections = [s for s in children(element) if section_kind(s) == "VirtualHardwareSection"]
    hardware = tuple(
        Hardware(s, next(children(s, "System"), None), tuple(_item(e) for e in children(s, *ITEMS)))
        for s in sections
    )
    return System(element, attribute(element, "id"), hardware)


def _item(element: etree._Element) -> Item:
    kind = text(element, "ResourceType")
    number = int(kind) if kind.isascii() and kind.isdigit() and len(kind) < 10 else None
    return Item(
        element,
        text(element, "InstanceID", "InstanceId"),
        number,
        text(element, "ResourceSubType"),
    )
