"""KVM under libvirt, Proxmox VE, OpenStack and KubeVirt: QEMU's own devices, on either board.

On q35 virtio's devices are 1.0 alone, as libvirt's PCI Express ports make them; on i440FX both (transitional).
Sources: libvirt's docs/pci-addresses.rst; Proxmox' qm.conf(5); Nova's ``hw_machine_type``, ``hw_disk_bus``
and ``hw_vif_model``, by default i440FX and virtio on x86; KubeVirt's docs, q35 always. OpenStack's and
KubeVirt's names in SMBIOS are left out: cloud-init would wait for their metadata service.
"""

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
        name="proxmox-scsi-uefi", platform="proxmox", title="Proxmox VE: virtio-scsi, virtio-net, q35, UEFI",
        controller=C.VIRTIO_SCSI, adapter=N.VIRTIO, firmware=Firmware.UEFI, board="q35",
    ),
    Profile(
        name="proxmox-lsi", platform="proxmox", title="Proxmox VE: LSI 53C895A, E1000, BIOS",
        controller=C.LSI53C895A, adapter=N.E1000,
    ),
    Profile(
        name="proxmox-megasas", platform="proxmox", title="Proxmox VE: MegaRAID SAS, E1000, BIOS",
        controller=C.MEGASAS, adapter=N.E1000,
    ),
    Profile(
        name="openstack-virtio", platform="openstack", title="OpenStack: virtio-blk, virtio-net, BIOS",
        controller=C.VIRTIO_BLK, adapter=N.VIRTIO,
        same_as="kvm-virtio",
    ),
    Profile(
        name="openstack-scsi-uefi", platform="openstack", title="OpenStack: virtio-scsi, virtio-net, q35, UEFI",
        controller=C.VIRTIO_SCSI, adapter=N.VIRTIO, firmware=Firmware.UEFI, board="q35",
        same_as="proxmox-scsi-uefi",
    ),
    Profile(
        name="kubevirt-virtio", platform="kubevirt", title="KubeVirt: virtio-blk, virtio-net, q35, BIOS",
        controller=C.VIRTIO_BLK, adapter=N.VIRTIO, board="q35",
    ),
    Profile(
        name="kubevirt-virtio-uefi", platform="kubevirt", title="KubeVirt: virtio-blk, virtio-net, q35, UEFI",
        controller=C.VIRTIO_BLK, adapter=N.VIRTIO, firmware=Firmware.UEFI, board="q35",
        same_as="kvm-virtio-uefi",
    ),
)  # fmt: skip
