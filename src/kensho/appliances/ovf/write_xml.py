"""What OVF's writers say beyond its schema: vendors' namespaces and elements, text that is XML."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from lxml import etree

from kensho.appliances.ovf.sections.parts import LAST, OVF, Unknown

VMW = "http://www.vmware.com/schema/ovf"
VBOX = "http://www.virtualbox.org/ovf/machine"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Return ``text`` with everything XML 1.0 cannot carry replaced by U+FFFD, lines ended by LF."""
    return _NOT_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def extension(
    vendor: Literal["vmw", "vbox"], name: str, text: str = "", /, **attributes: str
) -> Unknown:
    """Return a vendor's element, the last of its siblings, that nobody is required to understand."""
    namespace = VMW if vendor == "vmw" else VBOX
    element = etree.Element(f"{{{namespace}}}{name}", nsmap={vendor: namespace, "ovf": OVF})
    element.set(f"{{{OVF}}}required", "false")
    for key, value in attributes.items():
        element.set(f"{{{namespace}}}{key}", clean(value))
    element.text = clean(text) or None
    return Unknown(etree.tostring(element, encoding="unicode"), LAST)


def vmw_config(settings: Iterable[tuple[str, str]]) -> tuple[Unknown, ...]:
    """Return ``vmw:Config`` elements."""
    return tuple(extension("vmw", "Config", key=key, value=value) for key, value in settings)
