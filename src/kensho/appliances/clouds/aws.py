"""Write a machine for Amazon EC2: requests of the AWS CLI as JSON and the script that sends them.

Sources: EC2 API Reference (ImportImage, ImportSnapshot, RegisterImage) and AWS CLI Command
Reference (``--cli-input-json``); VM Import/Export User Guide (service role ``vmimport``); EC2 User
Guide, "Device names for volumes". Disks are stream-optimized VMDK, the smallest of what is taken.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping

from kensho.appliances.bash import quoted
from kensho.appliances.clouds.parts import Job, head, job_of, json_document, script, shape_of
from kensho.appliances.package import Document, PlacedDisk
from kensho.model.appliance import Appliance
from kensho.model.machine import Firmware
from kensho.platforms import aws

_BUCKET = "@BUCKET@"  #: what the script puts the bucket's name in place of
_ROOT = "/dev/xvda"
_MOST_NAME = 128

_USAGE = """bash {script} BUCKET

BUCKET  an S3 bucket of the region you work in; the disks are put under {stem}/ there

The AWS CLI has to be set up, and the service role vmimport has to exist and may read the
bucket: docs.aws.amazon.com/vm-import/latest/userguide/required-permissions.html"""

_CHECKS = """
BUCKET=${1:-}
if [[ ! $BUCKET =~ ^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$ ]]; then
  echo "usage: bash ${BASH_SOURCE[0]} BUCKET" >&2
  exit 2
fi
if ! aws iam get-role --role-name vmimport >/dev/null; then
  echo "the role vmimport is missing; the beginning of this script says where it is explained" >&2
  exit 1
fi

# Puts a value where a request has a key with a stand-in for it, and nowhere else.
fill() {
  local place="\\"$1\\": \\"$2\\"" value="\\"$1\\": \\"$3\\""
  request=${request//"$place"/"$value"}
}
"""

_WAIT_IMAGE = """
echo "waiting for $task, which takes from minutes to hours"
while :; do
  status=$(aws ec2 describe-import-image-tasks --import-task-ids "$task" \\
    --query 'ImportImageTasks[0].Status' --output text)
  case $status in
    completed) break ;;
    deleting | deleted | failed)
      aws ec2 describe-import-image-tasks --import-task-ids "$task" >&2
      exit 1
      ;;
  esac
  sleep 30
done
image=$(aws ec2 describe-import-image-tasks --import-task-ids "$task" \\
  --query 'ImportImageTasks[0].ImageId' --output text)
"""

_SNAPSHOT = """
# Prints the id of the snapshot made by a request; bash forgets set -e where it is called.
import_snapshot() {
  local request task status
  request=$(<"$1") || return
  fill S3Bucket @BUCKET@ "$BUCKET"
  task=$(aws ec2 import-snapshot --cli-input-json "$request" \\
    --query ImportTaskId --output text) || return
  echo "waiting for $task" >&2
  while :; do
    status=$(aws ec2 describe-import-snapshot-tasks --import-task-ids "$task" \\
      --query 'ImportSnapshotTasks[0].SnapshotTaskDetail.Status' --output text) || return
    case $status in
      completed) break ;;
      deleting | deleted | error)
        aws ec2 describe-import-snapshot-tasks --import-task-ids "$task" >&2
        return 1
        ;;
    esac
    sleep 30
  done
  aws ec2 describe-import-snapshot-tasks --import-task-ids "$task" \\
    --query 'ImportSnapshotTasks[0].SnapshotTaskDetail.SnapshotId' --output text
}
"""


def render_import(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME-aws.sh`` and ``NAME-import-image.json`` (VM Import of the whole machine).

    Raises UnsupportedError for several machines.
    """
    job = job_of(appliance, disks, aws.PLATFORM.title)
    request = f"{job.stem}-import-image.json"
    containers = [
        {
            "Description": disk.filename,
            "Format": "vmdk",
            "UserBucket": {"S3Bucket": _BUCKET, "S3Key": f"{job.stem}/{disk.filename}"},
        }
        for disk in job.disks
    ]
    value = {
        "Description": _plain(job.title),
        "Architecture": "x86_64",
        "BootMode": _boot_mode(job),
        "RoleName": "vmimport",
        "DiskContainers": containers,
    }
    text = _head(job, "imports this machine into Amazon EC2", [request]) + _upload(job)
    text += (
        f'\nrequest=$(<"$HERE"/{quoted(request)})\n'
        'fill S3Bucket @BUCKET@ "$BUCKET"\n'
        'task=$(aws ec2 import-image --cli-input-json "$request" \\\n'
        "  --query ImportTaskId --output text)\n"
    )
    text += _WAIT_IMAGE + _end(job)
    return script(f"{job.stem}-aws.sh", text), json_document(request, value)


def render_register(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME-aws.sh`` and the requests that make snapshots of the disks and an AMI of them.

    The guest is not changed. Raises UnsupportedError for several machines.
    """
    job = job_of(appliance, disks, aws.PLATFORM.title)
    requests = [f"{job.stem}-snapshot{n}.json" for n, _ in enumerate(job.disks, 1)]
    register = f"{job.stem}-register-image.json"
    documents = [
        json_document(
            name,
            {
                "Description": f"{job.stem} {disk.filename}",
                "RoleName": "vmimport",
                "DiskContainer": {
                    "Description": disk.filename,
                    "Format": "vmdk",
                    "UserBucket": {"S3Bucket": _BUCKET, "S3Key": f"{job.stem}/{disk.filename}"},
                },
            },
        )
        for name, disk in zip(requests, job.disks, strict=True)
    ]
    documents.append(json_document(register, _register(job)))
    what = "makes an AMI of this machine as it is"
    text = _head(job, what, [*requests, register]) + _SNAPSHOT + _upload(job)
    text += f'\nrequest=$(<"$HERE"/{quoted(register)})\n'
    for number, name in enumerate(requests, 1):
        text += (
            f'snapshot=$(import_snapshot "$HERE"/{quoted(name)})\n'
            "[[ $snapshot =~ ^snap-[0-9a-f]+$ ]]\n"
            f'fill SnapshotId @SNAPSHOT{number}@ "$snapshot"\n'
        )
    text += (
        'image=$(aws ec2 register-image --cli-input-json "$request" \\\n'
        "  --query ImageId --output text)\n"
    )
    return script(f"{job.stem}-aws.sh", text + _end(job)), *documents


def _plain(text: str) -> str:
    """Return a text in ASCII, all that EC2 takes in descriptions; the tag has it as it is."""
    letters = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if c.isascii() else "?" for c in letters)[:250]


def device_name(number: int) -> str:
    """Return the device name of data disk ``number``, from 0, as EC2 recommends them."""
    if number < 11:  # f … p
        return f"/dev/sd{chr(ord('f') + number)}"
    return f"/dev/xvdb{chr(ord('a') + number - 11)}"


def _register(job: Job) -> dict[str, object]:
    names = [_ROOT, *map(device_name, range(len(job.disks) - 1))]
    value: dict[str, object] = {
        "Name": f"{job.stem} (kensho)"[:_MOST_NAME],
        "Description": _plain(job.title),
        "Architecture": "x86_64",
        "VirtualizationType": "hvm",
        "EnaSupport": True,
        "BootMode": _boot_mode(job),
        "RootDeviceName": _ROOT,
        "BlockDeviceMappings": [
            {
                "DeviceName": name,
                "Ebs": {
                    "SnapshotId": f"@SNAPSHOT{number}@",
                    "VolumeType": "gp3",
                    "DeleteOnTermination": number == 1,
                },
            }
            for number, name in enumerate(names[: len(job.disks)], 1)
        ],
    }
    if job.machine.firmware.tpm:
        value["TpmSupport"] = "v2.0"
    return value


def _boot_mode(job: Job) -> str:
    return "uefi" if job.machine.firmware.kind is Firmware.UEFI else "legacy-bios"


def _head(job: Job, what: str, requests: list[str]) -> str:
    name = f"{job.stem}-aws.sh"
    files = [*requests, *(disk.filename for disk in job.disks)]
    return head(what, _USAGE.format(script=name, stem=job.stem), ["aws"], files) + _CHECKS


def _upload(job: Job) -> str:
    lines = [
        f'aws s3 cp "$HERE"/{quoted(disk.filename)}'
        f' "s3://$BUCKET/"{quoted(f"{job.stem}/{disk.filename}")}\n'
        for disk in job.disks
    ]
    return "\n# The disks.\n" + "".join(lines)


def _end(job: Job) -> str:
    tags = json.dumps(
        [{"Key": "Name", "Value": job.title}]
        + ([{"Key": "Notes", "Value": job.about}] if job.about else [])
    )
    shape = shape_of(job, aws.PLATFORM)
    return (
        f'aws ec2 create-tags --resources "$image" --tags {quoted(tags)}\n'
        'echo "image $image is ready; a machine of it:"\n'
        'echo "  aws ec2 run-instances --image-id $image'
        f' --instance-type {shape.name} --key-name KEY --subnet-id SUBNET"\n'
    )
