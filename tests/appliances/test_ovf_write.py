from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.appliances.written import (
    EULA,
    PRODUCT,
    appliance_for,
    check_golden,
    placed,
    two_machines,
    with_machine,
)

from kensho.appliances.ovf.sections.parts import OVF, RASD, VSSD
from kensho.appliances.ovf.write import pad_descriptor, render_descriptor, render_portable
from kensho.appliances.ovf.write_dialects.portable import PORTABLE
from kensho.appliances.ovf.write_dialects.virtualbox import VIRTUALBOX
from kensho.appliances.ovf.write_dialects.vmware import VMWARE
from kensho.appliances.ovf.write_xml import VBOX, VMW
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.appliance import Appliance, DiskImage
from kensho.model.errors import LimitError, UnsupportedError
from kensho.model.machine import (
    Cdrom,
    ControllerModel,
    Cpu,
    Eula,
    Firmware,
    GuestOs,
    Memory,
    Nic,
    NicModel,
    Product,
    Property,
)
from kensho.model.units import GIB, MIB, TIB

#: The DMTF schemas are not part of the repository; KENSHO_SHARED says where they are.
SHARED = Path(os.environ.get("KENSHO_SHARED", Path(__file__).parents[3] / "shared"))
SCHEMA = SHARED / "xsd" / "ovf1" / "dsp8023_1.1.1.xsd"
NS = {"o": OVF, "r": RASD, "v": VSSD, "vmw": VMW, "vbox": VBOX}
DIALECTS = {d.name: d for d in (PORTABLE, VMWARE, VIRTUALBOX)}
BASES = {
    "portable-1": appliance_for(ControllerModel.AHCI, NicModel.E1000),
    "vmware": appliance_for(
        ControllerModel.PVSCSI,
        NicModel.VMXNET3,
        cdrom=ControllerModel.AHCI,
        firmware=Firmware.UEFI,
    ),
    "virtualbox": appliance_for(ControllerModel.LSISAS, NicModel.PCNET),
}


def rendered(appliance: Appliance, dialect) -> etree._Element:
    data = render_descriptor(appliance, placed(appliance), dialect)
    root, findings = parse_xml(data, path="test.ovf")
    assert findings == ()
    return root


def items(root: etree._Element, resource_type: int) -> list[dict[str, str]]:
    return [
        {etree.QName(c).localname: c.text or "" for c in item}
        for item in root.findall(
            f".//o:VirtualHardwareSection/o:Item[r:ResourceType='{resource_type}']", NS
        )
    ]


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    if not SCHEMA.exists():
        pytest.skip("needs the DMTF schemas")
    return etree.XMLSchema(etree.parse(SCHEMA))


def assert_valid(schema: etree.XMLSchema, data: bytes) -> None:
    root = etree.fromstring(data)
    for element in list(root.iter()):
        if etree.QName(element).namespace in {VMW, VBOX}:
            element.getparent().remove(element)
    assert schema.validate(root), schema.error_log


def variants():
    for name, dialect in DIALECTS.items():
        base = BASES[name]
        for model in dialect.controllers:
            for nic in dialect.nics:
                for firmware in Firmware:
                    cdrom = ControllerModel.IDE
                    yield dialect, appliance_for(model, nic, cdrom=cdrom, firmware=firmware)
        if dialect.several_machines:
            yield (
                dialect,
                two_machines(base.machines[0].controllers[0].model, base.machines[0].nics[0].model),
            )
        yield (
            dialect,
            with_machine(base, drives=(), nics=(), controllers=(), video=None, sound=None),
        )
        yield dialect, msgspec.structs.replace(base, networks=())


def test_dmtfs_schema_accepts_everything_written(schema):
    written = 0
    for dialect, appliance in variants():
        assert_valid(schema, render_descriptor(appliance, placed(appliance), dialect))
        written += 1
    assert written > 60


@pytest.mark.parametrize("name", list(DIALECTS))
def test_golden(name):
    appliance = BASES[name]
    check_golden(f"{name}.ovf", render_descriptor(appliance, placed(appliance), DIALECTS[name]))


def test_golden_collection():
    appliance = two_machines(ControllerModel.PVSCSI, NicModel.VMXNET3)
    check_golden("vmware-two.ovf", render_descriptor(appliance, placed(appliance), VMWARE))


@pytest.mark.parametrize("name", list(DIALECTS))
def test_same_input_same_bytes_and_rules_all_dialects_share(name):
    appliance, dialect = BASES[name], DIALECTS[name]
    data = render_descriptor(appliance, placed(appliance), dialect)
    assert data == render_descriptor(appliance, placed(appliance), dialect)
    assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Envelope ')
    assert data.endswith(b"</Envelope>\n")
    root = rendered(appliance, dialect)
    assert root.nsmap[None] == root.nsmap["ovf"] == OVF
    numbers = [e.text for e in root.iterfind(".//o:Item/r:InstanceID", NS)]
    assert len(set(numbers)) == len(numbers)
    assert all(int(n) > 0 for n in numbers)
    for item in root.iterfind(".//o:VirtualHardwareSection/o:Item", NS):
        names = [etree.QName(c).localname for c in item if etree.QName(c).namespace == RASD]
        assert names == sorted(names)
        assert {"Caption", "ElementName"} <= set(names)
        assert item.find("r:Caption", NS).text == item.find("r:ElementName", NS).text
    for element in root.iter():
        if etree.QName(element).namespace in {VMW, VBOX}:
            assert element.get(f"{{{OVF}}}required") == "false"
    networks = {n.get(f"{{{OVF}}}name") for n in root.iterfind(".//o:Network", NS)}
    assert {nic["Connection"] for nic in items(root, 10)} <= networks
    for disk in root.iterfind(".//o:Disk", NS):
        assert f"{{{OVF}}}capacityAllocationUnits" not in disk.attrib
    places = [(i["Parent"], i["AddressOnParent"]) for kind in (15, 17) for i in items(root, kind)]
    assert len(set(places)) == len(places)


def test_an_adapter_with_a_long_name_does_not_make_a_caption_longer_than_cim_allows(schema):
    name = "nic-" * 30
    appliance = with_machine(BASES["portable-1"], nics=(Nic("nic0", NicModel.E1000, name=name),))
    root = rendered(appliance, PORTABLE)
    assert [i["ElementName"] for i in items(root, 10)] == [name]
    assert schema.validate(root), schema.error_log


def test_portable_rules():
    root = rendered(BASES["portable-1"], PORTABLE)
    assert [etree.QName(e).localname for e in root] == [
        "References",
        "DiskSection",
        "NetworkSection",
        "VirtualSystem",
    ]
    system = root.find("o:VirtualSystem", NS)
    assert [etree.QName(e).localname for e in system] == [
        "Info",
        "Name",
        "OperatingSystemSection",
        "VirtualHardwareSection",
        "ProductSection",
        "EulaSection",
        "AnnotationSection",
    ]
    assert system.get(f"{{{OVF}}}id") == "Web-server-01"
    assert system.findtext("o:Name", namespaces=NS) == "Web server 01"
    assert root.findtext(".//v:VirtualSystemType", namespaces=NS) == "vmx-10 vmx-13 virtualbox-2.2"
    assert [i["AllocationUnits"] for i in items(root, 4)] == ["byte * 2^20"]
    assert [i["VirtualQuantity"] for i in items(root, 4)] == ["2048"]
    assert [i["AllocationUnits"] for i in items(root, 3)] == ["hertz * 10^6"]
    assert [i["ResourceSubType"] for i in items(root, 20)] == ["AHCI"]
    assert all("ResourceSubType" not in i for i in items(root, 5))
    assert all(i["AutomaticAllocation"] == "true" for i in items(root, 10))
    assert all(
        re.fullmatch(r"ovf:/disk/[A-Za-z0-9._~-]+", i["HostResource"]) for i in items(root, 17)
    )
    assert all(items(root, kind) == [] for kind in (1, 14, 21, 23, 24, 35))
    optional = root.findall(".//o:Item[@o:required='false']", NS)
    assert [i.findtext("r:ResourceType", namespaces=NS) for i in optional] == ["15"]
    keys = {
        e.get(f"{{{VMW}}}key"): e.get(f"{{{VMW}}}value") for e in root.iterfind(".//vmw:Config", NS)
    }
    assert keys == {"firmware": "bios"}
    assert not any(
        k in a for e in root.iter() for a in e.attrib for k in ("bound", "configuration")
    )


def test_secure_boot_asks_for_the_hardware_that_has_it():
    appliance = appliance_for(ControllerModel.AHCI, NicModel.E1000, firmware=Firmware.UEFI)
    root = rendered(appliance, PORTABLE)
    assert root.findtext(".//v:VirtualSystemType", namespaces=NS) == "vmx-13 virtualbox-2.2"
    configs = {
        (e.get(f"{{{VMW}}}key"), e.get(f"{{{VMW}}}value"))
        for e in root.iterfind(".//vmw:Config", NS)
    }
    assert configs == {("firmware", "efi"), ("bootOptions.efiSecureBootEnabled", "true")}


@pytest.mark.parametrize(
    ("cpus", "memory", "version"),
    [
        (1, GIB, "vmx-13"),
        (128, GIB, "vmx-13"),
        (129, GIB, "vmx-18"),
        (1, 8 * TIB, "vmx-18"),
        (2000, GIB, "vmx-18"),
    ],
)
def test_vmware_hardware_version(cpus, memory, version):
    appliance = with_machine(BASES["vmware"], cpu=Cpu(count=cpus), memory=Memory(memory))
    root = rendered(appliance, VMWARE)
    assert root.findtext(".//v:VirtualSystemType", namespaces=NS) == version


@pytest.mark.parametrize(
    ("dialect", "size", "expected"),
    [
        (VMWARE, 1023 * MIB + 5, 1020),
        (PORTABLE, 1023 * MIB, 1020),
        (VIRTUALBOX, 1023 * MIB + 5, 1023),
        (VMWARE, MIB, 4),
    ],
)
def test_memory_is_rounded_to_what_is_accepted(dialect, size, expected):
    appliance = with_machine(BASES[dialect.name], memory=Memory(size))
    assert [i["VirtualQuantity"] for i in items(rendered(appliance, dialect), 4)] == [str(expected)]


def test_vmware_devices():
    root = rendered(BASES["vmware"], VMWARE)
    assert [i["ResourceSubType"] for i in items(root, 6)] == ["VirtualSCSI"]
    assert [i["ResourceSubType"] for i in items(root, 20)] == ["vmware.sata.ahci"]
    nics = items(root, 10)
    assert [n["ResourceSubType"] for n in nics] == ["VmxNet3"] * 3
    assert [n["AutomaticAllocation"] for n in nics] == ["true", "false", "true"]
    assert [n.get("Address") for n in nics] == ["00:50:56:01:02:03", None, None]
    assert [u["ResourceSubType"] for u in items(root, 23)] == ["vmware.usb.ehci", "vmware.usb.xhci"]
    assert [s["ResourceSubType"] for s in items(root, 1)] == ["vmware.soundcard.hdaudio"]
    assert len(items(root, 21)) == 2
    assert b"passwd" not in etree.tostring(root)
    os_section = root.find(".//o:OperatingSystemSection", NS)
    assert os_section.get(f"{{{VMW}}}osType") == "debian12_64Guest"
    assert os_section.get(f"{{{OVF}}}id") == "96"
    assert root.findtext(".//vmw:CoresPerSocket", namespaces=NS) == "2"


def test_virtualbox_devices():
    root = rendered(BASES["virtualbox"], VIRTUALBOX)
    assert [i["ResourceSubType"] for i in items(root, 6)] == ["lsilogicsas"]
    assert [i["ResourceSubType"] for i in items(root, 5)] == ["PIIX4"]
    assert len(items(root, 23)) == 1
    assert root.findtext(".//vbox:OSType", namespaces=NS) == "Debian12_64"
    assert root.find(".//vbox:Machine", NS) is None
    assert VMW not in root.nsmap.values()


def test_vendor_word_of_the_source_wins():
    guest = GuestOs(id="debian12", cim=96, vendor=("vbox:Debian_64", "vmw:debian12_64Guest\x00"))
    root = rendered(with_machine(BASES["virtualbox"], guest=guest), VIRTUALBOX)
    assert root.findtext(".//vbox:OSType", namespaces=NS) == "Debian_64"
    hostile = GuestOs(id="debian12", vendor=('vbox:<a> & "b" ]]> ovf:c',))
    root = rendered(with_machine(BASES["virtualbox"], guest=hostile), VIRTUALBOX)
    assert root.findtext(".//vbox:OSType", namespaces=NS) == '<a> & "b" ]]> ovf:c'
    root = rendered(with_machine(BASES["vmware"], guest=guest), VMWARE)
    assert (
        root.find(".//o:OperatingSystemSection", NS).get(f"{{{VMW}}}osType")
        == "debian12_64Guest\ufffd"
    )


def test_collection_has_start_order_and_unique_ids():
    root = rendered(two_machines(ControllerModel.AHCI, NicModel.E1000), VMWARE)
    collection = root.find("o:VirtualSystemCollection", NS)
    idents = [collection.get(f"{{{OVF}}}id")]
    idents += [s.get(f"{{{OVF}}}id") for s in collection.iterfind("o:VirtualSystem", NS)]
    assert idents == ["Web-server-01", "Web-server-01-2", "Web-server-01-3"]
    start = [
        {etree.QName(k).localname: v for k, v in i.attrib.items()}
        for i in collection.iterfind("o:StartupSection/o:Item", NS)
    ]
    assert [s["id"] for s in start] == ["Web-server-01-3", "Web-server-01-2"]
    assert start[0]["waitingForGuest"] == "true"
    assert start[0]["startDelay"] == "30"
    assert start[1]["stopDelay"] == "65535"


def test_portable_takes_exactly_one_machine():
    for appliance in (Appliance(name="none"), two_machines(ControllerModel.AHCI, NicModel.E1000)):
        with pytest.raises(UnsupportedError, match="exactly one"):
            render_descriptor(appliance, placed(appliance), PORTABLE)


@pytest.mark.parametrize("name", list(DIALECTS))
def test_unmapped_devices_are_refused_by_name(name):
    base = BASES[name]
    for model in set(ControllerModel) - set(DIALECTS[name].controllers):
        controllers = (msgspec.structs.replace(base.machines[0].controllers[0], model=model),)
        with pytest.raises(UnsupportedError, match=re.escape(model.value)):
            rendered(with_machine(base, controllers=controllers, drives=()), DIALECTS[name])
    for nic in set(NicModel) - set(DIALECTS[name].nics):
        with pytest.raises(UnsupportedError, match=re.escape(nic.value)):
            rendered(with_machine(base, nics=(Nic(id="n", model=nic),)), DIALECTS[name])


def test_two_drives_in_one_place_and_no_controller():
    base = BASES["portable-1"]
    for drive in (Cdrom(id="x", controller="disks0", unit=1), Cdrom(id="x", controller="none")):
        with pytest.raises(UnsupportedError):
            rendered(with_machine(base, drives=(*base.machines[0].drives, drive)), PORTABLE)


def test_blank_disk_and_disks_that_cannot_be_described():
    base = BASES["portable-1"]
    disks = placed(base)
    del disks["img1"]
    root = etree.fromstring(render_descriptor(base, disks, PORTABLE))
    blank = root.findall(".//o:Disk", NS)[1]
    assert blank.get(f"{{{OVF}}}fileRef") is None
    assert blank.get(f"{{{OVF}}}capacity") == str(2 * GIB)
    unknown = msgspec.structs.replace(base, images=(base.images[0], DiskImage(id="img1")))
    with pytest.raises(UnsupportedError, match="no size"):
        render_descriptor(unknown, disks, PORTABLE)
    with pytest.raises(UnsupportedError, match="no name for"):
        render_descriptor(base, placed(base, subformat="seSparse"), PORTABLE)


def test_products_and_licences_of_the_appliance_reach_a_single_machine_once():
    base = BASES["portable-1"]
    more = Product(name="Appliance")
    appliance = msgspec.structs.replace(base, products=(PRODUCT, more), eulas=(EULA, Eula("B")))
    root = rendered(appliance, PORTABLE)
    names = [e.text for e in root.iterfind(".//o:ProductSection/o:Product", NS)]
    assert names == [PRODUCT.name, "Appliance"]
    assert [e.text for e in root.iterfind(".//o:License", NS)] == [EULA.text, "B"]


def test_properties_keep_their_category():
    root = rendered(BASES["portable-1"], PORTABLE)
    section = root.find(".//o:ProductSection", NS)
    seen, category = [], ""
    for element in section:
        if etree.QName(element).localname == "Category":
            category = element.text
        elif etree.QName(element).localname == "Property":
            seen.append((element.get(f"{{{OVF}}}key"), category))
    assert seen == [("count", ""), ("ip", "Network"), ("secret", "Network"), ("debug", "Support")]


TEXT = st.text(max_size=40) | st.sampled_from(
    [
        '"><x/>',
        "]]>",
        "<!--",
        "&#0;",
        "../../etc",
        "a\r\nb\nc\td",
        "\ud800",
        "\x00\x1b",
        "\ufffe",
        "${x}",
    ]
)


@settings(max_examples=60, deadline=None)
@given(name=TEXT, text=TEXT, network=TEXT)
def test_hostile_text_stays_text(name, text, network):
    base = BASES["vmware"]
    product = Product(
        name=text,
        info=text,
        class_=name,
        properties=(Property(key=name, type=text, value=text, label=text, qualifiers=name),),
    )
    appliance = with_machine(
        base,
        name=name,
        annotation=text,
        eulas=(Eula(text, info=name),),
        products=(product,),
        transports=(name,),
        guest=GuestOs(id="other", version=text, description=name, vendor=(f"vmw:{text}",)),
        nics=(Nic(id="n", model=NicModel.E1000, network=network),),
    )
    root = rendered(appliance, VMWARE)
    plain = [
        etree.QName(e).text
        for e in rendered(
            with_machine(
                base,
                annotation="x" if text else "",
                eulas=(Eula("x"),),
                products=(
                    Product(
                        name="x" if text else "",
                        properties=(Property(key="x", label="x" if text else ""),),
                    ),
                ),
                nics=(Nic(id="n", model=NicModel.E1000, network=network),),
            ),
            VMWARE,
        ).iter()
    ]
    assert [etree.QName(e).text for e in root.iter()] == plain
    assert re.fullmatch(
        r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", root.find("o:VirtualSystem", NS).get(f"{{{OVF}}}id")
    )


def test_unicode_and_lines_come_back():
    text = 'Grüße\n\n\t日本 🙂 <b> & "q"\n'
    root = rendered(with_machine(BASES["vmware"], annotation=text, name="Grüße 日本"), VMWARE)
    assert root.findtext(".//o:Annotation", namespaces=NS) == text
    assert root.findtext(".//o:VirtualSystem/o:Name", namespaces=NS) == "Grüße 日本"


def test_padding():
    data = render_descriptor(BASES["vmware"], placed(BASES["vmware"]), VMWARE)
    for more in (0, 1, 2, 100):
        padded = pad_descriptor(data, len(data) + more)
        assert len(padded) == len(data) + more
        assert padded.endswith(b"\n")
        parse_xml(padded, path="x")
    with pytest.raises(LimitError):
        pad_descriptor(data, len(data) - 1)


def test_portable_folder_has_a_manifest_when_digests_are_known():
    appliance = BASES["portable-1"]
    disks = placed(appliance)
    descriptor, manifest = render_portable(appliance, disks)
    assert (descriptor.name, manifest.name) == ("Web-server-01.ovf", "Web-server-01.mf")
    assert manifest.data.decode().splitlines() == [
        f"SHA256(Web-server-01.ovf)= {hashlib.sha256(descriptor.data).hexdigest()}",
        f"SHA256(web-disk1.vmdk)= {1:064x}",
        f"SHA256(web-disk2.vmdk)= {2:064x}",
    ]
    disks["img0"] = msgspec.structs.replace(disks["img0"], sha256="")
    assert [d.name for d in render_portable(appliance, disks)] == ["Web-server-01.ovf"]
