"""KVM under libvirt, Proxmox VE, OpenStack and KubeVirt: virtio on either board."""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware
from kensho.model.machine import NicModel as N
from kensho.proof.profiles.base import Profile

PROFILES = (
    Profile(
        name="kvm-virtio", platform="kvm", title="KVM: virtio-blk, virtio-net, BIOS",
        controller=C.VIRTIO_BLK, adapter=N.VIRTIO,
    ),
    Profile(
        name="kvm-virtio-uefi", platform="kvm", title="KVM: virtio-blk, virtio-net, q35, UEFI",
        controller=C.VIRTIO_BLK, adapter=N.VIRTIO, firmware=Firmware.UEFI, board="q35",
    ),
    Profile(
        name="proxmox-scsi", platform="proxmox", title="Proxmox VE: virtio-scsi, virtio-net, BIOS",
        controller=C.VIRTIO_SCSI, adapter=N.VIRTIO,
    ),
    Profile(
        name="proxmox-lsi", platform="proxmox", title="Proxmox VE: LSI 53C895A, E1000, BIOS",
        controller=C.LSI53C895A, adapter=N.E1000,
    ),
    Profile(
        name="proxmox-megasas", platform="proxmox", title="Proxmox VE: MegaRAID SAS, E1000, BIOS",
        controller=C.MEGASAS, adapter=N.E1000,
    ),
)  # fmt: skip
