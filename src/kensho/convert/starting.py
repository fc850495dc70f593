"""Devices that the guest has drivers for: what its kernels tell, and a choice they all start from.

The platform's table chooses by what a guest is; this looks at what is installed. Where the chosen
controller or adapter has no driver in the kernel that starts, another of the target's is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from kensho.convert.guests import GuestDisks
from kensho.convert.mapping import map_machine
from kensho.guest.adapt.plan import AdaptPlan
from kensho.guest.inspect.kernels import Loaded, load_kernels
from kensho.guest.linux.verdict import Place, judge_controller, judge_nic
from kensho.guest.volumes.luks.device import Key
from kensho.model.appliance import Appliance
from kensho.model.errors import KenshoError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import ControllerModel, Machine, NicModel
from kensho.platforms.base import DevicePolicy, DriveChoice, Form, Platform

_OTHER = "other"  #: the guest that is not known
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A policy whose devices the guest drives, as far as it has any, and what there is to say."""

    policy: DevicePolicy
    findings: tuple[Finding, ...] = ()


def look(machines: Iterable[GuestDisks], keys: Sequence[Key] = ()) -> dict[str, tuple[Loaded, ...]]:
    """Return the kernels on each machine's disks; none where they cannot be read."""
    found: dict[str, tuple[Loaded, ...]] = {}
    for machine in machines:
        with suppress(KenshoError):
            found[machine.id] = tuple(load_kernels(machine.readers, keys))
    return found


def after_adapting(
    kernels: Mapping[str, tuple[Loaded, ...]], plans: Mapping[str, AdaptPlan]
) -> dict[str, tuple[Loaded, ...]]:
    """Return the kernels of each machine with the drivers that its plan gives them."""
    return {
        machine: tuple(_with(one, plans[machine]) for one in loaded) if machine in plans else loaded
        for machine, loaded in kernels.items()
    }


def _with(loaded: Loaded, plan: AdaptPlan) -> Loaded:
    if loaded.kernel is not None:
        for kernel in plan.kernels:
            if (kernel.root, kernel.version) == (loaded.root, loaded.version):
                inside = loaded.kernel.in_initramfs | set(kernel.added)
                return replace(loaded, kernel=replace(loaded.kernel, in_initramfs=inside))
    if loaded.windows is not None:
        for windows in plan.windows:
            if windows.root == loaded.root and not windows.refused:
                found = replace(loaded.windows, controllers=windows.controllers)
                return replace(loaded, windows=found)
    return loaded


def with_guests(
    appliance: Appliance, kernels: Mapping[str, tuple[Loaded, ...]]
) -> tuple[Appliance, tuple[Finding, ...]]:
    """Return the appliance with the guests that its disks tell, where it says nothing (KF-926)."""
    machines: list[Machine] = []
    findings: list[Finding] = []
    for machine in appliance.machines:
        known = as_known(machine, kernels.get(machine.id, ()))
        machines.append(known)
        if known is not machine:
            findings.append(
                Finding(
                    "KF-926",
                    Severity.NOTE,
                    f"its disks hold {known.guest.description or known.guest.id}",
                    machine.name,
                    "taken as its guest; --guest says otherwise",
                )
            )
    return msgspec.structs.replace(appliance, machines=tuple(machines)), tuple(findings)


def as_known(machine: Machine, kernels: Sequence[Loaded]) -> Machine:
    """Return the machine with the guest that its kernels tell; itself when it says which one it is."""
    guest = next((one.guest for one in kernels), None)
    if machine.guest.id != _OTHER or guest is None or guest.id == _OTHER:
        return machine
    return msgspec.structs.replace(machine, guest=guest)


def fit(
    machine: Machine,
    platform: Platform,
    form: Form,
    policy: DevicePolicy,
    kernels: Sequence[Loaded],
    *,
    free: bool,
    adapted: bool = False,
) -> Fitted:
    """Return a policy that the guest's kernels start with; ``free`` allows another than ``policy``.

    ``adapted`` tells that the kernels are as an adaptation leaves them.
    Nothing is said of a guest without a kernel that is read. UnsupportedError when the machine does
    not fit on the platform.
    """
    known = [one for one in kernels if not one.problem]
    if not known:
        return Fitted(policy)
    fitted = _disk(machine, platform, form, policy, known, free=free, adapted=adapted)
    nics = _adapters(machine, platform, form, fitted.policy, _first(known), free=free)
    return Fitted(nics.policy, (*fitted.findings, *nics.findings))


def _first(kernels: Sequence[Loaded]) -> list[Loaded]:
    """Return the kernel of each system that starts when nobody chooses.

    It is the newest where the boot loader does not tell.
    """
    found: dict[str, Loaded] = {}
    for one in kernels:
        other = found.get(one.root)
        if other is None or _order(one) > _order(other):
            found[one.root] = one
    return list(found.values())


def _order(one: Loaded) -> tuple[bool, list[tuple[int, str]]]:
    parts = _NUMBER.split(one.version)
    return one.default, [(int(p), "") if p.isdigit() else (-1, p) for p in parts]


def _disk(
    machine: Machine,
    platform: Platform,
    form: Form,
    policy: DevicePolicy,
    known: Sequence[Loaded],
    *,
    free: bool,
    adapted: bool,
) -> Fitted:
    after = map_machine(machine, platform, form, policy)
    stuck = [k for k in known if first_lacking(k, machine, after, platform.name) is not None]
    if not stuck:
        return Fitted(policy)
    chosen = next(
        m for k in stuck if (m := first_lacking(k, machine, after, platform.name)) is not None
    )
    names = ", ".join(dict.fromkeys(one.version for one in stuck))
    first = _first(known)
    others = [m for m in _offered(platform, policy, after) if m is not chosen]
    for_all = [m for m in others if all(starts(k, m, platform.name) for k in known)]
    for_first = [m for m in others if all(starts(k, m, platform.name) for k in first)]
    driven = dict.fromkeys((*for_all, *for_first))
    mend = _mending(stuck, known, chosen, platform.name, adapted=adapted)
    if not any(k in stuck for k in first):
        if for_all:
            mend = f"{' and '.join(for_all[:2])} would do for all"
        return Fitted(policy, (_finding("KF-924", Severity.WARNING, names, chosen, machine, mend),))
    if free:
        for model in driven:
            other = _on(policy, model)
            with suppress(UnsupportedError):
                if set(_all_needed(first, machine, platform, form, other)) == {model}:
                    done = f"the disks are on {model}, which it drives; for {chosen} {mend}"
                    finding = _finding("KF-923", Severity.WARNING, names, chosen, machine, done)
                    return Fitted(other, (finding,))
    elif driven:
        mend += f"; --devices auto takes {next(iter(driven))} instead"
    return Fitted(policy, (_finding("KF-925", Severity.ERROR, names, chosen, machine, mend),))


def unfit(
    machine: Machine, after: Machine, kernels: Sequence[Loaded], platform: str, *, adapted: bool
) -> tuple[Finding, ...]:
    """Say when what starts by default does not on devices that are not chosen, as at home (KF-925)."""
    known = [one for one in kernels if not one.problem]
    lacking = ((one, first_lacking(one, machine, after, platform)) for one in _first(known))
    stuck = [(one, model) for one, model in lacking if model is not None]
    if not stuck:
        return ()
    names = ", ".join(dict.fromkeys(kernel.version for kernel, _ in stuck))
    model = stuck[0][1]
    mend = _mending([kernel for kernel, _ in stuck], known, model, platform, adapted=adapted)
    return (_finding("KF-925", Severity.ERROR, names, model, machine, mend),)


def _mending(
    stuck: Sequence[Loaded],
    known: Sequence[Loaded],
    model: ControllerModel,
    platform: str,
    *,
    adapted: bool,
) -> str:
    """Say what gives kernels a driver for a controller: --adapt only where that has one to give."""
    if not adapted and all(_could_have(one, model, platform) for one in stuck):
        return "--adapt gives it the driver"
    well = (k for k in known if k not in stuck and starts(k, model, platform))
    others = dict.fromkeys(k.version for k in well)
    if others:
        return f"start it by {' or '.join(others)}, which has one"
    if all(one.windows is not None for one in stuck):
        return "it needs a driver that is supplied: --adapt --drivers"
    return "it needs a kernel that has one"


def _could_have(loaded: Loaded, model: ControllerModel, platform: str) -> bool:
    if loaded.kernel is None:
        return loaded.bsd is None
    told = judge_controller(loaded.kernel, model, platform)
    return told is None or told.place is not Place.NOWHERE


def _finding(
    code: str,
    severity: Severity,
    kernels: str,
    model: ControllerModel | NicModel,
    machine: Machine,
    action: str,
) -> Finding:
    return Finding(
        code, severity, f"{kernels} has no driver in time for {model}", machine.name, action
    )


def _on(policy: DevicePolicy, model: ControllerModel) -> DevicePolicy:
    """Return the policy with all disks on this controller, whatever they are on now."""
    drives = {
        firmware: DriveChoice(disk=model, cdrom=choice.cdrom)
        for firmware, choice in policy.drives.items()
    }
    return msgspec.structs.replace(policy, drives=drives, keep=frozenset({model}))


def _offered(
    platform: Platform, policy: DevicePolicy, machine: Machine
) -> Iterator[ControllerModel]:
    """Yield the controllers that the machine could start from there, the better ones first."""
    firmware = machine.firmware.kind
    policies = [policy, platform.native, platform.compatible]
    policies += [platform.fallback] if platform.fallback else []
    wanted = [p.drives[firmware].boot_disk or p.drives[firmware].disk for p in policies]
    offered = {s.model for s in platform.controllers if firmware in s.boots}
    order = dict.fromkeys((*wanted, *(s.model for s in platform.controllers)))
    return (model for model in order if model in offered)


def _all_needed(
    kernels: Sequence[Loaded],
    machine: Machine,
    platform: Platform,
    form: Form,
    policy: DevicePolicy,
) -> Iterator[ControllerModel]:
    after = map_machine(machine, platform, form, policy)
    return (model for kernel in kernels for model in needed(kernel, machine, after))


def needed(loaded: Loaded, machine: Machine, after: Machine) -> tuple[ControllerModel, ...]:
    """Return the controllers that a kernel has to find disks on: that of the first, then of its root.

    ``after`` is the ``machine`` as it is mapped.
    """
    boot = after.boot_disk()
    roots = {disk.id for number, disk in enumerate(machine.disks) if number in loaded.disks}
    disks = [boot, *(d for d in after.disks if d.id in roots)] if boot else []
    found = (after.controller(disk.controller) for disk in disks)
    return tuple(dict.fromkeys(controller.model for controller in found if controller))


def first_lacking(
    loaded: Loaded, machine: Machine, after: Machine, platform: str
) -> ControllerModel | None:
    """Return the first of the controllers it needs that a kernel has no driver in time for."""
    models = needed(loaded, machine, after)
    return next((model for model in models if starts(loaded, model, platform) is False), None)


def starts(loaded: Loaded, model: ControllerModel, platform: str) -> bool | None:
    """Tell whether a kernel finds its disk on a platform's controller; None when nothing is known."""
    if loaded.kernel is not None:
        told = judge_controller(loaded.kernel, model, platform)
        return None if told is None else told.works
    if loaded.windows is not None:
        return model in loaded.windows.controllers
    return model in loaded.bsd.controllers if loaded.bsd is not None else None


def all_start(machine: Machine, kernels: Sequence[Loaded], platform: str) -> bool:
    """Tell whether what starts by default is known to find every disk of a machine as it is mapped."""
    known = [one for one in kernels if not one.problem]
    disks = [machine.controller(disk.controller) for disk in machine.disks]
    return bool(known) and all(
        controller is not None and starts(one, controller.model, platform) is True
        for one in _first(known)
        for controller in disks
    )


def all_connect(machine: Machine, kernels: Sequence[Loaded]) -> bool:
    """Tell whether the Linux that starts by default is known to drive every adapter as it is mapped."""
    known = [one for one in kernels if not one.problem]
    return bool(known) and all(
        one.kernel is not None and (told := judge_nic(one.kernel, nic.model)) and told.works
        for one in _first(known)
        for nic in machine.nics
    )


def _drives(loaded: Loaded, model: NicModel) -> bool:
    """Tell whether a kernel may drive this adapter; Windows' drivers are looked for when it runs."""
    if loaded.kernel is not None:
        told = judge_nic(loaded.kernel, model)
        return told is None or told.works
    return loaded.bsd is None or model in loaded.bsd.adapters


def _adapters(
    machine: Machine,
    platform: Platform,
    form: Form,
    policy: DevicePolicy,
    first: Sequence[Loaded],
    *,
    free: bool,
) -> Fitted:
    after = map_machine(machine, platform, form, policy)
    lacking = {n.model for n in after.nics if not all(_drives(k, n.model) for k in first)}
    if not lacking:
        return Fitted(policy)
    names = ", ".join(one.version for one in first)
    policies = [platform.native, platform.compatible]
    policies += [platform.fallback] if platform.fallback else []
    candidates = dict.fromkeys(
        (*(p.nic for p in policies), *(n for p in policies for n in sorted(p.keep_nics)))
    )
    unfit = {n for n in candidates if not all(_drives(k, n) for k in first)}
    fit_ones = [n for n in candidates if n not in unfit]
    if free and fit_ones:
        other = msgspec.structs.replace(
            policy, nic=fit_ones[0], keep_nics=policy.keep_nics - unfit - lacking
        )
        if all(n.model not in lacking for n in map_machine(machine, platform, form, other).nics):
            policy = other
    action = (
        f"it gets {fit_ones[0]}, which it drives"
        if free and fit_ones
        else "the guest needs another kernel, or the machine another adapter there"
    )
    findings = tuple(
        _finding("KF-927", Severity.WARNING, names, model, machine, action)
        for model in sorted(lacking)
    )
    return Fitted(policy, findings)
