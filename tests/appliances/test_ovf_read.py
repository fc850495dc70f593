"""OVF 1.x as DSP0243 has it, and what may be wrong with it."""

from __future__ import annotations

import pytest
from tests.appliances.ovf_samples import (
    BASE,
    CPU,
    DISK,
    DISKS,
    MEMORY,
    NETWORKS,
    NIC,
    REFERENCES,
    SCSI,
    codes,
    envelope,
    hardware,
    item,
    read,
    system,
    well_formed,
)

from kensho.model.finding import Severity
from kensho.model.machine import (
    Bus,
    Cdrom,
    ControllerModel,
    Disk,
    Firmware,
    Floppy,
    NicModel,
    SerialKind,
)
from kensho.model.units import GIB, MIB


def machine_of(items: str, **how: str):
    appliance, findings = read(envelope(system(hardware(items, **how))))
    return appliance.machines[0], findings


def test_a_plain_machine() -> None:
    appliance, findings = read(envelope())
    (machine,) = appliance.machines
    assert appliance.name == machine.name == "web01"
    assert machine.cpu.count == 2
    assert machine.memory.size == 2 * GIB
    assert machine.controllers[0].model is ControllerModel.LSILOGIC
    (disk,) = machine.disks
    assert (disk.image, disk.controller, disk.unit) == ("vmdisk1", "3", 0)
    (image,) = appliance.images
    assert (image.file, image.capacity, image.populated) == ("file1", 8 * GIB, 1000)
    assert image.format.endswith("#streamOptimized")
    (nic,) = machine.nics
    assert (nic.model, nic.network, nic.mac) == (NicModel.VMXNET3, "lan", None)
    assert appliance.networks[0].description == "The LAN"
    assert machine.hardware_versions == ("vmx-13",)
    assert machine.firmware.kind is Firmware.BIOS
    assert not machine.firmware.stated
    assert findings == ()


def test_every_device() -> None:
    items = (
        CPU
        + MEMORY
        + SCSI
        + item(6, 5, Address=1)
        + item(7, 20, ResourceSubType="AHCI")
        + item(8, 20, ResourceSubType="vmware.nvme.controller")
        + DISK
        + item(9, 15, Parent=6, AddressOnParent=0, HostResource="ovf:/file/file1")
        + item(10, 16, Parent=7, AddressOnParent=1, HostResource="CD-ROM 1")
        + item(11, 14, AddressOnParent=0)
        + item(12, 21, ResourceSubType="vmware.serialport.pipe", HostResource="/tmp/pipe")
        + item(13, 23, ResourceSubType="vmware.usb.xhci")
        + item(14, 24, own='<vmw:Config vmw:key="videoRamSizeInKB" vmw:value="8192"/>')
        + item(15, 35, ResourceSubType="ensoniq1371")
        + item(
            16, 1, ResourceSubType="vmware.vmci", ElementName="VMCI", more='ovf:required="false"'
        )
        + item(17, 1, ResourceSubType="vmware.vtpm")
        + item(18, 22)
        + NIC
    )
    machine, _ = machine_of(items)
    buses = [c.bus for c in machine.controllers]
    assert buses == [Bus.SCSI, Bus.IDE, Bus.SATA, Bus.NVME]
    assert machine.controllers[1].index == 1
    assert [type(d) for d in machine.drives] == [Disk, Cdrom, Cdrom, Floppy]
    assert machine.cdroms[0].file == "file1"
    assert (machine.cdroms[1].host_device, machine.cdroms[1].unit) == ("CD-ROM 1", 1)
    assert machine.serial_ports[0].kind is SerialKind.PIPE
    assert machine.serial_ports[0].target == "/tmp/pipe"
    assert machine.usb[0].model == "xhci"
    assert machine.video is not None
    assert machine.video.memory == 8 * MIB
    assert machine.sound is not None
    assert machine.sound.model == "es1371"
    assert machine.firmware.tpm
    assert [(o.type, o.required) for o in machine.others] == [(1, False), (22, True)]


@pytest.mark.parametrize(
    ("fields", "size", "finding"),
    [
        ({"VirtualQuantity": 2, "AllocationUnits": "byte * 2^30"}, 2 * GIB, None),
        ({"VirtualQuantity": 512, "AllocationUnits": "MegaBytes"}, 512 * MIB, "KF-111"),
        ({"VirtualQuantity": 512, "AllocationUnits": "bananas"}, 512 * MIB, "KF-111"),
        ({"VirtualQuantity": 512}, 512 * MIB, "KF-111"),
        ({"VirtualQuantity": 536870912}, 512 * MIB, "KF-111"),
        ({"VirtualQuantity": "@@MEM@@", "AllocationUnits": "byte * 2^20"}, GIB, "KF-112"),
        ({"VirtualQuantity": -1, "AllocationUnits": "byte * 2^20"}, GIB, "KF-112"),
        ({"VirtualQuantity": "9" * 20, "AllocationUnits": "byte * 2^20"}, GIB, "KF-112"),
    ],
)
def test_memory(fields: dict[str, object], size: int, finding: str | None) -> None:
    machine, findings = machine_of(CPU + item(2, 4, **fields))
    assert machine.memory.size == size
    assert finding is None or finding in codes(findings)


def test_reservations_and_limits() -> None:
    cpu = item(1, 3, VirtualQuantity=4, AllocationUnits="hertz * 10^6", Reservation=500, Limit=1000)
    memory = item(2, 4, VirtualQuantity=4, AllocationUnits="byte * 2^30", Reservation=1, Limit=8)
    machine, _ = machine_of(cpu + memory)
    assert (machine.cpu.reservation_hz, machine.cpu.limit_hz) == (500 * 10**6, 10**9)
    assert (machine.memory.reservation, machine.memory.limit) == (GIB, 8 * GIB)


@pytest.mark.parametrize("quantity", ["0", "-2", "{{.Cpus}}", "999999"])
def test_unusable_cpu_count(quantity: str) -> None:
    machine, findings = machine_of(item(1, 3, VirtualQuantity=quantity) + MEMORY)
    assert machine.cpu.count == 1
    assert "KF-112" in codes(findings)


def test_no_hardware_at_all() -> None:
    appliance, findings = read(envelope(system("")))
    assert appliance.machines[0].cpu.count == 1
    assert "KF-112" in codes(findings)


def test_no_machine() -> None:
    appliance, findings = read(envelope("<!-- nothing -->"))
    assert not appliance.machines
    assert any(f.code == "KF-110" and f.severity is Severity.ERROR for f in findings)


def test_duplicate_instance_ids() -> None:
    machine, findings = machine_of(BASE + item(5, 10, Connection="lan"))
    assert [nic.id for nic in machine.nics] == ["5", "5-2"]
    assert "KF-113" in codes(findings)


@pytest.mark.parametrize("parent", ["99", "1", ""])
def test_drive_without_usable_parent(parent: str) -> None:
    lost = item(4, 17, Parent=parent, AddressOnParent=0, HostResource="/disk/vmdisk1")
    machine, findings = machine_of(CPU + MEMORY + SCSI + lost)
    assert machine.disks[0].controller == "3"
    assert "KF-114" in codes(findings)


def test_drive_without_any_controller() -> None:
    machine, findings = machine_of(CPU + MEMORY + item(4, 17, HostResource="/disk/vmdisk1"))
    (controller,) = machine.controllers
    assert controller.model is ControllerModel.AHCI
    assert machine.disks[0].controller == controller.id
    assert "KF-114" in codes(findings)


def test_address_taken_twice() -> None:
    second = item(6, 17, Parent=3, AddressOnParent=0, HostResource="ovf:/disk/vmdisk1")
    machine, findings = machine_of(BASE + second)
    assert [d.unit for d in machine.disks] == [0, 1]
    assert "KF-115" in codes(findings)


def test_no_address_keeps_clear_of_stated_ones_and_of_the_controller() -> None:
    unplaced = "".join(
        item(20 + n, 17, Parent=3, HostResource="ovf:/disk/vmdisk1") for n in range(8)
    )
    machine, _ = machine_of(CPU + MEMORY + SCSI + unplaced + DISK)
    assert [d.unit for d in machine.disks] == [1, 2, 3, 4, 5, 6, 8, 9, 0]


@pytest.mark.parametrize("resource", ["ovf:/disk/none", "/file/none", "", "none.vmdk"])
def test_dangling_host_resource(resource: str) -> None:
    lost = item(4, 17, Parent=3, AddressOnParent=0, HostResource=resource)
    machine, findings = machine_of(CPU + MEMORY + SCSI + lost)
    assert not machine.disks
    assert "KF-116" in codes(findings)
    kept = [e for e in machine.extras if e.where.endswith("Item[4]")]
    assert len(kept) == 1


@pytest.mark.parametrize("resource", ["ovf:/disk/vmdisk1", "/disk/vmdisk1", "ovf://disk/vmdisk1"])
def test_spellings_of_host_resource(resource: str) -> None:
    lost = item(4, 17, Parent=3, AddressOnParent=0, HostResource=resource)
    machine, _ = machine_of(CPU + MEMORY + SCSI + lost)
    assert machine.disks[0].image == "vmdisk1"


def test_disk_straight_from_a_file() -> None:
    direct = item(4, 17, Parent=3, AddressOnParent=0, HostResource="ovf:/file/file1")
    appliance, _ = read(envelope(system(hardware(CPU + MEMORY + SCSI + direct))))
    image = appliance.image(appliance.machines[0].disks[0].image)
    assert image is not None
    assert image.file == "file1"


def test_blank_disks() -> None:
    disks = '<DiskSection><Disk ovf:diskId="vmdisk1" ovf:capacity="1073741824"/></DiskSection>'
    appliance, _ = read(envelope(sections=disks + NETWORKS))
    assert appliance.images[0].file is None
    assert appliance.images[0].capacity == GIB


@pytest.mark.parametrize(
    ("attributes", "capacity", "finding"),
    [
        ('ovf:capacity="10"', 10, None),
        ('ovf:capacity="10" ovf:capacityAllocationUnits="GB"', 10 * GIB, None),
        ('ovf:capacity="10" ovf:capacityAllocationUnits="hertz"', 10, "KF-111"),
        (
            'ovf:capacity="${disk.size}" ovf:capacityAllocationUnits="byte * 2^30"',
            5 * GIB,
            "KF-123",
        ),
        ('ovf:capacity="${nothing}"', None, "KF-124"),
        ('ovf:capacity="huge"', None, "KF-124"),
        ('ovf:capacity="-1"', None, "KF-124"),
        ("", None, None),
    ],
)
def test_capacities(attributes: str, capacity: int | None, finding: str | None) -> None:
    disks = (
        f'<DiskSection><Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" {attributes}/></DiskSection>'
    )
    product = (
        '<ProductSection><Info/><Property ovf:key="disk.size" ovf:value="5"/></ProductSection>'
    )
    text = envelope(system(product + hardware()), sections=disks + NETWORKS)
    appliance, findings = read(text)
    assert appliance.images[0].capacity == capacity
    assert finding is None or finding in codes(findings)


def test_disks_that_are_wrong() -> None:
    disks = (
        '<DiskSection><Disk ovf:diskId="vmdisk1" ovf:fileRef="gone"/>'
        '<Disk ovf:diskId="vmdisk1" ovf:fileRef="file1"/><Disk ovf:fileRef="file1"/></DiskSection>'
    )
    appliance, findings = read(envelope(sections=disks + NETWORKS))
    assert [i.file for i in appliance.images] == ["gone"]  # never mistaken for a blank disk
    assert codes(findings) >= {"KF-203", "KF-208"}


def test_files_that_are_wrong() -> None:
    references = (
        '<References><File ovf:id="file1" ovf:href="disk1.vmdk" ovf:size="x"/>'
        '<File ovf:id="file1" ovf:href="b"/><File ovf:id="file2" ovf:href="disk1.vmdk"/>'
        '<File ovf:href="c"/><File ovf:id="file3"/></References>'
    )
    appliance, findings = read(envelope(references=references))
    assert [(f.id, f.href) for f in appliance.files] == [
        ("file1", "disk1.vmdk"),
        ("file2", "disk1.vmdk"),
        ("c", "c"),
    ]
    assert codes(findings) >= {"KF-203", "KF-204", "KF-206", "KF-207"}


def test_subtype_lists() -> None:
    items = CPU + MEMORY + item(3, 6, ResourceSubType="someother, lsilogic") + DISK
    items += item(5, 10, ResourceSubType="VMXNET3 virtio", Connection="lan")
    machine, findings = machine_of(items)
    assert machine.controllers[0].model is ControllerModel.LSILOGIC
    assert machine.nics[0].model is NicModel.VMXNET3
    assert "KF-122" in codes(findings)


def test_adapters_that_are_odd() -> None:
    odd = item(5, 10, ResourceSubType="Weird", Connection="wan", Address="zz:zz")
    odd += "<Item><rasd:Connection>a</rasd:Connection><rasd:Connection>b</rasd:Connection>"
    odd += "<rasd:AutomaticAllocation>false</rasd:AutomaticAllocation>"
    odd += "<rasd:Address>00-50-56-AA-BB-CC</rasd:Address>"
    odd += "<rasd:InstanceID>6</rasd:InstanceID><rasd:ResourceType>10</rasd:ResourceType></Item>"
    appliance, findings = read(envelope(system(hardware(CPU + MEMORY + odd))))
    first, second = appliance.machines[0].nics
    assert (first.model, first.vendor_model, first.mac) == (NicModel.UNKNOWN, "Weird", None)
    assert (second.network, second.mac, second.connected) == ("a", "00:50:56:aa:bb:cc", False)
    assert {n.name for n in appliance.networks} == {"lan", "wan", "a"}
    assert codes(findings) >= {"KF-117", "KF-127", "KF-130"}


def test_item_without_type_is_kept() -> None:
    machine, findings = machine_of(BASE + item(9, None, ElementName="thing"))
    assert machine.others[0].name == "thing"
    assert "KF-121" in codes(findings)


CONFIGURATIONS = (
    '<DeploymentOptionSection><Info/><Configuration ovf:id="small"><Label>S</Label>'
    '</Configuration><Configuration ovf:id="large" ovf:default="true"><Label>L</Label>'
    "</Configuration></DeploymentOptionSection>"
)


def test_only_the_default_configuration_is_read() -> None:
    items = (
        item(1, 3, VirtualQuantity=1)
        + item(1, 3, VirtualQuantity=8, more='ovf:configuration="large"')
        + item(1, 3, VirtualQuantity=4, more='ovf:configuration="small"')
        + MEMORY
        + item(7, 10, Connection="lan", more='ovf:configuration="small large"')
        + item(8, 10, Connection="lan", more='ovf:configuration="small"')
    )
    text = envelope(system(hardware(items)), sections=CONFIGURATIONS + DISKS + NETWORKS)
    appliance, findings = read(text)
    (machine,) = appliance.machines
    assert machine.cpu.count == 8
    assert [nic.id for nic in machine.nics] == ["7"]
    assert "KF-118" in codes(findings)
    assert sum("configuration=" in e.text for e in machine.extras) == 2
    assert any(e.where == "Envelope/DeploymentOptionSection" for e in appliance.extras)


def test_first_configuration_without_a_default() -> None:
    sections = CONFIGURATIONS.replace(' ovf:default="true"', "")
    items = item(1, 3, VirtualQuantity=4, more='ovf:configuration="small"') + MEMORY
    items += item(1, 3, VirtualQuantity=8, more='ovf:configuration="large"')
    appliance, _ = read(envelope(system(hardware(items)), sections=sections))
    assert appliance.machines[0].cpu.count == 4


def test_bounds_are_no_devices() -> None:
    items = CPU + item(2, 4, VirtualQuantity=512, AllocationUnits="byte * 2^20")
    items += item(2, 4, VirtualQuantity=256, AllocationUnits="byte * 2^20", more='ovf:bound="min"')
    items += item(2, 4, VirtualQuantity=9999, AllocationUnits="byte * 2^20", more='ovf:bound="max"')
    machine, findings = machine_of(items)
    assert machine.memory.size == 512 * MIB
    assert "KF-113" not in codes(findings)


def test_two_hardware_sections() -> None:
    appliance, findings = read(envelope(system(hardware() + hardware(system="xen-3"))))
    assert appliance.machines[0].hardware_versions == ("vmx-13",)
    assert "KF-120" in codes(findings)


def test_collections_and_start_order() -> None:
    startup = (
        '<StartupSection><Info/><Item ovf:id="inner" ovf:order="2"/>'
        '<Item ovf:id="db" ovf:order="1" ovf:startDelay="30" ovf:waitingForGuest="true" '
        'ovf:stopDelay="5" ovf:stopAction="guestShutdown"/>'
        '<Item ovf:id="ghost" ovf:order="3"/></StartupSection>'
    )
    inner_startup = (
        '<StartupSection><Info/><Item ovf:id="app1" ovf:order="2"/>'
        '<Item ovf:id="app2" ovf:order="1"/></StartupSection>'
    )
    inner = (
        '<VirtualSystemCollection ovf:id="inner"><Info/>'
        f"{inner_startup}{system(name='app1')}{system(name='app2')}{system(name='app3')}"
        "</VirtualSystemCollection>"
    )
    text = envelope(
        '<VirtualSystemCollection ovf:id="farm"><Info/><Name>The farm</Name>'
        f"{startup}{system(name='db')}{inner}</VirtualSystemCollection>"
    )
    appliance, findings = read(text)
    assert appliance.name == "The farm"
    assert [m.id for m in appliance.machines] == ["db", "app1", "app2", "app3"]
    assert [s.machine for s in appliance.start_order] == ["db", "app3", "app2", "app1"]
    first = appliance.start_order[0]
    assert (first.start_delay, first.wait_for_guest, first.stop_delay) == (30, True, 5)
    assert codes(findings) >= {"KF-129", "KF-132"}


def test_two_machines_of_one_id() -> None:
    appliance, findings = read(envelope(system(), system()))
    assert [m.id for m in appliance.machines] == ["web01", "web01-2"]
    assert "KF-131" in codes(findings)


PRODUCT = """
<ProductSection ovf:class="com.example" ovf:instance="1"><Info>About</Info>
 <Product ovf:msgid="p.name"/><Vendor>Example</Vendor><Version>1</Version>
 <FullVersion>1.0-2</FullVersion><ProductUrl>u</ProductUrl><VendorUrl>v</VendorUrl>
 <AppUrl>a</AppUrl><Category>Net</Category>
 <Property ovf:key="ip" ovf:type="string" ovf:userConfigurable="true" ovf:qualifiers="MinLen(7)"
   ovf:value="10.0.0.1"><Label>Address</Label><Description ovf:msgid="none">Text</Description>
   <Value ovf:configuration="large" ovf:value="10.0.0.9"/></Property>
 <Category>Secrets</Category>
 <Property ovf:key="pw" ovf:password="true"/>
</ProductSection>
<EulaSection><Info>Licence</Info><License ovf:msgid="eula">fallback</License></EulaSection>
<AnnotationSection><Info/><Annotation>Notes</Annotation></AnnotationSection>
"""
STRINGS = (
    '<Strings xml:lang="de-DE"><Msg ovf:msgid="p.name">Netz</Msg></Strings>'
    '<Strings xml:lang="en-US"><Msg ovf:msgid="p.name">Web</Msg>'
    '<Msg ovf:msgid="eula">Be nice.</Msg></Strings>'
    '<Strings xml:lang="fr-FR" ovf:fileRef="file1"/>'
)


def test_products_licences_and_texts() -> None:
    text = envelope(
        system(PRODUCT + hardware(more='ovf:transport="iso com.vmware.guestInfo"')),
        sections=CONFIGURATIONS + DISKS + NETWORKS,
        after=STRINGS,
    )
    appliance, findings = read(text)
    (machine,) = appliance.machines
    (product,) = machine.products
    assert (product.name, product.class_, product.instance) == ("Web", "com.example", "1")
    assert (product.full_version, product.app_url, product.info) == ("1.0-2", "a", "About")
    ip, password = product.properties
    assert (ip.value, ip.category, ip.label, ip.description) == (
        "10.0.0.9",
        "Net",
        "Address",
        "Text",
    )
    assert ip.user_configurable
    assert ip.qualifiers == "MinLen(7)"
    assert password.password
    assert password.category == "Secrets"
    assert machine.eulas[0].text == "Be nice."
    assert machine.annotation == "Notes"
    assert machine.transports == ("iso", "com.vmware.guestInfo")
    assert codes(findings) == {"KF-118"}  # the French file is not needed


def test_another_language() -> None:
    text = envelope(system(PRODUCT + hardware()), after=STRINGS, more='xml:lang="de-DE"')
    appliance, _ = read(text)
    assert appliance.machines[0].products[0].name == "Netz"
    assert appliance.machines[0].eulas[0].text == "fallback"


def test_products_of_the_whole_package() -> None:
    appliance, _ = read(envelope(PRODUCT + system()))
    assert appliance.products[0].vendor == "Example"
    assert appliance.eulas
    assert appliance.annotation == "Notes"


def test_unknown_sections_are_kept_word_for_word() -> None:
    own = '<my:ColourSection xmlns:my="urn:my" my:id="1"><Info>x</Info><my:Hue>3</my:Hue></my:ColourSection>'
    text = envelope(
        system(
            own.replace("<my:ColourSection", '<my:ColourSection ovf:required="false"') + hardware()
        ),
        after=own,
    )
    appliance, findings = read(text)
    (extra,) = [e for e in appliance.extras if e.dialect == "my"]
    assert extra.where == "Envelope/ColourSection"
    assert "<my:Hue>3</my:Hue>" in extra.text
    well_formed(extra.text)
    (inner,) = appliance.machines[0].extras
    assert inner.where == "VirtualSystem[web01]/ColourSection"
    severities = [f.severity for f in findings if f.code == "KF-125"]
    assert sorted(severities) == [Severity.NOTE, Severity.WARNING]


def test_unused_disks_are_noted() -> None:
    _, findings = read(envelope(system(hardware(CPU + MEMORY))))
    assert "KF-126" in codes(findings)


def test_guest_and_names() -> None:
    guest = (
        '<OperatingSystemSection ovf:id="96" ovf:version="12" vmw:osType="debian12_64Guest">'
        "<Info/><Description>Debian 12</Description></OperatingSystemSection>"
    )
    appliance, _ = read(envelope(system(guest + hardware())))
    machine = appliance.machines[0]
    assert (machine.guest.id, machine.guest.cim, machine.guest.version) == ("debian12", 96, "12")
    assert machine.guest.description == "Debian 12"
    assert machine.guest.vendor == ("vmw:debian12_64Guest",)


def test_references_may_be_missing() -> None:
    appliance, _ = read(envelope(references="", sections=""))
    assert not appliance.files
    assert REFERENCES
    assert not appliance.machines[0].disks
