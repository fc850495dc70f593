"""One result of kensho's through a live libvirt, as its users take it there.

cp DISKS /var/lib/libvirt/images; virsh define; start; console; shutdown; undefine --nvram
"""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from lxml import etree

from kensho.model.machine import ControllerModel, Firmware, NicModel
from kensho.proof.inside.read import Inside
from tests.any_to_any import convert, facts
from tests.hypervisors.console import Console, ConsoleError
from tests.hypervisors.libvirt.daemons import LOGS, STATE, URI, VirshError, virsh
from tests.hypervisors.verdict import Row, Step, on_devices

_LOGIN, _ANSWER, _STOP = 900.0, 240.0, 400.0  # seconds, emulated on a busy machine
#: What libvirt fills in where a domain leaves it open. Everything else has to come back as it was.
_ADDED = frozenset({"uuid", "nics.0.mac", "video.memory"})


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A result: the folder it is in, with one domain, and what the guest has to be on."""

    name: str
    title: str
    place: str
    controller: ControllerModel
    adapter: NicModel
    firmware: Firmware
    emulated: bool
    user: str = "root"
    password: str = "kensho"  # the demo's guest

    @property
    def folder(self) -> Path:
        """The result's folder."""
        return Path(self.place)

    @property
    def domain(self) -> Path:
        """The domain as kensho wrote it."""
        (found,) = (p for p in self.folder.glob("*.xml") if ".report." not in p.name)
        return found


class _FailedError(Exception):
    """A step went wrong, and the rest makes no sense."""


class _Steps:
    def __init__(self) -> None:
        self.done: list[Step] = []

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Take down how a step ends; the block may add words. Raises _FailedError when it went wrong."""
        said: list[str] = []
        try:
            yield said
        except (VirshError, ConsoleError, OSError, ValueError) as error:
            self.done.append(Step(name, ok=False, said=str(error)))
            raise _FailedError from error
        self.done.append(Step(name, ok=True, said="; ".join(said)))


def travel(case: Case, kept: Path) -> Row:
    """Take a result through libvirt; what is seen is kept in ``kept``. libvirt forgets it after."""
    kept.mkdir(parents=True)
    steps = _Steps()
    name = etree.parse(str(case.domain)).findtext("name") or ""
    inside: Inside | None = None
    milestones: dict[str, float] = {}
    try:
        _define(case, name, kept, steps)
        with _console(name, kept / "console.log", steps) as console:
            try:
                inside = _look_inside(case, name, console, kept, steps)
            finally:
                milestones = dict(console.watch.milestones)
            _shut_down(name, console, steps)
        with steps.step("undefine") as said:
            said.append(virsh("undefine", "--nvram", name))
            left = virsh("list", "--all", "--name")
            nvram = [p.name for p in (STATE / "qemu" / "nvram").glob(f"{name}*")]
            if left or nvram:
                raise ValueError(f"left behind: {left} {nvram}")
    except _FailedError:
        pass
    finally:
        _forget(name, kept)
    return Row(name=case.name, title=case.title, steps=tuple(steps.done), milestones=milestones,
               inside=inside)  # fmt: skip


def _define(case: Case, name: str, kept: Path, steps: _Steps) -> None:
    shutil.copy(case.domain, kept / "domain.xml")
    with steps.step("define") as said:
        for disk in case.folder.glob("*.qcow2"):
            shutil.copy(disk, STATE / "images" / disk.name)
        said.append(virsh("define", case.domain))  # unedited
        (kept / "defined.xml").write_text(virsh("dumpxml", "--inactive", name))
    with steps.step("read back") as said:
        said.append(_same_machine(case, kept / "defined.xml"))
    with steps.step("written again") as said:
        # What libvirt added (PCI addresses, controllers) must not keep its own definition from loading.
        again = case.folder / "again"
        convert(_beside(case, kept / "defined.xml"), "kvm/libvirt", again)
        (domain,) = (p for p in again.glob("*.xml") if ".report." not in p.name)
        shutil.copy(domain, kept / "again.xml")
        virsh("undefine", "--nvram", name)
        said.append(virsh("define", "--validate", domain))
        virsh("undefine", "--nvram", etree.parse(str(domain)).findtext("name") or "")
        shutil.rmtree(again)
        virsh("define", kept / "defined.xml")
    if case.emulated:
        with steps.step("type") as said:
            tree = etree.parse(str(kept / "defined.xml"))
            tree.getroot().set("type", "qemu")
            tree.write(str(kept / "emulated.xml"))
            virsh("define", kept / "emulated.xml")
            said.append("KVM runs no guest here: changed to type='qemu', as `virsh edit` would")


def _beside(case: Case, xml: Path) -> Path:
    """Put a domain where its disks are; kensho finds them there before it follows paths."""
    path = case.folder / "back" / case.domain.name
    if path.parent.exists():
        shutil.rmtree(path.parent)
    path.parent.mkdir()
    for disk in case.folder.glob("*.qcow2"):
        (path.parent / disk.name).hardlink_to(disk)
    shutil.copy(xml, path)
    return path


def _same_machine(case: Case, defined: Path) -> str:
    """Compare what kensho reads of libvirt's own XML with what it wrote; return what was added."""
    before, after = (
        {key: value for key, value in facts(path).items() if not key.startswith("extras.")}
        for path in (case.domain, _beside(case, defined))
    )
    changed = {k for k in {*before, *after} if before.get(k) != after.get(k)}
    wrong = sorted(k for k in changed if k not in _ADDED or before.get(k) is not None)
    if wrong:
        raise ValueError(", ".join(f"{k}: {before.get(k)} -> {after.get(k)}" for k in wrong))
    return f"the same machine; libvirt filled in {', '.join(sorted(changed)) or 'nothing'}"


@contextmanager
def _console(name: str, log: Path, steps: _Steps) -> Iterator[Console]:
    """Start the domain with ``virsh console`` on it from its first instruction on."""
    with steps.step("network") as said:
        if "default" not in virsh("net-list", "--name").split():
            said.append(virsh("net-start", "default"))
    with steps.step("start") as said:
        said.append(virsh("start", "--paused", name))
    ours, theirs = pty.openpty()
    line = ["virsh", "--connect", URI, "console", "--force", name]
    process = subprocess.Popen(
        line, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    console = Console(ours, ours, log)
    try:
        with steps.step("resume"):
            console.wait_text("Escape character", 60)
            virsh("resume", name)
        yield console
    finally:
        console.close()
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(ours)


def _look_inside(case: Case, name: str, console: Console, kept: Path, steps: _Steps) -> Inside:
    with steps.step("login") as said:
        console.wait_login(_LOGIN)
        console.log_in(case.user, case.password, _ANSWER)
        said.append(f"after {console.watch.milestones['login']:.0f} s")
    (kept / "running.xml").write_text(virsh("dumpxml", name))
    with steps.step("inside") as said:
        inside = console.report(_ANSWER)
        wrong = on_devices(inside, case.controller, case.adapter)
        if inside.firmware != case.firmware.value:
            wrong = f"started by {inside.firmware}, not {case.firmware.value}"
        if wrong:
            raise ValueError(wrong)
        said.append(f"{inside.root} on {', '.join(inside.drivers)}")
    with steps.step("address") as said:
        leases = virsh("net-dhcp-leases", "default").split()
        mine = [nic.address for nic in inside.nics if nic.address]
        if not mine or mine[0] not in leases:
            raise ValueError(f"the guest has {mine}, libvirt gave {leases}")
        said.append(f"{mine[0]}, from libvirt's DHCP server")
    return inside


def _shut_down(name: str, console: Console, steps: _Steps) -> None:
    with steps.step("shutdown") as said:
        begun = time.monotonic()
        said.append(virsh("shutdown", name))
        while virsh("domstate", name) != "shut off":
            if time.monotonic() - begun > _STOP:
                raise ValueError("the guest does not power off when it is asked to")
            console.drain(0.5)
        said.append(f"after {time.monotonic() - begun:.0f} s")


def _forget(name: str, kept: Path) -> None:
    for words in (("destroy", name), ("undefine", "--nvram", name)):
        with suppress(VirshError):
            virsh(*words)
    shutil.rmtree(STATE / "images")
    (STATE / "images").mkdir()
    log = LOGS / "qemu" / f"{name}.log"
    if log.exists():
        shutil.copy(log, kept / "qemu.log")
