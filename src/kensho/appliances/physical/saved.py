"""A machine's facts in a file, beside copies of its disks made elsewhere, such as with dd.

The file is what ``kensho inspect local: --json`` printed on that machine. Its disks are looked for
beside it by the devices' names (``sda.img``), a single disk also by the file's own (``web01.img``
beside ``web01.json``), or as ``href`` in the file names them after an edit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec

from kensho.appliances.assemble import assemble
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.physical.locator import KIND
from kensho.appliances.store import Store, find, read_text_file
from kensho.model.appliance import Appliance, File
from kensho.model.errors import CorruptError, UnsafePathError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.selection import Selection

_MAX = 16 << 20
_SUFFIXES = (".img", ".raw", ".dd", ".bin", ".qcow2", ".vmdk", ".vhdx", ".vhd", ".vdi", "")


class _Inspected(msgspec.Struct, frozen=True):
    kind: str
    appliance: Appliance


def open_saved(origin: Origin, _selection: Selection) -> Package:
    """Open the machine a facts file describes, with the disk images beside it.

    CorruptError when the file is not what `inspect` printed.
    """
    store = origin.beside()
    try:
        data = read_text_file(store, origin.name, _MAX)
        appliance = _decode(data, origin.path)
        findings: list[Finding] = []
        files = []
        for file in appliance.files:
            name = _find(store, _names(file, appliance, origin))
            files.append(File(file.id, name or _default(file)))
            findings.append(_said(file, name, appliance))
        appliance = msgspec.structs.replace(appliance, files=tuple(files))
        return assemble("facts", origin.path, appliance, store, findings, own=(origin.name,))
    except BaseException:
        store.close()
        raise


def _decode(data: bytes, path: str) -> Appliance:
    try:
        appliance = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_Inspected)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptError(
            f"is no machine's facts: {error}",
            path=path,
            hint="make it anew on that machine: kensho inspect local: --json > machine.json",
        ) from None
    found = appliance.appliance
    problem = _contradiction(found)
    if appliance.kind != KIND or problem:
        raise CorruptError(problem or "is no machine's facts", path=path, field="appliance")
    return found


def _contradiction(appliance: Appliance) -> str:
    """Return what makes the facts unusable, empty when nothing does."""
    if len(appliance.machines) != 1:
        return f"{len(appliance.machines)} machines; one is expected"
    machine = appliance.machines[0]
    for what, ids in (
        ("file", [f.id for f in appliance.files]),
        ("image", [i.id for i in appliance.images]),
        ("controller", [c.id for c in machine.controllers]),
        ("drive", [d.id for d in machine.drives]),
        ("adapter", [n.id for n in machine.nics]),
    ):
        if len(set(ids)) != len(ids):
            return f"two {what}s have one id"
    images = {image.id for image in appliance.images}
    for disk in machine.disks:
        if disk.image not in images or machine.controller(disk.controller) is None:
            return f"the disk {disk.id} has no image or no controller"
    return ""


def _names(file: File, appliance: Appliance, origin: Origin) -> Iterator[str]:
    """Yield what a disk's copy may be called, best first."""
    stem = file.href.removeprefix("/dev/").replace("/", "-")
    if not file.href.startswith("/"):
        yield file.href  # as the user put it there
    stems = [stem, f"{origin.stem}-{stem}", f"{appliance.name}-{stem}"]
    if len(appliance.files) == 1:
        stems += [origin.stem, appliance.name]
    for one in stems:
        for suffix in _SUFFIXES:
            if f"{one}{suffix}" != origin.name:
                yield f"{one}{suffix}"


def _find(store: Store, names: Iterator[str]) -> str | None:
    for name in names:
        try:
            found = find(store, name)
        except (UnsafePathError, UnsupportedError):
            continue
        if found is not None:
            return found
    return None


def _default(file: File) -> str:
    return file.href if not file.href.startswith("/") else f"{PurePosixPath(file.href).name}.img"


def _said(file: File, name: str | None, appliance: Appliance) -> Finding:
    if name is None:
        return Finding(
            "KF-533",
            Severity.WARNING,
            f"no copy of {file.href} is beside the facts",
            subject=appliance.name,
            action=f"copy that disk to {_default(file)} here, or change its href in the facts",
        )
    return Finding(
        "KF-533",
        Severity.NOTE,
        f"{name} is taken for the copy of {file.href}",
        subject=appliance.name,
        action="read from there",
    )
