"""Networks and what is connected to them: DSP0243 §8.3, §9.2."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children, section_kind
from kensho.packages.validate.rule import FIELD, MUST, Fault, Rule, clause
from kensho.packages.validate.rules.envelope import rank
from kensho.packages.validate.subject import Subject, namespace

NICS = (10, 33)


def unlisted(subject: Subject) -> Iterator[Fault]:
    """A network that an adapter is on is in NetworkSection."""
    names = {attribute(n, "name") for n in subject.networks}
    for _, _, item in subject.items():
        if item.type not in NICS:
            continue
        for connection in item.all("Connection"):
            if connection and connection not in names:
                yield Fault(
                    item.element,
                    f"{item.name} is on {connection!r}, which NetworkSection does not list",
                    connection,
                    data=connection,
                )


def list_network(subject: Subject, fault: Fault) -> str | None:
    """Add the network to NetworkSection, which is made if need be."""
    uri = namespace(subject.root)
    tag = f"{{{uri}}}" if uri else ""
    section = next((s for s in children(subject.root) if is_networks(s)), None)
    if section is None:
        section = etree.Element(f"{tag}NetworkSection")
        etree.SubElement(section, f"{tag}Info").text = "Networks the machines are on"
        content = [e for e in children(subject.root) if rank(e) >= 2]
        if not content:
            return None
        content[0].addprevious(section)
    if any(attribute(n, "name") == fault.data for n in children(section, "Network")):
        return f"the network {fault.data!r} is listed"
    network = etree.SubElement(section, f"{tag}Network")
    network.set(f"{tag}name", fault.data)
    etree.SubElement(network, f"{tag}Description").text = f"The {fault.data} network"
    return f"the network {fault.data!r} is listed"


def is_networks(element: etree._Element) -> bool:
    """Tell whether this is the NetworkSection."""
    return section_kind(element) == "NetworkSection"


def nowhere(subject: Subject) -> Iterator[Fault]:
    """An adapter is on a network."""
    for _, _, item in subject.items():
        if item.type in NICS and not any(item.all("Connection")):
            yield Fault(item.element, f"{item.name}, an adapter, is on no network")


RULES = (
    Rule(
        "KF-640", MUST, "networks are listed", clause("9.2"),
        "add the network to NetworkSection", unlisted, list_network,
    ),
    Rule(
        "KF-641", FIELD, "adapters are on a network", clause("8.3"),
        "add rasd:Connection", nowhere,
    ),
)  # fmt: skip
