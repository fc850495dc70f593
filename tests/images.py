"""Small sources that tests build: a raw disk, and an OVF package around disks."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path

MIB = 1024 * 1024


def raw_disk(path: Path, *, size: int = 8 * MIB, seed: int = 1, pieces: int = 12) -> Path:
    """Write a sparse raw disk with a boot signature and some scattered data."""
    chance = random.Random(seed)
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(0)
        file.write(chance.randbytes(510) + b"\x55\xaa")
        for _ in range(pieces):
            file.seek(chance.randrange(size // 4096 - 16) * 4096)
            file.write(chance.randbytes(chance.randrange(1, 12) * 4096))
        file.seek(size - 512)
        file.write(chance.randbytes(512))
    return path


def ovf(disks: Mapping[str, int], *, machine: str = "web01", extra: str = "") -> str:
    """Return a plain OVF 1.x descriptor for raw-format disks given as name → capacity."""
    files = "".join(f'<File ovf:id="f{n}" ovf:href="{name}"/>' for n, name in enumerate(disks))
    described = "".join(
        f'<Disk ovf:diskId="d{n}" ovf:fileRef="f{n}" ovf:capacity="{size}"/>'
        for n, size in enumerate(disks.values())
    )
    items = "".join(
        f"""<Item><rasd:AddressOnParent>{n}</rasd:AddressOnParent>
        <rasd:ElementName>disk {n}</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/d{n}</rasd:HostResource>
        <rasd:InstanceID>{10 + n}</rasd:InstanceID><rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType></Item>"""
        for n in range(len(disks))
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References>{files}</References>
  <DiskSection><Info>disks</Info>{described}</DiskSection>
  <NetworkSection><Info>nets</Info><Network ovf:name="lan"/></NetworkSection>
  <VirtualSystem ovf:id="{machine}"><Info>vm</Info><Name>{machine}</Name>
    <OperatingSystemSection ovf:id="96"><Info>os</Info></OperatingSystemSection>
    <VirtualHardwareSection><Info>hw</Info>
      <Item><rasd:ElementName>2 cpus</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:ElementName>memory</rasd:ElementName><rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1024</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>scsi</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType></Item>
      {items}
      <Item><rasd:Connection>lan</rasd:Connection><rasd:ElementName>nic</rasd:ElementName>
        <rasd:InstanceID>40</rasd:InstanceID><rasd:ResourceSubType>E1000</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType></Item>
    </VirtualHardwareSection>{extra}
  </VirtualSystem>
</Envelope>
"""


def manifest(files: Mapping[str, bytes]) -> bytes:
    """Return a SHA-256 manifest."""
    return "".join(
        f"SHA256({name})= {hashlib.sha256(data).hexdigest()}\n" for name, data in files.items()
    ).encode()


def tar(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write files as a ustar archive, in order."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path
