"""What a guest that came up says it runs on, judged: by the names that sysfs has, and where it says nothing."""

from __future__ import annotations

import pytest

from kensho.proof.causes.hardware import hardware_fault
from kensho.proof.inside.read import Inside, NicSeen
from kensho.proof.profiles import profile
from kensho.proof.watch.capture import Heard
from kensho.proof.watch.result import BootResult, Verdict

MAC = "52:54:00:12:34:56"


def code(
    name: str,
    inside: Inside | None,
    milestones: tuple[str, ...] = (),
    heard: tuple[Heard, ...] = (),
) -> str:
    result = BootResult(
        verdict=Verdict.TIMEOUT, reason="", seconds=9, log="", heard=heard,
        milestones=dict.fromkeys(milestones, 1.0),
    )  # fmt: skip
    fault = hardware_fault(profile(name), result, inside, [MAC])
    return fault.code if fault is not None else ""


def inside(root: str, *nics: str) -> Inside:
    """Return a report: drivers with commas, as the script says them."""
    seen = tuple(NicSeen(f"eth{n}", tuple(nic.split(",")), MAC, "up") for n, nic in enumerate(nics))
    return Inside("6.1", "bios", "/dev/sda1", tuple(filter(None, root.split(","))), seen)


@pytest.mark.parametrize(
    ("name", "root", "nic", "found"),
    [
        ("vmware-pvscsi", "sd,vmw_pvscsi", "vmxnet3", ""),
        ("vmware-sata", "sd,ahci", "e1000e", ""),
        ("kvm-virtio", "virtio_blk,virtio-pci", "virtio_net,virtio-pci", ""),
        ("proxmox-scsi", "sd,virtio_scsi,virtio-pci", "virtio_net,virtio-pci", ""),
        # a root on virtio-blk is on PCI's virtio, too, and on another controller
        ("proxmox-scsi", "virtio_blk,virtio-pci", "virtio_net,virtio-pci", "KF-972"),
        ("virtualbox-sata", "sd,ata_piix", "e1000", "KF-972"),
        ("virtualbox-sata", "sd,ahci", "vmxnet3", "KF-972"),
        # Linux 2.6's drivers/ide, de4x5 of before 5.19, Xen's front ends as its bus calls them
        ("virtualbox-ide", "ide-disk,PIIX_IDE", "pcnet32", ""),
        ("hyperv-gen1", "sd,ata_generic", "de4x5", ""),
        ("xen-pvhvm", "vbd", "vif", ""),
        ("xen-pvhvm", "sd,ata_piix", "vif", "KF-972"),
        ("vmware-ide", "sd,ata_piix", "", "KF-973"),
        ("vmware-ide", "", "e1000", "KF-978"),
    ],
)
def test_drivers_by_the_names_of_sysfs(name: str, root: str, nic: str, found: str) -> None:
    assert code(name, inside(root, *filter(None, [nic]))) == found


def test_without_a_report_probes_and_the_adapter_have_to_tell() -> None:
    own, other = (Heard(mac, 9, True, "10.0.2.15", ()) for mac in (MAC, "52:54:00:00:00:01"))
    assert code("vmware-ide", None, ("login",), (own,)) == "KF-978"
    assert code("vmware-ide", None, ("login", "service")) == "KF-978"  # an agent's, say
    assert code("vmware-ide", None, ("login", "service"), (other,)) == "KF-978"
    assert code("vmware-ide", None, ("login", "service"), (own,)) == ""
    assert code("vmware-ide", inside(""), ("login", "service"), (own,)) == ""
    assert code("vmware-ide", inside("sd,ata_piix"), ("login", "service"), (own,)) == "KF-973"
