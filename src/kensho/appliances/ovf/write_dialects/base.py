"""What differs between the OVF descriptors that importers accept, as data.

The CIM numbers are ResourceType of CIM_ResourceAllocationSettingData (DSP1041); the
subtypes are each vendor's own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from kensho.model.machine import BUS_OF, Bus, ControllerModel, Machine, NicModel
from kensho.platforms.versions import Version
from kensho.platforms.words import Vocabulary, controller_word, word_for


class Device(msgspec.Struct, frozen=True):
    """How a device is written: CIM's ResourceType and the vendor's ResourceSubType."""

    type: int
    subtype: str = ""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One way of writing OVF 1.x.

    The first usual one of ``hardware`` that holds the machine is written, unless one was chosen. What has no entry in
    ``controllers`` or ``nics`` is refused; what has none in the other tables is left out.
    ``guest`` lists whose words for the operating system are added, ``config`` the keys of
    ``vmw:Config`` that are written. Memory is rounded down to ``memory_step`` bytes.
    ``network`` is the name for adapters whose network has none; ``says_disconnected`` tells
    whether an adapter that is not allocated automatically is merely unplugged.
    """

    name: str
    hardware: tuple[Version, ...]
    controllers: Mapping[ControllerModel, Device]
    nics: Mapping[NicModel, Device]
    cdrom: Device
    floppy: Device | None = None
    serial: Device | None = None
    video: Device | None = None
    usb: Mapping[str, Device] = {}
    sound: Mapping[str, Device] = {}
    guest: tuple[Literal["vmw", "vbox"], ...] = ()
    config: frozenset[str] = frozenset()
    memory_step: int
    network: str
    says_disconnected: bool = False
    several_machines: bool


#: CIM's ResourceType of a controller, by its bus; of an Ethernet adapter.
_CONTROLLER_TYPES = {Bus.IDE: 5, Bus.SCSI: 6, Bus.SATA: 20, Bus.NVME: 20}
_ETHERNET = 10


def controllers_of(words: Vocabulary) -> dict[ControllerModel, Device]:
    """Return the controllers a platform's OVF has words for."""
    found = ((model, controller_word(words.controllers, model)) for model in ControllerModel)
    return {m: Device(_CONTROLLER_TYPES[BUS_OF[m]], w) for m, w in found if w is not None}


def nics_of(words: Vocabulary) -> dict[NicModel, Device]:
    """Return the adapters a platform's OVF has words for."""
    found = ((model, word_for(words.nics, model)) for model in NicModel)
    return {model: Device(_ETHERNET, word) for model, word in found if word is not None}


def memory_size(machine: Machine, step: int) -> int:
    """Return the memory in bytes as a whole number of ``step``, rounded down, at least one."""
    return max(1, machine.memory.size // step) * step
