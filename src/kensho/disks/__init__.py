"""Virtual disks: recognise, read, write, copy and compare them."""

from kensho.disks.base import DiskReader, DiskWriter, ParentRef, SiblingOpener, SiblingSink
from kensho.disks.compare import compare, content_root
from kensho.disks.copy import CopyResult, copy_disk
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
    "CopyResult",
    "Descriptor",
    "DiskReader",
    "DiskWriter",
    "ParentRef",
    "SiblingOpener",
    "SiblingSink",
    "compare",
    "content_root",
    "copy_disk",
    "create_disk",
    "descriptor_of",
    "detect",
    "open_disk",
]
