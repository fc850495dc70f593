"""A volume shown as a file: what becomes of it when kensho is killed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.guest.images_of import MIB, tool

from kensho.guest.edit.raw_file import TOOLS, usable

#: Reads the file, and is killed while the answer does not come.
_WAITS = """
import sys, time
from pathlib import Path
from kensho.disks import open_disk
from kensho.guest.edit.mounted import apart
from kensho.guest.edit.raw_file import raw_file
from kensho.guest.volumes.scan import scan
from kensho.storage import FileSource

folder = Path(sys.argv[1])
view = scan([open_disk(FileSource(folder / "disk.img"))]).volumes[0].view
with raw_file(view, folder) as raw:
    def no_answer(offset, buffer):
        print(raw.pid, flush=True)
        time.sleep(600)

    raw.scratch.read_into = no_answer
    apart(lambda: raw.seen(raw.path).read_bytes())
"""


def test_a_kill_ends_all_even_when_an_answer_is_waited_for(tmp_path: Path) -> None:
    for program, _ in TOOLS:
        tool(program)
    if usable():
        pytest.skip(usable())
    with (tmp_path / "disk.img").open("wb") as disk:
        disk.truncate(8 * MIB)
    subprocess.run([tool("mke2fs"), "-q", tmp_path / "disk.img"], check=True)
    with subprocess.Popen(
        [sys.executable, "-c", _WAITS, tmp_path], stdout=subprocess.PIPE, text=True
    ) as kensho:
        assert kensho.stdout is not None
        daemon = int(kensho.stdout.readline())
        shown = os.pidfd_open(daemon)
        try:
            kensho.kill()
            assert kensho.wait(60) == -signal.SIGKILL
            ended = select.poll()
            ended.register(shown, select.POLLIN)
            assert ended.poll(60_000)  # the daemon has ended
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(shown, signal.SIGKILL)
            os.close(shown)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text("utf-8")
