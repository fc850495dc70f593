"""Hardware items one by one: DSP0243 §8.3, DSP1041 and the CIM schemas of its classes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from kensho.appliances.ovf.elements import children, dialect, local, required, text
from kensho.appliances.ovf.units import parse_unit
from kensho.packages.validate.rule import COMMON, MUST, Fault, Rule, clause
from kensho.packages.validate.rules.content import VENDORS
from kensho.packages.validate.rules.hardware import CPU, MEMORY
from kensho.packages.validate.subject import Subject, namespace

_CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
_CLASSES = {
    "Item": f"{_CIM}CIM_ResourceAllocationSettingData",
    "StorageItem": f"{_CIM}CIM_StorageAllocationSettingData",
    "EthernetPortItem": f"{_CIM}CIM_EthernetPortAllocationSettingData",
}
#: Properties of CIM_ResourceAllocationSettingData, CIM_StorageAllocationSettingData and
#: CIM_EthernetPortAllocationSettingData in the schemas that DSP8023 imports.
RASD = frozenset(
    {
        *("Address", "AddressOnParent", "AllocationUnits", "AutomaticAllocation"),
        *("AutomaticDeallocation", "Caption", "ChangeableType", "ComponentSetting"),
        *("ConfigurationName", "Connection", "ConsumerVisibility", "Description"),
        *("ElementName", "Generation", "HostResource", "InstanceID", "Limit"),
        *("MappingBehavior", "OtherResourceType", "Parent", "PoolID", "Reservation"),
        *("ResourceSubType", "ResourceType", "SoID", "SoOrgID", "VirtualQuantity"),
        *("VirtualQuantityUnits", "Weight"),
    }
)
_OTHER_CLASSES = frozenset(
    {
        *("Access", "HostExtentName", "HostExtentNameFormat", "HostExtentNameNamespace"),
        *("HostExtentStartingAddress", "HostResourceBlockSize", "OtherHostExtentNameFormat"),
        *("OtherHostExtentNameNamespace", "VirtualResourceBlockSize", "AllowedPriorities"),
        *("AllowedToReceiveMACAddresses", "AllowedToReceiveVLANs", "ManagerID"),
        *("AllowedToTransmitMACAddresses", "AllowedToTransmitVLANs", "DefaultPortVID"),
        *("DefaultPriority", "DesiredVLANEndpointMode", "GroupID", "NetworkPortProfileID"),
        *("NetworkPortProfileIDType", "OtherEndpointMode", "PortCorrelationID", "PortVID"),
        *("OtherNetworkPortProfileIDTypeInfo", "Promiscuous", "ReceiveBandwidthLimit"),
        *("ReceiveBandwidthReservation", "SourceMACFilteringEnabled", "VSITypeID"),
        *("VSITypeIDVersion",),
    }
)
#: Of CIM_ResourceAllocationSettingData's older or newer versions; importers skip them.
_TOLERATED = frozenset({"InstanceId", "BusNumber"})
_INTEGERS = ("VirtualQuantity", "Reservation", "Limit", "Weight")
_INTEGER = re.compile(r"[0-9]{1,20}|\$\{[^}]+\}", re.ASCII)
_BOOLEANS = ("AutomaticAllocation", "AutomaticDeallocation")


def no_id(subject: Subject) -> Iterator[Fault]:
    """An item has an InstanceID."""
    for _, _, item in subject.items():
        if not item.id:
            yield Fault(item.element, f"{item.name} cannot be referred to")


def give_id(subject: Subject, fault: Fault) -> str:
    """Give the item the next free number as its InstanceID."""
    element = fault.element
    assert element is not None
    for child in list(children(element, "InstanceID", "InstanceId")):
        element.remove(child)
    taken = [text(e, "InstanceID", "InstanceId") for e in siblings(element)]
    number = max((int(t) for t in taken if t.isascii() and t.isdigit()), default=0) + 1
    del subject
    put(element, "InstanceID", str(number))
    return f"an item got the InstanceID {number}"


def siblings(element: etree._Element) -> list[etree._Element]:
    """Return the items of the element's section."""
    parent = element.getparent()
    return [] if parent is None else list(children(parent, *_CLASSES))


def no_name(subject: Subject) -> Iterator[Fault]:
    """An item has an ElementName."""
    for _, _, item in subject.items():
        if not item.get("ElementName"):
            yield Fault(item.element, f"{item.name} has no rasd:ElementName")


def give_name(subject: Subject, fault: Fault) -> str:
    """Name the item by its caption, its description or its kind."""
    element = fault.element
    assert element is not None
    name = text(element, "Caption") or text(element, "Description")
    name = name or f"Device {text(element, 'InstanceID', 'InstanceId')}"
    for child in list(children(element, "ElementName")):
        element.remove(child)
    put(element, "ElementName", name)
    del subject
    return f"item {text(element, 'InstanceID', 'InstanceId')} is called {name!r}"


def put(element: etree._Element, name: str, value: str) -> None:
    """Set an item's property, a new one in its alphabetical place."""
    for child in children(element, name):
        child.text = value
        return
    like = next((namespace(c) for c in children(element) if "CIM_" in namespace(c)), None)
    new = etree.Element(f"{{{like or _CLASSES.get(local(element), _CLASSES['Item'])}}}{name}")
    new.text = value
    for child in children(element):
        if namespace(child) != (like or "") or local(child) > name:
            child.addprevious(new)
            return
    element.append(new)


def no_type(subject: Subject) -> Iterator[Fault]:
    """An item has a ResourceType of 0 to 65535."""
    for _, _, item in subject.items():
        if item.type is None or item.type > 0xFFFF:
            said = item.get("ResourceType")
            what = f"the ResourceType {said!r}" if said else "no ResourceType"
            yield Fault(item.element, f"{item.name} has {what}", item.id)


def old_spelling(subject: Subject) -> Iterator[Fault]:
    """InstanceID is spelled as CIM spells it since OVF 1.0."""
    if subject.version == "0.9":
        return
    for element in subject.elements():
        if local(element) == "InstanceId":
            yield Fault(element, "InstanceId is the draft's spelling of InstanceID")


def respell(subject: Subject, fault: Fault) -> str:
    """Spell it InstanceID."""
    element = fault.element
    assert element is not None
    element.tag = f"{{{namespace(element)}}}InstanceID" if namespace(element) else "InstanceID"
    del subject
    return "InstanceId is spelled InstanceID"


def order(subject: Subject) -> Iterator[Fault]:
    """An item's properties are in the order of the schema, which is the alphabet's."""
    if subject.version == "0.9":
        return
    for _, _, item in subject.items():
        names = [local(c) for c in children(item.element) if dialect(c) in {"cim", "ovf"}]
        names = [n for n in names if n in RASD]
        if names != sorted(names):
            yield Fault(
                item.element, f"the properties of {item.name} are not in the order of the schema"
            )


def sort(subject: Subject, fault: Fault) -> str:
    """Sort the properties; what is not CIM's comes last, as it was."""
    element = fault.element
    assert element is not None
    nodes = list(children(element))
    ours = [n for n in nodes if local(n) in RASD and dialect(n) in {"cim", "ovf"}]
    for node in [*sorted(ours, key=local), *(n for n in nodes if n not in ours)]:
        element.append(node)
    del subject
    return f"the properties of item {text(element, 'InstanceID')} were sorted"


def unknown_child(subject: Subject) -> Iterator[Fault]:
    """What an item has beside CIM's properties may be skipped."""
    for _, _, item in subject.items():
        for child in children(item.element):
            name, owner = local(child), dialect(child)
            known = name in RASD | _OTHER_CLASSES | _TOLERATED or owner in VENDORS
            if not known and required(child):
                yield Fault(child, f"{item.name} has <{name}>, which is unknown, and required")


def namespaces(subject: Subject) -> Iterator[Fault]:
    """An item's properties are in the namespace of its CIM class."""
    for _, _, item in subject.items():
        wanted = _CLASSES[local(item.element)]
        for child in children(item.element):
            uri = namespace(child)
            if local(child) in RASD and uri != wanted and subject.version in {"1", "2"}:
                yield Fault(child, f"<{local(child)}> of {item.name} is in the namespace {uri!r}")
                break


def into_class(subject: Subject, fault: Fault) -> str | None:
    """Put the item's properties into the namespace of its class."""
    element = None if fault.element is None else fault.element.getparent()
    if element is None:
        return None
    for child in children(element):
        if local(child) in RASD | _OTHER_CLASSES and dialect(child) not in VENDORS:
            child.tag = f"{{{_CLASSES[local(element)]}}}{local(child)}"
    del subject
    return f"the properties of item {text(element, 'InstanceID')} are in their namespace"


def numbers(subject: Subject) -> Iterator[Fault]:
    """Quantities are whole numbers, switches are booleans."""
    for _, _, item in subject.items():
        for name in _INTEGERS:
            value = item.get(name)
            # -1 is VMware's "no limit".
            if value and not _INTEGER.fullmatch(value) and not (name == "Limit" and value == "-1"):
                yield Fault(item.element, f"{name} of {item.name} is {value!r}, no number", item.id)
        for name in _BOOLEANS:
            value = item.get(name)
            if value and value.lower() not in {"true", "false", "0", "1"}:
                yield Fault(item.element, f"{name} of {item.name} is {value!r}", item.id)


def no_quantity(subject: Subject) -> Iterator[Fault]:
    """Processors and memory have a quantity above 0. oVirt counts sockets instead."""
    for _, _, item in subject.items():
        if item.type not in {CPU, MEMORY} or item.bound != "normal":
            continue
        value = item.get("VirtualQuantity")
        if not value.strip("0") and not item.get("num_of_sockets"):
            yield Fault(item.element, f"{item.name} says {value or 'nothing'} as VirtualQuantity")


def units(subject: Subject) -> Iterator[Fault]:
    """Memory is in a unit of bytes, spelled as DSP0004 says since OVF 1.0."""
    for _, _, item in subject.items():
        said = item.get("AllocationUnits", "VirtualQuantityUnits")
        unit = parse_unit(said) if said else None
        if item.type != MEMORY or (not said and not item.get("VirtualQuantity")):
            continue
        if unit is None or unit.base != "byte":
            yield Fault(item.element, f"{item.name}, memory, is in {said or 'no unit'!r}", item.id)
        elif not unit.standard and subject.version != "0.9":
            yield Fault(
                item.element,
                f"{item.name} is in {said!r}, which is no unit of DSP0004",
                item.id,
                data=unit,
            )


def standard_units(subject: Subject, fault: Fault) -> str | None:
    """Spell the unit as DSP0004 does."""
    element, unit = fault.element, fault.data
    if element is None or unit is None or unit.factor & (unit.factor - 1):
        return None
    for child in children(element, "AllocationUnits", "VirtualQuantityUnits"):
        child.text = f"byte * 2^{unit.factor.bit_length() - 1}" if unit.factor > 1 else "byte"
    del subject
    return f"the unit of item {text(element, 'InstanceID', 'InstanceId')} is spelled by DSP0004"


RULES = (
    Rule(
        "KF-644", MUST, "InstanceIDs", clause("8.3") + "; DSP1041",
        "add rasd:InstanceID", no_id, give_id,
    ),
    Rule(
        "KF-646", COMMON, "ElementNames", clause("8.3") + "; DSP1041",
        "add rasd:ElementName", no_name, give_name,
    ),
    Rule(
        "KF-647", MUST, "ResourceTypes", clause("8.3") + "; DSP1041",
        "add rasd:ResourceType with CIM's number", no_type,
    ),
    Rule(
        "KF-648", COMMON, "InstanceID spelled right", "CIM_SettingData; DSP8023",
        "spell it InstanceID", old_spelling, respell,
    ),
    Rule(
        "KF-649", COMMON, "order of properties", "DSP8023 (xs:sequence of the CIM schemas)",
        "sort them by name", order, sort,
    ),
    Rule(
        "KF-650", MUST, "unknown properties may be skipped", clause("8.2"),
        'say ovf:required="false", or remove it', unknown_child,
    ),
    Rule(
        "KF-651", MUST, "quantities are numbers", clause("8.3, §8.4"),
        "write a whole number", numbers,
    ),
    Rule(
        "KF-660", COMMON, "properties in CIM's namespace", clause("8.3") + "; DSP8023",
        "use the namespace of the item's CIM class, without .xsd at its end", namespaces,
        into_class,
    ),
    Rule(
        "KF-658", COMMON, "units of memory", clause("8.3") + "; DSP0004 annex C.1",
        "write byte * 2^20", units, standard_units,
    ),
    Rule(
        "KF-664", COMMON, "quantities are given", clause("8.3"),
        "add rasd:VirtualQuantity", no_quantity,
    ),
)  # fmt: skip
