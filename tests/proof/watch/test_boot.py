"""Real boots of a disk whose boot sector writes a text to the serial port."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from kensho.proof.qemu.domain import read_domain
from kensho.proof.watch import boot, run
from kensho.proof.watch.boot import boot_domain, boot_machine
from kensho.proof.watch.result import Verdict, Watch
from tests.proof.domains import disk, domain

# cld; xor ax,ax; mov ds,ax; mov si,text; next: lodsb; test al,al; jz end;
# mov dx,0x3f8; out dx,al; jmp next; end: hlt; jmp end
PRINT = bytes.fromhex("fc 31c0 8ed8 be167c ac 84c0 7406 baf803 ee ebf5 f4 ebfd")
# The same, but at the end a reset through the keyboard controller.
RESTART = bytes.fromhex("fc b0fe e664 ebfe")


def boot_sector(code: bytes) -> bytes:
    return code.ljust(510, b"\0") + b"\x55\xaa"


def printing(text: str) -> bytes:
    assert len(PRINT) == 0x16
    return boot_sector(PRINT + text.encode() + b"\0")


@pytest.fixture
def guest(tmp_path: Path):
    def make(sector: bytes, devices: str = disk()) -> Path:
        (tmp_path / "disk.img").write_bytes(sector.ljust(1 << 20, b"\0"))
        path = tmp_path / "guest.xml"
        path.write_text(domain(devices))
        return path

    return make


def processes(word: str) -> list[str]:
    """Return the command lines of running processes that contain a word."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(cmdline.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it ended while we looked
    return [text for text in found if word in text]


def left_behind(word: str) -> list[str]:
    """Return what still runs when the kernel has had time to end what was killed.

    Only the process itself is waited for; its children are killed with it and are gone soon after.
    """
    end = time.monotonic() + 120
    while processes(word) and time.monotonic() < end:
        time.sleep(0.05)
    return processes(word)


@pytest.mark.boot
@pytest.mark.parametrize(
    "devices",
    [
        disk("vda", "virtio"),
        disk("hda", "ide"),
        disk("sda", "sata"),
        "<controller type='scsi' index='0' model='virtio-scsi'/>" + disk("sda", "scsi"),
        "<controller type='scsi' index='0' model='lsilogic'/>" + disk("sda", "scsi"),
        "<controller type='scsi' index='0' model='lsisas1068'/>" + disk("sda", "scsi"),
        "<controller type='scsi' index='0' model='vmpvscsi'/>" + disk("sda", "scsi"),
        disk() + "<interface type='user'><model type='virtio'/></interface>",
        disk() + "<interface type='user'><model type='vmxnet3'/></interface>",
    ],
    ids=lambda text: text[:60],
)
def test_the_firmware_boots_from_every_bus(guest, tmp_path, devices):
    events: list[str] = []
    xml = guest(printing("tiny login: "), devices)
    image = hashlib.sha256((tmp_path / "disk.img").read_bytes()).digest()
    result = boot_domain(xml, log=tmp_path / "log", timeout=300, on_event=events.append)
    assert result.verdict is Verdict.LOGIN, result
    assert [event.split(" after ")[0] for event in events] == ["firmware", "login"]
    # The guest is stopped as soon as the prompt is seen, which may be before its last blank.
    assert (tmp_path / "log").read_text().rstrip() == "tiny login:"
    assert hashlib.sha256((tmp_path / "disk.img").read_bytes()).digest() == image
    assert processes(f"file={tmp_path}") == []


@pytest.mark.boot
def test_a_guest_that_says_it_failed(guest, tmp_path):
    xml = guest(printing("Kernel panic - not syncing: a test\r\n"))
    result = boot_domain(xml, log=tmp_path / "log", timeout=300)
    assert result.verdict is Verdict.FAILED
    assert "a test" in result.reason


@pytest.mark.boot
def test_an_empty_disk(guest, tmp_path):
    result = boot_domain(guest(b""), log=tmp_path / "log", timeout=300)
    assert result.verdict is Verdict.FAILED
    assert "nothing to boot" in result.reason


@pytest.mark.boot
def test_a_silent_guest_runs_into_the_time_limit(guest, tmp_path):
    result = boot_domain(guest(printing("")), log=tmp_path / "log", timeout=4)
    assert result.verdict is Verdict.TIMEOUT
    assert result.seconds >= 4
    seen = "last seen: firmware" if result.milestones else "nothing was seen on its serial port"
    assert result.reason == f"no login in {result.seconds:.0f} s; {seen}"
    assert processes(f"file={tmp_path}") == []


@pytest.mark.boot
def test_a_guest_that_restarts(guest, tmp_path):
    result = boot_domain(guest(boot_sector(RESTART)), log=tmp_path / "log", timeout=300)
    assert result.verdict is Verdict.EXITED
    assert "restarted" in result.reason


@pytest.mark.boot
def test_qemu_refusing_is_told_in_its_own_words(guest, tmp_path):
    bad = disk().replace("type='raw'", "type='qcow2'")
    result = boot_domain(guest(b"", bad), log=tmp_path / "log", timeout=300)
    assert result.verdict is Verdict.EXITED
    assert "qcow2" in result.reason


@pytest.mark.boot
def test_no_process_is_left_when_the_caller_fails(guest, tmp_path):
    def fail(_text: str) -> None:
        raise RuntimeError("no more of this")

    with pytest.raises(RuntimeError, match="no more"):
        boot_domain(guest(printing("")), log=tmp_path / "log", timeout=300, on_event=fail)
    assert processes(f"file={tmp_path}") == []


@pytest.mark.boot
def test_the_log_is_bounded(guest, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "MAX_LOG", 4)
    result = boot_domain(guest(printing("tiny login: ")), log=tmp_path / "log", timeout=300)
    assert result.verdict is Verdict.LOGIN
    assert (tmp_path / "log").read_bytes() == b"tiny"


def test_qemu_ended_at_once(tmp_path, monkeypatch):
    """Needs no QEMU: a stand-in that fails as QEMU does."""
    stand_in = tmp_path / "qemu-system-x86_64"
    stand_in.write_text("#!/bin/sh\necho 'no such machine' >&2\nexit 1\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(boot, "find_qemu", lambda: str(stand_in))
    (tmp_path / "guest.xml").write_text(domain())
    result = boot_domain(tmp_path / "guest.xml", log=tmp_path / "log", timeout=10)
    assert result.verdict is Verdict.EXITED
    assert "code 1: no such machine" in result.reason


def test_the_stand_in_is_bounded_in_time(tmp_path, monkeypatch):
    stand_in = tmp_path / "qemu-system-x86_64"
    forever = f"sleep 98765.{os.getpid()}"  # of this run alone: another one may be on the machine
    stand_in.write_text(f"#!/bin/sh\n{forever}\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(boot, "find_qemu", lambda: str(stand_in))
    (tmp_path / "guest.xml").write_text(domain())
    result = boot_domain(tmp_path / "guest.xml", log=tmp_path / "log", timeout=0.5)
    assert result.verdict is Verdict.TIMEOUT
    assert left_behind(forever) == []


@pytest.mark.boot
def test_the_screen_is_watched_too(guest, tmp_path):
    """A disk that cannot be started: only the screen and the firmware's own port say so."""
    watch = Watch(folder=tmp_path / "seen")
    result = boot_machine(read_domain(guest(b"")), log=tmp_path / "log", timeout=300, watch=watch)
    assert result.verdict is Verdict.FAILED
    assert result.text[-1] == "No bootable device."
    assert result.screenshots
    for shot in result.screenshots:
        data = (tmp_path / "seen" / shot.file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == shot.sha256
    assert sorted(p.name for p in (tmp_path / "seen").iterdir()) == [
        s.file for s in result.screenshots
    ]


@pytest.mark.boot
def test_what_is_to_be_done_at_the_goal_is_done_while_it_runs(guest, tmp_path):
    running: list[list[str]] = []
    watch = Watch(
        folder=tmp_path / "seen",
        power_off=2,
        at_goal=lambda: running.append(processes(f"file={tmp_path}")),
    )
    xml = guest(printing("tiny login: "))
    result = boot_machine(read_domain(xml), log=tmp_path / "log", timeout=300, watch=watch)
    assert result.verdict is Verdict.LOGIN
    assert len(running[0]) >= 1
    assert "shutdown" not in result.milestones  # it does not know ACPI
    assert processes(f"file={tmp_path}") == []


@pytest.mark.boot
@pytest.mark.parametrize("restarts", [0, 2])
def test_restarts_are_counted(guest, tmp_path, restarts):
    watch = Watch(folder=tmp_path / "seen", restarts=restarts)
    xml = guest(boot_sector(RESTART))
    result = boot_machine(read_domain(xml), log=tmp_path / "log", timeout=300, watch=watch)
    if restarts:
        assert result.verdict is Verdict.FAILED
        assert "restarted" in result.reason
    else:
        assert (result.verdict, result.reason) == (Verdict.EXITED, "the guest restarted")
