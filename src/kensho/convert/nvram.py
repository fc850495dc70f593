"""The variables of a machine's firmware: carried where the target reads the source's own file.

Each hypervisor keeps boot entries, Secure Boot keys and BIOS settings in a file of its own layout.
Nothing is translated: the file goes along as it is, or stays behind with a finding.
"""

from __future__ import annotations

from contextlib import closing

import msgspec

from kensho.appliances import Package
from kensho.appliances.package import Document
from kensho.model.appliance import Appliance, File
from kensho.model.errors import KenshoError
from kensho.model.units import MIB
from kensho.platforms.base import Form

_ID = "nvram"
_MOST = 16 * MIB
#: By the first bytes; EDK II's volumes have their length at 32 and their mark at 40 (PI
#: specification, volume 3, 3.2.1). Those of OVMF with 4 MiB of flash have 528 KiB.
_MARKS = (
    (0, b"MRVN", "vmware"),
    (32, (528 * 1024).to_bytes(8, "little") + b"_FVH", "edk2-4m"),
    (40, b"_FVH", "edk2"),
)


def keep_nvram(
    package: Package, before: Appliance, after: Appliance, form: Form, name: str
) -> Appliance:
    """Return ``after`` with the variable store of its one machine where ``form`` can have it.

    It is NAME.nvram beside the result, listed among the files. The firmware must be what it was.
    """
    if len(before.machines) != 1 or len(after.machines) != 1 or not form.carries.nvram:
        return after
    old, machine = before.machines[0].firmware, after.machines[0]
    if old.nvram is None or old.kind is not machine.firmware.kind:
        return after
    if package.arrival is not None or kind_of(package, old.nvram) != form.carries.nvram:
        return after
    firmware = msgspec.structs.replace(machine.firmware, nvram=_ID)
    return msgspec.structs.replace(
        after,
        machines=(msgspec.structs.replace(machine, firmware=firmware),),
        files=(*(f for f in after.files if f.id != _ID), File(_ID, f"{name}.nvram")),
    )


def kind_of(package: Package, file_id: str) -> str:
    """Return whose layout a variable store has: ``vmware``, ``edk2``; empty when unknown or gone."""
    try:
        with closing(package.open_file(file_id)) as source:
            if source.size > _MOST:
                return ""
            head = source.read_at(0, min(64, source.size))
    except KenshoError:
        return ""
    return next((kind for at, mark, kind in _MARKS if head[at:].startswith(mark)), "")


def nvram_documents(package: Package, before: Appliance, after: Appliance) -> tuple[Document, ...]:
    """Return the variable store that `keep_nvram` promised, to be written beside the result."""
    kept = [after.file(m.firmware.nvram) for m in after.machines if m.firmware.nvram]
    stores = [m.firmware.nvram for m in before.machines if m.firmware.nvram]
    documents = []
    for file, store in zip(kept, stores, strict=False):
        if file is not None:
            with closing(package.open_file(store)) as source:
                documents.append(Document(file.href, source.read_at(0, min(source.size, _MOST))))
    return tuple(documents)
