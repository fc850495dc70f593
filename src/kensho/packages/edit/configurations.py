"""Deployment options (DSP0243 §9.8), which COT calls profiles."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children
from kensho.model.errors import UsageError
from kensho.packages.edit.scope import Scope, configuration_ids, sections
from kensho.packages.edit.tree import add, remove, section, set_attribute
from kensho.packages.edit.values import unknown

_PLACE = ("References", "DiskSection", "NetworkSection", "Section")


def add_configuration(scope: Scope, ident: str, label: str = "", description: str = "") -> None:
    """Add a configuration; label and description are its id where they are not given."""
    if not ident or len(ident.split()) != 1:
        raise UsageError(f"the id of a configuration is one word: {ident!r}")
    if ident in configuration_ids(scope.root):
        raise UsageError(f"there is a configuration {ident!r} already")
    found = sections(scope.root, "DeploymentOptionSection")
    into = (
        found[0]
        if found
        else section(scope.root, "DeploymentOptionSection", "The choice of configurations", _PLACE)
    )
    element = add(into, "Configuration", id=ident)
    add(element, "Label", label or ident)
    add(element, "Description", description or label or ident)


def delete_configuration(scope: Scope, ident: str) -> None:
    """Delete a configuration, and the devices and values that are in it alone."""
    known = configuration_ids(scope.root)
    if ident not in known:
        raise unknown(f"there is no configuration {ident!r}", ident, known)
    for element in list(scope.root.iter("{*}*")):
        own = attribute(element, "configuration").split()
        if ident not in own:
            continue
        left = [c for c in own if c != ident]
        if left:
            set_attribute(element, "configuration", " ".join(left))
        elif element.getparent() is not None:
            remove(element)
    for options in sections(scope.root, "DeploymentOptionSection"):
        for element in list(children(options, "Configuration")):
            if attribute(element, "id") == ident:
                remove(element)
        if not list(children(options, "Configuration")):  # the schema wants one at least
            remove(options)


def delete_others(scope: Scope, keep: Sequence[str]) -> None:
    """Delete all configurations but these."""
    known = configuration_ids(scope.root)
    for ident in keep:
        if ident not in known:
            raise unknown(f"there is no configuration {ident!r}", ident, known)
    for ident in known:
        if ident not in keep:
            delete_configuration(scope, ident)


def set_default(scope: Scope, ident: str) -> None:
    """Make a configuration the default one."""
    known = configuration_ids(scope.root)
    if ident not in known:
        raise unknown(f"there is no configuration {ident!r}", ident, known)
    for element in _options(scope.root):
        if attribute(element, "id") == ident:
            set_attribute(element, "default", "true")
        elif attribute(element, "default"):
            set_attribute(element, "default", None)


def _options(root: etree._Element) -> list[etree._Element]:
    return [o for s in sections(root, "DeploymentOptionSection") for o in children(s)]
