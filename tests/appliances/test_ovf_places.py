"""Packages on web servers, in archives and in pipes, and which web addresses are read at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.appliances.ovf_samples import codes, envelope, package_folder, tar
from tests.storage.web import serving

from kensho.appliances import open_package
from kensho.appliances.ova.pipe import front_of, open_pipe
from kensho.model.errors import (
    LimitError,
    LocatorError,
    PackageError,
    TruncatedError,
    UnsupportedError,
)
from kensho.model.selection import Selection
from kensho.packages.source import opened_ovf
from kensho.storage.pipe import PipeReader

DISK = b"KDMV" + b"d" * 300_000


def references(*hrefs: str) -> str:
    files = (f'<File ovf:id="file{n}" ovf:href="{href}"/>' for n, href in enumerate(hrefs, 1))
    return f"<References>{''.join(files)}</References>"


def described(*hrefs: str) -> bytes:
    return envelope(references=references(*hrefs)).encode()


@contextmanager
def piped(data: bytes) -> Iterator[PipeReader]:
    out, into = os.pipe()

    def feed() -> None:
        with os.fdopen(into, "wb") as pipe, suppress(BrokenPipeError):
            pipe.write(data)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield PipeReader(out, "pipe")
    finally:
        os.close(out)
        thread.join()


def test_an_archive_on_a_server_is_read_in_ranges(tmp_path: Path) -> None:
    big = DISK * 20
    data = tar(tmp_path / "a.ova", [("a.ovf", described("disk1.vmdk")), ("disk1.vmdk", big)])
    with serving({"/x/a.ova": data.read_bytes()}) as web:
        package = open_package(f"{web.url}/x/a.ova")
        assert (package.kind, package.appliance.machines[0].id) == ("ova", "web01")
        assert codes(package.findings) == set()
        assert package.open_file("file1").read_at(5, 3) == b"ddd"
        package.close()
        asked = [r.removeprefix("bytes=").split("-") for _, r in web.log]
        assert sum(int(b) - int(a) + 1 for a, b in asked) < len(big)


def test_a_descriptor_on_a_server_reads_its_siblings() -> None:
    with serving({}) as web:
        there = f"{web.url}/app/sub/c.vmdk"
        web.files = {
            "/app/a.ovf": described("disk1.vmdk", "a%20b.vmdk", there, "gone.vmdk"),
            "/app/disk1.vmdk": DISK,
            "/app/a%20b.vmdk": b"blank",
            "/app/sub/c.vmdk": b"full address",
            "/app/a.mf": b"",
        }
        package = open_package(f"{web.url}/app/a.ovf")
        assert package.kind == "ovf"
        assert [(f.code, f.subject) for f in package.findings] == [("KF-201", "file4")]
        read = [package.open_file(f"file{n}") for n in (1, 2, 3)]
        assert [s.read_at(0, 5) for s in read] == [DISK[:5], b"blank", b"full "]
        assert package.manifest == {}
        with pytest.raises(PackageError, match="missing"):
            package.open_file("file4")
        package.close()
        with opened_ovf(f"{web.url}/app/a.ovf") as tree:
            assert tree.files == ("disk1.vmdk", "a b.vmdk", "sub/c.vmdk")
        with pytest.raises(LocatorError, match="nothing is there"):
            open_package(f"{web.url}/app/none.ovf")


@pytest.mark.parametrize("href", ["/elsewhere/disk.vmdk", "/app/../elsewhere/disk.vmdk"])
def test_other_addresses_only_with_leave(tmp_path: Path, href: str) -> None:
    with serving({"/elsewhere/disk.vmdk": DISK, "/app/../elsewhere/disk.vmdk": DISK}) as web:
        text = described(f"{web.url}{href}")
        web.files["/app/a.ovf"] = text
        local = package_folder(tmp_path, text.decode())
        for place in (local, f"{web.url}/app/a.ovf"):
            before = len(web.log)
            package = open_package(place)
            assert codes(package.findings) <= {"KF-216", "KF-217"}
            assert codes(package.findings)
            with pytest.raises((UnsupportedError, PackageError)):
                package.open_file("file1")
            package.close()
            assert all(path == "/app/a.ovf" or "/app/a." in path for path, _ in web.log[before:])
        package = open_package(local, Selection(fetch=True))
        assert codes(package.findings) == set()
        assert package.open_file("file1").size == len(DISK)
        package.close()


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with serving({}) as web:
        path = package_folder(tmp_path, described(f"{web.url}/none.vmdk").decode())
        package = open_package(path, Selection(fetch=True))
        assert codes(package.findings) == {"KF-201"}
        package.close()


@pytest.mark.parametrize("href", ["file:///etc/passwd", "ftp://h/x", "s3://b/k", "gopher://x"])
def test_other_schemes_never(tmp_path: Path, href: str) -> None:
    path = package_folder(tmp_path, described(href).decode())
    package = open_package(path, Selection(fetch=True))
    assert codes(package.findings) <= {"KF-216", "KF-201"}
    with pytest.raises((UnsupportedError, PackageError)):
        package.open_file("file1")
    package.close()


def test_a_descriptor_in_an_archive_by_name(tmp_path: Path) -> None:
    members = [("a.ovf", b"<Envelope/>"), ("in/b.ovf", described("d.vmdk")), ("in/d.vmdk", DISK)]
    package = open_package(f"{tar(tmp_path / 'a.tar', members)}#in/b.ovf")
    assert (package.kind, package.appliance.machines[0].id) == ("ovf", "web01")
    assert package.open_file("file1").size == len(DISK)
    package.close()


def test_an_archive_from_a_pipe(tmp_path: Path) -> None:
    digest = b"SHA1(disk1.vmdk)= da39a3ee5e6b4b0d3255bfef95601890afd80709\n"
    members = [
        ("a.ovf", described("disk1.vmdk")),
        ("a.mf", digest),
        ("a.cert", b"c"),
        ("disk1.vmdk", DISK),
    ]
    data = tar(tmp_path / "a.ova", members).read_bytes()
    with piped(data) as pipe:
        package = open_pipe(pipe, Selection())
        assert (package.kind, package.appliance.machines[0].id) == ("ova", "web01")
        assert codes(package.findings) == set()
        assert package.manifest is not None
        assert list(package.manifest) == ["disk1.vmdk"]
        with pytest.raises(UnsupportedError, match="a pipe is read once") as caught:
            package.open_file("file1")
        assert "save the package" in caught.value.hint
        assert pipe.position < 16384  # the disk stays in the pipe
    with piped(data) as pipe:
        assert front_of(pipe)[1].names == ("a.ovf", "a.mf", "a.cert")


def test_a_descriptor_from_a_pipe() -> None:
    with piped(described("disk1.vmdk")) as pipe:
        package = open_pipe(pipe, Selection())
    assert (package.kind, codes(package.findings)) == ("ovf", set())


@pytest.mark.parametrize(
    ("members", "error"),
    [([("x.txt", b"x")], PackageError), ([("a.ovf", b" " * (33 << 20))], LimitError)],
)
def test_archives_from_a_pipe_without_a_usable_descriptor(
    tmp_path: Path, members: list[tuple[str, bytes]], error: type[Exception]
) -> None:
    with piped(tar(tmp_path / "a.ova", members).read_bytes()) as pipe, pytest.raises(error):
        open_pipe(pipe, Selection())


def test_nothing_from_a_pipe() -> None:
    with piped(b"") as pipe, pytest.raises(TruncatedError, match="nothing came"):
        open_pipe(pipe, Selection())


@pytest.mark.parametrize("data", [b"KDMV" + bytes(600), b"plain text"])
def test_something_else_from_a_pipe(data: bytes) -> None:
    with piped(data) as pipe, pytest.raises(UnsupportedError, match="no OVA"):
        open_pipe(pipe, Selection())


def test_standard_input_that_is_a_file(tmp_path: Path) -> None:
    path = package_folder(tmp_path, described("disk1.vmdk").decode(), {"disk1.vmdk": DISK})
    before = os.dup(0)
    file = os.open(path, os.O_RDONLY)
    try:
        os.dup2(file, 0)
        package = open_package("-")
        assert package.open_file("file1").size == len(DISK)
        package.close()
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(file)


def test_a_file_that_a_server_does_not_give(tmp_path: Path) -> None:
    with serving({"/x.vmdk": DISK}) as web:
        web.login = "Basic nobody"
        path = package_folder(tmp_path, described(f"{web.url}/x.vmdk").decode())
        package = open_package(path, Selection(fetch=True))
        (finding,) = package.findings
        assert (finding.code, "401" in finding.message) == ("KF-219", True)
        with pytest.raises(LocatorError, match="401"):
            package.open_file("file1")
        package.close()


def test_a_descriptor_on_a_server_without_ranges() -> None:
    with serving({"/a.ovf": described("disk1.vmdk"), "/disk1.vmdk": DISK}) as web:
        web.ranges = False
        package = open_package(f"{web.url}/a.ovf")
        assert package.open_file("file1").read_at(4, 2) == b"dd"
        package.close()


def test_standard_input_that_is_closed() -> None:
    before = os.dup(0)
    try:
        os.close(0)
        with pytest.raises(LocatorError, match="closed"):
            open_package("-")
    finally:
        os.dup2(before, 0)
        os.close(before)
