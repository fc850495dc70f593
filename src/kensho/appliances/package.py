"""What reading and writing a machine's files looks like, whatever the vendor.

A reader turns a locator into a `Package`: the neutral appliance plus a way to
open the bytes it refers to. A writer is a plain function from an appliance
whose disks already have a place (`PlacedDisk`) to the documents to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from kensho.disks.base import DiskReader, DiskWriter
from kensho.model.appliance import Appliance
from kensho.model.finding import Finding
from kensho.storage.base import ByteSource
from kensho.storage.file import FileSink

if TYPE_CHECKING:
    from kensho.appliances.ova.arrival import Arrival


class Digest(msgspec.Struct, frozen=True):
    """What a manifest says of a file: hashlib's name of the algorithm, and lower-case hex."""

    algorithm: str
    hex: str


@dataclass(frozen=True, slots=True)
class Package:
    """An opened source.

    ``kind`` is the reader's name in the registry (``ova``, ``vmx``, ``disk`` …); ``open_file``
    opens a file of the appliance by its id and raises PackageError when it is missing;
    ``open_sibling`` opens a file by its name beside the descriptor, for disks made of
    several files, and ``beside``, where files lie in several folders, returns the same for the folder
    of a file by its id. ``manifest`` maps file names to what they should hash to, None when
    the package has none; with ``vouches_for_all`` those are archives that all files of the appliance
    are in. ``close`` frees everything opened through the package. ``arrival`` is
    not None for a package that comes once, through a pipe: then its disks are opened there.
    ``open_image`` opens a disk image by its id where the disks are no files of their own but blocks
    of an archive, or their format is not to be guessed; None where they are files.
    ``changing`` tells that somebody writes to the disks meanwhile, so that a second reading gives
    something else than the first.
    """

    kind: str
    path: str
    appliance: Appliance
    open_file: Callable[[str], ByteSource]
    open_sibling: Callable[[str], ByteSource]
    findings: tuple[Finding, ...] = ()
    manifest: Mapping[str, tuple[Digest, ...]] | None = None
    close: Callable[[], None] = lambda: None
    beside: Callable[[str], Callable[[str], ByteSource]] | None = None
    arrival: Arrival | None = None
    open_image: Callable[[str], DiskReader] | None = None
    changing: bool = False
    vouches_for_all: bool = False


class PlacedDisk(msgspec.Struct, frozen=True):
    """A disk image as it stands beside the documents that refer to it.

    Sizes in bytes; ``sha256`` of the file, empty when it was not computed;
    ``data_size`` is the number of bytes of the virtual disk that are not zero;
    ``content_root`` is the Merkle root of docs/integrity.md over all its bytes; ``identity`` is what
    the file calls itself, as readers have it in their details: for documents that name it.
    """

    image: str
    filename: str
    format: str
    subformat: str
    virtual_size: int
    file_size: int
    data_size: int
    sha256: str = ""
    content_root: str = ""
    identity: str = ""


class Document(msgspec.Struct, frozen=True):
    """A file of text that a writer wants beside the disks; ``name`` is a plain file name."""

    name: str
    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class DiskJob:
    """A disk that a container (OVA, XVA) takes in while it is being written.

    ``copy`` streams the content into the writer the container made, finishes it, and
    returns the number of bytes that are not zero. ``open`` opens the source's disk itself, for
    containers that take something out of it; None where it comes once.
    """

    image: str
    virtual_size: int
    copy: Callable[[DiskWriter], int]
    open: Callable[[], AbstractContextManager[DiskReader]] | None = None


class Container(Protocol):
    """Write an appliance and its disks as one file, in one pass, to an empty sink.

    ``name`` is the stem of the member names; ``timestamp`` (seconds since 1970) is all the time
    that gets into the result. Returns where each disk was placed.
    """

    def __call__(
        self,
        sink: FileSink,
        appliance: Appliance,
        jobs: Sequence[DiskJob],
        *,
        name: str,
        timestamp: int,
        compression: str,
    ) -> tuple[PlacedDisk, ...]:
        """Write the container."""


class Renderer(Protocol):
    """Turn an appliance, mapped to the target's devices, into the target's documents.

    ``disks`` maps the id of a `DiskImage` to where it was placed. The function is pure: same
    input, same bytes; it reads no clock, no environment and no file.
    """

    def __call__(
        self, appliance: Appliance, disks: Mapping[str, PlacedDisk]
    ) -> tuple[Document, ...]:
        """Render the documents."""
