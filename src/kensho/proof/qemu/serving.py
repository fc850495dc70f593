"""A machine's disks for QEMU, whatever format they are in: served read-only over NBD by kensho itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kensho.disks import DiskReader
from kensho.disks.nbd.protocol import Export
from kensho.disks.nbd.server import NbdServer, listen_unix
from kensho.proof.qemu.devices import Drive
from kensho.proof.qemu.faults import Faults, NotingDisk
from kensho.proof.qemu.rooms import room


@contextmanager
def served(disks: Sequence[DiskReader]) -> Iterator[tuple[Drive, ...]]:
    """Serve disks; several QEMUs may use them at once. Nothing is written to them.

    ProofError when there is no place for sockets.
    """
    # Not beside the results: a socket's path has to be short.
    with ExitStack() as stack:
        folder = stack.enter_context(room("kensho-nbd-"))
        yield tuple(
            stack.enter_context(_served(disk, folder / f"disk{number}"))
            for number, disk in enumerate(disks, 1)
        )


@contextmanager
def _served(disk: DiskReader, socket: Path) -> Iterator[Drive]:
    faults = Faults()
    noting = NotingDisk(disk, socket.name, faults)
    server = NbdServer(listen_unix(str(socket)), Export(noting))
    thread = threading.Thread(target=server.run, name=socket.name)
    try:
        thread.start()  # in here: Ctrl-C may come while it waits for the thread, which runs then
        yield Drive(server.uri, "raw", faults=faults)
    finally:
        server.stop()
        if thread.is_alive():
            thread.join()
