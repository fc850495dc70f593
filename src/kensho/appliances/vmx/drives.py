"""The controllers and drives of a VMX: ``scsi0.virtualDev``, ``scsi0:0.fileName`` and so on."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from kensho.appliances.limits import check_drives
from kensho.appliances.vmx.keys import Keys
from kensho.model.appliance import DiskImage, File
from kensho.model.finding import Severity
from kensho.model.machine import Cdrom, Controller, ControllerModel, Disk, Drive, Floppy
from kensho.platforms.vmware import VMX
from kensho.platforms.words import meaning

_BUSES = ("scsi", "sata", "nvme", "ide")
_NO_FILE = frozenset({"", "auto detect", "emptybackingstring"})
_HOST_FILES = ("/dev/", "\\\\.\\", "/vmfs/devices/")
_HOST_CDROMS = "/vmfs/devices/cdrom/"
_DISKS = frozenset(
    {"", "disk", "scsi-harddisk", "ata-harddisk", "sata-harddisk", "nvme-harddisk", "harddisk"}
)


class Drives(msgspec.Struct, frozen=True):
    """The storage of one machine, and the files it refers to."""

    controllers: tuple[Controller, ...]
    drives: tuple[Drive, ...]
    images: tuple[DiskImage, ...]
    files: tuple[File, ...]


class _Reading:
    """What was found so far; files are shared when two drives use one."""

    def __init__(self, keys: Keys, locate: Callable[[str], tuple[str, bool]]) -> None:
        self.keys = keys
        self.controllers: list[Controller] = []
        self.drives: list[Drive] = []
        self.images: dict[str, DiskImage] = {}
        self.files: dict[str, File] = {}
        self._locate = locate
        self._ids: dict[str, str] = {}  # of files, by name

    def file(self, name: str, drive: str) -> str:
        """Return the id of the file that a drive names, listing it if it is new."""
        href, there = self._locate(name)
        if href != name:
            self.keys.note(
                "KF-143",
                Severity.WARNING,
                f"{drive} names {name}",
                subject=drive,
                action=f"{href} beside the VMX is read instead"
                if there
                else f"looked for as {href} beside the VMX, where it is not",
            )
        if href in self._ids:
            return self._ids[href]
        file_id = f"file{len(self.files) + 1}"
        self._ids[href] = file_id
        self.files[file_id] = File(file_id, href)
        return file_id


def read_drives(keys: Keys, locate: Callable[[str], tuple[str, bool]]) -> Drives:
    """Read the storage; ``locate`` maps a file name to (relative name, whether it is there)."""
    reading = _Reading(keys, locate)
    places = [f"{bus}{number}" for bus in _BUSES for number in keys.numbers(bus)]
    check_drives(sum(len(keys.units(place)) for place in places), keys.path)
    for bus in _BUSES:
        for number in keys.numbers(bus):
            _read_controller(reading, bus, number)
    for number in keys.numbers("floppy"):
        _read_floppy(reading, number)
    return Drives(
        tuple(reading.controllers),
        tuple(reading.drives),
        tuple(reading.images.values()),
        tuple(reading.files.values()),
    )


def _read_controller(reading: _Reading, bus: str, number: int) -> None:
    keys = reading.keys
    name = f"{bus}{number}"
    found = [d for unit in keys.units(name) if (d := _read_drive(reading, name, unit)) is not None]
    # IDE has no present key of its own; a controller with drives is there whatever is said.
    present = keys.take_true(f"{name}.present")
    if not present and not found:
        return
    word = keys.take(f"{name}.virtualdev").lower()
    # Only a SCSI controller's model is a matter of choice.
    said = f"{bus}:{word if bus == 'scsi' else ''}"
    model = meaning(VMX.controllers, said) or ControllerModel.SCSI
    slot = keys.number(f"{name}.pcislotnumber", -1, 0, 1 << 16)
    reading.controllers.append(Controller(name, model, number, word, slot if slot >= 0 else None))
    reading.drives.extend(found)


def _read_drive(reading: _Reading, controller: str, unit: int) -> Drive | None:
    keys = reading.keys
    drive = f"{controller}:{unit}"
    if not keys.take_true(f"{drive}.present", default=bool(keys.take(f"{drive}.filename"))):
        return None
    if not keys.peek(f"{drive}.present").strip():
        keys.note(
            "KF-151",
            Severity.WARNING,
            f"{drive} has a file and is not said to be present: VMware leaves it out",
            subject=drive,
            action="read all the same; delete its lines if it should not be there",
        )
    kind = keys.take(f"{drive}.devicetype").lower()
    name = keys.take(f"{drive}.filename").strip()
    mode = keys.take(f"{drive}.mode").lower()
    passed = kind == "scsi-passthru" and name.startswith(_HOST_CDROMS)
    if "cdrom" in kind or passed or name.lower().endswith(".iso"):
        return _cdrom(reading, drive, unit, kind, name)
    if kind == "rawdisk":
        keys.note(
            "KF-464",
            Severity.WARNING,
            f"{drive} is a physical disk of the host",
            subject=drive,
            action="its VMDK is read as far as it has the data itself",
        )
    elif kind not in _DISKS:
        keys.note(
            "KF-144",
            Severity.WARNING,
            f"{drive} is a {kind}",
            subject=drive,
            action="left out",
        )
        return None
    if not name:
        keys.note(
            "KF-116",
            Severity.ERROR,
            f"{drive} is a disk without a file",
            subject=drive,
            action="left out of the machine",
        )
        return None
    file = reading.file(name, drive)
    image = f"disk-{file}"
    reading.images.setdefault(image, DiskImage(image, file=file))
    return Disk(
        drive,
        image,
        controller,
        unit,
        independent=mode.startswith("independent"),
        nonpersistent=mode.endswith(("nonpersistent", "undoable")),
        # Two kinds of sharing; which of them stays to be read in the extras.
        shared=keys.peek(f"{controller}.sharedbus").lower() in {"virtual", "physical"}
        or keys.peek(f"{drive}.sharing").lower() == "multi-writer",
        cache="writethrough" if keys.peek(f"{drive}.writethrough").lower() == "true" else "",
        iops=_cap(keys, f"sched.{drive}.throughputcap"),
    )


def _cap(keys: Keys, key: str) -> int | None:
    """Return a limit in operations a second; ``off`` says that there is none."""
    text = keys.peek(key)
    return int(text) or None if re.fullmatch("[0-9]{1,9}", text, re.ASCII) else None


def _cdrom(reading: _Reading, drive: str, unit: int, kind: str, name: str) -> Cdrom:
    controller = drive.partition(":")[0]
    is_image = kind == "cdrom-image" or (not kind and name.lower().endswith(".iso"))
    if is_image and name.lower() not in _NO_FILE and not name.startswith(_HOST_FILES):
        return Cdrom(drive, controller, unit, file=reading.file(name, drive))
    host = "" if name.lower() in _NO_FILE else name
    return Cdrom(drive, controller, unit, host_device=host)


def _read_floppy(reading: _Reading, number: int) -> None:
    keys = reading.keys
    name = f"floppy{number}"
    # VMware's default for the first floppy drive is present, so a drive that is said to be
    # there, or that has a medium, counts.
    present = keys.take(f"{name}.present").lower()
    medium = keys.take(f"{name}.filename").strip()
    if present == "false" or (not present and not medium):
        return
    is_file = keys.take(f"{name}.filetype").lower() == "file"
    file = None
    if is_file and medium.lower() not in _NO_FILE and not medium.startswith(_HOST_FILES):
        file = reading.file(medium, name)
    reading.drives.append(Floppy(name, unit=number, file=file))
