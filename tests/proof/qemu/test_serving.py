"""Disks served to QEMU: nothing goes on when their run is stopped."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kensho.disks import open_disk
from kensho.proof.qemu import serving
from kensho.storage import FileSource


class _Interrupted(threading.Thread):
    """A thread that runs, and whose start is interrupted while it is waited for."""

    def start(self) -> None:
        super().start()
        raise KeyboardInterrupt


def test_a_run_that_is_stopped_while_it_begins_to_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(1 << 20))
    monkeypatch.setattr(serving.threading, "Thread", _Interrupted)
    with FileSource(path) as source:
        disk = open_disk(source, format="raw")
        with pytest.raises(KeyboardInterrupt), serving.served([disk]):
            pass
    assert [t.name for t in threading.enumerate() if isinstance(t, _Interrupted)] == []
