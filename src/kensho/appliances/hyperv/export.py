"""Write a machine as Hyper-V exported it up to Windows Server 2012 R2: folders and an XML file.

Sources: as in ``words``, and the configuration in github.com/mwrock/packer-templates, whose values are
used for what every machine has. It is configuration version 5.0, which Windows Server 2012 R2 to
2019 import and later ones do not (learn.microsoft.com, Upgrade virtual machine version in Hyper-V).
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterator, Mapping

from kensho.appliances.hyperv import words
from kensho.appliances.hyperv.export_extras import merge_extras
from kensho.appliances.hyperv.tree import Key, Value
from kensho.appliances.hyperv.xml_tree import document
from kensho.appliances.mapped import (
    boot_ranks,
    controller_of,
    not_supported,
    only_machine,
    placed_disk,
)
from kensho.appliances.names import file_stem
from kensho.appliances.package import Document, PlacedDisk
from kensho.model.appliance import Appliance
from kensho.model.errors import UnsupportedError
from kensho.model.machine import (
    Bus,
    Cdrom,
    ControllerModel,
    Disk,
    Firmware,
    Machine,
    Nic,
    NicModel,
)
from kensho.model.units import MIB

VERSION = 0x0500  #: of the configuration
_MANIFEST_VERSION = 260
_NAMESPACE = uuids.UUID("6f1f5f0c-5a4e-5f0e-9a36-0f8c1b7c2d11")
#: Where Windows Server 2012 R2 keeps disks; an import takes those of the export by their names.
_DISKS = "C:\\Users\\Public\\Documents\\Hyper-V\\Virtual hard disks\\"
#: What each machine has: device, and the version of its settings.
_COMMON = (
    ("58f75a6d-d949-4320-99e1-a2a2576d581c", 512),
    ("197f74e3-b84b-46de-8ae6-82f1cd181cdc", 512),
    ("f3cf6965-e8d3-44a9-9b7d-a04245ea7525", 256),
    ("bc12c717-8898-4688-8ee4-2cd14894f8ea", 256),
    (words.GUEST_FILES, 256),
    ("84eaae65-2f2e-45f5-9bb5-0e857dc8eb47", 256),
    ("2a34b1c2-fd73-4043-8a5b-dd2159bc743f", 256),
    ("9f8233ac-be49-4c79-8ee3-e7e1985b2077", 256),
    ("2497f4de-e9fa-4204-80e4-4b75c46419c0", 256),
    ("5ced1297-4598-4915-a5fc-ad21bb4d02a4", 256),
    ("6c5addb9-a11a-4e8e-84cb-e6208201db63", 512),
)


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME/Virtual Machines/GUID.xml``.

    Raises UnsupportedError for several machines and for a device that this generation of virtual
    machine does not have.
    """
    machine = only_machine(appliance, "Hyper-V")
    stem = file_stem(appliance.name)
    guid = _guid(machine, "machine")
    scsi = [c for c in machine.controllers if c.bus is Bus.SCSI]
    nodes = [
        *_chipset(machine, disks),
        *_scsi(machine, disks),
        *(_adapter(machine, nic) for nic in machine.nics),
        _node("global_settings", *_global_settings()),
        _node("manifest", *_manifest(machine, len(scsi))),
        _node("properties", *_properties(machine, guid)),
        _node("settings", *_settings(machine, guid)),
    ]
    root = merge_extras(_node("configuration", *nodes), machine.extras)
    return (Document(f"{stem}/Virtual Machines/{guid}.xml", document(root)),)


def _node(name: str, *children: Key) -> Key:
    return Key(name, children=children)


def _leaf(name: str, value: Value) -> Key:
    kinds = {bool: "bool", int: "integer", str: "string", bytes: "bytes", float: "double"}
    return Key(name, kinds[type(value)], value)


def _leaves(**values: Value) -> list[Key]:
    return [_leaf(name, value) for name, value in values.items()]


def _guid(machine: Machine, part: str) -> str:
    """Return an identifier of a part: the same for the same machine, another for another one."""
    return str(uuids.uuid5(_NAMESPACE, f"{machine.uuid}\n{machine.name}\n{part}")).upper()


def _nic_guid(machine: Machine, nic: Nic) -> str:
    """Return the adapter's own identifier where it had one, as of an earlier Hyper-V."""
    try:
        return str(uuids.UUID(nic.id)).upper()
    except ValueError:
        return _guid(machine, f"nic {nic.id}")


def _properties(machine: Machine, guid: str) -> list[Key]:
    return _leaves(
        global_id=guid,
        highly_available=False,
        name=machine.name,
        notes=machine.annotation,
        subtype=int(machine.firmware.kind is Firmware.UEFI),
        type_id="Virtual Machines",
        version=VERSION,
    )


def _settings(machine: Machine, guid: str) -> list[Key]:
    memory = machine.memory
    dynamic = memory.minimum is not None
    least = memory.minimum if memory.minimum is not None else 512 * MIB
    most = memory.limit if dynamic and memory.limit else (1 << 20) * MIB
    bank = _leaves(
        dynamic_memory_enabled=dynamic,
        limit=max(most, memory.size) // MIB,
        priority=5000,
        reservation=min(least, memory.size) // MIB,
        size=memory.size // MIB,
        target_memory_buffer=20,
    )
    return [
        _node("global", _leaf("logical_id", guid)),
        _node("memory", _node("bank", *bank)),
        _node(
            "processors",
            _leaf("count", machine.cpu.count),
            _node("features", *_leaves(limit=False)),
            *_leaves(limit=100_000, limit_cpuid=False, reservation=0, weight=100),
        ),
        *_leaves(stopped_at_host_shutdown=False),
        _node("topology", _leaf("low_mmio_gap_mb", 128)),
        _node("vnuma", _leaf("enabled", not dynamic)),  # the two exclude each other
    ]


def _global_settings() -> list[Key]:
    action = _leaf("action", 1)
    return [
        *_leaves(disk_merge_pending=False),
        _node("power", _node("host_shutdown", action), _node("host_startup", action)),
        _node("snapshots", _node("list", _leaf("size", 0))),
        _node("unexpected_termination", action),
        *_leaves(vhd_path_acled=False),
    ]


def _manifest(machine: Machine, scsi: int) -> Iterator[Key]:
    devices = [(kind, kind.upper()) for kind, _ in _COMMON]
    devices += [(words.NIC, _nic_guid(machine, nic)) for nic in machine.nics]
    devices += [(words.SCSI, _guid(machine, f"scsi {number}")) for number in range(scsi)]
    names = words.PLATFORM | words.SERVICES | words.NAMES
    yield _leaf("size", len(devices))
    for number, (kind, instance) in enumerate(devices, 1):
        entry = _leaves(device=kind, flags=1, instance=instance, name=names[kind])
        yield _node(f"vdev{number:03}", *entry)
    yield _leaf("version", _MANIFEST_VERSION)


def _chipset(machine: Machine, disks: Mapping[str, PlacedDisk]) -> Iterator[Key]:
    """Yield the devices that no manifest lists."""
    for kind, version in _COMMON:
        more = _leaves(Enabled=False) if kind == words.GUEST_FILES else []
        yield _node(f"_{kind}_", *more, _leaf("VDEVVersion", version))
    yield _node(f"_{words.BIOS}_", *_bios(machine))
    if machine.firmware.kind is Firmware.UEFI:
        return
    ide = [_node(f"controller{n}", *_ide(machine, disks, n)) for n in range(2)]
    yield _node(f"_{words.IDE}_", _leaf("VDEVVersion", 1280), *ide)
    targets = {port.index: port.target for port in machine.serial_ports}
    ports = [_node(f"port{n}", _leaf("connection", targets.get(n, ""))) for n in range(2)]
    yield _node(f"_{words.SERIAL}_", _leaf("VDEVVersion", 512), *ports)
    diskette = _node("drive0", *_leaves(pathname="", type=words.DISKETTE))
    yield _node(f"_{words.FLOPPY}_", _leaf("VDEVVersion", 256), _node("controller0", diskette))


def _bios(machine: Machine) -> list[Key]:
    uuid = machine.uuid or _guid(machine, "bios")
    keys = [_leaf("VDEVVersion", 512), _leaf("bios_guid", f"{{{uuid.upper()}}}")]
    if machine.firmware.kind is Firmware.BIOS:
        ranks = boot_ranks(machine)
        kinds = {d.id: "cdrom" if isinstance(d, Cdrom) else "disk" for d in machine.drives}
        kinds |= {nic.id: "nic" for nic in machine.nics}
        order = [kinds[device] for device in sorted(ranks, key=ranks.__getitem__)]
        order = list(dict.fromkeys([*order, *words.BOOT_WORDS]))
        boot = [_leaf(f"device{n}", words.BOOT_WORDS[kind]) for n, kind in enumerate(order)]
        keys.append(_node("boot", *boot))
    return [*keys, _leaf("secure_boot_enabled", machine.firmware.secure_boot)]


def _ide(machine: Machine, disks: Mapping[str, PlacedDisk], index: int) -> Iterator[Key]:
    found = {unit: drive for c, unit, drive in _drives(machine, ControllerModel.IDE) if c == index}
    for unit in range(2):
        drive = found.get(unit)
        if drive is None:
            yield _node(f"drive{unit}", *_leaves(pathname="", type="NONE"))
        else:
            yield _node(f"drive{unit}", *_medium(drive, disks))


def _scsi(machine: Machine, disks: Mapping[str, PlacedDisk]) -> Iterator[Key]:
    controllers = [c for c in machine.controllers if c.bus is Bus.SCSI]
    for number, controller in enumerate(controllers):
        drives = [
            _node(f"drive{unit}", *_medium(drive, disks))
            for index, unit, drive in _drives(machine, ControllerModel.HYPERV_SCSI)
            if index == controller.index
        ]
        yield _node(
            f"_{_guid(machine, f'scsi {number}').lower()}_",
            _leaf("ChannelInstanceGuid", f"{{{_guid(machine, f'channel {number}').lower()}}}"),
            _leaf("VDEVVersion", 256),
            _node("controller0", *drives),
        )


def _drives(machine: Machine, model: ControllerModel) -> Iterator[tuple[int, int, Disk | Cdrom]]:
    """Yield index of the controller, unit and drive of one kind of controller."""
    uefi = machine.firmware.kind is Firmware.UEFI
    for drive in machine.drives:
        if not isinstance(drive, Disk | Cdrom):
            raise not_supported("Hyper-V", drive, "floppy")
        controller = controller_of(machine, drive)
        if controller.model not in {ControllerModel.IDE, ControllerModel.HYPERV_SCSI} or (
            uefi and controller.model is ControllerModel.IDE
        ):
            raise not_supported("Hyper-V", drive, controller.model.value)
        if controller.model is model:
            yield controller.index, drive.unit, drive


def _medium(drive: Disk | Cdrom, disks: Mapping[str, PlacedDisk]) -> list[Key]:
    if isinstance(drive, Cdrom):
        return _leaves(pathname="", type=words.OPTICAL)
    name = placed_disk(drive, disks).filename.rpartition("/")[2]
    return _leaves(
        iops_limit=0,
        iops_reservation=0,
        pathname=_DISKS + name,
        persistent_reservations_supported=False,
        type=words.DISK,
        weight=100,
    )


def _adapter(machine: Machine, nic: Nic) -> Key:
    if nic.model is NicModel.HYPERV_LEGACY:
        raise UnsupportedError(
            f"Hyper-V's exported form cannot say the legacy adapter {nic.id!r}",
            field=nic.id,
            hint="use --form powershell, which can",
        )
    if nic.model is not NicModel.HYPERV:
        raise not_supported("Hyper-V", nic, nic.model.value)
    connection = _leaves(
        AltPortName="",
        AltSwitchName=nic.target_network or nic.network,
        AuthorizationScope="",
        ChimneyOffloadWeight=0,
        PoolId="",
        PreventIPSpoofing=False,
        TestReplicaPoolId="",
        TestReplicaSwitchName="",
    )
    guid = _nic_guid(machine, nic)
    return _node(
        f"_{guid.lower()}_",
        _leaf("ChannelInstanceGuid", f"{{{guid.lower()}}}"),
        *_leaves(ClusterMonitored=True),
        _node("Connection", *connection),
        *_leaves(
            FriendlyName=nic.name or "Network Adapter",
            IsConnected=nic.connected,
            MacAddress=(nic.mac or "00-00-00-00-00-00").replace(":", "-").upper(),
            MacAddressIsStatic=nic.mac is not None,
            PortName="",
            SwitchName="",
            VDEVVersion=256,
            VpciInstanceGuid=f"{{{_guid(machine, f'vpci {guid.lower()}')}}}",
        ),
    )
