"""The networks of an appliance: one QEMU without a machine, whose hubs connect the guests' adapters.

Each network is a hub (`-netdev hubport`, QEMU docs/system/devices/net.rst). An adapter's QEMU comes to it
by a Unix socket in a folder that only this user can enter (`-netdev stream`, QEMU 7.2 and later). On each
hub is QEMU's own DHCP server (`-netdev user,restrict=on`): it leads nowhere, but from 127.0.0.1 to ports
of guests that are asked for. Nothing else is opened on this machine, and its networks see none of it.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kensho.model.errors import ProofError, UnsupportedError
from kensho.proof.forwards import forward
from kensho.proof.guests import Plug
from kensho.proof.process import running
from kensho.proof.qemu import find_qemu
from kensho.proof.qmp import Qmp
from kensho.proof.rooms import room

_MOST_NETWORKS = 200  #: each has a third number of 10.0.x.0/24 of its own
_OURS = 249  #: the last number of our own address where DHCP is not ours: gateways seldom have it


class Switch:
    """The networks while they run. Its methods may be called from several threads."""

    def __init__(
        self, monitor: Path, machines: Sequence[Sequence[Plug]],
        sockets: tuple[tuple[Path | None, ...], ...], runs: Callable[[], bool],
    ) -> None:  # fmt: skip
        """Connect to the QEMU that listens on ``monitor``. ProofError when it has ended."""
        self._machines = machines
        self._sockets = sockets
        self._networks = networks_of(machines)
        self._ways: dict[tuple[int, ipaddress.IPv4Network], str] = {
            (number, ipaddress.IPv4Network(subnet(number))): f"user{number}"
            for number in range(len(self._networks))
        }
        self._lock = threading.Lock()
        self._qmp = Qmp(monitor, runs=runs)

    def wiring(self, number: int) -> Outlets:
        """Return what the adapters of a machine are connected to; machines count from 0."""
        plugs = self._machines[number]
        macs = frozenset(plug.mac for plug in plugs)
        networks = tuple(plug.network for plug in plugs)
        return Outlets(self._sockets[number], macs, networks, self.forward)

    def forward(self, network: str, address: str, port: int) -> int | None:
        """Return a TCP port on 127.0.0.1 that leads to a guest's, by its address on a network.

        None where there is no way to it.
        """
        with self._lock, suppress(ProofError, ValueError):
            name = self._way(self._networks.index(network), ipaddress.IPv4Address(address))
            return forward(self._said, name, address, port)
        return None

    def close(self) -> None:
        """Close the monitor."""
        self._qmp.close()

    def _way(self, hub: int, address: ipaddress.IPv4Address) -> str:
        """Return what of QEMU's reaches an address on a hub: for one that DHCP did not give it is added."""
        around = ipaddress.IPv4Network(f"{address}/24", strict=False)
        name = self._ways.get((hub, around))
        if name is None:
            name = f"user{hub}-{len(self._ways)}"
            self._qmp.run(
                "netdev_add", type="user", id=name, restrict=True, ipv6=False, net=str(around),
                host=str(around[_OURS if int(address) & 255 != _OURS else _OURS + 1]),
            )  # fmt: skip
            self._qmp.run("netdev_add", type="hubport", id=f"hub{name}", hubid=hub, netdev=name)
            self._ways[hub, around] = name
        return name

    def _said(self, line: str) -> str:
        return str(self._qmp.run("human-monitor-command", **{"command-line": line}))


@dataclass(frozen=True, slots=True)
class Outlets:
    """What a machine's adapters are connected to: a `kensho.proof.observe.Wiring`."""

    plugs: tuple[Path | None, ...]
    macs: frozenset[str]
    networks: tuple[str | None, ...]
    lead: Callable[[str, str, int], int | None]

    def forward(self, adapter: int, address: str, port: int) -> int | None:
        """Return a port of 127.0.0.1 that leads to the guest's, None when there is none."""
        network = self.networks[adapter] if adapter < len(self.networks) else None
        return None if network is None else self.lead(network, address, port)


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
        line, sockets = switch_arguments(find_qemu(), folder, machines)
        with (
            (folder / "stderr").open("w+b") as errors,
            running(line, errors, folder, bounded=True) as process,
        ):
            try:
                runs = lambda: process.poll() is None  # noqa: E731
                switch = Switch(folder / "monitor", machines, sockets, runs)
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
