"""Items of virtual hardware (DSP0243 §8.3) in the tree: find, change, add, split by configuration.

OVF 2's StorageItem and EthernetPortItem are items like the others; their properties have the
same names in another namespace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy

from lxml import etree

from kensho.appliances.ovf.elements import attribute, child, children, local, section_kind, text
from kensho.appliances.ovf.envelope import children_up_to
from kensho.appliances.ovf.items import ITEMS
from kensho.appliances.ovf.sections.parts import OVF_NAMESPACES, RASD
from kensho.appliances.ovf.write_xml import clean
from kensho.packages.edit.scope import Scope, configuration_ids
from kensho.packages.edit.tree import insert, namespace, remove, set_attribute, settle

_CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#: Element and namespace of a new item in OVF 2, by ResourceType, where it is no Item.
_KINDS = {
    10: ("EthernetPortItem", f"{_CIM}CIM_EthernetPortAllocationSettingData", "epasd"),
    **dict.fromkeys(
        (14, 15, 16, 17), ("StorageItem", f"{_CIM}CIM_StorageAllocationSettingData", "sasd")
    ),
}
_NUMBER = re.compile(r"(\d+)(?=\D|$)")


def items(section: etree._Element, *types: int) -> list[etree._Element]:
    """Return the devices of these ResourceTypes, all without types; limits (ovf:bound) are none."""
    wanted = {str(t) for t in types}
    return [
        e
        for e in children(section, *ITEMS)
        if attribute(e, "bound").lower() in {"", "normal"}
        and (not wanted or text(e, "ResourceType") in wanted)
    ]


def instance(item: etree._Element) -> str:
    """Return an item's InstanceID."""
    return text(item, "InstanceID", "InstanceId")


def groups(found: Sequence[etree._Element]) -> list[list[etree._Element]]:
    """Return items by InstanceID: a device with all its variants, one per configuration."""
    result: dict[str, list[etree._Element]] = {}
    for number, item in enumerate(found):
        result.setdefault(instance(item) or f"#{number}", []).append(item)
    return list(result.values())


def in_configuration(scope: Scope, variants: Sequence[etree._Element]) -> list[etree._Element]:
    """Return a device's variants to change: all, or those of the scope's configurations alone.

    A variant shared with other configurations is split; one for all of them gets a sibling
    with the same InstanceID, which DSP0243 §9.8 lets take its place.
    """
    wanted = scope.configurations
    if not wanted:
        return list(variants)
    result: list[etree._Element] = []
    covered: set[str] = set()
    for item in variants:
        own = attribute(item, "configuration").split()
        mine = [c for c in own if c in wanted]
        if not mine:
            continue
        covered.update(mine)
        if len(mine) < len(own):
            set_attribute(item, "configuration", " ".join(c for c in own if c not in mine))
            item = _sibling(item, mine)  # noqa: PLW2901
        result.append(item)
    rest = [c for c in wanted if c not in covered]
    base = next((i for i in variants if not attribute(i, "configuration").split()), None)
    if rest and base is not None:
        result.append(_sibling(base, rest, behind=variants[-1]))
    return result


def _sibling(
    item: etree._Element, configurations: Sequence[str], behind: etree._Element | None = None
) -> etree._Element:
    copy = deepcopy(item)
    copy.tail = None
    parent = item.getparent()
    assert parent is not None
    settle(parent, parent.index(item if behind is None else behind) + 1, copy)
    set_attribute(copy, "configuration", " ".join(configurations))
    return copy


def present(scope: Scope, devices: list[list[etree._Element]]) -> list[list[etree._Element]]:
    """Return the devices that are there in one of the scope's configurations, or in any."""

    def there(variants: list[etree._Element]) -> bool:
        own = [attribute(v, "configuration").split() for v in variants]
        return any(not o or set(o) & set(scope.configurations) for o in own)

    return [v for v in devices if there(v)] if scope.configurations else devices


def exclude(scope: Scope, variants: Sequence[etree._Element]) -> None:
    """Remove a device: from the scope's configurations, or altogether without any."""
    for item in variants:
        if not scope.configurations:
            remove(item)
            continue
        own = attribute(item, "configuration").split() or list(configuration_ids(scope.root))
        left = [c for c in own if c not in scope.configurations]
        if left:
            set_attribute(item, "configuration", " ".join(left))
        else:
            remove(item)


def set_field(item: etree._Element, name: str, value: str | int | None) -> None:
    """Set a CIM property of an item, in the alphabetical order of the schema; None removes it."""
    found = child(item, name, "InstanceId") if name == "InstanceID" else child(item, name)
    if value is None:
        if found is not None:
            remove(found)
        return
    if isinstance(value, bool):
        value = "true" if value else "false"
    if found is None:
        uri, prefix = _own_namespace(item)
        index = 0
        for number, other in enumerate(item):
            if namespace(other) == uri and local(other) <= name:
                index = number + 1
        found = insert(item, index, f"{{{uri}}}{name}", prefix)
    if (found.text or "").strip() != str(value):
        found.text = clean(str(value))


def _own_namespace(item: etree._Element) -> tuple[str, str]:
    """Return namespace and prefix of an item's properties, by its kind when it has none yet."""
    for other in children(item):
        if local(other) in {"InstanceID", "InstanceId", "ResourceType", "ElementName"}:
            return namespace(other), other.prefix or "rasd"
    for name, uri, prefix in _KINDS.values():
        if local(item) == name:
            return uri, prefix
    for other in item.getroottree().getroot().iter("{*}ResourceType"):
        if local(other.getparent()) == "Item":  # type: ignore[arg-type]
            return namespace(other), other.prefix or "rasd"
    return RASD, "rasd"


def rename(item: etree._Element, old: str, new: str) -> None:
    """Put the new number where an item's names begin with the old one: ``2 virtual CPU(s)``."""
    for name in ("ElementName", "Caption", "Description"):
        element = child(item, name)
        if element is None or not element.text:
            continue
        match = _NUMBER.match(element.text.strip())
        if match is not None and match[1] == old:
            element.text = element.text.replace(old, new, 1)


def new_item(
    section: etree._Element,
    fields: Mapping[str, str | int | bool | None],
    *,
    configurations: Sequence[str] = (),
    required: bool = True,
) -> etree._Element:
    """Add a device behind the last of its type, else the last item; it gets a free InstanceID."""
    type_ = int(fields["ResourceType"] or 0)
    same = items(section, type_)
    uri = namespace(section)
    element_name = local(same[-1]) if same else "Item"
    if not same and uri == OVF_NAMESPACES[2] and type_ in _KINDS:
        element_name = _KINDS[type_][0]
    before = children_up_to(section_kind(section), element_name)
    behind = same[-1:] or list(children(section, *before))[-1:]
    index = section.index(behind[0]) + 1 if behind else 0
    item = insert(section, index, f"{{{uri}}}{element_name}")
    if configurations:
        set_attribute(item, "configuration", " ".join(configurations))
    if not required:
        set_attribute(item, "required", "false")
    whole = {"InstanceID": free_instance(section), **fields}
    for name in sorted(whole):
        set_field(item, name, whole[name])
    return item


def free_instance(section: etree._Element) -> str:
    """Return an InstanceID that no item of the section has."""
    numbers = [int(i) for i in map(instance, children(section, *ITEMS)) if i.isdigit()]
    return str(max((n for n in numbers if n < 2**31), default=0) + 1)
