"""Texts in several languages: DSP0243 2.1 §10, message bundles inside and outside the descriptor.

An element with ovf:msgid has its text in the envelope's own language (xml:lang, en-US without
one), and other texts in bundles (Strings). Bundles may be files of the package (fileRef); where a
message is given twice for one language, the latter counts. OVF 2 lets a message be a plain text
file, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from kensho.appliances.ovf.elements import Notes, attribute, children, local, text
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity

MAX_BUNDLE = 4 * 1024 * 1024
_MOST_FILES = 200
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_DEFAULT_LANGUAGE = "en-US"

#: From a file's id, or href, to its bytes; raises KenshoError kinds.
Load = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Texts:
    """The message bundles to look into, best first, for elements with ovf:msgid.

    Those in ``own`` are as good as the text in place or better, those in ``others`` only better
    than none. ``languages`` are all the package has, its own first.
    """

    own: tuple[Mapping[str, str], ...] = field(default=())
    others: tuple[Mapping[str, str], ...] = field(default=())
    languages: tuple[str, ...] = ()

    def of(self, element: etree._Element | None, *names: str) -> str:
        """Return the text of a child (or the element), resolved through its msgid."""
        if element is None:
            return ""
        found = next(children(element, *names), None) if names else element
        if found is None:
            return ""
        message = attribute(found, "msgid")
        if not message:
            return text(found)
        known = next((bundle[message] for bundle in self.own if message in bundle), None)
        if known is not None:
            return known
        return text(found) or next((b[message] for b in self.others if message in b), "")


def read_texts(root: etree._Element, locale: str | None, load: Load | None, notes: Notes) -> Texts:
    """Read the bundles that texts in ``locale`` may need; None is the package's own language.

    The chain: the locale, its language, the same language elsewhere, the package's own language
    (bundle, then the text in place), English, any. Files are read for the languages wanted only.
    """
    default = _normal(root.get(_LANGUAGE) or _DEFAULT_LANGUAGE)
    wanted = _normal(locale) if locale else default
    sections: dict[str, list[etree._Element]] = {}
    for section in children(root, "Strings"):
        language = _normal(section.get(_LANGUAGE) or default)
        sections.setdefault(language, []).append(section)
    languages = (default, *(language for language in sections if language != default))
    if locale and not any(_rank(language, wanted) < _FOREIGN for language in languages):
        notes.add(
            "KF-137",
            Severity.NOTE,
            f"there are no texts in {locale}, only in {', '.join(languages)}",
            action=f"texts are shown in {default}",
        )
    files = _Files(load, notes)
    close = sorted(
        (language for language in sections if _rank(language, wanted) < _FOREIGN),
        key=lambda language: _rank(language, wanted),
    )
    if default in sections and default not in close:
        close.append(default)
    far = sorted(
        (language for language in sections if language not in close),
        key=lambda language: _rank(language, "en"),
    )
    return Texts(
        tuple(files.bundle(sections[language], read=True) for language in close),
        tuple(files.bundle(sections[language], read=False) for language in far),
        languages,
    )


_FOREIGN = 3


def _rank(language: str, wanted: str) -> int:
    """Return how near a language is to the one wanted, 0 is it; `_FOREIGN` is another one."""
    if language.lower() == wanted.lower():
        return 0
    ours, theirs = (word.lower().partition("-")[0] for word in (language, wanted))
    if ours != theirs:
        return _FOREIGN
    return 1 if language.lower() == theirs else 2


def _normal(language: str) -> str:
    return language.strip().replace("_", "-") or _DEFAULT_LANGUAGE


class _Files:
    """Reads bundles' files, each at most once, and says which cannot be read."""

    def __init__(self, load: Load | None, notes: Notes) -> None:
        self._load = load
        self._notes = notes
        self._known: dict[str, bytes] = {}

    def bundle(self, sections: list[etree._Element], *, read: bool) -> Mapping[str, str]:
        """Return the messages of one language; files are read if ``read``."""
        messages: dict[str, str] = {}
        for section in sections:
            reference = attribute(section, "fileRef")
            if reference and read:
                messages.update(self._external(reference))
            messages.update(self._messages(section, read=read))
        return messages

    def _external(self, reference: str) -> Iterator[tuple[str, str]]:
        data = self._bytes(reference)
        if data is None:
            return
        try:
            root, _ = parse_xml(data, path=reference)
        except KenshoError as error:
            self._unreadable(reference, error.message)
            return
        if local(root) != "Strings" or attribute(root, "fileRef"):
            self._unreadable(reference, "it is no message bundle")
            return
        yield from self._messages(root, read=True)

    def _messages(self, section: etree._Element, *, read: bool) -> Iterator[tuple[str, str]]:
        for message in children(section, "Msg"):
            name, reference = attribute(message, "msgid"), attribute(message, "fileRef")
            if not reference:
                yield name, text(message)
            elif read and (data := self._bytes(reference)) is not None:
                yield name, data.decode("utf-8-sig", errors="replace").strip()

    def _bytes(self, reference: str) -> bytes | None:
        if self._load is None:
            self._unreadable(reference, "only the descriptor is here")
            return None
        if reference not in self._known:
            if len(self._known) >= _MOST_FILES:
                return None
            try:
                self._known[reference] = self._load(reference)
            except KenshoError as error:
                self._known[reference] = b""
                self._unreadable(reference, error.message)
        return self._known[reference] or None

    def _unreadable(self, reference: str, why: str) -> None:
        self._notes.add(
            "KF-128",
            Severity.WARNING,
            f"texts are in the file {reference}, which is not read: {why}",
            subject=reference,
            action="the texts in the descriptor are used",
        )
