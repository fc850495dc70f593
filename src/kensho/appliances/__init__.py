"""Machines as files: recognise and open packages, write them for other hypervisors."""

from kensho.appliances.package import (
    Container,
    Digest,
    DiskJob,
    Document,
    Package,
    PlacedDisk,
    Renderer,
)
from kensho.appliances.registry import SOURCES, open_package

__all__ = [
    "SOURCES",
    "Container",
    "Digest",
    "DiskJob",
    "Document",
    "Package",
    "PlacedDisk",
    "Renderer",
    "open_package",
]
