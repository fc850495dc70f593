"""What a plan learns from the guests themselves: who they are, their drivers, what is changed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from kensho.appliances import Package
from kensho.convert.adaptation import Adaptation, Wanted, described
from kensho.convert.adapting import Macs, plan_guests
from kensho.convert.guests import GuestDisks, guests_of
from kensho.convert.mapping import Devices, choose_policy
from kensho.convert.starting import after_adapting, fit, look, unfit, with_guests
from kensho.guest.aims import Aims
from kensho.guest.inspect.kernels import Loaded
from kensho.guest.volumes.luks.device import Key
from kensho.model.appliance import Appliance
from kensho.model.errors import KenshoError, NoSpaceError, UnsupportedError, UsageError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Machine
from kensho.platforms import PLATFORMS
from kensho.platforms.base import DevicePolicy, Form, Platform
from kensho.storage.locator import scheme_of


@dataclass(frozen=True, slots=True)
class Guests:
    """What was learned. ``kernels`` are by machine, as they will be; ``size`` is bytes to be written."""

    appliance: Appliance
    kernels: Mapping[str, tuple[Loaded, ...]] = field(default_factory=dict)
    adaptation: Adaptation | None = None
    findings: tuple[Finding, ...] = ()
    size: int = 0


def look_at_guests(
    package: Package,
    before: Appliance,
    source: str,
    platform: Platform,
    wanted: Wanted,
    *,
    cheaply: bool,
    renewed: bool,
    macs: Macs,
    keys: Sequence[Key] = (),
) -> Guests:
    """Look into the guests of an appliance, and plan their adaptation if one is wanted.

    ``cheaply`` leaves out nothing but what would have to come over a network or changes meanwhile;
    an adaptation that is wanted is planned, or blocks the plan (KF-922). ``keys`` open volumes of
    LUKS. UsageError when it
    cannot be of such a source or for such a target.
    """
    if wanted.platforms:
        _demand_adaptable(package, platform, source)
    elif not cheaply or not _is_cheap(package, source) or not _starts_machines(platform):
        return Guests(before)
    with ExitStack() as stack:
        try:
            machines = tuple(guests_of(package, before.machines, stack))
        except NoSpaceError:
            raise
        except KenshoError:  # whoever looks at the images says why
            return Guests(before)
        kernels = look(machines, keys)
        appliance, findings = with_guests(before, kernels)
        if not wanted.platforms:
            return Guests(appliance, kernels, findings=findings)
        aims = replace(wanted.aims(identity=renewed), keys=tuple(keys))
        return _planned(machines, appliance, kernels, findings, aims, macs)


def _planned(
    machines: tuple[GuestDisks, ...],
    appliance: Appliance,
    kernels: Mapping[str, tuple[Loaded, ...]],
    findings: tuple[Finding, ...],
    aims: Aims,
    macs: Macs,
) -> Guests:
    try:
        planned, more = plan_guests(machines, aims, macs)
    except NoSpaceError:
        raise
    except KenshoError as error:
        refused = Finding(
            "KF-922",
            Severity.BLOCKED,
            f"the guest cannot be adapted: {error}",
            appliance.name,
            error.hint or "convert without --adapt",
        )
        return Guests(appliance, kernels, findings=(*findings, refused))
    adaptation = described(planned, aims, macs)
    plans = {guest.disks.id: guest.plan for guest in planned}
    return Guests(
        appliance,
        after_adapting(kernels, plans),
        adaptation,
        (*findings, *more),
        sum(step.size for step in adaptation.steps),
    )


def _is_cheap(package: Package, source: str) -> bool:
    return package.arrival is None and not package.changing and scheme_of(source) is None


def _demand_adaptable(package: Package, platform: Platform, source: str) -> None:
    if package.arrival is not None or package.changing:
        raise UsageError(
            "a guest is adapted on disks that can be read again and stay as they are",
            path=source,
            hint="save it to files first; or convert without --adapt, then: kensho adapt RESULT",
        )
    if not _starts_machines(platform):
        raise UsageError(f"{platform.name} starts no machine", hint="leave --adapt out")


def _starts_machines(platform: Platform) -> bool:
    # By name: in a version or a form of its own it is another one.
    return platform.name in {known.name for known in PLATFORMS}


class Fitter:
    """Chooses the devices of machines; ``findings`` are what there was to say."""

    def __init__(
        self,
        platform: Platform,
        form: Form,
        devices: Devices,
        kernels: Mapping[str, tuple[Loaded, ...]],
        *,
        adapted: bool,
    ) -> None:
        self._platform = platform
        self._form = form
        self._devices = devices
        self._kernels = kernels
        self._adapted = adapted
        self.findings: list[Finding] = []

    def look(self, machine: Machine, after: Machine) -> None:
        """Say it when a guest does not start on the devices that it had once and gets again."""
        kernels = self._kernels.get(machine.id, ())
        self.findings.extend(
            unfit(machine, after, kernels, self._platform.name, adapted=self._adapted)
        )

    def policy(self, machine: Machine) -> DevicePolicy:
        """Return the policy for a machine: the table's, or one with devices its guest drives."""
        policy = choose_policy(machine, self._platform, self._devices)
        kernels = self._kernels.get(machine.id, ())
        free = self._devices is Devices.AUTO
        try:
            fitted = fit(
                machine,
                self._platform,
                self._form,
                policy,
                kernels,
                free=free,
                adapted=self._adapted,
            )
        except UnsupportedError:  # it does not fit at all, which whoever maps it says
            return policy
        self.findings.extend(fitted.findings)
        return fitted.policy
