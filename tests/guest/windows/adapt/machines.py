"""Disks of Windows machines as their Setup leaves them, as far as an adaptation looks at them."""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from kensho.guest.windows.hive import Hive, binary, dword, expand_sz, multi_sz, new_hive, sz
from tests.guest.images_of import MIB, partitioned, put, run
from tests.guest.windows.adapt.ntfs import make_ntfs, mounted, write_tree
from tests.guest.windows.hive.samples import SECURITY
from tests.guest.windows.hives import software_hive, system_hive

CURRENT = "ControlSet001"
SIGNATURE, SECTOR = 0xB3EBA8F1, 512
DISK = uuid.UUID("8d1a5c9e-4b2f-4e61-9a77-0c5d3e2f1a90")
ESP = uuid.UUID("11111111-2222-3333-4444-555555555555")
OWN = uuid.UUID("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
LOADER = "{00000000-1111-2222-3333-444444444444}"
RESUMER = "{00000000-1111-2222-3333-555555555555}"
MANAGER = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
#: A PE file for x86-64, as far as its header tells.
EFI = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", 0x8664) + bytes(900)


@dataclass
class Made:
    """A disk: its volumes as (file, offset), by their numbers."""

    path: Path
    volumes: dict[int, tuple[Path, int]] = field(default_factory=dict)


def filled(system: Hive, *, letter: bytes) -> Hive:
    """Add to a SYSTEM hive what every machine has."""
    system.set("MountedDevices", binary(r"\DosDevices\C:", letter))
    system.set(rf"{CURRENT}\Control\CrashControl", dword("AutoReboot", 1))
    system.set(rf"{CURRENT}\Services\fvevol", dword("Start", 0))
    return system


def mbr_device(start: int, signature: int = SIGNATURE) -> bytes:
    """Return a BCD device on an MBR disk, byte by byte as the BCDEdit guide shows one."""
    return (
        bytes(16) + b"\x06\0\0\0" + bytes(4) + b"\x48\0\0\0" + bytes(4)
        + struct.pack("<Q", start) + bytes(8) + bytes(4) + b"\x01\0\0\0"
        + struct.pack("<I", signature) + bytes(12) + bytes(16)
    )  # fmt: skip


def gpt_device(partition: uuid.UUID, disk: uuid.UUID = DISK) -> bytes:
    """Return a BCD device on a GPT disk."""
    return (
        bytes(16) + b"\x06\0\0\0" + bytes(4) + b"\x48\0\0\0" + bytes(4)
        + partition.bytes_le + bytes(4) + bytes(4) + disk.bytes_le + bytes(16)
    )  # fmt: skip


def bcd_hive(system: bytes, windows: bytes, loader: str) -> Hive:
    """Return a BCD with a boot manager, a Windows and what resumes it."""
    hive = new_hive("NewStoreRoot", security=SECURITY, minor=3)
    for identity, kind, device, path in (
        (MANAGER, 0x10100002, system, "\\bootmgr"),
        (LOADER, 0x10200003, windows, loader),
        (RESUMER, 0x10200004, windows, loader.replace("winload", "winresume")),
    ):
        place = rf"Objects\{identity}"
        hive.set(rf"{place}\Description", dword("Type", kind))
        hive.set(rf"{place}\Elements\11000001", binary("Element", device))
        hive.set(rf"{place}\Elements\12000002", sz("Element", path))
    for identity in (LOADER, RESUMER):
        hive.set(rf"Objects\{identity}\Elements\21000001", binary("Element", windows))
    hive.set(rf"Objects\{LOADER}\Elements\16000046", binary("Element", b"\1"))
    hive.set(rf"Objects\{MANAGER}\Elements\23000003", sz("Element", LOADER))
    return hive


def adapter(system: Hive, number: int, address: str, *, device: str = "", mac: str = "") -> str:
    """Add an adapter with a static address; returns its interface."""
    guid = f"{{{uuid.UUID(int=number)}}}".upper()
    system.set(
        rf"{CURRENT}\Services\Tcpip\Parameters\Interfaces\{guid}",
        dword("EnableDHCP", 0),
        multi_sz("IPAddress", (address,)),
        multi_sz("SubnetMask", ("255.255.255.0",)),
        multi_sz("DefaultGateway", ("10.0.0.1",)),
        sz("NameServer", "10.0.0.2,10.0.0.3"),
        sz("Domain", "example.org"),
    )
    path = rf"{CURRENT}\Control\Class\{{4D36E972-E325-11CE-BFC1-08002BE10318}}\{number:04}"
    system.set(path, sz("NetCfgInstanceId", guid), sz("DeviceInstanceID", device))
    if mac:
        system.set(path, sz("NetworkAddress", mac))
    return guid


def seven(folder: Path, *, changed: dict[str, bytes] | None = None) -> Made:
    """Windows 7 on an MBR disk, with a System Reserved partition, from a machine with LSI SAS."""
    one, two = 1 * MIB, 17 * MIB
    system = filled(system_hive((6, 1)), letter=struct.pack("<IQ", SIGNATURE, two))
    adapter(system, 7, "10.0.0.5", device=r"PCI\VEN_15AD&DEV_07B0\FF565000B702A3FE00")
    software = software_hive(7601, "Windows 7 Professional", "6.1")
    software.set(r"Microsoft\Windows NT\CurrentVersion", sz("SystemRoot", r"C:\Windows"))
    services = ("atapi", "intelide", "pciide", "pciidex", "msahci", "LSI_SAS", "LSI_SCSI",
                "vmbus", "storvsc", "fvevol")  # fmt: skip
    bcd = bcd_hive(mbr_device(one), mbr_device(two), r"\Windows\system32\winload.exe")
    made = partitioned(
        folder / "seven.img",
        f"label: dos\nlabel-id: {SIGNATURE:#x}\n2048,16MiB,7,*\n,48MiB,7\n", 66 * MIB,
    )  # fmt: skip
    reserved = make_ntfs(folder / "seven-1.ntfs", 16 * MIB, start=2048)
    with mounted(reserved) as place:
        write_tree(place, {"/bootmgr": b"x", "/Boot/BCD": bcd.dump()})
    own = make_ntfs(folder / "seven-2.ntfs", 48 * MIB, start=two // SECTOR)
    files = {
        "/Windows/System32/config/SYSTEM": system.dump(),
        "/Windows/System32/config/SOFTWARE": software.dump(),
        "/Windows/system32/winload.exe": b"x",
        **{f"/Windows/System32/drivers/{name}.sys": b"driver" for name in services},
        **(changed or {}),
    }
    files["/Windows/System32/winload.exe"] = files.pop("/Windows/system32/winload.exe")
    with mounted(own) as place:
        write_tree(place, files)
    put(made, one, reserved)
    put(made, two, own)
    return Made(made, {1: (reserved, one), 2: (own, two)})


def ten(folder: Path, *, product: tuple[int, str] = (20348, "Windows Server 2022")) -> Made:
    """Windows Server 2022 on a GPT disk with an ESP, from a second generation machine of Hyper-V."""
    one, two = 1 * MIB, 40 * MIB
    system = filled(system_hive((10, 0)), letter=b"DMIO:ID:" + OWN.bytes_le)
    system.set(rf"{CURRENT}\Services\pci", dword("Start", 0))
    system.set(rf"{CURRENT}\Services\pci\StartOverride", dword("0", 3))
    software = software_hive(*product, "6.3", server=True)
    software.set(r"Microsoft\Windows NT\CurrentVersion", sz("SystemRoot", r"C:\Windows"))
    bcd = bcd_hive(gpt_device(ESP), gpt_device(OWN), r"\Windows\system32\winload.efi")
    path = partitioned(
        folder / "ten.img",
        f"label: gpt\nlabel-id: {DISK}\nstart=2048,size=38MiB,type=uefi,uuid={ESP}\n"
        f"start=81920,size=48MiB,type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7,uuid={OWN}\n", 90 * MIB,
    )  # fmt: skip
    esp = folder / "ten-1.fat"
    with esp.open("wb") as file:
        file.truncate(38 * MIB)
    run("mformat", "-i", esp, "-F", "-T", 38 * 2048, "-h", 4, "-s", 16, "::")
    run("mmd", "-i", esp, "::/EFI", "::/EFI/Microsoft", "::/EFI/Microsoft/Boot")
    for name, content in (("BCD", bcd.dump()), ("bootmgfw.efi", EFI)):
        (folder / name).write_bytes(content)
        run("mcopy", "-i", esp, folder / name, f"::/EFI/Microsoft/Boot/{name}")
    own = make_ntfs(folder / "ten-2.ntfs", 48 * MIB, start=two // SECTOR)
    services = ("pci", "atapi", "intelide", "pciide", "pciidex", "storahci", "LSI_SAS", "vmbus",
                "storvsc", "fvevol")  # fmt: skip
    with mounted(own) as place:
        write_tree(
            place,
            {
                "/Windows/System32/config/SYSTEM": system.dump(),
                "/Windows/System32/config/SOFTWARE": software.dump(),
                "/Windows/System32/winload.efi": b"x",
                **{f"/Windows/System32/drivers/{name}.sys": b"driver" for name in services},
                "/Windows/System32/DriverStore/FileRepository"
                "/stornvme.inf_amd64_0123456789abcdef/stornvme.sys": b"from the store",
            },
        )
    put(path, one, esp)
    put(path, two, own)
    return Made(path, {1: (esp, one), 2: (own, two)})


def xp(
    folder: Path,
    *,
    drivers: tuple[str, ...] = ("atapi", "intelide", "pciide", "pciidex", "fvevol"),
    heads: int = 64,
    arc: str = "multi(0)disk(0)rdisk(0)partition(1)",
) -> Made:
    """Windows XP on its one partition, in lower case as its Setup writes, from a SCSI disk."""
    one = 63 * SECTOR
    system = filled(
        system_hive((5, 1), architecture="x86"), letter=struct.pack("<IQ", SIGNATURE, one)
    )
    system.delete_key(rf"{CURRENT}\Services\pciide")
    system.set(rf"{CURRENT}\Services\intelide", expand_sz("ImagePath", ""))
    system.delete_value(rf"{CURRENT}\Services\intelide", "ImagePath")
    hal = rf"{CURRENT}\Control\Class\{{4D36E966-E325-11CE-BFC1-08002BE10318}}\0000"
    system.set(hal, sz("MatchingDeviceId", "acpiapic_mp"))
    adapter(system, 3, "10.0.0.6")
    software = software_hive(2600, "Microsoft Windows XP", "5.1")
    software.set(r"Microsoft\Windows NT\CurrentVersion", sz("SystemRoot", r"C:\WINDOWS"))
    made = partitioned(
        folder / "xp.img",
        f"label: dos\nlabel-id: {SIGNATURE:#x}\n63,98304,7,*\n", 50 * MIB,
    )  # fmt: skip
    own = make_ntfs(folder / "xp-1.ntfs", 48 * MIB, start=63, heads=heads)
    with mounted(own) as place:
        write_tree(
            place,
            {
                "/WINDOWS/system32/config/system": system.dump(),
                "/WINDOWS/system32/config/software": software.dump(),
                **{f"/WINDOWS/system32/drivers/{name}.sys": b"driver" for name in drivers},
                "/boot.ini": f"[boot loader]\r\ndefault={arc}\\WINDOWS\r\n".encode(),
            },
        )
    put(made, one, own)
    return Made(made, {1: (own, one)})
