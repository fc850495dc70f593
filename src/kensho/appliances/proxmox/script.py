"""The script of ``qm`` commands that makes a machine on a Proxmox VE host.

Source: https://pve.proxmox.com/pve-docs/qm.1.html. Disks are taken in with
``STORAGE:0,import-from=FILE`` (Proxmox VE 7.2 and later), which imports and attaches in one step;
``qm importdisk`` leaves a volume whose name a script would have to guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from kensho.appliances.bash import demand_files, demand_tools, quoted
from kensho.appliances.package import PlacedDisk
from kensho.model.machine import Firmware, Machine

_ANY_BRIDGE = '"$BRIDGE"'  #: the one the script is given


@dataclass(frozen=True, slots=True)
class DriveLine:
    """A drive: its key, the disk it is made from (None: a CD drive), its options, its CD.

    ``made`` is a CD that Proxmox VE makes itself, of cloud-init options.
    """

    key: str
    placed: PlacedDisk | None
    options: str
    inserted: str = ""
    made: bool = False


def efi_options(machine: Machine) -> str:
    """Return the options of the EFI disk beside where it is."""
    return f"efitype=4m,pre-enrolled-keys={int(machine.firmware.secure_boot)}"


_HEAD = """\
#!/usr/bin/env bash
# Made by kensho: creates this machine on a Proxmox VE host (7.2 or later). Run it as root,
# in the folder it lies in together with the disk files:
#
#     bash {script} [VMID] [STORAGE] [BRIDGE]
#
# VMID     number of the new machine; the next free one when left out
# STORAGE  where the disks go; local-lvm when left out
# BRIDGE   where the network adapters are plugged in; vmbr0 when left out
set -euo pipefail

{files}{tools}
VMID=${{1:-$(pvesh get /cluster/nextid)}}
STORAGE=${{2:-local-lvm}}
BRIDGE=${{3:-vmbr0}}
if [[ $HERE == *,* ]]; then
  echo "qm cannot read files from a folder with a comma in its name: $HERE" >&2
  exit 1
fi
"""

_TRAP = """trap 'echo "stopped; to remove what was made: qm destroy $VMID" >&2' ERR"""


def import_script(
    name: str,
    machine: Machine,
    options: dict[str, str],
    drives: list[DriveLine],
    nics: list[tuple[str, str, str]],
    boot: str,
    variables: str,
) -> str:
    """Return the script.

    ``nics`` are network options in parts: before the bridge, the bridge if it is given, the rest;
    ``variables`` is the file with the firmware's variables, empty when it starts with its defaults.
    """
    files = [line.placed.filename for line in drives if line.placed is not None]
    files += [line.inserted for line in drives if line.inserted]
    files += [variables] if variables else []
    head = _HEAD.format(script=name, tools=demand_tools(["qm"]), files=demand_files(files))
    arguments = [f"--{key} {_argument(key, value)}" for key, value in options.items()]
    if machine.annotation.strip():
        arguments.append(f"--description {quoted(machine.annotation)}")
    for number, (before, bridge, after) in enumerate(nics):
        arguments.append(
            f"--net{number} {quoted(before)}{quoted(bridge) if bridge else _ANY_BRIDGE}{quoted(after) if after else ''}"
        )
    parts = [head, "# The machine itself, its processors, memory and network adapters."]
    parts.append(" \\\n  ".join(['qm create "$VMID"', *arguments]))
    # Only now: when `qm create` itself fails, the machine with that number is somebody else's.
    parts.append(_TRAP)
    if machine.firmware.kind is Firmware.UEFI:
        parts.append("\n# Where UEFI keeps its settings, and with secure boot its keys.")
        source = f'"$STORAGE:1,{efi_options(machine)}"'
        if variables:
            file = quoted(f"{variables},{efi_options(machine)}")
            source = f'"$STORAGE:0,import-from=$HERE/"{file}'
        parts.append(f'qm set "$VMID" --efidisk0 {source}')
    if machine.firmware.tpm:
        parts.append(
            "\n# A trusted platform module, empty: what was sealed in the old one is not in it."
        )
        parts.append('qm set "$VMID" --tpmstate0 "$STORAGE:1,version=v2.0"')
    parts.append("\n# The drives: files are copied into the storage.")
    for line in drives:
        if line.inserted:
            source = f'"$HERE/"{quoted(line.inserted + "," + line.options)}'
        elif line.made:
            source = '"$STORAGE:cloudinit"'
        elif line.placed is None:
            source = quoted(f"none,{line.options}")
        else:
            file = quoted(f"{line.placed.filename},{line.options}")
            source = f'"$STORAGE:0,import-from=$HERE/"{file}'
        parts.append(f'qm set "$VMID" --{line.key} {source}')
    if boot != "order=":
        parts.append("\n# What to start from.")
        parts.append(f'qm set "$VMID" --boot {quoted(boot)}')
    parts.append('\necho "machine $VMID is ready: qm start $VMID"')
    return "\n".join(parts) + "\n"


def _argument(key: str, value: str) -> str:
    """Return an option's value; ``qm`` reads keys for SSH from a file, the configuration has them."""
    if key != "sshkeys":
        return quoted(value)
    keys = unquote_to_bytes(value).decode(errors="replace")
    return f"<(printf %s {quoted(keys)})"
