"""The drivers that a Windows gets, as data."""

from __future__ import annotations

from dataclasses import dataclass

from kensho.guest.windows.inject import Driver
from kensho.model.finding import Finding


@dataclass(frozen=True, slots=True)
class ChosenDriver:
    """A driver that a Windows gets. ``files`` are (name, bytes), the INF first.

    ``name`` is free for a folder of its own; ``boot`` are the services that start with the kernel,
    so that the disk can be behind their devices at the first start already.
    """

    name: str
    inf: str
    origin: str
    version: str
    class_name: str
    class_guid: str
    signer: str
    ids: tuple[str, ...]
    files: tuple[tuple[str, bytes], ...]
    boot: tuple[Driver, ...] = ()

    def file(self, name: str) -> bytes:
        """Return the bytes of a file, found whatever the case."""
        return next(data for known, data in self.files if known.lower() == name.lower())


@dataclass(frozen=True, slots=True)
class DriverPlan:
    """The drivers that a Windows gets, and what was noticed about them and about the others."""

    drivers: tuple[ChosenDriver, ...] = ()
    findings: tuple[Finding, ...] = ()
    agent: bytes = (
        b""  #: QEMU's guest agent as a package of Windows Installer, where a medium has it
    )
