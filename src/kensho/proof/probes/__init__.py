"""What a user asks of a guest that came up: does a port answer, a web server, a command inside.

``parse`` reads the words of the command line, ``run`` asks one of them until it is answered or time is
over. They know addresses and an agent's socket; nothing here knows QEMU.
"""

from __future__ import annotations

from kensho.proof.probes.run import Address, ProbeResult, run
from kensho.proof.probes.tcp import SILENCE
from kensho.proof.probes.words import Kind, Probe, parse

__all__ = ["SILENCE", "Address", "Kind", "Probe", "ProbeResult", "parse", "run"]
