"""An OVA of a large sparse disk through pipes: peak memory and time of every process.

    .venv/bin/python bench/package_pipe.py [--gib 20] [--folder DIR]

Runs ``kensho manifest … -o - | kensho verify -`` and ``cat x.ova | kensho verify -``, then lets
``tar`` list what is piped. The disk takes no room; hashing its zeros takes time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_DESCRIPTOR = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References><File ovf:id="d" ovf:href="disk.raw"/></References>
</Envelope>
"""
_RUN = """
import sys
from pathlib import Path
from kensho.cli.exits import run
code = run(sys.argv[1:])
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(sys.argv[1], "exit", code, "peak KiB", peak, file=sys.stderr)
sys.exit(code)
"""


def kensho(*arguments: object) -> list[str]:
    """Return a command that runs kensho and then says its peak memory."""
    return [sys.executable, "-c", _RUN, *map(str, arguments)]


def timed(title: str, first: list[str], second: list[str]) -> None:
    """Run ``first | second`` and print how long it took."""
    began = time.monotonic()
    with subprocess.Popen(first, stdout=subprocess.PIPE) as writer:
        done = subprocess.run(second, stdin=writer.stdout, stdout=subprocess.PIPE, check=True)
    print(f"{title}: {time.monotonic() - began:.1f} s", flush=True)
    if second[0] == "tar":
        print(done.stdout.decode(), end="", flush=True)


def main() -> None:
    """Make the disk and run the pipes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=int, default=20)
    parser.add_argument("--folder", type=Path)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=wanted.folder) as name:
        folder = Path(name)
        (folder / "app.ovf").write_text(_DESCRIPTOR)
        with (folder / "disk.raw").open("wb") as disk:
            disk.write(b"begin")
            disk.truncate(wanted.gib << 30)
        package, ova = folder / "app.ovf", folder / "app.ova"
        subprocess.run(kensho("manifest", package, "-o", ova), check=True)
        timed(
            "manifest -o - | verify -",
            kensho("manifest", package, "-o", "-"),
            kensho("verify", "-", "-q"),
        )
        timed("cat | verify -", ["cat", str(ova)], kensho("verify", "-", "-q"))
        timed("manifest -o - | tar t", kensho("manifest", ova, "-o", "-"), ["tar", "tv"])


if __name__ == "__main__":
    main()
