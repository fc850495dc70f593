from __future__ import annotations

import contextlib
import gzip
import random
import shutil
import struct
import subprocess
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from vma_samples import CONF, archive, cut, extents, header, sealed

from kensho.appliances import open_package
from kensho.appliances.proxmox.efi_vars import empty_variables
from kensho.appliances.proxmox.vma import read_archive
from kensho.appliances.proxmox.vma_disk import index_clusters
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.disks import open_disk
from kensho.model.errors import (
    CorruptError,
    FormatError,
    KenshoError,
    LimitError,
    NoSpaceError,
    PackageError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from kensho.model.machine import ControllerModel, Firmware, NicModel
from kensho.model.selection import Selection
from kensho.storage.file import FileSource
from kensho.storage.lzop import begin_lzop
from kensho.storage.memory import MemorySource

CONTENT = (
    random.Random(5).randbytes(70_000)
    + bytes(200_000)
    + random.Random(6).randbytes(4096 * 3)
    + bytes(1 << 20)
    + random.Random(7).randbytes(700)
)
CONTENT = CONTENT.ljust(-(-len(CONTENT) // 512) * 512, b"\0")


def lzop_of(data, *, packed=True):
    """Return a file as lzop makes it: blocks of 256 KiB with Adler-32."""
    from lzallright import LZOCompressor

    head = struct.pack(">HHHBBIIIIB", 0x1040, 0x20A0, 0x0940, 1, 5, 0x03000001, 0o100644, 0, 0, 0)
    out = b"\x89LZO\0\r\n\x1a\n" + head + struct.pack(">I", zlib.adler32(head))
    for at in range(0, len(data), 1 << 18):
        block = data[at : at + (1 << 18)]
        small = LZOCompressor().compress(block) if packed else block
        small = small if len(small) < len(block) else block
        out += struct.pack(">III", len(block), len(small), zlib.adler32(block)) + small
    return out + bytes(4)


PACKED = {
    "": lambda data: data,
    ".zst": zstandard.compress,
    ".gz": gzip.compress,
    ".lzo": lzop_of,
}


def read_all(reader):
    whole = bytearray(reader.virtual_size)
    reader.read_into(0, whole)
    return bytes(whole)


def placed(folder, data, name="vzdump-qemu-101-2026_01_02-03_04_05.vma"):
    path = folder / name
    path.write_bytes(data)
    return path


def test_the_machine_is_in_the_archive(tmp_path):
    package = open_package(placed(tmp_path, archive(CONTENT)))
    assert package.kind == "vma"
    (machine,) = package.appliance.machines
    assert (machine.name, machine.cpu.count, machine.memory.size) == ("backup01", 2, 2 << 30)
    assert machine.annotation == "made for tests"
    assert machine.uuid == "0d6a3a0c-1d2f-4a52-9a10-000000000001"
    (nic,) = machine.nics
    assert (nic.model, nic.mac, nic.vlan) == (NicModel.VIRTIO, "bc:24:11:00:00:01", 7)
    assert [d.id for d in machine.disks] == ["scsi0"]
    assert machine.controllers[-1].model is ControllerModel.VIRTIO_SCSI
    assert machine.cdroms[0].file is None
    assert {f.code: f.subject for f in package.findings} == {"KF-490": "ide2", "KF-491": "scsi1"}
    (image,) = package.appliance.images
    assert image.capacity == len(CONTENT)
    assert read_all(package.open_image(image.id)) == CONTENT
    package.close()


@pytest.mark.parametrize("suffix", PACKED)
def test_clusters_come_in_any_order_and_packed(tmp_path, suffix):
    data = archive(CONTENT, order=lambda c: random.Random(3).sample(c, len(c)))
    path = placed(tmp_path, PACKED[suffix](data), f"a.vma{suffix}")
    package = open_package(path)
    assert package.kind == "vma"
    reader = package.open_image(package.appliance.images[0].id)
    assert read_all(reader) == CONTENT
    part = bytearray(5000)
    reader.read_into(268_000, part)
    assert part == CONTENT[268_000:273_000]
    package.close()


@pytest.mark.parametrize(
    ("suffix", "before"),
    [
        (".zst", b"\x50\x2a\x4d\x18\x04\0\0\0\x10\0\0\0"),  # as pzstd has it
        (".zst", zstandard.compress(b"")),
        (".gz", gzip.compress(b"", mtime=0)),
    ],
)
def test_what_may_stand_before_the_data(tmp_path, suffix, before):
    path = placed(tmp_path, before + PACKED[suffix](archive(CONTENT)), f"a.vma{suffix}")
    package = open_package(path)
    assert package.kind == "vma"
    assert read_all(package.open_image(package.appliance.images[0].id)) == CONTENT
    package.close()


def test_a_window_beyond_what_is_read_is_no_damage(tmp_path):
    large = zstandard.ZstdCompressionParameters(window_log=28)
    packer = zstandard.ZstdCompressor(compression_params=large).compressobj(size=1 << 29)
    data = packer.compress(archive(CONTENT)) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    path = placed(tmp_path, data, "a.vma.zst")
    with pytest.raises(UnsupportedError, match="window") as caught:
        open_package(path)
    assert "--long" in caught.value.hint


@pytest.mark.skipif(shutil.which("lzop") is None, reason="needs lzop")
def test_what_lzop_packs_is_read(tmp_path):
    path = placed(tmp_path, archive(CONTENT), "a.vma")
    subprocess.run(["lzop", "-9", "-U", path], check=True)
    package = open_package(tmp_path / "a.vma.lzo")
    assert read_all(package.open_image(package.appliance.images[0].id)) == CONTENT
    package.close()


@pytest.mark.parametrize("suffix", PACKED)
def test_a_backup_becomes_another_platforms_machine(tmp_path, suffix):
    path = placed(tmp_path, PACKED[suffix](archive(CONTENT)), f"a.vma{suffix}")
    plan = make_plan(Request(source=str(path), target="kvm"))
    assert not plan.blocked
    result = run_plan(plan, tmp_path / "out")
    assert result.check == "ok"
    (disk,) = result.disks
    with FileSource(tmp_path / "out" / disk.filename) as source:
        assert read_all(open_disk(source)) == CONTENT


@pytest.mark.parametrize("form", ["vma", "vma-plain"])
def test_there_and_back_again(tmp_path, form):
    path = placed(tmp_path, archive(CONTENT))
    result = run_plan(make_plan(Request(str(path), "proxmox", form)), tmp_path / "out")
    assert result.check == "ok"
    name = next(f.name for f in result.files if f.name.startswith("vzdump-qemu-"))
    back = open_package(tmp_path / "out" / name)
    first = open_package(path)
    (a,), (b,) = first.appliance.machines, back.appliance.machines
    assert (a.name, a.cpu.count, a.memory, a.firmware, a.uuid, a.annotation) == (
        (b.name, b.cpu.count, b.memory, b.firmware, b.uuid, b.annotation)
    )
    assert [(d.controller, d.unit, d.boot_order) for d in a.disks] == [
        (d.controller, d.unit, d.boot_order) for d in b.disks
    ]
    assert [n.mac for n in a.nics] == [n.mac for n in b.nics]
    assert read_all(back.open_image(back.appliance.images[0].id)) == CONTENT
    first.close()
    back.close()


def test_the_firewalls_rules_are_kept(tmp_path):
    data = archive(CONTENT, **{"qemu-server.fw": b"[OPTIONS]\nenable: 1\n"})
    package = open_package(placed(tmp_path, data))
    kept = {e.where: e.text for e in package.appliance.machines[0].extras}
    assert kept["qemu-server.fw"] == "[OPTIONS]\nenable: 1\n"
    package.close()


def test_the_memory_of_a_machine_that_ran_is_left_out(tmp_path):
    disk = CONTENT[:65536]
    head = header(
        {"qemu-server.conf": CONF}, {1: ("drive-scsi0", len(disk)), 2: ("vmstate", 1 << 40)}
    )
    data = head + extents([(2, 900, b"m" * 65536), *cut(1, disk)])
    package = open_package(placed(tmp_path, data))
    assert "KF-492" in {f.code for f in package.findings}
    assert read_all(package.open_image(package.appliance.images[0].id)) == disk
    package.close()


def test_only_the_header_is_unpacked_to_look(tmp_path, monkeypatch):
    """Whoever looks at a backup does not wait for the disks, nor needs room for them."""
    path = placed(tmp_path, zstandard.compress(archive(CONTENT)), "a.vma.zst")
    monkeypatch.setattr("tempfile.mkstemp", None)
    package = open_package(path)
    assert package.appliance.machines[0].name == "backup01"
    package.close()


def test_a_bomb_is_refused(tmp_path):
    head = header({"qemu-server.conf": CONF}, {1: ("drive-scsi0", 1 << 20)})
    path = placed(tmp_path, zstandard.compress(head + bytes(64 << 20)), "a.vma.zst")
    assert path.stat().st_size < 10_000
    package = open_package(path)
    with pytest.raises(LimitError, match="unpacks to more"):
        package.open_image(package.appliance.images[0].id)
    package.close()


def test_a_temporary_folder_without_room_is_said(tmp_path, monkeypatch):
    path = placed(tmp_path, zstandard.compress(archive(CONTENT)), "a.vma.zst")
    usage = shutil._ntuple_diskusage(1, 1, 0)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: usage)
    package = open_package(path)
    with pytest.raises(KenshoError, match="cannot be unpacked") as error:
        package.open_image(package.appliance.images[0].id)
    assert "TMPDIR" in error.value.hint
    package.close()
    with pytest.raises(NoSpaceError):  # exit code 14, not that of a disk that cannot be read
        make_plan(Request(str(path), "xen"))


def test_a_disk_of_one_pattern_is_no_bomb(tmp_path, monkeypatch):
    """What kensho writes it reads, however small it packs: the header says how much there is."""
    monkeypatch.setattr("kensho.appliances.packed.GIB", 1 << 20)
    content = b"\xff" * (8 << 20)
    for suffix in (".zst", ".gz"):
        path = placed(tmp_path, PACKED[suffix](archive(content)), f"a.vma{suffix}")
        assert path.stat().st_size < len(content) // 256
        package = open_package(path)
        assert read_all(package.open_image(package.appliance.images[0].id)) == content
        package.close()


def test_a_small_backup_needs_little_room(tmp_path, monkeypatch):
    path = placed(tmp_path, zstandard.compress(archive(CONTENT)), "a.vma.zst")
    usage = shutil._ntuple_diskusage(1 << 30, 0, 8 << 20)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: usage)
    package = open_package(path)
    assert read_all(package.open_image(package.appliance.images[0].id)) == CONTENT
    package.close()


def test_a_backup_has_no_snapshots(tmp_path):
    with pytest.raises(UsageError, match="snapshots"):
        open_package(placed(tmp_path, archive(CONTENT)), Selection(configuration="before"))


def test_a_backup_without_a_machine(tmp_path):
    data = header({"other": b""}, {})
    with pytest.raises(PackageError, match=r"qemu-server\.conf"):
        open_package(placed(tmp_path, data))


@pytest.mark.parametrize("packing", ["", ".zst", ".gz"])
def test_containers_are_refused_by_name(tmp_path, packing):
    member = bytearray(512)
    member[:22] = b"./etc/vzdump/pct.conf\0"
    member[257:263] = b"ustar\0"
    data = PACKED[packing](bytes(member) + bytes(20 * 512))
    with pytest.raises(UnsupportedError, match="container"):
        open_package(placed(tmp_path, data, f"vzdump-lxc-101.tar{packing}"))


def reading(data):
    source = MemorySource(data, "a.vma")
    found = read_archive(source)
    return index_clusters(source, found)


HEAD = header({"qemu-server.conf": CONF}, {1: ("drive-scsi0", 3 * 65536)})
THREE = cut(1, b"x" * 3 * 65536)


def changed(data, at, new):
    return data[:at] + new + data[at + len(new) :]


@pytest.mark.parametrize(
    ("data", "error", "match", "offset"),
    [
        (HEAD[:40], TruncatedError, "wanted", 0),
        (HEAD[:9000], TruncatedError, "wanted", 0),
        (changed(HEAD, 12300, b"?"), CorruptError, "MD5 of the header", 32),
        (changed(HEAD, 4, b"\0\0\0\2"), UnsupportedError, "version 2", 4),
        (changed(HEAD, 56, b"\xff\xff\xff\0"), CorruptError, "header of", 56),
        (sealed(changed(HEAD, 48, b"\0\0\0\1"), 32), CorruptError, "blobs", 48),
        (sealed(changed(HEAD, 2044, b"\0\0\x90\0"), 32), CorruptError, "no blob", 2044),
        (sealed(changed(HEAD, 4128, b"\0\0\0\0"), 32), CorruptError, "no blob", 4128),
        (sealed(changed(HEAD, 4136, b"\x7f"), 32), LimitError, "64 TiB", 4096),
        (HEAD, TruncatedError, "cannot be in", len(HEAD)),
        (HEAD + extents(THREE[:2]), TruncatedError, "cluster 2 of 3", None),
        (HEAD + extents(THREE)[:-1], TruncatedError, "ends within", len(HEAD)),
        (HEAD + extents([*THREE, THREE[0]]), CorruptError, "twice", len(HEAD)),
        (HEAD + extents([*THREE, (1, 3, b"")]), CorruptError, "which has 3", len(HEAD)),
        (HEAD + extents([*THREE, (9, 0, b"")]), CorruptError, "device 9", len(HEAD)),
        (HEAD + extents(THREE, bytes(16)), CorruptError, "another archive", len(HEAD)),
        (HEAD + changed(extents(THREE), 100, b"?"), CorruptError, "MD5 of an", len(HEAD)),
        (HEAD + changed(extents(THREE), 3, b"?"), CorruptError, "no header", len(HEAD)),
        (
            HEAD + sealed(changed(extents(THREE), 6, b"\0\x01")[:512], 24) + b"x" * 4096,
            CorruptError,
            "as long as",
            len(HEAD),
        ),
    ],
)
def test_damage_is_named_with_its_place(data, error, match, offset):
    with pytest.raises(error, match=match) as raised:
        reading(data)
    if offset is not None:
        assert raised.value.offset == offset


def test_names_that_lead_elsewhere_are_refused():
    data = header({"qemu-server.conf": CONF}, {1: ("../../etc/passwd", 512)})
    with pytest.raises(CorruptError, match="no name"):
        reading(data)


WHOLE = archive(CONTENT[:140_000])


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6
    ),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, len(WHOLE))),
)
def test_no_damage_crashes(changes, resealed, end):
    data = bytearray(WHOLE)
    for at, value in changes:
        # Where the structures are, more often than in the data.
        data[at % 13_000 if value & 1 else at] = value
    if resealed and len(data) > 13_000:
        size = len(WHOLE) - len(extents(cut(1, CONTENT[:140_000])))
        data[:size] = sealed(data[:size], 32)
    source = MemorySource(bytes(data[:end]), "a.vma")
    with contextlib.suppress(FormatError):
        index_clusters(source, read_archive(source))


LZO = lzop_of(archive(CONTENT))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(LZO) - 1), st.integers(0, 255), st.booleans())
def test_damaged_lzo_is_a_typed_error(at, value, short):
    data = LZO[:at] if short else LZO[:at] + bytes([value]) + LZO[at + 1 :]
    unpack = begin_lzop(MemorySource(data, "a.lzo"))
    out = b""
    with contextlib.suppress(FormatError):
        while part := unpack(1 << 20):
            out += part
    assert archive(CONTENT).startswith(out)


def test_large_blocks_of_lzo_are_refused():
    data = lzop_of(b"")[:-4] + struct.pack(">III", 1 << 30, 16, 0) + bytes(16)
    with pytest.raises(LimitError):
        begin_lzop(MemorySource(data, "a.lzo"))(1)


def test_the_note_of_where_it_came_from_travels_inside(tmp_path):
    path = placed(tmp_path, archive(CONTENT))
    run_plan(make_plan(Request(str(path), "kvm")), tmp_path / "kvm")
    (domain,) = (tmp_path / "kvm").glob("*.xml")
    run_plan(make_plan(Request(str(domain), "proxmox", "vma")), tmp_path / "pve")
    (packed,) = (tmp_path / "pve").glob("*.vma.zst")
    package = open_package(packed)
    assert package.appliance.origin is not None
    package.close()


def with_variables(conf=CONF):
    """Return an archive of a machine with UEFI, its variables and its disk."""
    store = bytearray(empty_variables())
    store[5000:5004] = b"boot"
    text = conf + b"bios: ovmf\nefidisk0: local-lvm:vm-101-disk-2,efitype=4m,size=4M\n"
    text += b"#qmdump#map:efidisk0:drive-efidisk0:local-lvm:raw:\n"
    disk = CONTENT[:65536]
    devices = {1: ("drive-efidisk0", len(store)), 2: ("drive-scsi0", len(disk))}
    head = header({"qemu-server.conf": text}, devices)
    return bytes(store), head + extents([*cut(1, bytes(store)), *cut(2, disk)])


def test_the_firmwares_variables_go_along_to_proxmox(tmp_path):
    store, data = with_variables()
    path = placed(tmp_path, data)
    plan = make_plan(Request(str(path), "proxmox", "qm"))
    assert "KF-314" not in {f.code for f in plan.findings}
    run_plan(plan, tmp_path / "out")
    out = tmp_path / "out" / "backup01.nvram"
    assert out.read_bytes() == store
    script = (tmp_path / "out" / "backup01-import.sh").read_text()
    assert '--efidisk0 "$STORAGE:0,import-from=$HERE/"backup01.nvram,efitype=4m' in script
    back = open_package(tmp_path / "out" / "backup01.conf")
    firmware = back.appliance.machines[0].firmware
    assert back.appliance.file(firmware.nvram).href == "backup01.nvram"
    back.close()
    others = make_plan(Request(str(path), "kvm"))
    assert "KF-314" in {f.code for f in others.findings}


def test_a_cloud_init_drive_is_not_missed(tmp_path):
    conf = CONF.replace(b"local:iso/debian.iso", b"local-lvm:vm-101-cloudinit")
    package = open_package(placed(tmp_path, archive(CONTENT, conf + b"ciuser: admin\n")))
    assert {f.code for f in package.findings} == {"KF-491", "KF-493"}
    (drive,) = package.appliance.machines[0].cdroms
    assert drive.file is None
    package.close()


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_empty_variables_are_none(tmp_path, monkeypatch, suffix):
    """An EFI disk as kensho makes it has nothing that could be lost."""
    conf = CONF + b"bios: ovmf\nefidisk0: local-lvm:vm-101-disk-2,efitype=4m,size=4M\n"
    disk, store = CONTENT[:65536], empty_variables()
    devices = {1: ("drive-efidisk0", len(store)), 2: ("drive-scsi0", len(disk))}
    head = header({"qemu-server.conf": conf}, devices)
    data = head + extents([*cut(1, store), *cut(2, disk)])
    monkeypatch.setattr("tempfile.mkstemp", None)
    package = open_package(placed(tmp_path, PACKED[suffix](data), f"a.vma{suffix}"))
    (machine,) = package.appliance.machines
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.firmware.nvram is None
    package.close()
