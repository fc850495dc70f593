"""Public clouds, by the hardware their documents name. Azure is Hyper-V: `hyperv.py`."""

from __future__ import annotations

from kensho.model.machine import ControllerModel as C
from kensho.model.machine import Firmware
from kensho.model.machine import NicModel as N
from kensho.proof.profiles.base import Profile

PROFILES = (
    Profile(
        name="aws-nitro-disk", platform="aws", title="AWS Nitro: NVMe, UEFI, without its adapter",
        controller=C.NVME, adapter=N.E1000E, firmware=Firmware.UEFI, board="q35",
        nearest="QEMU has no ENA adapter: aws-nitro tells of it",
    ),
    Profile(
        name="aws-nitro", platform="aws", title="AWS Nitro: NVMe, ENA",
        controller=C.NVME, adapter=N.ENA, static="QEMU has no ENA adapter",
    ),
    Profile(
        name="gcp-scsi", platform="gcp", title="Google Compute Engine: virtio-scsi, virtio-net, UEFI",
        controller=C.VIRTIO_SCSI, adapter=N.VIRTIO, firmware=Firmware.UEFI, board="q35",
    ),
)  # fmt: skip
