"""Licences, annotation, name and id: the texts of a machine or of the whole appliance."""

from __future__ import annotations

from kensho.appliances.ovf.elements import attribute, child, children
from kensho.appliances.ovf.write_xml import VMW, clean
from kensho.model.errors import UsageError
from kensho.packages.edit.scope import Scope, content, contents, kind, machine, machines, sections
from kensho.packages.edit.tree import add, remove, section, set_attribute, set_text
from kensho.packages.edit.values import unknown

_PLACE = (
    *("Info", "Name", "OperatingSystemSection", "VirtualHardwareSection", "Section"),
    *("ResourceAllocationSection", "InstallSection", "StartupSection", "ProductSection"),
    *("EulaSection", "AnnotationSection"),
)


def add_eula(scope: Scope, licence: str) -> None:
    """Add a licence agreement."""
    if not licence.strip():
        raise UsageError("the licence agreement is empty")
    element = section(content(scope), "EulaSection", "License agreement", _PLACE)
    add(element, "License", licence)


def remove_eulas(scope: Scope) -> int:
    """Remove all licence agreements of the machine named, or of what is on top; how many."""
    found = sections(content(scope), "EulaSection")
    for element in found:
        remove(element)
    return len(found)


def replace_eulas(scope: Scope, licence: str) -> None:
    """Have this licence agreement and no other; the text is changed in place where it can be."""
    found = sections(content(scope), "EulaSection")
    if not found or not licence.strip():
        add_eula(scope, licence)
        return
    for element in found[1:]:
        remove(element)
    set_text(found[0], "License", licence)
    old = child(found[0], "License")
    if old is not None:
        set_attribute(old, "msgid", None)  # a translation of the old text


def set_annotation(scope: Scope, words: str) -> None:
    """Set the annotation; empty removes it."""
    found = sections(content(scope), "AnnotationSection")
    if not words:
        for element in found:
            remove(element)
        return
    if found:
        set_text(found[0], "Annotation", words)
        return
    element = section(content(scope), "AnnotationSection", "A human-readable annotation", _PLACE)
    add(element, "Annotation", words)


def set_name(scope: Scope, name: str) -> None:
    """Set the name people see, of the machine named or of what is on top."""
    if not name.strip():
        raise UsageError("a name cannot be empty")
    set_text(content(scope), "Name", name)


def set_id(scope: Scope, ident: str) -> None:
    """Set ovf:id, and follow it where the start order and the hardware repeat it."""
    if not ident or len(ident.split()) != 1:
        raise UsageError(f"an id is one word: {ident!r}")
    element = content(scope)
    old = attribute(element, "id")
    others = [attribute(e, "id") for e in (*machines(scope.root), *contents(scope.root))]
    if ident != old and ident in others:
        raise UsageError(f"there is a machine {ident!r} already")
    set_attribute(element, "id", ident)
    for startup in scope.root.iter("{*}StartupSection"):
        for item in children(startup, "Item"):
            if attribute(item, "id") == old:
                set_attribute(item, "id", ident)
    if kind(element) == "VirtualSystem":
        for found in sections(element, "VirtualHardwareSection"):
            identifier = child(child(found, "System"), "VirtualSystemIdentifier")
            if identifier is not None and (identifier.text or "").strip() == old:
                identifier.text = ident


def set_guest(scope: Scope, field: str, value: str) -> None:
    """Set the guest's CIM number (``id``), ``version``, ``description`` or VMware's ``vmw`` word."""
    system = machine(scope)
    found = sections(system, "OperatingSystemSection")
    element = (
        found[0]
        if found
        else section(system, "OperatingSystemSection", "The guest operating system", _PLACE[:2])
    )
    if field == "id":
        if not value.isdigit():
            raise UsageError(f"os.id: not a CIM number: {value!r}")
        set_attribute(element, "id", value)
    elif field == "version":
        set_attribute(element, "version", value or None)
    elif field == "description":
        set_text(element, "Description", value or None)
    elif field == "vmw":
        element.set(f"{{{VMW}}}osType", clean(value))
    else:
        raise unknown(f"os.{field} is not known", field, ("id", "version", "description", "vmw"))
