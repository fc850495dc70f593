"""Properties (DSP0243 §9.5.1): values, also per configuration, and how users are asked for them.

A property is called by its key, or in full as ``class.key.instance``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxml import etree

from kensho.appliances.ovf.elements import attribute, attributes, children, is_true, local
from kensho.appliances.ovf.write_xml import VMW
from kensho.model.errors import UsageError
from kensho.model.machine import Property
from kensho.model.property_values import check_value, describe, value_type
from kensho.packages.edit.products import product_section, product_sections, section_name
from kensho.packages.edit.scope import Scope, hardware
from kensho.packages.edit.tree import add, insert, remove, set_attribute, set_text, settle
from kensho.packages.edit.values import switch, unknown

#: The types of DSP0243 table 9, which KEY=VALUE+TYPE may name; --set also takes VMware's.
TYPES = (
    *("uint8", "sint8", "uint16", "sint16", "uint32", "sint32", "uint64", "sint64"),
    *("string", "boolean", "real32", "real64"),
)
_FIELDS = ("value", "type", "label", "description", "category", "qualifiers", "password")
FIELDS = (*_FIELDS, "user-configurable", "vmw-qualifiers")
_KEY = re.compile(r"[^\s:.][^\s:]*")
_TRANSPORTS = {"iso": "iso", "vmware": "com.vmware.guestInfo", "ibm": "com.ibm.vmcontrol.propfile"}
_OWN = "Property"
_COMMENT = "!"  # of Cisco's configuration files


def properties(scope: Scope, product: str = "") -> dict[str, etree._Element]:
    """Return the properties by key; those of a class also as ``class.key.instance``.

    ``product`` names a ProductSection (``class#instance``); all of them without.
    """
    found: dict[str, etree._Element] = {}
    for section in product_sections(scope):
        if product and section_name(section) != product:
            continue
        class_, instance = attribute(section, "class"), attribute(section, "instance")
        for element in children(section, "Property"):
            key = attribute(element, "key")
            found.setdefault(key, element)
            full = ".".join(part for part in (class_, key, instance) if part)
            found.setdefault(full, element)
    return found


def set_property(
    scope: Scope, key: str, value: str, type_: str | None = None, product: str = ""
) -> None:
    """Set a property's default value, or that of the scope's configurations; it may be new."""
    element = properties(scope, product).get(key)
    if element is None:
        element = _new(scope, key, product)
    if type_ is not None:
        set_property_field(scope, key, "type", type_, product)
    _check(element, value)
    if not scope.configurations:
        set_attribute(element, "value", value)
        return
    for name in scope.configurations:
        _set_for(element, name, value)


def set_property_field(scope: Scope, key: str, field: str, value: str, product: str = "") -> None:
    """Set one of `FIELDS` of a property that is there."""
    known = properties(scope, product)
    element = known.get(key)
    if element is None:
        raise unknown(f"there is no property {key!r}", key, known)
    if field == "value":
        set_property(scope, key, value, product=product)
    elif field == "type":
        if not value_type(value).known:
            raise unknown(f"there is no property type {value!r}", value, TYPES)
        set_attribute(element, "type", value)
    elif field in {"label", "description"}:
        set_text(element, field.capitalize(), value or None)
    elif field == "category":
        _categorise(element, value)
    elif field == "qualifiers":
        set_attribute(element, "qualifiers", value or None)
    elif field == "vmw-qualifiers":
        _set_vmware(element, value)
    elif field in {"password", "user-configurable"}:
        name = "userConfigurable" if field == "user-configurable" else field
        set_attribute(element, name, "true" if switch(value, f"{key}.{field}") else "false")
    else:
        raise unknown(f"a property has no {field!r}", field, FIELDS)


def remove_property(scope: Scope, key: str) -> None:
    """Remove a property."""
    known = properties(scope)
    if key not in known:
        raise unknown(f"there is no property {key!r}", key, known)
    remove(known[key])


def set_user_configurable(scope: Scope, *, on: bool) -> None:
    """Set whether users are asked, for all properties."""
    for element in properties(scope).values():
        set_attribute(element, "userConfigurable", "true" if on else "false")


def set_transports(scope: Scope, names: str) -> None:
    """Set how properties reach the guest: ``iso``, ``vmware``, ``ibm`` or a vendor's own word."""
    words = [_TRANSPORTS.get(w.lower(), w) for w in names.replace(",", " ").split()]
    for section in hardware(scope):
        set_attribute(section, "transport", " ".join(words) or None)


def from_config_file(scope: Scope, lines: Iterable[str], prefix: str = "config") -> None:
    """Make each line of a router's configuration a property ``config-0001`` …, as COT does."""
    number = 0
    for line in lines:
        text = line.strip()
        if not text or text.startswith(_COMMENT):
            continue
        number += 1
        set_property(scope, f"{prefix}-{number:04d}", text, "string")


def _new(scope: Scope, key: str, product: str) -> etree._Element:
    if _KEY.fullmatch(key) is None:
        raise UsageError(f"not a property key: {key!r}", hint="no blanks, no colon")
    section = product_section(scope, product)
    # A Category holds until the next one: what has none comes before the first.
    first = next(children(section, "Category"), None)
    if first is None:
        element = add(section, "Property")
    else:
        element = insert(section, section.index(first), str(first.tag).replace("Category", _OWN))
    set_attribute(element, "key", key)
    set_attribute(element, "type", "string")
    return element


def _set_for(element: etree._Element, configuration: str, value: str) -> None:
    for found in children(element, "Value"):
        if configuration == attribute(found, "configuration"):
            set_attribute(found, "value", value)
            return
    found = add(element, "Value", value=value)
    set_attribute(found, "configuration", configuration)


def _categorise(element: etree._Element, category: str) -> None:
    """Move a property behind its Category, which holds until the next one."""
    section = element.getparent()
    assert section is not None
    remove(element)
    heads = [e for e in children(section) if local(e) == "Category"]
    if not category:
        index = section.index(heads[0]) if heads else len(section)
    else:
        head = next((h for h in heads if (h.text or "").strip() == category), None)
        if head is None:
            head = add(section, "Category", category)
        index = section.index(head) + 1
        while index < len(section) and local(section[index]) in {"Property", ""}:
            index += 1
    element.tail = None
    settle(section, index, element)


def _set_vmware(element: etree._Element, value: str) -> None:
    if value:
        element.set(f"{{{VMW}}}qualifiers", value)
    else:
        etree.strip_attributes(element, f"{{{VMW}}}qualifiers")


def _check(element: etree._Element, value: str) -> None:
    """Refuse a value that the property's type or qualifiers do not allow; ``${…}`` is for later."""
    if not value or "${" in value:
        return
    prop = Property(
        key=attribute(element, "key"),
        type=attribute(element, "type"),
        password=is_true(attribute(element, "password")),
        qualifiers=" ".join(
            text for _, name, text in attributes(element) if name == "qualifiers" and text
        ),
    )
    faults = check_value(prop, value)
    if faults:
        kind = value_type(prop.type, prop.qualifiers)
        raise UsageError(f"property {prop.key}: {faults[0]}", hint=describe(kind))
