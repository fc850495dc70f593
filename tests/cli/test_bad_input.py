"""Every kind of bad input: a typed error with its exit code, no traceback, nothing written."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Kensho
from tests.images import MIB, manifest, ovf, raw_disk, tar

Make = Callable[[Path], Path]


def package(folder: Path, files: dict[str, bytes]) -> Path:
    return tar(folder / "bad.ova", files)


def disk_bytes(folder: Path) -> bytes:
    return raw_disk(folder / "d.img", size=MIB, pieces=4).read_bytes()


def special(folder: Path, name: str, kind: bytes, link: str = "") -> Path:
    path = folder / "bad.ova"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        text = ovf({"d.img": MIB}).encode()
        info = tarfile.TarInfo("a.ovf")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
        info = tarfile.TarInfo(name)
        info.type = kind
        info.linkname = link
        archive.addfile(info)
    return path


def wrong_manifest(folder: Path) -> Path:
    files = {"a.ovf": ovf({"d.img": MIB}).encode(), "d.img": disk_bytes(folder)}
    listed = manifest({**files, "d.img": b"something else"})
    return package(folder, {"a.ovf": files["a.ovf"], "a.mf": listed, "d.img": files["d.img"]})


def xml(text: str) -> Make:
    def make(folder: Path) -> Path:
        path = folder / "bad.ovf"
        path.write_text(text)
        return path

    return make


LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><Envelope>&j;</Envelope>"
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Envelope>&e;</Envelope>'


def truncated_vmdk(folder: Path) -> Path:
    path = folder / "t.vmdk"
    path.write_bytes(b"KDMV" + bytes(100))
    return path


def huge_xml(folder: Path) -> Path:
    path = folder / "huge.ovf"
    with path.open("wb") as file:
        file.write(b"<Envelope>")
        file.truncate(2 * 1024 * MIB)
    return path


def gzip_bomb(folder: Path) -> Path:
    path = folder / "bomb.ova"
    path.write_bytes(gzip.compress(bytes(64 * MIB)))
    return path


def empty_file(folder: Path) -> Path:
    path = folder / "empty"
    path.touch()
    return path


def zero_machines(folder: Path) -> Path:
    text = ovf({"d.img": MIB})
    start, end = text.index("  <VirtualSystem "), text.index("</Envelope>")
    path = folder / "none.ovf"
    path.write_text(text[:start] + text[end:])
    return path


def missing_disk(folder: Path) -> Path:
    return package(folder, {"a.ovf": ovf({"d.img": MIB}).encode()})


def truncated_ova(folder: Path) -> Path:
    whole = package(folder, {"a.ovf": ovf({"d.img": MIB}).encode(), "d.img": disk_bytes(folder)})
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    return whole


def traversal_reference(folder: Path) -> Path:
    (folder / "sub").mkdir()
    raw_disk(folder / "d.img", size=MIB)
    path = folder / "sub" / "a.ovf"
    path.write_text(ovf({"../d.img": MIB}))
    return path


CASES: dict[str, tuple[Make, set[int], str]] = {
    "absolute member": (lambda f: package(f, {"/etc/passwd": b"x"}), {1}, "KE-"),
    "member with dots": (lambda f: package(f, {"../x.ovf": b"x"}), {1}, "KE-"),
    "symbolic link": (lambda f: special(f, "d.img", tarfile.SYMTYPE, "/etc/passwd"), {1}, "KE-"),
    "hard link": (lambda f: special(f, "d.img", tarfile.LNKTYPE, "a.ovf"), {1}, "KE-"),
    "device": (lambda f: special(f, "d.img", tarfile.CHRTYPE), {1}, "KE-"),
    "wrong manifest": (wrong_manifest, {11}, "KE-202"),
    "billion laughs": (xml(LAUGHS), {1}, "KE-101"),
    "external entity": (xml(OUTSIDE), {1}, "KE-101"),
    "not XML": (xml("<Envelope><a></Envelope>"), {1}, "KE-101"),
    "2 GB of XML": (huge_xml, {1}, "KE-103"),
    "gzip bomb": (gzip_bomb, {12}, "KE-104"),
    "truncated VMDK": (truncated_vmdk, {1, 10}, "KE-"),
    "empty file": (empty_file, {1, 12}, "KE-"),
    "zero machines": (zero_machines, {1, 10}, "KE-"),
    "missing disk": (missing_disk, {10}, "KE-300"),
    "truncated OVA": (truncated_ova, {1}, "KE-102"),
    "reference with dots": (traversal_reference, {1, 10}, "KE-"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_a_typed_error_and_nothing_is_written(
    kensho: Kensho, tmp_path: Path, case: str
) -> None:
    make, codes, text = CASES[case]
    source = make(tmp_path)
    out = tmp_path / "out"
    code, _, err = kensho("convert", source, "--to", "kvm", "-o", out)
    assert code in codes, err
    assert text in err
    assert "Traceback" not in err
    assert not out.exists()


def test_extra_files_are_noted_and_not_in_the_way(kensho: Kensho, tmp_path: Path) -> None:
    disk = disk_bytes(tmp_path)
    source = package(
        tmp_path, {"a.ovf": ovf({"d.img": MIB}).encode(), "d.img": disk, "readme.txt": b"hello"}
    )
    code, out, err = kensho("inspect", source)
    assert code == 0, err
    assert "readme.txt" in out
    assert kensho("convert", source, "--to", "kvm", "-o", tmp_path / "out")[0] == 0


def test_unknown_sections_are_kept_and_counted(kensho: Kensho, tmp_path: Path) -> None:
    raw_disk(tmp_path / "d.img", size=MIB)
    extra = '<x:OddSection xmlns:x="urn:odd" ovf:required="false"><Info/></x:OddSection>'
    source = tmp_path / "odd.ovf"
    source.write_text(ovf({"d.img": MIB}, extra=extra))
    code, out, err = kensho("inspect", source, "--json")
    assert code == 0, err
    assert "OddSection" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("convert",),
        ("convert", "x.ova"),
        ("convert", "x.ova", "--to", "nowhere"),
        ("plan", "x.ova", "--to", "kvm", "--form", "nope"),
        ("plan", "missing.ova", "--to", "kvm"),
        ("inspect",),
        ("frobnicate",),
        ("convert", "x.ova", "--to", "kvm", "--threads", "many"),
    ],
)
def test_a_senseless_command_line_exits_with_2(kensho: Kensho, arguments: tuple[str, ...]) -> None:
    code, _, err = kensho(*arguments)
    assert code == 2
    assert err.startswith("kensho: ")
    assert "hint: " in err
