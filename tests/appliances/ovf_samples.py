"""Small descriptors, one per dialect, written for the tests of the readers."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from lxml import etree

from kensho.appliances.ovf.read import read_envelope
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.appliance import Appliance
from kensho.model.finding import Finding
from kensho.model.selection import Selection

CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
NAMESPACES = (
    'xmlns="http://schemas.dmtf.org/ovf/envelope/1" '
    'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" '
    f'xmlns:rasd="{CIM}CIM_ResourceAllocationSettingData" '
    f'xmlns:vssd="{CIM}CIM_VirtualSystemSettingData" '
    'xmlns:vmw="http://www.vmware.com/schema/ovf" '
    'xmlns:vbox="http://www.virtualbox.org/ovf/machine" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
REFERENCES = '<References><File ovf:id="file1" ovf:href="disk1.vmdk"/></References>'
DISKS = (
    "<DiskSection><Info/>"
    '<Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="8" '
    'ovf:capacityAllocationUnits="byte * 2^30" ovf:populatedSize="1000" '
    'ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>'
    "</DiskSection>"
)
NETWORKS = (
    '<NetworkSection><Info/><Network ovf:name="lan"><Description>The LAN</Description></Network>'
    "</NetworkSection>"
)


def item(
    number: object, kind: int | None, *, more: str = "", own: str = "", **fields: object
) -> str:
    """Return an Item with rasd children, in the alphabetical order of the schema."""
    if kind is not None:
        fields["ResourceType"] = kind
    fields["InstanceID"] = number
    inner = "".join(f"<rasd:{name}>{fields[name]}</rasd:{name}>" for name in sorted(fields))
    return f"<Item {more}>{inner}{own}</Item>"


CPU = item(1, 3, VirtualQuantity=2, AllocationUnits="hertz * 10^6")
MEMORY = item(2, 4, VirtualQuantity=2048, AllocationUnits="byte * 2^20")
SCSI = item(3, 6, ResourceSubType="lsilogic", Address=0)
DISK = item(4, 17, Parent=3, AddressOnParent=0, HostResource="ovf:/disk/vmdisk1")
NIC = item(5, 10, ResourceSubType="VmxNet3", Connection="lan", AddressOnParent=7)
BASE = CPU + MEMORY + SCSI + DISK + NIC


def hardware(items: str = BASE, *, system: str = "vmx-13", after: str = "", more: str = "") -> str:
    """Return a VirtualHardwareSection."""
    return (
        f"<VirtualHardwareSection {more}><Info/><System>"
        "<vssd:ElementName>x</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>"
        f"<vssd:VirtualSystemType>{system}</vssd:VirtualSystemType></System>"
        f"{items}{after}</VirtualHardwareSection>"
    )


def system(inner: str | None = None, *, name: str = "web01") -> str:
    """Return a VirtualSystem."""
    body = hardware() if inner is None else inner
    return f'<VirtualSystem ovf:id="{name}"><Info/><Name>{name}</Name>{body}</VirtualSystem>'


def envelope(
    *systems: str,
    references: str = REFERENCES,
    sections: str = DISKS + NETWORKS,
    after: str = "",
    more: str = "",
) -> str:
    """Return a whole OVF 1.x descriptor."""
    body = "".join(systems) or system()
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Envelope {NAMESPACES} {more}>'
        f"{references}{sections}{body}{after}</Envelope>"
    )


def read(
    text: str,
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> tuple[Appliance, tuple[Finding, ...]]:
    """Read a descriptor and return the appliance and all findings."""
    root, findings = parse_xml(text.encode(), path="test.ovf")
    appliance, more = read_envelope(root, selection, path="test.ovf", fallback="test")
    return appliance, (*findings, *more)


def codes(findings: Iterable[Finding]) -> set[str]:
    """Return the findings' codes."""
    return {finding.code for finding in findings}


def well_formed(text: str) -> None:
    """Assert that serialised XML can be parsed again."""
    assert etree.fromstring(text) is not None


def package_folder(folder: Path, descriptor: str, files: Mapping[str, bytes] | None = None) -> Path:
    """Write a descriptor and files beside it; return the descriptor's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    path = folder / "test.ovf"
    path.write_text(descriptor, encoding="utf-8")
    return path


def tar(path: Path, members: Iterable[tuple[str, bytes] | tarfile.TarInfo]) -> Path:
    """Write a tar archive of (name, data) and of bare headers."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return path
