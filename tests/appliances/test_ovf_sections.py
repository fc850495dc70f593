"""Structs of OVF's sections: read, write, read again; and what the writers put right."""

from __future__ import annotations

import pytest
from lxml import etree
from ovf_section_samples import HARDWARE_2, PRODUCT, SECTIONS, head

from kensho.appliances.ovf.elements import Notes, children, section_kind
from kensho.appliances.ovf.sections import (
    annotation,
    boot_device,
    deployment_option,
    disks,
    encryption,
    environment_files,
    eula,
    hardware,
    install,
    networks,
    operating_system,
    placement,
    placement_group,
    product,
    references,
    resource_allocation,
    scale_out,
    startup,
    strings,
)
from kensho.appliances.ovf.sections.parts import EPASD, OVF_NAMESPACES, RASD, Part, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part

CLASSES: tuple[type[Part], ...] = (
    annotation.AnnotationSection,
    boot_device.BootDeviceSection,
    deployment_option.DeploymentOptionSection,
    disks.DiskSection,
    disks.SharedDiskSection,
    encryption.EncryptionSection,
    environment_files.EnvironmentFilesSection,
    eula.EulaSection,
    hardware.VirtualHardwareSection,
    install.InstallSection,
    networks.NetworkSection,
    operating_system.OperatingSystemSection,
    placement.PlacementSection,
    placement_group.PlacementGroupSection,
    product.ProductSection,
    references.References,
    resource_allocation.ResourceAllocationSection,
    scale_out.ScaleOutSection,
    startup.StartupSection,
    strings.Strings,
)
BY_NAME = {cls.ELEMENT: cls for cls in CLASSES}


def section(text: str, version: int = 1) -> etree._Element:
    """Return the section inside an envelope."""
    return etree.fromstring(f"{head(version)}{text}</Envelope>")[0]


def equal(one: etree._Element, two: etree._Element) -> bool:
    """Tell whether two elements are the same XML, white space between elements aside."""

    def flat(element: etree._Element) -> object:
        if not isinstance(element.tag, str):
            return (str(element), element.text)
        text = (element.text or "").strip()
        return (element.tag, sorted(element.attrib.items()), text, [flat(e) for e in element])

    return flat(one) == flat(two)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_in_the_schemas_order_is_written_as_it_was(name: str, version: Version) -> None:
    text = SECTIONS[name][version - 1]
    if text is None:
        assert getattr(BY_NAME[name], "ONLY_2", False)
        return
    element = section(text, version)
    notes = Notes("x")
    struct = read_part(BY_NAME[name], element, notes)
    written = write_part(struct, version)
    assert equal(element, written), etree.tostring(written).decode()
    assert read_part(BY_NAME[name], written) == struct
    assert not notes.findings


def test_every_class_is_in_the_table_of_sections() -> None:
    assert set(BY_NAME) == set(SECTIONS)


def test_a_product_section_reads_as_data() -> None:
    found = read_part(product.ProductSection, section(PRODUCT))
    assert found.product is not None
    assert found.product.text == "Web"
    assert found.icons[0].width == 32
    by_key = {p.key: (c.text if c else "", p) for c, p in found.properties}
    assert list(by_key) == ["free", "ip", "pw"]
    category, ip = by_key["ip"]
    assert category == "Network"
    assert ip.vmw_qualifiers == 'Ip("lan")'
    assert ip.value == " 10.0.0.1"
    assert ip.values[0].configuration == "large"
    assert by_key["pw"][1].password
    assert found.full_key("ip") == "org.example.ip.1"


def test_hardware_reads_as_data() -> None:
    found = read_part(hardware.VirtualHardwareSection, section(HARDWARE_2, 2))
    assert found.system is not None
    assert found.system.virtual_system_type == "vmx-10 vmx-13"
    assert found.system.notes == ("one", "two")
    assert found.items[0].virtual_quantity == 1
    assert found.ethernet_items[0].allowed_to_receive_vlans == (7, 8)
    assert found.ethernet_items[0].promiscuous is False
    assert found.storage_items[0].virtual_resource_block_size == 512


def test_children_out_of_order_and_old_spellings_are_put_right() -> None:
    """VirtualBox and oVirt: order, InstanceId, names without ElementName, a wrong namespace."""
    text = (
        '<Section xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:type="ovf:VirtualHardwareSection_Type"><Info/>'
        "<Item><rasd:ResourceType>17</rasd:ResourceType><rasd:InstanceId>4</rasd:InstanceId>"
        "<rasd:Caption>disk</rasd:Caption><rasd:BusNumber>1</rasd:BusNumber></Item>"
        f'<EthernetPortItem xmlns:e="{EPASD}.xsd"><e:ResourceType>10</e:ResourceType>'
        "<e:InstanceID>5</e:InstanceID></EthernetPortItem></Section>"
    )
    notes = Notes("x")
    written = write_part(read_part(hardware.VirtualHardwareSection, section(text), notes), 2)
    assert written.tag == f"{{{OVF_NAMESPACES[2]}}}VirtualHardwareSection"
    item = next(children(written, "Item"))
    assert [e.tag.removeprefix(f"{{{RASD}}}") for e in item] == [
        "Address",
        "Caption",
        "ElementName",
        "InstanceID",
        "ResourceType",
    ]
    port = next(children(written, "EthernetPortItem"))
    assert all(e.tag.startswith(f"{{{EPASD}}}") for e in port)
    assert {f.code for f in notes.findings} == {"KF-720", "KF-722"}


def test_a_number_that_is_none_is_left_out_and_said() -> None:
    notes = Notes("x")
    text = (
        "<VirtualHardwareSection><Info/><Item><rasd:ElementName/><rasd:InstanceID>1"
        "</rasd:InstanceID><rasd:Limit>-1</rasd:Limit></Item></VirtualHardwareSection>"
    )
    found = read_part(hardware.VirtualHardwareSection, section(text), notes)
    assert found.items[0].limit is None
    assert [f.code for f in notes.findings] == ["KF-721"]
    assert "'-1'" in next(iter(notes.findings)).message


def test_unknown_xml_keeps_its_place_and_its_prefixes() -> None:
    text = (
        '<NetworkSection xmlns:a="urn:a" xmlns:b="urn:b" a:x="1"><!-- first --><Info/>'
        '<Network ovf:name="one" a:y="2"/><a:Thing kind="b:name">text <a:b/> more</a:Thing>'
        '<?pi here?><Network ovf:name="two"/><unbound:Foo/></NetworkSection>'
    )
    parser = etree.XMLParser(recover=True)
    element = etree.fromstring(f"{head(1)}{text}</Envelope>", parser)[0]
    found = read_part(networks.NetworkSection, element)
    assert [u.after for u in found.unknown] == ["", "Network[1]", "Network[1]", "Network[2]"]
    written = write_part(found, 1)
    again = etree.fromstring(etree.tostring(written))
    assert read_part(networks.NetworkSection, again) == found
    thing = again[3]
    assert thing.nsmap["b"] == "urn:b"
    assert etree.tostring(thing, with_tail=False).decode().endswith("text <a:b/> more</a:Thing>")
    assert [section_kind(e) or str(e) for e in again] == [
        *("<!-- first -->", "Info", "Network", "Thing", "<?pi here?>", "Network", "Foo")
    ]


def test_ovfs_own_namespace_inside_unknown_xml_follows_the_version() -> None:
    text = (
        '<VirtualHardwareSection><Info/><vmw:Config ovf:required="false" vmw:key="k"/>'
        "</VirtualHardwareSection>"
    )
    found = read_part(hardware.VirtualHardwareSection, section(text))
    config = write_part(found, 2)[1]
    assert config.get(f"{{{OVF_NAMESPACES[2]}}}required") == "false"
    assert read_part(hardware.VirtualHardwareSection, write_part(found, 2)) == found


def test_a_section_of_ovf_2_inside_an_envelope_of_ovf_1() -> None:
    """VMware writes ovf2:PlacementGroupSection with an Info of OVF 1."""
    text = (
        '<ovf2:PlacementGroupSection xmlns:ovf2="http://schemas.dmtf.org/ovf/envelope/2" '
        'ovf2:id="g" ovf2:policy="affinity" ovf:required="false"><Info>i</Info>'
        "<ovf2:Description>d</ovf2:Description></ovf2:PlacementGroupSection>"
    )
    found = read_part(placement_group.PlacementGroupSection, section(text))
    assert (found.id, found.policy, found.info.text, found.required) == (
        *("g", "affinity", "i", False),
    )
    assert found.description is not None
    assert not found.unknown
