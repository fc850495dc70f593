"""What the tests of the OVF and VMX writers share."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from kensho.appliances.package import PlacedDisk
from kensho.model.appliance import Appliance, DiskImage, Network, StartItem
from kensho.model.machine import (
    Cdrom,
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Eula,
    Firmware,
    FirmwareSettings,
    Floppy,
    GuestOs,
    Machine,
    Memory,
    Nic,
    NicModel,
    Product,
    Property,
    SerialKind,
    SerialPort,
    Sound,
    Usb,
    Video,
)
from kensho.model.units import GIB, MIB

GOLDEN = Path(__file__).parents[1] / "data" / "golden"

PRODUCT = Product(
    name="Web <Server> & more",
    vendor="Example & Söhne",
    version="1.2",
    full_version="1.2.3-4",
    product_url="https://example.com/?a=1&b=2",
    vendor_url="https://example.com/",
    app_url="https://${app.ip}/",
    class_="com.example.web",
    instance="1",
    info="What is inside",
    properties=(
        Property(
            key="ip",
            type="string",
            value="10.0.0.1",
            user_configurable=True,
            qualifiers="MinLen(7),MaxLen(15)",
            label="Address",
            description="The address\nof the machine",
            category="Network",
        ),
        Property(key="count", type="uint8", value="3"),
        Property(key="secret", password=True, user_configurable=True, category="Network"),
        Property(key="debug", type="boolean", value="False", category="Support"),
    ),
)
EULA = Eula(text='You <agree> & "accept".\n\n  1. All of it.\n\t2. ]]>\n', info="Licence")


def appliance_for(
    disk: ControllerModel,
    nic: NicModel,
    *,
    cdrom: ControllerModel = ControllerModel.IDE,
    firmware: Firmware = Firmware.BIOS,
    name: str = "Web server 01",
) -> Appliance:
    """Return an appliance of one machine that has one of everything."""
    machine = Machine(
        id="vm-1",
        name=name,
        cpu=Cpu(count=4, cores_per_socket=2),
        memory=Memory(size=2 * GIB),
        firmware=FirmwareSettings(kind=firmware, secure_boot=firmware is Firmware.UEFI),
        guest=GuestOs(id="debian12", version="12"),
        uuid="564d1234-5678-9abc-def0-1234567890ab",
        controllers=(
            Controller(id="disks0", model=disk),
            Controller(id="cds0", model=cdrom, index=1 if cdrom is disk else 0),
        ),
        drives=(
            Disk(id="d0", image="img0", controller="disks0", unit=0),
            Disk(id="d1", image="img1", controller="disks0", unit=1),
            Cdrom(id="cd0", controller="cds0", unit=0),
            Floppy(id="f0"),
        ),
        nics=(
            Nic(id="n0", model=nic, network="VM Network", mac="00:50:56:01:02:03"),
            Nic(id="n1", model=nic, network="Backup & <more>", connected=False),
            Nic(id="n2", model=nic),
        ),
        serial_ports=(
            SerialPort(id="s0", kind=SerialKind.FILE, target="/etc/passwd"),
            SerialPort(id="s1", kind=SerialKind.NETWORK, target="tcp://h:1", index=1),
        ),
        video=Video(memory=16 * MIB, displays=2, accelerated_3d=True),
        sound=Sound("hda"),
        usb=(Usb("uhci"), Usb("ehci"), Usb("xhci")),
        products=(PRODUCT,),
        eulas=(EULA,),
        annotation='First line\nsecond | "line"',
        transports=("com.vmware.guestInfo", "iso"),
    )
    return Appliance(
        name=name,
        machines=(machine,),
        images=(DiskImage(id="img0", capacity=GIB), DiskImage(id="img1", capacity=2 * GIB)),
        networks=(Network("VM Network", "The outside"), Network("Unused")),
    )


def two_machines(disk: ControllerModel, nic: NicModel) -> Appliance:
    """Return an appliance of two machines of the same name with a start order."""
    first = appliance_for(disk, nic)
    machine = first.machines[0]
    second = msgspec.structs.replace(
        machine, id="vm-2", drives=machine.drives[2:], products=(), eulas=()
    )
    return msgspec.structs.replace(
        first,
        machines=(machine, second),
        products=(PRODUCT,),
        eulas=(EULA,),
        annotation="Both",
        start_order=(
            StartItem(machine="vm-2", order=1, start_delay=30, wait_for_guest=True),
            StartItem(machine="vm-1", order=2, stop_delay=70_000),
            StartItem(machine="gone"),
        ),
    )


def placed(appliance: Appliance, *, subformat: str = "streamOptimized") -> dict[str, PlacedDisk]:
    """Return a VMDK for every image of the appliance."""
    return {
        image.id: PlacedDisk(
            image=image.id,
            filename=f"web-disk{number}.vmdk",
            format="vmdk",
            subformat=subformat,
            virtual_size=image.capacity or GIB,
            file_size=MIB * number,
            data_size=MIB // 2,
            sha256=f"{number:064x}",
        )
        for number, image in enumerate(appliance.images, 1)
    }


def with_machine(appliance: Appliance, **changes: object) -> Appliance:
    """Return the appliance with fields of its first machine replaced."""
    machine = msgspec.structs.replace(appliance.machines[0], **changes)
    return msgspec.structs.replace(appliance, machines=(machine, *appliance.machines[1:]))


def check_golden(name: str, data: bytes) -> None:
    """Compare with the file, after writing it when KENSHO_GOLDEN=write is set."""
    path = GOLDEN / name
    if os.environ.get("KENSHO_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert data.decode() == path.read_text(encoding="utf-8")
