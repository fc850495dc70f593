"""One document per OVF version with every section and field, written for the tests of structs."""

from __future__ import annotations

CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"
ENVELOPE = (
    '<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/{version}" '
    'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/{version}" '
    f'xmlns:rasd="{CIM}ResourceAllocationSettingData" '
    f'xmlns:vssd="{CIM}VirtualSystemSettingData" '
    f'xmlns:sasd="{CIM}StorageAllocationSettingData" '
    f'xmlns:epasd="{CIM}EthernetPortAllocationSettingData" '
    f'xmlns:bootc="{CIM}BootConfigSetting" xmlns:boots="{CIM}BootSourceSetting" '
    'xmlns:vmw="http://www.vmware.com/schema/ovf" xml:lang="en-US">'
)
REFERENCES = """<References>
  <File ovf:id="file1" ovf:href="disk1.vmdk" ovf:size="1000" ovf:chunkSize="500"/>
  <File ovf:id="file2" ovf:href="disk2.vmdk.gz" ovf:compression="gzip"/>
  <File ovf:id="icon" ovf:href="icon.png"/>
</References>"""
DISKS = """<DiskSection>
  <Info ovf:msgid="disks">The disks</Info>
  <Disk ovf:diskId="disk1" ovf:fileRef="file1" ovf:capacity="8"
    ovf:capacityAllocationUnits="byte * 2^30" ovf:populatedSize="1000"
    ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  <Disk ovf:diskId="disk2" ovf:fileRef="file2" ovf:capacity="${size}" ovf:parentRef="disk1"/>
</DiskSection>"""
NETWORKS = """<NetworkSection>
  <Info>The networks</Info>
  <Network ovf:name="lan"><Description ovf:msgid="lan">The LAN</Description></Network>
  <!-- a second one -->
  <Network ovf:name="wan"/>
</NetworkSection>"""
OPTIONS = """<DeploymentOptionSection>
  <Info>Sizes</Info>
  <Configuration ovf:id="small"><Label>Small</Label><Description>One</Description></Configuration>
  <Configuration ovf:id="large" ovf:default="true">
    <Label>Large</Label><Description>Two</Description>
  </Configuration>
</DeploymentOptionSection>"""
ANNOTATION = """<AnnotationSection ovf:required="false">
  <Info>A note</Info>
  <Annotation>Two
lines</Annotation>
</AnnotationSection>"""
EULA = "<EulaSection><Info/><License ovf:msgid='l'>Do as you like.</License></EulaSection>"
PRODUCT = """<ProductSection ovf:class="org.example" ovf:instance="1">
  <Info>About it</Info>
  <Product>Web</Product><Vendor>Example</Vendor><Version>1.2</Version>
  <FullVersion>1.2.3</FullVersion><ProductUrl>http://a</ProductUrl>
  <VendorUrl>http://b</VendorUrl><AppUrl>http://${ip}</AppUrl>
  <Icon ovf:height="32" ovf:width="32" ovf:mimeType="image/png" ovf:fileRef="icon"/>
  <Property ovf:key="free" ovf:type="string"/>
  <Category ovf:msgid="net">Network</Category>
  <Property ovf:key="ip" ovf:type="string" ovf:qualifiers="MinLen(7)" vmw:qualifiers='Ip("lan")'
    ovf:userConfigurable="true" ovf:value=" 10.0.0.1">
    <Label>Address</Label><Description>IPv4</Description>
    <Value ovf:value="10.0.0.2" ovf:configuration="large"/>
  </Property>
  <Category>Secrets</Category>
  <Property ovf:key="pw" ovf:type="string" ovf:password="true" ovf:userConfigurable="true"/>
</ProductSection>"""
SYSTEM = """<OperatingSystemSection ovf:id="96" ovf:version="12" vmw:osType="debian12_64Guest">
  <Info>The guest</Info><Description>Debian</Description>
</OperatingSystemSection>"""
INSTALL = (
    '<InstallSection ovf:initialBootStopDelay="300"><Info>Installs itself</Info></InstallSection>'
)
STARTUP = """<StartupSection><Info>Order</Info>
  <Item ovf:id="vm" ovf:order="1" ovf:startDelay="30" ovf:waitingForGuest="true"
    ovf:stopDelay="60" ovf:startAction="none" ovf:stopAction="guestShutdown"/>
  <Item ovf:id="inner" ovf:order="0"/>
</StartupSection>"""
ALLOCATION = """<ResourceAllocationSection><Info>Together</Info>
  <Item ovf:bound="max"><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
    <rasd:ElementName>Memory</rasd:ElementName><rasd:InstanceID>0</rasd:InstanceID>
    <rasd:Limit>4096</rasd:Limit><rasd:Reservation>1024</rasd:Reservation>
    <rasd:ResourceType>4</rasd:ResourceType><rasd:Weight>5</rasd:Weight></Item>
</ResourceAllocationSection>"""
_HARDWARE = """<VirtualHardwareSection ovf:id="h1" ovf:transport="iso com.vmware.guestInfo">
  <Info>The hardware</Info>
  <System>
    <vssd:AutomaticStartupAction>2</vssd:AutomaticStartupAction><vssd:Caption>c</vssd:Caption>
    <vssd:ElementName>Family</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
    <vssd:Notes>one</vssd:Notes><vssd:Notes>two</vssd:Notes>
    <vssd:VirtualSystemIdentifier>vm</vssd:VirtualSystemIdentifier>
    <vssd:VirtualSystemType>vmx-10 vmx-13</vssd:VirtualSystemType>
  </System>
  <Item ovf:configuration="small" ovf:bound="min"><rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>
    <rasd:Caption>1 CPU</rasd:Caption><rasd:Description>CPUs</rasd:Description>
    <rasd:ElementName>1 CPU</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
    <rasd:Reservation>100</rasd:Reservation><rasd:ResourceType>3</rasd:ResourceType>
    <rasd:VirtualQuantity>1</rasd:VirtualQuantity><vmw:CoresPerSocket ovf:required="false">1</vmw:CoresPerSocket></Item>
  <Item><rasd:Address>0</rasd:Address><rasd:ConsumerVisibility>2</rasd:ConsumerVisibility>
    <rasd:ElementName>SCSI</rasd:ElementName><rasd:InstanceID>3</rasd:InstanceID>
    <rasd:ResourceSubType>lsilogic</rasd:ResourceSubType><rasd:ResourceType>6</rasd:ResourceType></Item>
  {items}
  <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
</VirtualHardwareSection>"""
ITEMS_1 = """<Item><rasd:AddressOnParent>0</rasd:AddressOnParent>
    <rasd:ElementName>Disk</rasd:ElementName><rasd:HostResource>ovf:/disk/disk1</rasd:HostResource>
    <rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent>
    <rasd:ResourceType>17</rasd:ResourceType></Item>
  <Item ovf:required="false"><rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
    <rasd:Connection>lan</rasd:Connection><rasd:Connection>wan</rasd:Connection>
    <rasd:ElementName>NIC</rasd:ElementName><rasd:InstanceID>5</rasd:InstanceID>
    <rasd:ResourceSubType>E1000</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType></Item>"""
ITEMS_2 = """<EthernetPortItem ovf:required="false"><epasd:Address>00:11:22:33:44:55</epasd:Address>
    <epasd:AllowedToReceiveVLANs>7</epasd:AllowedToReceiveVLANs>
    <epasd:AllowedToReceiveVLANs>8</epasd:AllowedToReceiveVLANs>
    <epasd:AutomaticAllocation>true</epasd:AutomaticAllocation>
    <epasd:Connection>lan</epasd:Connection><epasd:DefaultPortVID>7</epasd:DefaultPortVID>
    <epasd:ElementName>NIC</epasd:ElementName><epasd:InstanceID>5</epasd:InstanceID>
    <epasd:Promiscuous>false</epasd:Promiscuous><epasd:ResourceSubType>E1000</epasd:ResourceSubType>
    <epasd:ResourceType>10</epasd:ResourceType>
    <epasd:VSITypeID>9</epasd:VSITypeID><epasd:VSITypeIDVersion>1</epasd:VSITypeIDVersion>
  </EthernetPortItem>
  <StorageItem><sasd:Access>3</sasd:Access><sasd:AddressOnParent>0</sasd:AddressOnParent>
    <sasd:ElementName>Disk</sasd:ElementName><sasd:Generation>4</sasd:Generation>
    <sasd:HostResource>ovf:/disk/disk1</sasd:HostResource>
    <sasd:InstanceID>4</sasd:InstanceID><sasd:Parent>3</sasd:Parent>
    <sasd:ResourceType>17</sasd:ResourceType>
    <sasd:VirtualResourceBlockSize>512</sasd:VirtualResourceBlockSize></StorageItem>"""
HARDWARE_1 = _HARDWARE.replace("{items}", ITEMS_1)
HARDWARE_2 = _HARDWARE.replace("{items}", ITEMS_2)
NETWORKS_2 = """<NetworkSection><Info/><Network ovf:name="lan"><Description>LAN</Description>
  <NetworkPortProfile><Item><epasd:AllocationUnits>bit / second * 10^9</epasd:AllocationUnits>
    <epasd:ElementName>10 Gbit</epasd:ElementName><epasd:InstanceID>p1</epasd:InstanceID>
    <epasd:NetworkPortProfileID>profile1</epasd:NetworkPortProfileID>
    <epasd:NetworkPortProfileIDType>2</epasd:NetworkPortProfileIDType>
    <epasd:Reservation>1</epasd:Reservation></Item></NetworkPortProfile>
  <NetworkPortProfileURI>http://example.com/profile.xml</NetworkPortProfileURI>
</Network></NetworkSection>"""
SHARED_DISKS = """<SharedDiskSection><Info>Shared</Info>
  <SharedDisk ovf:diskId="shared" ovf:capacity="5" ovf:readOnly="true"/></SharedDiskSection>"""
SCALE_OUT = """<ScaleOutSection ovf:id="tier"><Info>Web tier</Info><Description>Copies</Description>
  <InstanceCount ovf:default="4" ovf:minimum="2" ovf:maximum="8"/>
  <InstanceCount ovf:default="6" ovf:configuration="large"/></ScaleOutSection>"""
PLACEMENT_GROUP = """<PlacementGroupSection ovf:id="group" ovf:policy="availability">
  <Info>Apart</Info><Description>Not on one host</Description></PlacementGroupSection>"""
PLACEMENT = '<PlacementSection ovf:group="group"><Info>In the group</Info></PlacementSection>'
ENCRYPTION = """<EncryptionSection><Info>Keys</Info>
  <xenc:EncryptedKey xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Id="k">
    <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#kw-aes256"/>
    <xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData>
    <xenc:ReferenceList><xenc:DataReference URI="disk1.vmdk"/></xenc:ReferenceList>
  </xenc:EncryptedKey></EncryptionSection>"""
BOOT_DEVICE = """<BootDeviceSection><Info>Boot</Info><bootc:CIM_BootConfigSetting>
  <bootc:Caption>order</bootc:Caption><bootc:ElementName>order</bootc:ElementName>
  <bootc:InstanceID>b0</bootc:InstanceID>
  <boots:CIM_BootSourceSetting><boots:BootString>disk</boots:BootString>
    <boots:ElementName>disk</boots:ElementName><boots:InstanceID>4</boots:InstanceID>
  </boots:CIM_BootSourceSetting>
</bootc:CIM_BootConfigSetting></BootDeviceSection>"""
ENVIRONMENT_FILES = """<EnvironmentFilesSection ovf:required="false" ovf:transport="iso">
  <Info>Files</Info><File ovf:fileRef="icon" ovf:path="pictures/icon.png"/>
</EnvironmentFilesSection>"""
STRINGS = """<Strings xml:lang="de"><Msg ovf:msgid="lan">Das LAN</Msg></Strings>
<Strings xml:lang="fr" ovf:fileRef="icon"><Msg ovf:msgid="x" ovf:fileRef="icon"/></Strings>"""

#: Every section by its name, as OVF 1 and OVF 2 write it; None: OVF 1 has no such section.
SECTIONS: dict[str, tuple[str | None, str]] = {
    "References": (REFERENCES, REFERENCES),
    "DiskSection": (DISKS, DISKS),
    "SharedDiskSection": (None, SHARED_DISKS),
    "NetworkSection": (NETWORKS, NETWORKS_2),
    "DeploymentOptionSection": (OPTIONS, OPTIONS),
    "AnnotationSection": (ANNOTATION, ANNOTATION),
    "EulaSection": (EULA, EULA),
    "ProductSection": (PRODUCT, PRODUCT),
    "OperatingSystemSection": (SYSTEM, SYSTEM),
    "InstallSection": (INSTALL, INSTALL),
    "StartupSection": (STARTUP, STARTUP),
    "ResourceAllocationSection": (ALLOCATION, ALLOCATION),
    "VirtualHardwareSection": (HARDWARE_1, HARDWARE_2),
    "ScaleOutSection": (None, SCALE_OUT),
    "PlacementGroupSection": (None, PLACEMENT_GROUP),
    "PlacementSection": (None, PLACEMENT),
    "EncryptionSection": (None, ENCRYPTION),
    "BootDeviceSection": (None, BOOT_DEVICE),
    "EnvironmentFilesSection": (None, ENVIRONMENT_FILES),
    "Strings": (STRINGS.split("\n", maxsplit=1)[0], STRINGS.split("\n")[1]),
}


def head(version: int) -> str:
    """Return the start tag of an envelope."""
    return ENVELOPE.replace("{version}", str(version))


def whole(version: int) -> bytes:
    """Return a document with everything that OVF ``version`` has, and some of a vendor's."""
    new = version == 2
    system = (
        '<VirtualSystem ovf:id="{id}"><Info>A machine</Info><Name>{id}</Name>'
        + SYSTEM
        + (HARDWARE_2 if new else HARDWARE_1)
        + INSTALL
        + PRODUCT
        + (BOOT_DEVICE + PLACEMENT + ENVIRONMENT_FILES if new else "")
        + "</VirtualSystem>"
    )
    collection = (
        '<VirtualSystemCollection ovf:id="outer"><Info>All</Info><Name ovf:msgid="n">All</Name>'
        + STARTUP
        + ALLOCATION
        + (SCALE_OUT if new else "")
        + EULA
        + system.replace("{id}", "vm")
        + '<VirtualSystemCollection ovf:id="inner"><Info/>'
        + ANNOTATION
        + system.replace("{id}", "vm2")
        + "</VirtualSystemCollection></VirtualSystemCollection>"
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- before -->'
        + head(version)
        + REFERENCES
        + DISKS
        + (SHARED_DISKS + PLACEMENT_GROUP + ENCRYPTION if new else "")
        + (NETWORKS_2 if new else NETWORKS)
        + '<vmw:StorageSection ovf:required="false"><Info>x</Info></vmw:StorageSection>'
        + OPTIONS
        + collection
        + STRINGS
        + "</Envelope><!-- after -->"
    ).encode()
