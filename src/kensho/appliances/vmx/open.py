"""Open a machine described by a VMX in a folder."""

from __future__ import annotations

import re

from kensho.appliances.assemble import assemble
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.store import Store, find, read_text_file
from kensho.appliances.vmx.parse import MAX_VMX, read_dictionary
from kensho.appliances.vmx.read import read_vmx
from kensho.model.errors import UnsafePathError, UnsupportedError
from kensho.model.selection import Selection


def open_vmx(origin: Origin, _selection: Selection) -> Package:
    """Open the machine a VMX describes; disks are looked for in the same folder."""
    path = origin.path
    store = origin.beside()
    try:
        data = read_text_file(store, origin.name, MAX_VMX)
        dictionary, findings = read_dictionary(data, path=path)
        appliance, more = read_vmx(
            dictionary,
            path=path,
            fallback=origin.stem,
            locate=lambda name: _locate(store, name),
        )
        return assemble("vmx", path, appliance, store, (*findings, *more), own=(origin.name,))
    except BaseException:
        store.close()
        raise


def _locate(store: Store, name: str) -> tuple[str, bool]:
    r"""Return the name to use for a file and whether it is there.

    VMX files name disks by absolute paths of the host they were made on, such as
    ``/vmfs/volumes/…/a.vmdk`` or ``D:\VMs\a.vmdk``: the base name is what can be here.
    """
    try:
        if find(store, name) is not None:
            return name, True
    except (UnsafePathError, UnsupportedError):
        pass
    else:
        return name, False
    base = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    base = base.removeprefix("]").strip() or "unnamed"
    try:
        return base, find(store, base) is not None
    except (UnsafePathError, UnsupportedError):
        return "unnamed", False
