"""The shared console against a shell on a terminal: the same echo, prompts and line ends as a guest's."""

from __future__ import annotations

import os
import pty
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kensho.model.machine import ControllerModel, NicModel
from kensho.proof.inside.read import Inside, NicSeen
from tests.hypervisors.console import Console, ConsoleError
from tests.hypervisors.verdict import Row, Step, on_devices, table

_GETTY = """
printf 'Debian GNU/Linux 12 guest ttyS0\\n\\nguest login: '; read user
stty -echo; printf 'Password: '; read word; stty echo; echo
[ "$user/$word" = root/kensho ] || { echo 'Login incorrect'; exit 1; }
PS1='root@guest:~# ' exec sh -i
"""


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    pid, fd = pty.fork()
    if pid == 0:
        os.execv("/bin/sh", ["sh", "-c", _GETTY])
    found = Console(fd, fd, tmp_path / "console.log")
    try:
        yield found
    finally:
        found.close()
        os.close(fd)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_shell_is_asked(console: Console, tmp_path: Path) -> None:
    console.wait_login(60)
    console.log_in("root", "kensho", 60)
    assert console.ask("echo a-$((1+1)); echo b", 60).split() == ["a-2", "b"]
    assert b"guest login:" in (tmp_path / "console.log").read_bytes()
    assert "login" in console.watch.milestones


def test_what_is_not_said_in_time(console: Console) -> None:
    console.wait_login(60)
    with pytest.raises(ConsoleError, match="in time"):
        console.wait_text("nobody says this", 0.2)


def test_a_console_that_closes(console: Console) -> None:
    console.wait_login(60)
    with pytest.raises(ConsoleError, match="closed"):
        console.log_in("root", "wrong", 60)


def test_drivers_have_to_be_those_of_the_devices() -> None:
    nic = NicSeen("ens3", ("virtio_net", "virtio-pci"), "", "up", "10.0.2.15/24")
    inside = Inside("6.1", "bios", "/dev/sda3", ("sd", "virtio_scsi", "virtio-pci"), (nic,))
    assert on_devices(inside, ControllerModel.VIRTIO_SCSI, NicModel.VIRTIO) == ""
    assert "not on ahci" in on_devices(inside, ControllerModel.AHCI, NicModel.VIRTIO)
    assert "no adapter" in on_devices(inside, ControllerModel.VIRTIO_SCSI, NicModel.E1000)


def test_the_table_says_which_step_went_wrong() -> None:
    row = Row(name="a", title="A", steps=(Step("define", True), Step("start", False, "no | such")))
    assert not row.passed
    assert "| A | FAIL |  |  |  | start: no / such |" in table([row])


def test_a_variable_ends_where_its_text_begins(console: Console) -> None:
    """The report is typed in pieces: ``$rAB`` would be another variable."""
    console.wait_login(60)
    console.log_in("root", "kensho", 60)
    for piece in ("AB", "CD"):
        console.ask(f"r=${{r}}{piece}", 60)
    assert console.ask("echo =$r=", 60).strip() == "=ABCD="
