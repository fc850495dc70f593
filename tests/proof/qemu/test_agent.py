"""The client of QEMU's guest agent: the agent itself on this machine, and agents that mean ill."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.model.errors import ProofError
from kensho.proof.probes import parse, run
from kensho.proof.qemu.agent import Agent, agent_at, look
from tests.proof.probes.servers import Answering, closing, dripping, flooding, serving, waiting


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run the agent here, as it runs in guests."""
    program = shutil.which("qemu-ga")
    if program is None:
        pytest.skip("qemu-guest-agent is not installed")
    folder = tmp_path_factory.mktemp("agent")
    path = folder / "socket"
    line = [program, "-m", "unix-listen", "-p", path, "-t", folder, "-f", folder / "pid"]
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.05)
    yield path
    process.kill()
    process.wait()


def within(seconds: float = 60) -> float:
    return time.monotonic() + seconds


def test_what_it_tells_of_this_machine(real: Path) -> None:
    told = look(real, within())
    assert told.version[0].isdigit()
    names = {nic.name for nic in told.interfaces}
    assert names <= {path.name for path in Path("/sys/class/net").iterdir()}
    assert "lo" not in names
    for nic in told.interfaces:
        assert nic.mac == Path(f"/sys/class/net/{nic.name}/address").read_text().strip()


def test_commands_inside(real: Path) -> None:
    def asked(command: str, seconds: float = 60) -> tuple[bool, str, str]:
        (probe,) = parse([f"agent:{command}"])
        told = run(probe, None, real, seconds=seconds, stopped=lambda: True)
        return told.ok, told.seen, told.output

    assert asked("echo one; echo two >&2") == (True, "exit code 0: one", "one\ntwo\n")
    assert asked("exit 3") == (False, "exit code 3", "")
    assert asked("kill -9 $$")[1] == "ended by signal 9"
    ok, seen, output = asked("yes | head -c 100000")
    assert (ok, seen, len(output)) == (True, "exit code 0: y", 4096)
    assert asked("sleep 60", seconds=4)[:2] == (False, "the command does not end in time")
    assert asked("printf '\\033[31m'")[2] == " [31m"


def test_what_was_said_before_is_passed_over(real: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(real))
        connection.sendall(b'{"execute":"guest-info"}\n{"execute":"guest-pi')  # and was cut off
        agent = Agent(connection)
        agent.sync(within())
        assert agent.run("guest-get-time", int, within())


def test_a_command_that_is_not_there(real: Path) -> None:
    with agent_at(real, within()) as agent, pytest.raises(ProofError, match="guest-no-such"):
        agent.run("guest-no-such", dict, within())


def answering(*answers: bytes) -> Answering:
    """Answer the sync as an agent does, and then with other lines."""

    def answer(connection: socket.socket) -> None:
        file = connection.makefile("rb")
        mark = json.loads(file.readline().lstrip(b"\xff"))["arguments"]["id"]
        connection.sendall(b'{"return": 1}\n{"ret\xff{"return": %d}\n' % mark)
        for said in answers:
            file.readline()
            connection.sendall(said)
        waiting(connection)

    return answer


def refused(answer: Answering, folder: Path, seconds: float = 60) -> str:
    path = folder / "socket"
    with serving(answer, path), pytest.raises(ProofError) as error:
        look(path, within(seconds))
    path.unlink()
    return error.value.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (closing, "the guest's agent "),
        (waiting, "the guest's agent does not answer"),
        (dripping, "the guest's agent does not answer"),
        (answering(b"[1]\n"), "guest-info: the agent says what is no answer"),
        (answering(b"[" * 100_000 + b"\n"), "guest-info: the agent says what is no answer"),
        (answering(b'{"error": 1}\n'), "guest-info: refused"),
        (
            answering(b'{"error": {"desc": "\\u001b[31mno' + b"x" * 999 + b'"}}\n'),
            "guest-info: [31mno",
        ),
        (answering(b'{"return": {"version": 7}}\n'), "guest-info: the agent's answer: Expected"),
        (answering(b"{}\n"), "guest-info: the agent's answer:"),
        (answering(b'{"return": {"\\ud800": "7"}}\n'), "guest-info: the agent's answer:"),
    ],
)
def test_answers_that_are_none(answer: Answering, said: str, tmp_path: Path) -> None:
    message = refused(answer, tmp_path, 1 if answer in {waiting, dripping} else 60)
    assert message.startswith(said)
    assert len(message) < 300


def test_one_that_says_too_much(tmp_path: Path) -> None:
    assert refused(flooding, tmp_path) == "the guest's agent says more than anybody reads"


def test_what_it_says_of_itself_is_bounded(tmp_path: Path) -> None:
    nic = {"name": "a" * 999, "hardware-address": "52:54", "ip-addresses": [
        {"ip-address": "1.2.3.4", "ip-address-type": "ipv4", "prefix": 8}] * 33}  # fmt: skip
    answers = ({"version": "7\x07"}, {"id": "x"}, [nic] * 999)
    lines = [json.dumps({"return": told}).encode() + b"\n" for told in answers]
    path = tmp_path / "socket"
    with serving(answering(*lines), path):
        told = look(path, within())
    assert (told.version, told.system, len(told.interfaces)) == ("7", "", 64)
    assert (len(told.interfaces[0].name), len(told.interfaces[0].addresses)) == (200, 32)


@settings(suppress_health_check=list(HealthCheck), max_examples=40)
@given(data=st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"")))
def test_any_answer(data: bytes, tmp_path: Path) -> None:
    refused(answering(data + b"\n"), tmp_path, 0.2)
