"""``kensho eula``: the licence agreements of a package, to be read before they are accepted."""

from __future__ import annotations

from kensho.cli.flags import Json, Locator
from kensho.cli.render import print_json
from kensho.convert.deployment.eulas import digest_of, eulas_of
from kensho.convert.source import opened
from kensho.model.selection import Selection


def eula(source: Locator, /, *, locale: str | None = None, json: Json = False) -> None:
    """Show the licence agreements; `kensho convert --accept-eula` accepts them on the record.

    Parameters
    ----------
    source
        OVA, OVF descriptor, a folder with one of them, or a URL.
    locale
        Language of the texts where there are several, e.g. de-DE.
    """
    with opened(source, Selection(locale=locale)) as package:
        found = eulas_of(package.appliance)
    if json:
        licences = [{"info": e.info, "sha256": digest_of(e).sha256, "text": e.text} for e in found]
        print_json({"path": source, "licences": licences})
        return
    if not found:
        print("no licence agreements")
    for number, one in enumerate(found, start=1):
        heading = one.info or "Licence agreement"
        print(f"{number}/{len(found)}: {_plain(heading)}")
        print(f"SHA-256 of the text: {digest_of(one).sha256}\n")
        print(_plain(one.text) + "\n")


def _plain(text: str) -> str:
    """Return text that a terminal does not take for commands."""
    return "".join(c if c in "\n\t" or c.isprintable() else " " for c in text)
