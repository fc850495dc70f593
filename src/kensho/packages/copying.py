"""Copy and hash sources as they are, in one pass and in constant memory.

Holes stay holes: they are neither read nor written, and hashed from zeros kept here. Without a
digest to compute the kernel copies, and file systems that can share blocks do; with digests a
thread per algorithm hashes one buffer while the next one is read and written.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kensho.disks.kernel_move import KernelMover
from kensho.model.errors import ManifestMismatchError
from kensho.model.extent import Kind
from kensho.storage.base import KernelFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from kensho.storage.base import ByteSink, ByteSource

_CHUNK = 4 << 20
_IN_KERNEL = 64 << 20  # per call, so that progress is seen and Ctrl-C is heard
_ZEROS = bytes(1 << 20)


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
    if sink is None and not hashes:
        done(source.size)
        return {}
    with ExitStack() as stack:
        sunk = None if hashes else _kernel_file(sink)
        mover = None if sunk is None else stack.enter_context(KernelMover(sunk[0]))
        into = at if sunk is None else sunk[1] + at
        runs = [(stack.enter_context(ThreadPoolExecutor(1)), h.update) for h in hashes.values()]

        def update(data: memoryview) -> list[Future[None]]:
            return [pool.submit(run, data) for pool, run in runs]

        buffers = _Buffers(min(_CHUNK, max(1, source.size)))
        for start, length, is_data in _runs(source):
            if not is_data:
                _zeros(length, update if runs else None, done)
                continue
            offset = start
            if mover is not None:
                offset += _move(source, start, length, mover, into + start, done)
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


def check_digests(
    name: str, found: Mapping[str, str], expected: Mapping[str, str], size: int, path: str
) -> None:
    """Raise ManifestMismatchError, naming both, unless what was found is what was expected."""
    for algorithm, value in expected.items():
        if algorithm in found and found[algorithm] != value:
            raise ManifestMismatchError(
                f"{algorithm.upper()} of {name} is {found[algorithm]}, "
                f"the manifest says {value} ({size} bytes hashed)",
                path=path,
                field=name,
            )


def _move(
    source: ByteSource,
    start: int,
    length: int,
    mover: KernelMover,
    into: int,
    on_bytes: Callable[[int], None],
) -> int:
    """Let the kernel copy as much of the range as it will, and return how much that was."""
    file = source.kernel_file()
    done = 0
    while file is not None and done < length:
        part = min(_IN_KERNEL, length - done)
        moved = mover.move(file[0], file[1] + start + done, part, into + done, source.name)
        done += moved
        on_bytes(moved)
        if moved < part:
            break
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
