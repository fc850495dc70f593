"""INF files: their syntax, for whom they are, what they install."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kensho.guest.windows.drivers.inf import MAX_INF, Line, read_inf
from kensho.guest.windows.drivers.install import devices_for, read_version_section, source_folders
from kensho.guest.windows.drivers.targets import all_models, models_for, read_target
from kensho.guest.windows.hive import dword
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import CorruptError, KenshoError, LimitError
from tests.guest.windows.drivers.made import IDS, SCSI, inf

XP = WindowsVersion(5, 1, 2600, architecture="x86")
SEVEN = WindowsVersion(6, 1, 7601, architecture="amd64")
TEN = WindowsVersion(10, 0, 19045, architecture="amd64")
OLD_TEN = WindowsVersion(10, 0, 10240, architecture="amd64")
SERVER = WindowsVersion(10, 0, 20348, server=True, architecture="amd64")
ARM = WindowsVersion(10, 0, 22631, architecture="arm64")


def lines(body: str) -> tuple[Line, ...]:
    return read_inf(f"[Version]\n[Body]\n{body}\n".encode(), "x.inf").lines("body")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = b , c;comment", [Line("a", ("b", "c"))]),
        ('a = "b , c" ; comment', [Line("a", ("b , c",))]),
        ('a = "say ""yes"", please"', [Line("a", ('say "yes", please',))]),
        ("a = b, \\\n c", [Line("a", ("b", "c"))]),
        ("a = b, \\ ; comment\n c", [Line("a", ("b", "c"))]),
        ('CopyFiles = "SomeDirectory\\"\\ ; comment\n,SomeFile',
         [Line("CopyFiles", ("SomeDirectory\\", "SomeFile"))]),
        ("file.sys,,,2", [Line("", ("file.sys", "", "", "2"))]),
        ("a = b = c", [Line("a", ("b = c",))]),
        ('"a=b" = c', [Line("a=b", ("c",))]),
        ("a = %none%, %12%\\x.sys, 100%%", [Line("a", ("%none%", "%12%\\x.sys", "100%"))]),
        ("a = 'x", [Line("a", ("'x",))]),
        ('a = "never ends', [Line("a", ("never ends",))]),
    ],
)  # fmt: skip
def test_lines(text: str, expected: list[Line]) -> None:
    assert list(lines(text)) == expected


def test_sections_merge_and_strings_are_put_in() -> None:
    text = '[version]\na=1\n[STRINGS]\nWho = "Some, ""one"""\n[VERSION]\nb=%WHO%;no\n[Strings.0407]\nwho=x\nneu=y\n'
    found = read_inf(text.encode(), "x.inf")
    assert found.lines("Version") == (Line("a", ("1",)), Line("b", ('Some, "one"',)))


@given(st.text(alphabet=" \t=,;%\\ab1", max_size=30))
def test_lines_with_quotes_and_without(text: str) -> None:
    """Two quotes with nothing between are nothing."""
    assume(text.partition(";")[0].strip(" \t\\"))
    assert lines(text) == lines('""' + text)


def test_only_ends_of_lines_end_lines() -> None:
    assert lines("a = x\u2028y\x0bz\x85") == (Line("a", ("x\u2028y\x0bz",)),)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-8-sig", "cp1252"])
def test_encodings(encoding: str) -> None:
    text = '[Version]\r\nProvider = %V%\r\n[Strings]\r\nV = "Größe"\r\n'
    assert read_version_section(read_inf(text.encode(encoding), "x.inf")).provider == "Größe"


def test_strings_that_blow_it_up() -> None:
    bomb = b"[Version]\n[x]\n" + b"%a%z," * 20_000 + b'\n[Strings]\na="' + b"x" * 4000 + b'"\n'
    with pytest.raises(LimitError, match="strings put in"):
        read_inf(bomb, "x.inf")


def test_what_is_none() -> None:
    with pytest.raises(CorruptError):
        read_inf(b"[autorun]\nopen=setup.exe\n", "autorun.inf")
    with pytest.raises(CorruptError):
        read_inf(b"[Version\n", "x.inf")
    with pytest.raises(LimitError):
        read_inf(bytes(MAX_INF + 1), "x.inf")
    with pytest.raises(LimitError):
        read_inf(b"[Version]\n" + (b"a" * 4000 + b"\\\n") * 200, "x.inf")


@pytest.mark.parametrize(
    ("decoration", "windows", "fits"),
    [
        ("NTx86", XP, True), ("NT", XP, True), ("NT.5.1", XP, True), ("NTx86.5.2", XP, False),
        ("NTamd64", XP, False), ("NT", TEN, False), ("NTamd64", TEN, True),
        ("NTamd64.6.1", TEN, True), ("NTamd64.10.0...16299", TEN, True),
        ("NTamd64.10.0...16299", OLD_TEN, False), ("NTamd64.10.0...22000", TEN, False),
        ("NTamd64.6.3...16299", OLD_TEN, True), ("NTamd64.6.1.1", TEN, True),
        ("NTamd64.6.1.3", TEN, False), ("NTamd64.6.1.3", SERVER, True),
        ("NTamd64.10.0.0x3", SERVER, True), ("NTamd64....0x80", SERVER, False),
        ("NTarm64.10.0", ARM, True), ("NTarm64.10.0", TEN, False),
        ("ntAMD64.10.0..", TEN, True),
    ],
)  # fmt: skip
def test_decorations(decoration: str, windows: WindowsVersion, fits: bool) -> None:
    target = read_target(decoration)
    assert target is not None
    assert target.fits(windows) is fits


@pytest.mark.parametrize("text", ["", "9x", "NTmips", "NT.x", "NTamd64.1.2.3.4.5.6", "NT.0x"])
def test_decorations_that_are_none(text: str) -> None:
    assert read_target(text) is None


def chosen(manufacturer: str, sections: str, windows: WindowsVersion) -> list[str]:
    text = f"[Version]\n[Manufacturer]\n{manufacturer}\n{sections}"
    return [m.lines[0].value(0) for m in models_for(read_inf(text.encode(), "x.inf"), windows)]


def test_the_examples_of_the_documentation() -> None:
    """Those of "INF Manufacturer Section"."""
    two = "[MyName]\na=InstallA,id\n[MyName.NTx86.5.1]\na=InstallB,id\n"
    assert chosen("%x%=MyName,NTx86.5.1", two, XP) == ["InstallB"]
    assert chosen("%x%=MyName,NTx86.5.1", two, WindowsVersion(5, 0, 2195, architecture="x86")) == [
        "InstallA"
    ]
    excluded = "[MyName.NTx86.6.0]\n[MyName.NTx86.5.1]\na=InstallB,id\n"
    vista = WindowsVersion(6, 0, 6002, architecture="x86")
    assert chosen("%x%=MyName,NTx86.6.0,NTx86.5.1,", excluded, vista) == []
    assert chosen("%x%=MyName,NTx86.6.0,NTx86.5.1,", excluded, XP) == ["InstallB"]
    versions = "".join(f"[F.{d}]\na={d},id\n" for d in ("NT", "NT.5", "NT.5.5", "NT....0x80"))
    assert chosen("%x%=F, NT, NT.5, NT.5.5, NT....0x80", versions, XP) == ["NT.5"]
    assert chosen("Contoso", "[Contoso]\na=Install,id\n", XP) == ["Install"]
    assert chosen("Contoso", "[Contoso]\na=Install,id\n", TEN) == []


def test_the_newest_build_wins() -> None:
    builds = ("NTamd64.10.0...14393", "NTamd64.10.0...19041", "NTamd64.10.0...22000", "NTamd64.6.3")
    sections = "".join(f"[F.{d}]\na={d},id\n" for d in builds)
    assert chosen("%x%=F," + ",".join(builds), sections, TEN) == ["NTamd64.10.0...19041"]
    assert chosen("%x%=F," + ",".join(builds), sections, OLD_TEN) == ["NTamd64.6.3"]


def test_what_is_installed() -> None:
    found = read_inf(inf(), "viostor.inf")
    version = read_version_section(found)
    assert (version.provider, version.class_name, version.class_guid) == (
        "Test, Inc.", "SCSIAdapter", SCSI,
    )  # fmt: skip
    assert version.text == "100.94.104.24800 of 2023-07-24"
    assert version.locked
    assert version.catalog("amd64") == "viostor.cat"
    (first, second) = devices_for(found, TEN)
    assert first.ids + second.ids == IDS
    assert first.description == "Test 100% SCSI controller"
    assert first.files == ("viostor.sys",)
    (service,) = first.services
    assert (service.name, service.binary, service.type, service.start) == (
        "viostor", "viostor.sys", 1, 0,
    )  # fmt: skip
    assert service.group == "SCSI miniport"
    assert service.own
    assert service.values == (
        (r"Parameters\PnpInterface", dword("5", 1)),
        ("Parameters", dword("BusType", 10)),
    )
    assert devices_for(found, SEVEN) == ()
    assert devices_for(found, ARM) == ()


def test_catalogs_and_places_by_architecture() -> None:
    text = r"""
[Version]
CatalogFile = a.cat
CatalogFile.NTamd64 = sub\b.cat
DriverVer = 31/31/2023, 1.2
[SourceDisksNames]
1 = x
[SourceDisksNames.amd64]
1 = x,,,\amd64
[SourceDisksFiles]
D.SYS = 1,deep
[SourceDisksFiles.x86]
d.sys = 1,i386
"""
    found = read_inf(text.encode(), "x.inf")
    version = read_version_section(found)
    assert (version.catalog("amd64"), version.catalog("x86")) == ("b.cat", "a.cat")
    assert version.version == (1, 2)
    assert source_folders(found, "amd64") == {"d.sys": r"amd64\deep"}
    assert source_folders(found, "x86") == {"d.sys": "i386"}


def test_platform_sections_win_over_plain_ones() -> None:
    text = """
[Version]
[Manufacturer]
%x%=F,NTamd64
[F.NTamd64]
one=i,ID\\1,ID\\2
none=missing,ID\\3
[i]
CopyFiles=@wrong.sys
[i.ntamd64]
CopyFiles=@right.sys,more
[more]
target.dll,source.dl_
"""
    (device,) = devices_for(read_inf(text.encode(), "x.inf"), TEN)
    assert device.ids == ("ID\\1", "ID\\2")
    assert device.files == ("right.sys", "source.dl_")


@given(st.binary(max_size=400), st.text(max_size=400))
def test_any_bytes(data: bytes, text: str) -> None:
    for raw in (data, b"[Version]\n[Manufacturer]\n" + text.encode("utf-8", "replace")):
        try:
            found = read_inf(raw, "x.inf")
        except KenshoError:
            continue
        read_version_section(found)
        all_models(found)
        devices_for(found, TEN)
