"""Texts in several languages: DSP0243 §10."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.appliances.ovf.elements import attribute, children, local, text
from kensho.packages.validate.rule import COMMON, FIELD, SHOULD, Fault, Rule, clause
from kensho.packages.validate.rules.attributes import DECORATION
from kensho.packages.validate.subject import Subject

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def languages(subject: Subject) -> Iterator[Fault]:
    """A bundle says its language, each but once."""
    seen: set[str] = set()
    for section in children(subject.root, "Strings"):
        language = str(section.get(_LANGUAGE) or "").lower()
        if not language:
            yield Fault(section, "a bundle of texts without xml:lang")
        elif language in seen:
            yield Fault(section, f"a second bundle of texts in {language}")
        seen.add(language)


def no_text(subject: Subject) -> Iterator[Fault]:
    """A msgid without a text of its own is in some bundle; files of texts and icons are there."""
    yield from _files(subject)
    bundles = list(children(subject.root, "Strings"))
    if any(attribute(b, "fileRef") for b in bundles):
        return  # texts may be in a file of their own
    known = {attribute(m, "msgid") for b in bundles for m in children(b, "Msg")}
    for element in subject.elements():
        if local(element) == "Msg":
            continue
        message = attribute(element, "msgid")
        if message and message not in known and not text(element):
            yield Fault(element, f"the text {message!r} is in no bundle", message)


def _files(subject: Subject) -> Iterator[Fault]:
    files = {attribute(f, "id") for f in subject.files}
    for element in subject.elements():
        name = attribute(element, "fileRef") if local(element) in DECORATION else ""
        if name and name not in files:
            yield Fault(element, f"<{local(element)}> is in the file {name!r}, not there", name)


def untranslated(subject: Subject) -> Iterator[Fault]:
    """A msgid is in some bundle, even if there is a text in its place."""
    bundles = list(children(subject.root, "Strings"))
    if not bundles or any(attribute(b, "fileRef") for b in bundles):
        return
    known = {attribute(m, "msgid") for b in bundles for m in children(b, "Msg")}
    for element in subject.elements():
        message = attribute(element, "msgid") if local(element) != "Msg" else ""
        if message and message not in known and text(element):
            yield Fault(element, f"the text {message!r} is not translated", message)


RULES = (
    Rule(
        "KF-672", COMMON, "bundles of texts have a language", clause("10.1"),
        "add xml:lang", languages,
    ),
    Rule(
        "KF-673", SHOULD, "texts are there", clause("10.1"),
        "add a Msg with that ovf:msgid, or the text itself", no_text,
    ),
    Rule(
        "KF-686", FIELD, "texts are translated", clause("10.1"),
        "add a Msg with that ovf:msgid", untranslated,
    ),
)  # fmt: skip
