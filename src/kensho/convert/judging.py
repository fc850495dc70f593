"""Will the guest start where it is to go? Its kernels, judged on the devices a conversion gives it.

Nothing is started: drivers are looked up in the kernel's own indexes and its initramfs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress

import msgspec

from kensho.appliances import Package
from kensho.convert.mapping import Devices, choose_policy, map_machine
from kensho.convert.source import opened_image
from kensho.convert.starting import as_known, first_lacking, fit, needed
from kensho.guest.inspect.kernels import Loaded, load_kernels
from kensho.guest.linux.verdict import Kernel, Verdict, judge_controller, judge_nic
from kensho.guest.volumes.luks.device import Key
from kensho.model.errors import UnsupportedError
from kensho.model.machine import ControllerModel, Machine
from kensho.platforms.base import DevicePolicy, Platform


class DeviceVerdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device and its driver: ``place`` is kernel, initramfs, root or nowhere.

    ``lacking`` are modules that are not where they have to be, or hardware no driver knows.
    """

    model: str
    works: bool
    place: str = ""
    drivers: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


class StartVerdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """A kernel on a target. ``starts`` is None when nothing can be said, with the ``problem``.

    ``disk`` is the controller that a conversion puts the boot disk on, or that of a disk with the
    root where the kernel does not drive that one; ``instead`` are others of
    the target that the kernel starts from.
    """

    machine: str
    target: str
    root: str
    kernel: str
    starts: bool | None = None
    disk: DeviceVerdict | None = None
    adapters: tuple[DeviceVerdict, ...] = ()
    instead: tuple[ControllerModel, ...] = ()
    problem: str = ""


def judge(
    package: Package,
    platforms: Sequence[Platform],
    devices: Devices = Devices.AUTO,
    keys: Sequence[Key] = (),
) -> Iterator[StartVerdict]:
    """Yield a verdict for each machine, kernel and target; ``keys`` open volumes of LUKS.

    UnsupportedError when no machine has a kernel that is found; what opening disks raises.
    """
    found = False
    for machine in package.appliance.machines:
        with ExitStack() as stack:
            readers = [
                stack.enter_context(opened_image(package, disk.image)) for disk in machine.disks
            ]
            kernels = tuple(load_kernels(readers, keys))
        found = found or bool(kernels)
        known = as_known(machine, kernels)
        for platform in platforms:
            yield from _judged(known, platform, kernels, devices)
    if not found:
        raise UnsupportedError(
            "no kernel was found on these disks",
            path=package.path,
            hint="kensho inspect --deep shows what is there; Linux, Windows and the BSDs are judged",
        )


def _judged(
    machine: Machine, platform: Platform, kernels: Sequence[Loaded], devices: Devices
) -> Iterator[StartVerdict]:
    policy = choose_policy(machine, platform, devices)
    with suppress(UnsupportedError):  # which mapping each says
        free = devices is Devices.AUTO
        policy = fit(machine, platform, platform.forms[0], policy, kernels, free=free).policy
    return (_judge(machine, platform, loaded, policy) for loaded in kernels)


def _judge(
    machine: Machine, platform: Platform, loaded: Loaded, policy: DevicePolicy
) -> StartVerdict:
    verdict = StartVerdict(machine.id, platform.name, loaded.root, loaded.version)
    if loaded.problem:
        return msgspec.structs.replace(verdict, problem=loaded.problem)
    try:
        after = map_machine(machine, platform, platform.forms[0], policy)
    except UnsupportedError as error:
        return msgspec.structs.replace(verdict, problem=error.message)
    models = needed(loaded, machine, after)
    if not models:
        return msgspec.structs.replace(verdict, problem="the machine has no disk to start from")
    chosen = first_lacking(loaded, machine, after, platform.name) or models[0]
    if loaded.kernel is None:
        return _whole(verdict, loaded, platform, after, chosen)
    told = judge_controller(loaded.kernel, chosen, platform.name)
    if told is None:
        problem = f"nothing is known of drivers for {chosen}"
        return msgspec.structs.replace(verdict, problem=problem)
    nics = (
        judge_nic(loaded.kernel, model) for model in dict.fromkeys(nic.model for nic in after.nics)
    )
    return msgspec.structs.replace(
        verdict,
        starts=told.works,
        disk=_device(told),
        adapters=tuple(_device(nic) for nic in nics if nic is not None),
        instead=tuple(_others(loaded.kernel, platform, after, chosen)),
    )


def _whole(
    verdict: StartVerdict,
    loaded: Loaded,
    platform: Platform,
    machine: Machine,
    chosen: ControllerModel,
) -> StartVerdict:
    """Tell whether a Windows or a BSD starts from the boot disk; Windows' adapters wait for theirs."""
    ready = loaded.windows.controllers if loaded.windows else ()
    lacking = f"a driver for {chosen} that starts with Windows"
    nics: tuple[DeviceVerdict, ...] = ()
    if loaded.bsd:
        ready = loaded.bsd.controllers
        lacking = f"a driver for {chosen} in its kernel"
        if loaded.bsd.moving:
            lacking += f", or fstab's {loaded.bsd.moving} is called otherwise there"
        nics = tuple(
            DeviceVerdict(model.value, known, "kernel" if known else "nowhere")
            for model in dict.fromkeys(nic.model for nic in machine.nics)
            for known in (model in loaded.bsd.adapters,)
        )
    works = chosen in ready
    place = "kernel" if works else "root"
    offered = {s.model for s in platform.controllers if machine.firmware.kind in s.boots}
    return msgspec.structs.replace(
        verdict,
        starts=works,
        disk=DeviceVerdict(chosen.value, works, place, lacking=() if works else (lacking,)),
        adapters=nics,
        instead=tuple(model for model in ready if model in offered and model is not chosen),
    )


def _others(
    kernel: Kernel, platform: Platform, machine: Machine, chosen: ControllerModel
) -> Iterator[ControllerModel]:
    for support in platform.controllers:
        if support.model is chosen or machine.firmware.kind not in support.boots:
            continue
        told = judge_controller(kernel, support.model, platform.name)
        if told is not None and told.works:
            yield support.model


def _device(verdict: Verdict) -> DeviceVerdict:
    return DeviceVerdict(
        verdict.model, verdict.works, verdict.place, verdict.drivers, verdict.lacking
    )
