"""Where the disks of a VirtualMachine are: its volumes, and the files beside the manifest.

Source: https://kubevirt.io/user-guide/storage/disks_and_volumes/. What a volume holds is in the
cluster; here it is a file of the volume's name, as ``virtctl vmexport download`` or a copy made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from kensho.appliances.kubevirt.quantity import whole
from kensho.appliances.kubevirt.values import mapping, text
from kensho.appliances.store import Store, find
from kensho.model.errors import UnsafePathError, UnsupportedError

_SUFFIXES = (".qcow2", ".img", ".raw", ".vmdk", ".vhdx", ".vhd", "")
_BY_NAME = {"dataVolume": "name", "persistentVolumeClaim": "claimName"}


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume: what it is called in the cluster, the names its file may have, its bytes if said.

    ``blank`` ones have no file; ``kind`` is KubeVirt's word, ``is_disk`` False for what is made by
    KubeVirt itself when the machine starts, such as cloud-init's.
    """

    kind: str
    name: str
    files: tuple[str, ...] = ()
    capacity: int | None = None
    blank: bool = False
    is_disk: bool = True


@dataclass(frozen=True, slots=True)
class Claims:
    """What DataVolumes and PersistentVolumeClaims say, by name: bytes, and names of their file.

    That is the one kensho wrote, or the last part of the address the volume is filled from.
    """

    sizes: Mapping[str, int]
    files: Mapping[str, tuple[str, ...]]


def claims_of(documents: list[dict[str, Any]], note: str) -> Claims:
    """Return what the volumes among the documents say; ``note`` is the annotation with a file."""
    sizes: dict[str, int] = {}
    files: dict[str, tuple[str, ...]] = {}
    for document in documents:
        name = text(mapping(document, "metadata").get("name"))
        spec = mapping(document, "spec")
        for holder in (mapping(spec, "storage"), mapping(spec, "pvc"), spec):
            size = whole(mapping(holder, "resources", "requests").get("storage"))
            if size:
                sizes.setdefault(name, size)
        file = text(mapping(document, "metadata", "annotations").get(note))
        address = text(mapping(spec, "source", "http").get("url"))
        names = (file, _last_part(address))
        files[name] = tuple(n for n in names if n)
    return Claims(sizes, files)


def _last_part(address: str) -> str:
    """Return the file's name at the end of a URL, empty when it is none."""
    try:
        return PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError:
        return ""


def volume_of(value: Mapping[str, Any], claims: Claims) -> Volume:
    """Return what a volume of a machine is."""
    for kind, key in _BY_NAME.items():
        if kind in value:
            return _claim(kind, text(mapping(value, kind).get(key)), claims)
    if "ephemeral" in value:
        claim = mapping(value, "ephemeral", "persistentVolumeClaim")
        return _claim("ephemeral", text(claim.get("claimName")), claims)
    if "containerDisk" in value:
        disk = mapping(value, "containerDisk")
        image = text(disk.get("image")).partition("@")[0].rpartition("/")[2].partition(":")[0]
        inside = PurePosixPath(text(disk.get("path"))).name
        return Volume("containerDisk", image, tuple(n for n in (inside, *_names(image)) if n))
    if "hostDisk" in value:
        disk = mapping(value, "hostDisk")
        name = PurePosixPath(text(disk.get("path"))).name
        return Volume("hostDisk", name, _names(name), whole(disk.get("capacity")))
    if "emptyDisk" in value:
        size = whole(mapping(value, "emptyDisk").get("capacity"))
        return Volume("emptyDisk", text(value.get("name")), (), size, blank=True)
    kind = next((str(k) for k in value if k != "name"), "")
    return Volume(kind, text(value.get("name")), is_disk=False)


def locate(volume: Volume, store: Store) -> tuple[str, bool]:
    """Return the name of the volume's file and whether it is there."""
    usable = []
    for name in volume.files:
        try:
            if find(store, name) is not None:
                return name, True
            usable.append(name)
        except (UnsafePathError, UnsupportedError):
            continue
    return (usable[0] if usable else "unnamed"), False


def _claim(kind: str, name: str, claims: Claims) -> Volume:
    files = claims.files.get(name, ())
    return Volume(kind, name, (*files[:1], *_names(name), *files[1:]), claims.sizes.get(name))


def _names(stem: str) -> tuple[str, ...]:
    return tuple(stem + suffix for suffix in _SUFFIXES) if stem else ()
