"""Write a machine for Google Compute Engine: a script of gcloud commands.

Sources: cloud.google.com/sdk/gcloud/reference/compute (images create, disks create, instances
create) and cloud.google.com/compute/docs/images/create-custom (guest OS features).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kensho.appliances.bash import quoted
from kensho.appliances.clouds.parts import Job, head, job_of, script, shape_of
from kensho.appliances.package import Document, PlacedDisk
from kensho.model.appliance import Appliance
from kensho.model.machine import Firmware
from kensho.platforms import gcp

_USAGE = """bash {script} BUCKET ZONE [NETWORK...]

BUCKET   a Cloud Storage bucket; the disks are put under {stem}/ there
ZONE     such as europe-west4-a
NETWORK  the VPC network of each network adapter, in their order: {nics}; each has to be another.
         Without any, the machine gets one adapter on the network default.

gcloud has to be logged in and have a project set."""

_CHECKS = """
if (($# < 2)); then
  echo "usage: bash ${BASH_SOURCE[0]} BUCKET ZONE [NETWORK...]" >&2
  exit 2
fi
BUCKET=$1
ZONE=$2
shift 2
networks=()
for network in "${@:-default}"; do
  networks+=("--network-interface=network=$network")
done
"""

#: Guests whose own kernel has the driver of gVNIC (Linux 5.4 and later).
_GVNIC = re.compile(
    r"(debian1[1-9]|ubuntu2[0-9]|rhel(9|1[0-9])|centos9|rocky(9|1[0-9])|almalinux(9|1[0-9])"
    r"|oraclelinux(9|1[0-9])|fedora|sles1[6-9]|linux6)"
)


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME-gcp.sh``. Raises UnsupportedError for several machines."""
    job = job_of(appliance, disks, gcp.PLATFORM.title)
    name = f"{job.stem}-gcp.sh"
    usage = _USAGE.format(script=name, stem=job.stem, nics=len(job.machine.nics))
    files = [disk.filename for disk in job.disks]
    text = head("makes this machine in Compute Engine", usage, ["gcloud"], files) + _CHECKS
    for number, disk in enumerate(job.disks, 1):
        text += _image(job, number, disk)
    return (script(name, text + _instance(job)),)


def features(job: Job) -> list[str]:
    """Return what the boot image's guest can do, in Google's words."""
    found = []
    if job.machine.firmware.kind is Firmware.UEFI:
        found.append("UEFI_COMPATIBLE")
    if job.family in {"linux", "windows"}:
        found.append("VIRTIO_SCSI_MULTIQUEUE")
    if job.family == "windows":
        found += ["MULTI_IP_SUBNET", "WINDOWS"]
    if _GVNIC.match(job.machine.guest.id):
        found.append("GVNIC")
    return found


def _image(job: Job, number: int, disk: PlacedDisk) -> str:
    label = quoted(job.disk_label(number))
    place = f'"gs://$BUCKET/"{quoted(f"{job.stem}/{disk.filename}")}'
    text = f'\ngcloud storage cp "$HERE"/{quoted(disk.filename)} {place}\n'
    text += f"gcloud compute images create {label} --source-uri={place}"
    text += f" \\\n  --architecture=X86_64 --description={quoted(f'{job.title}: {disk.filename}')}"
    if number == 1 and features(job):
        text += f" \\\n  --guest-os-features={','.join(features(job))}"
    text += "\n"
    if number > 1:
        text += f'gcloud compute disks create {label} --zone="$ZONE" --image={label}\n'
    return text


def _metadata(key: str, value: str) -> str:
    """Return a dictionary for gcloud; one with a comma says first what parts its members instead."""
    if "," not in value:
        return f"{key}={value}"
    mark = next(c for c in map(chr, range(0x21, 0x10000)) if c not in f"^{key}={value}")
    return f"^{mark}^{key}={value}"


def _instance(job: Job) -> str:
    firmware = job.machine.firmware
    arguments = [
        f'gcloud compute instances create {quoted(job.label)} --zone="$ZONE"',
        f"--machine-type={shape_of(job, gcp.PLATFORM).name}",
        '"${networks[@]}"',
        f"--description={quoted(job.about or job.title)}",
        f"--metadata={quoted(_metadata('kensho-name', job.title))}",
    ]
    if job.disks:
        arguments.append(f"--image={quoted(job.disk_label(1))}")
    for number in range(2, len(job.disks) + 1):
        label = job.disk_label(number)
        arguments.append(f"--disk=name={quoted(label)},device-name={quoted(label)}")
    if firmware.kind is Firmware.UEFI:
        arguments.append(
            "--shielded-secure-boot" if firmware.secure_boot else "--no-shielded-secure-boot"
        )
        arguments.append("--shielded-vtpm" if firmware.tpm else "--no-shielded-vtpm")
        if not firmware.tpm:
            arguments.append("--no-shielded-integrity-monitoring")
    return "\n" + " \\\n  ".join(arguments) + "\n"
