"""Elements of a domain that the model does not have, written back at their places.

Source: https://libvirt.org/formatdomain.html. What the mapping decided has the word: an element
that contradicts the machine as it is now stays away. Addresses on the guest's buses are libvirt's to give,
and what names a place on the host is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lxml import etree

from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import KenshoError
from kensho.model.machine import Machine
from kensho.platforms.extras import Fate, fate_of

_ENTROPY = ("/dev/random", "/dev/urandom", "/dev/hwrng")
_MOST = 1 << 20  #: characters of one element
_VIRTUALIZATION = ("vmx", "svm")
#: Features of QEMU/KVM; others in an old domain are Xen's or a container's.
_FEATURES = frozenset(
    {"acpi", "apic", "pae", "hap", "hyperv", "kvm", "pvspinlock", "pmu", "vmport", "vmcoreinfo"}
    | {"ioapic", "msrs", "tcg", "async-teardown"}
)


def add_extras(root: etree._Element, machine: Machine) -> None:
    """Add what the machine had in a domain before to the domain ``root``."""
    for extra in machine.extras:
        if extra.dialect != "libvirt" or len(extra.text) > _MOST or fate_of(extra) is not Fate.BACK:
            continue
        try:
            element, _ = parse_xml(extra.text.encode(errors="replace"), path=extra.where)
        except KenshoError:
            continue
        if not _is_harmless(extra.where, element):
            continue
        _without_indentation(element)
        if "/metadata/" in extra.where:
            _add_metadata(root, element)
        elif "/devices/" in extra.where:
            _add_device(root, element, machine)
        else:
            _PARTS.get(str(element.tag), _replace)(root, element, machine)
    # Each piece declares what was in scope where it came from.
    etree.cleanup_namespaces(root, keep_ns_prefixes=[p for p in root.nsmap if p])


def _is_harmless(where: str, element: etree._Element) -> bool:
    """Tell whether an element is what its place says, and reaches for nothing of the host.

    The rules of `kensho.platforms.extras` read text, which a note that somebody made can spell in
    more ways than they know; this looks at what libvirt would see.
    """
    name = where.rpartition("/")[2].partition("[")[0]
    if "/metadata/" in where:
        return True
    if element.tag != name:
        return False
    match name:
        case "sysinfo":
            kinds = {element.get("type")}
            return kinds == {"smbios"} and not any(e.get("file") for e in element.iter())
        case "channel":
            return element.get("type") == "unix"
        case "vsock":
            return all(e.get("auto") == "yes" for e in element.findall("cid"))
        case "rng":
            return all(_is_entropy(e) for e in element.findall("backend"))
    return True


def _is_entropy(backend: etree._Element) -> bool:
    text = "".join(str(part) for part in backend.itertext()).strip()
    random = backend.get("model") == "random" and text in {"", *_ENTROPY}
    return random or (backend.get("model") == "builtin" and not text)


def _without_indentation(element: etree._Element) -> None:
    """Take away white space between elements, so that all of the document is indented alike."""
    for part in element.iter():
        part.tail = (part.tail or "").strip() or None
        if len(part):
            part.text = (part.text or "").strip() or None


def _replace(root: etree._Element, element: etree._Element, machine: Machine) -> None:
    del machine
    old = root.find(str(element.tag))
    if old is None:
        root.append(element)
    else:
        root.replace(old, element)


def _add_cpu(root: etree._Element, element: etree._Element, machine: Machine) -> None:
    """Put the processor's model back where it has the topology that the machine has now."""
    if _threads(element) != (machine.cpu.count, machine.cpu.cores_per_socket):
        return
    said = {f.get("name"): f.get("policy") or "require" for f in element.findall("feature")}
    says = {said[name] for name in _VIRTUALIZATION if name in said}
    nested = bool(says & {"require", "force"}) or (
        element.get("mode") == "host-passthrough" and not says
    )
    if nested is not machine.cpu.nested_virtualization:
        return
    for numa in element.findall("numa"):  # by the memory that it had
        element.remove(numa)
    _replace(root, element, machine)


def _threads(element: etree._Element) -> tuple[int, int] | None:
    """Return the processors of a topology, all and in a socket; None when it is none."""
    topology = element.find("topology")
    if topology is None:
        return None
    numbers = []
    for name in ("sockets", "dies", "clusters", "cores", "threads"):
        text = topology.get(name) or "1"
        if not (text.isascii() and text.isdigit() and 0 < len(text) < 6):
            return None
        numbers.append(int(text))
    per_socket = numbers[1] * numbers[2] * numbers[3] * numbers[4]
    return numbers[0] * per_socket, per_socket


def _add_features(root: etree._Element, element: etree._Element, machine: Machine) -> None:
    features = root.find("features")
    if features is None:
        features = etree.SubElement(root, "features")
    for child in list(element):
        if str(child.tag) in _FEATURES:
            _replace(features, child, machine)


def _add_sysinfo(root: etree._Element, element: etree._Element, machine: Machine) -> None:
    """Put the SMBIOS strings back; the UUID there has to be the domain's own."""
    for entry in element.findall("system/entry[@name='uuid']"):
        system = entry.getparent()
        if system is not None:
            system.remove(entry)
    _replace(root, element, machine)
    system_os = root.find("os")
    if system_os is not None and system_os.find("smbios") is None:
        etree.SubElement(system_os, "smbios", mode="sysinfo")


def _add_metadata(root: etree._Element, element: etree._Element) -> None:
    metadata = root.find("metadata")
    if metadata is None:
        metadata = etree.SubElement(root, "metadata")
    if metadata.find(str(element.tag)) is None:
        metadata.append(element)


def _add_device(root: etree._Element, element: etree._Element, machine: Machine) -> None:
    devices = root.find("devices")
    if devices is None:
        return
    for name in ("address", "alias", "source", "log"):
        for child in element.findall(name):
            element.remove(child)
    tag = str(element.tag)
    if tag == "input":
        there = {(e.get("type"), e.get("bus")) for e in devices.findall("input")}
        usb = element.get("bus") == "usb"
        if (element.get("type"), element.get("bus")) in there or (usb and not machine.usb):
            return
        devices.append(element)
    elif tag == "channel" and _port(element) in map(_port, devices.findall("channel")):
        return  # the port of the guest's agent, which is there
    elif tag in {"memballoon", "vsock", "iommu"} or (
        tag == "rng" and devices.find("rng") is not None
    ):  # one at most
        _replace(devices, element, machine)
    else:
        devices.append(element)


def _port(channel: etree._Element) -> str:
    target = channel.find("target")
    return "" if target is None else target.get("name", "")


_PARTS: Mapping[str, Callable[[etree._Element, etree._Element, Machine], None]] = {
    "cpu": _add_cpu,
    "features": _add_features,
    "sysinfo": _add_sysinfo,
}
