"""EnvironmentFilesSection: DSP0243 2.1 §9.11."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Part, Section


class EnvironmentFile(Part, frozen=True, kw_only=True):
    """A file: ``path`` is relative, within the medium of the OVF environment."""

    ELEMENT: ClassVar[str] = "File"

    file_ref: str = field(name="fileRef")
    path: str


class EnvironmentFilesSection(Section, frozen=True, kw_only=True):
    """Files of the package that the guest gets beside its OVF environment."""

    ELEMENT: ClassVar[str] = "EnvironmentFilesSection"
    ONLY_2: ClassVar[bool] = True

    files: tuple[EnvironmentFile, ...] = ()
    transport: str = ""
