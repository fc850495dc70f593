"""Open a machine described by a Proxmox VE configuration in a folder."""

from __future__ import annotations

import re
import shlex

from kensho.appliances.assemble import assemble
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.proxmox.conf import MAX_CONF, Conf, parse_conf
from kensho.appliances.proxmox.read import read_conf
from kensho.appliances.store import Store, find, read_text_file
from kensho.model.errors import UnsafePathError, UnsupportedError, UsageError
from kensho.model.selection import Selection

#: The line of kensho's import script that takes a disk in.
_IMPORT = re.compile(r'qm set "\$VMID" --([a-z]+[0-9]+) "\$STORAGE:0,import-from=\$HERE/"(.*)')
_SUFFIXES = ("", ".qcow2", ".raw", ".vmdk")


def open_conf(origin: Origin, selection: Selection) -> Package:
    """Open the machine of a ``VMID.conf``; volumes are looked for in the same folder.

    UnsupportedError for a container, UsageError when a snapshot is asked for: what a disk held
    then is known to the storage alone.
    """
    path = origin.path
    store = origin.beside()
    try:
        conf, findings = parse_conf(read_text_file(store, origin.name, MAX_CONF), path=path)
        _refuse(conf, selection, path)
        imported = _imported(store, origin.stem)
        appliance, more = read_conf(
            conf,
            path=path,
            fallback=origin.stem,
            locate=lambda key, volume: _locate(store, imported.get(key), volume),
        )
        return assemble("pve", path, appliance, store, (*findings, *more), own=(origin.name,))
    except BaseException:
        store.close()
        raise


def _refuse(conf: Conf, selection: Selection, path: str) -> None:
    if "rootfs" in conf.options:
        raise UnsupportedError(
            "describes a container (LXC), not a virtual machine",
            path=path,
            field="rootfs",
            hint="a container has no disks or firmware; copy its files into a machine",
        )
    if selection.configuration is not None:
        raise UsageError(
            "snapshots of Proxmox VE cannot be read from here",
            path=path,
            hint="roll back to the snapshot, or clone it: qm clone VMID NEW --snapname NAME",
        )


def _imported(store: Store, stem: str) -> dict[str, str]:
    """Return the disk files by drive as kensho's import script beside the configuration has them."""
    name = f"{stem}-import.sh"
    if store.size_of(name) is None:
        return {}
    found: dict[str, str] = {}
    for line in read_text_file(store, name, MAX_CONF).decode(errors="replace").splitlines():
        if match := _IMPORT.fullmatch(line):
            try:
                words = shlex.split(match[2])
            except ValueError:
                continue
            found[match[1]] = "".join(words).partition(",")[0]
    return found


def _locate(store: Store, imported: str | None, volume: str) -> tuple[str, bool]:
    """Return the name to use for a volume and whether it is there."""
    inner = volume.partition(":")[2] or volume
    parts = [part for part in inner.split("/") if part]
    last = parts[-1] if parts else "unnamed"
    names = [imported] if imported else []
    names += [last + suffix for suffix in _SUFFIXES]
    names += [] if volume.startswith("/") else [inner, f"images/{inner}"]
    for name in names:
        try:
            if find(store, name) is not None:
                return name, True
        except (UnsafePathError, UnsupportedError):
            continue
    try:
        find(store, last)
    except (UnsafePathError, UnsupportedError):
        return "unnamed", False
    return last, False
