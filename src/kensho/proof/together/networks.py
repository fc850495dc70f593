"""The networks of an appliance while its machines run: a switch, and on each network a DHCP server.

An adapter's QEMU comes to the switch by a Unix socket in a folder that only this user can enter (`-netdev
stream`, QEMU 7.2 and later). One more QEMU, without a machine, has QEMU's own network on each of them
(`-netdev user,restrict=on`): it answers DHCP and leads nowhere, but from 127.0.0.1 to the ports of guests
that are asked. Nothing else is opened on this machine, and its networks see none of it.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kensho.model.errors import ProofError, UnsupportedError
from kensho.proof.guests import Plug
from kensho.proof.qemu.arguments import escaped, find_qemu
from kensho.proof.qemu.forwards import forward
from kensho.proof.qemu.process import running
from kensho.proof.qemu.qmp import Qmp
from kensho.proof.qemu.rooms import room
from kensho.proof.together.bridge import Bridge, Sees, bridging

_MOST_NETWORKS = 200  #: each has a third number of 10.0.x.0/24 of its own
_OURS = 249  #: the last number of our own address where DHCP is not ours: gateways seldom have it


@dataclass(frozen=True, slots=True)
class Outlets:
    """What a machine's adapters are connected to: a `kensho.proof.watch.observe.Wiring`."""

    plugs: tuple[Path | None, ...]
    macs: tuple[str, ...]
    networks: tuple[str | None, ...]
    lead: Callable[[str, str, int], int | None]

    def forward(self, adapter: int, address: str, port: int) -> int | None:
        """Return a port of 127.0.0.1 that leads to the guest's, None when there is none."""
        network = self.networks[adapter] if adapter < len(self.networks) else None
        return None if network is None else self.lead(network, address, port)


class Networks:
    """The networks while they run. Methods may be called from several threads."""

    def __init__(
        self, bridge: Bridge, folder: Path, names: Sequence[str], runs: Callable[[], bool]
    ) -> None:
        """Connect to the QEMU of `arguments`, as long as it ``runs``. ProofError when it does not answer."""
        self._bridge = bridge
        self._folder = folder
        self._names = tuple(names)
        self._plugs = 0
        self._lock = threading.Lock()
        self._ways = {(number, subnet(number)): f"way{number}" for number in range(len(names))}
        self._qmp = Qmp(folder / "monitor", runs=runs)

    def connect(self, plugs: Sequence[Plug]) -> Outlets:
        """Return what a machine's adapters are to be connected to."""
        sockets = tuple(None if p.network is None else self._outlet(p.network) for p in plugs)
        macs = tuple(plug.mac for plug in plugs)
        return Outlets(sockets, macs, tuple(plug.network for plug in plugs), self.forward)

    def forward(self, network: str, address: str, port: int) -> int | None:
        """Return a TCP port on 127.0.0.1 that leads to a guest's, by its address on a network.

        None where there is no way to it.
        """
        with self._lock, suppress(ProofError, ValueError):
            name = self._way(self._names.index(network), ipaddress.IPv4Address(address))
            return forward(self._said, name, address, port)
        return None

    def close(self) -> None:
        """Close the monitor."""
        self._qmp.close()

    def _outlet(self, network: str) -> Path:
        self._plugs += 1
        path = self._folder / f"plug{self._plugs}"
        self._bridge.open_port(path, self._names.index(network))
        return path

    def _way(self, network: int, address: ipaddress.IPv4Address) -> str:
        """Return which of QEMU's own networks reaches an address: one more where DHCP did not give it."""
        around = ipaddress.IPv4Network(f"{address}/24", strict=False)
        name = self._ways.get((network, around))
        if name is not None:
            return name
        number = len(self._ways)
        path = self._folder / f"way{number}"
        # Not asked for leases by anybody: guests have their addresses, whoever gave them.
        self._bridge.open_port(path, network, Sees.ARP)
        name, ours = f"way{number}", around[_OURS if int(address) & 255 != _OURS else _OURS + 1]
        self._add("user", name, restrict=True, ipv6=False, net=str(around), host=str(ours))
        self._add("stream", f"to{name}", addr={"type": "unix", "path": str(path)})
        for end in (name, f"to{name}"):
            self._add("hubport", f"hub{end}", hubid=number, netdev=end)
        self._ways[network, around] = name
        return name

    def _add(self, kind: str, name: str, **options: object) -> None:
        self._qmp.run("netdev_add", type=kind, id=name, **options)

    def _said(self, line: str) -> str:
        return str(self._qmp.run("human-monitor-command", **{"command-line": line}))


def names_of(machines: Sequence[Sequence[Plug]]) -> tuple[str, ...]:
    """Return the networks that adapters are on, each once. UnsupportedError for more than 200."""
    found = dict.fromkeys(
        plug.network for plugs in machines for plug in plugs if plug.network is not None
    )
    if len(found) > _MOST_NETWORKS:
        raise UnsupportedError(f"{len(found)} networks; at most {_MOST_NETWORKS} are connected")
    return tuple(found)


def subnet(number: int) -> ipaddress.IPv4Network:
    """Return the addresses that are given out on the network of that number, from 0."""
    return ipaddress.IPv4Network(f"10.0.{number + 2}.0/24")


def arguments(qemu: str, folder: Path, count: int) -> list[str]:
    """Return the command line of a QEMU that has its own network on each of so many.

    It connects to the sockets ``way0`` and so on in ``folder``, and listens on ``monitor`` there.
    """
    place = escaped(str(folder))
    line = [qemu, "-name", "networks", "-M", "none", "-accel", "tcg", "-nodefaults"]
    line += ["-no-user-config", "-display", "none", "-monitor", "none", "-serial", "none"]
    line += ["-qmp", f"unix:{place}/monitor,server=on,wait=off"]
    for number in range(count):
        name = f"way{number}"
        line += ["-netdev", f"user,id={name},restrict=on,net={subnet(number)}"]
        line += ["-netdev", f"stream,id=to{name},addr.type=unix,addr.path={place}/{name}"]
        for end in (name, f"to{name}"):
            line += ["-netdev", f"hubport,id=hub{end},hubid={number},netdev={end}"]
    return line


@contextmanager
def connecting(machines: Sequence[Sequence[Plug]]) -> Iterator[Networks]:
    """Run the networks that machines' adapters are on. ProofError when QEMU does not start."""
    names = names_of(machines)
    with room("kensho-net-") as folder, bridging() as bridge:
        for number in range(len(names)):
            bridge.open_port(folder / f"way{number}", number, Sees.BROADCASTS)
        line = arguments(find_qemu(), folder, len(names))
        with (
            (folder / "stderr").open("w+b") as errors,
            running(line, errors, folder, bounded=True) as process,
        ):
            try:
                networks = Networks(bridge, folder, names, lambda: process.poll() is None)
            except ProofError as error:
                said = _end_of(errors) if process.poll() is not None else ""
                why = f"QEMU ended: {said}" if said else error.message
                raise ProofError(f"the machines' networks do not start: {why}") from None
            try:
                yield networks
            finally:
                networks.close()


def _end_of(errors: BinaryIO) -> str:
    errors.seek(0)
    return errors.read(1 << 16).decode("utf-8", "replace").strip()[-500:]
