"""Files that are packed with gzip or split into chunks, read where they lie."""

from __future__ import annotations

import gzip
import hashlib
import random
from pathlib import Path

import pytest
from tests.appliances.ovf_samples import DISKS, codes, envelope, package_folder, tar

from kensho.appliances import open_package
from kensho.appliances.ovf.manifest import check_manifest
from kensho.model.errors import (
    CorruptError,
    LimitError,
    ManifestMismatchError,
    PackageError,
    UnsupportedError,
)

DISK = b"KDMV" + random.Random(3).randbytes(250_000)
PACKED = gzip.compress(DISK)


def file(more: str, href: str = "disk1.vmdk") -> str:
    return f'<References><File ovf:id="file1" ovf:href="{href}" {more}/></References>'


def chunks(data: bytes, size: int, name: str = "disk1.vmdk") -> dict[str, bytes]:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return {f"{name}.{number:09d}": part for number, part in enumerate(parts)}


def read(folder: Path, more: str, files: dict[str, bytes], href: str = "disk1.vmdk") -> bytes:
    package = open_package(package_folder(folder, envelope(references=file(more, href)), files))
    assert codes(package.findings) == set()
    source = package.open_file("file1")
    middle = source.read_at(100_000, 1000)
    data = source.read_at(0, source.size)
    assert middle == data[100_000:101_000]
    source.close()
    package.close()
    return data


@pytest.mark.parametrize("word", ["gzip", "GZIP"])
def test_ecs_communityedition_329_gzip_is_unpacked_as_it_is_read(tmp_path: Path, word: str) -> None:
    more = f'ovf:compression="{word}" ovf:size="{len(PACKED)}"'
    assert read(tmp_path, more, {"disk1.vmdk": PACKED}) == DISK
    assert sorted(p.name for p in tmp_path.iterdir()) == ["disk1.vmdk", "test.ovf"]


def test_no_compression_by_its_names(tmp_path: Path) -> None:
    assert read(tmp_path, 'ovf:compression="identity"', {"disk1.vmdk": DISK}) == DISK


@pytest.mark.parametrize("size", [1000, 65536, 250_004, 1 << 20])
@pytest.mark.parametrize("stated", [True, False])
def test_chunks(tmp_path: Path, size: int, stated: bool) -> None:
    more = f'ovf:chunkSize="{size}"' + (f' ovf:size="{len(DISK)}"' if stated else "")
    assert read(tmp_path, more, chunks(DISK, size)) == DISK


@pytest.mark.parametrize("stated", [len(PACKED), len(DISK), None])  # some count unpacked bytes
def test_packed_first_and_split_then(tmp_path: Path, stated: int | None) -> None:
    text = file(
        'ovf:compression="gzip" ovf:chunkSize="10000"' + (f' ovf:size="{stated}"' if stated else "")
    )
    path = package_folder(tmp_path, envelope(references=text), chunks(PACKED, 10_000))
    package = open_package(path)
    assert package.open_file("file1").read_at(0, len(DISK)) == DISK
    package.close()


def test_chunks_in_an_archive_are_not_called_strangers(tmp_path: Path) -> None:
    text = envelope(references=file('ovf:chunkSize="100000"'))
    members = [("a.ovf", text.encode()), *chunks(DISK, 100_000).items()]
    package = open_package(tar(tmp_path / "a.ova", members))
    assert codes(package.findings) == set()
    assert package.open_file("file1").read_at(0, len(DISK)) == DISK
    package.close()


def test_a_disk_somebody_unpacked(tmp_path: Path) -> None:
    assert read(tmp_path, 'ovf:compression="gzip"', {"disk1.vmdk": DISK}) == DISK
    text = envelope(references=file('ovf:compression="gzip"'))
    package = open_package(package_folder(tmp_path / "b", text, {"disk1.vmdk": b"no gzip" * 99}))
    with pytest.raises(CorruptError, match="gzip"):
        package.open_file("file1")
    package.close()


def test_chunks_somebody_joined(tmp_path: Path) -> None:
    more = f'ovf:chunkSize="100000" ovf:size="{len(DISK)}"'
    assert read(tmp_path, more, {"disk1.vmdk": DISK}) == DISK


def test_split_names_are_url_encoded(tmp_path: Path) -> None:
    files = chunks(DISK, 100_000, "a disk.vmdk")
    assert read(tmp_path, 'ovf:chunkSize="100000"', files, "a%20disk.vmdk") == DISK


@pytest.mark.parametrize(
    ("lost", "stated"), [(0, True), (1, True), (2, True), (0, False), (1, False)]
)
def test_a_missing_chunk_is_named(tmp_path: Path, lost: int, stated: bool) -> None:
    files = chunks(DISK, 100_000)
    del files[f"disk1.vmdk.{lost:09d}"]
    more = 'ovf:chunkSize="100000"' + (f' ovf:size="{len(DISK)}"' if stated else "")
    package = open_package(package_folder(tmp_path, envelope(references=file(more)), files))
    assert codes(package.findings) == {"KF-220"}
    with pytest.raises(PackageError, match=rf"disk1\.vmdk\.{lost:09d}"):
        package.open_file("file1")
    package.close()


def test_a_chunk_that_is_too_short(tmp_path: Path) -> None:
    files = chunks(DISK, 100_000)
    files["disk1.vmdk.000000001"] = b"short"
    text = envelope(references=file('ovf:chunkSize="100000"'))
    package = open_package(package_folder(tmp_path, text, files))
    assert codes(package.findings) == {"KF-220"}
    with pytest.raises(PackageError, match="has 5 bytes, not 100000"):
        package.open_file("file1")
    package.close()


def test_more_chunks_than_any_package_has(tmp_path: Path) -> None:
    text = envelope(references=file('ovf:chunkSize="1" ovf:size="9999999999"'))
    package = open_package(package_folder(tmp_path, text, chunks(b"ab", 1)))
    assert codes(package.findings) == {"KF-220"}
    with pytest.raises(LimitError):
        package.open_file("file1")
    package.close()


def test_a_bomb_is_bounded_by_the_disk(tmp_path: Path) -> None:
    small = DISKS.replace('ovf:capacity="8"', 'ovf:capacity="1"').replace("2^30", "2^20")
    text = envelope(references=file('ovf:compression="gzip"'), sections=small)
    path = package_folder(tmp_path, text, {"disk1.vmdk": gzip.compress(bytes(80 << 20), 1)})
    package = open_package(path)
    with pytest.raises(LimitError, match="unpacks to more than"):
        package.open_file("file1")
    package.close()


def test_another_compression(tmp_path: Path) -> None:
    text = envelope(references=file('ovf:compression="bzip2"'))
    package = open_package(package_folder(tmp_path, text, {"disk1.vmdk": DISK}))
    with pytest.raises(UnsupportedError, match="bzip2") as caught:
        package.open_file("file1")
    assert caught.value.hint
    package.close()


def test_a_whole_package_packed(tmp_path: Path) -> None:
    ova = tar(tmp_path / "a.ova", [("a.ovf", envelope().encode()), ("disk1.vmdk", DISK)])
    packed = tmp_path / "b.ova.gz"
    packed.write_bytes(gzip.compress(ova.read_bytes()))
    package = open_package(packed)
    assert (package.kind, package.appliance.machines[0].id) == ("ova", "web01")
    assert package.open_file("file1").read_at(0, len(DISK)) == DISK
    package.close()
    (tmp_path / "c.ovf.gz").write_bytes(gzip.compress(envelope().encode()))
    (tmp_path / "disk1.vmdk").write_bytes(DISK)
    package = open_package(tmp_path / "c.ovf.gz")
    assert (package.kind, codes(package.findings)) == ("ovf", set())
    package.close()
    (tmp_path / "d.img.gz").write_bytes(gzip.compress(DISK))
    with pytest.raises(UnsupportedError, match="gzip"):
        open_package(tmp_path / "d.img.gz")


def test_ovirts_bundle(tmp_path: Path) -> None:
    inner = tar(
        tmp_path / "inner",
        [
            ("images/g/disk1.vmdk", DISK),
            ("master/vms/x/x.ovf", envelope(references=file("", "g/disk1.vmdk")).encode()),
        ],
    )
    path = tmp_path / "bundle.ovf"
    path.write_bytes(gzip.compress(inner.read_bytes()))
    package = open_package(path)
    assert package.open_file("file1").read_at(0, len(DISK)) == DISK
    package.close()


def test_the_manifest_may_be_about_the_chunks_or_the_whole(tmp_path: Path) -> None:
    text = envelope(references=file(f'ovf:chunkSize="100000" ovf:size="{len(DISK)}"'))
    parts = chunks(DISK, 100_000)

    def checked(*about: tuple[str, bytes]) -> set[str]:
        lines = "".join(f"SHA256({n})= {hashlib.sha256(d).hexdigest()}\n" for n, d in about)
        path = package_folder(tmp_path, text, {"test.mf": lines.encode(), **parts})
        package = open_package(path)
        try:
            return codes(check_manifest(package))
        finally:
            package.close()

    assert checked(*parts.items()) == set()
    assert checked(("disk1.vmdk", DISK)) == set()
    assert checked(*list(parts.items())[:-1]) == {"KF-212"}
    with pytest.raises(ManifestMismatchError):
        checked(("disk1.vmdk", DISK[:-1]))
