"""A screen and a network as a real QEMU shows them: its BIOS and its boot ROM are all the guest there is."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kensho.model.errors import CorruptError, ProofError
from kensho.proof.qemu.qmp import Qmp
from kensho.proof.watch.capture import heard
from kensho.proof.watch.screen import (
    TEXT_AT,
    TEXT_SIZE,
    Look,
    Picture,
    look_of,
    read_ppm,
    text_of,
    to_png,
)

MAC = "52:54:00:aa:bb:cc"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, tuple[str, ...], str]]:
    """Yield a folder with a picture and a capture, the text on the screen, and what QEMU refused."""
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        pytest.skip("QEMU is not installed")
    folder = tmp_path_factory.mktemp("qemu")
    socket = folder / "qmp"
    process = subprocess.Popen(
        [qemu, "-accel", "tcg", "-m", "64M", "-nodefaults", "-no-user-config", "-display", "none",
         "-vga", "std", "-qmp", f"unix:{socket},server=on,wait=off",
         "-netdev", "user,id=n0,restrict=on", "-object", f"filter-dump,id=d0,netdev=n0,file={folder}/net.pcap",
         "-device", f"e1000,netdev=n0,mac={MAC}"],
    )  # fmt: skip
    try:
        qmp = Qmp(socket, timeout=60)
        lines: tuple[str, ...] = ()
        end = time.monotonic() + 120
        while "No bootable device." not in lines and time.monotonic() < end:
            time.sleep(0.5)
            qmp.run("pmemsave", val=TEXT_AT, size=TEXT_SIZE, filename=str(folder / "text"))
            lines = text_of((folder / "text").read_bytes())
        qmp.run("screendump", filename=str(folder / "screen.ppm"))
        with pytest.raises(ProofError) as refused:
            qmp.run("no-such-command")
        qmp.run("quit")
        process.wait(120)
        with pytest.raises(ProofError):
            qmp.run("query-status")
        qmp.close()
        yield folder, lines, str(refused.value)
    finally:
        process.kill()
        process.wait()


def test_text_is_read_as_it_is_shown(shown: tuple[Path, tuple[str, ...], str]) -> None:
    _, lines, refused = shown
    assert lines[-1] == "No bootable device."
    assert any(line.startswith("iPXE ") for line in lines)
    assert "no-such-command" in refused


def test_the_lease_is_the_one_that_the_boot_rom_names(
    shown: tuple[Path, tuple[str, ...], str],
) -> None:
    folder, lines, _ = shown
    data = (folder / "net.pcap").read_bytes()
    found = {told.mac: told for told in heard(data)}
    address = next(line for line in lines if line.startswith("net0: ") and "/255." in line)
    assert found[MAC].asked
    assert found[MAC].lease == address.split()[1].partition("/")[0]
    assert found[MAC].lease in found[MAC].addresses
    for cut in range(0, len(data), 97):  # being written when QEMU ended
        if cut >= 24:
            heard(data[:cut])
    with pytest.raises(CorruptError):
        heard(b"x" * 100)


def test_a_picture_is_the_same_as_png(shown: tuple[Path, tuple[str, ...], str]) -> None:
    folder, _, _ = shown
    data = (folder / "screen.ppm").read_bytes()
    picture = read_ppm(data)
    assert look_of(picture) is Look.TEXT
    reader = shutil.which("pngtopam")
    if reader is None:
        pytest.skip("netpbm is not installed")
    back = subprocess.run([reader], input=to_png(picture), capture_output=True, check=True).stdout
    assert read_ppm(back) == picture


@pytest.mark.parametrize(
    ("background", "writing", "look"),
    [
        (b"\0\0\0", b"\0\0\0", Look.BLANK),
        (b"\0\0\0", b"\xaa\xaa\xaa", Look.TEXT),
        (b"\x00\x78\xd7", b"\xff\xff\xff", Look.STOPPED),
        (b"\x00\x00\x80", b"\xff\xff\xff", Look.STOPPED),  # 7 and Vista
        (b"\x00\x00\xaa", b"\xff\xff\xff", Look.STOPPED),  # XP, in the palette of 16 colours
        (b"\x11\x73\xaa", b"\xff\xff\xff", Look.STOPPED),  # 8
        (b"\x08\x74\xd0", b"\xf8\xfc\xf8", Look.STOPPED),  # 10 and 11, with 16 bits a colour
        (b"\x00\x00\x00", b"\xff\xff\xff", Look.TEXT),  # a text screen
        (b"\x3a\x6e\xa5", b"\xff\xff\xff", Look.PICTURE),  # the desktop of 2000
        (b"\x80\x80\x80", b"\xff\xff\xff", Look.PICTURE),
    ],
)
def test_looks(background: bytes, writing: bytes, look: Look) -> None:
    row = background * 540 + writing * 100
    assert look_of(Picture(640, 100, row * 100)) is look


def drawn(*boxes: tuple[float, float, float, float], colour: bytes = b"\xff\xff\xff") -> Picture:
    """Draw letters, as bars, into boxes on black: left, top, right, bottom, as parts of the screen."""
    width, height = 1280, 800
    pixels = bytearray(width * height * 3)
    for left, top, right, bottom in boxes:
        for y in range(int(top * height), int(bottom * height)):
            for x in range(int(left * width), int(right * width)):
                if x % 10 < 3:
                    pixels[(y * width + x) * 3 : (y * width + x) * 3 + 3] = colour
    return Picture(width, height, bytes(pixels))


SENTENCE, PERCENT, CODE = (0.3, 0.42, 0.7, 0.46), (0.45, 0.5, 0.55, 0.53), (0.37, 0.88, 0.63, 0.9)


def test_the_black_stop_screen_of_windows_11() -> None:
    assert look_of(drawn(SENTENCE, PERCENT, CODE)) is Look.DARK
    assert look_of(drawn(SENTENCE, PERCENT)) is Look.TEXT
    # what Windows shows while it starts: something in the middle, and dots that turn
    assert look_of(drawn(SENTENCE, (0.48, 0.78, 0.52, 0.82))) is not Look.DARK
    assert look_of(drawn(SENTENCE, CODE, colour=b"\x00\x78\xd7")) is not Look.DARK
    assert look_of(drawn((0.0, 0.0, 0.6, 0.4), SENTENCE, CODE)) is not Look.DARK  # a console
    assert look_of(drawn((0.0, 0.42, 0.4, 0.46), (0.0, 0.88, 0.3, 0.9))) is not Look.DARK


@pytest.mark.parametrize("data", [b"", b"P6 9 9 255\n", b"P5 1 1 255\nxxx", b"P6 0 0 255\n"])
def test_what_is_no_picture_is_an_error(data: bytes) -> None:
    with pytest.raises(CorruptError):
        read_ppm(data)
