"""EncryptionSection: DSP0243 2.1 §9.16; the keys are packages/encryption's affair."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree
from msgspec import field

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.parts import Raw, Section, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part


class EncryptionSection(Section, frozen=True, kw_only=True):
    """How files of the package are encrypted: keys as XML Encryption 1.1 has them."""

    ELEMENT: ClassVar[str] = "EncryptionSection"
    ONLY_2: ClassVar[bool] = True

    keys: tuple[Raw, ...] = field(default=(), name="DerivedKey|EncryptedKey")


def read(element: etree._Element, notes: Notes | None = None) -> EncryptionSection:
    """Read an EncryptionSection."""
    return read_part(EncryptionSection, element, notes)


def write(section: EncryptionSection, version: Version) -> etree._Element:
    """Write an EncryptionSection."""
    return write_part(section, version)
