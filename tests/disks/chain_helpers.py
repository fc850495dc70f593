"""Chains of disks in memory: what is written into which layer, and what must be read."""

from kensho.disks import copy_disk, create_disk, open_disk
from kensho.disks.base import ParentRef
from kensho.disks.chain_copy import copy_chain
from kensho.model.errors import LocatorError
from kensho.storage import MemorySink, MemorySource


def opener(files):
    """Return a sibling opener for disks in memory, by name."""

    def sibling(name):
        if name not in files:
            raise LocatorError("no such file", path=name)
        return MemorySource(files[name], name)

    return sibling


def open_named(files, name, **options):
    return open_disk(MemorySource(files[name], name), sibling=opener(files), **options)


class Written:
    """A child disk as its writer must be told: ``writes`` are (offset, bytes)."""

    def __init__(self, size, writes):
        self.content = bytearray(size)
        self.mask = bytearray(size)
        for at, data in writes:
            self.content[at : at + len(data)] = data
            self.mask[at : at + len(data)] = b"\1" * len(data)

    def over(self, below):
        below = below.ljust(len(self.content), b"\0")
        return bytes(
            c if own else b for c, b, own in zip(self.content, below, self.mask, strict=False)
        )


def random_writes(rng, size, unit):
    """Return some writes of whole units, a third of them zeros."""
    writes = []
    for _ in range(rng.randrange(6)):
        at = rng.randrange(size // unit) * unit
        length = min(rng.choice([1, 2, 5, 40]) * unit, size - at)
        writes.append((at, bytes(length) if rng.random() < 0.34 else rng.randbytes(length)))
    return writes


def keep_chain(disk, fmt, *, child=None, base=None, **options):
    """Copy a chain into memory as a chain of ``fmt``; return the files by name, the top last."""
    sinks = {}

    def make(link, identity):
        name = f"layer{len(sinks)}.{fmt}"
        below = next(reversed(sinks), None)
        sinks[name] = MemorySink()
        parent = ParentRef(below, fmt, identity) if below else None
        return create_disk(
            fmt,
            child if below else base,
            sinks[name],
            link.layer.virtual_size,
            identity=name.encode(),
            parent=parent,
            **options,
        )

    copy_chain(disk, make, threads=2)
    return {name: bytes(sink.data) for name, sink in sinks.items()}


def make_base(content, fmt, subformat=None, **options):
    sink = MemorySink()
    reader = open_disk(MemorySource(content), format="raw")
    writer = create_disk(fmt, subformat, sink, len(content), identity=b"base", **options)
    copy_disk(reader, writer, threads=1)
    return bytes(sink.data)
