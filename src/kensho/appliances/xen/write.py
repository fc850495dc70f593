"""Write a configuration for xl, Xen's own command.

Source: xl.cfg(5), xl-disk-configuration(5), xl-network-configuration(5) of Xen 4.17. Every value
goes through `kensho.appliances.xen.quote`. Settings of the same dialect that were kept of the
source come back where nothing here says the same.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from kensho.appliances.mapped import boot_ranks, not_supported, only_machine, placed_disk
from kensho.appliances.names import file_stem
from kensho.appliances.package import Document, PlacedDisk
from kensho.appliances.xen.kept import Kept, kept_of
from kensho.appliances.xen.parse import Value
from kensho.appliances.xen.quote import value_text
from kensho.appliances.xen.vdevs import device_names
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.host_side import Clock
from kensho.model.machine import Cdrom, Disk, Firmware, Machine, Nic, NicModel
from kensho.model.units import MIB
from kensho.platforms.words import word_for
from kensho.platforms.xen import XL

IMAGES_FOLDER = "/var/lib/xen/images"  #: xl takes no names relative to the configuration
DEFAULT_BRIDGE = "xenbr0"
#: What may be a bridge of a host: the names that Xen's and others' tools give them.
#: Behind an Open vSwitch's may be VLANs, as in ``ovsbr0.10`` and ``ovsbr0:42:43``.
_VLANS = r"(?::[0-9]{1,4}){0,32}"
_BRIDGE = re.compile(r"(?:xenbr|xapi|virbr|vmbr|br|ovs)[0-9A-Za-z_.-]{0,9}" + _VLANS)
_INTERFACE = re.compile(r"[0-9A-Za-z_.-]{1,15}" + _VLANS)
_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", re.IGNORECASE)


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME.cfg``, for ``xl create``.

    Raises UnsupportedError for several machines and for devices Xen does not have.
    """
    machine = only_machine(appliance, "xl")
    kept = kept_of(machine)
    stem = file_stem(appliance.name)
    settings: dict[str, Value] = {"name": xen_name(machine.name)}
    if known := uuid_of(machine):
        settings["uuid"] = known
    settings |= _board(machine, kept)
    size, count = machine.memory.size // MIB, machine.cpu.count
    most = kept.settings.get("maxvcpus")
    settings |= {"memory": start_of(machine) // MIB, "maxmem": size, "vcpus": count}
    settings["maxvcpus"] = most if isinstance(most, int) and most > count else count
    if is_local_time(machine):
        settings["localtime"] = 1
    drives = _disks(machine, appliance, disks)
    settings["disk"] = [*drives]
    settings["vif"] = [_vif(number, nic, kept) for number, nic in enumerate(machine.nics)]
    if not kept.paravirtual:
        settings |= _emulated(machine)
    settings |= {key: value for key, value in kept.settings.items() if key not in settings}
    lines = [*_how_to(stem, disks), *(f"{key} = {value_text(settings[key])}" for key in settings)]
    return (Document(f"{stem}.cfg", ("\n".join(lines) + "\n").encode()),)


def xen_name(name: str) -> str:
    """Return what xl can call a machine: it is part of file names."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return plain.replace("/", "-").lstrip(".") or "machine"


def bridge_of(nic: Nic) -> str:
    """Return the host's bridge for an adapter: the one asked for, one it was on, or the usual one."""
    target = nic.target_network.removeprefix("bridge:")
    if _INTERFACE.fullmatch(target):
        return target
    return nic.network if _BRIDGE.fullmatch(nic.network) else DEFAULT_BRIDGE


def mac_of(nic: Nic) -> str:
    """Return an adapter's address in small letters, empty where it has none that can be used."""
    return nic.mac.lower() if nic.mac is not None and _MAC.fullmatch(nic.mac) else ""


def uuid_of(machine: Machine) -> str:
    """Return the machine's UUID, empty where it has none."""
    try:
        return str(uuid.UUID(machine.uuid or ""))
    except ValueError:
        return ""


def start_of(machine: Machine) -> int:
    """Return the bytes of memory a guest starts with; its balloon may give it the rest."""
    return machine.memory.minimum or machine.memory.size


def is_local_time(machine: Machine) -> bool:
    """Tell whether the hardware clock shows local time, which Windows is used to."""
    windows = guest_os.get(machine.guest.id).family == "windows"
    return machine.clock is Clock.LOCAL or (windows and machine.clock is None)


def _board(machine: Machine, kept: Kept) -> dict[str, Value]:
    """Return kind of guest, firmware and boot order."""
    if kept.paravirtual:
        return {"type": kept.paravirtual}
    letters = {d.id: "d" if isinstance(d, Cdrom) else "c" for d in machine.drives}
    letters |= {nic.id: "n" for nic in machine.nics}
    ranks = boot_ranks(machine)
    order = (letters[device] for device in sorted(ranks, key=ranks.__getitem__))
    uefi = machine.firmware.kind is Firmware.UEFI
    board: dict[str, Value] = {
        "type": "hvm",
        "bios": "ovmf" if uefi else "seabios",
        "boot": "".join(dict.fromkeys(order)) or "c",
    }
    if machine.cpu.nested_virtualization:
        board["nestedhvm"] = 1
    if guest_os.get(machine.guest.id).family == "windows":
        board["viridian"] = 1
    return board


def _disks(machine: Machine, appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> list[str]:
    names = device_names(machine)
    texts = []
    for drive in machine.drives:
        # `target` takes all the rest, commas too, so it comes last.
        if isinstance(drive, Disk):
            placed = placed_disk(drive, disks)
            access = "ro" if drive.read_only else "rw"
            texts.append(
                f"format={placed.format}, vdev={names[drive.id]}, access={access},"
                f" target={IMAGES_FOLDER}/{placed.filename}"
            )
        elif isinstance(drive, Cdrom):
            file = appliance.file(drive.file)
            inserted = f"{IMAGES_FOLDER}/{file.href}" if file is not None else ""
            texts.append(
                f"format=raw, vdev={names[drive.id]}, access=ro, devtype=cdrom, target={inserted}"
            )
    return texts


def _vif(number: int, nic: Nic, kept: Kept) -> str:
    word = word_for(XL.nics, nic.model)
    if word is None:
        raise not_supported("Xen", nic, nic.model.value)
    pairs = [f"mac={mac_of(nic)}"] if mac_of(nic) else []
    pairs.append(f"bridge={bridge_of(nic)}")
    if nic.model is NicModel.XEN:
        pairs += [] if kept.paravirtual else ["type=vif"]
    else:
        pairs.append(f"model={word}")
    return ",".join([*pairs, *kept.vifs.get(number, ())])


def _emulated(machine: Machine) -> dict[str, Value]:
    """Return the devices that an HVM guest has beside drives and adapters."""
    ports = max(1, len(machine.serial_ports))
    settings: dict[str, Value] = {"serial": "pty" if ports == 1 else ["pty"] * ports}
    settings |= {"vnc": 1, "vnclisten": "127.0.0.1"}
    video = machine.video
    settings["vga"] = (word_for(XL.video, video.model) if video else None) or "stdvga"
    if video is not None and video.memory:
        settings["videoram"] = max(16, min(512, video.memory // MIB))
    if machine.sound is not None:
        settings["soundhw"] = word_for(XL.sound, machine.sound.model) or "hda"
    if machine.usb:
        words = [word_for(XL.usb, usb.model) or "1" for usb in machine.usb]
        # usb and usbversion exclude each other; the tablet needs one of them.
        settings["usbversion"] = int(max(words))
        settings["usbdevice"] = ["tablet"]
    return settings


def _how_to(stem: str, disks: Mapping[str, PlacedDisk]) -> list[str]:
    names = " ".join(sorted(disk.filename for disk in disks.values()))
    return [
        "# Made by kensho. To use it:",
        f"#   cp {names} {IMAGES_FOLDER}/",
        f"#   xl create {stem}.cfg",
        f"# Elsewhere than in {IMAGES_FOLDER}: change the targets of the disks. Bridges are those of",
        "# the host: change bridge= where it has others.",
    ]
