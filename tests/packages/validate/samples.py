"""A package without a fault, and pieces to break it with."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from kensho.packages.validate.engine import validate
from kensho.packages.validate.rule import Mode, Violation
from kensho.packages.validate.subject import Subject, read_subject

CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
SIZE = 4 * 1024 * 1024
STREAM = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
GOOD = f"""<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="{CIM}CIM_ResourceAllocationSettingData"
  xmlns:vssd="{CIM}CIM_VirtualSystemSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf"
  xmlns:vbox="http://www.virtualbox.org/ovf/machine"
  xmlns:xenovf="http://schemas.citrix.com/ovf/envelope/1"
  xmlns:acme="http://example.org/acme"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <References>
    <File ovf:href="disk1.vmdk" ovf:id="file1" ovf:size="@SIZE@"/>
  </References>
  <DiskSection>
    <Info>Disks</Info>
    <Disk ovf:capacity="{SIZE}" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="{STREAM}"/>
  </DiskSection>
  <NetworkSection>
    <Info>Networks</Info>
    <Network ovf:name="lan"><Description>The LAN</Description></Network>
  </NetworkSection>
  <VirtualSystem ovf:id="web01">
    <Info>A machine</Info>
    <Name>web01</Name>
    <OperatingSystemSection ovf:id="96"><Info>Guest</Info></OperatingSystemSection>
    <VirtualHardwareSection ovf:transport="iso">
      <Info>Hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>web01</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-13</vssd:VirtualSystemType>
      </System>
      <Item>
        <rasd:ElementName>2 processors</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>2</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:ElementName>memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1024</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:ElementName>SATA</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>AHCI</rasd:ResourceSubType>
        <rasd:ResourceType>20</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>disk</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>7</rasd:AddressOnParent>
        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
        <rasd:Connection>lan</rasd:Connection>
        <rasd:ElementName>adapter</rasd:ElementName>
        <rasd:InstanceID>5</rasd:InstanceID>
        <rasd:ResourceSubType>E1000</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType>
      </Item>
    </VirtualHardwareSection>
    <ProductSection>
      <Info>Product</Info>
      <Product>Web</Product>
      <Property ovf:key="hostname" ovf:type="string" ovf:value="web"/>
    </ProductSection>
    <EulaSection><Info>Licence</Info><License>Be good.</License></EulaSection>
  </VirtualSystem>
</Envelope>
"""
#: Where pieces go.
ITEMS_END = "    </VirtualHardwareSection>"
SYSTEM_END = "  </VirtualSystem>\n"
CONTENT = '  <VirtualSystem ovf:id="web01">'


def changed(*changes: tuple[str, str], base: str = GOOD) -> str:
    """Return the descriptor with texts replaced; each must be there."""
    for old, new in changes:
        assert old in base, old
        base = base.replace(old, new, 1)
    return base


def item(number: object, kind: int, more: str = "", attributes: str = "") -> str:
    """Return an item with its properties in order; ``more`` as in ``Parent=3 …``."""
    fields = {"ElementName": "x", "InstanceID": str(number), "ResourceType": str(kind)}
    fields |= dict(part.split("=", 1) for part in more.split("|") if part)
    inner = "".join(f"<rasd:{n}>{fields[n]}</rasd:{n}>" for n in sorted(fields))
    return f"      <Item {attributes}>{inner}</Item>\n"


def with_items(*items: str) -> tuple[str, str]:
    """Return the change that adds items."""
    return ITEMS_END, "".join(items) + ITEMS_END


def subject(text: str) -> Subject:
    """Return the descriptor, read alone."""
    return read_subject(text.replace("@SIZE@", "4096").encode(), "test.ovf")


def found(text: str, mode: Mode = Mode.STRICT) -> tuple[Violation, ...]:
    """Return what is wrong with the descriptor alone."""
    return validate(subject(text), mode)


def codes(text: str, mode: Mode = Mode.STRICT) -> set[str]:
    """Return the codes of it."""
    return {violation.code for violation in found(text, mode)}


def vmdk(path: Path, size: int = SIZE) -> bytes:
    """Return a small streamOptimized VMDK; ``path`` is where it may be made."""
    from kensho.disks import open_disk
    from kensho.disks.transfer import How, Target, write_disk
    from kensho.storage import MemorySource

    reader = open_disk(MemorySource(b"\x55" * 512 + bytes(size - 512)), format="raw")
    write_disk(reader, path, Target("vmdk", "streamOptimized", size), How(identity=b"x"))
    data = path.read_bytes()
    path.unlink()
    return data


def package(
    folder: Path,
    text: str = GOOD,
    *,
    files: Mapping[str, bytes] | None = None,
    manifest: str | None = "SHA256",
    ova: bool = False,
    size: int = SIZE,
) -> Path:
    """Write a package with its disk, and a manifest in the given algorithm's spelling."""
    folder.mkdir(parents=True, exist_ok=True)
    names = dict(files) if files is not None else {"disk1.vmdk": vmdk(folder / "x.vmdk", size)}
    if "disk1.vmdk" in names:
        text = text.replace("@SIZE@", str(len(names["disk1.vmdk"])))
    data = {"test.ovf": text.replace("@SIZE@", "1").encode(), **names}
    if manifest is not None:
        word = manifest.strip().replace("SHA2-", "SHA").lower()
        lines = [f"{manifest}({n})= {hashlib.new(word, d).hexdigest()}\n" for n, d in data.items()]
        data = {"test.ovf": data["test.ovf"], "test.mf": "".join(lines).encode(), **names}
    if ova:
        with tarfile.open(folder / "test.ova", "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in data.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return folder / "test.ova"
    for name, content in data.items():
        (folder / name).write_bytes(content)
    return folder / "test.ovf"


def zipped(data: bytes) -> bytes:
    """Return the bytes packed with gzip."""
    return gzip.compress(data, mtime=0)
