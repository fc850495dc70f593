"""Attributes that must be there, be unique, be of a type, or refer to something: four tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children, local
from kensho.packages.validate.rule import INFO, MUST, Fault, Rule, clause
from kensho.packages.validate.subject import Subject, content_kind

Elements = Callable[[Subject], Iterable[etree._Element]]  # noqa: SLF001 - the type's name


def _inside(section: str, name: str) -> Elements:
    return lambda s: (e for found in s.sections(section) for e in children(found, name))


def _files(subject: Subject) -> Iterable[etree._Element]:
    return subject.files


def _disks(subject: Subject) -> Iterable[etree._Element]:
    return subject.disks


def _networks(subject: Subject) -> Iterable[etree._Element]:
    return subject.networks


def _contents(subject: Subject) -> Iterable[etree._Element]:
    return subject.contents


def _os(subject: Subject) -> Iterable[etree._Element]:
    return subject.sections("OperatingSystemSection")


def _options(subject: Subject) -> Iterable[etree._Element]:
    return subject.configurations()


def _messages(subject: Subject) -> Iterable[etree._Element]:
    return (m for s in children(subject.root, "Strings") for m in children(s, "Msg"))


_PROPERTIES = _inside("ProductSection", "Property")
_STARTUP = _inside("StartupSection", "Item")

#: What must be there. oVirt gives a disk's size as ``size`` and has no capacity.
_REQUIRED: tuple[tuple[Elements, str, str], ...] = (
    (_files, "id", ""),
    (_files, "href", ""),
    (_disks, "diskId", ""),
    (_disks, "capacity", "size"),
    (_disks, "format", ""),
    (_networks, "name", ""),
    (_contents, "id", ""),
    (_os, "id", ""),
    (_options, "id", ""),
    (_PROPERTIES, "key", ""),
    (_PROPERTIES, "type", ""),
    (_STARTUP, "id", ""),
    (_messages, "msgid", ""),
)


def missing(subject: Subject) -> Iterator[Fault]:
    """Attributes that the schema demands are there and not empty."""
    for elements, name, instead in _REQUIRED:
        for element in elements(subject):
            if not attribute(element, name) and not (instead and attribute(element, instead)):
                yield Fault(
                    element, f"<{local(element)}> has no ovf:{name}", attribute(element, "id")
                )


def duplicates(subject: Subject) -> Iterator[Fault]:
    """What has an id has it alone."""
    groups: list[tuple[Iterable[etree._Element], str]] = [
        (subject.files, "id"),
        (subject.disks, "diskId"),
        (subject.networks, "name"),
        (subject.contents, "id"),
        (subject.configurations(), "id"),
    ]
    groups += [(children(s, "Property"), "key") for s in subject.sections("ProductSection")]
    groups += [(children(s, "Msg"), "msgid") for s in children(subject.root, "Strings")]
    for elements, name in groups:
        seen: set[str] = set()
        for element in elements:
            value = attribute(element, name)
            if value and value in seen:
                yield Fault(element, f"two <{local(element)}> have the {name} {value!r}", value)
            seen.add(value)


_NUMBER = re.compile(r"\s*\+?[0-9]{1,20}\s*", re.ASCII)
_SIGNED = re.compile(r"\s*[+-]?[0-9]{1,10}\s*", re.ASCII)
_BOOLEAN = re.compile(r"\s*(true|false|0|1)\s*")
_TYPES: tuple[tuple[Elements, str, re.Pattern[str], str], ...] = (
    (_files, "size", _NUMBER, "a number of bytes"),
    (_files, "chunkSize", _NUMBER, "a number of bytes"),
    (_disks, "populatedSize", _NUMBER, "a number of bytes"),
    (_os, "id", _NUMBER, "a number of CIM_OperatingSystem"),
    (_options, "default", _BOOLEAN, "true or false"),
    (_PROPERTIES, "userConfigurable", _BOOLEAN, "true or false"),
    (_PROPERTIES, "password", _BOOLEAN, "true or false"),
    (_STARTUP, "order", _SIGNED, "a number"),
    (_STARTUP, "startDelay", _NUMBER, "a number of seconds"),
    (_STARTUP, "stopDelay", _NUMBER, "a number of seconds"),
    (_STARTUP, "waitingForGuest", _BOOLEAN, "true or false"),
)


def types(subject: Subject) -> Iterator[Fault]:
    """Numbers are numbers and booleans are booleans."""
    for elements, name, pattern, what in _TYPES:
        for element in elements(subject):
            value = attribute(element, name)
            if value and not pattern.fullmatch(value):
                yield Fault(element, f"ovf:{name} of <{local(element)}> is {value!r}, not {what}")
    for element in subject.elements():
        value = attribute(element, "required")
        if value and not _BOOLEAN.fullmatch(value):
            yield Fault(element, f"ovf:required of <{local(element)}> is {value!r}")


#: Texts and pictures: the machine is whole without them (KF-673).
DECORATION = frozenset({"Strings", "Icon"})


def references(subject: Subject) -> Iterator[Fault]:
    """What is referred to by an id is there."""
    files = {attribute(f, "id") for f in subject.files}
    disks = {attribute(d, "diskId") for d in subject.disks}
    options = {attribute(o, "id") for o in subject.configurations()}
    contents = {attribute(c, "id") for c in subject.contents}
    for element in subject.elements():
        if local(element) in DECORATION:
            continue
        for name, known in (("fileRef", files), ("parentRef", disks), ("fileref", files)):
            value = attribute(element, name)
            if value and value not in known:
                yield Fault(
                    element, f"{name} of <{local(element)}> is {value!r}, which is not there", value
                )
        for value in attribute(element, "configuration").split():
            if value not in options and local(element) != "Configuration":
                message = f"<{local(element)}> is for the option {value!r}, which is not declared"
                yield Fault(element, message, value)
    for item in _STARTUP(subject):
        value = attribute(item, "id")
        if value and value not in contents:
            yield Fault(item, f"the start order names {value!r}, which is no machine", value)


def unused(subject: Subject) -> Iterator[Fault]:
    """Files and disks are there to be used."""
    files, disks = set(), set()
    for element in subject.elements():
        files |= {attribute(element, name) for name in ("fileRef", "fileref")}
        disks.add(attribute(element, "parentRef"))
    for _, _, item in subject.items():
        for host in item.all("HostResource"):
            kind, _, name = host.rpartition("/")
            (files if kind.endswith("file") else disks).add(name)
            disks |= set(host.split("/"))
    for file in subject.files:
        name = attribute(file, "id")
        if name and name not in files and not name.endswith((".nvram", "nvram")):
            yield Fault(file, f"the file {name} is used by nothing", name)
    if any(content_kind(c) == "VirtualSystem" for c in subject.contents):
        for disk in subject.disks:
            name = attribute(disk, "diskId")
            if name and name not in disks:
                yield Fault(disk, f"the disk {name} is used by no machine", name)


RULES = (
    Rule(
        "KF-610", MUST, "required attributes", clause("7.1, §9"),
        "add the attribute", missing,
    ),
    Rule(
        "KF-611", MUST, "unique ids", clause("7.1, §9.1, §9.5.1"),
        "give each its own", duplicates,
    ),
    Rule(
        "KF-612", MUST, "types of attributes", "DSP8023",
        "write a value of that type", types,
    ),
    Rule(
        "KF-613", MUST, "references by id", clause("7.1, §9.1, §9.7, §9.8"),
        "declare what is referred to, or correct the id", references,
    ),
    Rule(
        "KF-629", INFO, "nothing unused", clause("7.1"),
        "remove it, or use it", unused,
    ),
)  # fmt: skip
