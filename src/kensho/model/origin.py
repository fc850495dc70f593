"""The note of where a machine came from, as text: kept beside a result, or in it.

JSON of a `Provenance` under one key that says what it is; ASCII, so that any document can carry
it. A note is a help and never a condition: whoever cannot read one goes on without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec

from kensho.model.appliance import Appliance, Provenance
from kensho.model.errors import CorruptError, KenshoError, LimitError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Product, Property
from kensho.model.property_values import value_type
from kensho.model.secrets import hide_all

SUFFIX = ".kensho.json"  #: of the note beside a result; in front of it the result's stem
VERSION = 1
#: Far more than any machine needs; what is kept word for word of a domain is below 100 KiB.
MAX_NOTE = 4 * 1024 * 1024
_MOST = 512  #: machines, and devices of one kind of a machine
_MOST_EXTRAS = 8192


class _Note(msgspec.Struct, frozen=True):
    kensho_origin: int
    origin: Provenance


class _Version(msgspec.Struct, frozen=True):
    kensho_origin: int


def dump_origin(origin: Provenance, *, indent: int | None = None) -> str:
    """Return the note as ASCII text; LimitError when it would not be read back.

    Values of properties that are passwords are not in it.
    """
    safe = msgspec.structs.replace(
        origin, source=_travelling(origin.source), written=_travelling(origin.written)
    )
    text = json.dumps(msgspec.to_builtins(_Note(VERSION, safe)), indent=indent)
    if len(text) > MAX_NOTE:
        raise LimitError(f"a note of {len(text)} bytes; at most {MAX_NOTE} are read")
    return text


def load_origin(data: str | bytes, *, path: str) -> Provenance:
    """Read a note. LimitError, CorruptError, or UnsupportedError for one of another version."""
    if len(data) > MAX_NOTE:
        raise LimitError(f"a note of {len(data)} bytes; at most {MAX_NOTE} are read", path=path)
    try:
        version = msgspec.json.decode(data, type=_Version).kensho_origin
        if version != VERSION:
            raise UnsupportedError(
                f"a note of version {version}; this kensho reads version {VERSION}", path=path
            )
        origin = msgspec.json.decode(data, type=_Note).origin
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptError(f"not a note of kensho: {error}", path=path) from error
    for appliance in (origin.source, origin.written):
        _check_counts(appliance, path)
    return msgspec.structs.replace(
        origin, source=_travelling(origin.source), written=_travelling(origin.written)
    )


def _check_counts(appliance: Appliance, path: str) -> None:
    for machine in appliance.machines:
        for name in machine.__struct_fields__:
            value = getattr(machine, name)
            most = _MOST_EXTRAS if name == "extras" else _MOST
            if isinstance(value, tuple) and len(value) > most:
                raise LimitError(f"{len(value)} {name} in a note; at most {most}", path=path)
    if len(appliance.machines) > _MOST or len(appliance.extras) > _MOST_EXTRAS:
        raise LimitError(f"a note of more than {_MOST} machines", path=path)


def try_origin(
    read: Callable[[], str | bytes], *, path: str
) -> tuple[Provenance | None, tuple[Finding, ...]]:
    """Return the note that ``read`` gives; a damaged one is a finding, never a failure."""
    try:
        return load_origin(read(), path=path), ()
    except KenshoError as error:
        return None, (
            Finding(
                "KF-452",
                Severity.WARNING,
                f"the note of where the machine came from cannot be read: {error.message}",
                subject=path,
                action="the machine is read as it is, without it",
            ),
        )


def _travelling(appliance: Appliance) -> Appliance:
    """Return what of an appliance may travel: no passwords, no note in a note."""

    def without(products: tuple[Product, ...]) -> tuple[Product, ...]:
        return tuple(
            msgspec.structs.replace(p, properties=tuple(map(_without_password, p.properties)))
            for p in products
        )

    appliance, _ = hide_all(appliance)
    machines = tuple(
        msgspec.structs.replace(m, products=without(m.products)) for m in appliance.machines
    )
    return msgspec.structs.replace(
        appliance, machines=machines, products=without(appliance.products), origin=None
    )


def _without_password(prop: Property) -> Property:
    secret = prop.password or value_type(prop.type).password
    return msgspec.structs.replace(prop, value="") if secret else prop
