"""NetworkSection: DSP0243 2.1 §9.2, port profiles §9.2.1."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.items import EthernetPortItem
from kensho.appliances.ovf.sections.parts import Message, Part, Section


class ProfileItem(EthernetPortItem, frozen=True, kw_only=True):
    """Settings of a network port (DSP8049)."""

    ELEMENT: ClassVar[str] = "Item"


class NetworkPortProfile(Part, frozen=True, kw_only=True):
    """Settings that ports of the network get, in OVF 2."""

    ELEMENT: ClassVar[str] = "NetworkPortProfile"

    items: tuple[ProfileItem, ...] = ()


class Network(Part, frozen=True, kw_only=True):
    """A logical network; adapters name it in their ``Connection``."""

    ELEMENT: ClassVar[str] = "Network"
    SINCE_2: ClassVar[frozenset[str]] = frozenset({"NetworkPortProfile", "NetworkPortProfileURI"})

    description: Message | None = field(default=None, name="Description")
    profiles: tuple[NetworkPortProfile, ...] = ()
    profile_uris: tuple[str, ...] = field(default=(), name="NetworkPortProfileURI")
    name: str


class NetworkSection(Section, frozen=True, kw_only=True):
    """The logical networks that the package uses."""

    ELEMENT: ClassVar[str] = "NetworkSection"

    networks: tuple[Network, ...] = ()
