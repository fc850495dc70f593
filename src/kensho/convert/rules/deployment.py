"""What was settled for the deployment: properties, the environment, licences, networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kensho.convert.deployment.attach import EnvironmentStep, Way
from kensho.convert.deployment.eulas import eulas_of
from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding

_HOW = {
    "xenserver": (
        "put it into an ISO storage repository; xe vm-cd-add vm={name} cd-name={file} device=3"
    ),
    "virtualbox": (
        "after the import: VBoxManage storageattach {name} --storagectl CONTROLLER"
        " --port PORT --device 0 --type dvddrive --medium {file}"
    ),
}


def check(journey: Journey) -> Iterator[Finding]:
    """Say what becomes of properties, of licences and of the networks' names."""
    yield from _settings(journey)
    yield from _values(journey)
    for step in journey.environments:
        yield from _environment(journey, step)
    yield from _licences(journey)
    for name, target in journey.settled.deployment.networks:
        yield note("KF-773", f"network {name} is {target} at the target", action="as asked for")


def _settings(journey: Journey) -> Iterator[Finding]:
    settled = journey.settled
    if settled.names:
        yield note("KF-760", f"properties are set: {_some(settled.names)}", action="as asked for")
    if settled.missing:
        yield warning(
            "KF-761",
            f"properties that need a value have none: {_some(settled.missing)}",
            action="set them with --property KEY=VALUE",
        )
    if settled.fixed:
        yield warning(
            "KF-762",
            f"properties that the vendor does not mean to be set: {_some(settled.fixed)}",
            action="set as asked for",
        )
    if settled.exposed:
        yield note(
            "KF-769",
            f"passwords were given as they are: {_some(settled.exposed)}",
            action="other users of this computer may see them; KEY=@env:NAME and KEY=@file:PATH"
            " keep them out of sight",
        )


def _values(journey: Journey) -> Iterator[Finding]:
    """Say what becomes of values in an OVF result, and of those that only vSphere knows."""
    settled, carries = journey.settled, journey.form.carries
    if settled.names and carries.products:
        yield note(
            "KF-774",
            "the values are in the properties of the result",
            action="vCenter hands them to the guest; a bare ESXi host does not, the form vmx does"
            if journey.platform.name == "vmware"
            else "they are the defaults of whoever deploys it",
        )
        if settled.passwords:
            yield warning(
                "KF-766",
                f"passwords are not written into the result: {_some(settled.passwords)}",
                action="give them again where it is deployed",
            )
    elif settled.computed and (settled.names or journey.environments):
        yield warning(
            "KF-767",
            f"properties that vSphere computes have no value: {_some(settled.computed)}",
            action="set them, or let the guest find out by DHCP",
        )


def _environment(journey: Journey, step: EnvironmentStep) -> Iterator[Finding]:
    machine = next(m for m in journey.before.machines if m.id == step.machine)
    match step.way:
        case Way.GUESTINFO:
            yield note(
                "KF-764",
                "the guest gets its properties as guestinfo.ovfEnv in the VMX file",
                machine.name,
                "VMware's tools in the guest read it",
            )
        case Way.CD:
            yield note(
                "KF-763",
                f"the guest gets its properties on a CD-ROM: ovf-env.xml in {step.filename}",
                machine.name,
                "attached; copy it with the disks, and detach it when the guest is set up",
            )
        case Way.BESIDE:
            how = _HOW.get(journey.platform.name, "attach it to the machine as a CD-ROM")
            yield warning(
                "KF-765",
                f"the guest's properties are in {step.filename}, which is not attached",
                machine.name,
                how.format(name=machine.name, file=step.filename),
            )
    if not step.stated:
        yield note(
            "KF-775",
            "the package does not say how the guest wants its properties",
            machine.name,
            "they are there; whether the guest looks for them only its vendor knows",
        )
    if any(extra.where.endswith("/EnvironmentFilesSection") for extra in machine.extras):
        yield warning(
            "KF-776",
            "the guest expects files of the package beside its environment",
            machine.name,
            "not on the CD-ROM; they are in the package",
        )
    if step.secrets:
        yield note(
            "KF-768",
            "the guest's properties hold a password in clear text",
            machine.name,
            "delete the file, or the entry, when the guest is set up",
        )


def _licences(journey: Journey) -> Iterator[Finding]:
    eulas = eulas_of(journey.before)
    if not eulas:
        return
    if journey.form.carries.eulas:
        yield note(
            "KF-772",
            f"{len(eulas)} licence agreement(s) go with the result",
            action="whoever deploys it has to accept them",
        )
    elif journey.settled.deployment.accept_eulas:
        yield note(
            "KF-771",
            f"{len(eulas)} licence agreement(s) accepted",
            action="who, when and of which text is on record beside the result",
        )
    else:
        yield warning(
            "KF-770",
            f"{len(eulas)} licence agreement(s) have to be accepted",
            action="read them with `kensho eula`, accept them with --accept-eula",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f", … ({len(names)} in all)" if len(names) > 12 else "")
