"""Public clouds, by the hardware their documents name. Azure is Hyper-V: `hyperv.py`.

Sources: AWS' "Instances built on the Nitro System" (ENA 1d0f:ec20, NVMe 1d0f:8061) and "Boot modes"; Google's
"Images: guest OS features" and what its machines show on PCI: an i440FX, virtio with both interfaces.
Their names in SMBIOS are left out: cloud-init would wait for a metadata service.
"""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware
from kensho.model.machine import NicModel as N
from kensho.proof.profiles.base import Profile

PROFILES = (
    Profile(
        name="aws-nitro-disk", platform="aws", title="AWS Nitro: NVMe, UEFI, without its adapter",
        controller=C.NVME, adapter=N.E1000E, firmware=Firmware.UEFI, board="q35",
        nearest="an E1000E, which AWS does not have, for ENA: aws-nitro tells of that; q35, and QEMU's NVMe "
        "controller for Amazon's",
        same_as="hyperv-gen2-firmware",
    ),
    Profile(
        name="aws-nitro", platform="aws", title="AWS Nitro: NVMe, ENA",
        controller=C.NVME, adapter=N.ENA, static="QEMU has no ENA adapter",
    ),
    Profile(
        name="aws-nitro-uefi", platform="aws", title="AWS Nitro: NVMe, ENA, UEFI",
        controller=C.NVME, adapter=N.ENA, firmware=Firmware.UEFI, static="QEMU has no ENA adapter",
    ),
    Profile(
        name="gcp-scsi", platform="gcp", title="Google Compute Engine: virtio-scsi, virtio-net, UEFI",
        controller=C.VIRTIO_SCSI, adapter=N.VIRTIO, firmware=Firmware.UEFI,
        nearest="not the newer series, which have gVNIC and NVMe: QEMU has no gVNIC",
    ),
    Profile(
        name="gcp-scsi-bios", platform="gcp", title="Google Compute Engine: virtio-scsi, virtio-net, BIOS",
        controller=C.VIRTIO_SCSI, adapter=N.VIRTIO,
        nearest="not the newer series, which have gVNIC and NVMe: QEMU has no gVNIC",
        same_as="proxmox-scsi",
    ),
)  # fmt: skip
