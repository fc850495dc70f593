"""How a converted machine gets its OVF environment on a platform that never heard of OVF.

Best first: what the platform hands to the guest itself (VMware's guestinfo), a CD-ROM in a drive
of the machine, else a CD-ROM image beside the result for the user to attach.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from kensho.appliances.names import file_stem, unique
from kensho.appliances.ovfenv.environment import PlatformFacts, environment_of
from kensho.appliances.ovfenv.guestinfo import KEY
from kensho.appliances.ovfenv.iso import write_iso
from kensho.appliances.ovfenv.xml import FILE_NAME, VOLUME, render_xml
from kensho.appliances.package import Document
from kensho.model.appliance import Appliance, File
from kensho.model.machine import Cdrom, Extra, Machine
from kensho.platforms.base import Form

ISO, GUESTINFO = "iso", "com.vmware.guestInfo"
_DRIVE = "ovf-env"


class Way(enum.StrEnum):
    """How the environment reaches the guest."""

    GUESTINFO = "guestinfo"  #: in the machine's configuration, read through VMware's tools
    CD = "cd"  #: on a CD-ROM in a drive of the machine
    BESIDE = "beside"  #: on a CD-ROM image that the user has to attach


class EnvironmentStep(msgspec.Struct, frozen=True, kw_only=True):
    """One environment to make. ``filename`` is that of the CD-ROM image, "" without one.

    ``stated`` says that the package declares how it wants to be told; ``secrets`` that there is a
    password in it.
    """

    machine: str
    way: Way
    filename: str = ""
    stated: bool = True
    secrets: bool = False


def wants_environment(appliance: Appliance, machine: Machine, *, asked: bool) -> bool:
    """Tell whether a machine has properties and looks for them, or the user has set some."""
    products = (*appliance.products, *machine.products)
    looks = {ISO, GUESTINFO} & set(machine.transports)
    return any(p.properties for p in products) and bool(asked or looks)


def choose_way(machine: Machine, form: Form) -> Way:
    """Return the best way that the form has for a machine."""
    carries = form.carries
    if carries.guestinfo and (GUESTINFO in machine.transports or ISO not in machine.transports):
        return Way.GUESTINFO
    return Way.CD if carries.cdrom_image else Way.BESIDE


def with_drive(machine: Machine) -> Machine:
    """Return the machine with a CD drive, its own or one more."""
    if machine.cdroms:
        return machine
    drive = Cdrom(_DRIVE, "", name="OVF environment")
    return msgspec.structs.replace(machine, drives=(*machine.drives, drive))


def insert(appliance: Appliance, machine_id: str, filename: str) -> Appliance:
    """Return the mapped appliance with the image in the machine's first CD drive."""
    file_id = f"{_DRIVE}-{machine_id}"

    def inserted(machine: Machine) -> Machine:
        drive = machine.cdroms[0]
        full = msgspec.structs.replace(drive, file=file_id)
        drives = tuple(full if d is drive else d for d in machine.drives)
        return msgspec.structs.replace(machine, drives=drives)

    return msgspec.structs.replace(
        appliance,
        machines=tuple(inserted(m) if m.id == machine_id else m for m in appliance.machines),
        files=(*appliance.files, File(file_id, filename)),
    )


def image_names(name: str, machines: Sequence[str]) -> dict[str, str]:
    """Return the name of each machine's image; ``name`` is the result's."""
    if len(machines) == 1:
        return {machines[0]: f"{name}-ovf-env.iso"}
    taken: set[str] = set()
    return {m: f"{name}-{unique(file_stem(m)[:20], taken)}-ovf-env.iso" for m in machines}


def image_documents(
    steps: Sequence[EnvironmentStep], whole: Appliance, title: str, timestamp: int
) -> tuple[Document, ...]:
    """Return the CD-ROM images; ``whole`` has all machines and all values."""
    return tuple(
        Document(
            step.filename,
            write_iso([(FILE_NAME, _xml(whole, step.machine, title))], VOLUME, timestamp),
        )
        for step in steps
        if step.filename
    )


def with_guestinfo(
    after: Appliance, steps: Sequence[EnvironmentStep], whole: Appliance, title: str
) -> Appliance:
    """Return the mapped appliance with the environments that go into the configuration."""
    wanted = {step.machine for step in steps if step.way is Way.GUESTINFO}

    def told(machine: Machine) -> Machine:
        text = _xml(whole, machine.id, title).decode()
        return msgspec.structs.replace(machine, extras=(*machine.extras, Extra("vmx", KEY, text)))

    machines = tuple(told(m) if m.id in wanted else m for m in after.machines)
    return msgspec.structs.replace(after, machines=machines)


def _xml(whole: Appliance, machine: str, title: str) -> bytes:
    return render_xml(environment_of(whole, machine, PlatformFacts(kind=title)))
