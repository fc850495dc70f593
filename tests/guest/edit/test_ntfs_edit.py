"""Edits of NTFS: ntfs-3g's other tools look at the patched volume as a whole."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from tests.guest.images_of import MIB, partitioned, put, run, tool
from tests.guest.ntfs_images import LARGE, TEXT, fill, make_ntfs

from kensho.disks import DiskReader, open_disk
from kensho.guest.edit.backends import BACKENDS, edit_volume, lacking
from kensho.guest.edit.disk import PatchedDisk
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.scan import scan
from kensho.model.errors import NoSpaceError, UnsupportedError
from kensho.storage import FileSource

BIG = os.urandom(2 * MIB)
EDITS = (
    FileEdit("/windows/system32/CONFIG/system", b"regf" + bytes(9000), "a file there is"),
    FileEdit("/Windows/System32/drivers/New Dir/viostor.sys", BIG, "folders that are missing"),
    FileEdit("/windows/system32/DRIVERS/new dir/tiny.inf", b"[Version]\r\n", "and again"),
    FileEdit("/small.txt", b"two names", "has two names"),
    FileEdit("/packed/text", TEXT + b"and more", "compressed"),
    FileEdit("/sparse", b"no hole", "sparse"),
    FileEdit("/empty", None, "gone"),
    FileEdit("/many/file number 00100", None, "gone"),
    FileEdit("/nothing/there", None, "not there"),
    FileEdit("/naïve ☃ again", b"utf-16", "a name"),
)


def descriptor(*aces: tuple[int, int, str]) -> bytes:
    """Return a security descriptor with entries that allow: (flags, mask, holder)."""
    body = b"".join(
        struct.pack("<BBHI", 0, flags, 8 + len(who) // 2, mask) + bytes.fromhex(who)
        for flags, mask, who in aces
    )
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(body), len(aces), 0) + body
    admins, system = "01020000000000052000000020020000", "010100000000000512000000"
    head = struct.pack("<BBHIIII", 1, 0, 0x8404, 20 + len(acl), 36 + len(acl), 0, 20)
    return head + acl + bytes.fromhex(admins + system)


ROW = next(row for row in BACKENDS if row.name == "ntfs-3g")

pytestmark = pytest.mark.skipif(bool(lacking(ROW)), reason=lacking(ROW))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ntfs")
    inner = make_ntfs(folder, fill)
    path = partitioned(folder / "disk.img", "label: dos\nstart=2048, type=7\n", 66 * MIB)
    put(path, MIB, inner)
    return path


def patched(path: Path, edits: tuple[FileEdit, ...], folder: Path) -> DiskReader:
    folder.mkdir()
    disk = open_disk(FileSource(path))
    (volume,) = scan([disk]).volumes
    patch = edit_volume(volume, edits, folder)
    return PatchedDisk(disk, [piece for _, piece in pieces(patch)])


def volume_of(disk: DiskReader, path: Path) -> Path:
    """Write the patched partition to a file."""
    data = bytearray(64 * MIB)
    disk.read_into(MIB, data)
    path.write_bytes(data)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def no_mount_is_left(folder: Path) -> bool:
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return not any(str(folder) in line for line in mounts)


def test_other_programs_read_what_was_written(tmp_path: Path, source: Path) -> None:
    before = digest(source)
    disk = patched(source, EDITS, tmp_path / "work")
    assert digest(source) == before
    assert no_mount_is_left(tmp_path)
    volume = volume_of(disk, tmp_path / "after.img")
    assert "processed successfully" in run("ntfsfix", "-n", volume)
    run("ntfsresize", "-i", "-f", volume)  # accounts for every cluster
    for edit in EDITS:
        path = edit.path.replace("/windows/system32/CONFIG/", "/Windows/System32/config/")
        path = path.replace(
            "/windows/system32/DRIVERS/new dir", "/Windows/System32/drivers/New Dir"
        )
        path = path.removesuffix("system") + "SYSTEM" if path.endswith("/system") else path
        told = subprocess.run([tool("ntfscat"), volume, path], capture_output=True)
        if edit.content is None:
            assert told.returncode
        else:
            assert told.stdout == edit.content
    assert "drivers" in run("ntfsls", "-p", "/Windows/System32", volume)
    files = GuestFiles(open_files(scan([disk]).volumes[0]))
    # what has two names is written as one file, and what was compressed stays so
    assert files.read("/Windows/hard link") == b"two names"
    assert "COMPRESSED" in run("ntfsinfo", "-F", "packed/text", "-v", volume).upper()
    assert "New Dir" in files.names("/Windows/System32/drivers")
    # all other files are what they were
    assert files.read("/large") == LARGE
    assert len(files.names("/many")) == 1999


def test_the_same_edits_make_the_same_volume(tmp_path: Path, source: Path) -> None:
    first = volume_of(patched(source, EDITS, tmp_path / "one"), tmp_path / "one.img")
    time.sleep(1.1)  # so that a clock in it would show
    second = volume_of(patched(source, EDITS, tmp_path / "two"), tmp_path / "two.img")
    assert digest(first) == digest(second)


#: SYSTEM: full, CREATOR OWNER: generic all for what is below, Users: read for folders alone.
ABOVE = descriptor(
    (3, 0x1F01FF, "010100000000000512000000"),
    (11, 0x10000000, "010100000000000300000000"),
    (2, 0x1200A9, "01020000000000052000000021020000"),
    (0, 0x1F01FF, "010100000000000100000000"),  # everybody, for that folder alone
)


def test_new_files_get_the_rights_their_folder_hands_down(tmp_path: Path) -> None:
    def fill_it(place: Path) -> None:
        (place / "Windows").mkdir()
        os.setxattr(place / "Windows", "system.ntfs_acl", ABOVE)

    inner = make_ntfs(tmp_path, fill_it, size=16 * MIB)
    disk = patched(inner, (FileEdit("/Windows/New/file", b"x", "new"),), tmp_path / "work")
    after = tmp_path / "after.img"
    data = bytearray(16 * MIB)
    disk.read_into(0, data)
    after.write_bytes(data)
    system, creator, admins, users = (
        "010100000000000512000000", "010100000000000300000000",
        "01020000000000052000000020020000", "01020000000000052000000021020000",
    )  # fmt: skip
    wanted = {
        "Windows/New": (
            (0x13, 0x1F01FF, system), (0x10, 0x1F01FF, admins), (0x1B, 1 << 28, creator),
            (0x12, 0x1200A9, users),
        ),
        "Windows/New/file": ((0x10, 0x1F01FF, system), (0x10, 0x1F01FF, admins)),
    }  # fmt: skip
    for path, aces in wanted.items():
        told = run("ntfssecaudit", "-v", after, path)
        assert "No errors were found" in told
        lines = [line.split() for line in told.splitlines()]
        dump = "".join(
            "".join(words[1:])
            for words in lines
            if words and len(words[0]) == 6 and words[0].startswith("000")
        )
        acl = descriptor(*aces)[20:-28]
        assert acl.hex() in dump


def marked(source: Path, path: Path, change: str) -> Path:
    """Make a copy of the disk that Windows did not leave cleanly."""
    inner = path.with_suffix(".inner")
    inner.write_bytes(source.read_bytes()[MIB : 65 * MIB])
    if change == "dirty":
        run("ntfslabel", inner)
        raw = bytearray(inner.read_bytes())
        at = raw.index(b"\x70\0\0\0", raw.index(b"$\0V\0o\0l\0u\0m\0e\0"))  # $VOLUME_INFORMATION
        value = at + int.from_bytes(raw[at + 20 : at + 22], "little")
        raw[value + 10] |= 1
        inner.write_bytes(raw)
    path.write_bytes(source.read_bytes())
    put(path, MIB, inner)
    return path


def test_a_dirty_volume_is_refused(tmp_path: Path, source: Path) -> None:
    disk = marked(source, tmp_path / "disk.img", "dirty")
    with pytest.raises(UnsupportedError, match="not unmounted cleanly") as raised:
        patched(disk, EDITS, tmp_path / "work")
    assert "shutdown /s" in raised.value.hint


def test_a_hibernated_volume_is_refused(tmp_path: Path) -> None:
    def hibernate(place: Path) -> None:
        (place / "hiberfil.sys").write_bytes(b"hibr" + bytes(8192))
        (place / "Windows").mkdir()

    inner = make_ntfs(tmp_path, hibernate)
    before = digest(inner)
    with pytest.raises(UnsupportedError, match="hibernat") as raised:
        patched(inner, (FileEdit("/Windows/new", b"x", "new"),), tmp_path / "work")
    assert "powercfg /h off" in raised.value.hint
    assert digest(inner) == before
    assert no_mount_is_left(tmp_path)


def test_a_full_volume_is_left_as_it_is(tmp_path: Path) -> None:
    inner = make_ntfs(tmp_path, lambda place: (place / "Windows").mkdir(), size=8 * MIB)
    edits = (FileEdit("/too-big", bytes(9 * MIB), "more than there is room for"),)
    with pytest.raises(NoSpaceError, match="full"):
        patched(inner, edits, tmp_path / "work")
    assert no_mount_is_left(tmp_path)


@pytest.mark.parametrize("path", ["/Windows", "/a:b", "/CON.txt", "/small.txt/x", "/Windows/../x"])
def test_what_cannot_be_written(tmp_path: Path, source: Path, path: str) -> None:
    with pytest.raises(UnsupportedError):
        patched(source, (FileEdit(path, b"x", "no"),), tmp_path / "work")


def test_a_relative_folder(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    disk = patched(source, EDITS[-1:], Path("work"))
    assert GuestFiles(open_files(scan([disk]).volumes[0])).read(EDITS[-1].path) == b"utf-16"


def test_no_links(tmp_path: Path, source: Path) -> None:
    with pytest.raises(UnsupportedError, match="links"):
        patched(source, (FileEdit("/l", None, "link", target="/x"),), tmp_path / "work")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_it_is_stopped(tmp_path: Path, source: Path, how: int) -> None:
    """Programs end and mounts go, however this process ends."""
    script = tmp_path / "edit.py"
    plan = tmp_path / "edits"
    edit = FileEdit("/long", os.urandom(24 * MIB), "takes a while")
    plan.write_bytes(msgspec.msgpack.encode([edit]))
    script.write_text(
        "import sys, msgspec\n"
        "from pathlib import Path\n"
        "from kensho.disks import open_disk\n"
        "from kensho.guest.edit.backends import edit_volume\n"
        "from kensho.guest.edit.plan import FileEdit\n"
        "from kensho.guest.volumes.scan import scan\n"
        "from kensho.storage import FileSource\n"
        "(v,) = scan([open_disk(FileSource(Path(sys.argv[1])))]).volumes\n"
        "edits = msgspec.msgpack.decode(Path(sys.argv[2]).read_bytes(), type=list[FileEdit])\n"
        "edit_volume(v, edits, Path(sys.argv[3]))\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    process = subprocess.Popen([sys.executable, script, source, plan, work], stderr=subprocess.PIPE)
    while not (work / "mounted").exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(how)
    process.communicate(timeout=300)
    deadline = time.monotonic() + 60
    while (processes_with(work) or not no_mount_is_left(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)  # the kernel tells them of it
    assert processes_with(work) == []
    assert no_mount_is_left(tmp_path)


def processes_with(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in line:
            found.append(line.replace(b"\0", b" ").decode("utf-8", "replace"))
    return found
