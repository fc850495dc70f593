"""Disks of 64 TiB with little in them: opened, mapped and copied in bounded memory."""

import json
import subprocess
import sys

import pytest

SIZE = 64 << 40
PIECE = 256 << 10
PIECES = 64

SCRIPT = """
import json, sys
from kensho.disks import copy_disk, create_disk, open_disk
from kensho.disks.base import ParentRef
from kensho.model.extent import Kind
from kensho.storage import FileSink, FileSource

source, target, fmt, sub, child = sys.argv[1:]
with FileSource(source) as file, FileSink(target) as sink:
    reader = open_disk(file)
    parent = ParentRef("p", fmt, child) if child else None
    writer = create_disk(fmt, sub, sink, reader.virtual_size, parent=parent)
    copy_disk(reader, writer, threads=2)
with FileSource(target) as file:
    from kensho.disks.registry import open_layer
    reader = open_layer(file)
    data = sum(e.length for e in reader.extents() if e.kind is Kind.DATA)
    last = bytearray(16)
    reader.read_into(reader.virtual_size - 16, last)
with open("/proc/self/status") as status:  # ru_maxrss would begin with that of the parent
    peak = next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM"))
print(json.dumps([reader.virtual_size, data, last.decode("latin-1"), peak]))
"""


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    """A QCOW2 of 64 TiB with 64 pieces of 256 KiB, far apart, and its last bytes."""
    from kensho.disks import create_disk
    from kensho.storage import FileSink

    path = tmp_path_factory.mktemp("huge") / "huge.qcow2"
    with FileSink(path) as sink:
        writer = create_disk("qcow2", None, sink, SIZE)
        for n in range(PIECES):
            data = bytes([n + 1]) * PIECE
            writer.commit(writer.encode(SIZE // PIECES * n, memoryview(data)))
        end = bytes((64 << 10) - 16) + b"the end, at last"
        writer.commit(writer.encode(SIZE - len(end), memoryview(end)))
        writer.finish()
    return path


GUID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("fmt", "sub", "child"),
    [
        ("qcow2", "uncompressed", ""),
        ("qcow2", "compressed-zstd", ""),
        ("qcow2", "uncompressed", "-"),
        ("vhdx", "dynamic", ""),
        ("vhdx", "dynamic-4kn", ""),
        ("vhdx", "differencing", GUID),
        ("vdi", "dynamic", ""),
        ("vdi", "differencing", "11" * 16 + ":" + "22" * 16),
    ],
)
def test_64_tib(huge, tmp_path, fmt, sub, child):
    target = tmp_path / f"out.{fmt}"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, huge, target, fmt, sub, child],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    size, data, last, peak = json.loads(done.stdout)
    assert size == SIZE
    assert last == "the end, at last"
    assert PIECES * PIECE <= data <= 128 << 20
    assert peak < 64  # MiB, the interpreter and its libraries included
    target.unlink()
