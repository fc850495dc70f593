"""The neutral appliance: machines, what they share, and the files they are made of."""

from __future__ import annotations

from typing import Any

import msgspec

from kensho.model.machine import Eula, Extra, Machine, Product


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of the package. ``href`` is relative to the descriptor, or a URL.

    ``size`` is what the descriptor says, in bytes; ``compression`` is OVF's word
    (``gzip``) and ``chunk_size`` OVF's ``ovf:chunkSize``; ``encryption`` is the URI of the
    cipher the bytes are encrypted with, empty when they are not.
    """

    id: str
    href: str
    size: int | None = None
    compression: str = ""
    chunk_size: int | None = None
    encryption: str = ""


class DiskImage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of a disk: in a file, or blank when ``file`` is None.

    ``capacity`` is the virtual size in bytes (None: only the image itself knows),
    ``format`` the name or URI the source gives, ``populated`` the bytes said to be in use.
    """

    id: str
    file: str | None = None
    capacity: int | None = None
    format: str = ""
    populated: int | None = None
    parent: str | None = None


class Network(msgspec.Struct, frozen=True, omit_defaults=True):
    """A network by the name the source knows it by."""

    name: str
    description: str = ""


class StartItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of the start order (DSP0243 §9.8); delays in seconds."""

    machine: str
    order: int = 0
    start_delay: int = 0
    wait_for_guest: bool = False
    stop_delay: int = 0


class Configuration(msgspec.Struct, frozen=True, omit_defaults=True):
    """A deployment option (DSP0243 §9.8): a size or flavour to choose when deploying."""

    id: str
    label: str = ""
    description: str = ""
    default: bool = False


class Provenance(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where an appliance came from: what kensho read first, and what it made of that.

    ``kind`` is the reader's name, ``platform`` the family whose words the source was in (empty:
    nobody's). ``written`` is the result as kensho reads it back; its machines, drives and adapters
    have the ids of those of ``source`` they were made of, its files their names. Neither has
    passwords, nor contents. See `kensho.model.origin`.
    """

    kind: str
    platform: str = ""
    source: Appliance
    written: Appliance


class Appliance(msgspec.Struct, frozen=True, omit_defaults=True):
    """One or more machines with everything they need."""

    name: str
    machines: tuple[Machine, ...] = ()
    images: tuple[DiskImage, ...] = ()
    files: tuple[File, ...] = ()
    networks: tuple[Network, ...] = ()
    products: tuple[Product, ...] = ()
    eulas: tuple[Eula, ...] = ()
    start_order: tuple[StartItem, ...] = ()
    annotation: str = ""
    configurations: tuple[Configuration, ...] = ()
    configuration: str | None = None  #: the one that was read
    languages: tuple[str, ...] = ()  #: those of the texts, as in ``en-US``; the default one first
    extras: tuple[Extra, ...] = ()
    origin: Provenance | None = None  #: what a note in or beside the files says of where it is from

    def image(self, image_id: str) -> DiskImage | None:
        """Return the disk image with that id, None when there is none."""
        return next((i for i in self.images if i.id == image_id), None)

    def file(self, file_id: str | None) -> File | None:
        """Return the file with that id, None when there is none."""
        return next((f for f in self.files if f.id == file_id), None)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an appliance, made from the structs themselves."""
    return msgspec.json.schema(Appliance)
