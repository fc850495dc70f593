"""Every rule finds its fault in an otherwise good descriptor, and nothing in the good one."""

from __future__ import annotations

import pytest

from kensho.packages.validate.judge import judge
from kensho.packages.validate.profiles.table import PROFILES
from kensho.packages.validate.rule import Mode
from kensho.packages.validate.table import RULES
from tests.packages.validate.samples import (
    CIM,
    CONTENT,
    SYSTEM_END,
    changed,
    codes,
    found,
    item,
    subject,
    with_items,
)

NS1 = "http://schemas.dmtf.org/ovf/envelope/1"
SECTION_OF_OPTIONS = "<DeploymentOptionSection><Info/>{}</DeploymentOptionSection>\n" + CONTENT
OPTION = '<Configuration ovf:id="{}"{}><Label>x</Label><Description>x</Description></Configuration>'
PROPERTY = '<Property ovf:key="hostname" ovf:type="string" ovf:value="web"/>'
DISK = '<Disk ovf:capacity="4194304" ovf:diskId="vmdisk1" ovf:fileRef="file1"'
FILE = '<File ovf:href="disk1.vmdk" ovf:id="file1" ovf:size="@SIZE@"/>'
COLLECTION = (
    ("  <VirtualSystem ", '  <VirtualSystemCollection ovf:id="all"><Info/>\n  <VirtualSystem '),
    ("  </VirtualSystem>", "  </VirtualSystem></VirtualSystemCollection>"),
)
EFI = '<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>'

FAULTS: dict[str, tuple[tuple[str, str], ...]] = {
    "KF-600": (('encoding="UTF-8"', 'encoding="utf-16"'),),
    "KF-601": (("<Name>web01</Name>", "<Name>web01</Name><nope:x ovf:required='false'/>"),),
    "KF-602": ((f'xmlns="{NS1}"', 'xmlns="urn:x"'), (f'xmlns:ovf="{NS1}"', 'xmlns:ovf="urn:x"')),
    "KF-603": (
        (f'xmlns="{NS1}"', f'xmlns="{NS1}/"'),
        (f'xmlns:ovf="{NS1}"', f'xmlns:ovf="{NS1}/"'),
    ),
    "KF-604": (
        (f'xmlns="{NS1}"', 'xmlns="http://www.vmware.com/schema/ovf/1/envelope"'),
        (f'xmlns:ovf="{NS1}"', 'xmlns:ovf="http://www.vmware.com/schema/ovf/1/envelope"'),
    ),
    "KF-605": ((' ovf:name="lan"', ' name="lan"'),),
    "KF-606": (('<VirtualSystem ovf:id="web01">', "<Other>"), ("</VirtualSystem>", "</Other>")),
    "KF-607": ((SYSTEM_END, SYSTEM_END + '<VirtualSystem ovf:id="b"><Info/></VirtualSystem>'),),
    "KF-608": ((f"<References>\n    {FILE}\n  </References>", ""),),
    "KF-609": (("</Envelope>", "<NetworkSection><Info/></NetworkSection></Envelope>"),),
    "KF-610": ((' ovf:href="disk1.vmdk"', ""),),
    "KF-611": ((FILE, FILE + FILE.replace("disk1", "disk2")),),
    "KF-612": (('ovf:size="@SIZE@"', 'ovf:size="-2"'),),
    "KF-613": (('ovf:fileRef="file1"', 'ovf:fileRef="file9"'),),
    "KF-614": (
        ("<DiskSection>", '<o:DiskSection xmlns:o="http://schemas.dmtf.org/ovf/envelope/2">'),
        ("</DiskSection>", "</o:DiskSection>"),
    ),
    "KF-615": ((CONTENT, "<Section><Info/></Section>" + CONTENT),),
    "KF-616": (("<Info>Networks</Info>", ""),),
    "KF-617": ((SYSTEM_END, "<DiskSection><Info/></DiskSection>" + SYSTEM_END),),
    "KF-618": ((SYSTEM_END, "<acme:NewSection><Info/></acme:NewSection>" + SYSTEM_END),),
    "KF-619": (("<Info>Disks</Info>", "<Info>Disks</Info><acme:New/>"),),
    "KF-620": (("  <NetworkSection>", "<NetworkSection><Info/></NetworkSection><NetworkSection>"),),
    "KF-621": (("disk1.vmdk", "../disk1.vmdk"),),
    "KF-622": (("disk1.vmdk", "https://example.org/disk1.vmdk"),),
    "KF-623": ((' ovf:size="@SIZE@"', ""),),
    "KF-626": ((" ovf:size=", ' ovf:compression="bzip2" ovf:size='),),
    "KF-628": ((FILE, FILE + FILE.replace("file1", "file2")),),
    "KF-629": ((FILE, FILE + '<File ovf:id="x" ovf:href="x.txt" ovf:size="1"/>'),),
    "KF-630": (('ovf:capacity="4194304"', 'ovf:capacity="4" ovf:capacityAllocationUnits="MB"'),),
    "KF-631": (('ovf:capacity="4194304"', 'ovf:capacity="${none}"'),),
    "KF-632": (("http://www.vmware.com/interfaces", "http://example.org/other"),),
    "KF-633": (
        ("</DiskSection>", DISK.replace("vmdisk1", "vmdisk2") + ' ovf:format="x"/></DiskSection>'),
    ),
    "KF-634": ((' ovf:fileRef="file1"', ' ovf:fileRef="file1" ovf:parentRef="vmdisk1"'),),
    "KF-638": ((' ovf:fileRef="file1"', ' ovf:fileRef="file1" ovf:populatedSize="5000000"'),),
    "KF-640": (("<rasd:Connection>lan", "<rasd:Connection>wan"),),
    "KF-641": (("<rasd:Connection>lan</rasd:Connection>", ""),),
    "KF-642": (
        ('<VirtualHardwareSection ovf:transport="iso">', '<acme:Hw ovf:required="false">'),
        ("</VirtualHardwareSection>", "</acme:Hw>"),
    ),
    "KF-643": (("<vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType>", ""),),
    "KF-644": (("<rasd:InstanceID>5</rasd:InstanceID>", ""),),
    "KF-645": (("<rasd:InstanceID>5<", "<rasd:InstanceID>4<"),),
    "KF-646": (("<rasd:ElementName>adapter</rasd:ElementName>", ""),),
    "KF-647": (("<rasd:ResourceType>10</rasd:ResourceType>", ""),),
    "KF-648": (("<rasd:InstanceID>5</rasd:InstanceID>", "<rasd:InstanceId>5</rasd:InstanceId>"),),
    "KF-649": (
        (
            "<rasd:ElementName>disk</rasd:ElementName>",
            "<rasd:ElementName>disk</rasd:ElementName><rasd:Caption>x</rasd:Caption>",
        ),
    ),
    "KF-650": (("<rasd:Parent>3</rasd:Parent>", "<rasd:Parent>3</rasd:Parent><acme:x/>"),),
    "KF-651": (("Quantity>1024<", "Quantity>a thousand<"),),
    "KF-652": (with_items(item(2, 4, "VirtualQuantity=1", 'ovf:bound="least"')),),
    "KF-653": (with_items(item(9, 4, "VirtualQuantity=1", 'ovf:bound="min"')),),
    "KF-654": (("<rasd:Parent>3<", "<rasd:Parent>33<"),),
    "KF-655": (("<rasd:Parent>3</rasd:Parent>", ""),),
    "KF-656": (("ovf:/disk/vmdisk1", "ovf:/disk/other"),),
    "KF-657": (("ovf:/disk/vmdisk1", "/disk/vmdisk1"),),
    "KF-658": (("byte * 2^20", "MegaBytes"),),
    "KF-659": (("<rasd:ResourceType>4<", "<rasd:ResourceType>24<"),),
    "KF-660": (
        ("<rasd:ElementName>disk<", f'<r:ElementName xmlns:r="{CIM}CIM_Wrong">disk<'),
        ("disk</rasd:ElementName>", "disk</r:ElementName>"),
    ),
    "KF-661": ((PROPERTY, PROPERTY.replace('"string"', '"ip"').replace("web", "10.0.0.1")),),
    "KF-662": ((PROPERTY, PROPERTY.replace('"string"', '"nosuchtype"')),),
    "KF-663": ((PROPERTY, PROPERTY.replace('"string"', '"uint8"').replace("web", "256")),),
    "KF-664": (("<rasd:VirtualQuantity>2</rasd:VirtualQuantity>", ""),),
    "KF-665": (with_items(item(9, 4, "AllocationUnits=byte * 2^20|VirtualQuantity=5")),),
    "KF-666": (("<vssd:InstanceID>0</vssd:InstanceID>", ""),),
    "KF-667": (
        (' ovf:transport="iso"', ""),
        (PROPERTY, PROPERTY.replace("<Property", '<Property ovf:userConfigurable="true"')),
    ),
    "KF-668": (with_items(item(9, 15, "Parent=3|AddressOnParent=0")),),
    "KF-669": (("<rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>", ""),),
    "KF-670": (
        (
            CONTENT,
            SECTION_OF_OPTIONS.format(
                OPTION.format("a", ' ovf:default="true"') + OPTION.format("b", ' ovf:default="1"')
            ),
        ),
    ),
    "KF-671": (
        *COLLECTION,
        (
            "</VirtualSystemCollection>",
            (
                '<StartupSection><Info/><Item ovf:id="web01"/></StartupSection>'
                "</VirtualSystemCollection>"
            ),
        ),
    ),
    "KF-672": (("</Envelope>", "<Strings/></Envelope>"),),
    "KF-673": (("<Product>Web</Product>", '<Product ovf:msgid="p"/>'),),
    "KF-674": ((SYSTEM_END, "<BootDeviceSection><Info/></BootDeviceSection>" + SYSTEM_END),),
    "KF-675": (with_items(item(2, 4, "VirtualQuantity=2000", 'ovf:bound="min"')),),
    "KF-676": ((PROPERTY, PROPERTY.replace("<Property", '<Property ovf:qualifiers="Odd(1)"')),),
    "KF-677": ((PROPERTY, PROPERTY.replace("hostname", "net.hostname")),),
    "KF-678": ((SYSTEM_END, "<ProductSection><Info/></ProductSection>" + SYSTEM_END),),
    "KF-679": ((PROPERTY, PROPERTY.replace("<Property", '<Property ovf:password="true"')),),
    "KF-680": (("<License>Be good.</License>", ""),),
    "KF-681": (
        ('<OperatingSystemSection ovf:id="96"><Info>Guest</Info></OperatingSystemSection>', ""),
    ),
    "KF-682": (
        (
            CONTENT,
            '<VirtualSystemCollection ovf:id="c"><Info/></VirtualSystemCollection>' + CONTENT,
        ),
    ),
    "KF-683": (
        *COLLECTION,
        (
            "</VirtualSystemCollection>",
            (
                '<ScaleOutSection ovf:id="s"><Info/><InstanceCount ovf:minimum="4" ovf:maximum="2"/>'
                "</ScaleOutSection></VirtualSystemCollection>"
            ),
        ),
    ),
    "KF-684": (
        (SYSTEM_END, '<PlacementSection ovf:group="none"><Info/></PlacementSection>' + SYSTEM_END),
    ),
    "KF-685": (
        (
            CONTENT,
            '<EncryptionSection><Info/><x:CipherReference xmlns:x="urn:x" URI="none.vmdk"/>'
            "</EncryptionSection>" + CONTENT,
        ),
    ),
    "KF-686": (
        ("<Product>Web</Product>", '<Product ovf:msgid="p">Web</Product>'),
        ("</Envelope>", '<Strings xml:lang="de"/></Envelope>'),
    ),
    "KF-687": (("<Info>Hardware</Info>", "<Info>Hardware</Info>" + EFI),),
    "KF-688": ((FILE, FILE + '<File ovf:id="n" ovf:href="x.nvram" ovf:size="1"/>'),),
    "KF-689": ((SYSTEM_END, "<vmw:BootOrderSection><Info/></vmw:BootOrderSection>" + SYSTEM_END),),
    "KF-694": (with_items(item(9, 32768)),),
}
#: Found only with the package's files: test_files.py.
WITH_FILES = {
    *("KF-624", "KF-625", "KF-627", "KF-635", "KF-636", "KF-637", "KF-639"),
    *("KF-690", "KF-691", "KF-692", "KF-693", "KF-695"),
}


@pytest.mark.parametrize("mode", list(Mode))
def test_a_good_descriptor_has_no_fault(mode):
    assert found(changed(), mode) == ()


def test_every_rule_has_a_case():
    assert {rule.code for rule in RULES} == set(FAULTS) | WITH_FILES


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_is_found(code):
    text = changed(*FAULTS[code])
    violations = [v for v in found(text) if v.code == code]
    assert violations, codes(text)
    violation = violations[0]
    lines = text.splitlines()
    assert 1 <= violation.line <= len(lines)
    assert violation.file == "test.ovf"
    assert violation.clause
    assert violation.fix


def test_the_line_is_where_the_fault_is():
    text = changed(("<rasd:Connection>lan", "<rasd:Connection>wan"))
    (violation,) = [v for v in found(text) if v.code == "KF-640"]
    assert "<Item>" in text.splitlines()[violation.line - 1]
    assert "wan" in "".join(text.splitlines()[violation.line - 1 : violation.line + 8])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_modes_only_become_milder(rule):
    order = [None, "note", "warning", "error"]
    ranks = [
        order.index(s and s.value) for s in (rule.grade.strict, rule.grade.spec, rule.grade.lax)
    ]
    assert ranks == sorted(ranks, reverse=True)


def test_vendors_settings_are_not_judged_by_ovfs_rules():
    text = changed(
        (
            SYSTEM_END,
            '<vbox:Machine ovf:required="false"><Hardware><CPU count="2" required="perhaps" '
            'fileRef="none"/></Hardware></vbox:Machine>' + SYSTEM_END,
        )
    )
    assert codes(text) == set()


def test_thousands_of_faults_end():
    text = changed((FILE, "".join(f'<File ovf:href="{n}"/>' for n in range(3000))))
    assert sum(v.code == "KF-610" for v in found(text)) == 1000


def test_many_items_of_one_id_and_place_end():
    items = (
        item(9, 15, "Parent=3|AddressOnParent=5", f'ovf:configuration="o{n}"') for n in range(2_000)
    )
    disks = "".join(f'<Disk ovf:diskId="d{n}" ovf:fileRef="f{n}"/>' for n in range(2_000))
    files = "".join(f'<File ovf:id="f{n}" ovf:href="{n}"/>' for n in range(2_000))
    text = changed(with_items(*items), (FILE, files), ("</DiskSection>", disks + "</DiskSection>"))
    assert found(text)
    assert all(len(v.message) < 1000 for v in found(text))
    for target in ("portable-1", "xcp-ng"):
        judge(subject(text), PROFILES[target])


def test_thousands_of_collections_end():
    text = changed(
        (CONTENT, "<VirtualSystemCollection><Info/></VirtualSystemCollection>" * 5_000 + CONTENT)
    )
    assert found(text)


def test_no_regular_expression_is_slow_on_hostile_text():
    text = changed(
        ("ovf:/disk/vmdisk1", "/" * 100_000), (PROPERTY, PROPERTY.replace("web", "1" * 100_000))
    )
    assert found(text)
