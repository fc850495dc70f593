"""A small package with everything that is asked at deployment."""

from __future__ import annotations

from pathlib import Path

SECRET = "correct-horse"
PROPERTIES = """
<ProductSection ovf:class="com.example" ovf:instance="1"><Info/><Product>App</Product>
<Property ovf:key="hostname" ovf:type="string" ovf:userConfigurable="true"
  ovf:qualifiers="MinLen(1)"/>
<Property ovf:key="port" ovf:type="uint16" ovf:userConfigurable="true"/>
<Property ovf:key="root_password" ovf:type="string" ovf:userConfigurable="true"
  ovf:password="true" ovf:value="factory-default" ovf:qualifiers="MinLen(8)"/>
<Property ovf:key="ip0" ovf:type="string" ovf:userConfigurable="true"
  vmw:qualifiers="Ip('VM Network')"/>
<Property ovf:key="build" ovf:type="string" ovf:value="7"/>
</ProductSection>
<ProductSection><Info/>
<Property ovf:key="disksize" ovf:type="uint32" ovf:value="64" ovf:userConfigurable="true"/>
</ProductSection>"""
EULA = "<EulaSection><Info>Terms</Info><License>Be good, be très good.</License></EulaSection>"
OPTIONS = """
<DeploymentOptionSection><Info/>
<Configuration ovf:id="small" ovf:default="true"><Label/><Description/></Configuration>
<Configuration ovf:id="large"><Label/><Description/></Configuration>
</DeploymentOptionSection>"""
GOOD = ("hostname=web", "port=443", "root_password=@env:KENSHO_TEST_PW")
CD = """<Item><rasd:AddressOnParent>1</rasd:AddressOnParent><rasd:ElementName>ide</rasd:ElementName>
<rasd:InstanceID>8</rasd:InstanceID><rasd:ResourceType>5</rasd:ResourceType></Item>
<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>cd</rasd:ElementName>
<rasd:InstanceID>9</rasd:InstanceID><rasd:Parent>8</rasd:Parent>
<rasd:ResourceType>15</rasd:ResourceType></Item>"""


def _system(name: str, transport: str, products: str, more: str, items: str) -> str:
    attribute = f' ovf:transport="{transport}"' if transport else ""
    return f"""
<VirtualSystem ovf:id="{name}"><Info/><Name>{name}</Name>
<OperatingSystemSection ovf:id="96"><Info/></OperatingSystemSection>
<VirtualHardwareSection{attribute}><Info/>
<Item><rasd:ElementName>cpu</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
<rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
<Item ovf:configuration="large"><rasd:ElementName>cpu</rasd:ElementName>
<rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
<rasd:VirtualQuantity>4</rasd:VirtualQuantity></Item>
<Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:ElementName>m</rasd:ElementName>
<rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>
<rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item>
<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>scsi</rasd:ElementName>
<rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>
<rasd:ResourceType>6</rasd:ResourceType></Item>
<Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>disk</rasd:ElementName>
<rasd:HostResource>ovf:/disk/d1</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID>
<rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
<Item><rasd:AddressOnParent>7</rasd:AddressOnParent>
<rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
<rasd:Connection>VM Network</rasd:Connection><rasd:ElementName>nic</rasd:ElementName>
<rasd:InstanceID>5</rasd:InstanceID><rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
<rasd:ResourceType>10</rasd:ResourceType></Item>{items}
</VirtualHardwareSection>{products}{more}</VirtualSystem>"""


def package(
    folder: Path,
    *,
    transport: str = "iso",
    products: str = PROPERTIES,
    eula: str = "",
    options: str = "",
    siblings: int = 0,
    items: str = "",
    disk: str = "",
) -> Path:
    """Write a package; return its descriptor.

    Its disk is the VMDK ``disk`` beside it, or a blank one of ``${disksize}`` MiB.
    """
    file = f'<File ovf:id="f1" ovf:href="{disk}"/>' if disk else ""
    reference = ' ovf:fileRef="f1"' if disk else ""
    systems = _system("web", transport, products, eula, items)
    if siblings:
        port = '<Property ovf:key="port" ovf:type="uint16" ovf:userConfigurable="true"'
        db = f"<ProductSection><Info/>{port} ovf:value='5432'/></ProductSection>"
        systems += "".join(_system(f"db{n}", transport, db, "", "") for n in range(siblings))
        systems = (
            '<VirtualSystemCollection ovf:id="app"><Info/><ProductSection><Info/>'
            '<Property ovf:key="site" ovf:type="string" ovf:value="lab"'
            ' ovf:userConfigurable="true"/></ProductSection>'
            f"{systems}</VirtualSystemCollection>"
        )
    size = "${disksize}" if "disksize" in products else "64"
    path = folder / "app.ovf"
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vmw="http://www.vmware.com/schema/ovf">
<References>{file}</References>
<DiskSection><Info/><Disk ovf:diskId="d1"{reference} ovf:capacity="{size}"
 ovf:capacityAllocationUnits="byte * 2^20"
 ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
</DiskSection>
<NetworkSection><Info/><Network ovf:name="VM Network"/><Network ovf:name="Storage"/></NetworkSection>
{options}{systems}</Envelope>""",
        encoding="utf-8",
    )
    return path
