"""Boot a domain and tell how far it came."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kensho.model.machine import Firmware
from kensho.proof.private import without_folders
from kensho.proof.qemu.arguments import Wires, find_qemu, find_uefi, qemu_arguments
from kensho.proof.qemu.bounds import (
    Stop,
    ended_by_bound,
)
from kensho.proof.qemu.domain import read_domain
from kensho.proof.qemu.machine import QemuMachine
from kensho.proof.qemu.process import running
from kensho.proof.qemu.rooms import room
from kensho.proof.watch.observe import Observer
from kensho.proof.watch.result import BootResult, Verdict, Watch
from kensho.proof.watch.run import Run

_ENDED = "the guest powered off or restarted before it asked for a login"
#: QEMU's words for why it ended (ShutdownCause of qapi/run-state.json).
_ENDS = {
    "guest-shutdown": "the guest powered itself off",
    "guest-reset": "the guest restarted",
    "guest-panic": "the guest told its hypervisor that it panicked",
}


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
    watch: Watch | None = None,
) -> BootResult:
    """Boot a machine; as `boot_domain`, which reads it from a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with room("kensho-boot-") as folder:
        wires = _wires(folder, machine, watch)
        arguments = qemu_arguments(
            machine,
            qemu=find_qemu(),
            uefi=find_uefi() if machine.firmware is Firmware.UEFI else None,
            wires=wires,
            max_memory=max_memory,
        )
        with (
            log.open("wb") as log_file,
            (folder / "stderr").open("w+b") as errors,
            running(arguments, errors, log.parent, bounded=not _keeps(machine)) as process,
            _observing(wires, watch, process) as observer,
        ):
            tell = on_event or (lambda _text: None)
            run = Run(process, log_file, wires, watch, observer, log.parent, tell)
            verdict, reason, stop = run.until(timeout)
            seconds = run.seconds()
            if verdict is Verdict.EXITED:
                reason, stop = _why_exited(process, errors, observer)
            asked = run.after(verdict)
            heard = observer.network.heard() if observer else ()
    milestones = dict(sorted(run.milestones.items(), key=lambda item: item[1]))
    return BootResult(
        verdict=verdict,
        reason=reason,
        seconds=seconds,
        milestones=milestones,
        log=str(log),
        screenshots=tuple(observer.screen.screenshots) if observer else (),
        text=observer.screen.text if observer else (),
        heard=heard,
        stop=stop,
        asked=asked,
        lost=run.lost,
    )


def _wires(folder: Path, machine: QemuMachine, watch: Watch | None) -> Wires:
    firmware_log = folder / "firmware.log"
    if watch is None:
        return Wires(firmware_log=firmware_log)
    return Wires(
        firmware_log=firmware_log,
        monitor=folder / "monitor",
        captures=tuple(folder / f"net{n}.pcap" for n in range(len(machine.nics))),
        agent=folder / "agent" if watch.questions and watch.questions.needs_agent else None,
        plugs=watch.wiring.plugs if watch.wiring else None,
        restarts=watch.restarts > 0,
        accelerator=watch.accelerator,
    )


def _keeps(machine: QemuMachine) -> bool:
    return any(disk.keeps for disk in machine.disks)


@contextmanager
def _observing(
    wires: Wires, watch: Watch | None, process: subprocess.Popen[bytes]
) -> Iterator[Observer | None]:
    if watch is None or wires.monitor is None:
        yield None
        return
    watch.folder.mkdir(parents=True, exist_ok=True)
    stopped = watch.stopped or (lambda: False)
    awaited = lambda: process.poll() is None and not stopped()  # noqa: E731
    observer = Observer(wires.monitor, wires.captures, watch.folder, awaited, watch.wiring)
    try:
        yield observer
    finally:
        observer.close()


def _why_exited(
    process: subprocess.Popen[bytes], errors: BinaryIO, observer: Observer | None
) -> tuple[str, Stop | None]:
    code = process.wait()
    errors.seek(0)
    said = without_folders(errors.read(1 << 16).decode("utf-8", "replace").strip())
    if ended_by_bound(code):
        return "the guest writes to its disks without end", Stop.DISK
    if code:
        how = f"with code {code}" if code > 0 else f"by signal {-code}"
        return f"QEMU ended {how}: {said[-500:] or 'no message'}", Stop.QEMU
    ends = [str(event.get("reason")) for event in observer.events("SHUTDOWN")] if observer else []
    return _ENDS.get(ends[-1] if ends else "", _ENDED), None
