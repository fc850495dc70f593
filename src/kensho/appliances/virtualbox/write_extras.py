"""What came word for word out of VirtualBox's settings goes back where nothing else was decided.

Which of it may is in ``platforms/extras.py``; here it is put into its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lxml import etree

from kensho.appliances.virtualbox.write_devices import add, tag
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import KenshoError
from kensho.model.machine import Extra
from kensho.platforms.extras import Fate, fate_of

_VBOX = "vbox"


def kept_elements(extras: Iterable[Extra]) -> dict[str, etree._Element]:
    """Return the elements among the extras by their place, such as ``Machine/ExtraData``."""
    found: dict[str, etree._Element] = {}
    for extra in extras:
        if extra.dialect != _VBOX or "@" in extra.where:
            continue
        try:
            element, _ = parse_xml(extra.text.encode(errors="replace"), path=extra.where)
        except KenshoError:  # a note that somebody edited
            continue
        # A note can spell a name in ways that only a parser sees through.
        plain = Extra(_VBOX, extra.where, etree.tostring(element, encoding="unicode"))
        if fate_of(plain) in {Fate.HARM, Fate.HOST}:
            continue
        if etree.QName(element).localname == extra.where.rpartition("/")[2]:
            for part in element.iter(etree.Element):  # old settings are in another namespace
                part.tag = tag(etree.QName(part).localname)
            found[extra.where] = element
    return found


def start_from(
    hardware: etree._Element, kept: Mapping[str, etree._Element], name: str
) -> etree._Element:
    """Add the element called ``name`` with what was kept of it, else an empty one."""
    element = kept.get(f"Machine/Hardware/{name}")
    if element is None:
        return add(hardware, name)
    hardware.append(element)
    return element


def add_kept(parent: etree._Element, kept: Mapping[str, etree._Element], prefix: str) -> None:
    """Add the elements that belong right below ``parent`` and that it does not have yet."""
    present = {etree.QName(e).localname for e in parent.iterchildren(etree.Element)}
    for where, element in kept.items():
        name = where.removeprefix(prefix)
        if where.startswith(prefix) and "/" not in name and name not in present:
            parent.append(element)
