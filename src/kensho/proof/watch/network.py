"""What is heard of a running guest on its networks, and how its ports are reached."""

from __future__ import annotations

import threading
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from kensho.model.errors import KenshoError
from kensho.proof.inside.read import Inside
from kensho.proof.qemu.bounds import MAX_CAPTURE
from kensho.proof.qemu.forwards import forward
from kensho.proof.qemu.monitor import Monitor
from kensho.proof.watch.capture import QEMUS, Ears, Heard

_USUAL = (0, "10.0.2.15")  #: the first adapter, and what QEMU's network leases there


class Wiring(Protocol):
    """What the adapters of a guest are connected to, among those of others.

    ``plugs`` are the sockets, None for an adapter on no network; ``macs`` the adapters' addresses, in
    the same order.
    """

    @property
    def plugs(self) -> tuple[Path | None, ...]:
        """The socket of each adapter."""

    @property
    def macs(self) -> tuple[str, ...]:
        """The addresses of the adapters; what others send is heard, too."""

    def forward(self, adapter: int, address: str, port: int) -> int | None:
        """Return a port of 127.0.0.1 that leads to the guest's, None when there is none."""


class Network:
    """What the adapters of one guest sent, as QEMU captures it. Any thread may ask."""

    def __init__(self, monitor: Monitor, captures: tuple[Path, ...], wiring: Wiring | None) -> None:
        """Hear ``captures``, a file for each adapter; ``wiring`` is None for networks of QEMU's own."""
        self._monitor = monitor
        self._wiring = wiring
        self._learnt: list[tuple[int, str]] = []
        self._captures = [(capture, Ears()) for capture in captures]
        self._read = [0] * len(captures)  # bytes of them that were heard
        self._full: set[int] = set()  # captures that are not written any more
        self._lock = threading.Lock()

    def heard(self) -> tuple[Heard, ...]:
        """Return what the adapters sent so far; those of QEMU's own network are left out."""
        return tuple(told for _, told in self._heard())

    def accepted(self, port: int) -> bool:
        """Tell whether an adapter of the guest's accepted a connection to a TCP port so far."""
        self._listen()
        return any(ears.accepted(port, self._owns) for _, ears in self._captures)

    def is_answering(self, port: int) -> bool:
        """Tell whether an answer from a TCP port was this guest's: another one may have its address, too."""
        return self._wiring is None or bool(self._full) or self.accepted(port)

    def address(self) -> tuple[int, str] | None:
        """Return an adapter, counted from 0, and an address it goes by.

        A leased one is taken before one that was said in ARP, and that before what the guest reported.
        """
        found = [(number, told) for number, told in self._heard() if self._owns(told.mac)]
        leases = ((number, told.lease) for number, told in found if told.lease)
        others = ((number, told.addresses[-1]) for number, told in found if told.addresses)
        return next(leases, None) or next(others, None) or next(iter(self._learnt), None)

    @property
    def usual(self) -> tuple[int, str] | None:
        """The adapter and address of a guest that says none; None among others, one of which it may be."""
        return _USUAL if self._wiring is None else None

    def learn(self, inside: Inside) -> None:
        """Take up what a guest reported of its adapters, where any address of a network can be reached."""
        macs = self._wiring.macs if self._wiring is not None else ()
        for nic in inside.nics:
            address = nic.address.partition("/")[0]
            with suppress(ValueError):
                self._learnt.append((macs.index(nic.mac), str(IPv4Address(address))))

    def forward(self, adapter: int, address: str, port: int) -> int | None:
        """Return a port of 127.0.0.1 that leads to a TCP port of the guest; None when there is none.

        ``adapter`` counts from 0, ``address`` is the guest's there. QEMU chooses the port, so that no
        other program can have it.
        """
        if self._wiring is not None:
            return self._wiring.forward(adapter, address, port)
        return forward(self._monitor.human, f"net{adapter}", address, port)

    def bound(self) -> None:
        """Stop recording a network on which a guest sends without end; what is there tells enough."""
        for number, (capture, _) in enumerate(self._captures):
            with suppress(OSError):
                if number not in self._full and capture.stat().st_size > MAX_CAPTURE:
                    self._full.add(number)
                    self._monitor.does("object-del", id=f"dump{number}")

    def _heard(self) -> list[tuple[int, Heard]]:
        self._listen()
        found = ((n, told) for n, (_, ears) in enumerate(self._captures) for told in ears.heard())
        return [(number, told) for number, told in found if not told.mac.startswith(QEMUS)]

    def _owns(self, mac: str) -> bool:
        if self._wiring is not None:
            return mac in self._wiring.macs
        return not mac.startswith(QEMUS)

    def _listen(self) -> None:
        """Hear what was captured since."""
        with self._lock:
            for number, (capture, ears) in enumerate(self._captures):
                with suppress(KenshoError, OSError), capture.open("rb") as file:
                    file.seek(self._read[number])
                    data = file.read(max(0, MAX_CAPTURE - self._read[number]))
                    self._read[number] += len(data)
                    ears.feed(data)
