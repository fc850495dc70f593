"""Sections and contents: Info, where each kind of section may be, what is not understood."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from kensho.appliances.ovf.elements import (
    children,
    dialect,
    local,
    required,
    section_kind,
)
from kensho.appliances.ovf.sections.parts import OVF
from kensho.packages.validate.rule import COMMON, FIELD, MUST, Fault, Rule, clause
from kensho.packages.validate.subject import Subject, content_kind, namespace

_ENVELOPE, _SYSTEM, _COLLECTION = "Envelope", "VirtualSystem", "VirtualSystemCollection"
#: Where each section may be: DSP0243 §7.2, §9 (table 5).
PLACES: dict[str, frozenset[str]] = {
    "DiskSection": frozenset({_ENVELOPE}),
    "NetworkSection": frozenset({_ENVELOPE}),
    "SharedDiskSection": frozenset({_ENVELOPE}),
    "PlacementGroupSection": frozenset({_ENVELOPE}),
    "EncryptionSection": frozenset({_ENVELOPE}),
    "DeploymentOptionSection": frozenset({_ENVELOPE}),
    "VirtualHardwareSection": frozenset({_SYSTEM}),
    "OperatingSystemSection": frozenset({_SYSTEM}),
    "InstallSection": frozenset({_SYSTEM}),
    "EnvironmentFilesSection": frozenset({_SYSTEM}),
    "BootDeviceSection": frozenset({_SYSTEM}),
    "StartupSection": frozenset({_COLLECTION}),
    "ResourceAllocationSection": frozenset({_COLLECTION}),
    "ScaleOutSection": frozenset({_COLLECTION}),
    "PlacementSection": frozenset({_SYSTEM, _COLLECTION}),
    "ProductSection": frozenset({_SYSTEM, _COLLECTION}),
    "EulaSection": frozenset({_SYSTEM, _COLLECTION}),
    "AnnotationSection": frozenset({_SYSTEM, _COLLECTION}),
}
#: What the draft let into the envelope as well.
_DRAFT = frozenset({"ProductSection", "EulaSection", "AnnotationSection", "StartupSection"})
#: Sections that came with OVF 2.0.
SECOND = frozenset(
    {
        *("SharedDiskSection", "PlacementGroupSection", "EncryptionSection", "PlacementSection"),
        *("EnvironmentFilesSection", "BootDeviceSection", "ScaleOutSection"),
    }
)
#: Dialects whose sections are described somewhere; importers skip the ones they do not know.
VENDORS = frozenset({"vmw", "vcloud", "vbox", "xenovf", "xenclient", "ibmpvc"})
_NO_SECTIONS = frozenset({"References", "Strings", "Info", "Name", "AuthorName", "Content"})


def sections(subject: Subject) -> Iterator[tuple[str, etree._Element]]:
    """Yield every section with the kind of what it is in."""
    for parent in (subject.root, *subject.contents):
        where = content_kind(parent) or _ENVELOPE
        for section in children(parent):
            if not content_kind(section) and local(section) not in _NO_SECTIONS:
                yield where, section


def no_info(subject: Subject) -> Iterator[Fault]:
    """Each section and content starts with what it is, for those who do not know it."""
    for element in (*(s for _, s in sections(subject)), *subject.contents):
        if dialect(element) != "ovf" or section_kind(element) in {"UnKnown", "ItemSection"}:
            continue
        if next(children(element, "Info"), None) is None:
            yield Fault(element, f"{section_kind(element)} has no Info")


def add_info(subject: Subject, fault: Fault) -> str:
    """Put an Info in front that says the section's kind."""
    element = fault.element
    assert element is not None
    uri = namespace(element)
    info = etree.Element(f"{{{uri}}}Info" if uri else "Info")
    info.text = section_kind(element)
    element.insert(0, info)
    del subject
    return f"{section_kind(element)} got an Info"


def misplaced(subject: Subject) -> Iterator[Fault]:
    """Each section is where the standard puts it; the draft let more into the envelope."""
    for where, section in sections(subject):
        kind = section_kind(section)
        if where == _ENVELOPE and kind in _DRAFT and subject.version == "0.9":
            continue
        if kind in PLACES and where not in PLACES[kind] and dialect(section) == "ovf":
            places = " or ".join(sorted(PLACES[kind]))
            yield Fault(section, f"{kind} is in {where}; it belongs into {places}", data=places)


def once(subject: Subject) -> Iterator[Fault]:
    """These sections are there at most once in the envelope or a machine."""
    single = {"DiskSection", "NetworkSection", "DeploymentOptionSection", "OperatingSystemSection"}
    for parent in (subject.root, *subject.contents):
        seen: set[str] = set()
        for section in children(parent):
            kind = section_kind(section)
            if kind in seen & single:
                yield Fault(section, f"a second {kind}")
            seen.add(kind)


def not_understood(subject: Subject) -> Iterator[Fault]:
    """A section that nobody knows says that it may be skipped."""
    for _, section in sections(subject):
        kind, vendor = section_kind(section), dialect(section)
        if vendor == "ovf":
            known = kind in PLACES
            if kind in SECOND:
                known = True
        else:
            known = vendor in VENDORS
        if not known and required(section):
            yield Fault(
                section, f"{kind} is no section of OVF or of a known vendor, and is required"
            )


def vendor_required(subject: Subject) -> Iterator[Fault]:
    """A vendor's section or element says whether it may be skipped."""
    for parent in (subject.root, *subject.contents, *_vendor_parents(subject)):
        for element in children(parent):
            vendor = dialect(element)
            if vendor in VENDORS and required(element):
                yield Fault(
                    element,
                    f"<{local(element)}> is {vendor}'s own and required; "
                    "importers of others must refuse it",
                )


def may_be_skipped(subject: Subject, fault: Fault) -> str | None:
    """Mark a vendor's element as one that may be skipped."""
    element = fault.element
    if element is None:
        return None
    element.set(f"{{{namespace(subject.root) or OVF}}}required", "false")
    return f"<{local(element)}> is marked ovf:required=false"


def unknown_element(subject: Subject) -> Iterator[Fault]:
    """What a section of OVF has in it is of OVF, a vendor's, or may be skipped."""
    for _, section in sections(subject):
        allowed = _CHILDREN.get(section_kind(section))
        if allowed is None or dialect(section) != "ovf":
            continue
        for element in children(section):
            known = local(element) in allowed if dialect(element) == "ovf" else False
            if not known and dialect(element) not in VENDORS and required(element):
                yield Fault(
                    element,
                    f"<{local(element)}> in {section_kind(section)} is unknown, and required",
                )


def second_in_first(subject: Subject) -> Iterator[Fault]:
    """Sections and items of OVF 2 are in a descriptor of OVF 2."""
    if subject.version == "2":
        return
    for _, section in sections(subject):
        if section_kind(section) in SECOND and dialect(section) == "ovf" and required(section):
            yield Fault(section, f"{section_kind(section)} is of OVF 2, the descriptor is not")
    for _, _, item in subject.items():
        if local(item.element) != "Item":
            yield Fault(item.element, f"{local(item.element)} is of OVF 2, the descriptor is not")


def _vendor_parents(subject: Subject) -> Iterator[etree._Element]:
    for system in subject.systems:
        for hardware in system.hardware:
            yield hardware.element
            for item in hardware.items:
                yield item.element


#: Children of the sections that DSP8023 1.1.1 and 2.0.1 list.
_CHILDREN: dict[str, frozenset[str]] = {
    "DiskSection": frozenset({"Info", "Disk"}),
    "NetworkSection": frozenset({"Info", "Network"}),
    "VirtualHardwareSection": frozenset(
        {"Info", "System", "Item", "StorageItem", "EthernetPortItem"}
    ),
    "OperatingSystemSection": frozenset({"Info", "Description"}),
    "AnnotationSection": frozenset({"Info", "Annotation"}),
    "EulaSection": frozenset({"Info", "License"}),
    "ProductSection": frozenset(
        {
            *("Info", "Product", "Vendor", "Version", "FullVersion", "ProductUrl", "VendorUrl"),
            *("AppUrl", "Icon", "Category", "Property"),
        }
    ),
    "DeploymentOptionSection": frozenset({"Info", "Configuration"}),
    "StartupSection": frozenset({"Info", "Item"}),
    "InstallSection": frozenset({"Info"}),
    "ResourceAllocationSection": frozenset({"Info", "Item", "StorageItem", "EthernetPortItem"}),
}

_FIX_PLACE = "move the section"
RULES = (
    Rule(
        "KF-616", COMMON, "Info", clause("7.2, §7.3"),
        "add an Info that says what this is", no_info, add_info,
    ),
    Rule(
        "KF-617", MUST, "sections in their place", clause("7.2, §9"),
        _FIX_PLACE, misplaced,
    ),
    Rule(
        "KF-618", MUST, "unknown sections may be skipped", clause("7.3"),
        'say ovf:required="false", or remove it', not_understood,
    ),
    Rule(
        "KF-619", MUST, "unknown elements may be skipped", clause("7.3"),
        'say ovf:required="false", or remove it', unknown_element,
    ),
    Rule(
        "KF-620", MUST, "one section of a kind", clause("9"),
        "join the two", once,
    ),
    Rule(
        "KF-674", COMMON, "no OVF 2 in OVF 1", "DSP0243 2.1 §8.3, §9.11 to §9.16",
        "write the descriptor as OVF 2, or leave this out", second_in_first,
    ),
    Rule(
        "KF-689", FIELD, "vendors' elements may be skipped", clause("7.3, §8.2"),
        'say ovf:required="false"', vendor_required, may_be_skipped,
    ),
)  # fmt: skip
