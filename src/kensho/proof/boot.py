"""Boot a domain and tell how far it came."""

from __future__ import annotations

import enum
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from kensho.model.machine import Firmware
from kensho.proof.domain import read_domain
from kensho.proof.machine import QemuMachine
from kensho.proof.qemu import find_qemu, find_uefi, qemu_arguments
from kensho.proof.serial import LOGIN, SerialWatch

MAX_LOG = 8 << 20  #: bytes of serial log kept; a guest in a loop must not fill the disk
_GRACE = 2.0  # seconds of log after a failure, for the lines that explain it
_POLL = 0.25


class Verdict(enum.StrEnum):
    """How a boot ended."""

    LOGIN = "login"  #: the guest asked for a user name
    FAILED = "failed"  #: it said itself that it cannot go on
    TIMEOUT = "timeout"  #: neither, in the time given
    EXITED = "exited"  #: QEMU ended: the guest powered off or restarted, or QEMU refused


class BootResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one boot showed; ``milestones`` are seconds from the start, in order of time."""

    verdict: Verdict
    reason: str
    seconds: float
    milestones: dict[str, float]
    log: str


def boot_domain(
    xml: Path,
    *,
    log: Path,
    timeout: float = 240,
    on_event: Callable[[str], None] | None = None,
    max_memory: int | None = None,
) -> BootResult:
    """Boot a libvirt domain's own devices under QEMU until it asks for a login.

    Its disks are not changed. The serial port's output goes to ``log``; ``on_event``
    is called with a line of text per milestone. QEMU is gone when this returns.
    Raises ToolMissingError without QEMU, LocatorError or FormatError for a bad domain.
    """
    return boot_machine(
        read_domain(xml), log=log, timeout=timeout, on_event=on_event, max_memory=max_memory
    )


def boot_machine(
    machine: QemuMachine,
    *,
    log: Path,
    timeout: float = 240,
    on_event: Callable[[str], None] | None = None,
    max_memory: int | None = None,
) -> BootResult:
    """Boot a machine; as `boot_domain`, which reads it from a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kensho-boot-") as folder:
        firmware_log = Path(folder) / "firmware.log"
        arguments = qemu_arguments(
            machine,
            qemu=find_qemu(),
            uefi=find_uefi() if machine.firmware is Firmware.UEFI else None,
            firmware_log=firmware_log,
            max_memory=max_memory,
        )
        with (
            log.open("wb") as log_file,
            (Path(folder) / "stderr").open("w+b") as errors,
            _running(arguments, errors) as process,
        ):
            run = _Run(process, log_file, firmware_log, on_event or (lambda _text: None))
            verdict, reason = run.until(timeout)
            if verdict is Verdict.EXITED:
                reason = _why_exited(process, errors)
    milestones = dict(sorted(run.milestones.items(), key=lambda item: item[1]))
    seconds = run.seconds()
    return BootResult(
        verdict=verdict, reason=reason, seconds=seconds, milestones=milestones, log=str(log)
    )


@contextmanager
def _running(arguments: list[str], errors: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """Run QEMU and end it however the block is left."""
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        # Covers what no code here can: this process being killed.
        arguments = [setpriv, "--pdeathsig", "KILL", *arguments]
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class _Run:
    """One boot in progress: reads the serial port, keeps the log, watches."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        log: BinaryIO,
        firmware_log: Path,
        on_event: Callable[[str], None],
    ) -> None:
        self._process = process
        self._log = log
        self._firmware_log = firmware_log
        self._firmware_read = 0
        self._on_event = on_event
        self._serial = SerialWatch()
        self._firmware = SerialWatch()
        self._start = time.monotonic()

    @property
    def milestones(self) -> dict[str, float]:
        """Everything seen so far."""
        return {**self._firmware.milestones, **self._serial.milestones}

    def seconds(self) -> float:
        """Return the time since the start."""
        return round(time.monotonic() - self._start, 1)

    def until(self, timeout: float) -> tuple[Verdict, str]:
        """Read until the guest has shown what becomes of it."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        deadline = self._start + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                ready = selector.select(timeout=_POLL)
                self._read_firmware_log()  # first: it is older than what the guest says
                if ready:
                    data = os.read(pipe, 1 << 16)
                    if not data:
                        return Verdict.EXITED, ""
                    self._take(data)
                if LOGIN in self._serial.milestones:
                    return Verdict.LOGIN, "the guest asks for a login"
                failure = self._serial.failure or self._firmware.failure
                if failure:
                    deadline = min(deadline, time.monotonic() + _GRACE)
        failure = self._serial.failure or self._firmware.failure
        if failure:
            return Verdict.FAILED, failure
        return Verdict.TIMEOUT, f"no login prompt in {timeout:.0f} s; {self._how_far()}"

    def _take(self, data: bytes) -> None:
        room = MAX_LOG - self._log.tell()
        self._log.write(data[: max(room, 0)])
        self._log.flush()
        self._tell(self._serial.feed(data, self.seconds()))

    def _read_firmware_log(self) -> None:
        """Look at what a BIOS wrote to its debug port; only the first of it matters."""
        if self._firmware_read >= MAX_LOG or not self._firmware_log.exists():
            return
        with self._firmware_log.open("rb") as file:
            file.seek(self._firmware_read)
            data = file.read(1 << 20)
        self._firmware_read += len(data)
        self._tell(self._firmware.feed(data, self.seconds()))

    def _tell(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._on_event(f"{name} after {self.milestones[name]:.1f} s")

    def _how_far(self) -> str:
        seen = list(self.milestones)
        return f"last seen: {seen[-1]}" if seen else "nothing was seen on its serial port"


def _why_exited(process: subprocess.Popen[bytes], errors: BinaryIO) -> str:
    code = process.wait()
    errors.seek(0)
    said = errors.read(1 << 16).decode("utf-8", "replace").strip()
    if code == 0:
        return "the guest powered off or restarted before it asked for a login"
    return f"QEMU ended with code {code}: {said[-500:] or 'no message'}"
