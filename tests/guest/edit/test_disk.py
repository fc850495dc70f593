"""A disk with pieces over it: what is open for it."""

from __future__ import annotations

from pathlib import Path

from tests.guest.images_of import disk_of

from kensho.guest.edit.disk import PatchedDisk, Piece


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_of_many_pieces_is_open_once_and_not_any_more_when_closed(tmp_path: Path) -> None:
    held = tmp_path / "pieces"
    held.write_bytes(bytes([7]) * 2000)
    below = tmp_path / "disk.img"
    below.write_bytes(bytes(8192))
    reader = disk_of(below)
    before = descriptors()
    disk = PatchedDisk(reader, [Piece(4 * n, 1, held, n) for n in range(2000)])
    assert descriptors() == before + 1
    buffer = bytearray(8)
    disk.read_into(7996 - 4, buffer)
    assert buffer == bytes([7, 0, 0, 0]) * 2
    disk.close()
    assert descriptors() == before
