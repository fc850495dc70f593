"""``kensho disk serve``: a disk for other programs, over NBD."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

from kensho.cli import exits
from kensho.cli.disk.opening import FormatOption, Locator, SnapshotOption, opened_disk, warn
from kensho.cli.flags import Flag, Json
from kensho.cli.render import print_json_line
from kensho.disks import DiskReader
from kensho.disks.nbd import DEFAULT_PORT, Export, NbdServer, listen_tcp, listen_unix
from kensho.disks.overlay import create_overlay, open_overlay
from kensho.disks.overlay.backing import backing_of, demand_backing
from kensho.model.errors import UsageError
from kensho.model.units import format_bytes


def serve(
    disk: Locator,
    /,
    *,
    overlay: Path | None = None,
    port: int | None = None,
    bind: str | None = None,
    socket: Path | None = None,
    export: str = "",
    once: Annotated[bool, Flag] = False,
    format: FormatOption = None,  # noqa: A002
    snapshot: SnapshotOption = None,
    json: Json = False,
) -> int:
    """Serve a disk over NBD until interrupted, read-only or with an overlay for what is written.

    The first line printed is the address to give to qemu, qemu-img or nbdcopy. NBD knows no
    passwords: who reaches the address reads the disk.

    Parameters
    ----------
    disk
        Path, archive.ova#member or URL. It is never changed.
    overlay
        QCOW2 that takes what clients write; made if it is not there.
    port
        TCP port; 10809 by default, 0 for any free one.
    bind
        Address to listen on; 127.0.0.1 by default.
    socket
        Listen on a Unix socket at this path instead.
    export
        Name of the export, which can be left out by clients.
    once
        End when the last client has left.
    json
        Print the address and what is served as one line of JSON.
    """
    if socket is not None and not (port is None and bind is None):
        raise UsageError("--socket goes without --port and --bind")
    if overlay is not None and snapshot is not None:
        raise UsageError("an overlay is based on a disk as it is now, not on a snapshot")
    with opened_disk(disk, format, snapshot) as reader, _over(disk, reader, overlay) as served:
        if socket is not None:
            listener = listen_unix(str(socket))
        else:
            listener = listen_tcp(bind or "127.0.0.1", DEFAULT_PORT if port is None else port)
        server = NbdServer(listener, Export(served, export, f"{disk} ({reader.format})"), once=once)
        with _stopped_by_signals(server):
            _announce(server.uri, disk, reader, overlay, as_json=json)
            server.run()
    return exits.OK


@contextmanager
def _over(locator: str, below: DiskReader, overlay: Path | None) -> Iterator[DiskReader]:
    """Yield the disk below, or the overlay on top of it, which is made if it is not there."""
    if overlay is None:
        yield below
        return
    name, kind = backing_of(locator, below, overlay)
    if not overlay.exists():
        create_overlay(overlay, below.virtual_size, name, kind)
    with closing(open_overlay(overlay, below)) as disk:
        demand_backing(disk.parent.name if disk.parent else "", name, overlay)
        yield disk


@contextmanager
def _stopped_by_signals(server: NbdServer) -> Iterator[None]:
    def stop(*_: object) -> None:
        server.stop()

    endings = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in endings}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(
    uri: str, locator: str, reader: DiskReader, overlay: Path | None, *, as_json: bool
) -> None:
    if as_json:
        facts: dict[str, Any] = {
            "uri": uri,
            "path": locator,
            "format": reader.format,
            "virtual_size": reader.virtual_size,
            "read_only": overlay is None,
            "overlay": None if overlay is None else str(overlay),
            "findings": reader.warnings,
        }
        print_json_line(facts)
        return
    print(uri, flush=True)
    how = "read-only" if overlay is None else f"writes go to {overlay}"
    text = f"{locator}: {reader.format}, {format_bytes(reader.virtual_size)}, {how}"
    print(f"{text}; Ctrl-C ends it", file=sys.stderr)
    warn(reader)
