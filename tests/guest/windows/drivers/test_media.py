"""Media with drivers, made by other programs: every kind gives the same files."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.guest.files.iso9660 import open_iso9660
from kensho.guest.files.tree import GuestFiles
from kensho.guest.windows.drivers import media as media_module
from kensho.guest.windows.drivers.media import Media, open_media
from kensho.guest.windows.drivers.unpack import unpack_cab
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    NotFoundError,
    ToolMissingError,
    TruncatedError,
    UnsafePathError,
    UnsupportedError,
)
from tests.guest.windows.drivers.made import package

FILES = {
    "NetKVM/w10/amd64/netkvm.inf": b"[Version]\r\n",
    "viostor/w10/amd64/a name that is much longer than eight.sys": bytes(range(256)) * 20,
    "virtio-win_license.txt": b"some licence",
    "empty/nothing.txt": b"",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "tree"


def run(*words: object, cwd: Path | None = None) -> None:
    if shutil.which(str(words[0])) is None:
        pytest.skip(f"needs {words[0]}")
    subprocess.run([str(word) for word in words], check=True, capture_output=True, cwd=cwd)


def contents(media: Media) -> dict[str, bytes]:
    return {name: media.read(name) for name in media.sizes}


@pytest.mark.parametrize(
    "how",
    [
        ("genisoimage", "-quiet", "-J", "-joliet-long"),
        ("genisoimage", "-quiet", "-r"),
        ("genisoimage", "-quiet", "-J", "-r", "-udf"),
        ("genisoimage", "-quiet", "-r", "-iso-level", "4"),
        ("xorrisofs", "-quiet", "-r", "-J"),
    ],
    ids=["joliet", "rock-ridge", "udf-bridge", "level-4", "xorriso"],
)
def test_cd_roms(tree: Path, tmp_path: Path, how: tuple[str, ...]) -> None:
    run(*how, "-o", tmp_path / "cd.iso", tree)
    with open_media(tmp_path / "cd.iso") as media:
        assert contents(media) == FILES
        assert media.find(r"\NETKVM\W10\AMD64\NetKVM.INF") == "NetKVM/w10/amd64/netkvm.inf"
        assert media.find("none") == ""
        with pytest.raises(NotFoundError):
            media.read("none")
        with pytest.raises(LimitError):
            media.read("virtio-win_license.txt", 3)


def test_a_cd_rom_of_short_names_alone(tree: Path, tmp_path: Path) -> None:
    run("genisoimage", "-quiet", "-iso-level", "1", "-o", tmp_path / "cd.iso", tree)
    with open_media(tmp_path / "cd.iso") as media:
        assert media.read("NETKVM/W10/AMD64/NETKVM.INF") == FILES["NetKVM/w10/amd64/netkvm.inf"]
        assert len(media.sizes) == len(FILES)


def test_a_cd_rom_with_too_many_files(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("genisoimage", "-quiet", "-r", "-o", tmp_path / "cd.iso", tree)
    monkeypatch.setattr(media_module, "_MAX_FILES", 3)
    with pytest.raises(LimitError, match="more than 3 files"), open_media(tmp_path / "cd.iso"):
        pass


def test_names_continued_elsewhere(tmp_path: Path) -> None:
    """A record has room for 255 bytes: Rock Ridge goes on in other blocks."""
    folder = tmp_path / "tree"
    folder.mkdir()
    names = {"n" * 240 + str(number): str(number).encode() for number in range(9)}
    for name, data in names.items():
        (folder / name).write_bytes(data)
    run("xorrisofs", "-quiet", "-r", "-o", tmp_path / "cd.iso", folder)
    with open_media(tmp_path / "cd.iso") as media:
        assert contents(media) == names


def test_a_file_in_several_pieces(tmp_path: Path) -> None:
    """ISO 9660 level 3 has records that go on; made by hand out of one of a single piece."""
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "A").write_bytes(b"a" * 2048)
    (folder / "B").write_bytes(b"b" * 100)
    run("genisoimage", "-quiet", "-o", tmp_path / "cd.iso", folder)
    image = bytearray((tmp_path / "cd.iso").read_bytes())
    for descriptor in (16,):
        root = int.from_bytes(image[descriptor * 2048 + 158 :][:4], "little") * 2048
        place = root
        while image[place]:
            if image[place + 33 : place + 34] == b"A":
                image[place + 25] |= 0x80
            if image[place + 33 : place + 34] == b"B":
                image[place + 33] = ord("A")
            place += image[place]
    (tmp_path / "cd.iso").write_bytes(image)
    with open_media(tmp_path / "cd.iso") as media:
        assert contents(media) == {"A": b"a" * 2048 + b"b" * 100}


def test_archives_and_folders(tree: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    (tree / "link.inf").symlink_to("/etc/passwd")
    (tree / "loop").symlink_to(tree)
    for path in (tmp_path / "a.zip", tree):
        with open_media(path) as media:
            assert contents(media) == FILES


def test_cabinets(tree: Path, tmp_path: Path) -> None:
    run("gcab", "-z", "-c", tmp_path / "a.cab", *FILES, cwd=tree)
    if shutil.which("cabextract") is None:
        pytest.skip("needs cabextract")
    with open_media(tmp_path / "a.cab") as media:
        assert {name.lower() for name in media.sizes} == {name.lower() for name in FILES}
        assert media.read(media.find("virtio-win_license.txt")) == b"some licence"


WXS = """<?xml version="1.0"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="*" Name="Drivers" UpgradeCode="3a6a1a43-6f86-4f29-a9e3-31ae7a7b0b63" Version="1.0"
 Manufacturer="Test" Language="1033"><Package/><Media Id="1" Cabinet="d.cab" EmbedCab="yes"/>
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="D" Name="Test Drivers">
<Component Id="C" Guid="6b2f3a46-1f1c-4a19-a8b0-1c1e0ce2a111">
{files}</Component></Directory></Directory>
<Feature Id="F"><ComponentRef Id="C"/></Feature></Product></Wix>
"""


def test_installer_packages(tmp_path: Path) -> None:
    folder = package(tmp_path / "p")
    files = "".join(
        f'<File Id="F{number}" Source="{path.name}" Name="{path.name}"/>\n'
        for number, path in enumerate(sorted(folder.iterdir()))
    )
    (folder / "a.wxs").write_text(WXS.format(files=files))
    run("wixl", "-o", tmp_path / "a.msi", "a.wxs", cwd=folder)
    (folder / "a.wxs").unlink()
    if shutil.which("msiextract") is None:
        pytest.skip("needs msiextract")
    with open_media(tmp_path / "a.msi") as media:
        assert {name.rpartition("/")[2]: media.read(name) for name in media.sizes} == {
            path.name: path.read_bytes() for path in folder.iterdir()
        }
    (tmp_path / "a.msi").write_bytes((tmp_path / "a.msi").read_bytes()[:4000])
    with pytest.raises(KenshoError), open_media(tmp_path / "a.msi"):
        pass


def test_what_is_no_medium(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for data, error in (
        (b"MZ program", UnsupportedError),
        (b"text", KenshoError),
        (bytes(40000), CorruptError),
        (b"PK\x03\x04 no archive", CorruptError),
        (b"MSCF no cabinet", CorruptError),
        (bytes(16 * 2048) + b"\0BEA01" + bytes(2042) + b"\0NSR02" + bytes(5000), UnsupportedError),
    ):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(error), open_media(tmp_path / "x"):
            pass
    with pytest.raises(NotFoundError), open_media(tmp_path / "none"):
        pass
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("../out.inf", b"")
    with pytest.raises(UnsafePathError), open_media(tmp_path / "z.zip"):
        pass
    monkeypatch.setenv("PATH", "/nonexistent")
    (tmp_path / "x").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    with pytest.raises(ToolMissingError), open_media(tmp_path / "x"):
        pass
    monkeypatch.setattr(media_module, "_MAX_FILES", 0)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a.inf").touch()
    with pytest.raises(LimitError), open_media(tmp_path / "d"):
        pass


def test_a_damaged_archive_ends(tree: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    whole = (tmp_path / "a.zip").read_bytes()
    for place in range(4, len(whole), 3):
        for byte in (0xFF, 0x00):
            (tmp_path / "a.zip").write_bytes(whole[:place] + bytes((byte,)) + whole[place + 1 :])
            try:
                with open_media(tmp_path / "a.zip") as media:
                    contents(media)
            except KenshoError:
                pass


def cabinet(name: bytes, size: int = 3, flags: int = 0) -> bytes:
    """Return a cabinet of one file, its list alone whole."""
    head = b"MSCF" + bytes(4) + (100).to_bytes(4, "little") + bytes(4)
    head += (44).to_bytes(4, "little") + bytes(4) + b"\x03\x01" + b"\1\0\1\0"
    head += flags.to_bytes(2, "little") + bytes(4)
    head += bytes(44 - len(head))
    return head + size.to_bytes(4, "little") + bytes(12) + name + b"\0"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (cabinet(rb"..\..\evil"), UnsafePathError),
        (cabinet(b"/etc/passwd"), UnsafePathError),
        (cabinet(rb"c:\evil"), UnsafePathError),
        (cabinet(b"a", size=0xFFFFFFFF), LimitError),
        (cabinet(b"a", flags=1), UnsupportedError),
        (cabinet(b"a")[:50], CorruptError),
    ],
)
def test_cabinets_that_are_not_unpacked(tmp_path: Path, data: bytes, error: type) -> None:
    (tmp_path / "a.cab").write_bytes(data)
    with pytest.raises(error):
        unpack_cab(tmp_path / "a.cab", tmp_path / "out")
    assert not (tmp_path / "out").exists()


class View:
    name = "x.iso"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or offset + length > self.size:
            raise TruncatedError("too short", path=self.name, offset=offset)
        return self.data[offset : offset + length]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("iso")
    (folder / "tree/deep").mkdir(parents=True)
    for number in range(4):
        (folder / f"tree/deep/file {number}.sys").write_bytes(b"x" * 3000 * number)
    run("xorrisofs", "-quiet", "-r", "-J", "-o", folder / "cd.iso", folder / "tree")
    return (folder / "cd.iso").read_bytes()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_image_ends(image: bytes, changes: list[tuple[int, int]]) -> None:
    start = 16 * 2048
    data = bytearray(image)
    for place, byte in changes:
        data[start + place % (min(len(data), 60 * 2048) - start)] = byte
    try:
        files = GuestFiles(open_iso9660(View(bytes(data))))
        for found in files.walk():
            for _ in found.data() if found.stat.kind == "file" else ():
                pass
    except KenshoError:
        pass
