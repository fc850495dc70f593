from __future__ import annotations

import hashlib
import io
import itertools
import random
import tarfile
import xmlrpc.client

import msgspec
import pytest
from mapped_machines import HOSTILE, disk_machine, with_machine

from kensho.appliances.package import DiskJob
from kensho.appliances.xmlsafe import parse_xml
from kensho.appliances.xva.archive import scan
from kensho.appliances.xva.disk import XvaDisk
from kensho.appliances.xva.objects import read_objects
from kensho.appliances.xva.write import VdiWriter, rounded, write_xva
from kensho.disks.copy import copy_disk
from kensho.disks.raw import RawDisk
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    ManifestMismatchError,
    PackageError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from kensho.model.extent import Kind
from kensho.model.machine import ControllerModel, Firmware, NicModel
from kensho.model.units import MIB
from kensho.storage.file import FileSource
from kensho.storage.memory import MemorySink, MemorySource

TIME = 1_700_000_000


def job(image, content):
    def copy(writer):
        reader = RawDisk(MemorySource(content))
        return copy_disk(reader, writer, threads=2).data_bytes

    return DiskJob(image=image, virtual_size=len(content), copy=copy)


def xen_machine(**changes):
    return disk_machine(
        disk=ControllerModel.XEN_VBD, cdrom=ControllerModel.XEN_VBD, nic=NicModel.XEN, **changes
    )


def read_vdis(source):
    root, _ = parse_xml(scan(source).metadata, path="ova.xml")
    rows = read_objects(root, "ova.xml")["vdi"].values()
    return tuple((row.ref, row.number("virtual_size", 1 << 50)) for row in rows)


def open_vdi(source, ref):
    return XvaDisk(source, scan(source).indexes[ref], dict(read_vdis(source))[ref])


def disk_content(blocks):
    """Return a disk of whole and half blocks: ``x`` random, ``-`` zero, ``h`` half a block."""
    rng = random.Random(blocks)
    parts = {"x": lambda: rng.randbytes(MIB), "-": lambda: bytes(MIB)}
    parts |= {"h": lambda: rng.randbytes(MIB // 2), "z": lambda: bytes(700)}
    return b"".join(parts[block]() for block in blocks)


def write(appliance, *contents):
    sink = MemorySink()
    jobs = [job(f"img{number}", content) for number, content in enumerate(contents)]
    placed = write_xva(sink, appliance, jobs, name="web01", timestamp=TIME, compression="")
    return bytes(sink.data), placed


def records(data):
    """Return the objects of ova.xml as XML-RPC says them, by class."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        text = tar.extractfile("ova.xml").read().decode()
    value = text.split("?>", 1)[1].strip()
    call = f"<methodResponse><params><param>{value}</param></params></methodResponse>"
    ((found,), _method) = xmlrpc.client.loads(call)
    return found


def by_class(data, name):
    return {o["id"]: o["snapshot"] for o in records(data)["objects"] if o["class"] == name}


SHAPES = ["x", "-", "xx", "--", "-x-", "x--x", "--x--", "x--", "xh", "-z", "---h", "z", "xx-xx-x"]


@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_make_up_the_disk_again(shape):
    content = disk_content(shape)
    data, (placed,) = write(xen_machine(disks=1), content)
    assert placed.filename == "Ref:1000"
    assert placed.virtual_size == rounded(len(content)) == -(-len(content) // MIB) * MIB
    joined = bytearray(placed.virtual_size)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
        assert names[0] == "ova.xml"
        blocks = [n for n in names[1:] if not n.endswith(".checksum")]
        assert names[1:] == [n for b in blocks for n in (b, f"{b}.checksum")]
        for name in blocks:
            block = tar.extractfile(name).read()
            assert len(block) == MIB
            checksum = tar.extractfile(f"{name}.checksum").read()
            assert checksum.decode() == hashlib.sha1(block).hexdigest()
            number = int(name.removeprefix("Ref:1000/"))
            joined[number * MIB : (number + 1) * MIB] = block
        last = placed.virtual_size // MIB - 1
        assert blocks[0] == "Ref:1000/00000000"
        assert blocks[-1] == f"Ref:1000/{last:08d}"
        for name in blocks[1:-1]:
            assert any(tar.extractfile(name).read())
    assert bytes(joined) == content.ljust(placed.virtual_size, b"\0")


@pytest.mark.parametrize("shape", SHAPES)
def test_our_reader_reads_it_back(shape):
    content = disk_content(shape)
    data, (placed,) = write(xen_machine(disks=1), content)
    source = MemorySource(data, "test.xva")
    assert read_vdis(source) == (("Ref:1000", placed.virtual_size),)
    disk = open_vdi(source, "Ref:1000")
    whole = bytearray(disk.virtual_size)
    disk.read_into(0, whole)
    assert bytes(whole) == content.ljust(disk.virtual_size, b"\0")
    extents = list(disk.extents())
    assert extents[0].start == 0
    assert all(a.end == b.start for a, b in itertools.pairwise(extents))
    assert extents[-1].end == disk.virtual_size
    for extent in extents:
        if extent.kind is not Kind.DATA:
            assert not any(whole[extent.start : extent.end])
    rng = random.Random(shape)
    for _ in range(20):
        start = rng.randrange(disk.virtual_size)
        length = min(rng.randrange(2 * MIB), disk.virtual_size - start)
        part = bytearray(length)
        disk.read_into(start, part)
        assert part == whole[start : start + length]
        clipped = list(disk.extents(start, start + length))
        assert sum(e.length for e in clipped) == length


def test_several_disks_are_ordered_and_the_bytes_always_the_same(tmp_path):
    contents = [disk_content("x-x"), disk_content("-h"), disk_content("--")]
    appliance = xen_machine(disks=3)
    data, placed = write(appliance, *contents)
    assert data == write(appliance, *contents)[0]
    refs = [disk.filename for disk in placed]
    assert refs == sorted(refs)
    assert len(data) % 512 == 0
    assert data.endswith(bytes(1024))
    path = tmp_path / "a.xva"
    path.write_bytes(data)
    with FileSource(path) as source:
        for disk, content in zip(placed, contents, strict=True):
            buffer = bytearray(disk.virtual_size)
            open_vdi(source, disk.filename).read_into(0, buffer)
            assert bytes(buffer) == content.ljust(disk.virtual_size, b"\0")


def test_the_sizes_reported_are_those_in_the_archive():
    data, (placed,) = write(xen_machine(disks=1), disk_content("x--x"))
    assert placed.file_size == 2 * (512 + MIB + 512 + 512)
    assert placed.data_size == 2 * MIB
    assert placed.file_size < len(data)


def test_the_records_refer_to_each_other():
    data, placed = write(xen_machine(disks=2), disk_content("x"), disk_content("-x"))
    version = records(data)["version"]
    assert version["export_vsn"] == "2"
    assert version["date"] == "2023-11-14"
    ((vm_ref, vm),) = by_class(data, "VM").items()
    vbds, vifs, vdis = (by_class(data, name) for name in ("VBD", "VIF", "VDI"))
    assert vm["VBDs"] == list(vbds)
    assert vm["VIFs"] == list(vifs)
    assert [v["virtual_size"] for v in vdis.values()] == [str(p.virtual_size) for p in placed]
    assert list(vdis) == [p.filename for p in placed]
    (sr_ref,) = by_class(data, "SR")
    assert all(v["SR"] == sr_ref for v in vdis.values())
    assert all(v["VM"] == vm_ref for v in (*vbds.values(), *vifs.values()))
    assert [v["VDI"] for v in vbds.values()] == [*vdis, "OpaqueRef:NULL"]
    assert [v["type"] for v in vbds.values()] == ["Disk", "Disk", "CD"]
    assert [v["userdevice"] for v in vbds.values()] == ["0", "1", "2"]
    assert [v["bootable"] for v in vbds.values()] == [True, False, False]
    networks = by_class(data, "network")
    assert {n["name_label"] for n in networks.values()} == {"VM Network", "Backup"}
    assert all(v["network"] in networks for v in vifs.values())
    assert next(iter(vifs.values()))["MAC"] == "00:50:56:01:02:03"
    uuids = [o["snapshot"]["uuid"] for o in records(data)["objects"]]
    assert len(set(uuids)) == len(uuids)
    assert vm["uuid"] == "564d1234-5678-9abc-def0-1234567890ab"
    assert vm["memory_static_max"] == str(2 * 1024 * MIB)
    assert vm["HVM_boot_params"] == {"order": "cdn", "firmware": "bios"}
    assert vm["platform"]["cores-per-socket"] == "2"


def test_firmware_and_guest_family():
    appliance = xen_machine(
        disks=1, firmware=Firmware.UEFI, secure_boot=True, guest="win2k22", cpus=(3, 2)
    )
    data, _placed = write(appliance, disk_content("x"))
    (vm,) = by_class(data, "VM").values()
    assert vm["HVM_boot_params"]["firmware"] == "uefi"
    assert vm["platform"]["secureboot"] == "true"
    assert vm["platform"]["viridian"] == "true"
    assert "cores-per-socket" not in vm["platform"]
    assert vm["other_config"]["base_template_name"] == "Windows Server 2022 (64-bit)"


def test_a_virtual_tpm_is_new_and_empty():
    appliance = xen_machine(disks=1, firmware=Firmware.UEFI, tpm=True, guest="win2k22")
    data, _placed = write(appliance, disk_content("x"))
    ((vm_ref, vm),) = by_class(data, "VM").items()
    ((ref, chip),) = by_class(data, "VTPM").items()
    assert vm["VTPMs"] == [ref]
    assert chip.pop("vTPM'_uuid")
    # The names are those of a record that XAPI makes for exports alone.
    assert chip == {
        "vTPM'_VM": vm_ref,
        "vTPM'_is_unique": False,
        "vTPM'_is_protected": False,
        "vTPM'_content": "",
    }
    assert "VTPM" not in {
        o["class"] for o in records(write(xen_machine(), *[disk_content("x")] * 2)[0])["objects"]
    }


def test_hostile_text_is_text():
    data, _placed = write(
        with_machine(xen_machine(disks=1), name=HOSTILE, annotation=HOSTILE), disk_content("x")
    )
    (vm,) = by_class(data, "VM").values()
    assert 'rm -rf "$HOME"; `x` $(touch pwned)' in vm["name_label"]
    assert "\n" not in vm["name_label"]
    assert "]]> & <b>" in vm["name_description"]


@pytest.mark.parametrize(
    "appliance",
    [
        disk_machine(disks=1, disk=ControllerModel.IDE, nic=NicModel.XEN),
        disk_machine(
            disks=1, disk=ControllerModel.XEN_VBD, cdrom=ControllerModel.XEN_VBD, nic=NicModel.E1000
        ),
        msgspec.structs.replace(xen_machine(), machines=()),
    ],
)
def test_what_xen_lacks_is_refused(appliance):
    with pytest.raises(UnsupportedError):
        write(appliance, disk_content("x"))


def test_a_disk_without_a_job_is_refused():
    with pytest.raises(UsageError):
        write(xen_machine(disks=2), disk_content("x"))


def test_runs_must_come_in_order_and_fit():
    writer = VdiWriter(MemorySink(), "Ref:1000", 3 * MIB, mtime=0)
    block = memoryview(b"a" * MIB)
    writer.commit(writer.encode(MIB, block))
    with pytest.raises(UsageError):
        writer.commit(writer.encode(MIB, block))
    with pytest.raises(UsageError):
        writer.encode(5, block)
    with pytest.raises(UsageError):
        writer.encode(3 * MIB, block)


def damaged(data, change):
    """Rewrite an XVA with the standard library; ``change`` maps (name, bytes) to the same."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old.getmembers():
            changed = change(member.name, old.extractfile(member).read())
            if changed is not None:
                info = tarfile.TarInfo(changed[0])
                info.size = len(changed[1])
                new.addfile(info, io.BytesIO(changed[1]))
    return MemorySource(out.getvalue(), "bad.xva")


def read_all(source):
    disk = open_vdi(source, "Ref:1000")
    buffer = bytearray(disk.virtual_size)
    disk.read_into(0, buffer)
    return bytes(buffer)


def test_damage_is_found():
    content = disk_content("x-xx")
    data, _placed = write(xen_machine(disks=1), content)
    assert read_all(damaged(data, lambda n, b: (n, b))) == content
    second, last = "Ref:1000/00000002", "Ref:1000/00000003"

    def flipped(name, body):
        return (name, b"\0" + body[1:]) if name == second else (name, body)

    with pytest.raises(ManifestMismatchError):
        read_all(damaged(data, flipped))
    with pytest.raises(TruncatedError):
        read_all(damaged(data, lambda n, b: None if n.startswith(last) else (n, b)))
    with pytest.raises(CorruptError):
        read_all(damaged(data, lambda n, b: (n.replace("00000003", "00000009"), b)))
    with pytest.raises(PackageError):
        read_all(damaged(data, lambda n, b: None if n == "ova.xml" else (n, b)))
    with pytest.raises(KenshoError):
        read_all(MemorySource(data[: len(data) // 2]))


def test_blocks_of_no_bytes_take_a_number_and_no_room():
    # What XAPI writes to keep a slow connection open: block 1 is empty, the rest count on.
    content = disk_content("xx")
    data, _placed = write(xen_machine(disks=1), content)
    extra = hashlib.sha1(b"").hexdigest().encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old.getmembers():
            body = old.extractfile(member).read()
            if member.name == "Ref:1000/00000001":
                for name, more in (
                    ("Ref:1000/00000001", b""),
                    ("Ref:1000/00000001.checksum", extra),
                ):
                    info = tarfile.TarInfo(name)
                    info.size = len(more)
                    new.addfile(info, io.BytesIO(more))
            info = tarfile.TarInfo(member.name.replace("00000001", "00000002"))
            info.size = len(body)
            new.addfile(info, io.BytesIO(body))
    assert read_all(MemorySource(out.getvalue())) == content
