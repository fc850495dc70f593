"""Deployment options, start order, licences, guest systems, and the sections of OVF 2."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.appliances.ovf.elements import attribute, children, is_true, local, section_kind, text
from kensho.packages.validate.rule import COMMON, FIELD, MUST, SHOULD, Fault, Rule, clause
from kensho.packages.validate.subject import Subject, content_kind

_ACTIONS = {"startAction": {"powerOn", "none"}, "stopAction": {"powerOff", "guestShutdown", "none"}}
_POLICIES = {"affinity", "availability"}


def options(subject: Subject) -> Iterator[Fault]:
    """One option is the default, none is nameless."""
    found = subject.configurations()
    for extra in [c for c in found if is_true(attribute(c, "default"))][1:]:
        yield Fault(extra, f"a second default option, {attribute(extra, 'id')!r}")
    for option in found:
        for name in ("Label", "Description"):
            if next(children(option, name), None) is None:
                yield Fault(option, f"option {attribute(option, 'id')!r} has no {name}")


def startup(subject: Subject) -> Iterator[Fault]:
    """Each entity is started once, by an action there is."""
    for section in subject.sections("StartupSection"):
        seen: set[str] = set()
        for item in children(section, "Item"):
            name = attribute(item, "id")
            if name in seen:
                yield Fault(item, f"{name!r} is in the start order twice", name)
            seen.add(name)
            for what, known in _ACTIONS.items():
                said = attribute(item, what)
                if said and said not in known:
                    yield Fault(item, f"{what} of {name!r} is {said!r}", name)
            if not attribute(item, "order"):
                yield Fault(item, f"{name!r} has no ovf:order", name)


def licences(subject: Subject) -> Iterator[Fault]:
    """A licence agreement has a text."""
    for section in subject.sections("EulaSection"):
        licence = next(children(section, "License"), None)
        if licence is None or not (text(licence) or attribute(licence, "msgid")):
            yield Fault(section, "a licence agreement without a text (License)")


def guests(subject: Subject) -> Iterator[Fault]:
    """It is said which guest is in a machine."""
    for system in subject.systems:
        if "OperatingSystemSection" not in map(section_kind, children(system.element)):
            yield Fault(system.element, f"machine {system.id!r} does not say its guest", system.id)


def empty_collections(subject: Subject) -> Iterator[Fault]:
    """A collection has a machine in it."""
    for content in subject.contents:
        inside = [c for c in children(content) if content_kind(c)]
        if content_kind(content) == "VirtualSystemCollection" and not inside:
            yield Fault(content, f"collection {attribute(content, 'id')!r} is empty")


def scaling(subject: Subject) -> Iterator[Fault]:
    """The least number of instances is not above the most."""
    for section in subject.sections("ScaleOutSection"):
        for element in children(section, "InstanceCount"):
            counts = {
                n: attribute(element, n) or text(element, n.capitalize())
                for n in ("minimum", "maximum", "default")
            }
            plain = {
                n: int(v) for n, v in counts.items() if v.isascii() and v.isdigit() and len(v) < 20
            }
            known = [plain[n] for n in ("minimum", "default", "maximum") if n in plain]
            if known != sorted(known):
                yield Fault(element, f"the number of instances is backwards: {plain}")


def placements(subject: Subject) -> Iterator[Fault]:
    """A placement's group is there, and its policy one of the two."""
    groups = {attribute(g, "id") for g in subject.sections("PlacementGroupSection")}
    for section in subject.sections("PlacementSection"):
        name = attribute(section, "group")
        if name and name not in groups:
            yield Fault(section, f"the placement group {name!r} is not there", name)
    for section in subject.sections("PlacementGroupSection"):
        policy = attribute(section, "policy")
        if policy and policy not in _POLICIES and ":" not in policy:
            yield Fault(section, f"the policy {policy!r} is none", policy)


def encryption(subject: Subject) -> Iterator[Fault]:
    """What is encrypted is a file of the package."""
    names = {attribute(f, "href") for f in subject.files} | {
        attribute(f, "id") for f in subject.files
    }
    for section in subject.sections("EncryptionSection"):
        for element in section.iter():
            uri = attribute(element, "URI") if local(element) == "CipherReference" else ""
            uri = uri or (attribute(element, "URI") if local(element) == "DataReference" else "")
            if uri and uri.lstrip("#") not in names and not uri.startswith("#"):
                yield Fault(element, f"{uri!r} is said to be encrypted and is no file here", uri)


RULES = (
    Rule(
        "KF-670", MUST, "deployment options", clause("9.8"),
        "make one the default, give each a Label and a Description", options,
    ),
    Rule(
        "KF-671", SHOULD, "start order", clause("9.7"),
        "list each once, with ovf:order", startup,
    ),
    Rule(
        "KF-680", COMMON, "licences have a text", clause("9.6"),
        "add License", licences,
    ),
    Rule(
        "KF-681", FIELD, "guests are named", clause("9.9"),
        "add an OperatingSystemSection", guests,
    ),
    Rule(
        "KF-682", COMMON, "collections have machines", clause("7.2"),
        "add a VirtualSystem, or remove the collection", empty_collections,
    ),
    Rule(
        "KF-683", MUST, "numbers of instances", "DSP0243 2.1 §9.14",
        "correct minimum, default and maximum", scaling,
    ),
    Rule(
        "KF-684", MUST, "placement groups", "DSP0243 2.1 §9.15",
        "declare the group; affinity or availability", placements,
    ),
    Rule(
        "KF-685", MUST, "encrypted files", "DSP0243 2.1 §9.16",
        "name a file of References", encryption,
    ),
)  # fmt: skip
