"""Who answers a probe: the guest itself, or another machine that has its address. No QEMU runs."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from kensho.proof.probes import parse
from kensho.proof.qemu.monitor import Monitor
from kensho.proof.watch.asking import Questions, ask
from kensho.proof.watch.network import Network
from tests.proof.probes.servers import saying, serving
from tests.proof.watch.test_network import INNER, REPORT, Wires

BANNER = b"SSH-2.0-tiny\r\n"


@dataclass
class Leading(Wires):
    port: int = 0

    def forward(self, adapter: int, address: str, port: int) -> int | None:
        return self.port


def acceptance(mac: str, port: int) -> bytes:
    """Return a capture of a SYN and ACK (RFC 9293, 3.1) from an adapter and a port."""
    tcp = struct.pack(">HHIIBBHHH", port, 40000, 1, 1, 0x50, 0x12, 65535, 0, 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, bytes(4), bytes(4)) + tcp
    frame = bytes(6) + bytes.fromhex(mac.replace(":", "")) + b"\x08\x00" + ip
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame


@pytest.mark.parametrize("word", ["ssh:22", "tcp:22"])
@pytest.mark.parametrize(("mac", "own"), [(INNER, True), ("52:54:00:00:00:09", False)])
def test_among_others_it_has_to_be_the_guest_that_answers(
    word: str, mac: str, own: bool, tmp_path: Path
) -> None:
    capture = tmp_path / "net0.pcap"
    capture.write_bytes(acceptance(mac, 22))
    with serving(saying(BANNER)) as (_, port):
        gone = Monitor(tmp_path / "none", lambda: False)
        network = Network(gone, (capture,), Leading(port=port))
        network.learn(REPORT)
        (told,) = ask(Questions(parse([word]), seconds=20), network, None, lambda: False).probes
    assert told.ok is own
    assert ("another machine answers" in told.seen) is not own
