"""Test disks: seeded content, and qemu-img as the judge."""

import random
import subprocess

from kensho.disks import FORMATS, copy_disk, create_disk, open_disk
from kensho.storage import MemorySink, MemorySource

KIB, MIB = 1 << 10, 1 << 20
# Disks with sectors of 4096 bytes have tests of their own: QEMU does not read them.
WRITERS = [(d.name, sub) for d in FORMATS for sub in d.writers if not sub.endswith("-4kn")]
QEMU_NAMES = {"vhd": "vpc"}


def open_bytes(data, **options):
    return open_disk(MemorySource(data), **options)


def make_content(size, pieces, seed=1):
    """Return ``size`` bytes, zero but for ``pieces`` of (offset, length)."""
    rng = random.Random(seed)
    data = bytearray(size)
    for offset, length in pieces:
        fits = max(0, min(length, size - offset))
        text = (b"%08x" % rng.getrandbits(32)) * (fits // 16 + 1)
        data[offset : offset + fits] = text[: fits // 2] + rng.randbytes(fits - fits // 2)
    return bytes(data)


def make_disk(content, fmt, subformat=None, *, threads=2, root=False, **options):
    """Return the bytes of a disk in format ``fmt`` with ``content``."""
    sink = MemorySink()
    reader = open_disk(MemorySource(content), format="raw")
    writer = create_disk(fmt, subformat, sink, len(content), identity=b"test", **options)
    copy_disk(reader, writer, threads=threads, root=root)
    return bytes(sink.data)


def read_all(reader):
    buffer = bytearray(reader.virtual_size)
    reader.read_into(0, buffer)
    return bytes(buffer)


class Qemu:
    def __init__(self, folder):
        self.folder = folder
        self._n = 0

    def path(self, suffix=""):
        self._n += 1
        return self.folder / f"q{self._n}{suffix}"

    def run(self, *args):
        done = subprocess.run(["qemu-img", *map(str, args)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def io(self, path, *commands, fmt="raw"):
        args = [part for command in commands for part in ("-c", command)]
        return subprocess.run(
            ["qemu-io", "-f", fmt, *args, path], capture_output=True, text=True
        ).stdout

    def raw(self, content):
        path = self.path(".raw")
        path.write_bytes(content)
        return path

    def convert(self, content, fmt, options=None, *more):
        """Return the path of a disk qemu-img made of ``content``."""
        out = self.path("." + fmt)
        extra = ["-o", options] if options else []
        self.run("convert", "-f", "raw", "-O", fmt, *extra, *more, self.raw(content), out)
        return out

    def judge(self, path, fmt, content, *, check=True):
        """Assert that qemu sees ``content`` in ``path`` and nothing wrong with it."""
        padded = content + bytes(-len(content) % 512)
        out = self.run("compare", "-f", fmt, "-F", "raw", path, self.raw(padded))
        assert "identical" in out
        assert "Warning" not in out
        if check:
            self.run("check", "-f", fmt, path)
