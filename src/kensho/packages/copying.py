"""Copy and hash sources as they are, in one pass and in constant memory.

Holes stay holes: they are neither read nor written, and hashed from zeros kept here. Without a
digest to compute the kernel copies, and file systems that can share blocks do; with digests a
thread per algorithm hashes one buffer while the next one is read and written.
"""

from __future__ import annotations

import errno
import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kensho.model.errors import NoSpaceError, TruncatedError
from kensho.model.extent import Kind
from kensho.storage.base import KernelFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kensho.storage.base import ByteSink, ByteSource

_CHUNK = 4 << 20
_IN_KERNEL = 64 << 20  # per call, so that progress is seen and Ctrl-C is heard
_ZEROS = bytes(1 << 20)
_CANNOT = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
)


def copy_source(
    source: ByteSource,
    sink: ByteSink | None,
    at: int = 0,
    *,
    algorithms: Iterable[str] = (),
    on_bytes: Callable[[int], None] | None = None,
) -> dict[str, str]:
    """Write all of ``source`` from ``at`` on and return its digests, lowercase hexadecimal.

    The sink's bytes there have never been written. Without a sink the bytes are only hashed.
    ``algorithms`` are hashlib's names; ``on_bytes`` is called with the bytes done since the last
    call. TruncatedError when the source is shorter than it said.
    """
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in dict.fromkeys(algorithms)}
    done = on_bytes or (lambda _: None)
    sunk = _kernel_file(sink)
    with ExitStack() as stack:
        runs = [(stack.enter_context(ThreadPoolExecutor(1)), h.update) for h in hashes.values()]

        def update(data: memoryview) -> list[Future[None]]:
            return [pool.submit(run, data) for pool, run in runs]

        buffers = _Buffers(min(_CHUNK, max(1, source.size)))
        for start, length, is_data in _runs(source):
            if not is_data:
                _zeros(length, update if runs else None, done)
                continue
            offset = start
            if sink is not None and sunk is not None and not runs:
                offset += copy_in_kernel(source, start, sunk, at + start, length, done)
            while offset < start + length:
                view = buffers.next(start + length - offset)
                source.read_into(offset, view)
                buffers.busy(update(view))
                if sink is not None:
                    sink.write_at(at + offset, view)
                offset += len(view)
                done(len(view))
        buffers.wait()
    return {name: running.hexdigest() for name, running in hashes.items()}


def copy_in_kernel(
    source: ByteSource,
    offset: int,
    sunk: tuple[int, int],
    target: int,
    length: int,
    on_bytes: Callable[[int], None] | None = None,
) -> int:
    """Copy as much of the range as the kernel will and return how much that was.

    ``sunk`` is the sink's file and where its byte 0 lies, ``target`` the place in the sink.
    """
    file = source.kernel_file()
    if file is None:
        return 0
    begin, into = file[1] + offset, sunk[1] + target
    done = 0
    while done < length:
        try:
            moved = os.copy_file_range(
                file[0], sunk[0], min(_IN_KERNEL, length - done), begin + done, into + done
            )
        except OSError as error:
            if error.errno in _CANNOT:
                return done
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise NoSpaceError(f"write failed: {error.strerror}") from None
            raise
        if moved == 0:
            raise TruncatedError("the file became shorter", path=source.name, offset=begin + done)
        done += moved
        if on_bytes is not None:
            on_bytes(moved)
    return done


def _kernel_file(sink: object) -> tuple[int, int] | None:
    return sink.kernel_file() if isinstance(sink, KernelFile) else None


def _runs(source: ByteSource) -> Iterator[tuple[int, int, bool]]:
    """Yield (offset, length, has data) from the first byte to the last, whatever the storage says."""
    position = 0
    for extent in source.extents():
        if extent.kind is not Kind.DATA:
            continue
        if extent.start > position:
            yield position, extent.start - position, False
        yield extent.start, extent.length, True
        position = extent.start + extent.length
    if position < source.size:
        yield position, source.size - position, False


def _zeros(
    length: int,
    update: Callable[[memoryview], list[Future[None]]] | None,
    done: Callable[[int], None],
) -> None:
    """Hash a hole."""
    if update is None:
        done(length)
        return
    while length > 0:
        part = memoryview(_ZEROS)[: min(len(_ZEROS), length)]
        for future in update(part):
            future.result()
        length -= len(part)
        done(len(part))


class _Buffers:
    """Two buffers in turn: one is hashed by threads while the other is filled."""

    __slots__ = ("_all", "_busy", "_turn")

    def __init__(self, size: int) -> None:
        self._all = [memoryview(bytearray(size)) for _ in range(2)]
        self._busy: list[list[Future[None]]] = [[], []]
        self._turn = 0

    def next(self, length: int) -> memoryview:
        """Return a buffer of at most ``length`` bytes that nobody reads any more."""
        self._turn ^= 1
        for future in self._busy[self._turn]:
            future.result()
        return self._all[self._turn][: min(length, len(self._all[0]))]

    def busy(self, futures: list[Future[None]]) -> None:
        """Note who reads the buffer given out last."""
        self._busy[self._turn] = futures

    def wait(self) -> None:
        """Wait until nobody reads any more."""
        for futures in self._busy:
            for future in futures:
                future.result()
