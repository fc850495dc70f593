"""Products and their properties: DSP0243 §9.5. Types and values: model/property_values.py."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children, is_true, section_kind
from kensho.model.machine import Property
from kensho.model.property_values import check_value, read_qualifiers, value_type
from kensho.packages.validate.rule import COMMON, FIELD, MUST, SHOULD, Fault, Rule, clause
from kensho.packages.validate.subject import Subject

#: Types of DSP0243 table 6 (after CIM); all others are somebody's own.
_TYPES = frozenset(
    {
        *("uint8", "sint8", "uint16", "sint16", "uint32", "sint32", "uint64", "sint64"),
        *("string", "boolean", "real32", "real64"),
    }
)
#: Qualifiers of DSP0243 table 7, and vmw:qualifiers of vSphere's PropertyInfo.
_QUALIFIERS = frozenset({"minlen", "maxlen", "valuemap"})
_VMWARE_QUALIFIERS = frozenset(
    {
        *("minvalue", "maxvalue", "ip", "autoip", "vimip", "netmask", "gateway", "dns", "net"),
        *("domainname", "hostprefix", "subnet", "searchpath", "httpproxy", "expression"),
        *("password", "minpassword", "maxpassword", "unset"),
    }
)
_COMPUTED = re.compile(r"\$\{[^}]*\}")


def properties(subject: Subject) -> Iterator[tuple[etree._Element, etree._Element]]:
    """Yield each Property with its ProductSection."""
    for section in subject.sections("ProductSection"):
        for element in children(section, "Property"):
            yield section, element


def unknown_type(subject: Subject) -> Iterator[Fault]:
    """A property's type is one that somebody defines."""
    for _, element in properties(subject):
        said = attribute(element, "type")
        if said and not value_type(said).known:
            key = attribute(element, "key")
            yield Fault(element, f"property {key} has the type {said!r}, which nobody defines", key)


def vendor_type(subject: Subject) -> Iterator[Fault]:
    """A property's type is one of the standard's."""
    for _, element in properties(subject):
        said = attribute(element, "type")
        if said and said not in _TYPES and value_type(said).known:
            key = attribute(element, "key")
            yield Fault(
                element, f"property {key} has the type {said!r}, which is no standard one", key
            )


def wrong_values(subject: Subject) -> Iterator[Fault]:
    """Default values are values of their type; no value is one that is to be given."""
    for _, element in properties(subject):
        kind = Property(
            key=attribute(element, "key"),
            type=attribute(element, "type") or "string",
            value=attribute(element, "value"),
            user_configurable=is_true(attribute(element, "userConfigurable")),
            password=is_true(attribute(element, "password")),
            qualifiers=_all_qualifiers(element),
        )
        places = [(element, kind.value)]
        places += [(v, attribute(v, "value")) for v in children(element, "Value")]
        for place, value in places:
            if not value or _COMPUTED.search(value) or not value_type(kind.type).known:
                continue
            for fault in check_value(kind, value):
                yield Fault(place, f"property {kind.key}: {fault}", kind.key)


def _all_qualifiers(element: etree._Element) -> str:
    return " ".join(
        str(value)
        for name, value in element.attrib.items()
        if str(name).rpartition("}")[2] == "qualifiers"
    )


def unknown_qualifiers(subject: Subject) -> Iterator[Fault]:
    """Qualifiers are the standard's or VMware's."""
    for _, element in properties(subject):
        for name, value in element.attrib.items():
            if str(name).rpartition("}")[2] != "qualifiers":
                continue
            for qualifier, _argument in read_qualifiers(str(value)):
                if qualifier.lower() not in _QUALIFIERS | _VMWARE_QUALIFIERS:
                    key = attribute(element, "key")
                    yield Fault(element, f"property {key} has the qualifier {qualifier!r}", key)


def keys(subject: Subject) -> Iterator[Fault]:
    """A key has no period and no colon, which divide class, key and instance."""
    for _, element in properties(subject):
        key = attribute(element, "key")
        if "." in key or ":" in key:
            yield Fault(element, f"the key {key!r} has a period or a colon in it", key)


def same_product(subject: Subject) -> Iterator[Fault]:
    """Two products of one machine differ in class or instance, if they have properties."""
    for parent in (subject.root, *subject.contents):
        seen: set[tuple[str, str]] = set()
        for section in children(parent):
            if section_kind(section) != "ProductSection":
                continue
            name = attribute(section, "class"), attribute(section, "instance")
            if name in seen:
                shown = ".".join(n for n in name if n) or "no class and no instance"
                yield Fault(section, f"two products with {shown} in one machine")
            seen.add(name)


def hidden_secrets(subject: Subject) -> Iterator[Fault]:
    """No password is written into the package."""
    for _, element in properties(subject):
        kind = value_type(attribute(element, "type") or "string", _all_qualifiers(element))
        if (is_true(attribute(element, "password")) or kind.password) and attribute(
            element, "value"
        ):
            key = attribute(element, "key")
            yield Fault(element, f"property {key} is a password and has a value in the open", key)


RULES = (
    Rule(
        "KF-662", MUST, "property types", clause("9.5.1 table 6"),
        "use string, boolean, uint8 … sint64, real32 or real64", unknown_type,
    ),
    Rule(
        "KF-661", FIELD, "standard property types", clause("9.5.1 table 6"),
        "use a type of the table, with a qualifier", vendor_type,
    ),
    Rule(
        "KF-663", SHOULD, "values of their type", clause("9.5.1"),
        "correct the value or the type", wrong_values,
    ),
    Rule(
        "KF-676", FIELD, "known qualifiers", clause("9.5.1 table 7"),
        "use MinLen, MaxLen or ValueMap", unknown_qualifiers,
    ),
    Rule(
        "KF-677", FIELD, "keys without period and colon", clause("9.5.1"),
        "use ovf:class and ovf:instance of the ProductSection", keys,
    ),
    Rule(
        "KF-678", COMMON, "products differ", clause("9.5"),
        "give each its own ovf:class or ovf:instance", same_product,
    ),
    Rule(
        "KF-679", FIELD, "no passwords in the open", "kensho",
        "leave the value out; it is asked for when deploying", hidden_secrets,
    ),
)  # fmt: skip
