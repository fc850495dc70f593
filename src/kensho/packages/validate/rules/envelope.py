"""The envelope: encoding, namespaces, what must be in it and in which order."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children, local, section_kind
from kensho.packages.validate.rule import COMMON, FATAL, FIELD, MUST, Fault, OnWriting, Rule, clause
from kensho.packages.validate.subject import VERSIONS, Subject, content_kind, namespace

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_MOST = 20
#: Sections without which nothing can be made of the others.
_OWN = frozenset({"DiskSection", "NetworkSection", "VirtualHardwareSection"})


def encoding(subject: Subject) -> Iterator[Fault]:
    """The declaration names the encoding the file has."""
    for note in subject.notes:
        if note.code == "KF-101":
            yield Fault(subject.root, note.message, line=1)


def namespaces(subject: Subject) -> Iterator[Fault]:
    """Every prefix is declared, every namespace is a URI."""
    for note in subject.notes:
        if note.code == "KF-102":
            yield Fault(subject.root, note.message)


def unknown_namespace(subject: Subject) -> Iterator[Fault]:
    """The envelope is in a namespace of some version of OVF."""
    uri = namespace(subject.root)
    if not subject.version and not _nearly(uri):
        yield Fault(subject.root, f"the envelope is in the namespace {uri!r}, which is none of OVF")


def nearly_namespace(subject: Subject) -> Iterator[Fault]:
    """The namespace is one of OVF to the letter (oVirt adds a slash)."""
    uri = namespace(subject.root)
    if not subject.version and _nearly(uri):
        yield Fault(subject.root, f"the namespace {uri!r} is that of OVF but for its spelling")


def draft(subject: Subject) -> Iterator[Fault]:
    """The descriptor is of a published standard."""
    if subject.version == "0.9":
        yield Fault(subject.root, "OVF 0.9, the draft before the standard: few importers read it")


def mixed_versions(subject: Subject) -> Iterator[Fault]:
    """What is in the envelope is in the envelope's namespace; whole sections need not be (§7.3)."""
    own = namespace(subject.root)
    inside = (e for p in (subject.root, *subject.contents) for e in children(p))
    for element in inside:
        if section_kind(element).endswith("Section") and section_kind(element) not in _OWN:
            continue
        uri = namespace(element)
        if uri != own and uri in VERSIONS:
            yield Fault(
                element,
                f"<{local(element)}> is in the namespace of OVF {VERSIONS[uri]}, "
                f"the envelope in {own!r}",
            )
            return


def said_version(subject: Subject) -> Iterator[Fault]:
    """A version that the envelope gives itself (0.9, VirtualBox) is that of its namespace."""
    said = attribute(subject.root, "version")
    if said and subject.version and not said.startswith(subject.version):
        yield Fault(
            subject.root, f"the envelope says version {said}, its namespace {subject.version}"
        )


def versions(subject: Subject) -> Iterator[Fault]:
    """All say the same version."""
    yield from mixed_versions(subject)
    yield from said_version(subject)


def section_types(subject: Subject) -> Iterator[Fault]:
    """Where a section's kind is an attribute (0.9, oVirt), that attribute is xsi:type."""
    for parent in (subject.root, *subject.contents):
        for element in children(parent):
            if local(element) not in {"Section", "Content"} or element.get(f"{{{_XSI}}}type"):
                continue
            yield Fault(element, f"<{local(element)}> does not say its kind by xsi:type")


def no_content(subject: Subject) -> Iterator[Fault]:
    """There is a virtual system or a collection."""
    if not subject.contents:
        yield Fault(subject.root, "no VirtualSystem and no VirtualSystemCollection")


def several_contents(subject: Subject) -> Iterator[Fault]:
    """There is one of them; several machines belong into a collection."""
    found = [c for c in children(subject.root) if content_kind(c)]
    for element in found[1:]:
        yield Fault(
            element, f"{local(element)} {attribute(element, 'id')!r} beside another one", data=found
        )


def no_references(subject: Subject) -> Iterator[Fault]:
    """There is a References element, if only an empty one."""
    if next(children(subject.root, "References"), None) is None:
        yield Fault(subject.root, "no References")


def add_references(subject: Subject, fault: Fault) -> str:
    """Put an empty References in front."""
    del fault
    uri = namespace(subject.root)
    subject.root.insert(0, etree.Element(f"{{{uri}}}References" if uri else "References"))
    return "an empty References was added"


def rank(element: etree._Element) -> int:
    """Return a child's place in the envelope: References, sections, content, strings."""
    if local(element) == "References":
        return 0
    if content_kind(element):
        return 2
    return 3 if local(element) == "Strings" else 1


def order(subject: Subject) -> Iterator[Fault]:
    """References, then sections, then the content, then strings."""
    seen = 0
    for element in children(subject.root):
        if rank(element) < seen:
            yield Fault(element, f"{section_kind(element)} comes too late in the envelope")
            return  # what follows may be right, once this one is
        seen = max(seen, rank(element))


def reorder(subject: Subject, fault: Fault) -> str:
    """Bring the envelope's children into order; comments stay with what follows them."""
    del fault
    groups: list[tuple[int, list[etree._Element]]] = []
    pending: list[etree._Element] = []
    for node in list(subject.root):
        pending.append(node)
        if isinstance(node.tag, str):
            groups.append((rank(node), pending))
            pending = []
    for _, group in sorted(groups, key=lambda g: g[0]):
        for node in group:
            subject.root.append(node)
    for node in pending:
        subject.root.append(node)
    return "the envelope's parts were brought into order"


def unqualified(subject: Subject) -> Iterator[Fault]:
    """Attributes of OVF's elements are in OVF's namespace."""
    own = namespace(subject.root)
    if not own:
        return
    found = 0
    for element in subject.elements():
        if namespace(element) != own:
            continue
        names = [str(n) for n in element.attrib if "}" not in str(n) and ":" not in str(n)]
        if names and found < _MOST:
            found += 1
            message = f"attribute {', '.join(names)} of <{local(element)}> is in no namespace"
            yield Fault(element, message, data=names)


def qualify(subject: Subject, fault: Fault) -> str | None:
    """Move the attributes into OVF's namespace."""
    own = namespace(subject.root)
    element = fault.element
    if element is None or not any(uri == own and p for p, uri in element.nsmap.items()):
        return None
    for name in fault.data:
        value = str(element.attrib.pop(name))
        if element.get(f"{{{own}}}{name}") is None:
            element.set(f"{{{own}}}{name}", value)
    return f"attributes of <{local(element)}> were put into OVF's namespace"


def _nearly(uri: str) -> bool:
    return uri.rstrip("/").lower() in VERSIONS


RULES = (
    Rule(
        "KF-600", COMMON, "declared encoding", "XML 1.0 §4.3.3",
        "declare the encoding that the file has, best UTF-8", encoding,
        OnWriting("written as UTF-8"),
    ),
    Rule(
        "KF-601", COMMON, "declared prefixes", "Namespaces in XML 1.0 §5",
        "declare every prefix on the Envelope", namespaces,
    ),
    Rule(
        "KF-602", MUST, "OVF's namespace", clause("6"),
        "use http://schemas.dmtf.org/ovf/envelope/1 (or /2)", unknown_namespace,
    ),
    Rule(
        "KF-603", COMMON, "OVF's namespace spelled right", clause("6"),
        "use http://schemas.dmtf.org/ovf/envelope/1 without a slash at its end", nearly_namespace,
    ),
    Rule(
        "KF-604", FIELD, "no draft", clause("6"),
        "export again with OVF 1.x", draft,
    ),
    Rule(
        "KF-605", COMMON, "attributes in OVF's namespace", clause("6"),
        "write ovf:NAME", unqualified, qualify,
    ),
    Rule(
        "KF-606", FATAL, "a machine is described", clause("7.2"),
        "add a VirtualSystem", no_content,
    ),
    Rule(
        "KF-607", MUST, "one content", clause("7.2"),
        "put the machines into a VirtualSystemCollection", several_contents,
    ),
    Rule(
        "KF-608", MUST, "References", clause("7.1"),
        "add a References element", no_references, add_references,
    ),
    Rule(
        "KF-609", COMMON, "order of the envelope", clause("7"),
        "References, sections, content, strings", order, reorder,
    ),
    Rule(
        "KF-614", MUST, "one version", clause("6"),
        "use one OVF namespace throughout", versions,
    ),
    Rule(
        "KF-615", MUST, "xsi:type", "XML Schema 1.0 part 1 §2.6",
        "write xsi:type with xmlns:xsi=http://www.w3.org/2001/XMLSchema-instance", section_types,
    ),
)  # fmt: skip
