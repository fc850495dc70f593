"""Whether a command succeeds inside, through QEMU's guest agent (guest-exec, guest-exec-status)."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import msgspec

from kensho.model.errors import ProofError
from kensho.proof.probes.answer import Answer, bad, plain
from kensho.proof.qemu.agent import Agent, agent_at, is_windows

_MOST_OUTPUT = 4 << 10  # characters that are kept
_LOOK = 0.5


class _Started(msgspec.Struct):
    pid: int


class _Status(msgspec.Struct, rename="kebab"):
    exited: bool
    exitcode: int | None = None
    signal: int | None = None
    out_data: str = ""
    err_data: str = ""


def command_succeeds(path: Path, command: str, until: float) -> Answer:
    """Run a command by the guest's own shell; well is an exit code of 0.

    ``path`` is the agent's socket. The command goes on in the guest when it takes longer.
    """
    try:
        with agent_at(path, until) as agent:
            status = _ended(agent, command, until)
    except ProofError as error:
        return bad(plain(error.message))
    if status is None:
        return bad("the command does not end in time")
    output = (_text(status.out_data) + _text(status.err_data))[:_MOST_OUTPUT]
    if status.exitcode is None:
        return bad(f"ended by signal {status.signal}", output)
    first = plain(output.partition("\n")[0])
    said = f"exit code {status.exitcode}" + (f": {first}" if first else "")
    return Answer(status.exitcode == 0, said, output)


def _ended(agent: Agent, command: str, until: float) -> _Status | None:
    shell, run = ("cmd.exe", "/c") if is_windows(agent, until) else ("/bin/sh", "-c")
    started = agent.run("guest-exec", _Started, until, path=shell, arg=[run, command],
                        capture_output=True)  # fmt: skip
    while time.monotonic() < until:
        # One that is asked in the last moment answers a moment later.
        status = agent.run("guest-exec-status", _Status, until + _LOOK, pid=started.pid)
        if status.exited:
            return status
        time.sleep(_LOOK)
    return None


def _text(data: str) -> str:
    try:
        text = base64.b64decode(data[: 2 * _MOST_OUTPUT // 4 * 4]).decode("utf-8", "replace")
    except ValueError:
        return ""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
