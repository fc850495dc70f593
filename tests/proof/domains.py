"""Domain XML for the tests of this folder."""

from __future__ import annotations

DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
    "<source file='disk.img'/><target dev='{dev}' bus='{bus}'/></disk>"
)


def domain(devices: str = "", *, machine: str = "pc", os: str = "<os>", extra: str = "") -> str:
    return (
        "<domain type='kvm'><name>guest</name><memory unit='MiB'>64</memory>"
        f"<vcpu>1</vcpu>{os}<type arch='x86_64' machine='{machine}'>hvm</type>{extra}</os>"
        f"<devices>{devices}</devices></domain>"
    )


def disk(dev: str = "vda", bus: str = "virtio") -> str:
    return DISK.format(dev=dev, bus=bus)
