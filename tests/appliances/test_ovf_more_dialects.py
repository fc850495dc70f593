"""Dialects of which few packages are left, each in a small descriptor made after its writer."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from tests.appliances.ovf_samples import (
    CIM,
    CPU,
    DISKS,
    MEMORY,
    NIC,
    codes,
    envelope,
    hardware,
    item,
    package_folder,
    read,
    system,
)

from kensho.appliances import open_package
from kensho.convert.source import opened_image
from kensho.model.errors import UnsupportedError
from kensho.model.machine import ControllerModel, SerialKind
from kensho.model.units import GIB, MIB


def test_xenclient() -> None:
    """StorageItem and EthernetPortItem in version 1's namespace, and its own section."""
    text = f"""<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="{CIM}CIM_ResourceAllocationSettingData"
 xmlns:vssd="{CIM}CIM_VirtualSystemSettingData"
 xmlns:sasd="{CIM}CIM_StorageAllocationSettingData"
 xmlns:epasd="{CIM}CIM_EthernetPortAllocationSettingData"
 xmlns:xci="http://www.citrix.com/xenclient/ovf/1">
<ovf:References><ovf:File ovf:id="f" ovf:href="a.vhd"/></ovf:References>
<ovf:DiskSection><ovf:Info/><ovf:Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="4"
 ovf:capacityAllocationUnits="byte * 2^30"/></ovf:DiskSection>
<ovf:NetworkSection><ovf:Info/><ovf:Network ovf:name="bridged"/></ovf:NetworkSection>
<xci:ApplianceSection ovf:required="false" xci:applianceId="app" xci:version="2"><ovf:Info/>
<xci:Disk xci:ovfId="d" xci:filesystem="ext4"/>
<xci:VirtualMachine xci:ovfId="vm" xci:templateId="new-vm"/></xci:ApplianceSection>
<ovf:VirtualSystem ovf:id="vm"><ovf:Info/><ovf:Name>Desk</ovf:Name>
<ovf:VirtualHardwareSection><ovf:Info/><ovf:System><vssd:ElementName>x</vssd:ElementName>
<vssd:InstanceID>0</vssd:InstanceID><vssd:VirtualSystemType>xen-3.0</vssd:VirtualSystemType>
</ovf:System>
<ovf:Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
<rasd:VirtualQuantity>2</rasd:VirtualQuantity></ovf:Item>
<ovf:Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:InstanceID>2</rasd:InstanceID>
<rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>512</rasd:VirtualQuantity></ovf:Item>
<ovf:StorageItem><sasd:HostResource>ovf:/disk/d</sasd:HostResource>
<sasd:InstanceID>3</sasd:InstanceID><sasd:ResourceType>31</sasd:ResourceType></ovf:StorageItem>
<ovf:EthernetPortItem><epasd:Connection>bridged</epasd:Connection>
<epasd:InstanceID>4</epasd:InstanceID><epasd:ResourceType>10</epasd:ResourceType>
</ovf:EthernetPortItem></ovf:VirtualHardwareSection></ovf:VirtualSystem></ovf:Envelope>"""
    appliance, findings = read(text)
    (machine,) = appliance.machines
    assert (machine.name, machine.memory.size) == ("Desk", 512 * MIB)
    assert [(d.image, d.controller) for d in machine.disks] == [("d", "xen")]
    assert machine.controllers[0].model is ControllerModel.XEN_VBD
    assert machine.nics[0].network == "bridged"
    (extra,) = [e for e in appliance.extras if e.dialect == "xenclient"]
    assert 'xci:applianceId="app"' in extra.text
    assert codes(findings) == {"KF-125"}


def test_scvmm_disks_of_an_early_cim() -> None:
    disk = item(4, 21, Parent=3, AddressOnParent=0, HostResource="ovf:/disk/vmdisk1")
    serial = item(7, 21, HostResource="\\\\.\\pipe\\com1", ResourceSubType="pipe")
    ide = item(3, 5, Address=0)
    text = envelope(system(hardware(CPU + MEMORY + ide + disk + serial + NIC, system="301")))
    appliance, findings = read(text)
    (machine,) = appliance.machines
    assert [(d.id, d.image, d.controller, d.unit) for d in machine.disks] == [
        ("4", "vmdisk1", "3", 0)
    ]
    assert [(s.id, s.kind) for s in machine.serial_ports] == [("7", SerialKind.PIPE)]
    assert codes(findings) == {"KF-138"}


def test_vcloud_sections_are_kept() -> None:
    vcloud = 'xmlns:vcloud="http://www.vmware.com/vcloud/v1.5"'
    network = (
        "<vcloud:NetworkConfigSection ovf:required='false'><Info/>"
        '<vcloud:NetworkConfig networkName="lan"/></vcloud:NetworkConfigSection>'
    )
    guest = (
        "<vcloud:GuestCustomizationSection ovf:required='false'><Info/>"
        "<vcloud:ComputerName>web</vcloud:ComputerName></vcloud:GuestCustomizationSection>"
    )
    lease = (
        "<vcloud:LeaseSettingsSection ovf:required='false'><Info/></vcloud:LeaseSettingsSection>"
    )
    inner = f'<VirtualSystemCollection ovf:id="vapp"><Info/>{network}{lease}'
    text = envelope(f"{inner}{system(guest + hardware())}</VirtualSystemCollection>", more=vcloud)
    appliance, findings = read(text)
    assert (appliance.name, appliance.machines[0].id) == ("vapp", "web01")
    assert [e.dialect for e in appliance.extras] == ["vcloud", "vcloud"]
    assert [e.dialect for e in appliance.machines[0].extras] == ["vcloud"]
    assert {f.severity for f in findings} == {"note"}


def test_ganeti(tmp_path: Path) -> None:
    """Disks without an address, gzip, and a section of its own at the end."""
    scsi = item(3, 6, Address=0, ResourceSubType="lsilogic", ElementName="scsi_controller0")
    disks = item(4, 17, Parent=3, HostResource="ovf:/disk/disk0", ElementName="disk0") + item(
        5, 17, Parent=3, HostResource="ovf:/disk/disk1", ElementName="disk1"
    )
    nic = item(6, 10, Address="aa:00:00:d8:2c:1e", Connection="routed0")
    own = (
        "<gnt:GanetiSection><gnt:Version>0</gnt:Version><gnt:Hypervisor><gnt:Name>kvm</gnt:Name>"
        "<gnt:Parameters/></gnt:Hypervisor></gnt:GanetiSection>"
    )
    content = b"KDMV" + bytes(5000)
    text = envelope(
        system(hardware(CPU + MEMORY + scsi + disks + nic, system="ganeti-ovf")),
        references='<References><File ovf:compression="gzip" ovf:href="d.cow.gz" ovf:id="file0"/>'
        '<File ovf:href="e.cow" ovf:id="file1"/></References>',
        sections='<DiskSection><Info/><Disk ovf:capacity="90000" ovf:diskId="disk0" '
        'ovf:fileRef="file0"/><Disk ovf:capacity="15" ovf:diskId="disk1" ovf:fileRef="file1"/>'
        '</DiskSection><NetworkSection><Info/><Network ovf:name="routed0"/></NetworkSection>',
        after=own,
        more='xmlns:gnt="http://ganeti"',
    )
    files = {"d.cow.gz": gzip.compress(content), "e.cow": b"x"}
    package = open_package(package_folder(tmp_path, text, files))
    (machine,) = package.appliance.machines
    assert [(d.id, d.unit) for d in machine.disks] == [("4", 0), ("5", 1)]
    assert machine.nics[0].mac == "aa:00:00:d8:2c:1e"
    assert package.open_file("file0").read_at(0, 5004) == content
    assert [e.dialect for e in package.appliance.extras] == ["gnt"]
    assert codes(package.findings) == {"KF-115", "KF-125"}
    package.close()


@pytest.mark.parametrize("order", ["little", "big"])
def test_solaris_unified_archive(tmp_path: Path, order: str) -> None:
    """The machine is readable; its ZFS stream, in chunks, is not taken for a raw disk."""
    stream = bytes(8) + (0x2F5BACBAC).to_bytes(8, order) + bytes(5000)  # type: ignore[arg-type]
    text = envelope(
        system(
            "<ua:ArchiveSection><Info/><ua:Zone>global</ua:Zone></ua:ArchiveSection>" + hardware()
        ),
        references='<References><File ovf:id="file1" ovf:href="s.zfs" ovf:chunkSize="1000" '
        f'ovf:size="{len(stream)}"/></References>',
        sections=DISKS.replace("http://www.vmware.com/interfaces/specifications/vmdk.html", "zfs"),
        more='xmlns:ua="http://www.oracle.com/solaris/unified-archive"',
    )
    files = {
        f"s.zfs.{n:09d}": stream[at : at + 1000] for n, at in enumerate(range(0, len(stream), 1000))
    }
    package = open_package(package_folder(tmp_path, text, files))
    assert package.appliance.images[0].capacity == 8 * GIB
    assert {e.dialect for e in package.appliance.machines[0].extras} == {"ua"}
    assert codes(package.findings) == {"KF-125", "KF-117"}
    with pytest.raises(UnsupportedError, match="ZFS"), opened_image(package, "vmdisk1"):
        pass
    package.close()
