"""Insert, set and remove XML so that the rest of the text stays as it is.

New elements take the namespace, the prefix and the indentation of their neighbours, new
attributes are qualified as the document's own are (IBM's exports qualify none).
"""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from kensho.appliances.ovf.elements import child, local, section_kind
from kensho.appliances.ovf.envelope import children_up_to
from kensho.appliances.ovf.write_xml import VMW, clean
from kensho.model.errors import CorruptError

_STEP = "  "
#: Attributes that every descriptor has some of; they show how the document qualifies its own.
_COMMON = frozenset({"id", "href", "diskId", "fileRef", "capacity", "name", "required", "key"})
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def add(
    parent: etree._Element,
    name: str,
    text: str | None = None,
    /,
    *,
    after: Sequence[str] | None = None,
    **attributes: str | None,
) -> etree._Element:
    """Add an OVF element where the schema has it; attributes of None are left out.

    Where the schema leaves it open, ``after`` lists what has to come before.
    """
    element = place(parent, f"{{{namespace(parent)}}}{name}", after)
    for key, value in attributes.items():
        if value is not None:
            set_attribute(element, key.rstrip("_"), value)
    if text is not None:
        element.text = clean(text)
    return element


def place(parent: etree._Element, tag: str, after: Sequence[str] | None = None) -> etree._Element:
    """Add an empty element with this qualified tag behind all that come before, else in front."""
    name = tag.rpartition("}")[2]
    wanted = set(children_up_to(section_kind(parent), name) if after is None else after)
    count = len(parent)
    behind = (n for n, e in enumerate(reversed(parent)) if local(e) in wanted)
    return insert(parent, count - next(behind, count), tag)


def append(parent: etree._Element, tag: str, prefix: str | None = None) -> etree._Element:
    """Add an empty element at the end."""
    return insert(parent, len(parent), tag, prefix)


def insert(
    parent: etree._Element, index: int, tag: str, prefix: str | None = None
) -> etree._Element:
    """Add an empty element at ``index`` on a line of its own where the others are."""
    uri, _, name = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
    known = uri in parent.nsmap.values()
    nsmap = {prefix: uri} if uri and prefix and not known else None
    try:
        element = etree.SubElement(parent, tag if uri else name, nsmap=nsmap)
    except ValueError as error:  # a namespace that is no URI, a prefix that was never declared
        raise CorruptError(
            f"nothing can be added to this XML: {error}",
            field=str(parent.tag),
            hint="`kensho fix` mends namespaces",
        ) from None
    parent.remove(element)
    settle(parent, index, element)
    return element


def settle(parent: etree._Element, index: int, element: etree._Element) -> None:
    """Put an element without a place at ``index`` of ``parent``, indented like its siblings."""
    lead = _lead_of_children(parent)
    if index == 0:
        before, parent.text = parent.text, lead
        element.tail = before if len(parent) else _closing(parent)
        if before and before.strip():  # text of a mixed element stays where it is
            parent.text, element.tail = before, None
    else:
        previous = parent[index - 1]
        element.tail = previous.tail
        previous.tail = lead if index == len(parent) else previous.tail
    parent.insert(index, element)


def remove(element: etree._Element) -> None:
    """Take an element out, with its line."""
    parent = element.getparent()
    assert parent is not None
    previous, tail = element.getprevious(), element.tail
    last = element.getnext() is None
    if previous is not None:
        if last or (tail and tail.strip()):
            previous.tail = tail
    elif last:
        parent.text = None if _blank(tail) else tail
    parent.remove(element)


def set_text(parent: etree._Element, name: str, value: str | None) -> None:
    """Set the text of the first child called ``name``; None removes it, '' keeps it empty."""
    found = child(parent, name)
    if value is None:
        if found is not None:
            remove(found)
    elif found is None:
        add(parent, name, value)
    elif (found.text or "").strip() != value:
        found.text = clean(value)


def set_attribute(element: etree._Element, name: str, value: str | None) -> None:
    """Set an attribute by its local name, whatever its prefix; None removes it."""
    key = next((k for k in element.attrib if _local(str(k)) == name), None)
    if value is not None:
        _set(element, key if key is not None else _attribute_key(element, name), value)
    elif key is not None:
        del element.attrib[key]


def _set(element: etree._Element, key: str | bytes, value: str) -> None:
    try:
        element.set(key, clean(value))
    except ValueError as error:
        raise CorruptError(
            f"no attribute can be set in this XML: {error}",
            field=str(element.tag),
            hint="`kensho fix` mends namespaces",
        ) from None


def vendor(
    parent: etree._Element, name: str, attributes: dict[str, str], *, required: str | None = "false"
) -> etree._Element:
    """Add a ``vmw:`` element behind the last one of its name, else at the end."""
    same = [n for n, e in enumerate(parent) if local(e) == name]
    index = same[-1] + 1 if same else len(parent)
    element = insert(parent, index, f"{{{VMW}}}{name}", "vmw")
    if required is not None:
        set_attribute_as_root(element, "required", required)
    for key, value in attributes.items():
        element.set(f"{{{VMW}}}{key}", clean(value))
    return element


def set_attribute_as_root(element: etree._Element, name: str, value: str) -> None:
    """Set one of OVF's attributes on an element of another namespace."""
    uri = namespace(element.getroottree().getroot())
    element.set(f"{{{uri}}}{name}" if uri else name, value)


def declare_vmware(root: etree._Element) -> None:
    """Declare VMware's prefix at the top when it was added further down; others stay."""
    if VMW in root.nsmap.values():
        return
    prefixes: set[str] = set()
    used = False
    for element in root.iter("{*}*"):
        prefixes.update(p for p in element.nsmap if p)
        used = used or VMW in element.nsmap.values()
    if used and "vmw" not in root.nsmap:
        # What looks unused may be meant by the text of an attribute (xsi:type), so all are kept.
        etree.cleanup_namespaces(root, top_nsmap={"vmw": VMW}, keep_ns_prefixes=list(prefixes))


def namespace(element: etree._Element) -> str:
    """Return the namespace an element is in, empty for none."""
    tag = str(element.tag)
    return tag[1:].partition("}")[0] if tag.startswith("{") else ""


def section(parent: etree._Element, kind: str, info: str, after: Sequence[str]) -> etree._Element:
    """Add a section with its Info, as ``Section xsi:type`` where the document does so (0.9)."""
    typed = [e for e in parent.iter("{*}Section") if e.get(XSI_TYPE)]
    if typed:
        prefix = str(typed[0].get(XSI_TYPE)).rpartition(":")[0]
        element = add(parent, "Section", after=(*after, "Section"))
        element.set(XSI_TYPE, f"{prefix}:{kind}_Type" if prefix else f"{kind}_Type")
    else:
        element = add(parent, kind, after=(*after, kind))
    add(element, "Info", info)
    return element


def _attribute_key(element: etree._Element, name: str) -> str:
    uri = namespace(element)
    if not uri:
        return name
    root = element.getroottree().getroot()
    for other in root.iter():
        for key in other.attrib:
            if _local(str(key)) in _COMMON:
                return f"{{{uri}}}{name}" if str(key).startswith("{") else name
    return f"{{{uri}}}{name}"


def _local(name: str) -> str:
    return name.rpartition("}")[2].rpartition(":")[2]


def _blank(text: str | None) -> bool:
    return not (text or "").strip()


def _lead(element: etree._Element) -> str | None:
    """Return the blanks in front of an element, None when it has no line of its own."""
    previous, parent = element.getprevious(), element.getparent()
    text = previous.tail if previous is not None else parent.text if parent is not None else "\n"
    if not text or not _blank(text) or "\n" not in text:
        return None
    return "\n" + text.rpartition("\n")[2]


def _lead_of_children(parent: etree._Element) -> str | None:
    if len(parent):
        return next((lead for lead in map(_lead, reversed(parent)) if lead is not None), None)
    own = _lead(parent)
    return None if own is None else own + _step(parent)


def _closing(parent: etree._Element) -> str | None:
    return _lead(parent)


def _step(element: etree._Element) -> str:
    """Return how much deeper a child is indented, as seen above ``element``."""
    parent = element.getparent()
    if parent is None:
        return _STEP
    own, above = _lead(element), _lead(parent)
    if own is None or above is None or not own.startswith(above) or own == above:
        return _STEP
    return own[len(above) :]
