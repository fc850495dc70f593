"""Find a place for the environments while machines are mapped to a platform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from kensho.convert.deployment.attach import (
    GUESTINFO,
    ISO,
    EnvironmentStep,
    Way,
    choose_way,
    image_names,
    insert,
    wants_environment,
    with_drive,
)
from kensho.convert.deployment.properties import Assigned, all_properties
from kensho.convert.mapping import DeviceRow, device_rows, place_of
from kensho.model.appliance import Appliance
from kensho.model.errors import UnsupportedError
from kensho.model.machine import Machine
from kensho.platforms.base import Form


@dataclass(frozen=True, slots=True)
class Placed:
    """The mapped appliance, where its devices went, and the environments it gets."""

    after: Appliance
    rows: tuple[DeviceRow, ...]
    environments: tuple[EnvironmentStep, ...]


def place(
    before: Appliance,
    form: Form,
    name: str,
    assigned: Assigned,
    move: Callable[[Machine], Machine],
) -> Placed:
    """Map every machine with ``move``, with a CD drive more where its environment needs one.

    Where no drive fits any more the environment is written beside the result. ``name`` is that of
    the result. Raises UnsupportedError when a machine does not fit as it is.
    """
    asked = bool(assigned.keys)
    wanted = {
        m.id: choose_way(m, form)
        for m in before.machines
        if not form.carries.properties and wants_environment(before, m, asked=asked)
    }
    names = image_names(name, list(wanted)) if wanted else {}
    after = msgspec.structs.replace(before, files=())
    machines: list[Machine] = []
    rows: list[DeviceRow] = []
    steps: list[EnvironmentStep] = []
    for machine in before.machines:
        moved, way = _moved(machine, wanted.get(machine.id), move)
        machines.append(moved)
        rows += device_rows(machine, moved)
        if len(moved.cdroms) > len(machine.cdroms):
            drive = moved.cdroms[-1]
            rows.append(DeviceRow("cdrom", drive.name, "", place_of(moved, drive)))
        if way is not None:
            steps.append(_step(machine, way, names[machine.id], assigned))
    after = msgspec.structs.replace(after, machines=tuple(machines))
    for step in steps:
        if step.way is Way.CD:
            after = insert(after, step.machine, step.filename)
    return Placed(after, tuple(rows), tuple(steps))


def _moved(
    machine: Machine, way: Way | None, move: Callable[[Machine], Machine]
) -> tuple[Machine, Way | None]:
    if way is Way.CD:
        try:
            return move(with_drive(machine)), way
        except UnsupportedError:
            way = Way.BESIDE
    return move(machine), way


def _step(machine: Machine, way: Way, filename: str, assigned: Assigned) -> EnvironmentStep:
    return EnvironmentStep(
        machine=machine.id,
        way=way,
        filename="" if way is Way.GUESTINFO else filename,
        stated=bool({ISO, GUESTINFO} & set(machine.transports)),
        # Siblings' properties are in it, too.
        secrets=any(
            place in assigned.secrets and prop.value
            for place, prop in all_properties(assigned.appliance)
        ),
    )
