"""XVA as a source: facts, snapshots, disks with their checksums, old and odd forms, damage."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import random
import shutil
import subprocess
import tarfile

import pytest
import xva_samples as s
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.appliances import open_package
from kensho.appliances.xva import legacy
from kensho.appliances.xva.blocks import BlockIndex
from kensho.convert.source import opened_image
from kensho.disks import ParentRef, create_disk
from kensho.disks.compare import compare
from kensho.disks.raw import RawDisk
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    ManifestMismatchError,
    PackageError,
    TruncatedError,
    UnsafePathError,
    UnsupportedError,
    UsageError,
)
from kensho.model.machine import Cdrom, Disk, Firmware, NicModel
from kensho.model.selection import Selection
from kensho.model.units import MIB
from kensho.storage import MemorySource
from kensho.storage.file import FileSink
from kensho.storage.tar import TarMember

RNG = random.Random(5)
SYSTEM = RNG.randbytes(MIB) + bytes(2 * MIB) + RNG.randbytes(3 * MIB)
DATA = bytes(MIB) + RNG.randbytes(MIB) + bytes(2 * MIB + 512)  # the last block is short
SMALL = 4096


def objects(**changes):
    return [
        s.vm(**changes),
        s.vbd("Ref:10", "Ref:21", "1", mode="RO"),
        s.vbd("Ref:11", "Ref:20", "0", qos_algorithm_type="ionice"),
        s.vbd("Ref:12", "OpaqueRef:NULL", "3", type="CD", empty=True, mode="RO"),
        s.vdi("Ref:20", len(SYSTEM), name_description="the system"),
        s.vdi("Ref:21", len(DATA), sharable=True),
        s.vif("Ref:30", "1", "Ref:41", MTU="9000", ipv4_allowed=["10.0.0.9"]),
        s.vif("Ref:31", "0", "Ref:40", locking_mode="disabled"),
        s.network("Ref:40", "Pool-wide", "xenbr0"),
        s.network("Ref:41", "Storage / A", "xenbr1"),
        ("VTPM", "Ref:70", {"VM": "Ref:0"}),
        ("VM_guest_metrics", "Ref:60", {"os_version": {"name": "Debian 12.5", "major": "12"}}),
    ]


def snapshot():
    return [
        s.vm(
            "Ref:1",
            is_a_snapshot=True,
            snapshot_of="Ref:0",
            name_label="before",
            uuid=s.SNAPSHOT_UUID,
            VTPMs=[],
        ),
        s.vbd("Ref:13", "Ref:22", "0", VM="Ref:1"),
        s.vdi("Ref:22", SMALL),
    ]


def export(tmp_path, *more, kind="checksum", **changes):
    files = [("ova.xml", s.metadata(*objects(**changes), *more))]
    files += [*s.blocks("Ref:20", SYSTEM, kind), *s.blocks("Ref:21", DATA, kind)]
    if more:
        files += s.blocks("Ref:22", b"s" * SMALL, kind)
    return s.pack(tmp_path / "web.xva", files)


def content(package, image):
    with opened_image(package, image) as disk:
        buffer = bytearray(disk.virtual_size)
        disk.read_into(0, buffer)
        assert compare(disk, RawDisk(MemorySource(bytes(buffer)))) is None
    return bytes(buffer)


def codes(package):
    return {finding.code for finding in package.findings}


def test_a_machine(tmp_path):
    package = open_package(export(tmp_path))
    assert package.kind == "xva"
    assert codes(package) == set()
    appliance = package.appliance
    (machine,) = appliance.machines
    assert (machine.name, machine.uuid) == ("web", s.UUID)
    assert machine.annotation == "the shop's\nfront"
    assert (machine.cpu.count, machine.cpu.cores_per_socket, machine.cpu.hot_add) == (4, 2, True)
    assert machine.cpu.nested_virtualization
    assert (machine.memory.size, machine.memory.minimum) == (2048 * MIB, 1024 * MIB)
    assert machine.memory.limit == 4096 * MIB
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.firmware.secure_boot
    assert machine.firmware.tpm
    assert machine.guest.id == "debian12"
    assert machine.guest.vendor == ("xen:Debian Bookworm 12",)
    assert (machine.video.model, machine.video.memory) == ("vga", 16 * MIB)
    first, second, cd = machine.drives
    assert isinstance(first, Disk)
    assert (first.image, first.unit, first.boot_order, first.name) == (
        "Ref:20",
        0,
        2,
        "disk Ref:20",
    )
    assert (second.image, second.unit, second.read_only, second.shared) == ("Ref:21", 1, True, True)
    assert isinstance(cd, Cdrom)
    assert (cd.unit, cd.boot_order) == (3, 1)
    assert [(n.network, n.mac, n.connected, n.boot_order) for n in machine.nics] == [
        ("Pool-wide", "00:16:3e:11:22:00", False, 3),
        ("Storage / A", "00:16:3e:11:22:01", True, None),
    ]
    assert all(n.model is NicModel.XEN for n in machine.nics)
    assert content(package, "Ref:20") == SYSTEM
    assert content(package, "Ref:21") == DATA
    package.close()


def test_what_has_no_place_in_the_model_is_kept(tmp_path):
    (machine,) = open_package(export(tmp_path)).appliance.machines
    assert all(extra.dialect == "xva" for extra in machine.extras)
    kept = {extra.where: extra.text for extra in machine.extras}
    assert kept["VM/platform/viridian"] == "true"
    assert kept["VM/NVRAM/EFI-variables"] == "VkFSUw=="
    assert kept["VM/other_config/team"] == "a/b"
    assert kept["VM/tags"] == '["prod","web"]'
    assert kept["VM/VCPUs_max"] == "8"
    assert kept["VM/actions_after_crash"] == "preserve"
    assert kept["VBD/0/qos_algorithm_type"] == "ionice"
    assert kept["VDI/0/name_description"] == "the system"
    assert kept["VIF/1/MTU"] == "9000"
    assert kept["VIF/1/ipv4_allowed"] == '["10.0.0.9"]'
    assert kept["network/bridge/Storage / A"] == "xenbr1"
    assert not any("last_booted" in where or "secureboot" in where for where in kept)


def test_snapshots_are_skipped_unless_chosen(tmp_path):
    path = export(tmp_path, *snapshot())
    package = open_package(path)
    assert codes(package) == {"KF-480"}
    assert [m.name for m in package.appliance.machines] == ["web"]
    assert [x.name for x in package.appliance.machines[0].snapshots] == ["before"]
    for wanted in ("before", s.SNAPSHOT_UUID):
        chosen = open_package(path, Selection(configuration=wanted))
        (machine,) = chosen.appliance.machines
        assert (machine.name, [d.image for d in machine.disks]) == ("before", ["Ref:22"])
        assert content(chosen, "Ref:22") == b"s" * SMALL
    with pytest.raises(UsageError, match="nosuch") as error:
        open_package(path, Selection(configuration="nosuch"))
    assert "before" in error.value.hint


def test_several_machines_of_one_export(tmp_path):
    text = s.metadata(
        s.vm(),
        s.vm("Ref:1", name_label="db", uuid=s.SNAPSHOT_UUID, VTPMs=[]),
        s.vbd("Ref:2", "Ref:9", "0"),
        s.vbd("Ref:3", "Ref:8", "0", VM="Ref:1"),
        s.vdi("Ref:9", SMALL),
        s.vdi("Ref:8", SMALL),
    )
    path = s.pack(tmp_path / "a.xva", [("ova.xml", text), *s.blocks("Ref:8", b"d" * SMALL)])
    machines = open_package(path).appliance.machines
    assert [(m.id, m.name, m.disks[0].image) for m in machines] == [
        ("vm1", "web", "Ref:9"), ("vm2", "db", "Ref:8"),
    ]  # fmt: skip
    assert [
        m.name for m in open_package(path, Selection(configuration="db")).appliance.machines
    ] == ["db"]


def test_a_snapshot_alone_is_a_machine(tmp_path):
    package = open_package(export(tmp_path, is_a_snapshot=True, name_label="snap"))
    assert package.appliance.machines[0].name == "snap"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"power_state": "Suspended", "suspend_VDI": "Ref:50"}, "KF-481"),
        ({"power_state": "Running"}, "KF-481"),
        ({"HVM_boot_policy": "", "domain_type": "pv", "PV_bootloader": "pygrub"}, "KF-482"),
        ({"HVM_boot_policy": "", "domain_type": "", "PV_kernel": "/boot/vmlinuz"}, "KF-482"),
        ({"is_a_template": True}, "KF-483"),
        ({"VCPUs_max": "many", "VCPUs_at_startup": "-1"}, "KF-112"),
    ],
)
def test_what_is_said_of_a_machine(tmp_path, changes, code):
    assert code in codes(open_package(export(tmp_path, **changes)))


def test_devices_of_the_host_are_known(tmp_path):
    changes = {"other_config": {"pci": "0/0000:04:01.0,0/0000:05:00.0"}, "VGPUs": ["Ref:99"]}
    (machine,) = open_package(export(tmp_path, **changes)).appliance.machines
    assert [(d.kind.value, d.name) for d in machine.host_devices] == [
        ("pci", "0/0000:04:01.0"), ("pci", "0/0000:05:00.0"), ("gpu", "Ref:99"),
    ]  # fmt: skip


def test_old_exports_say_less(tmp_path):
    # XenServer 5: no domain_type, no firmware, device names, booleans as texts.
    path = s.pack(
        tmp_path / "old.xva",
        [
            (
                "ova.xml",
                s.metadata(
                    ("VM", "Ref:0", {"name_label": "old", "is_a_snapshot": "false", "VCPUs_max": "1",
                     "memory_static_max": str(256 * MIB), "HVM_boot_policy": "BIOS order"}),
                    ("VM", "Ref:1", {"name_label": "dom0", "is_control_domain": True}),
                    s.vbd("Ref:2", "Ref:21", "xvdb"),
                    s.vbd("Ref:3", "Ref:20", "hda"),
                    s.vdi("Ref:20", SMALL), s.vdi("Ref:21", SMALL), version="5.5.0",
                ),
            ),
            *s.blocks("Ref:20", b"a" * SMALL),
            *s.blocks("Ref:21", b"b" * SMALL, ""),  # without checksums
        ],
    )  # fmt: skip
    package = open_package(path)
    (machine,) = package.appliance.machines
    assert [(d.image, d.unit) for d in machine.disks] == [("Ref:20", 0), ("Ref:21", 1)]
    assert (machine.cpu.count, machine.memory.size) == (1, 256 * MIB)
    assert machine.firmware.kind is Firmware.BIOS
    assert content(package, "Ref:21") == b"b" * SMALL
    with opened_image(package, "Ref:21") as disk:
        assert [w.code for w in disk.warnings] == ["KF-485"]


def test_xxhash_is_what_xapi_and_xxhsum_make_of_it(tmp_path):
    path = export(tmp_path, kind="xxhash")
    package = open_package(path)
    assert content(package, "Ref:20") == SYSTEM
    tool = shutil.which("xxhsum")
    if tool is None:
        pytest.skip("no xxhsum here")
    (tmp_path / "block").write_bytes(SYSTEM[:MIB])
    said = subprocess.run([tool, "-H64", tmp_path / "block"], capture_output=True, check=True)
    made = dict(s.blocks("Ref:20", SYSTEM, "xxhash"))["Ref:20/00000000.xxhash"]
    assert said.stdout.split()[0].upper() == made


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("gz", lambda data: gzip.compress(data, 1)), ("zst", zstandard.ZstdCompressor(1).compress)],
)
def test_compression_around_it(tmp_path, suffix, compress):
    # XAPI compresses while it streams; the file is called .xva all the same.
    path = tmp_path / ("web.xva" if suffix == "zst" else "web.xva.gz")
    path.write_bytes(compress(export(tmp_path).read_bytes()))
    package = open_package(path)
    assert package.kind == "xva"
    assert content(package, "Ref:21") == DATA


@pytest.mark.parametrize("kind", ["checksum", "xxhash"])
def test_a_wrong_block_is_named_when_it_is_read(tmp_path, kind):
    path = export(tmp_path, kind=kind)
    data = bytearray(path.read_bytes())
    place = data.index(SYSTEM[4 * MIB : 4 * MIB + 64])
    data[place] ^= 1
    path.write_bytes(data)
    package = open_package(path)
    with pytest.raises(ManifestMismatchError, match=r"block 4 .*Ref:20"):
        content(package, "Ref:20")
    assert content(package, "Ref:21") == DATA


def _moved(files):
    files[4:8] = [*files[6:8], *files[4:6]]


def _twice(files):
    files[3:3] = files[1:3]


def _stray(files):
    del files[3]


def _cut(files):
    del files[-2:]


def _long(files):
    files.append(("Ref:21/00000009", b"x"))


def _unchecked(files):
    del files[4]


def _far(files):
    files.append(("Ref:21/999999999999", b"x"))


@pytest.mark.parametrize(
    ("change", "error", "image"),
    [
        (_moved, CorruptError, "Ref:20"),
        (_twice, CorruptError, "Ref:20"),
        (_stray, CorruptError, "Ref:20"),
        (_unchecked, CorruptError, "Ref:20"),
        (_cut, TruncatedError, "Ref:21"),
        (_long, CorruptError, "Ref:21"),
        (_far, CorruptError, "Ref:21"),
    ],
)
def test_blocks_that_do_not_make_up_the_disk(tmp_path, change, error, image):
    files = [("ova.xml", s.metadata(*objects()))]
    files += [*s.blocks("Ref:20", SYSTEM), *s.blocks("Ref:21", DATA)]
    change(files)
    package = open_package(s.pack(tmp_path / "a.xva", files))
    with pytest.raises(error):
        content(package, image)


def test_metadata_without_disks_can_be_looked_at(tmp_path):
    package = open_package(s.pack(tmp_path / "a.xva", [("ova.xml", s.metadata(*objects()))]))
    assert codes(package) == {"KF-484"}
    with pytest.raises(PackageError, match="no blocks"):
        content(package, "Ref:20")


OLD = b"""<?xml version="1.0" ?>
<appliance version="0.1">
 <vm name="vm"><label> very simple Debian VM </label><shortdesc>old</shortdesc>
  <config mem_set="536870912" vcpus="2"/>
  <hacks is_hvm="false" kernel_boot_cmdline="root=/dev/sda1 ro"/>
  <vbd device="sda" function="root" mode="w" vdi="vdi_sda"/>
  <vbd device="sdb" function="swap" mode="r" vdi="vdi_sdb"/>
 </vm>
 <vdi name="vdi_sda" size="2500" source="file://sda" type="dir-gzipped-chunks" variety="system"/>
 <vdi name="vdi_sdb" size="700" source="file://sdb" type="dir-gzipped-chunks"/>
</appliance>"""


@pytest.mark.parametrize("folder", [False, True])
def test_xenserver_3_has_chunks(tmp_path, monkeypatch, folder):
    monkeypatch.setattr(legacy, "CHUNK", 1000)  # of 10^9 bytes
    disk = RNG.randbytes(2500)
    files = [("ova.xml", OLD), ("sdb/chunk-000000000.gz", gzip.compress(b"b" * 700))]
    files += [
        (f"sda/chunk-{n:09d}.gz", gzip.compress(disk[n * 1000 : n * 1000 + 1000])) for n in range(3)
    ]
    path = s.pack(tmp_path / "old.xva", files)
    if folder:
        path = tmp_path / "unpacked"
        for name, data in files:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    package = open_package(path)
    (machine,) = package.appliance.machines
    assert (machine.name, machine.annotation) == ("very simple Debian VM", "old")
    assert (machine.cpu.count, machine.memory.size) == (2, 512 * MIB)
    assert codes(package) == {"KF-482"}
    assert content(package, "vdi_sda") == disk
    assert content(package, "vdi_sdb") == b"b" * 700
    if folder:
        (path / "sda" / "chunk-000000001.gz").unlink()
        with pytest.raises(PackageError, match="000000001"):
            content(open_package(path), "vdi_sda")


def test_a_folder_with_vhd_files(tmp_path):
    base, top = "11111111-1111-4111-8111-111111111111", "00000000-0000-4000-8000-000000000020"
    parent = None
    for number, name in enumerate((base, top)):
        path = tmp_path / f"{name}.vhd"
        with FileSink(path) as sink:
            kind = "differencing" if parent else "dynamic"
            writer = create_disk("vhd", kind, sink, 4 * MIB, parent=parent, identity=name.encode())
            if parent is not None:
                writer.own([(2 * MIB, 4 * MIB)])
            writer.commit(
                writer.encode(number * 2 * MIB, memoryview(bytes([65 + number]) * 2 * MIB))
            )
            writer.finish()
        from kensho.disks import open_disk
        from kensho.storage import FileSource

        if parent is None:
            with FileSource(path) as source:
                identity = str(open_disk(source).details["identity"])
            parent = ParentRef(path.name, "vhd", identity)
    text = s.metadata(s.vm(), s.vbd("Ref:10", "Ref:20", "0"), s.vdi("Ref:20", 4 * MIB))
    (tmp_path / "ova.xml").write_bytes(text)
    package = open_package(tmp_path)
    assert package.kind == "xva"
    assert content(package, "Ref:20") == b"A" * 2 * MIB + b"B" * 2 * MIB
    (tmp_path / f"{top}.vhd").unlink()
    assert "KF-201" in codes(open_package(tmp_path / "ova.xml"))
    (tmp_path / "Ref:20").mkdir()
    (tmp_path / "Ref:20" / "00000000").write_bytes(b"")
    with pytest.raises(UnsupportedError, match="unpacked") as error:
        open_package(tmp_path)
    assert "tar" in error.value.hint


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"<value/>", CorruptError),
        (b"<value><struct/></value>", CorruptError),
        (b'<!DOCTYPE v [<!ENTITY e SYSTEM "file:///etc/passwd">]><value>&e;</value>', CorruptError),
        (b"<value><array><data>" * 40 + b"</data></array></value>" * 40, LimitError),
        (b"<value><array><data>" * 400 + b"</data></array></value>" * 400, LimitError),
        (s.metadata(s.vdi("Ref:1", 5)), PackageError),
        (s.metadata(s.vm(), s.vm()), CorruptError),
        (
            s.metadata(*[s.vm(), s.vbd("Ref:1", "Ref:2", "0"), s.vdi("Ref:2", 1 << 60)]),
            CorruptError,
        ),
        (OLD.replace(b"file://sda", b"file://../sda"), UnsafePathError),
        (OLD.replace(b"file://sda", b"http://sda"), UnsupportedError),
        (OLD.replace(b'"2500"', b'"-1"'), CorruptError),
        (b"<appliance/>", PackageError),
    ],
)
def test_hostile_metadata(tmp_path, text, error):
    with pytest.raises(error):
        open_package(s.pack(tmp_path / "a.xva", [("ova.xml", text)]))


@pytest.mark.parametrize(
    ("name", "kind", "error"),
    [
        ("Ref:20/00000000", tarfile.SYMTYPE, UnsafePathError),
        ("Ref:20/00000000", tarfile.LNKTYPE, UnsafePathError),
        ("Ref:20/00000000", tarfile.CHRTYPE, UnsafePathError),
        ("Ref:20/../../etc/passwd", tarfile.REGTYPE, UnsafePathError),
        ("/etc/passwd", tarfile.REGTYPE, UnsafePathError),
        ("ova.xml", tarfile.REGTYPE, PackageError),
    ],
)
def test_tricks_with_members(tmp_path, name, kind, error):
    path = tmp_path / "a.xva"
    text = s.metadata(*objects())
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for member, type_ in (("ova.xml", tarfile.REGTYPE), (name, kind)):
            info = tarfile.TarInfo(member)
            info.type, info.linkname = type_, "/etc/passwd"
            info.size = len(text) if type_ == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(text))
    with pytest.raises(error):
        open_package(path)


def test_a_block_of_absurd_size_is_refused(tmp_path):
    path = tmp_path / "a.xva"
    text = s.metadata(*objects())
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("ova.xml")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    with path.open("r+b") as file:
        file.seek(512 + -(-len(text) // 512) * 512)
        info = tarfile.TarInfo("Ref:20/00000000")
        info.size = 1 << 35
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(1 << 36)  # a hole
    with pytest.raises(LimitError):
        content(open_package(path), "Ref:20")


def test_millions_of_blocks_are_a_few_numbers():
    index = BlockIndex("Ref:1")
    offset = 512
    for number in range(20_000):
        index.add(TarMember("b", offset, MIB), number, "", "a")
        index.add(TarMember("b.checksum", offset + MIB + 512, 40), number, "checksum", "a")
        offset += MIB + 1536
    index.finish(20_000 * MIB, "a")
    assert list(index.runs(0, 1 << 50)) == [(0, 20_000 * MIB)]
    assert len(index._starts) == 1
    assert index.find(19_999 * MIB + 5)[:2] == (19_999, 19_999 * MIB)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_export_opens_or_is_refused(tmp_path_factory, data):
    small = [s.vm(), s.vbd("Ref:10", "Ref:20", "0"), s.vdi("Ref:20", 3 * SMALL), *snapshot()]
    folder = tmp_path_factory.mktemp("damaged")
    files = [("ova.xml", s.metadata(*small))]
    disk = b"a" * SMALL + bytes(SMALL) + b"c" * SMALL
    files += s.blocks("Ref:20", disk, size=SMALL)
    path = s.pack(folder / "a.xva", files)
    bytes_ = bytearray(path.read_bytes())
    digest = hashlib.sha1(disk).digest()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(bytes_) - 1))
        bytes_[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(bytes_)
    with contextlib.suppress(KenshoError):
        package = open_package(path)
        read = content(package, "Ref:20")
        assert len(read) != len(disk) or hashlib.sha1(read).digest() == digest
