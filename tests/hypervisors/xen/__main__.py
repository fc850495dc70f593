"""Guests that kensho wrote for Xen and XenServer, started by Xen itself: Debian's, under QEMU's emulation.

    python -m tests.hypervisors.xen [--only TRIAL,…] [--out FOLDER]

A dom0 (`dom0.py`) gets the results of `kensho convert --adapt` on a disk, has ``xl`` create each guest,
logs into it and shuts it down (`inside/trials.py`). What was said is kept in ``out/hypervisors/xen``, with a verdict.
Exit code 1 when a guest did not come up on Xen's own devices.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.hypervisors.verdict import Verdict, table, version, write
from tests.hypervisors.xen import dom0
from tests.hypervisors.xen.host import start, trials_disk
from tests.hypervisors.xen.results import TRIALS, USUAL, make
from tests.hypervisors.xen.told import parts_of, row_of

ROOT = Path(__file__).parents[3]
OUT = ROOT / "out" / "hypervisors" / "xen"
_START = 900  #: seconds; on an idle machine a fifth of it
_NOT_SHOWN = (
    "Xen ran under QEMU's emulation of an AMD processor, not on one",
    "no XenServer or XCP-ng: the XVA was unpacked by a script of the tests, xapi never read it",
    "UEFI, Windows, several processors, PCI devices of the host",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the trials that are asked for, all but HVM by default."""
    parser = argparse.ArgumentParser(prog="tests.hypervisors.xen")
    parser.add_argument("--only", default=",".join(USUAL))
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args(arguments)
    out: Path = asked.out.resolve()
    names = [name for name in TRIALS if name in asked.only.split(",")]
    out.mkdir(parents=True, exist_ok=True)
    host = dom0.build()
    with tempfile.TemporaryDirectory(prefix=".work-", dir=out) as work:
        folder, image = Path(work) / "trials", Path(work) / "trials.img"
        make(Path(work), folder, names)
        trials_disk(folder, image)
        shutil.rmtree(folder)
        seconds = _START + sum(TRIALS[name].seconds for name in names)
        said, took = start(host, image, out, seconds=seconds, told=_tell)
    parts = dict(parts_of(said))
    for name, text in parts.items():
        (out / f"{name}.log").write_text(text)
    rows = tuple(
        row_of(name, TRIALS[name].title, parts.get(name, ""), fails=not TRIALS[name].adapted)
        for name in names
    )
    verdict = Verdict(
        hypervisor="Xen",
        made=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        versions=_versions(said),
        rows=rows,
        not_shown=_NOT_SHOWN,
    )
    write(verdict, out)
    sys.stdout.write(
        f"\n{table(rows)}\n{len(rows)} guests, {sum(not r.passed for r in rows)} wrong,"
    )
    sys.stdout.write(f" {took:.0f} s\n")
    return int(not verdict.passed)


def _tell(line: str) -> None:
    if line.startswith("dom0: ") and not line.startswith("dom0: |"):
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
        sys.stdout.flush()


def _versions(said: str) -> dict[str, str]:
    """Return what ``xl info`` said of Xen and dom0's kernel, and QEMU's version."""
    known = dict(re.findall(r"^dom0: \| (\w+) +: (.*?)\r?$", said, re.MULTILINE))
    found = {"Xen": known.get("xen_version", ""), "dom0": known.get("release", "")}
    return found | {"QEMU": version("qemu-system-x86_64", "--version")}


if __name__ == "__main__":
    sys.exit(main())
