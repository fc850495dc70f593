"""QEMU's guest agent: one client, one command at a time.

Spec: QEMU Guest Agent Protocol Reference (docs/interop/qemu-ga-ref). What comes is a guest's: its size,
shape and time are bounded, and what makes no sense is an error of that one command.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from kensho.model.errors import ProofError
from kensho.proof.qemu.lines import Lines, object_of

_MOST = 8 << 20
_FLUSH = b"\xff"
_MOST_NICS, _MOST_ADDRESSES, _MOST_WORD = 64, 32, 200
_T = TypeVar("_T")


class Interface(msgspec.Struct, frozen=True):
    """A network interface as the agent tells it: ``addresses`` with their prefixes."""

    name: str
    mac: str
    addresses: tuple[str, ...]


class AgentSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a guest's agent said: its version, the system's own name, its interfaces without loopback."""

    version: str
    system: str = ""
    interfaces: tuple[Interface, ...] = ()


class _Info(msgspec.Struct):
    version: str


class _System(msgspec.Struct, rename="kebab"):
    id: str = ""
    pretty_name: str = ""


class _Ip(msgspec.Struct, rename="kebab"):
    ip_address: str
    prefix: int


class _Nic(msgspec.Struct, rename="kebab"):
    name: str
    hardware_address: str = ""
    ip_addresses: list[_Ip] = []


class Agent:
    """A connection to an agent that answers. Methods raise ProofError."""

    def __init__(self, connection: socket.socket) -> None:
        self._lines = Lines(connection, "the guest's agent", _MOST)

    def sync(self, until: float) -> None:
        """Wait until the agent answers to this connection, whatever was said on another one before."""
        mark = secrets.randbits(53)
        asked: dict[str, object] = {"execute": "guest-sync-delimited", "arguments": {"id": mark}}
        self._lines.send(asked, until, _FLUSH)
        while True:
            told = object_of(self._lines.line(until).rpartition(_FLUSH)[2])
            if told is not None and told.get("return") == mark:
                return

    def run(self, command: str, kind: type[_T], until: float, **arguments: object) -> _T:
        """Run a command and return its answer in the shape of ``kind``; arguments have - for _."""
        asked: dict[str, object] = {"execute": command}
        if arguments:
            asked["arguments"] = {name.replace("_", "-"): v for name, v in arguments.items()}
        self._lines.send(asked, until)
        told = object_of(self._lines.line(until))
        if told is None:
            raise ProofError(f"{command}: the agent says what is no answer")
        if "error" in told:
            error = told["error"] if isinstance(told["error"], dict) else {}
            raise ProofError(f"{command}: {words(error.get('desc', 'refused'))}")
        try:
            return msgspec.convert(told.get("return"), kind)
        except (msgspec.ValidationError, UnicodeError) as error:  # a surrogate is no text
            raise ProofError(f"{command}: the agent's answer: {words(error)}") from None


@contextmanager
def agent_at(path: Path, until: float) -> Iterator[Agent]:
    """Give the agent behind a socket once it answers. ProofError when it does not by then."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(max(0.1, until - time.monotonic()))
        try:
            connection.connect(str(path))
        except OSError:
            raise ProofError("there is no port for an agent", path=path) from None
        agent = Agent(connection)
        agent.sync(until)
        yield agent


def look(path: Path, until: float) -> AgentSeen:
    """Return what the agent behind a socket tells of its guest. ProofError when it does not answer."""
    with agent_at(path, until) as agent:
        version = words(agent.run("guest-info", _Info, until).version)
        try:
            system = words(agent.run("guest-get-osinfo", _System, until).pretty_name)
        except ProofError:  # older than 2.10, or forbidden by its administrator
            system = ""
        try:
            found = agent.run("guest-network-get-interfaces", list[_Nic], until)
        except ProofError:
            found = []
    nics = (nic for nic in found[:_MOST_NICS] if nic.hardware_address.strip("0:"))
    return AgentSeen(version, system, tuple(_interface(nic) for nic in nics))


@contextmanager
def heard_out(path: Path | None) -> Iterator[None]:
    """Read what an agent still has to say, and drop it: one that nobody listens to does not end.

    A guest that writes to its port waits while nothing is connected to it (virtio 1.2, 5.3), and its
    shutdown waits for it.
    """
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            yield
            return
        thread = threading.Thread(target=_drop, args=(connection,), name="agent", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()


def _drop(connection: socket.socket) -> None:
    with suppress(OSError):
        while connection.recv(1 << 16):
            pass


def is_windows(agent: Agent, until: float) -> bool:
    """Tell whether the agent's guest is a Windows; False where it does not say."""
    try:
        return agent.run("guest-get-osinfo", _System, until).id == "mswindows"
    except ProofError:
        return False


def words(told: object) -> str:
    """Return something of a guest's as a printable line of bounded length."""
    return "".join(c for c in str(told)[:_MOST_WORD] if c.isprintable())


def _interface(nic: _Nic) -> Interface:
    kept = nic.ip_addresses[:_MOST_ADDRESSES]
    return Interface(
        words(nic.name),
        words(nic.hardware_address),
        tuple(f"{words(ip.ip_address)}/{ip.prefix}" for ip in kept),
    )
