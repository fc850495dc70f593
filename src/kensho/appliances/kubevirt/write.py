"""Write a machine for KubeVirt: a VirtualMachine, a DataVolume for each disk, a script.

Sources: https://kubevirt.io/api-reference/ (v1 VirtualMachine) and
https://github.com/kubevirt/containerized-data-importer (doc/upload.md, doc/datavolumes.md). Disks go
into the cluster with ``virtctl image-upload``: it needs nothing but the cluster itself, where an
http or registry source needs a server the cluster reaches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from kensho.appliances.bash import demand_files, demand_tools, quoted
from kensho.appliances.kubevirt.keep import put_back
from kensho.appliances.kubevirt.quantity import quantity
from kensho.appliances.mapped import (
    boot_ranks,
    controller_of,
    not_supported,
    only_machine,
    placed_disk,
)
from kensho.appliances.names import dns_label, file_stem, unique
from kensho.appliances.package import Document, PlacedDisk
from kensho.model.appliance import Appliance
from kensho.model.machine import Disk, Firmware, Machine, Nic
from kensho.model.yamlsafe import whole_characters
from kensho.platforms.kubevirt import WORDS
from kensho.platforms.words import controller_word, word_for

#: Where a DataVolume says which file its disk comes from; read back by the reader.
FILE_NOTE = "kensho/file"
#: Words that are text in every YAML; PyYAML itself quotes ``yes``, ``null`` and the like.
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9./_-]*[A-Za-z0-9]", re.ASCII)
NOTES, OS_NOTE = "description", "vm.kubevirt.io/os"

_SCRIPT = """\
#!/usr/bin/env bash
# Made by kensho: makes this machine in the current namespace of a cluster with KubeVirt and CDI. Run
# it in the folder it lies in together with its files:
#
#     bash {script} [OPTION OF virtctl image-upload]...
#
# Such options are --insecure, --uploadproxy-url URL and --force-bind.
set -euo pipefail

"""


_UPLOAD = """
# Uploads a disk unless an earlier run did; virtctl takes none for a volume that has one.
upload() {
  local volume=$1 file=$2 phase
  shift 2
  phase=$(kubectl get datavolume "$volume" --output 'jsonpath={.status.phase}')
  if [[ $phase == Succeeded ]]; then
    echo "$volume is uploaded already"
  else
    virtctl image-upload dv "$volume" --no-create --image-path "$HERE/$file" "$@"
  fi
}

"""


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME.yaml`` and ``NAME-kubevirt.sh``.

    Raises UnsupportedError for several machines and for a device KubeVirt does not have.
    """
    machine = only_machine(appliance, "KubeVirt")
    stem = file_stem(appliance.name)
    label = dns_label(stem, 48)
    volumes = {d.id: f"{label}-disk{n}" for n, d in enumerate(machine.disks, 1)}
    documents: list[dict[str, Any]] = [
        _data_volume(volumes[disk.id], placed_disk(disk, disks)) for disk in machine.disks
    ]
    sources = {i: {"dataVolume": {"name": name}} for i, name in volumes.items()}
    documents.append(manifest(machine, label, sources))
    script = f"{stem}-kubevirt.sh"
    files = [(volumes[d.id], placed_disk(d, disks).filename) for d in machine.disks]
    return (
        Document(script, _script(script, stem, label, files).encode(), executable=True),
        Document(f"{stem}.yaml", to_yaml(documents)),
    )


def to_yaml(documents: list[dict[str, Any]]) -> bytes:
    """Return documents as one YAML file, ASCII only, the same in YAML 1.1 and 1.2.

    PyYAML would leave bare what others take for something else: to kubectl ``1e3`` is a number,
    ``y`` a switch. So only plain words are bare.
    """
    text: str = yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        explicit_start=True,
        width=100,
        allow_unicode=False,
    )
    return text.encode()


class _Dumper(yaml.SafeDumper):
    """Of manifests."""


def _scalar(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if _BARE.fullmatch(text) else '"'
    tag = "tag:yaml.org,2002:str"
    return dumper.represent_scalar(tag, whole_characters(text), style=style)


_Dumper.add_representer(str, _scalar)


def manifest(machine: Machine, label: str, sources: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the VirtualMachine called ``label``; ``sources`` are the volumes by disk.

    Raises UnsupportedError for a device KubeVirt does not have.
    """
    ranks = boot_ranks(machine)
    names = {d.id: f"disk{n}" for n, d in enumerate(machine.disks, 1)}
    for drive in machine.drives:
        if not isinstance(drive, Disk):
            raise not_supported("KubeVirt", drive, type(drive).__name__)
    interfaces, networks = _networks(machine, ranks)
    devices: dict[str, Any] = {
        "disks": [_disk(machine, d, names[d.id], ranks.get(d.id)) for d in machine.disks],
        "interfaces": interfaces,
        "rng": {},
    }
    if not interfaces:
        devices["autoattachPodInterface"] = False
    if machine.serial_ports:
        devices["autoattachSerialConsole"] = True
    if machine.firmware.tpm:
        devices["tpm"] = {"persistent": True}
    if machine.sound is not None and (word := word_for(WORDS.sound, machine.sound.model)):
        devices["sound"] = {"name": "sound", "model": word}
    spec = {
        "domain": _domain(machine, devices),
        "networks": networks,
        "volumes": [{"name": names[d.id], **sources[d.id]} for d in machine.disks],
    }
    template: dict[str, Any] = {"metadata": {"labels": {"kubevirt.io/domain": label}}, "spec": spec}
    if machine.guest.id != "other":
        template["metadata"]["annotations"] = {OS_NOTE: machine.guest.id}
    metadata: dict[str, Any] = {"name": label}
    if machine.annotation.strip():
        metadata["annotations"] = {NOTES: machine.annotation.encode(errors="replace").decode()}
    value: dict[str, Any] = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": metadata,
        "spec": {"runStrategy": "Halted", "template": template},
    }
    put_back(value, machine.extras)
    return value


def _domain(machine: Machine, devices: dict[str, Any]) -> dict[str, Any]:
    cpu, firmware = machine.cpu, machine.firmware
    cores = cpu.cores_per_socket if cpu.count % cpu.cores_per_socket == 0 else 1
    uefi = firmware.kind is Firmware.UEFI
    features: dict[str, Any] = {"acpi": {}}
    if firmware.secure_boot:  # without it the firmware's variables could be written by the guest
        features["smm"] = {"enabled": True}
    boot = {"efi": {"secureBoot": firmware.secure_boot}} if uefi else {"bios": {}}
    settings: dict[str, Any] = {"bootloader": boot}
    if machine.uuid is not None:
        settings["uuid"] = machine.uuid.lower()
    return {
        "machine": {"type": "q35"},
        "cpu": {"sockets": cpu.count // cores, "cores": cores, "threads": 1},
        "memory": {"guest": quantity(machine.memory.size)},
        "features": features,
        "firmware": settings,
        "devices": devices,
    }


def _disk(machine: Machine, disk: Disk, name: str, rank: int | None) -> dict[str, Any]:
    controller = controller_of(machine, disk)
    bus = controller_word(WORDS.controllers, controller.model)
    if bus is None:
        raise not_supported("KubeVirt", disk, controller.model.value)
    target: dict[str, Any] = {"bus": bus}
    if disk.read_only:
        target["readonly"] = True
    value: dict[str, Any] = {"name": name, "disk": target}
    if rank is not None:
        value["bootOrder"] = rank
    if disk.shared:
        value["shareable"] = True
    if disk.cache in {"none", "writethrough", "writeback"}:
        value["cache"] = disk.cache
    return value


def _networks(
    machine: Machine, ranks: Mapping[str, int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return interfaces and networks: the pod's own one for the first, Multus for all others."""
    interfaces, networks = [], []
    taken: set[str] = set()
    for number, nic in enumerate(machine.nics):
        model = word_for(WORDS.nics, nic.model)
        if model is None:
            raise not_supported("KubeVirt", nic, nic.model.value)
        pod = number == 0 and not nic.target_network
        name = unique("default" if pod else _network_label(nic), taken)
        interface: dict[str, Any] = {"name": name, "model": model}
        interface["masquerade" if pod else "bridge"] = {}
        if nic.mac is not None:
            interface["macAddress"] = nic.mac
        if nic.id in ranks:
            interface["bootOrder"] = ranks[nic.id]
        interfaces.append(interface)
        where: dict[str, Any] = {"name": name}
        where |= {"pod": {}} if pod else {"multus": {"networkName": attachment(nic)}}
        networks.append(where)
    return interfaces, networks


def attachment(nic: Nic) -> str:
    """Return the NetworkAttachmentDefinition an adapter asks for, ``NAMESPACE/NAME`` or a name."""
    if nic.target_network:
        return "/".join(dns_label(part) for part in nic.target_network.split("/", 1))
    return _network_label(nic)


def _network_label(nic: Nic) -> str:
    return dns_label(nic.target_network or nic.network or "network", 40)


def _data_volume(name: str, placed: PlacedDisk) -> dict[str, Any]:
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": name, "annotations": {FILE_NOTE: placed.filename}},
        "spec": {
            "source": {"upload": {}},
            "storage": {"resources": {"requests": {"storage": quantity(placed.virtual_size)}}},
        },
    }


def _script(name: str, stem: str, label: str, files: list[tuple[str, str]]) -> str:
    text = _SCRIPT.format(script=name) + demand_tools(["kubectl", "virtctl"])
    text += demand_files([f"{stem}.yaml", *(file for _, file in files)])
    text += f'\nkubectl apply --filename "$HERE"/{quoted(f"{stem}.yaml")}\n'
    text += _UPLOAD
    for volume, file in files:
        text += f'upload {quoted(volume)} {quoted(file)} "$@"\n'
    return text + f'echo "the machine is ready: virtctl start {label}"\n'
