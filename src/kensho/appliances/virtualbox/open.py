"""Open a machine described by VirtualBox's settings file in a folder."""

from __future__ import annotations

import re

import msgspec

from kensho.appliances.assemble import assemble
from kensho.appliances.origin import Origin
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.package import Package
from kensho.appliances.store import Store, find, read_text_file
from kensho.appliances.virtualbox.nvram import MAX_NVRAM, secure_boot
from kensho.appliances.virtualbox.read import read_vbox
from kensho.appliances.xmlsafe import MAX_XML, parse_xml
from kensho.model.appliance import Appliance
from kensho.model.errors import UnsafePathError, UnsupportedError
from kensho.model.selection import Selection


def open_vbox(origin: Origin, selection: Selection) -> Package:
    """Open the machine a ``.vbox`` describes; its media are looked for in the same folder.

    ``selection.configuration`` names a snapshot, by its name or UUID; without one the current
    state is read.
    """
    path = origin.path
    store = origin.beside()
    try:
        root, findings = parse_xml(read_text_file(store, origin.name, MAX_XML), path=path)
        notes = Notes(path)
        appliance = read_vbox(
            root,
            notes=notes,
            fallback=origin.stem,
            snapshot=selection.configuration,
            locate=lambda location: _locate(store, location),
        )
        appliance = _with_secure_boot(appliance, store)
        found = (*findings, *notes.findings)
        return assemble("vbox", path, appliance, store, found, own=(origin.name,))
    except BaseException:
        store.close()
        raise


def _with_secure_boot(appliance: Appliance, store: Store) -> Appliance:
    """Return the appliance with what only the NVRAM file says."""
    machine = appliance.machines[0]
    file = appliance.file(machine.firmware.nvram)
    if file is None or not secure_boot(read_text_file(store, file.href, MAX_NVRAM)):
        return appliance
    firmware = msgspec.structs.replace(machine.firmware, secure_boot=True)
    machine = msgspec.structs.replace(machine, firmware=firmware)
    return msgspec.structs.replace(appliance, machines=(machine,))


def _locate(store: Store, location: str) -> tuple[str, bool]:
    r"""Return the name to use for a medium and whether it is there.

    Locations are relative to the settings file, or absolute paths of the host it was made on,
    such as ``D:\VMs\web\Snapshots\{…}.vdi``: what can be here is the last part, alone or in the
    folder of snapshots.
    """
    parts = [part for part in re.split(r"[/\\]", location) if part not in {"", "."}]
    names = [location.replace("\\", "/")] + ["/".join(parts[-count:]) for count in (2, 1)]
    for name in names:
        try:
            if find(store, name) is not None:
                return name, True
        except (UnsafePathError, UnsupportedError):
            continue
    name = names[-1]
    try:
        find(store, name)
    except (UnsafePathError, UnsupportedError):
        return "unnamed", False
    return name, False
