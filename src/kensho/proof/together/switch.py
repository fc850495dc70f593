"""The networks of an appliance: one QEMU without a machine, whose hubs connect the guests' adapters.

Each network is a hub (`-netdev hubport`, QEMU docs/system/devices/net.rst). An adapter's QEMU comes to it
by a Unix socket in a folder that only this user can enter (`-netdev stream`, QEMU 7.2 and later). On each
hub is QEMU's own DHCP server (`-netdev user,restrict=on`): it leads nowhere, but from 127.0.0.1 to ports
of guests that are asked for. Nothing else is opened on this machine, and its networks see none of it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kensho.model.errors import ProofError, UnsupportedError
from kensho.proof.guests import Plug
from kensho.proof.process import running
from kensho.proof.qemu import find_qemu
from kensho.proof.qmp import Qmp
from kensho.proof.rooms import room

_MOST_NETWORKS = 200  #: each has a third number of 10.0.x.0/24 of its own
_TRIES = 5


class Switch:
    """The networks while they run; ``plugs`` are the sockets of each machine's adapters.

    An adapter that is on no network has None.
    """

    def __init__(
        self, monitor: Path, networks: Sequence[str], plugs: tuple[tuple[Path | None, ...], ...]
    ) -> None:
        """Connect to the QEMU that listens on ``monitor``. ProofError when it has ended."""
        self.plugs = plugs
        self._networks = tuple(networks)
        self._qmp = Qmp(monitor)

    def forward(self, network: str, address: str, port: int) -> int:
        """Return a TCP port on 127.0.0.1 that leads to a guest's, by its address on a network."""
        said = ""
        for _ in range(_TRIES):  # somebody else may take the port before QEMU does
            own = _free_port()
            number = self._networks.index(network)
            line = f"hostfwd_add user{number} tcp:127.0.0.1:{own}-{address}:{port}"
            said = str(self._qmp.run("human-monitor-command", **{"command-line": line})).strip()
            if not said:
                return own
        raise ProofError(f"no way to {address}:{port} on its network: {said}")

    def close(self) -> None:
        """Close the monitor."""
        self._qmp.close()


def networks_of(machines: Sequence[Sequence[Plug]]) -> tuple[str, ...]:
    """Return the networks that adapters are on, each once. UnsupportedError for more than 200."""
    found = dict.fromkeys(
        plug.network for plugs in machines for plug in plugs if plug.network is not None
    )
    if len(found) > _MOST_NETWORKS:
        raise UnsupportedError(f"{len(found)} networks; at most {_MOST_NETWORKS} are connected")
    return tuple(found)


def subnet(number: int) -> str:
    """Return the addresses that are given out on the network of that number, from 0."""
    return f"10.0.{number + 2}.0/24"


def switch_arguments(
    qemu: str, folder: Path, machines: Sequence[Sequence[Plug]]
) -> tuple[list[str], tuple[tuple[Path | None, ...], ...]]:
    """Return the command line of the QEMU that connects, and the socket of each adapter in ``folder``."""
    networks = networks_of(machines)
    line = [qemu, "-name", "networks", "-M", "none", "-accel", "tcg", "-nodefaults"]
    line += ["-no-user-config", "-display", "none", "-monitor", "none", "-serial", "none"]
    line += ["-qmp", f"unix:{folder / 'monitor'},server=on,wait=off"]
    for number in range(len(networks)):
        line += ["-netdev", f"user,id=user{number},restrict=on,net={subnet(number)}"]
        line += ["-netdev", f"hubport,id=hubuser{number},hubid={number},netdev=user{number}"]
    sockets: list[tuple[Path | None, ...]] = []
    for one, plugs in enumerate(machines):
        own: list[Path | None] = []
        for two, plug in enumerate(plugs):
            if plug.network is None:
                own.append(None)
                continue
            name, path = f"{one}-{two}", folder / f"{one}-{two}"
            line += ["-netdev", f"stream,id=at{name},server=on,addr.type=unix,addr.path={path}"]
            hub = networks.index(plug.network)
            line += ["-netdev", f"hubport,id=hub{name},hubid={hub},netdev=at{name}"]
            own.append(path)
        sockets.append(tuple(own))
    return line, tuple(sockets)


@contextmanager
def switched(machines: Sequence[Sequence[Plug]]) -> Iterator[Switch]:
    """Run the networks of machines, given by their adapters. ProofError when QEMU does not start."""
    with room("kensho-net-") as folder:
        line, plugs = switch_arguments(find_qemu(), folder, machines)
        with (
            (folder / "stderr").open("w+b") as errors,
            running(line, errors, folder, bounded=True) as process,
        ):
            try:
                switch = Switch(folder / "monitor", networks_of(machines), plugs)
            except ProofError as error:
                with suppress(OSError):
                    errors.seek(0)
                said = errors.read(1 << 12).decode("utf-8", "replace").strip()
                ended = process.poll() is not None
                why = f"QEMU ended: {said}" if ended else error.message
                raise ProofError(f"the machines' networks do not start: {why}") from None
            try:
                yield switch
            finally:
                switch.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
