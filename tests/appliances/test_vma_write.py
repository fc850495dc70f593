from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_machines import HOSTILE, disk_machine, with_machine
from vma_samples import unpack

from kensho.appliances import open_package
from kensho.appliances.package import DiskJob
from kensho.appliances.proxmox.efi_vars import empty_variables
from kensho.appliances.proxmox.vma_write import write_plain_vma, write_zstd_vma
from kensho.disks.copy import copy_disk
from kensho.disks.raw import RawDisk
from kensho.model.errors import LimitError, UnsupportedError
from kensho.model.extent import Kind
from kensho.model.machine import ControllerModel, Firmware
from kensho.storage.file import FileSink
from kensho.storage.memory import MemorySink, MemorySource

TIME = 1_700_000_000
OVMF = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")


def job(image, content):
    def copy(writer):
        return copy_disk(RawDisk(MemorySource(content)), writer, threads=2).data_bytes

    return DiskJob(image=image, virtual_size=len(content), copy=copy)


def write(appliance, *contents, into=None, container=write_plain_vma, compression="fast"):
    sink = MemorySink() if into is None else into
    jobs = [job(f"img{number}", content) for number, content in enumerate(contents)]
    placed = container(sink, appliance, jobs, name="web01", timestamp=TIME, compression=compression)
    return (bytes(sink.data) if into is None else b""), placed


def machine(**changes):
    return disk_machine(cdrom=ControllerModel.IDE, **changes)


def disk(pieces):
    """Return a disk of whole sectors out of (kind, sectors): zeros or a pattern."""
    return b"".join(
        (b"\0" if kind == "-" else bytes([1 + n % 250])) * 512 * sectors
        for n, (kind, sectors) in enumerate(pieces)
    )


DISKS = st.lists(st.tuples(st.sampled_from("-x"), st.integers(1, 400)), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(DISKS, DISKS)
def test_an_independent_unpacker_gets_the_disks_back(one, two):
    first, second = disk(one), disk(two)
    data, placed = write(machine(disks=2), first, second)
    configs, disks = unpack(data)
    assert disks == {"drive-scsi0": first, "drive-scsi1": second}
    assert [p.filename for p in placed] == list(disks)
    assert set(configs) == {"qemu-server.conf"}
    lines = configs["qemu-server.conf"].decode().splitlines()
    assert "#qmdump#map:scsi0:drive-scsi0:local-lvm:raw:" in lines
    assert any(line.startswith("scsi1: local-lvm:vm-100-disk-1,") for line in lines)


@settings(max_examples=40, deadline=None)
@given(DISKS)
def test_our_reader_agrees(tmp_path_factory, pieces):
    content = disk(pieces)
    path = tmp_path_factory.mktemp("vma") / "a.vma"
    with FileSink(path) as sink:
        write(machine(disks=1), content, into=sink)
    package = open_package(path)
    try:
        reader = package.open_image(package.appliance.images[0].id)
        whole = bytearray(reader.virtual_size)
        reader.read_into(0, whole)
        assert bytes(whole) == content
        position, stored = 0, path.read_bytes()
        for extent in reader.extents():
            assert extent.start == position
            position = extent.end
            part = content[extent.start : extent.end]
            if extent.kind is Kind.DATA:
                assert stored[extent.file_offset :][: extent.length] == part
            else:
                assert not any(part)
        assert position == len(content)
        middle = len(content) // 3
        parts = list(reader.extents(middle, middle + 5000))
        assert sum(e.length for e in parts) == min(5000, len(content) - middle)
        part = bytearray(min(5000, len(content) - middle))
        reader.read_into(middle, part)
        assert part == content[middle : middle + 5000]
    finally:
        package.close()


def test_zstandard_is_around_the_same_bytes():
    content = disk([("x", 300), ("-", 900), ("x", 5)])
    plain, _ = write(machine(disks=1), content)
    packed, _ = write(machine(disks=1), content, container=write_zstd_vma)
    small, _ = write(machine(disks=1), content, container=write_zstd_vma, compression="small")
    for data in (packed, small):
        assert len(data) < len(plain)
        assert zstandard.ZstdDecompressor().decompressobj().decompress(data) == plain


def test_the_same_machine_gives_the_same_bytes():
    content = disk([("x", 300)])
    assert write(machine(disks=1), content) == write(machine(disks=1), content)


def test_uefi_and_tpm_have_volumes_of_their_own():
    appliance = machine(disks=1, firmware=Firmware.UEFI, tpm=True)
    data, _ = write(appliance, disk([("x", 8)]))
    configs, disks = unpack(data)
    assert disks["drive-efidisk0"] == empty_variables()
    assert disks["drive-tpmstate0-backup"] == bytes(4 << 20)
    text = configs["qemu-server.conf"].decode()
    for line in ("bios: ovmf", "efidisk0: local-lvm:vm-100-disk-0,efitype=4m"):
        assert line in text
    assert "#qmdump#map:tpmstate0:drive-tpmstate0-backup:local-lvm:raw:" in text


@pytest.mark.skipif(not OVMF.exists(), reason="needs OVMF")
def test_the_empty_variables_are_those_ovmf_comes_with():
    assert empty_variables() == OVMF.read_bytes()


def test_hostile_text_stays_in_its_line():
    appliance = with_machine(machine(disks=1), name=HOSTILE, annotation=HOSTILE)
    data, _ = write(appliance, disk([("x", 8)]))
    text = unpack(data)[0]["qemu-server.conf"].decode("ascii")
    keys = [line.split(":")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(set(keys)) == len(keys)
    assert text.count("#qmdump#map:") == 1


def test_what_a_vma_cannot_hold_is_said():
    with pytest.raises(LimitError, match="65535"):
        write(with_machine(machine(disks=1), annotation="x" * 70_000), disk([("x", 1)]))
    appliance = machine(disks=2)
    (one,) = appliance.machines
    shared = [*one.drives]
    shared[1] = msgspec.structs.replace(shared[1], image=shared[0].image)
    with pytest.raises(UnsupportedError, match="two drives"):
        write(with_machine(appliance, drives=tuple(shared)), disk([("x", 1)]))


@pytest.mark.skipif(shutil.which("vma-extract") is None, reason="needs dissect's vma-extract")
def test_dissect_unpacks_it(tmp_path):
    content = disk([("-", 140), ("x", 300), ("-", 900), ("x", 5)])
    with FileSink(tmp_path / "a.vma") as sink:
        write(machine(disks=1, firmware=Firmware.UEFI), content, into=sink)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["vma-extract", "-o", out, tmp_path / "a.vma"], check=True, capture_output=True)
    # It rounds up to whole clusters.
    assert (out / "drive-scsi0").read_bytes().rstrip(b"\0") == content.rstrip(b"\0")
    assert (out / "drive-efidisk0").read_bytes()[: 528 * 1024] == empty_variables()
