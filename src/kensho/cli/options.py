"""Options that several verbs share, with their help."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kensho.cli.flags import Flag, Json
from kensho.cli.targets import chosen_platforms
from kensho.convert.adaptation import Wanted
from kensho.convert.deployment.networks import read_network
from kensho.convert.deployment.settings import Setting, read_all_settings
from kensho.convert.deployment.settle import Deployment
from kensho.convert.mapping import Devices
from kensho.convert.plan import Request
from kensho.convert.renewing import IdentityPolicy
from kensho.model.errors import NotFoundError, UsageError
from kensho.model.machine import Firmware
from kensho.model.selection import Selection
from kensho.platforms import PLATFORMS, Platform, find_platform

__all__ = ["Flag", "GuestWishes", "Json", "Wishes"]


@Parameter(name="*")
@dataclass(frozen=True)
class GuestWishes:
    """How guests are to be changed, for every verb that changes them.

    Parameters
    ----------
    identity
        keep: a move; new: a copy with its own UUID, MAC addresses and serial numbers, and in a guest
        that is adapted its own machine-id and host keys. The name stays.
    agents
        Have the guest install the platform's agent at its first start: Linux over the network, Windows
        from virtio-win.iso (--drivers).
    seed
        Give cloud-init that waits for another cloud data that need none.
    drivers
        Drivers for a Windows: virtio-win.iso, a folder, .zip, .msi or .cab. Repeatable.
    allow_unsigned_drivers
        Take drivers that nobody signed, or that were changed since.
    remove_tools
        Have Windows uninstall the tools of platforms it leaves, at its first start elsewhere.
    """

    identity: IdentityPolicy = IdentityPolicy.KEEP
    agents: Annotated[bool, Flag] = False
    seed: Annotated[bool, Flag] = False
    drivers: Annotated[tuple[Path, ...], Flag] = ()
    allow_unsigned_drivers: Annotated[bool, Flag] = False
    remove_tools: Annotated[bool, Flag] = False

    @property
    def renews(self) -> bool:
        """Tell whether a copy is wanted."""
        return self.identity is IdentityPolicy.NEW

    def wanted(self, platforms: Iterable[Platform]) -> Wanted:
        """Return what is wanted for these targets, as a plan has it; NotFoundError for drivers."""
        for path in self.drivers:
            if not path.exists():
                raise NotFoundError("nothing is there", path=path, hint="--drivers takes a path")
        return Wanted(
            platforms=tuple(dict.fromkeys(platform.name for platform in platforms)),
            agents=self.agents,
            seed=self.seed,
            drivers=tuple(str(path.absolute()) for path in self.drivers),
            unsigned_drivers=self.allow_unsigned_drivers,
            remove_tools=self.remove_tools,
        )


@Parameter(name="*")
@dataclass(frozen=True)
class Wishes:
    """How a conversion is wanted, beside source and target.

    Parameters
    ----------
    form
        Form of the result, where a platform has several.
    name
        Name of the result; the source's by default.
    machine
        One machine of an appliance with several.
    firmware
        Firmware, when the source does not say or says it wrong.
    guest
        Guest OS, when the source does not say or says it wrong, e.g. debian12 or win2k22.
    devices
        native: best performance; compatible: fewest drivers; fallback: what any guest boots from;
        auto: by guest.
    to_version
        Version of the target, such as vmx-13; `kensho platforms NAME` lists them.
    configuration
        Deployment option, where a package has several; a snapshot of a VirtualBox, VMware or XenServer machine.
    hardware
        Hardware section by id or type, such as vmx-10, where a machine has several.
    locale
        Language of the package's texts, such as de-DE.
    fetch
        Read files from web addresses that a package names outside its own place.
    property
        KEY=VALUE, KEY=@env:NAME or KEY=@file:PATH; KEY also as class.key.instance. Repeatable.
    properties
        File of properties: lines of KEY=VALUE, or YAML or JSON by its suffix.
    network
        NAME=TARGET: the target's network for one of the package's; *=TARGET is for all.
    accept_eula
        Accept the package's licence agreements on the record; `kensho eula` shows them.
    origin
        Write the note that brings the machine back as it was, and use one that is there.
    adapt
        Change the guests so that they start at the target: drivers, names, boot loaders.
    adapt_for
        The same for more targets, with commas, or all.
    look
        Look into the guests for devices that they have drivers for.
    """

    form: str | None = None
    name: str | None = None
    machine: str | None = None
    firmware: Firmware | None = None
    guest: str | None = None
    devices: Devices = Devices.AUTO
    to_version: str | None = None
    configuration: str | None = None
    hardware: str | None = None
    locale: str | None = None
    fetch: Annotated[bool, Flag] = False
    property: Annotated[tuple[str, ...], Flag] = ()
    properties: Path | None = None
    network: Annotated[tuple[str, ...], Flag] = ()
    accept_eula: Annotated[bool, Flag] = False
    origin: bool = True
    adapt: Annotated[bool, Flag] = False
    adapt_for: str | None = None
    look: bool = True
    guests: GuestWishes = GuestWishes()

    def settings(self) -> tuple[Setting, ...]:
        """Return the properties as given; those of the command line beat those of the file."""
        return read_all_settings(self.property, self.properties)

    def fit_a_plan(self) -> bool:
        """Tell whether there is nothing but what a plan leaves open: passwords, acceptance."""
        rest = replace(self, property=(), properties=None, accept_eula=False)
        return rest == Wishes()

    def request(self, source: str, target: str) -> Request:
        """Return the request to plan."""
        return Request(
            source=source,
            target=target,
            form=self.form,
            name=self.name,
            machine=self.machine,
            firmware=self.firmware,
            guest=self.guest,
            devices=self.devices,
            version=self.to_version,
            selection=Selection(
                configuration=self.configuration,
                hardware=self.hardware,
                locale=self.locale,
                fetch=self.fetch,
            ),
            deployment=Deployment(
                settings=self.settings(),
                networks=tuple(map(read_network, self.network)),
                accept_eulas=self.accept_eula,
            ),
            origin=self.origin,
            machine_identity=self.guests.identity,
            adapt=self._adapt(target),
            look=self.look,
        )

    def _adapt(self, target: str) -> Wanted:
        """Return what is wanted of the guests: for the target itself in any case."""
        if not self.adapt and self.adapt_for is None:
            if replace(self.guests, identity=IdentityPolicy.KEEP) != GuestWishes():
                raise UsageError(
                    "these options are about the guest, which is left as it is", hint="add --adapt"
                )
            return Wanted()
        more = chosen_platforms(self.adapt_for or target, PLATFORMS)
        return self.guests.wanted((find_platform(target), *more))
