"""Deployment options: DSP0243 2.1 §9.8 (DeploymentOptionSection), one of which is deployed."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from kensho.appliances.ovf.elements import Notes, attribute, children, is_true, section_kind
from kensho.appliances.ovf.texts import Texts
from kensho.model.appliance import Configuration
from kensho.model.errors import UsageError
from kensho.model.finding import Severity


def read_configurations(root: etree._Element, texts: Texts) -> tuple[Configuration, ...]:
    """Read the envelope's options; the first one is the default where none says so."""
    found: dict[str, Configuration] = {}
    for section in children(root):
        if section_kind(section) != "DeploymentOptionSection":
            continue
        for option in children(section, "Configuration"):
            name = attribute(option, "id")
            found.setdefault(
                name,
                Configuration(
                    name,
                    texts.of(option, "Label"),
                    texts.of(option, "Description"),
                    is_true(attribute(option, "default")),
                ),
            )
    return tuple(found.values())


def choose_configuration(
    options: Sequence[Configuration], wanted: str | None, notes: Notes
) -> str | None:
    """Return the id of the option to read, None without options.

    UsageError when ``wanted`` is none of them.
    """
    names = ", ".join(option.id for option in options)
    if wanted is not None:
        if all(option.id != wanted for option in options):
            hint = f"configurations: {names}" if options else "the package has no configurations"
            raise UsageError(f"there is no configuration {wanted!r}", path=notes.path, hint=hint)
        return wanted
    if not options:
        return None
    chosen = next((option.id for option in options if option.default), options[0].id)
    if len(options) > 1:
        notes.add(
            "KF-118",
            Severity.NOTE,
            f"the package has {len(options)} deployment options: {names}",
            action=f"the machine is read as in {chosen}, the default",
        )
    return chosen
