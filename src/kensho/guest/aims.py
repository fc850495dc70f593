"""What a guest is adapted for: the targets, and what is known of the machine it runs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kensho.guest.devices import CONTROLLERS, NICS
from kensho.guest.volumes.luks.device import Key
from kensho.model.machine import ControllerModel, Machine, NicModel
from kensho.platforms.base import Platform


@dataclass(frozen=True, slots=True)
class Aims:
    """What is wanted. ``machine`` is the one the disks come from, where that is known.

    ``identity`` asks for a copy that is told apart from the machine it was made of: its machine-id
    and host keys are made anew at its first start. ``macs`` maps addresses of adapters (as
    ``aa:bb:cc:dd:ee:ff``) that will not stay to the new ones, or to nothing where the target draws
    them. ``agents`` has the platform's agent installed at the first start, ``seed`` gives cloud-init
    a data source that needs no cloud. ``drivers`` are media with drivers for Windows (CD-ROM images,
    folders, .zip, .msi, .cab), ``unsigned_drivers`` takes unsigned ones, too; ``remove_tools`` has the
    tools of platforms that a Windows leaves uninstalled at its first start. ``keys`` open volumes of LUKS.
    """

    platforms: tuple[Platform, ...]
    machine: Machine | None = None
    identity: bool = False
    macs: Mapping[str, str] = field(default_factory=dict)
    agents: bool = False
    seed: bool = False
    drivers: tuple[Path, ...] = ()
    unsigned_drivers: bool = False
    remove_tools: bool = False
    keys: tuple[Key, ...] = ()

    @property
    def controllers(self) -> tuple[ControllerModel, ...]:
        """The controllers that the targets have, each once."""
        models = dict.fromkeys(c.model for platform in self.platforms for c in platform.controllers)
        return tuple(model for model in models if model in CONTROLLERS)

    @property
    def chosen_controllers(self) -> tuple[ControllerModel, ...]:
        """Of the controllers, those that a conversion gives the disks that machines start from."""
        chosen: set[ControllerModel | None] = set()
        for platform in self.platforms:
            for policy in (platform.native, platform.compatible, *platform.guests.values()):
                for drives in policy.drives.values():
                    chosen |= {drives.disk, drives.boot_disk}
        return tuple(model for model in self.controllers if model in chosen)

    @property
    def adapters(self) -> tuple[NicModel, ...]:
        """The network adapters that the targets have, each once."""
        models: dict[NicModel, None] = {}
        for platform in self.platforms:
            for policy in (platform.native, platform.compatible, *platform.guests.values()):
                models |= dict.fromkeys((policy.nic, *sorted(policy.keep_nics)))
        return tuple(model for model in models if model in NICS)
