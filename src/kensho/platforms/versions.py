"""Versions of a platform: what fits in each, and the platform as it is in one of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from kensho.model.machine import ControllerModel, Firmware, Machine, NicModel


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a platform, or of its virtual hardware. A new one is a row.

    ``products`` says in words which products have it, ``memory`` is in bytes, ``lacks`` lists
    controllers and adapters that came later. A ``usual`` version is written without being asked for,
    when it is the first of those that holds the machine.
    """

    name: str
    products: str
    cpus: int
    memory: int
    nics: int
    firmware: tuple[Firmware, ...] = (Firmware.BIOS, Firmware.UEFI)
    secure_boot: bool = True
    tpm: bool = True
    lacks: frozenset[ControllerModel | NicModel] = frozenset()
    usual: bool = False


def find(versions: Iterable[Version], name: str) -> Version | None:
    """Return the version called ``name``, None when there is none."""
    wanted = _plain(name)
    return next((v for v in versions if _plain(v.name) == wanted), None)


def _plain(name: str) -> str:
    """Return a name without the zeros that not every product writes: vmx-07 is vmx-7."""
    return re.sub(r"-0+(?=[0-9])", "-", name.lower())


def holds(version: Version, machine: Machine) -> bool:
    """Tell whether a machine fits in a version as it is."""
    devices = {c.model for c in machine.controllers} | {n.model for n in machine.nics}
    firmware = machine.firmware
    return (
        machine.cpu.count <= version.cpus
        and machine.memory.size <= version.memory
        and len(machine.nics) <= version.nics
        and firmware.kind in version.firmware
        and (version.secure_boot or not firmware.secure_boot)
        and (version.tpm or not firmware.tpm)
        and not devices & version.lacks
    )


def to_write(versions: Iterable[Version], machine: Machine) -> Version:
    """Return the version a machine is written for: its own, else the first usual one that holds it.

    The last usual one when none does. ``machine.hardware_versions`` has the one that was chosen.
    """
    known = tuple(versions)
    chosen = [v for name in machine.hardware_versions if (v := find(known, name)) is not None]
    usual = [v for v in known if v.usual]
    return next((v for v in (*chosen, *usual) if v in chosen or holds(v, machine)), usual[-1])
