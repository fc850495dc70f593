"""The first-boot service's programs: what they ask of Windows, how they are built, what they do."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from kensho.guest.windows.drivers.pe import read_pe
from kensho.guest.windows.firstboot.scheduler import FIRSTBOOT_CMD, PROGRAMS, batch, program_bytes
from kensho.guest.windows.firstboot.service.build import PROGRAMS as BUILT
from kensho.guest.windows.firstboot.service.build import build
from tests.guest.windows.firstboot.conftest import Wine

#: All in Windows XP, by the "Minimum supported client" of each function's page on learn.microsoft.com.
XP = {
    "kernel32.dll": {"CreateEventW", "CreateFileW", "CreateProcessW", "ExitProcess", "GetExitCodeProcess",
                     "GetFileAttributesW", "GetLastError", "GetModuleFileNameW", "GetWindowsDirectoryW",
                     "SetEvent", "WaitForMultipleObjects", "lstrcpyW", "lstrlenW"},
    "advapi32.dll": {"RegisterServiceCtrlHandlerExW", "SetServiceStatus",
                     "StartServiceCtrlDispatcherW"},
}  # fmt: skip


def headers(data: bytes) -> tuple[int, bool]:
    """Return the place of the optional header, and whether it is that of 64 bits."""
    place = struct.unpack_from("<I", data, 0x3C)[0] + 24
    return place, struct.unpack_from("<H", data, place)[0] == 0x20B


def imports(data: bytes) -> dict[str, set[str]]:
    """Return the functions that a program imports, by library in lower case."""
    place, wide = headers(data)
    count, size = (
        struct.unpack_from("<H", data, place - 18)[0],
        struct.unpack_from("<H", data, place - 4)[0],
    )
    sections = [struct.unpack_from("<8xIIII", data, place + size + 40 * n) for n in range(count)]

    def at(address: int) -> int:
        for length, start, raw, offset in sections:
            if start <= address < start + max(length, raw):
                return int(address - start + offset)
        raise AssertionError(address)

    def text(offset: int) -> str:
        return data[offset : data.index(b"\0", offset)].decode("ascii")

    row = at(struct.unpack_from("<I", data, place + (112 if wide else 96) + 8)[0])
    found: dict[str, set[str]] = {}
    step, code = (8, "<Q") if wide else (4, "<I")
    while any(entry := struct.unpack_from("<5I", data, row)):
        thunk, names = at(entry[0] or entry[4]), set()
        while address := struct.unpack_from(code, data, thunk)[0]:
            names.add(text(at(address) + 2))
            thunk += step
        found[text(at(entry[3])).lower()] = names
        row += 20
    return found


@pytest.mark.parametrize(
    ("name", "machine", "minor"), [("service32.exe", "x86", 1), ("service64.exe", "amd64", 2)]
)
def test_it_asks_for_no_more_than_xp_has(name: str, machine: str, minor: int) -> None:
    data = program_bytes(name)
    assert read_pe(data, name).machine == machine
    found = imports(data)
    assert found.keys() == XP.keys()
    assert all(found[library] <= XP[library] for library in found)
    place, _ = headers(data)
    assert struct.unpack_from("<HH", data, place + 40) == (5, minor)  # of the operating system
    assert struct.unpack_from("<HHI", data, place + 48) == (5, minor, 0)  # of the subsystem
    assert struct.unpack_from("<H", data, place + 68)[0] == 3  # a console's
    assert struct.unpack_from("<I", data, place - 16)[0] == 0  # built at no time
    assert len(data) < 8192
    assert name in set(PROGRAMS.values())


@pytest.mark.parametrize("name", BUILT)
def test_it_is_built_from_its_source(name: str, tmp_path: Path) -> None:
    compiler = BUILT[name][0]
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    said = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True).stdout
    if not said.startswith("12"):
        pytest.skip(f"built with GCC 12, and here is {said.strip()}")
    assert build(name, tmp_path).read_bytes() == program_bytes(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "first & boot"  # a folder whose name has to be quoted
    (place / "scripts").mkdir(parents=True)
    (place / "service.exe").write_bytes(program_bytes("service64.exe"))
    # No service is there to be deleted, and nothing may start anew.
    text = FIRSTBOOT_CMD.replace("sc.exe delete", "echo deleted").replace(
        "shutdown.exe -r", "echo anew"
    )
    (place / "firstboot.cmd").write_bytes(batch(text))
    return place


def start(folder: Path, wine: Wine) -> None:
    """Run the scheduler alone: wine waits ten seconds for a service manager before the service goes on."""
    said = wine("cmd", "/d", "/c", "firstboot.cmd", cwd=folder).stdout
    with (folder / "firstboot.log").open("ab") as file:
        file.write(said)


def script(folder: Path, name: str, text: str) -> None:
    (folder / "scripts" / name).write_bytes(batch(f"@echo off\n{text}\n"))


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir()) if place.exists() else []


def log(folder: Path) -> str:
    return (folder / "firstboot.log").read_bytes().decode("ascii")


def test_scripts_run_in_order_once_each(folder: Path, wine: Wine) -> None:
    """By wine, from a console: what it runs, not how a service manager starts it."""
    script(folder, "3000-late.cmd", "echo late runs")
    script(folder, "2000-early.cmd", "echo early runs\nexit /b 7")
    script(folder, "2500-again.cmd", "echo again runs\nexit /b 249")
    assert wine(folder / "service.exe").returncode == 0
    said = log(folder)
    assert said.index("early runs") < said.index("again runs") < said.index("late runs")
    assert "2000-early.cmd: exit code 7" in said
    assert names(folder / "scripts") == ["2500-again.cmd"]
    assert {"2000-early.cmd", "3000-late.cmd"} <= set(names(folder / "done"))
    assert "deleted" not in said
    assert "2500-again.cmd.try1" in names(folder / "done")
    for number in range(2, 6):
        (folder / "done" / f"2500-again.cmd.try{number}").touch()
    start(folder, wine)  # five times it was to be run again: now it is given up
    assert names(folder / "scripts") == []
    assert log(folder).count("again runs") == 2
    assert log(folder).count("early runs") == 1
    assert "deleted kensho-firstboot" in log(folder)


def test_windows_starts_anew_between_scripts(folder: Path, wine: Wine) -> None:
    script(folder, "2000-one.cmd", "echo one runs\nexit /b 250")
    script(folder, "3000-two.cmd", "echo two runs")
    start(folder, wine)
    said = log(folder)
    assert "one runs" in said
    assert "anew -f -t 5" in said
    assert "two runs" not in said
    start(folder, wine)
    assert "two runs" in log(folder)
    assert "deleted" in log(folder)


def test_scripts_wait_for_setup(folder: Path, wine: Wine) -> None:
    """Here it ends while they wait."""
    script(folder, "2000-one.cmd", "echo one runs")
    setup = r"HKLM\SYSTEM\Setup"
    ended = f"echo waits& reg.exe add {setup} /v SetupType /t REG_DWORD /d 0 /f"
    text = (folder / "firstboot.cmd").read_text("ascii")
    assert "ping.exe -n 11 127.0.0.1" in text
    (folder / "firstboot.cmd").write_text(
        text.replace("ping.exe -n 11 127.0.0.1 >nul", ended), "ascii"
    )
    said = wine("reg", "add", setup, "/v", "SetupType", "/t", "REG_DWORD", "/d", "2", "/f")
    assert said.returncode == 0
    start(folder, wine)
    assert log(folder).count("waits") == 1
    assert log(folder).index("waits") < log(folder).index("one runs")
