"""NTFS read back as ntfs-3g wrote it."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from kensho.guest.files.base import Kind
from kensho.guest.files.ntfs.lznt1 import unpack
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import CorruptError, KenshoError
from tests.guest.images_of import MIB, files_of, run, tool, volumes_of
from tests.guest.ntfs_images import LARGE, TEXT, fill, make_ntfs


@pytest.fixture(scope="session")
def ntfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ntfs(tmp_path_factory.mktemp("ntfs"), fill)


def test_every_file(ntfs: Path) -> None:
    (volume,) = volumes_of(ntfs).volumes
    assert volume.content.kind == "ntfs"
    fs = open_files(volume)
    assert fs.warnings == ()
    files = GuestFiles(fs)
    assert files.read("/windows/SYSTEM32/Config/system")[:4] == b"regf"
    assert files.read("/small.txt") == b"resident"
    assert files.read("/empty") == b""
    assert files.read("/large") == LARGE
    assert files.read("/naïve ☃ with a long name") == b"x"
    assert files.read("/packed/text") == TEXT
    assert files.read("/packed/noise") == LARGE
    sparse = files.read("/sparse")
    assert (len(sparse), sparse[:5], sparse[-3:]) == (5 * MIB + 3, b"begin", b"end")
    assert not any(sparse[5:-3])
    assert len(files.names("/many")) == 2000
    assert files.read("/many/file number 01234") == b"1234"
    for name in ("piece1", "piece2"):
        data = files.read(f"/{name}")
        for n in range(300):
            assert data[n * 16384 : n * 16384 + 4000] == b"%05d" % n * 800
    seen = {f.path: f for f in files.walk()}
    assert not any(path.startswith("/$") for path in seen)
    assert seen["/small.txt"].stat.links == 2
    assert seen["/small.txt"].link == "/Windows/hard link"
    assert abs(seen["/large"].stat.mtime / 1e9 - time.time()) < 3600
    assert seen["/Windows"].stat.kind is Kind.DIRECTORY


def test_ntfscat_reads_the_same(ntfs: Path) -> None:
    files = GuestFiles(files_of(ntfs))
    for name in ("packed/text", "piece1", "sparse", "many/file number 00007"):
        told = subprocess.run([tool("ntfscat"), ntfs, name], capture_output=True, check=True)
        assert files.read(f"/{name}") == told.stdout


def test_packed_data_is_packed(ntfs: Path) -> None:
    """Else the test of what is packed would show nothing."""
    told = run("ntfsinfo", "-F", "packed/text", "-v", ntfs)
    assert "COMPRESSED" in told.upper()


def test_damage_is_an_error_and_nothing_else(ntfs: Path) -> None:
    chance = random.Random(4)
    fd = os.open(ntfs, os.O_RDWR)
    used = [at for at in range(0, 64 * MIB, 4096) if any(os.pread(fd, 4096, at))]
    refused = 0
    for _ in range(15):
        places = [chance.choice(used[:800]) + chance.randrange(4096) for _ in range(60)]
        before = [(at, os.pread(fd, 1, at)) for at in places]
        try:
            for at in places:
                os.pwrite(fd, bytes([chance.choice((0, 0xFF, chance.randrange(256)))]), at)
            (volume,) = volumes_of(ntfs).volumes
            files = GuestFiles(open_files(volume))
            for found in files.walk():
                if found.stat.kind is Kind.FILE:
                    sum(len(piece) for _, piece in found.data())
        except KenshoError:
            refused += 1
        finally:
            for at, byte in reversed(before):
                os.pwrite(fd, byte, at)
    os.close(fd)
    assert refused


@pytest.mark.parametrize("data", [b"\x05\xb0\x00\x01", b"\x03\xb0\x01\xff\xff\xff", b"\xff\x3f"])
def test_lznt1_that_is_none(data: bytes) -> None:
    with pytest.raises(CorruptError):
        unpack(data, 4096, "x")


def test_lznt1_of_the_specification() -> None:
    """[MS-XCA] 3.3: the example's bytes and what they unpack to."""
    packed = bytes.fromhex(
        "38b0 88 46 23 20 00 20 47 20 41 00 10 a2 47 01 a0 45 20 44 00 08 45 01 50 79 00 c0 45 20"
        "05 24 13 88 05 b4 02 4a 44 ef 03 58 02 8c 09 16 01 48 45 00 be 00 9e 00 04 01 18 90 00"
    )
    text = (
        b"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D"
        b" E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\0"
    )
    assert unpack(packed, len(text), "x") == text
