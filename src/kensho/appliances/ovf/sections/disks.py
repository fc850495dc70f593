"""DiskSection and SharedDiskSection: DSP0243 2.1 §9.1, §9.13."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Int64, Part, Section


class Disk(Part, frozen=True, kw_only=True):
    """A virtual disk. ``capacity`` counts ``capacity_allocation_units`` (DSP0004) or is ``${property}``."""

    ELEMENT: ClassVar[str] = "Disk"

    disk_id: str = field(name="diskId")
    file_ref: str = field(default="", name="fileRef")
    capacity: str
    capacity_allocation_units: str = field(default="byte", name="capacityAllocationUnits")
    format: str = ""
    populated_size: Int64 | None = field(default=None, name="populatedSize")  #: bytes
    parent_ref: str = field(default="", name="parentRef")


class SharedDisk(Disk, frozen=True, kw_only=True):
    """A virtual disk that several machines use, in OVF 2."""

    ELEMENT: ClassVar[str] = "SharedDisk"

    read_only: bool = field(default=False, name="readOnly")


class SharedDiskSection(Section, frozen=True, kw_only=True):
    """The virtual disks that machines share, in OVF 2."""

    ELEMENT: ClassVar[str] = "SharedDiskSection"
    ONLY_2: ClassVar[bool] = True

    disks: tuple[SharedDisk, ...] = ()


class DiskSection(Section, frozen=True, kw_only=True):
    """The virtual disks of the package."""

    ELEMENT: ClassVar[str] = "DiskSection"

    disks: tuple[Disk, ...] = ()
