"""Vagrant boxes: what Vagrant wants of a guest, and what a box leaves to the user's Vagrantfile."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import ControllerModel, Machine

_FORM = "vagrant"


def check(journey: Journey) -> Iterator[Finding]:
    """Say what a box cannot say and what is not looked at in the guest."""
    if journey.form.name != _FORM:
        return
    was_box = any(extra.dialect == "vagrant" for extra in journey.before.extras)
    for machine, after in journey.machines():
        if not was_box:
            yield _expectations(machine)
        if len(after.nics) > 1:
            yield warning(
                "KF-468",
                f"Vagrant makes the first adapter its own; {len(after.nics) - 1} more are not its"
                " business",
                machine.name,
                "declare them in your Vagrantfile: config.vm.network",
            )
        if journey.platform.name == "kvm":
            yield from _libvirt(machine, after)


def _expectations(machine: Machine) -> Finding:
    return note(
        "KF-467",
        "Vagrant logs in as the user vagrant with its well-known key (or password), by SSH",
        machine.name,
        "not looked at: the guest needs that user with sudo rights without a password and its key"
        " in authorized_keys; a user vagrant with the password vagrant and WinRM switched on, on"
        " Windows",
    )


def _libvirt(machine: Machine, after: Machine) -> Iterator[Finding]:
    models = {c.model for c in after.controllers if any(d.controller == c.id for d in after.disks)}
    if len(models) > 1 or ControllerModel.VIRTIO_SCSI in models:
        yield warning(
            "KF-469",
            "a libvirt box has one bus for all disks",
            machine.name,
            "the boot disk's; virtio-scsi becomes virtio-blk, which needs virtio_blk in the guest"
            " and calls the disks vda, vdb and so on",
        )
