"""By which address a guest is reached, from what was heard and what it reported. No QEMU runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kensho.proof.inside.read import Inside, NicSeen
from kensho.proof.qemu.monitor import Monitor
from kensho.proof.watch.network import Network

OUTER, INNER = "52:54:00:00:00:01", "52:54:00:00:00:02"
REPORT = Inside(
    "6.1", "bios", "/dev/sda1", ("ahci",),
    (
        NicSeen("lo", (), "00:00:00:00:00:00", "unknown", "127.0.0.1/8"),
        NicSeen("eth0", ("e1000e",), OUTER, "up"),
        NicSeen("eth1", ("e1000e",), INNER, "up", "192.168.77.2/24"),
    ),
)  # fmt: skip


@dataclass
class Wires:
    plugs: tuple[Path | None, ...] = (None, None)
    macs: tuple[str, ...] = (OUTER, INNER)

    def forward(self, adapter: int, address: str, port: int) -> int | None:
        return 40000 + adapter


def network(tmp_path: Path, wiring: Wires | None = None) -> Network:
    """Return what is heard where nothing was, of a QEMU that is gone."""
    return Network(Monitor(tmp_path / "none", lambda: False), (), wiring)


def test_what_a_guest_reports_will_do_where_nothing_was_heard(tmp_path: Path) -> None:
    heard = network(tmp_path, Wires())
    assert heard.address() is None
    heard.learn(REPORT)
    assert heard.address() == (1, "192.168.77.2")
    assert heard.forward(1, "192.168.77.2", 80) == 40001


def test_on_a_network_of_qemus_own_only_what_is_heard_counts(tmp_path: Path) -> None:
    heard = network(tmp_path)
    heard.learn(REPORT)
    assert heard.address() is None


def test_an_address_that_another_machine_may_have_is_not_guessed(tmp_path: Path) -> None:
    assert network(tmp_path, Wires()).usual is None
    assert network(tmp_path).usual == (0, "10.0.2.15")
