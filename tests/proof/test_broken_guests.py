"""Guests that do what no guest should, in QEMU: boot sectors, assembled here, that flood, reset or never stop."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kensho.disks import open_disk
from kensho.model.errors import CorruptError
from kensho.proof.causes.static import Foretold
from kensho.proof.probes.words import parse
from kensho.proof.profiles import profile
from kensho.proof.qemu import bounds
from kensho.proof.qemu.devices import Drive
from kensho.proof.qemu.monitor import Monitor
from kensho.proof.qemu.serving import served
from kensho.proof.trial import Outcome, Trial, unproven
from kensho.proof.try_out import Limits, Start, try_out
from kensho.proof.watch import network, pictures, signs
from kensho.proof.watch.asking import Questions
from kensho.proof.watch.network import Network
from kensho.storage import FileSource
from kensho.storage.base import WriteBuffer
from tests.proof.watch.test_boot import processes

_START = """
    .code16
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    sti
"""
_SERIAL = "movw $0x3f8, %dx; movb $'x', %al; 1: outb %al, %dx; movb $10, %al; outb %al, %dx; jmp 1b"
_FIRMWARE_LOG = "movw $0x402, %dx; movb $'x', %al; 1: outb %al, %dx; jmp 1b"
_SCREEN = "movw $0xb800, %ax; movw %ax, %es; 1: incw %bx; movw %bx, %ax; stosw; jmp 1b"
_TRIPLE_FAULT = "lidt none - start + 0x7c00; none: .word 0; .long 0; int3; 1: jmp 1b"
# INT 13h's extended write (EDD-3), 64 sectors at a time, one after the other.
_WRITES = """
    movb $0x80, %dl
1:  movw $packet - start + 0x7c00, %si
    movw $0x4300, %ax
    int $0x13
    addl $64, packet - start + 0x7c00 + 8
    jmp 1b
packet:
    .byte 16, 0; .word 64, 0x8000, 0; .quad 2048
"""
# The same to read one sector at 512 KiB; what it says when that fails, it says again and again.
_READS = """
1:  movb $0x80, %dl
    movw $packet - start + 0x7c00, %si
    movw $0x4200, %ax
    int $0x13
    jnc 1b
2:  hlt
    jmp 2b
packet:
    .byte 16, 0; .word 1, 0x8000, 0; .quad 1024
"""
# A login prompt, and then something else.
_PROMPT = r"""
    movw $text - start + 0x7c00, %si
    movw $0x3f8, %dx
1:  lodsb
    testb %al, %al
    jz 2f
    outb %al, %dx
    jmp 1b
text: .asciz "\r\nguest login: AND"
2:
"""
_WAIT = "movw $SECONDS * 18, %cx; 3: hlt; loop 3b\n"  # by the BIOS' clock of 18.2 Hz
_OFF = (
    "movw $0x2000, %ax; movw $0x604, %dx; outw %ax, %dx; 1: hlt; jmp 1b"  # QEMU's PIIX4 by SeaBIOS
)
_IDLE = "1: hlt; jmp 1b"
_SIZE = 64 << 20

Tried = Callable[..., Trial]


def assembled(code: str, folder: Path) -> bytes:
    """Return a boot sector of code for GNU as."""
    if shutil.which("as") is None or shutil.which("objcopy") is None:
        pytest.skip("binutils are not installed")
    source, made, image = folder / "boot.S", folder / "boot.o", folder / "boot.bin"
    source.write_text(f"start:{_START}{code}\n.org 510\n.word 0xaa55\n")
    subprocess.run(["as", "--32", source, "-o", made], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", made, image], check=True)
    return image.read_bytes()


@pytest.fixture
def disk(tmp_path: Path) -> Callable[[str], Path]:
    def make(code: str) -> Path:
        path = tmp_path / "disk.img"
        path.write_bytes(assembled(code, tmp_path))
        os.truncate(path, _SIZE)
        return path

    return make


@pytest.fixture
def tried(tmp_path: Path, disk: Callable[[str], Path]) -> Tried:
    """Return a function that tries a boot sector; nothing of it is left running or lying about."""

    def run(
        code: str, *, timeout: float = 300, system: str = "", drive: Drive | None = None,
        reports: bool = False, asked: Questions | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Trial:  # fmt: skip
        before = set(Path("/tmp").glob("kensho-*"))
        folder = tmp_path / "seen"
        shutil.rmtree(folder, ignore_errors=True)  # of another one before
        start = Start(
            drives=[drive or Drive(str(disk(code)), "raw")], macs=["52:54:00:12:34:56"],
            memory=64 << 20, folder=folder, reports=reports, foretold=Foretold(system=system),
        )  # fmt: skip
        limits = Limits(timeout=timeout, questions=asked or Questions())
        trial = try_out(
            profile("vmware-ide"), start, limits, on_event=lambda _: None, stopped=stopped
        )
        assert processes(f"{tmp_path}/") == []
        assert {p.name for p in folder.iterdir()} == {
            "serial.log", *(shot.file for shot in trial.screenshots),
        }  # fmt: skip
        assert not {p for p in set(Path("/tmp").glob("kensho-boot-*")) - before if _ours(p)}
        return trial

    return run


def _ours(folder: Path) -> bool:
    return (folder / "monitor").exists() and str(os.getpid()) in folder.name


def code_of(trial: Trial) -> str:
    assert trial.cause is not None
    assert trial.cause.remedy
    return trial.cause.code


@pytest.mark.boot
def test_a_flood_of_the_serial_port(tried: Tried, tmp_path: Path) -> None:
    trial = tried(_SERIAL, timeout=1200)
    assert (trial.outcome, code_of(trial)) == (Outcome.FAIL, "KF-993"), trial
    log = tmp_path / "seen/serial.log"
    assert bounds.MAX_SERIAL - 1 <= log.stat().st_size <= signs.MAX_LOG


@pytest.mark.boot
def test_a_guest_that_writes_to_its_disk_without_end(
    tried: Tried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_MOST", 4 << 20)
    monkeypatch.setattr(bounds, "_RESERVE", 0)
    trial = tried(_WRITES)
    assert (trial.outcome, code_of(trial)) == (Outcome.FAIL, "KF-993"), trial
    assert "disk" in trial.reason
    assert (tmp_path / "disk.img").stat().st_blocks * 512 < 1 << 20


@pytest.mark.boot
def test_no_room_for_what_a_guest_writes(
    tried: Tried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check is the real one; what is to be left free is more than any disk has."""
    monkeypatch.setattr(bounds, "_RESERVE", 1 << 60)
    trial = tried(_SCREEN)
    assert (trial.outcome, code_of(trial)) == (Outcome.UNKNOWN, "KF-994"), trial
    assert str(tmp_path) not in trial.reason  # it is stated


@pytest.mark.boot
def test_a_guest_that_faults_and_restarts(tried: Tried) -> None:
    trial = tried(_TRIPLE_FAULT)
    assert (trial.outcome, code_of(trial)) == (Outcome.FAIL, "KF-966"), trial


@pytest.mark.boot
@pytest.mark.parametrize("code", [_SCREEN, _FIRMWARE_LOG], ids=["screen", "firmware's log"])
def test_a_guest_that_says_nothing_of_use(
    code: str, tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs, "MAX_LOG", 1 << 16)
    sizes: list[int] = []
    real = os.truncate
    monkeypatch.setattr(
        os, "truncate", lambda path, size: (sizes.append(size), real(path, size))[1]
    )
    if code == _FIRMWARE_LOG:  # until its log was cut off
        trial = tried(code, stopped=lambda: 0 in sizes)
    else:
        trial = tried(code, timeout=8)
    assert (trial.outcome, code_of(trial)) == (Outcome.FAIL, "KF-967"), trial
    assert len(trial.screenshots) <= pictures.MAX_PICTURES
    if code == _FIRMWARE_LOG:
        assert 0 in sizes
    if code == _SCREEN:  # the same of a Windows: what is shown may be its desktop
        trial = tried(code, timeout=3, system="windows")
        assert (trial.outcome, trial.cause) == (Outcome.UNKNOWN, None)
        assert "cannot be told" in trial.reason


def prompting(then: str, words: str = "", seconds: int = 4) -> str:
    return _PROMPT.replace("AND", words) + _WAIT.replace("SECONDS", str(seconds)) + then


@pytest.mark.boot
@pytest.mark.parametrize(
    ("code", "outcome", "cause"),
    [
        (prompting(_TRIPLE_FAULT), Outcome.FAIL, "KF-966"),
        (prompting(_OFF), Outcome.FAIL, "KF-968"),
        (prompting(_IDLE, r"\r\nKernel panic - not syncing: x\r\n"), Outcome.FAIL, "KF-963"),
        (prompting(_IDLE), Outcome.UNKNOWN, "KF-978"),
    ],
    ids=["restarts", "switches off", "panics", "is silent"],
)
def test_a_login_without_the_report_that_was_to_come_is_no_pass(
    code: str, outcome: Outcome, cause: str, tried: Tried
) -> None:
    trial = tried(code, timeout=15 if cause == "KF-978" else 300, reports=True)
    assert (trial.outcome, code_of(trial)) == (outcome, cause), trial
    assert unproven([trial])


@pytest.mark.boot
def test_a_guest_may_restart_once(tried: Tried) -> None:
    """The real-time clock's memory, which a reset leaves alone, tells it which start it is."""
    then = "movb $0x72, %al; outb %al, $0x70; inb $0x71, %al; cmpb $0x5a, %al; je 5f\n"
    then += f"movb $0x72, %al; outb %al, $0x70; movb $0x5a, %al; outb %al, $0x71; {_TRIPLE_FAULT}\n"
    trial = tried(then + "5:" + prompting(_IDLE, seconds=1))
    assert trial.outcome is Outcome.PASS, trial


@pytest.mark.boot
def test_the_line_that_tells_most_is_the_reason(tried: Tried) -> None:
    said = r"Gave up waiting for root file system device.  Common problems:\r\nALERT!  UUID=1 does not exist.\r\n"
    trial = tried(prompting(_IDLE, said).replace("guest login: ", ""))
    assert (trial.outcome, code_of(trial)) == (Outcome.FAIL, "KF-961"), trial
    assert trial.reason == "the root was not found: ALERT!  UUID=1 does not exist."


@pytest.mark.boot
def test_a_guest_that_came_up_does_not_restart_while_it_is_asked(tried: Tried) -> None:
    asked = Questions(probes=parse(["tcp:22"]), seconds=30)
    trial = tried(prompting(_TRIPLE_FAULT), asked=asked)
    assert (trial.outcome, code_of(trial)) == (Outcome.FAIL, "KF-981"), trial
    assert "the guest restarted" in trial.reason


class _Torn:
    """A disk that cannot be read from 512 KiB on, as a damaged image is."""

    def __init__(self, below: object) -> None:
        self._below = below

    def __getattr__(self, name: str) -> object:
        return getattr(self._below, name)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        if offset + len(memoryview(buffer)) > 512 << 10:
            raise CorruptError("a grain does not decompress")
        self._below.read_into(offset, buffer)  # type: ignore[attr-defined]


@pytest.mark.boot
def test_an_image_that_cannot_be_read_in_the_middle(
    tried: Tried, disk: Callable[[str], Path]
) -> None:
    path = disk(_READS)
    with path.open("r+b") as file:  # of a hole nothing is read
        file.seek(512 << 10)
        file.write(b"x" * 4096)
    with FileSource(path) as source:
        below = open_disk(source, format="raw")
        with served([_Torn(below)]) as (drive,):  # type: ignore[list-item]
            trial = tried(_READS, drive=drive, stopped=lambda: bool(drive.faults.seen))
    assert (trial.outcome, code_of(trial)) == (Outcome.FAIL, "KF-995"), trial
    assert trial.cause is not None
    assert "disk1 at offset 0x80000: a grain does not decompress" in trial.cause.what


@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed")
def test_a_network_that_is_flooded_is_no_longer_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "MAX_CAPTURE", 8)  # the head of a capture is more
    capture, monitor = tmp_path / "net0.pcap", tmp_path / "qmp"
    line = ["qemu-system-x86_64", "-M", "none", "-nodefaults", "-display", "none"]
    line += ["-qmp", f"unix:{monitor},server=on,wait=off", "-netdev", "user,id=net0"]
    line += ["-object", f"filter-dump,id=dump0,netdev=net0,file={capture}"]
    with subprocess.Popen(line) as process:
        qemu = Monitor(monitor, lambda: True)
        heard = Network(qemu, (capture,), None)
        try:
            there = qemu.run("qom-list", path="/objects")
            heard.bound()
            heard.bound()
            left = qemu.run("qom-list", path="/objects")
        finally:
            qemu.close()
            process.kill()
    assert "dump0" in str(there)
    assert "dump0" not in str(left)
