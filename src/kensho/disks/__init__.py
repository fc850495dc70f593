"""Virtual disks: recognise, read, write, copy and compare them."""

from kensho.disks.base import DiskReader, DiskWriter, ParentRef, SiblingOpener
from kensho.disks.registry import (
    FORMATS,
    Candidate,
    Descriptor,
    create_disk,
    descriptor_of,
    detect,
    open_disk,
)

__all__ = [
    "FORMATS",
    "Candidate",
    "Descriptor",
    "DiskReader",
    "DiskWriter",
    "ParentRef",
    "SiblingOpener",
    "create_disk",
    "descriptor_of",
    "detect",
    "open_disk",
]
