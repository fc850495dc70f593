"""A guest looked into and adapted: kensho, and beside it libguestfs and virt-v2v of Debian.

    .venv/bin/python bench/guests.py [--image GUEST.img] [--runs 5] [--peers] [--v2v]

Without ``--image`` the demo's Debian is taken (built once). ``--peers`` runs what libguestfs does in
the same time: inspection, and a new initramfs made by the guest's own program in its appliance;
``--v2v`` a whole conversion toward KVM, which takes minutes without hardware virtualisation. Both need
Debian's libguestfs-tools, virt-v2v and nbdkit, with a kernel for the appliance (linux-image-amd64). What
`kensho check` still objects to in the adapted guest is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

from measuring import KENSHO, Machine, Spawner, Usage, data_ranges, demo, medians, warm

_NOT_EVERYWHERE = 10  #: `kensho check`: a kernel does not start on a target
#: KVM is not to be trusted where a stock kernel does not start on it, and the appliance hangs then.
PEER = {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}


def main() -> None:
    """Run what is asked for and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--image", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--v2v", action="store_true")
    arguments = parser.parse_args()
    image = arguments.image or demo()
    os.environ.update(PEER)
    with tempfile.TemporaryDirectory(dir=image.parent, prefix=".bench-") as folder:
        beside_it = Path(folder) / image.name  # an overlay is read beside its disk alone
        os.link(image.resolve(), beside_it)
        bench(beside_it, Path(folder), arguments)


def bench(image: Path, folder: Path, arguments: argparse.Namespace) -> None:
    """Run all in turn; the image is warm, and nothing writes to it."""
    spawner, machine = Spawner(folder / "bytecode"), Machine()
    warm(image)
    size = sum(end - start for start, end in data_ranges(image))
    print(f"{image.name}: {size >> 20} MiB of data in {image.stat().st_size >> 20} MiB", flush=True)
    overlay = folder / "adapted.qcow2"
    ours = {
        "inspect --deep": [KENSHO, "inspect", "--deep", str(image), "--json"],
        "check --for all": [KENSHO, "check", str(image), "--json"],
        "adapt --for all": [KENSHO, "adapt", str(image), "-o", str(overlay)],
        "adapt --no-roots": [KENSHO, "adapt", "--no-roots", str(image), "-o", str(overlay)],
    }
    found = {
        name: median(spawner, command, arguments.runs, overlay) for name, command in ours.items()
    }
    for name, usage in found.items():
        print(f"kensho {name}: {words(usage)}", flush=True)
    print(f"  overlay: {overlay.stat().st_blocks * 512 / (1 << 20):.1f} MiB", flush=True)
    starts_everywhere(overlay)
    if arguments.peers:
        inspected = median(spawner, ["virt-inspector", "-a", str(image)], 1, overlay)
        print(
            f"virt-inspector: {words(inspected)}; {ratio(inspected, found['inspect --deep'])}",
            flush=True,
        )
        beside(spawner, image, folder, found["adapt --for all"])
    if arguments.v2v:
        command = [
            "virt-v2v",
            "-i",
            "disk",
            str(image),
            "-o",
            "local",
            "-os",
            str(folder),
            "-of",
            "qcow2",
        ]
        converted = median(spawner, command, 1, overlay)
        print(
            f"virt-v2v, to KVM alone: {words(converted)}; {ratio(converted, found['adapt --for all'])}",
            flush=True,
        )
    print(f"the machine was idle for {machine.idle()} % of the time", flush=True)


def beside(spawner: Spawner, image: Path, folder: Path, ours: Usage) -> None:
    """Let the guest make its initramfs anew in libguestfs' appliance, over an overlay."""
    work = folder / "guestfs.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image, work], check=True
    )
    remade = median(
        spawner,
        ["guestfish", "--rw", "--format=qcow2", "-a", str(work), "-i", "sh", "update-initramfs -u"],
        1, work.with_suffix(".none"),
    )  # fmt: skip
    print(f"update-initramfs in libguestfs: {words(remade)}; {ratio(remade, ours)}", flush=True)


def median(spawner: Spawner, command: list[str], runs: int, made: Path) -> Usage:
    """Run a command; what it made is taken away but for the last time."""
    usages = []
    for _ in range(runs):
        made.unlink(missing_ok=True)
        made.with_suffix(".changes").unlink(missing_ok=True)
        usages.append(spawner.run(command, fine=(0, _NOT_EVERYWHERE)))
    return medians(usages)


def starts_everywhere(overlay: Path) -> None:
    """Print the kernels that would not find their disk on a target: they lack a driver altogether."""
    told = subprocess.run(
        [KENSHO, "check", overlay, "--json"], check=False, capture_output=True, text=True
    )
    for verdict in json.loads(told.stdout)["verdicts"]:
        if verdict["starts"] is not True:
            print(f"  {verdict['kernel']} does not start on {verdict['target']}")


def words(usage: Usage) -> str:
    """Return what a run took."""
    return f"{usage.wall:.2f} s wall, {usage.cpu:.2f} s CPU, {usage.rss:.0f} MiB"


def ratio(theirs: Usage, ours: Usage) -> str:
    """Return how many times longer theirs took."""
    return f"{theirs.wall / ours.wall:.0f} times our wall time, {theirs.cpu / ours.cpu:.0f} times our CPU"


if __name__ == "__main__":
    main()
