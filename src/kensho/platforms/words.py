"""What a platform's configuration files call a device: one row for both directions.

The first word of a row is the one that is written, all of them are read. Where a file says a
device by two things (libvirt's bus and model, Proxmox VE's drive key and ``scsihw``), the word
is both with a colon between, as in ``scsi:lsisas1068``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

from kensho.model.machine import BUS_OF, Bus, ControllerModel, NicModel, SerialKind

M = TypeVar("M", bound=str)
M_co = TypeVar("M_co", bound=str, covariant=True)


class Row(msgspec.Struct, Generic[M_co], frozen=True):
    """One device of the neutral model and a format's words for it."""

    means: M_co
    words: tuple[str, ...]
    written: bool = True  #: False for what only others write


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """The words of one file format; ``format`` is the format's name.

    Sound and USB are the neutral model's own words (`Sound.model`, `Usb.model`).
    """

    format: str
    controllers: tuple[Row[ControllerModel], ...] = ()
    nics: tuple[Row[NicModel], ...] = ()
    sound: tuple[Row[str], ...] = ()
    usb: tuple[Row[str], ...] = ()
    video: tuple[Row[str], ...] = ()
    serial: tuple[Row[SerialKind], ...] = ()


def row(means: M, *words: str) -> Row[M]:
    """Return the row of ``means``; the first word is written."""
    return Row(means, words)


def only_read(means: M, *words: str) -> Row[M]:
    """Return a row whose words are read and never written."""
    return Row(means, words, written=False)


def word_for(rows: Iterable[Row[M]], means: str) -> str | None:
    """Return the word to write, None when the format has none."""
    return next((r.words[0] for r in rows if r.means == means and r.written), None)


def controller_word(rows: Iterable[Row[ControllerModel]], model: ControllerModel) -> str | None:
    """Return the word for a controller; a guest drives every PIIX and ICH IDE chip alike."""
    rows = tuple(rows)
    word = word_for(rows, model)
    if word is None and BUS_OF[model] is Bus.IDE:
        return next((r.words[0] for r in rows if BUS_OF[r.means] is Bus.IDE and r.written), None)
    return word


def meaning(rows: Iterable[Row[M]], word: str) -> M | None:
    """Return what a word means, whatever its case; None when the format has no such word."""
    wanted = word.lower()
    return next((r.means for r in rows if any(w.lower() == wanted for w in r.words)), None)
