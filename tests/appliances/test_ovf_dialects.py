"""What the dialects make of OVF, one small descriptor each."""

from __future__ import annotations

import pytest
from tests.appliances.ovf_samples import (
    BASE,
    CIM,
    CPU,
    DISK,
    DISKS,
    MEMORY,
    NETWORKS,
    SCSI,
    codes,
    envelope,
    hardware,
    item,
    read,
    system,
    well_formed,
)

from kensho.model.machine import Bus, Cdrom, ControllerModel, Firmware, NicModel
from kensho.model.units import GIB, MIB

# --- VMware ---------------------------------------------------------------------------------


def config(**values: object) -> str:
    return "".join(
        f'<vmw:Config ovf:required="false" vmw:key="{key.replace("__", ".")}" vmw:value="{value}"/>'
        for key, value in values.items()
    )


def test_vmware_configuration() -> None:
    after = config(
        firmware="efi",
        bootOptions__efiSecureBootEnabled="true",
        nestedHVEnabled="true",
        cpuHotAddEnabled="true",
        memoryHotAddEnabled="true",
        tools__syncTimeWithHost="false",
    )
    after += '<vmw:ExtraConfig vmw:key="nvram" vmw:value="ovf:/file/file1"/>'
    cpu = item(1, 3, VirtualQuantity=4, own="<vmw:CoresPerSocket>2</vmw:CoresPerSocket>")
    nic = item(5, 10, ResourceSubType="E1000e", Connection="lan",
               own=config(slotInfo__pciSlotNumber=192, wakeOnLanEnabled="true"))  # fmt: skip
    text = envelope(system(hardware(cpu + MEMORY + SCSI + DISK + nic, after=after)))
    appliance, _ = read(text)
    (machine,) = appliance.machines
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.firmware.stated
    assert machine.firmware.secure_boot
    assert machine.firmware.nvram == "file1"
    assert machine.cpu.cores_per_socket == 2
    assert machine.cpu.nested_virtualization
    assert machine.cpu.hot_add
    assert machine.memory.hot_add
    assert machine.nics[0].model is NicModel.E1000E
    assert machine.nics[0].pci_slot == 192
    kept = [e.text for e in machine.extras]
    assert len(kept) == 2
    assert "tools.syncTimeWithHost" in kept[0]
    assert "wakeOnLanEnabled" in kept[1]
    assert {e.dialect for e in machine.extras} == {"vmw"}
    assert machine.firmware.stated


def test_vmware_bios_beats_secure_boot() -> None:
    after = config(firmware="bios", bootOptions__efiSecureBootEnabled="true")
    appliance, _ = read(envelope(system(hardware(after=after))))
    assert appliance.machines[0].firmware.kind is Firmware.BIOS
    assert not appliance.machines[0].firmware.secure_boot


def test_vmware_boot_order() -> None:
    second = item(6, 17, Parent=3, AddressOnParent=1, HostResource="ovf:/disk/vmdisk1")
    order = (
        '<vmw:BootOrderSection vmw:instanceId="6" vmw:type="disk"><Info/></vmw:BootOrderSection>'
    )
    appliance, _ = read(envelope(system(hardware(BASE + second) + order)))
    boot = appliance.machines[0].boot_disk()
    assert boot is not None
    assert boot.id == "6"


def test_vmware_types_and_placeholders() -> None:
    after = config(firmware="@@FIRMWARE@@")
    appliance, findings = read(
        envelope(system(hardware(after=after, system="foobar, vmx-04 xen3")))
    )
    assert appliance.machines[0].hardware_versions == ("foobar", "vmx-04", "xen3")
    assert not appliance.machines[0].firmware.stated
    assert findings == ()


# --- VirtualBox -----------------------------------------------------------------------------

VBOX_MACHINE = """
<vbox:Machine ovf:required="false" uuid="{39A69C87-0433-4945-8E25-B89431544A28}" OSType="Debian_64">
 <ovf:Info/>
 <Hardware><Memory RAMSize="512"/>
  <Firmware type="EFI"/>
  <BIOS><SecureBoot enabled="true"/><TrustedPlatformModule type="v2_0"/></BIOS>
  <Network>
   <Adapter slot="1" enabled="true" MACAddress="080027AABBCC"/>
   <Adapter slot="0" enabled="true" MACAddress="0800272AFB4E"/>
   <Adapter slot="2" enabled="false" MACAddress="080027000000"/>
  </Network>
 </Hardware>
</vbox:Machine>
"""


def test_virtualbox() -> None:
    items = (
        item(1, 3, Caption="2 virtual CPU", VirtualQuantity=2)
        + item(2, 4, AllocationUnits="MegaBytes", VirtualQuantity=512)
        + item(3, 5, ResourceSubType="PIIX4", Address=0)
        + item(4, 5, ResourceSubType="PIIX4", Address=1)
        + item(5, 20, ResourceSubType="AHCI", Address=0)
        + item(6, 23, Caption="usb", Address=0)
        + item(7, 35, ResourceSubType="ensoniq1371", AddressOnParent=3)
        + item(8, 17, Caption="disk1", Parent=5, AddressOnParent=0, HostResource="/disk/vmdisk1")
        + item(9, 15, Caption="cdrom1", Parent=4, AddressOnParent=0, HostResource="/disk/vmdisk2")
        + item(10, 10, ResourceSubType="E1000", Connection="lan")
        + item(11, 10, ResourceSubType="PCNet32", Connection="lan")
    )
    disks = (
        '<DiskSection><Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="8589934592" '
        'vbox:uuid="ac4b44a7-3ace-401d-bc94-da1b5c3974f3"/>'
        '<Disk ovf:diskId="vmdisk2" ovf:fileRef="file2"/></DiskSection>'
    )
    references = (
        '<References><File ovf:id="file1" ovf:href="a.vmdk"/>'
        '<File ovf:id="file2" ovf:href="a.iso"/></References>'
    )
    body = hardware(items, system="virtualbox-2.2") + VBOX_MACHINE
    appliance, findings = read(
        envelope(system(body), references=references, sections=disks + NETWORKS)
    )
    (machine,) = appliance.machines
    assert machine.uuid == "39a69c87-0433-4945-8e25-b89431544a28"
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.firmware.secure_boot
    assert machine.firmware.tpm
    assert [n.mac for n in machine.nics] == ["08:00:27:2a:fb:4e", "08:00:27:aa:bb:cc"]
    assert [c.index for c in machine.controllers] == [0, 1, 0]
    assert machine.drives[0].name == "disk1"
    assert isinstance(machine.drives[1], Cdrom)
    assert machine.drives[1].file == "file2"
    assert machine.guest.vendor == ("vbox:Debian_64",)
    assert [e.where for e in machine.extras] == ["VirtualSystem[web01]/Machine"]
    well_formed(machine.extras[0].text)
    assert [e.dialect for e in appliance.extras] == ["vbox"]
    assert "KF-126" not in codes(findings)  # the ISO in the disk section is a medium


def test_virtualbox_without_firmware_means_bios() -> None:
    body = hardware() + VBOX_MACHINE.replace('<Firmware type="EFI"/>', "")
    appliance, _ = read(envelope(system(body)))
    firmware = appliance.machines[0].firmware
    assert (firmware.kind, firmware.stated, firmware.secure_boot) == (Firmware.BIOS, True, False)


# --- XenServer ------------------------------------------------------------------------------

XEN = f"""<?xml version="1.0" encoding="utf-16"?>
<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:xenovf="http://schemas.citrix.com/ovf/envelope/1"
 xmlns:rasd="{CIM}CIM_ResourceAllocationSettingData"
 xmlns:vssd="{CIM}CIM_VirtualSystemSettingData" xenovf:Name="Shop">
<ovf:References><ovf:File ovf:id="d1" ovf:href="a.vhd"/><ovf:File ovf:id="d2" ovf:href="b.vhd"/>
</ovf:References>
<ovf:DiskSection><ovf:Info/>
<ovf:Disk ovf:diskId="d1" ovf:fileRef="d1" ovf:capacity="10485760"/>
<ovf:Disk xenovf:isBootable="true" ovf:diskId="d2" ovf:fileRef="d2" ovf:capacity="10485760"/>
</ovf:DiskSection>
<ovf:VirtualSystem ovf:id="68f97bfd-1a03-422f-97d5-db5046c20b78"><ovf:Info/><ovf:Name>Web</ovf:Name>
<ovf:VirtualHardwareSection><ovf:Info/>
<ovf:System><vssd:ElementName>Web</vssd:ElementName><vssd:InstanceID>x</vssd:InstanceID>
<vssd:VirtualSystemType>hvm-3.0-unknown</vssd:VirtualSystemType></ovf:System>
<ovf:Item><rasd:AllocationUnits>Disk</rasd:AllocationUnits>
<rasd:Connection>d1,device=3</rasd:Connection>
<rasd:HostResource>ovf:/disk/d1</rasd:HostResource><rasd:InstanceID>d1</rasd:InstanceID>
<rasd:ResourceType>19</rasd:ResourceType><rasd:Weight>100</rasd:Weight></ovf:Item>
<ovf:Item><rasd:AddressOnParent>0</rasd:AddressOnParent>
<rasd:HostResource>ovf:/disk/d2</rasd:HostResource><rasd:InstanceID>d2</rasd:InstanceID>
<rasd:ResourceType>19</rasd:ResourceType></ovf:Item>
<ovf:Item><rasd:Connection>cd,device=1</rasd:Connection><rasd:InstanceID>cd</rasd:InstanceID>
<rasd:ResourceType>16</rasd:ResourceType></ovf:Item>
<ovf:Item><rasd:AllocationUnits>Processor Cores</rasd:AllocationUnits>
<rasd:InstanceID>c</rasd:InstanceID><rasd:Limit>100000</rasd:Limit>
<rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></ovf:Item>
<ovf:Item><rasd:AllocationUnits>MB</rasd:AllocationUnits><rasd:InstanceID>m</rasd:InstanceID>
<rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>64</rasd:VirtualQuantity></ovf:Item>
<ovf:Item><rasd:Address>3e:2a:11:22:33:44</rasd:Address><rasd:Connection>net0</rasd:Connection>
<rasd:InstanceID>n</rasd:InstanceID><rasd:ResourceType>10</rasd:ResourceType></ovf:Item>
<xenovf:VirtualSystemOtherConfigurationData id="a" Name="HVM_boot_params">
<xenovf:Value>order=dc;firmware=uefi;</xenovf:Value></xenovf:VirtualSystemOtherConfigurationData>
<xenovf:VirtualSystemOtherConfigurationData id="b" Name="platform">
<xenovf:Value>nx=true;secureboot=true</xenovf:Value></xenovf:VirtualSystemOtherConfigurationData>
</ovf:VirtualHardwareSection></ovf:VirtualSystem></ovf:Envelope>"""


def test_xenserver() -> None:
    appliance, findings = read(XEN)
    (machine,) = appliance.machines
    assert machine.name == "Web"
    assert machine.uuid == machine.id
    (controller,) = machine.controllers
    assert controller.model is ControllerModel.XEN_VBD
    assert [(d.id, d.unit) for d in machine.drives] == [("d1", 3), ("d2", 0), ("cd", 1)]
    boot = machine.boot_disk()
    assert boot is not None
    assert boot.image == "d2"
    assert machine.cpu.count == 2
    assert machine.cpu.limit_hz is None
    assert machine.memory.size == 64 * MIB
    assert machine.nics[0].model is NicModel.XEN
    assert machine.nics[0].mac == "3e:2a:11:22:33:44"
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.firmware.secure_boot
    assert sum(e.dialect == "xenovf" for e in machine.extras) == 2
    assert "KF-101" in codes(findings)
    assert "KF-114" not in codes(findings)


# --- oVirt ----------------------------------------------------------------------------------

NIL = "00000000-0000-0000-0000-000000000000"
OVIRT = f"""<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1/"
 xmlns:rasd="{CIM}CIM_ResourceAllocationSettingData" xmlns:vssd="{CIM}CIM_VirtualSystemSettingData"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ovf:version="4.1.0.0">
<References><File ovf:href="img/vol" ovf:id="vol" ovf:size="1073741824"/></References>
<Section xsi:type="ovf:NetworkSection_Type"><Info/><Network ovf:name="ovirtmgmt"/></Section>
<Section xsi:type="ovf:DiskSection_Type"><Info/>
<Disk ovf:diskId="vol" ovf:size="10" ovf:parentRef="" ovf:fileRef="img/vol" ovf:boot="true"
 ovf:volume-format="COW" ovf:disk-interface="VirtIO_SCSI"/></Section>
<Content ovf:id="out" xsi:type="ovf:VirtualSystem_Type"><Description>Some text</Description>
<Name>engine1</Name><BiosType>3</BiosType><VmType>1</VmType>
<Section ovf:id="70f24c82-a7b8-4e0b-9192-cffd5705cf5c" ovf:required="false"
 xsi:type="ovf:OperatingSystemSection_Type"><Info/><Description>debian</Description></Section>
<Section xsi:type="ovf:VirtualHardwareSection_Type"><Info/>
<System><vssd:VirtualSystemType>ENGINE 4.1.0.0</vssd:VirtualSystemType></System>
<Item><rasd:InstanceId>1</rasd:InstanceId><rasd:ResourceType>3</rasd:ResourceType>
<rasd:num_of_sockets>2</rasd:num_of_sockets><rasd:cpu_per_socket>4</rasd:cpu_per_socket></Item>
<Item><rasd:InstanceId>2</rasd:InstanceId><rasd:ResourceType>4</rasd:ResourceType>
<rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits>
<rasd:VirtualQuantity>1024</rasd:VirtualQuantity></Item>
<Item><rasd:InstanceId>vol</rasd:InstanceId><rasd:ResourceType>17</rasd:ResourceType>
<rasd:HostResource>img/vol</rasd:HostResource><rasd:Parent>{NIL}</rasd:Parent>
<rasd:StorageId>7e2a</rasd:StorageId><Type>disk</Type><BootOrder>1</BootOrder></Item>
<Item><rasd:InstanceId>3</rasd:InstanceId><rasd:ResourceType>10</rasd:ResourceType>
<rasd:ResourceSubType>3</rasd:ResourceSubType><rasd:Connection>ovirtmgmt</rasd:Connection>
<rasd:MACAddress>00:1a:4a:16:01:51</rasd:MACAddress><rasd:speed>1000</rasd:speed></Item>
<Item><rasd:InstanceId>4</rasd:InstanceId><rasd:ResourceType>23</rasd:ResourceType>
<rasd:UsbPolicy>DISABLED</rasd:UsbPolicy></Item>
<Item><rasd:InstanceId>5</rasd:InstanceId><rasd:ResourceType>20</rasd:ResourceType>
<Type>video</Type><Device>qxl</Device><SpecParams><vram>65536</vram></SpecParams></Item>
<Item><rasd:ResourceType>0</rasd:ResourceType><rasd:InstanceId>6</rasd:InstanceId>
<Type>sound</Type><Device>ich6</Device></Item>
</Section><Section xsi:type="ovf:SnapshotsSection_Type"><Snapshot ovf:id="s"/></Section>
</Content></ovf:Envelope>"""


def test_ovirt() -> None:
    appliance, findings = read(OVIRT)
    (machine,) = appliance.machines
    assert appliance.images[0].capacity == 10 * GIB
    assert appliance.images[0].file == "vol"
    assert appliance.images[0].parent is None
    assert machine.name == "engine1"
    assert machine.uuid == "70f24c82-a7b8-4e0b-9192-cffd5705cf5c"
    assert machine.annotation == "Some text"
    assert (machine.cpu.count, machine.cpu.cores_per_socket) == (8, 4)
    assert machine.memory.size == GIB
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.firmware.secure_boot
    assert machine.controllers[0].model is ControllerModel.VIRTIO_SCSI
    assert machine.controllers[0].bus is Bus.SCSI
    assert machine.disks[0].boot_order == 1
    assert machine.nics[0].model is NicModel.VIRTIO
    assert machine.nics[0].mac == "00:1a:4a:16:01:51"
    assert machine.usb == ()
    assert machine.video is not None
    assert (machine.video.model, machine.video.memory) == ("qxl", 64 * MIB)
    assert machine.sound is not None
    assert machine.sound.model == "hda"
    assert machine.hardware_versions == ("ENGINE 4.1.0.0",)
    assert "KF-114" not in codes(findings)
    wheres = {e.where for e in machine.extras}
    assert "Content[out]/VmType" in wheres
    assert "Content[out]/SnapshotsSection" in wheres
    assert any(w.endswith("Item[vol]/StorageId") for w in wheres)


@pytest.mark.parametrize(
    ("number", "kind", "secure"),
    [("0", Firmware.BIOS, False), ("1", Firmware.BIOS, False), ("2", Firmware.UEFI, False)],
)
def test_ovirt_firmware(number: str, kind: Firmware, secure: bool) -> None:
    appliance, _ = read(OVIRT.replace("<BiosType>3<", f"<BiosType>{number}<"))
    firmware = appliance.machines[0].firmware
    assert (firmware.kind, firmware.secure_boot, firmware.stated) == (kind, secure, True)


# --- OVF 0.9, 2.x and names without a namespace -----------------------------------------------


def test_ovf_0_9() -> None:
    text = f"""<Envelope xmlns="http://www.vmware.com/schema/ovf/1/envelope"
     xmlns:ovf="http://www.vmware.com/schema/ovf/1/envelope"
     xmlns:rasd="{CIM}CIM_ResourceAllocationSettingData"
     xmlns:vssd="{CIM}CIM_VirtualSystemSettingData"
     xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ovf:version="0.9">
    <References><File ovf:id="file1" ovf:href="a.vmdk"/></References>
    <Section xsi:type="ovf:DiskSection_Type"><Info/>
     <Disk ovf:diskId="d" ovf:fileRef="file1" ovf:capacity="1000"/></Section>
    <Content xsi:type="ovf:VirtualSystemCollection_Type" ovf:id="all"><Info/>
    <Section xsi:type="ovf:StartupSection_Type"><Item ovf:id="old" ovf:order="1"/></Section>
    <Content xsi:type="ovf:VirtualSystem_Type" ovf:id="old"><Info/>
    <Section xsi:type="ovf:EulaSection_Type"><Info/><License>Yes.</License></Section>
    <Section xsi:type="ovf:VirtualHardwareSection_Type"><Info/><System>
     <vssd:InstanceId>0</vssd:InstanceId><vssd:VirtualSystemType>vmx-6</vssd:VirtualSystemType>
    </System>
    <Item><rasd:Caption>1 CPU</rasd:Caption><rasd:InstanceId>1</rasd:InstanceId>
     <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
    <Item><rasd:InstanceId>2</rasd:InstanceId><rasd:ResourceType>4</rasd:ResourceType>
     <rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits>
     <rasd:VirtualQuantity>192</rasd:VirtualQuantity></Item>
    <Item><rasd:InstanceId>3</rasd:InstanceId><rasd:ResourceType>5</rasd:ResourceType>
     <rasd:BusNumber>1</rasd:BusNumber></Item>
    <Item><rasd:InstanceId>4</rasd:InstanceId><rasd:ResourceType>17</rasd:ResourceType>
     <rasd:Parent>3</rasd:Parent><rasd:AddressOnParent>0</rasd:AddressOnParent>
     <rasd:HostResource>disk/d</rasd:HostResource></Item>
    </Section></Content></Content></Envelope>"""
    appliance, findings = read(text)
    (machine,) = appliance.machines
    assert machine.id == "old"
    assert machine.memory.size == 192 * MIB
    assert machine.controllers[0].index == 1
    assert machine.disks[0].image == "d"
    assert machine.eulas[0].text == "Yes."
    assert appliance.start_order[0].order == 1
    assert codes(findings) == {"KF-111"}


def test_ovf_2_items() -> None:
    storage = (
        f'<StorageItem xmlns:sasd="{CIM}CIM_StorageAllocationSettingData.xsd">'
        "<sasd:AddressOnParent>0</sasd:AddressOnParent>"
        "<sasd:HostResource>ovf:/disk/vmdisk1</sasd:HostResource>"
        "<sasd:InstanceID>4</sasd:InstanceID><sasd:Parent>3</sasd:Parent>"
        "<sasd:ResourceType>31</sasd:ResourceType></StorageItem>"
        f'<StorageItem xmlns:sasd="{CIM}CIM_StorageAllocationSettingData">'
        "<sasd:AddressOnParent>1</sasd:AddressOnParent>"
        "<sasd:AllocationUnits>byte * 2^30</sasd:AllocationUnits>"
        "<sasd:InstanceID>6</sasd:InstanceID><sasd:Parent>3</sasd:Parent>"
        "<sasd:ResourceType>31</sasd:ResourceType>"
        "<sasd:VirtualQuantity>4</sasd:VirtualQuantity></StorageItem>"
    )
    port = (
        f'<EthernetPortItem xmlns:epasd="{CIM}CIM_EthernetPortAllocationSettingData">'
        "<epasd:Address>001122334455</epasd:Address><epasd:Connection>lan</epasd:Connection>"
        "<epasd:InstanceID>5</epasd:InstanceID><epasd:ResourceSubType>E1000</epasd:ResourceSubType>"
        "<epasd:ResourceType>10</epasd:ResourceType></EthernetPortItem>"
    )
    text = envelope(system(hardware(CPU + MEMORY + SCSI + storage + port)))
    appliance, _ = read(text.replace("ovf/envelope/1", "ovf/envelope/2"))
    (machine,) = appliance.machines
    assert [d.image for d in machine.disks] == ["vmdisk1", "new-6"]
    blank = appliance.image("new-6")
    assert blank is not None
    assert (blank.file, blank.capacity) == (None, 4 * GIB)
    assert machine.nics[0].mac == "00:11:22:33:44:55"


def test_ibm_without_prefixes_on_attributes() -> None:
    text = f"""<Envelope xmlns:rasd="{CIM}CIM_ResourceAllocationSettingData">
    <References><File href="vol.img" id="file1" size="10"/></References>
    <DiskSection><Disk capacity="20" capacityAllocationUnits="byte * 2^30" diskId="disk1"
      fileRef="file1"/></DiskSection>
    <VirtualSystemCollection><VirtualSystem id="vs0"><Name>aix</Name><Info/>
    <OperatingSystemSection id="79"><Info/>
      <a:architecture xmlns:a="ibmpvc">ppc64le</a:architecture></OperatingSystemSection>
    <VirtualHardwareSection><Info/><Item><rasd:HostResource>ovf:/disk/disk1</rasd:HostResource>
      <rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>17</rasd:ResourceType>
      <b:boot xmlns:b="ibmpvc">True</b:boot></Item></VirtualHardwareSection>
    </VirtualSystem></VirtualSystemCollection></Envelope>"""
    appliance, findings = read(text)
    (machine,) = appliance.machines
    assert machine.name == "aix"
    assert machine.guest.cim == 79
    assert machine.disks[0].boot_order == 1
    assert appliance.images[0].capacity == 20 * GIB
    assert appliance.files[0].size == 10
    assert [e.dialect for e in machine.extras] == ["ibmpvc"]
    assert codes(findings) >= {"KF-112", "KF-114"}


@pytest.mark.parametrize("prefix", ["ovf", "x", "ns0"])
def test_any_prefix(prefix: str) -> None:
    plain = envelope(sections=DISKS)
    prefixed = plain.replace(" ovf:", f" {prefix}:").replace("xmlns:ovf=", f"xmlns:{prefix}=")
    assert f" {prefix}:diskId" in prefixed
    assert read(prefixed)[0] == read(plain)[0]


def test_prefixes_never_declared() -> None:
    text = envelope().replace('xmlns:vmw="http://www.vmware.com/schema/ovf" ', "")
    text = text.replace(
        "</VirtualHardwareSection>",
        '<vmw:Config vmw:key="firmware" vmw:value="efi"/></VirtualHardwareSection>',
    )
    appliance, findings = read(text)
    assert appliance.machines[0].firmware.kind is Firmware.UEFI
    assert "KF-102" in codes(findings)
