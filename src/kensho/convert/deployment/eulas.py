"""Licence agreements (DSP0243 2.1 §9.7): to be accepted on the record before a machine is deployed.

A result that still carries them, as OVF does, is no deployment: whoever deploys it accepts.
"""

from __future__ import annotations

import getpass
import hashlib
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from kensho.appliances.origin import find_origin
from kensho.appliances.ova.read import open_archive
from kensho.appliances.package import Package
from kensho.appliances.store import read_text_file
from kensho.appliances.xmlsafe import MAX_XML
from kensho.model.appliance import Appliance
from kensho.model.errors import EulaNotAcceptedError
from kensho.model.machine import Eula


class Licence(msgspec.Struct, frozen=True):
    """One accepted text: its heading, the SHA-256 of its UTF-8, its length in characters."""

    info: str
    sha256: str
    characters: int


class EulaRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who accepted what, when, of which package.

    ``at`` is UTC in ISO 8601; ``package_sha256`` is that of the descriptor, which the package's
    manifest has, too; empty for sources without one.
    """

    accepted_by: str
    at: str
    package: str
    descriptor: str
    package_sha256: str
    licences: tuple[Licence, ...]


def eulas_of(appliance: Appliance) -> tuple[Eula, ...]:
    """Return the licence texts of an appliance and its machines, each once."""
    every = [*appliance.eulas, *(e for m in appliance.machines for e in m.eulas)]
    return tuple({eula.text: eula for eula in every}.values())


def demand_accepted(count: int, *, accepted: bool, source: str) -> None:
    """Raise EulaNotAcceptedError when there are licence agreements nobody accepted."""
    if count and not accepted:
        raise EulaNotAcceptedError(
            f"{count} licence agreement{'s' if count > 1 else ''} to accept", path=source
        )


def digest_of(eula: Eula) -> Licence:
    """Return what the record says of a text."""
    data = eula.text.encode(errors="replace")
    return Licence(eula.info, hashlib.sha256(data).hexdigest(), len(eula.text))


def record(
    package: Package,
    eulas: tuple[Eula, ...],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> EulaRecord:
    """Return the record of an acceptance by whoever runs this, now."""
    name, sha256 = _descriptor_digest(package)
    return EulaRecord(
        accepted_by=f"{_user()}@{socket.gethostname()}",
        at=now().astimezone(UTC).isoformat(timespec="seconds"),
        package=package.path,
        descriptor=name,
        package_sha256=sha256,
        licences=tuple(map(digest_of, eulas)),
    )


def record_name(name: str) -> str:
    """Return the name of the record beside a result."""
    return f"{name}.eula-accepted.json"


def encode_record(made: EulaRecord) -> bytes:
    """Return the record as a file."""
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without an entry, as containers have
        import os

        return f"uid {os.getuid()}"


def _descriptor_digest(package: Package) -> tuple[str, str]:
    if package.arrival is not None:
        name, data = package.arrival.descriptor
        return name, hashlib.sha256(data).hexdigest()
    if package.kind == "ova":
        store, name, _ = open_archive(find_origin(package.path))
    elif package.kind == "ovf":
        origin = find_origin(package.path)
        store, name = origin.beside(), origin.name
    else:
        return "", ""
    try:
        return name, hashlib.sha256(read_text_file(store, name, MAX_XML)).hexdigest()
    finally:
        store.close()
