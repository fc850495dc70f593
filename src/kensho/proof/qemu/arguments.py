"""Turn a machine into a QEMU command line.

Software emulation unless the caller knows that KVM works (`accelerator.py`). Drives are opened with
``snapshot=on``, so that the guest's writes go to a temporary file and the image stays as it is, unless
a disk is to keep them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from kensho.model.errors import ToolMissingError
from kensho.model.machine import Firmware
from kensho.proof.profiles.base import Smbios
from kensho.proof.qemu.machine import BootDisk, BootNic, QemuMachine

MIB = 1 << 20
QEMU = "qemu-system-x86_64"

# x86-64-v2, which every current distribution asks for at most, RHEL 10 excepted. QEMU's own model is of a
# vendor whose processors Meltdown does not concern: a guest that takes page tables apart against it takes a
# fifth longer under emulation, and so it does when it has to find randomness for itself. No AES: without
# PCLMULQDQ, which processors have had with it, Linux' aesni_intel dies in its test of itself and hangs udev.
CPU = "qemu64,-svm,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand"

_UEFI_IMAGES = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),  # Debian, Ubuntu
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),  # Fedora, RHEL
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),  # SUSE
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),  # Arch
)


class Wires(msgspec.Struct, frozen=True, kw_only=True):
    """Files and sockets by which a run is watched, and how it is run.

    ``firmware_log`` takes what a BIOS says on its debug port, ``monitor`` is where QEMU listens for
    commands (QMP), ``captures`` take what each adapter sends and gets, ``agent`` is a guest agent's
    socket. ``plugs`` are sockets that the adapters are connected to in place of a network of their own,
    None for an adapter that is connected to nothing. With ``restarts`` the guest may restart; else QEMU ends when it does.
    """

    firmware_log: Path | None = None
    monitor: Path | None = None
    captures: tuple[Path, ...] = ()
    agent: Path | None = None
    plugs: tuple[Path | None, ...] | None = None
    restarts: bool = False
    accelerator: str = "tcg"


#: Whoever was killed before setpriv had asked for its signal sends none (PR_SET_PDEATHSIG(2const)).
_OURS = ("/bin/sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"')


def find_qemu() -> str:
    """Return the path of QEMU for x86; raises ToolMissingError."""
    found = shutil.which(QEMU)
    if found is None:
        raise ToolMissingError(
            f"{QEMU} is not installed", hint="install QEMU (Debian: apt install qemu-system-x86)"
        )
    return found


def dying_with_us() -> list[str]:
    """Return what a command begins with to be killed when this process is, which no code here can do."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *_OURS, str(os.getpid())] if setpriv else []


def find_uefi() -> tuple[str, str]:
    """Return UEFI's code and its empty variable store; raises ToolMissingError."""
    for code, variables in _UEFI_IMAGES:
        if Path(code).exists() and Path(variables).exists():
            return code, variables
    raise ToolMissingError(
        "no UEFI firmware for QEMU is installed",
        hint="install edk2's OVMF (Debian: apt install ovmf)",
    )


def qemu_arguments(
    machine: QemuMachine,
    *,
    qemu: str = QEMU,
    uefi: tuple[str, str] | None = None,
    wires: Wires | None = None,
    max_memory: int | None = None,
) -> list[str]:
    """Return the command line; its standard output is the guest's first serial port.

    ``uefi`` is needed by a machine with that firmware. Slots and PCI addresses of the domain are not reproduced.
    """
    memory = machine.memory if max_memory is None else min(machine.memory, max_memory)
    wires = wires or Wires()
    cpu = CPU if wires.accelerator == "tcg" else "host"
    if machine.smbios is not None:
        # Else the processor says who emulates it, which guests ask first (systemd-detect-virt).
        cpu += ",tcg-cpuid=off" if wires.accelerator == "tcg" else ",kvm=off"
    line = [
        qemu,
        "-name",
        f"guest={escaped(machine.name)}",
        "-accel",
        wires.accelerator,
        "-cpu",
        cpu,
    ]
    line += ["-M", machine.board, "-smp", str(machine.vcpus), "-m", f"{max(memory // MIB, 1)}M"]
    line += ["-nodefaults", "-no-user-config", "-display", "none", "-vga", "std"]
    if not wires.restarts:
        line.append("-no-reboot")
    line += ["-monitor", "none", "-chardev", "stdio,id=serial0,signal=off"]
    line += ["-serial", "chardev:serial0"]
    line += _watched(wires)
    line += _names(machine.smbios)
    if machine.firmware is Firmware.UEFI:
        if uefi is None:
            raise ValueError("a UEFI machine needs its firmware images")
        code, variables = uefi
        line += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={escaped(code)}"]
        line += ["-drive", f"if=pflash,unit=1,format=raw,snapshot=on,file={escaped(variables)}"]
    line += _controllers(machine)
    for number, disk in enumerate(machine.disks):
        line += _drive(number, disk, machine)
    for number, nic in enumerate(machine.nics):
        line += _network(number, nic, wires)
    return line + _agent(wires)


def _watched(wires: Wires) -> list[str]:
    line: list[str] = []
    if wires.firmware_log is not None:
        line += ["-chardev", f"file,id=firmware,path={escaped(str(wires.firmware_log))}"]
        line += ["-device", "isa-debugcon,iobase=0x402,chardev=firmware"]
    if wires.monitor is not None:
        line += ["-qmp", f"unix:{escaped(str(wires.monitor))},server=on,wait=off"]
    return line


def _agent(wires: Wires) -> list[str]:
    """Return a guest agent's port: behind all that is the machine's, so that this keeps its slots."""
    if wires.agent is None:
        return []
    return [
        *("-chardev", f"socket,id=agent,path={escaped(str(wires.agent))},server=on,wait=off"),
        *("-device", "virtio-serial-pci"),
        *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
    ]


def escaped(text: str) -> str:
    """Return a value with its commas doubled: a single one would begin the next option."""
    return text.replace(",", ",,")


def _names(smbios: Smbios | None) -> list[str]:
    if smbios is None:
        return []
    maker, model = escaped(smbios.maker), escaped(smbios.model)
    system = f"type=1,manufacturer={maker},product={model}"
    return ["-smbios", f"type=0,vendor={escaped(smbios.firmware)}", "-smbios", system]


def _controllers(machine: QemuMachine) -> list[str]:
    line: list[str] = []
    for number, device in machine.scsi_controllers:
        line += ["-device", f"{virtio(device, machine.board)},id=scsi{number}"]
    sata = {disk.controller for disk in machine.disks if disk.bus == "sata"}
    built_in = {0} if machine.board == "q35" else set()
    for number in sorted(sata - built_in):
        line += ["-device", f"ich9-ahci,id=sata{number}"]
    return line


def _drive(number: int, disk: BootDisk, machine: QemuMachine) -> list[str]:
    name = f"drive{number}"
    line: list[str] = []
    if disk.path is not None:
        access = "snapshot=off" if disk.keeps else "snapshot=on"
        if disk.cdrom:
            access = "media=cdrom,readonly=on"
        line += [
            "-drive",
            f"if=none,id={name},format={escaped(disk.format)},{access},file={escaped(disk.path)}",
        ]
    options = [_device(disk, machine), *_slot(disk, machine)]
    if disk.path is not None:
        options.append(f"drive={name}")
    if disk.serial or disk.bus == "nvme":
        options.append(f"serial={escaped(disk.serial or name)}")
    if disk.boot_order is not None:
        options.append(f"bootindex={disk.boot_order}")
    return [*line, "-device", ",".join(options)]


def virtio(device: str, board: str) -> str:
    """Return a virtio device as a board has it: on q35 its slots are PCI Express, and take virtio 1.0 alone.

    QEMU makes both on the root bus, where no hypervisor puts them (docs/pcie.txt, ``disable-legacy``).
    """
    modern = board == "q35" and device.startswith("virtio-")
    return f"{device}-non-transitional" if modern else device


def _device(disk: BootDisk, machine: QemuMachine) -> str:
    if disk.bus in {"virtio", "nvme"}:
        return "nvme" if disk.bus == "nvme" else virtio("virtio-blk-pci", machine.board)
    family = "scsi" if disk.bus == "scsi" else "ide"
    return f"{family}-cd" if disk.cdrom else f"{family}-hd"


def _slot(disk: BootDisk, machine: QemuMachine) -> list[str]:
    """Return where a drive is plugged in, in the words of its controller."""
    match disk.bus:
        case "ide":
            return [f"bus=ide.{disk.unit // 2}", f"unit={disk.unit % 2}"]
        case "sata":
            built_in = machine.board == "q35" and disk.controller == 0
            return [f"bus={'ide' if built_in else f'sata{disk.controller}'}.{disk.unit}"]
        case "scsi":
            slot = [f"bus=scsi{disk.controller}.0", f"scsi-id={disk.unit}"]
            if dict(machine.scsi_controllers)[disk.controller] == "mptsas1068":
                # Without a name of its own the guest's SAS driver does not see the drive.
                slot.append(f"wwn={0x5000C50000000000 + disk.unit:#x}")
            return slot
        case _:
            return []


def _network(number: int, nic: BootNic, wires: Wires) -> list[str]:
    # No boot ROM, on which firmware would wait for minutes.
    device = f"{nic.device},netdev=net{number},romfile="
    if nic.mac:
        device += f",mac={escaped(nic.mac)}"
    line = ["-netdev", _behind(number, wires), "-device", device]
    if number < len(wires.captures):
        capture = escaped(str(wires.captures[number]))
        line += ["-object", f"filter-dump,id=dump{number},netdev=net{number},file={capture}"]
    return line


def _behind(number: int, wires: Wires) -> str:
    """Return what an adapter is connected to: by itself what answers DHCP and lets nothing out."""
    if wires.plugs is not None:
        path = wires.plugs[number]
        if path is None:
            return f"hubport,id=net{number},hubid={number}"
        return f"stream,id=net{number},addr.type=unix,addr.path={escaped(str(path))}"
    # A net of each adapter's own: two adapters on the same one would answer for each other.
    return f"user,id=net{number},restrict=on,net=10.0.{2 + number % 250}.0/24"
