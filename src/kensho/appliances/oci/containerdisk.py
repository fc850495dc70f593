"""Write a container disk: an OCI image with a machine's disks below ``/disk``, for KubeVirt.

Source: https://kubevirt.io/user-guide/storage/disks_and_volumes/#containerdisk: the disks are
readable for user 107 (qemu); with several in one image, ``path`` of the volume says which. Each disk
is a layer of its own, so that a registry keeps what did not change. The manifest of the machine is a
label of the image, which the reader finds again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kensho.appliances.bash import demand_files, demand_tools, quoted
from kensho.appliances.disk_job import write_job
from kensho.appliances.kubevirt.write import manifest, to_yaml
from kensho.appliances.mapped import only_machine, placed_disk
from kensho.appliances.names import dns_label, file_stem
from kensho.appliances.package import DiskJob, Document, PlacedDisk
from kensho.model.appliance import Appliance
from kensho.model.origin import dump_origin
from kensho.storage.file import FileSink
from kensho.storage.oci_layout import OciArchive
from kensho.storage.tar_headers import DIRECTORY, Member, headers

LABEL, NOTE = "kensho.kubevirt.manifest", "kensho.origin"
IMAGE = "@IMAGE@"  #: what the script puts the image's name in place of
_QEMU = 107
SUFFIX = "oci.tar"

_SCRIPT = """\
#!/usr/bin/env bash
# Made by kensho: pushes the image with the disks and makes the machine in the current namespace of a
# cluster with KubeVirt. Run it in the folder it lies in together with its files:
#
#     bash {script} IMAGE
#
# IMAGE  such as registry.example.org/machines/web:1, which the cluster has to reach
set -euo pipefail

IMAGE=${{1:-}}
if [[ ! $IMAGE =~ ^[A-Za-z0-9][A-Za-z0-9._:/@-]*$ ]]; then
  echo "usage: bash ${{BASH_SOURCE[0]}} IMAGE" >&2
  exit 2
fi
"""


def write_containerdisk(
    sink: FileSink,
    appliance: Appliance,
    jobs: Sequence[DiskJob],
    *,
    name: str,
    timestamp: int,
    compression: str,
) -> tuple[PlacedDisk, ...]:
    """Write the image; see `kensho.appliances.package.Container`.

    Raises UnsupportedError for several machines and for devices KubeVirt does not have.
    """
    stem = file_stem(name)
    expected = {
        job.image: _placed(job, f"{stem}-disk{number}.qcow2") for number, job in enumerate(jobs, 1)
    }
    value = _manifest(appliance, expected, stem)
    archive = OciArchive(sink, timestamp)
    placed = [
        _write_disk(archive, job, expected[job.image], compression, f"{stem}/{job.image}")
        for job in jobs
    ]
    labels = {LABEL: to_yaml([value]).decode()}
    if appliance.origin is not None:
        labels[NOTE] = dump_origin(appliance.origin)
    archive.finish(name=stem, settings={"Labels": labels})
    return tuple(placed)


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME.yaml``, the machine on the image, and the script that pushes and makes it."""
    stem = file_stem(appliance.name)
    value = _manifest(appliance, disks, stem)
    name = f"{stem}-kubevirt.sh"
    archive = f"{stem}.{SUFFIX}"
    text = _SCRIPT.format(script=name) + demand_tools(["skopeo", "kubectl"])
    text += demand_files([archive, f"{stem}.yaml"])
    text += (
        f'\nskopeo copy "oci-archive:$HERE/"{quoted(archive)} "docker://$IMAGE"\n'
        f'manifest=$(<"$HERE"/{quoted(f"{stem}.yaml")})\n'
        # With its quotes it is the value of that key: within other texts, quotes are escaped.
        f'place=\'image: "{IMAGE}"\' value="image: \\"$IMAGE\\""\n'
        'kubectl apply --filename - <<<"${manifest//"$place"/$value}"\n'
        f'echo "the machine is ready: virtctl start {value["metadata"]["name"]}"\n'
    )
    return (
        Document(name, text.encode(), executable=True),
        Document(f"{stem}.yaml", to_yaml([value])),
    )


def _manifest(appliance: Appliance, disks: Mapping[str, PlacedDisk], stem: str) -> dict[str, Any]:
    machine = only_machine(appliance, "KubeVirt")
    sources = {}
    for disk in machine.disks:
        path = f"/disk/{placed_disk(disk, disks).filename}"
        sources[disk.id] = {"containerDisk": {"image": IMAGE, "path": path}}
    return manifest(machine, dns_label(stem, 48), sources)


def _placed(job: DiskJob, filename: str) -> PlacedDisk:
    return PlacedDisk(
        image=job.image,
        filename=filename,
        format="qcow2",
        subformat="uncompressed",
        virtual_size=job.virtual_size,
        file_size=0,
        data_size=0,
    )


def _write_disk(
    archive: OciArchive, job: DiskJob, place: PlacedDisk, compression: str, identity: str
) -> PlacedDisk:
    time = archive.timestamp
    archive.begin_layer()
    folder = Member(b"disk/", DIRECTORY, mode=0o555, uid=_QEMU, gid=_QEMU, mtime=time)
    archive.append(headers(folder))
    name = f"disk/{place.filename}".encode()
    member = Member(name, mode=0o440, uid=_QEMU, gid=_QEMU, mtime=time)
    sink = archive.place(member)
    virtual_size, data_size = write_job(
        job, sink, place.format, place.subformat, compression=compression, identity=identity
    )
    archive.placed(replace(member, size=sink.size), sink)
    archive.end_layer()
    return PlacedDisk(
        image=place.image,
        filename=place.filename,
        format=place.format,
        subformat=place.subformat,
        virtual_size=virtual_size,
        file_size=sink.size,
        data_size=data_size,
    )
