"""VMware's own settings in an OVF descriptor, written back beside what the model says.

``vmw:Config`` and ``vmw:ExtraConfig`` of the hardware section. Nobody is required to understand them, whatever
the package said before; what the model says has the word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Literal

from lxml import etree

from kensho.appliances.ovf.elements import attribute
from kensho.appliances.ovf.sections.parts import Unknown
from kensho.appliances.ovf.write_xml import VMW, extension
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import KenshoError
from kensho.model.machine import Extra
from kensho.platforms.extras import Fate, fate_of

_KINDS: dict[str, Literal["Config", "ExtraConfig"]] = {
    f"{{{VMW}}}Config": "Config",
    f"{{{VMW}}}ExtraConfig": "ExtraConfig",
}


def kept_settings(extras: Iterable[Extra], written: Collection[str]) -> Iterator[Unknown]:
    """Yield the elements to add; ``written`` are the keys of ``vmw:Config`` that are there."""
    there = {("Config", key.lower()) for key in written}
    for extra in extras:
        if extra.dialect != "vmw" or fate_of(extra) is not Fate.BACK:
            continue
        found = _setting(extra)
        if found is None:
            continue
        kind, key, value = found
        # An attribute in disguise is seen as what it is only now.
        harmless = kind == "Config" or fate_of(Extra("vmx", key, value)) is Fate.BACK
        if harmless and (kind, key.lower()) not in there:
            there.add((kind, key.lower()))
            yield extension("vmw", kind, key=key, value=value)


def _setting(extra: Extra) -> tuple[str, str, str] | None:
    try:
        element: etree._Element
        element, _ = parse_xml(extra.text.encode(errors="replace"), path=extra.where)
    except KenshoError:
        return None
    kind = _KINDS.get(str(element.tag))
    key = attribute(element, "key")
    return (kind, key, attribute(element, "value")) if kind and key else None
