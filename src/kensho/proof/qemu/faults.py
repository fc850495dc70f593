"""A disk that notes which of its reads fail: a guest is told of an input/output error, and not why."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from kensho.disks.base import DiskReader
from kensho.disks.through import ThroughDisk
from kensho.model.errors import CorruptError, KenshoError
from kensho.model.extent import Extent
from kensho.storage.base import WriteBuffer

_MOST = 20


class Faults:
    """What could not be read of a machine's disks, in words, the first of it. Any thread may add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, None] = {}

    def add(self, disk: str, offset: int, error: Exception) -> None:
        """Note that a read of a disk failed; ``offset`` is in bytes of what the guest sees."""
        said = error.message if isinstance(error, KenshoError) else str(error)
        with self._lock:
            if len(self._seen) < _MOST:
                self._seen[f"{disk} at offset {offset:#x}: {said[:200]}"] = None

    @property
    def seen(self) -> tuple[str, ...]:
        """Each of them once, in order of time."""
        with self._lock:
            return tuple(self._seen)


class NotingDisk(ThroughDisk):
    """A `DiskReader` that is another, and notes its errors. That stays the caller's."""

    def __init__(self, below: DiskReader, name: str, faults: Faults) -> None:
        super().__init__(below)
        self._name = name
        self._faults = faults

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield what the range holds."""
        try:
            yield from self._below.extents(start, end)
        except (KenshoError, OSError) as error:
            self._fail(start, error)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset`` on; CorruptError for whatever hinders that."""
        try:
            self._below.read_into(offset, buffer)
        except (KenshoError, OSError) as error:
            self._fail(offset, error)

    def _fail(self, offset: int, error: KenshoError | OSError) -> None:
        self._faults.add(self._name, offset, error)
        if isinstance(error, KenshoError):
            raise error
        raise CorruptError(f"cannot be read: {error.strerror}", offset=offset) from error
