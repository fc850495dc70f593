"""Packages of a guest: databases that the managers themselves, or their libraries' tools, made."""

from __future__ import annotations

import random
import sqlite3
import struct
from pathlib import Path

import pytest

from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.packages.installed import installed_packages
from kensho.guest.linux.packages.rpm import packages_of_bdb, packages_of_ndb, packages_of_sqlite
from kensho.guest.package import Package
from kensho.model.errors import CorruptError, KenshoError
from tests.guest.images_of import ext, files_of, run, tool

SPEC = """\
Name: kensho-{0}
Version: 1.{0}
Release: 3
{1}
Summary: x
License: MIT AND Zlib
Vendor: Somebody
BuildArch: noarch
%description
{2}
%files
"""
FOUND = (
    Package("kensho-1", "1.1-3", "noarch", "MIT AND Zlib", "Somebody"),
    Package("kensho-2", "4:1.2-3", "noarch", "MIT AND Zlib", "Somebody"),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the database of an rpm that installed two packages."""
    tool("rpmbuild")
    top = tmp_path_factory.mktemp("rpm")
    for number, epoch in ((1, ""), (2, "Epoch: 4")):
        spec = top / f"{number}.spec"
        spec.write_text(SPEC.format(number, epoch, "long " * 3000 if number == 2 else "x"))
        run("rpmbuild", "-bb", "--define", f"_topdir {top}", "--define", f"_rpmdir {top}", spec)
    where = ("--define", "_db_backend sqlite", "--dbpath", top / "db")
    run("rpm", *where, "--initdb")
    run("rpm", "--force-debian", *where, "-i", "--justdb", "--nodeps", *(top / "noarch").iterdir())
    return (top / "db/rpmdb.sqlite").read_bytes()


def headers(database: bytes, tmp_path: Path) -> list[bytes]:
    path = tmp_path / "copy.sqlite"
    path.write_bytes(database)
    base = sqlite3.connect(path)
    try:
        return [row[0] for row in base.execute("SELECT blob FROM Packages ORDER BY hnum")]
    finally:
        base.close()


def test_rpm_in_sqlite(database: bytes) -> None:
    assert packages_of_sqlite(database) == FOUND
    with pytest.raises(CorruptError):
        packages_of_sqlite(b"SQLite format 3\0" + bytes(5000))


def test_a_view_in_place_of_a_table_is_not_run(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "hostile")
    base.execute(
        "CREATE VIEW Packages AS WITH RECURSIVE c(blob) AS (SELECT 1 UNION ALL SELECT blob FROM c)"
        " SELECT blob FROM c"
    )
    base.commit()
    base.close()
    with pytest.raises(CorruptError):
        packages_of_sqlite((tmp_path / "hostile").read_bytes())


@pytest.mark.parametrize("page", [512, 16384])
def test_rpm_in_berkeley_db(database: bytes, tmp_path: Path, page: int) -> None:
    """Berkeley DB's own tool makes the file; headers lie on pages, and in chains of them."""
    tool("db5.3_load")
    pairs = enumerate(headers(database, tmp_path), 1)
    lines = ["VERSION=3", "format=bytevalue", "type=hash", f"db_pagesize={page}", "HEADER=END"]
    lines += [f" {struct.pack('<I', 0).hex()}", f" {struct.pack('<I', 3).hex()}"]  # the next number
    for number, blob in pairs:
        lines += [f" {struct.pack('<I', number).hex()}", f" {blob.hex()}"]
    path = tmp_path / "Packages"
    run("db5.3_load", path, stdin="\n".join([*lines, "DATA=END", ""]))
    assert packages_of_bdb(path.read_bytes()) == FOUND
    names = ("-qa", "--qf", "%{NAME}\\n")
    told = run("rpm", "--define", "_db_backend bdb_ro", "--dbpath", tmp_path, *names)
    assert sorted(told.split()) == [package.name for package in FOUND]


def ndb(blobs: list[bytes]) -> bytes:
    """Lay headers out as lib/backend/ndb/rpmpkg.c does."""
    slots, data = bytearray(struct.pack("<4sIII", b"RpmP", 0, 1, 1).ljust(32, b"\0")), bytearray()
    for number, blob in enumerate(blobs, 1):
        start = (4096 + len(data)) // 16
        whole = struct.pack("<4sIII", b"BlbS", number, 1, len(blob)) + blob
        whole = whole.ljust(-(-(len(whole) + 12) // 16) * 16 - 12, b"\0")
        whole += struct.pack("<II4s", 0, len(blob), b"BlbE")
        slots += struct.pack("<4sIII", b"Slot", number, start, len(whole) // 16)
        data += whole
    while len(slots) < 4096:
        slots += struct.pack("<4sIII", b"Slot", 0, 0, 0)
    return bytes(slots + data)


def test_rpm_in_ndb(database: bytes, tmp_path: Path) -> None:
    assert packages_of_ndb(ndb(headers(database, tmp_path))) == FOUND


def test_damage_is_an_error_and_nothing_else(database: bytes, tmp_path: Path) -> None:
    chance = random.Random(5)
    for whole, reads in (
        (ndb(headers(database, tmp_path)), packages_of_ndb),
        (database, packages_of_sqlite),
    ):
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(chance.randrange(1, 30)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                reads(bytes(data))
            except KenshoError:
                continue


MANAGERS = {
    "dpkg": (
        {"var/lib/dpkg/status": "Package: a\nStatus: install ok installed\nArchitecture: amd64\n"
         "Version: 1:2-3\nDescription: x\n Package: no\n\n"
         "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"},
        Package("a", "1:2-3", "amd64"),
    ),
    "apk": (
        {"lib/apk/db/installed": "C:Q1\nP:musl\nV:1.2.4-r2\nA:x86_64\nS:1\nL:MIT\n\n"},
        Package("musl", "1.2.4-r2", "x86_64", "MIT"),
    ),
    "pacman": (
        {"var/lib/pacman/local/ALPM_DB_VERSION": "9\n",
         "var/lib/pacman/local/zlib-1:1.3-1/desc":
         "%NAME%\nzlib\n\n%VERSION%\n1:1.3-1\n\n%ARCH%\nx86_64\n\n%LICENSE%\nZlib\ncustom\n\n%SIZE%\n1\n"},
        Package("zlib", "1:1.3-1", "x86_64", "Zlib, custom"),
    ),
    "pkg_add": ({"var/db/pkg/rsync-3.2.7p1/+CONTENTS": "x"}, Package("rsync", "3.2.7p1")),
}  # fmt: skip


@pytest.mark.parametrize("manager", MANAGERS)
def test_other_managers(manager: str, tmp_path: Path) -> None:
    files, package = MANAGERS[manager]
    tree = tmp_path / "tree"
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    found = installed_packages(GuestFiles(files_of(ext(tmp_path / "root.img", tree))))
    assert found == (manager, (package,))


def test_licences_of_debian_are_those_that_are_written_for_programs(tmp_path: Path) -> None:
    names = {
        "dep5": "\nFormat: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: *\nCopyright: a\nLicense: GPL-2+\n The text.\n License: no\n\nFiles: b\nlicense: Expat\n\n"
        "License: GPL-2+\n text\nLicense:\n no name\n",
        "words": "It is free.\nLicense: see copyright-format\n",
        "none": "",
        "long": "Format: copyright-format/1.0\n" + "".join(f"License: L-{n}\n" for n in range(999)),
        "bytes": "Format: copyright-format/1.0\nLicense: \x1b[2J\n",
    }
    tree = tmp_path / "tree"
    (tree / "var/lib/dpkg").mkdir(parents=True)
    status = "".join(
        f"Package: {n}\nStatus: install ok installed\n\n" for n in (*names, "../../etc")
    )
    (tree / "var/lib/dpkg/status").write_text(status)
    for name, said in names.items():
        if said:
            (tree / f"usr/share/doc/{name}").mkdir(parents=True)
            (tree / f"usr/share/doc/{name}/copyright").write_text(said)
    files = GuestFiles(files_of(ext(tmp_path / "root.img", tree)))
    found = {package.name: package.license for package in installed_packages(files)[1]}
    assert found.pop("long").endswith(", L-50")  # whole names, not without end
    assert found == {"dep5": "GPL-2+, Expat", "words": "", "none": "", "bytes": "", "../../etc": ""}


def header_of(name: bytes, size: int) -> bytes:
    """Return a header of rpm's whose only tag is its name, in a store of ``size`` bytes."""
    return struct.pack(">IIIIII", 1, size, 1000, 6, 0, 1) + name.ljust(size, b"\0")


def test_a_header_with_one_tag_many_times_takes_no_time() -> None:
    count, size = 1 << 16, 8 << 20
    rows = struct.pack(">IIII", 1000, 6, 0, 1) * count
    blob = struct.pack(">II", count, size) + rows + b"a" * size
    slots = struct.pack("<4sIII", b"RpmP", 0, 1, 1).ljust(32, b"\0") + struct.pack(
        "<4sIII", b"Slot", 1, 256, 1
    )
    data = slots.ljust(4096, b"\0") + struct.pack("<4sIII", b"BlbS", 1, 0, len(blob)) + blob
    (package,) = packages_of_ndb(data)
    assert set(package.name) == {"a"}


def test_packages_that_lie_over_each_other_are_refused() -> None:
    blob = header_of(b"a", 1000)
    slots = b"".join(struct.pack("<4sIII", b"Slot", 1, 256, 1) for _ in range(200))
    data = (struct.pack("<4sIII", b"RpmP", 0, 1, 1).ljust(32, b"\0") + slots).ljust(4096, b"\0")
    with pytest.raises(CorruptError, match="over each other"):
        packages_of_ndb(data + struct.pack("<4sIII", b"BlbS", 1, 0, len(blob)) + blob)


def test_pages_of_berkeley_db_that_come_again_and_again_are_refused() -> None:
    meta, page, own = bytearray(512), bytearray(512), bytearray(512)
    struct.pack_into("<III", meta, 12, 0x061561, 9, 512)
    page[25], own[25] = 13, 7
    struct.pack_into("<H", page, 20, 2)
    struct.pack_into("<HH", page, 26, 500, 400)
    page[400] = 3
    struct.pack_into("<II", page, 404, 2, 1 << 30)
    struct.pack_into("<I", own, 16, 2)  # it is followed by itself, and has no bytes
    with pytest.raises(CorruptError, match="over each other"):
        packages_of_bdb(bytes(meta + page + own))
