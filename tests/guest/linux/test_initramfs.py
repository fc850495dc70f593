"""Initramfs images: other tools read what is written, and what they write is read."""

from __future__ import annotations

import lzma
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import read_archive, write_archive
from kensho.guest.linux.initramfs.image import open_initramfs
from kensho.guest.linux.initramfs.overlay import with_overlay
from kensho.model.errors import CorruptError, FormatError, LimitError, UnsupportedError
from tests.guest.linux.trees import FILE, FOLDER, LINK, debian_base, entry, microcode

CODECS = [None, "gzip", "xz", "zstd", "lz4"]


def unpacked_by_bsdcpio(archive: bytes, folder: Path) -> Path:
    tool = shutil.which("bsdcpio")
    if tool is None:
        pytest.skip("bsdcpio (libarchive-tools) is not installed")
    folder.mkdir()
    subprocess.run([tool, "-i", "--quiet"], input=archive, cwd=folder, check=True)
    return folder


def test_an_archive_is_unpacked_by_another_tool(tmp_path: Path) -> None:
    entries = [
        entry("etc", mode=FOLDER),
        entry("etc/größe", b"x" * 1001),
        entry("link", b"etc", LINK),
        entry("empty"),
    ]
    folder = unpacked_by_bsdcpio(write_archive(entries), tmp_path / "out")
    assert (folder / "etc" / "größe").read_bytes() == b"x" * 1001
    assert (folder / "link").readlink() == Path("etc")
    assert (folder / "empty").stat().st_size == 0


def test_another_tools_archive_is_read(tmp_path: Path) -> None:
    tool = shutil.which("bsdcpio")
    if tool is None:
        pytest.skip("bsdcpio (libarchive-tools) is not installed")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"content")
    (tmp_path / "a" / "link").symlink_to("file")
    run = subprocess.run(
        [tool, "-o", "-H", "newc", "--quiet"],
        input=b"./a\n./a/file\n./a/link\n",
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=True,
    )
    files = open_initramfs(run.stdout).files
    assert set(files) == {"a", "a/file", "a/link"}
    assert bytes(files["a/file"].data) == b"content"
    assert files["a/link"].link == "file"


@pytest.mark.parametrize("codec", CODECS)
def test_members_one_after_the_other(codec: str | None) -> None:
    first = microcode()
    data = first + pack(write_archive(debian_base("kernel/drivers/net/vmxnet3.ko")), codec)
    image = open_initramfs(data)
    assert [segment.codec for segment in image.segments] == [None, codec]
    assert image.segments[1].offset == len(first)
    assert sum(segment.size for segment in image.segments) == len(data)
    assert image.maker == "initramfs-tools"
    assert image.codec == codec
    assert image.real("lib/modules/6.1.0-9-amd64") == "usr/lib/modules/6.1.0-9-amd64"


@pytest.mark.parametrize("codec", ["gzip", "xz", "zstd", "lz4"])
def test_packing_is_undone_by_the_codecs_own_tool(codec: str) -> None:
    tool = shutil.which(codec)
    if tool is None:
        pytest.skip(f"{codec} is not installed")
    data = os.urandom(1000) * 20_000  # more than one block of lz4
    run = subprocess.run([tool, "-dc"], input=pack(data, codec), stdout=subprocess.PIPE, check=True)
    assert run.stdout == data


def test_xz_has_the_checksum_that_the_kernel_knows() -> None:
    assert pack(b"data", "xz")[7] == 1  # CRC32


@pytest.mark.parametrize("codec", CODECS)
def test_an_overlay_is_on_top_and_leaves_the_base_alone(codec: str | None) -> None:
    data = microcode() + pack(write_archive(debian_base()), codec)
    base = open_initramfs(data)
    files = {
        "lib/modules/6.1.0-9-amd64/kernel/drivers/scsi/vmw_pvscsi.ko": b"\x7fELF new",
        "conf/modules": b"virtio_blk\nvmw_pvscsi\n",
    }
    result = with_overlay(base, files)
    assert result.startswith(data)
    assert (len(result) - len(data)) > 0
    image = open_initramfs(result)
    added = image.segments[-1]
    assert added.codec == codec
    assert codec == "lz4" or added.offset % 512 == 0
    names = [e.name for e in added.entries]
    # No folder of the base comes again, least of all the one that is a link there.
    assert names == [
        "conf/modules",
        "usr/lib/modules/6.1.0-9-amd64/kernel",
        "usr/lib/modules/6.1.0-9-amd64/kernel/drivers",
        "usr/lib/modules/6.1.0-9-amd64/kernel/drivers/scsi",
        "usr/lib/modules/6.1.0-9-amd64/kernel/drivers/scsi/vmw_pvscsi.ko",
    ]
    entry_ = image.get("conf/modules")
    assert entry_ is not None
    assert bytes(entry_.data) == b"virtio_blk\nvmw_pvscsi\n"
    # The second time there is nothing to add.
    assert with_overlay(image, files) == result


def test_a_loop_of_links_ends() -> None:
    data = write_archive(
        [entry("a", b"b", LINK), entry("b", b"a", LINK), entry("up", b"../../x", LINK)]
    )
    image = open_initramfs(data)
    assert image.get("a/file") is None
    assert image.real("up") == "x"


def test_what_is_no_initramfs() -> None:
    with pytest.raises(CorruptError, match="nothing"):
        open_initramfs(bytes(4096))
    with pytest.raises(CorruptError, match="neither"):
        open_initramfs(b"MZ" + bytes(100))
    with pytest.raises(UnsupportedError):
        open_initramfs(b"\x89LZO\0\r\n\x1a\n" + bytes(100))
    with pytest.raises(CorruptError, match="ends early"):
        open_initramfs(pack(write_archive(debian_base()), "gzip")[:-30])
    with pytest.raises(CorruptError):
        read_archive(memoryview(b"070701" + b"zz" * 52), "")


def test_nothing_is_between_archives_of_lz4() -> None:
    """Old kernels take zeros there for the size of a block, and stop."""
    base = pack(write_archive(debian_base("kernel/a.ko")), "lz4")
    for padded in (base, base + bytes(517)):
        made = with_overlay(open_initramfs(padded), {"x": b"y"})
        assert made[: len(base)] == base
        assert made[len(base) :][:4] == base[:4]
        assert bytes(open_initramfs(made).files["x"].data) == b"y"


def test_a_bomb_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kensho.guest.linux.initramfs.codecs.MOST", 1 << 22)
    for codec in ("gzip", "xz", "zstd", "lz4"):
        with pytest.raises(LimitError):
            open_initramfs(pack(bytes(1 << 23), codec))


def test_archives_and_files_are_counted_over_a_whole_member(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = write_archive([])
    with pytest.raises(LimitError, match="archives"):
        open_initramfs(pack(empty * 10_001, "gzip"))
    monkeypatch.setattr("kensho.guest.linux.initramfs.image.MOST_ENTRIES", 5)
    with pytest.raises(LimitError, match="files"):
        open_initramfs(pack(write_archive([entry("a"), entry("b"), entry("c")]) * 2, "gzip"))


def test_a_dictionary_larger_than_anybody_packs_with_takes_no_memory() -> None:
    made = bytearray(lzma.compress(write_archive([]), lzma.FORMAT_ALONE))
    made[1:5] = (0xFFFF_FFFF).to_bytes(4, "little")
    made[:3] = b"\x5d\0\0"
    made[3:5] = b"\0\xc0"  # 3 GiB
    with pytest.raises(CorruptError, match="emory"):
        open_initramfs(bytes(made))


_WHOLE = microcode() + pack(write_archive(debian_base("kernel/a.ko")), "gzip")


@given(at=st.integers(0, len(_WHOLE) - 1), change=st.binary(min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_damage_is_a_typed_error(at: int, change: bytes) -> None:
    damaged = _WHOLE[:at] + change + _WHOLE[at + len(change) :]
    try:
        image = open_initramfs(damaged)
        with_overlay(image, {"lib/x": b"y"})
    except FormatError:
        pass


names = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=20
).filter(lambda n: not n.startswith((".", "/")) and n != "TRAILER!!!")


@given(st.dictionaries(names, st.binary(max_size=50), max_size=10))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read(files: dict[str, bytes]) -> None:
    entries = [entry(name, data, FILE) for name, data in files.items()]
    found, size = read_archive(memoryview(write_archive(entries)), "")
    assert {e.name: bytes(e.data) for e in found} == files
    assert size == len(write_archive(entries))
