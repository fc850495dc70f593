"""What a machine has of its host, or of its past: facts that a conversion leaves behind.

They are kept so that the planner can say what changes. `kensho.model.machine.Machine` holds them.
"""

from __future__ import annotations

import enum

import msgspec


class Clock(enum.StrEnum):
    """What the hardware clock shows the guest when it starts."""

    UTC = "utc"
    LOCAL = "local"  #: local time, as Windows wants it


class HostDeviceKind(enum.StrEnum):
    """What of the host's own a guest was given."""

    PCI = "pci"
    GPU = "gpu"  #: a PCI device that shows pictures, or a part of one (vGPU)
    SRIOV = "sr-iov"  #: a virtual function of an adapter
    USB = "usb"
    USB_REDIRECTION = "usb-redirection"  #: a place for devices of whoever looks at the screen
    SCSI = "scsi"
    TPM = "tpm"
    OTHER = "other"


class HostDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device of the host; ``name`` is the source's own text for it, such as its address."""

    id: str
    kind: HostDeviceKind
    name: str = ""


class SharedFolder(msgspec.Struct, frozen=True, omit_defaults=True):
    """A folder of the host that the guest sees as ``name``."""

    name: str
    path: str = ""


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """A state the machine can be put back into where it comes from."""

    name: str
    id: str = ""
