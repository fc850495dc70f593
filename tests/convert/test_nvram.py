"""The firmware's variable store goes along to a target that reads it, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.appliances import open_package
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.disks import create_disk
from kensho.model.units import GIB, MIB
from kensho.storage.file import FileSink

VMX = """config.version = "8"
virtualHW.version = "19"
displayName = "Web"
guestOS = "debian12-64"
memsize = "1024"
firmware = "efi"
nvram = "web.nvram"
vcpu.hotadd = "TRUE"
mem.hotadd = "TRUE"
vhv.enable = "TRUE"
sched.cpu.min = "500"
sched.cpu.max = "unlimited"
sched.mem.min = "256"
scsi0.present = "TRUE"
scsi0.virtualDev = "pvscsi"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "web.vmdk"
"""
STORE = b"MRVN" + bytes(range(256)) * 40


def source(folder: Path, store: bytes) -> Path:
    folder.mkdir()
    (folder / "web.vmx").write_text(VMX, encoding="utf-8")
    (folder / "web.nvram").write_bytes(store)
    with FileSink(folder / "web.vmdk") as sink:
        writer = create_disk("vmdk", "monolithicSparse", sink, 1 << 20)
        writer.commit(writer.encode(0, memoryview(b"\x17" * 65536)))
        writer.finish()
    return folder / "web.vmx"


def convert(path: Path, out: Path, target: str, form: str | None) -> tuple[set[str], set[str]]:
    plan = make_plan(Request(source=str(path), target=target, form=form))
    result = run_plan(plan, out)
    return {f.code for f in result.findings}, {f.name for f in result.files}


def test_a_vmx_keeps_it_byte_for_byte(tmp_path: Path) -> None:
    path = source(tmp_path / "in", STORE)
    codes, names = convert(path, tmp_path / "out", "vmware", "vmx")
    assert "Web.nvram" in names
    assert (tmp_path / "out" / "Web.nvram").read_bytes() == STORE
    assert not codes & {"KF-314", "KF-342", "KF-343", "KF-344", "KF-347", "KF-348"}
    package = open_package(tmp_path / "out" / "Web.vmx")
    machine = package.appliance.machines[0]
    package.close()
    assert machine.firmware.nvram == "nvram"
    assert machine.cpu.hot_add
    assert machine.memory.hot_add
    assert machine.cpu.nested_virtualization
    assert (machine.cpu.reservation_hz, machine.cpu.limit_hz) == (500_000_000, None)
    assert (machine.memory.size, machine.memory.reservation) == (GIB, 256 * MIB)


@pytest.mark.parametrize(
    ("store", "target", "form"),
    [(STORE, "kvm", None), (STORE, "vmware", "ova"), (b"unknown", "vmware", "vmx")],
)
def test_others_say_that_it_stays_behind(
    tmp_path: Path, store: bytes, target: str, form: str | None
) -> None:
    path = source(tmp_path / "in", store)
    codes, names = convert(path, tmp_path / "out", target, form)
    assert "KF-314" in codes
    assert not [name for name in names if name.endswith(".nvram")]
