"""The command stays within 64 MiB with two threads, for any pair and any size of the disk."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from kensho.disks import create_disk, open_disk
from kensho.storage import FileSink, FileSource

MIB = 1 << 20
LIMIT = 64 * MIB
HUGE = 64 << 40

# The command as `kensho` runs it, which then tells its peak: ru_maxrss would begin with that of
# the process that started it.
CHILD = """
import sys
from kensho.cli.exits import run
code = run(sys.argv[1:])
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM")))
sys.exit(code)
"""


def peak(*arguments: object) -> int:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """48 MiB of text and noise in 1 GiB as raw, VMDK stream and QCOW2; 64 TiB with far pieces."""
    folder = tmp_path_factory.mktemp("memory")
    rng = random.Random(1)
    raw = folder / "in.raw"
    with FileSink(raw) as sink:
        sink.truncate(1 << 30)
        for n in range(12):
            sink.write_at(n * 80 * MIB, rng.randbytes(2 * MIB) + b"kensho, " * (MIB // 4))
    found = {"raw": raw}
    for suffix, fmt, sub in (("vmdk", "vmdk", None), ("qcow2", "qcow2", "compressed-zstd")):
        found[suffix] = folder / f"in.{suffix}"
        command = ["disk", "convert", raw, found[suffix], "--to", fmt]
        assert peak(*command, *(["--subformat", sub] if sub else [])) < LIMIT
    for suffix in ("huge.qcow2", "huge.vhdx"):
        found[suffix] = folder / suffix
        with FileSink(found[suffix]) as sink:
            writer = create_disk(suffix.split(".")[1], None, sink, HUGE)
            for n in range(64):
                writer.commit(writer.encode(HUGE // 64 * n, memoryview(bytes([n + 1]) * 65536)))
            writer.finish()
    huge = folder / "huge.raw"
    try:
        with FileSink(huge) as sink:
            sink.truncate(15 << 40)  # ext4's limit is 16 TiB
            for n in range(64):
                sink.write_at((15 << 40) // 64 * n, bytes([n + 1]) * 65536)
        found["huge.raw"] = huge
    except OSError:
        huge.unlink(missing_ok=True)
    return found


TARGETS = [
    ("raw", "sparse"),
    ("qcow2", "uncompressed"),
    ("qcow2", "compressed-zstd"),
    ("vhdx", "dynamic"),
    ("vmdk", "streamOptimized"),
]


@pytest.mark.parametrize(
    ("source", "target"), [*itertools.product(("raw", "vmdk", "qcow2"), TARGETS)]
)
def test_any_pair(
    inputs: dict[str, Path], tmp_path: Path, source: str, target: tuple[str, str]
) -> None:
    fmt, sub = target
    hashed = ["--hash"] if fmt == "vhdx" else []
    out = tmp_path / "out"
    command = ["disk", "convert", inputs[source], out, "--to", fmt, "--subformat", sub]
    assert peak(*command, "--threads", 2, *hashed) < LIMIT


@pytest.mark.parametrize("source", ["huge.qcow2", "huge.vhdx", "huge.raw"])
@pytest.mark.parametrize("target", [("qcow2", "uncompressed"), ("vhdx", "dynamic")])
def test_any_size(
    inputs: dict[str, Path], tmp_path: Path, source: str, target: tuple[str, str]
) -> None:
    if source not in inputs:
        pytest.skip("the file system has no files so large")
    out = tmp_path / "out"
    fmt, sub = target
    command = ["disk", "convert", inputs[source], out, "--to", fmt, "--subformat", sub]
    assert peak(*command, "--threads", 2) < LIMIT
    with FileSource(inputs[source]) as a, FileSource(out) as b:
        one, other = open_disk(a), open_disk(b)
        assert one.virtual_size == other.virtual_size
        mine, theirs = bytearray(16), bytearray(16)
        at = one.virtual_size // 64 * 63
        one.read_into(at, mine)
        other.read_into(at, theirs)
        assert mine == theirs == bytes([64]) * 16
    os.truncate(out, 0)
