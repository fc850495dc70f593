from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.appliances.written import (
    appliance_for,
    check_golden,
    placed,
    two_machines,
    with_machine,
)

from kensho.appliances import open_package
from kensho.appliances.vmx.text import escape
from kensho.appliances.vmx.write import render
from kensho.model.errors import UnsupportedError, UsageError
from kensho.model.machine import (
    Cdrom,
    ControllerModel,
    Cpu,
    Firmware,
    FirmwareSettings,
    Floppy,
    GuestOs,
    Memory,
    Nic,
    NicModel,
    SerialKind,
    SerialPort,
)
from kensho.model.units import GIB, MIB

BASE = appliance_for(
    ControllerModel.PVSCSI, NicModel.VMXNET3, cdrom=ControllerModel.AHCI, firmware=Firmware.UEFI
)
DISKS = placed(BASE, subformat="monolithicSparse")
LINE = re.compile(rb'([A-Za-z0-9_.:]+) = "([^"]*)"')


def entries(appliance=BASE, **changes: object) -> dict[str, str]:
    """Read the file as strictly as it is written: one quoted value a line, bytes after bars."""
    changed = with_machine(appliance, **changes) if changes else appliance
    (document,) = render(changed, placed(changed, subformat="monolithicSparse"))
    result: dict[str, str] = {}
    for line in document.data.removesuffix(b"\n").split(b"\n"):
        match = LINE.fullmatch(line)
        assert match, line
        key = match[1].decode()
        assert key.lower() not in {k.lower() for k in result}
        plain = re.sub(rb"\|([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), match[2])
        result[key] = plain.decode()
    return result


def test_golden():
    (document,) = render(BASE, DISKS)
    assert document.name == "Web-server-01.vmx"
    check_golden("workstation.vmx", document.data)


def test_golden_bios():
    appliance = appliance_for(ControllerModel.LSILOGIC, NicModel.E1000)
    (document,) = render(appliance, DISKS)
    check_golden("workstation-bios.vmx", document.data)


def test_what_is_said():
    vmx = entries()
    assert list(vmx)[:3] == [".encoding", "config.version", "virtualHW.version"]
    assert vmx["virtualHW.version"] == "13"
    assert vmx["displayName"] == "Web server 01"
    assert vmx["guestOS"] == "debian12-64"
    assert (vmx["firmware"], vmx["uefi.secureBoot.enabled"]) == ("efi", "TRUE")
    assert (vmx["memsize"], vmx["numvcpus"], vmx["cpuid.coresPerSocket"]) == ("2048", "4", "2")
    assert (vmx["scsi0.virtualDev"], vmx["scsi0:1.fileName"]) == ("pvscsi", "web-disk2.vmdk")
    assert vmx["sata0:0.deviceType"] == "cdrom-raw"
    assert vmx["pciBridge7.functions"] == "8"
    assert vmx["ethernet0.address"] == "00:50:56:01:02:03"
    assert "ethernet0.checkMACAddress" not in vmx
    assert vmx["ethernet1.addressType"] == "generated"
    assert vmx["ethernet1.startConnected"] == "FALSE"
    assert vmx["ethernet1.networkName"] == "Backup & <more>"
    assert vmx["uuid.bios"] == "56 4d 12 34 56 78 9a bc-de f0 12 34 56 78 90 ab"
    assert vmx["annotation"] == 'First line\nsecond | "line"'


def test_bios_machine_without_anything():
    firmware = FirmwareSettings()
    vmx = entries(
        firmware=firmware,
        cpu=Cpu(),
        controllers=(),
        drives=(),
        nics=(),
        serial_ports=(),
        usb=(),
        sound=None,
        video=None,
        uuid=None,
        annotation="",
    )
    assert "firmware" not in vmx
    assert vmx["floppy0.present"] == "FALSE"
    assert not [k for k in vmx if re.match("scsi|sata|ide|nvme|ethernet|serial|usb|ehci|sound", k)]


@pytest.mark.parametrize(
    ("model", "key", "word"),
    [
        (ControllerModel.PVSCSI, "scsi0", "pvscsi"),
        (ControllerModel.LSILOGIC, "scsi0", "lsilogic"),
        (ControllerModel.LSISAS, "scsi0", "lsisas1068"),
        (ControllerModel.BUSLOGIC, "scsi0", "buslogic"),
        (ControllerModel.AHCI, "sata0", None),
        (ControllerModel.NVME, "nvme0", None),
    ],
)
def test_controllers(model, key, word):
    vmx = entries(appliance_for(model, NicModel.E1000E))
    assert vmx[f"{key}.present"] == "TRUE"
    assert vmx.get(f"{key}.virtualDev") == word
    assert vmx[f"{key}:0.fileName"] == "web-disk1.vmdk"
    assert "ide0.present" not in vmx
    assert vmx["ide0:0.present"] == "TRUE"


@pytest.mark.parametrize(
    ("nic", "expected"),
    [
        (Nic(id="n", model=NicModel.E1000, network="NAT"), {"connectionType": "nat"}),
        (Nic(id="n", model=NicModel.E1000, network="HostOnly"), {"connectionType": "hostonly"}),
        (Nic(id="n", model=NicModel.PCNET), {"connectionType": "bridged", "virtualDev": "vlance"}),
        (
            Nic(id="n", model=NicModel.E1000, mac="52:54:00:01:02:03"),
            {"addressType": "static", "checkMACAddress": "FALSE"},
        ),
        (
            Nic(id="n", model=NicModel.E1000, mac="00:50:56:40:00:00"),
            {"checkMACAddress": "FALSE"},
        ),
        (Nic(id="n", model=NicModel.E1000, pci_slot=192), {"pciSlotNumber": "192"}),
    ],
)
def test_adapters(nic, expected):
    vmx = entries(nics=(nic,))
    assert {key: vmx[f"ethernet0.{key}"] for key in expected} == expected


def test_no_path_of_the_source_host_gets_in():
    ports = tuple(
        SerialPort(id=f"s{i}", kind=kind, target="/root/.bashrc", index=i)
        for i, kind in enumerate(SerialKind)
    )
    drives = (
        *BASE.machines[0].drives[:2],
        Cdrom(id="c", controller="cds0", file="f", host_device="/dev/sda"),
    )
    vmx = entries(serial_ports=ports, drives=drives)
    assert not [v for v in vmx.values() if "/" in v]
    assert vmx["serial2.fileName"] == "Web-server-01-serial2.log"


def test_memory_and_processors_beyond_the_usual_version():
    assert entries(cpu=Cpu(count=200))["virtualHW.version"] == "18"
    assert entries(memory=Memory(GIB + 5 * MIB + 3))["memsize"] == "1028"


def test_odd_values_are_left_out():
    vmx = entries(uuid="none of that", guest=GuestOs(id="other", vendor=("vmx:darwin19-64",)))
    assert "uuid.bios" not in vmx
    assert vmx["guestOS"] == "darwin19-64"


def test_refused():
    with pytest.raises(UnsupportedError):
        render(two_machines(ControllerModel.AHCI, NicModel.E1000), DISKS)
    with pytest.raises(UnsupportedError, match="virtio"):
        entries(nics=(Nic(id="n", model=NicModel.VIRTIO),))
    with pytest.raises(UnsupportedError, match="unheard"):
        entries(nics=(Nic(id="n", vendor_model="unheard of"),))
    first = msgspec.structs.replace(
        BASE.machines[0].controllers[0], model=ControllerModel.VIRTIO_SCSI
    )
    with pytest.raises(UnsupportedError, match="virtio-scsi"):
        entries(controllers=(first, BASE.machines[0].controllers[1]))
    with pytest.raises(UnsupportedError, match="two drives"):
        entries(drives=(*BASE.machines[0].drives, Cdrom(id="x", controller="disks0", unit=0)))
    with pytest.raises(UsageError):
        render(BASE, {})


@given(st.text() | st.sampled_from(['"\n.encoding = "x', "|22", "a\r\nb", "\x85\u2028\x00"]))
def test_any_text_is_one_value_and_comes_back(text):
    written = escape(text)
    assert len(written.splitlines()) <= 1
    assert '"' not in written
    plain = re.sub(rb"\|([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), written.encode())
    assert plain.decode() == text.replace("\r\n", "\n").replace("\r", "\n")


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=30) | st.sampled_from(['x"\nfirmware = "bios', "../../x", "\ud800"]))
def test_hostile_names_add_no_setting(text):
    appliance = msgspec.structs.replace(BASE, name=text)
    appliance = with_machine(
        appliance, nics=(Nic(id="n", model=NicModel.E1000, network=f"n{text}", mac=text or "x"),)
    )
    (document,) = render(appliance, DISKS)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*\.vmx", document.name)
    hostile = entries(appliance, name=text, annotation=f"a{text}")
    assert hostile["displayName"] == text.replace("\r\n", "\n").replace("\r", "\n").replace(
        "\ud800", "\ufffd"
    )
    plain = entries(appliance, name="x", annotation="y")
    assert list(hostile) == list(plain)


def test_the_boot_order_is_written_and_read_back(tmp_path):
    machine = BASE.machines[0]
    first, second = machine.disks
    change = msgspec.structs.replace
    drives = tuple(
        change(d, boot_order={first.id: 3, second.id: 1}.get(d.id, 2))
        if not isinstance(d, Floppy)
        else d
        for d in machine.drives
    )
    nics = (change(machine.nics[0], boot_order=4), *machine.nics[1:])
    found = entries(drives=drives, nics=nics)
    assert found["bios.bootOrder"] == "hdd,cdrom,ethernet0"
    assert found["bios.hddOrder"].split(",")[0].endswith(f":{second.unit}")
    assert "bios.bootOrder" not in entries()
    (document,) = render(with_machine(BASE, drives=drives, nics=nics), DISKS)
    (tmp_path / "a.vmx").write_bytes(document.data)
    package = open_package(tmp_path / "a.vmx")
    read = package.appliance.machines[0]
    package.close()
    assert read.boot_disk().unit == second.unit
