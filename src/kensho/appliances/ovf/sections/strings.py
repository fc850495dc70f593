"""Strings: DSP0243 2.1 §10."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Part


class Msg(Part, frozen=True, kw_only=True):
    """A translated text."""

    ELEMENT: ClassVar[str] = "Msg"

    text: str = field(name="#text")
    msgid: str
    file_ref: str = field(default="", name="fileRef")  #: in OVF 2: a plain text file


class Strings(Part, frozen=True, kw_only=True):
    """Translations: texts by their ``msgid``, here or in a file of the package."""

    ELEMENT: ClassVar[str] = "Strings"

    messages: tuple[Msg, ...] = ()
    language: str = field(default="", name="xml:lang")
    file_ref: str = field(default="", name="fileRef")
