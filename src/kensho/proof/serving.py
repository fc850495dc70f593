"""A machine's disks for QEMU, whatever format they are in: served read-only over NBD by kensho itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kensho.disks import DiskReader
from kensho.disks.nbd.protocol import Export
from kensho.disks.nbd.server import NbdServer, listen_unix
from kensho.proof.devices import Drive


@contextmanager
def served(disks: Sequence[DiskReader], folder: Path) -> Iterator[tuple[Drive, ...]]:
    """Serve disks on sockets in ``folder``; several QEMUs may use them at once. Nothing is written."""
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(_served(disk, folder / f"disk{number}"))
            for number, disk in enumerate(disks, 1)
        )


@contextmanager
def _served(disk: DiskReader, socket: Path) -> Iterator[Drive]:
    server = NbdServer(listen_unix(str(socket)), Export(disk))
    thread = threading.Thread(target=server.run, name=socket.name)
    thread.start()
    try:
        yield Drive(server.uri, "raw")
    finally:
        server.stop()
        thread.join()
