"""A machine's volumes held in memory: for what is about hives and names, not about file systems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kensho.disks.partition_table import Partition, PartitionTable
from kensho.guest.files.base import Kind, Stat
from kensho.guest.inspect.systems import Opened
from kensho.guest.volumes.detect import Content
from kensho.guest.volumes.scan import Volume, Volumes
from kensho.model.errors import NotFoundError


@dataclass
class Memory:
    """A file system of a dictionary: paths to bytes; names differ in more than case."""

    files: dict[str, bytes]
    kind: str = "vfat"
    root: int = 0
    folds_case: bool = True
    warnings: tuple[str, ...] = ()
    _nodes: list[str] = field(default_factory=lambda: [""])

    def _node(self, path: str) -> int:
        if path not in self._nodes:
            self._nodes.append(path)
        return self._nodes.index(path)

    def stat(self, node: int) -> Stat:
        content = self.files.get(self._nodes[node])
        kind = Kind.DIRECTORY if content is None else Kind.FILE
        return Stat(node, kind, len(content or b""))

    def entries(self, node: int) -> Iterator[tuple[str, int]]:
        above = self._nodes[node] + "/"
        names = {p[len(above) :].partition("/")[0] for p in self.files if p.startswith(above)}
        for name in sorted(names):
            yield name, self._node(above + name)

    def data(self, node: int) -> Iterator[tuple[int, bytes]]:
        yield 0, self.files[self._nodes[node]]

    def target(self, node: int) -> str:
        raise NotFoundError("no link", path=self._nodes[node])

    def xattrs(self, node: int) -> Mapping[str, bytes]:
        del node
        return {}


def machine(*volumes: Memory, types: tuple[str, ...] = (), kinds: tuple[str, ...] = ()) -> Opened:
    """Return the volumes of one MBR disk; ``types`` of partitions and ``kinds`` of content by place."""
    partitions = tuple(
        Partition(n, n << 20, 1 << 20, types[n - 1] if len(types) >= n else "07", "", f"11-{n:02}")
        for n in range(1, max(len(volumes), len(types), len(kinds)) + 1)
    )
    found = tuple(
        Volume(
            f"disk1p{part.number}", part.size,
            Content(kinds[n] if len(kinds) > n else "vfat"), None, part,
        )
        for n, part in enumerate(partitions)
    )  # fmt: skip
    table = PartitionTable("mbr", partitions, "b3eba8f1")
    systems = {v.id: fs for v, fs in zip(found, volumes, strict=False)}
    return Opened(Volumes(found, (table,)), dict(systems))
