"""Every kind of domain that kensho writes, defined in a live libvirt and built by QEMU, never run.

A paused guest runs no instruction, so that these need no time. What is
for KVM alone (Windows' enlightenments) is defined and not built where that runs no guests.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from lxml import etree

from kensho.appliances.libvirt.write import render
from kensho.model.appliance import Appliance
from tests.appliances.mapped_machines import many_libvirt_machines, placed
from tests.hypervisors.libvirt.daemons import STATE, VirshError, virsh
from tests.hypervisors.verdict import Row, Step


def build_all(kept: Path, *, emulated: bool) -> Row:
    """Define and build the machines of the renderer's own tests; the refused ones are kept."""
    kept.mkdir(parents=True)
    machines = many_libvirt_machines()
    with suppress(VirshError):
        virsh("net-start", "default")
    refused: list[str] = []
    without: list[str] = []
    for number, appliance in enumerate(machines):
        try:
            if not _build(appliance, emulated=emulated):
                without.append(str(number))
        except VirshError as error:
            (document,) = render(appliance, placed(appliance))
            (kept / f"{number}.xml").write_bytes(document.data)
            refused.append(f"{number}: {error}")
    said = f"{len(machines)} domains, {len(without)} of them only defined; " + "; ".join(refused)
    return Row(name="shapes", title="every kind of domain, not run",
               steps=(Step("define and build", ok=not refused, said=said.rstrip("; ")),))  # fmt: skip


def _build(appliance: Appliance, *, emulated: bool) -> bool:
    """Define a machine unedited and have QEMU build it; False when that takes KVM, which is not here."""
    (document,) = render(appliance, placed(appliance))
    root = etree.fromstring(document.data)
    name = root.findtext("name") or ""
    path = STATE / "shape.xml"
    path.write_bytes(document.data)
    try:
        virsh("define", "--validate", path)
        if emulated and root.find("features/hyperv") is not None:
            return False
        if emulated:
            root.set("type", "qemu")
        memory = root.find("memory")
        assert memory is not None
        memory.text = str(64 << 10)  # nothing is run in it
        for source in root.findall("devices/disk/source"):
            size = ["qemu-img", "create", "-q", "-f", "qcow2", source.get("file", ""), "1M"]
            subprocess.run(size, check=True)
        path.write_bytes(etree.tostring(root))
        with suppress(VirshError):
            virsh("undefine", "--nvram", name)
        virsh("create", "--paused", "--validate", path)
    finally:
        for words in (("destroy", name), ("undefine", "--nvram", "--tpm", name)):
            with suppress(VirshError):
                virsh(*words)
        shutil.rmtree(STATE / "images")
        (STATE / "images").mkdir()
    return True
