"""What reading and writing a machine's files looks like, whatever the vendor.

A reader turns a locator into a `Package`: the neutral appliance plus a way to
open the bytes it refers to. A writer is a plain function from an appliance
whose disks already have a place (`PlacedDisk`) to the documents to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from kensho.model.appliance import Appliance
from kensho.model.finding import Finding
from kensho.storage.base import ByteSource


@dataclass(frozen=True, slots=True)
class Package:
    """An opened source: ``kind`` is the reader's name, ``open_file`` opens a file by its id.

    ``open_file`` raises PackageError when the file is missing. ``verify`` re-reads the bytes against the manifest: it yields a
    Finding for each file whose digest is wrong or cannot be checked; None when
    the package has no manifest. ``close`` frees everything opened through it.
    """

    kind: str
    path: str
    appliance: Appliance
    open_file: Callable[[str], ByteSource]
    findings: tuple[Finding, ...] = ()
    manifest: Mapping[str, tuple[str, str]] | None = None  # member name -> (algorithm, hex digest)
    close: Callable[[], None] = lambda: None


class PlacedDisk(msgspec.Struct, frozen=True):
    """A disk image as it stands beside the documents that refer to it.

    Sizes in bytes; ``sha256`` of the file, empty when it was not computed;
    ``data_size`` is the number of bytes of the virtual disk that are not zero.
    """

    image: str
    filename: str
    format: str
    subformat: str
    virtual_size: int
    file_size: int
    data_size: int
    sha256: str = ""


class Document(msgspec.Struct, frozen=True):
    """A file of text that a writer wants beside the disks; ``name`` is a plain file name."""

    name: str
    data: bytes
    executable: bool = False


class Renderer(Protocol):
    """Turn an appliance, mapped to the target's devices, into the target's documents.

    ``disks`` maps the id of a `DiskImage` to where it was placed. The function is pure: same
    input, same bytes; it reads no clock, no environment and no file.
    """

    def __call__(
        self, appliance: Appliance, disks: Mapping[str, PlacedDisk]
    ) -> tuple[Document, ...]: ...
