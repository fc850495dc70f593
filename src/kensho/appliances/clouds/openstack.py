"""Write a machine for OpenStack: image properties as JSON and a script for its client.

Sources: https://docs.openstack.org/glance/latest/admin/useful-image-properties.html and
https://docs.openstack.org/python-openstackclient/latest/cli/command-list.html. Every disk becomes a
volume made from an image, so that the flavor's own disk does not have to fit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kensho.appliances.bash import quoted
from kensho.appliances.clouds.parts import Job, head, job_of, json_document, script
from kensho.appliances.mapped import not_supported
from kensho.appliances.package import Document, PlacedDisk
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.errors import UnsupportedError
from kensho.model.machine import Firmware
from kensho.model.units import GIB, MIB
from kensho.platforms import openstack
from kensho.platforms.words import controller_word, word_for

_USAGE = """bash {script} FLAVOR NETWORK...

FLAVOR   the size of the machine: {cpus} processors, {memory} MiB of memory
NETWORK  the network of each network adapter, in their order: {nics}

The OpenStack client has to be set up (clouds.yaml or the OS_ variables)."""

_VOLUME = """
# Prints the id of a volume made of an image file: its name, the file, GiB, options of image create.
# Bash forgets set -e where it is called.
make_volume() {
  local name=$1 file=$2 size=$3 image volume status
  shift 3
  image=$(openstack image create --disk-format qcow2 --container-format bare \\
    --file "$HERE/$file" "$@" --format value --column id -- "$name") || return
  volume=$(openstack volume create --image "$image" --size "$size" \\
    --format value --column id -- "$name") || return
  while :; do
    status=$(openstack volume show --format value --column status -- "$volume") || return
    case $status in
      available) break ;;
      error*)
        echo "volume $volume: $status" >&2
        return 1
        ;;
    esac
    sleep 5
  done
  printf '%s\\n' "$volume"
}

"""


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME-openstack.sh`` and ``NAME-openstack.json``, the boot image's properties.

    Raises UnsupportedError for several machines, adapters or buses that OpenStack cannot say.
    """
    job = job_of(appliance, disks, openstack.PLATFORM.title)
    found = properties(job)
    return (
        script(f"{job.stem}-openstack.sh", _script(job, found)),
        json_document(f"{job.stem}-openstack.json", found),
    )


def properties(job: Job) -> dict[str, str]:
    """Return the image properties of a machine."""
    machine, firmware = job.machine, job.machine.firmware
    found = {"architecture": "x86_64", "hypervisor_type": "qemu"}
    uefi = firmware.kind is Firmware.UEFI
    found["hw_firmware_type"] = "uefi" if uefi else "bios"
    found["hw_machine_type"] = "q35" if uefi or _bus(job) == "sata" else "pc"
    if firmware.secure_boot:
        found["os_secure_boot"] = "required"
    if firmware.tpm:
        found |= {"hw_tpm_version": "2.0", "hw_tpm_model": "tpm-crb"}
    if bus := _bus(job):
        found["hw_disk_bus"] = bus
    if bus == "scsi":
        found["hw_scsi_model"] = "virtio-scsi"
    if machine.nics:
        found["hw_vif_model"] = _nic_model(job)
    if machine.cpu.cores_per_socket > 1:
        found["hw_cpu_cores"] = str(machine.cpu.cores_per_socket)
    if job.family in {"linux", "windows"}:
        found["os_type"] = job.family
    if distro := distro_of(machine.guest.id):
        found["os_distro"] = distro
    return found


def distro_of(guest: str) -> str:
    """Return libosinfo's word for a guest's distribution, empty when there is none."""
    match = re.match(r"https?://[^/]+/([a-z.]+)/", guest_os.get(guest).osinfo)
    return {"win": "windows", "winnt": "windows"}.get(match[1], match[1]) if match else ""


def _bus(job: Job) -> str:
    words = (
        controller_word(openstack.PROPERTIES.controllers, c.model) or ""
        for c in job.machine.controllers
    )
    found = {word.partition(":")[0] for word in words}
    if len(found) > 1 or "" in found:
        names = ", ".join(sorted(c.model.value for c in job.machine.controllers))
        raise UnsupportedError(f"OpenStack machines have one bus for all disks, not {names}")
    return next(iter(found), "")


def _nic_model(job: Job) -> str:
    # One model for all: the first adapter decides; rules say which ones change.
    nic = job.machine.nics[0]
    word = word_for(openstack.PROPERTIES.nics, nic.model)
    if word is None:
        raise not_supported("OpenStack", nic, nic.model.value)
    return word


def _script(job: Job, found: dict[str, str]) -> str:
    machine = job.machine
    count = len(machine.nics)
    name = f"{job.stem}-openstack.sh"
    memory = machine.memory.size // MIB
    usage = _USAGE.format(script=name, cpus=machine.cpu.count, memory=memory, nics=count)
    files = [disk.filename for disk in job.disks]
    text = head("makes this machine in OpenStack", usage, ["openstack"], files)
    text += (
        f"\nif (($# != {1 + count})); then\n"
        f'  echo "usage: bash ${{BASH_SOURCE[0]}} FLAVOR NETWORK... ({count} of them)" >&2\n'
        "  exit 2\n"
        "fi\nFLAVOR=$1\nshift\n" + _VOLUME
    )
    arguments = ['openstack server create --flavor "$FLAVOR"']
    for number, disk in enumerate(job.disks, 1):
        size = -(-disk.virtual_size // GIB)
        options = f" --min-ram {memory}" if number == 1 else ""
        if number == 1:
            options += "".join(f" --property {quoted(f'{k}={v}')}" for k, v in found.items())
        text += (
            f"volume{number}=$(make_volume {quoted(job.disk_label(number))}"
            f" {quoted(disk.filename)} {size}{options})\n"
        )
        if number == 1:
            arguments.append('--volume "$volume1"')
        else:
            arguments.append(
                f'--block-device "uuid=$volume{number},source_type=volume,'
                'destination_type=volume,boot_index=-1"'
            )
    for number, nic in enumerate(machine.nics, 1):
        mac = f" --mac-address {quoted(nic.mac)}" if nic.mac else ""
        text += (
            f'port{number}=$(openstack port create --network "${{{number}}}"{mac}'
            f" --format value --column id -- {quoted(f'{job.label}-nic{number}')})\n"
        )
        arguments.append(f'--port "$port{number}"')
    if job.about:
        arguments.append(f"--property {quoted(f'description={job.about}')}")
    arguments += ["--wait", f"-- {quoted(job.title)}"]
    return text + "\n" + " \\\n  ".join(arguments) + "\n"
