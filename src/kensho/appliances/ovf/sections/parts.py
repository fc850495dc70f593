"""What all sections are made of: texts, numbers in the schema's ranges, XML nobody here knows.

A struct's fields are in the schema's order (DSP8023) and carry the schema's names: OVF's elements
begin with a capital letter, its attributes with a small one, so a field's XML name says which of
the two it is. A field without a default is one that the schema requires.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, field

#: What can be written: the namespaces of OVF 1.0 to 1.1 and of 2.0 to 2.1.
Version = Literal[1, 2]

OVF_NAMESPACES: dict[Version, str] = {
    1: "http://schemas.dmtf.org/ovf/envelope/1",
    2: "http://schemas.dmtf.org/ovf/envelope/2",
}
#: The namespace of OVF's own elements and attributes, whatever the version.
OVF = OVF_NAMESPACES[1]

_CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"
RASD = f"{_CIM}ResourceAllocationSettingData"
SASD = f"{_CIM}StorageAllocationSettingData"
EPASD = f"{_CIM}EthernetPortAllocationSettingData"
VSSD = f"{_CIM}VirtualSystemSettingData"
BOOT_CONFIG = f"{_CIM}BootConfigSetting"
BOOT_SOURCE = f"{_CIM}BootSourceSetting"
CIM = "http://schemas.dmtf.org/wbem/wscim/1/common"
XML = "http://www.w3.org/XML/1998/namespace"
#: What the writer calls CIM's namespaces.
PREFIXES = {
    "rasd": RASD,
    "sasd": SASD,
    "epasd": EPASD,
    "vssd": VSSD,
    "bootc": BOOT_CONFIG,
    "boots": BOOT_SOURCE,
}

#: Enumerations of CIM that begin with 0, by how many values they have.
OneOf3 = Annotated[int, Meta(ge=0, lt=3)]
OneOf4 = Annotated[int, Meta(ge=0, lt=4)]
OneOf5 = Annotated[int, Meta(ge=0, lt=5)]
UInt8 = Annotated[int, Meta(ge=0, lt=1 << 8)]
UInt16 = Annotated[int, Meta(ge=0, lt=1 << 16)]
UInt32 = Annotated[int, Meta(ge=0, lt=1 << 32)]
UInt64 = Annotated[int, Meta(ge=0, lt=1 << 64)]
Int64 = Annotated[int, Meta(ge=-(1 << 63), lt=1 << 63)]


#: ``after`` of what comes after all siblings.
LAST = "*"


class Unknown(msgspec.Struct, frozen=True):
    """An element, comment or instruction that no section knows, word for word.

    ``after`` is the known sibling before it as in ``Item[3]``, empty when there is none, `LAST`
    after all. The document's own OVF namespace is written as `OVF` here.
    """

    xml: str
    after: str = ""


class UnknownAttribute(msgspec.Struct, frozen=True):
    """An attribute that no section knows.

    ``name`` is ``{namespace}local``, ``prefix`` what the document calls the namespace. ``on`` is
    the simple child element that has it, as in ``Connection[2]``; empty for the element itself.
    """

    name: str
    value: str
    prefix: str = ""
    on: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """An element. Its own namespace, and that of its simple children, are OVF's when empty."""

    ELEMENT: ClassVar[str] = ""
    NAMESPACE: ClassVar[str] = ""
    PROPERTIES: ClassVar[str] = ""
    #: XML names of fields that OVF 1.x does not have.
    SINCE_2: ClassVar[frozenset[str]] = frozenset()

    #: Fields that are no part of the element.
    ASIDE: ClassVar[frozenset[str]] = frozenset()

    unknown: tuple[Unknown, ...] = ()
    unknown_attributes: tuple[UnknownAttribute, ...] = ()


class Message(Part, frozen=True, kw_only=True):
    """A text, and the id of its translations in a `Strings` bundle (ovf:Msg_Type)."""

    text: str = field(name="#text")
    msgid: str = ""


class Raw(msgspec.Struct, frozen=True):
    """An element that is known and kept word for word, as `Unknown` is."""

    xml: str


class Section(Part, frozen=True, kw_only=True):
    """What all sections begin with: what they are, and whether one must understand them."""

    #: Whether the section exists in OVF 2.x alone.
    ONLY_2: ClassVar[bool] = False

    info: Message = field(name="Info")
    required: bool = True


def message(text: str, msgid: str = "") -> Message:
    """Return a text as sections hold it."""
    return Message(text=text, msgid=msgid)


def stated(text: str) -> Message | None:
    """Return a text, None when it is empty."""
    return message(text) if text else None
