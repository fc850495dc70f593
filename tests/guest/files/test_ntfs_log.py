"""Logs that Windows left open are told, as ntfs-3g tells them: no flag of the volume says so."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from kensho.guest.files.ntfs import record as r
from kensho.guest.files.ntfs.volume import Volume
from tests.guest.images_of import files_of, tool, volumes_of
from tests.guest.windows.adapt.ntfs import make_ntfs

_PAGE, _AREA = 4096, 48
_NONE, _CLEAN = 0xFFFF, 2
_REFUSED = {14, 15}  #: what ntfs-3g.probe exits with: kept in Windows' cache, unclean


def restart_page(
    size: int, *, number: int, in_use: int, flags: int, torn: bool = False, version: int = 1
) -> bytes:
    """Return a restart page of a log of ``size`` bytes, as Windows writes two of them."""
    page = bytearray(_PAGE)
    struct.pack_into("<4sHHQIIHhh", page, 0, b"RSTR", 30, 9, 0, _PAGE, _PAGE, _AREA,
                     version == 1, version)  # fmt: skip
    struct.pack_into(
        "<QHHHHIHHQIHHII", page, _AREA, number, 1, _NONE, in_use, flags,
        67 - size.bit_length(), 48 + 160, 48, size, 0, 48, 64, 0, 0,
    )  # fmt: skip
    name = "NTFS".encode("utf-16-le")
    struct.pack_into(
        "<QQHHHHHHI8s", page, _AREA + 48, number, number, _NONE, _NONE, 0, 0, 0, 0, 8, name
    )
    page[30:32] = b"\x01\0"
    for sector in range(1, 9):
        page[512 * sector - 2 : 512 * sector] = b"\x01\0"
    if torn:
        page[1022:1024] = b"\x02\0"
    return bytes(page)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ntfs(tmp_path_factory.mktemp("ntfs") / "empty.ntfs", 16 << 20)


@pytest.mark.parametrize(
    ("pages", "open_"),
    [
        (({"in_use": 0, "flags": 0}, {"in_use": 0, "flags": 0}), True),
        (({"in_use": 0, "flags": _CLEAN}, {"in_use": 0, "flags": _CLEAN}), False),
        (({"in_use": _NONE, "flags": 0}, {"in_use": _NONE, "flags": 0}), False),
        # version 2 is what Windows wakes up with, whatever its flag says
        (({"in_use": 0, "flags": _CLEAN, "version": 2},) * 2, True),
        # the one with the higher number counts, and one that is torn does not
        (({"in_use": 0, "flags": 0, "number": 900}, {"in_use": 0, "flags": _CLEAN}), False),
        (({"in_use": 0, "flags": 0}, {"in_use": 0, "flags": _CLEAN, "number": 900}), True),
        (({"in_use": 0, "flags": 0}, {"in_use": 0, "flags": _CLEAN, "torn": True}), True),
    ],
)
def test_open_logs(
    empty: Path, tmp_path: Path, pages: tuple[dict[str, int], ...], open_: bool
) -> None:
    path = tmp_path / "fs.ntfs"
    shutil.copy(empty, path)
    (found,) = volumes_of(path).volumes
    assert found.view is not None
    volume = Volume(found.view)
    log = volume.file(2).find(r.DATA)
    assert log is not None
    start = log.runs[0][0]
    assert start is not None
    with path.open("r+b") as file:
        file.seek(start * volume.cluster)
        for page in pages:
            file.write(restart_page(log.size, **{"number": 1000, **page}))  # type: ignore[arg-type]
    assert bool(files_of(path).warnings) is open_
    told = subprocess.run([tool("ntfs-3g.probe"), "--readwrite", path], capture_output=True)
    assert told.returncode in (_REFUSED if open_ else {0})


def test_a_log_that_cannot_be_read_is_not_taken_for_closed(empty: Path, tmp_path: Path) -> None:
    path = tmp_path / "fs.ntfs"
    shutil.copy(empty, path)
    (found,) = volumes_of(path).volumes
    assert found.view is not None
    volume = Volume(found.view)
    with path.open("r+b") as file:  # the record of $LogFile, in the table and in its mirror
        table = int.from_bytes(found.view.read(48, 8), "little")
        file.seek(table * volume.cluster + 2 * volume.record_size)
        file.write(bytes(volume.record_size))
    fs = files_of(path)
    assert fs.warnings
    assert list(fs.entries(fs.root)) == []
