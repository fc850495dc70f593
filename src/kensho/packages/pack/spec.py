"""kensho's own description of an appliance; docs/package-editing.md shows one.

What is left out gets a usual value; sizes are texts with a unit, file names are relative to the
YAML file.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Plain = str | int | float | bool
MOST_CPUS = 4096
Count = Annotated[int, msgspec.Meta(ge=1, le=MOST_CPUS)]


class DiskSpec(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """A disk: an image of any format, or an empty one of ``size``."""

    image: str = ""
    size: str = ""


class NicSpec(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """A network adapter; its type is the target's usual one when none is given."""

    network: str = ""
    type: str = ""
    mac: str = ""
    name: str = ""


class PropertySpec(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """A property; ``values`` are those of configurations."""

    value: Plain = ""
    type: str = "string"
    label: str = ""
    description: str = ""
    category: str = ""
    qualifiers: str = ""
    password: bool = False
    user_configurable: bool = False
    values: dict[str, Plain] = {}


class ConfigurationSpec(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """A deployment option, and what is different in it."""

    label: str = ""
    description: str = ""
    default: bool = False
    cpus: Count | None = None
    memory: str | None = None
    set: dict[str, Plain] = {}


class MachineSpec(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """One machine. ``product`` has the names of ``--set product.NAME``, ``set`` all others."""

    name: str = ""
    cpus: Count = 2
    cores_per_socket: Count = 1
    memory: str = "2GiB"
    firmware: Literal["bios", "uefi"] | None = None
    secure_boot: bool = False
    guest: str = "other"
    disks: tuple[str | DiskSpec, ...] = ()
    nics: tuple[str | NicSpec, ...] = ()
    cdroms: tuple[str, ...] = ()
    product: dict[str, Plain] = {}
    properties: dict[str, Plain | PropertySpec] = {}
    transports: tuple[str, ...] = ()
    eula: tuple[str, ...] | str = ()
    annotation: str = ""
    configurations: dict[str, ConfigurationSpec] = {}
    set: dict[str, Plain] = {}


class Spec(MachineSpec, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """An appliance: one machine, or several under ``machines``; ``for`` is the target."""

    for_: str | None = msgspec.field(default=None, name="for")
    machines: tuple[MachineSpec, ...] = ()
    networks: dict[str, str] = {}
    files: tuple[str, ...] = ()
    startup: tuple[str, ...] = ()
