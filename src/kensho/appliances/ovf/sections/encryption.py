"""EncryptionSection: DSP0243 2.1 §9.16; the keys are packages/encryption's affair."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Raw, Section


class EncryptionSection(Section, frozen=True, kw_only=True):
    """How files of the package are encrypted: keys as XML Encryption 1.1 has them."""

    ELEMENT: ClassVar[str] = "EncryptionSection"
    ONLY_2: ClassVar[bool] = True

    keys: tuple[Raw, ...] = field(default=(), name="DerivedKey|EncryptedKey")
