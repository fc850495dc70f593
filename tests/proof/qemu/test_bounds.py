"""What a process may write: the kernel ends it at the bound, and at no other."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest

from kensho.proof.qemu.bounds import bound_files, ended_by_bound, most_written


@pytest.mark.parametrize(("size", "ended"), [(1 << 20, True), (8 << 20, False)])
def test_a_file_that_grows_too_large(tmp_path: Path, size: int, ended: bool) -> None:
    # It waits for a line before it writes, so that its bound is there in time; as QEMU it is told of no signal.
    script = "import sys; sys.stdin.readline(); f = open(sys.argv[1], 'wb')\n"
    script += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
    script += "for _ in range(64): f.write(bytes(1 << 16)); f.flush()\n"
    command = ["python3", "-c", script, tmp_path / "grows"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        bound_files(process.pid, size)
        assert resource.prlimit(process.pid, resource.RLIMIT_CORE)[0] == 0
        process.communicate("go\n")
    assert ended_by_bound(process.returncode) is ended
    assert (tmp_path / "grows").stat().st_size == min(size, 4 << 20)
    assert [path.name for path in tmp_path.iterdir()] == ["grows"]


def test_the_bound_leaves_room(tmp_path: Path) -> None:
    assert 128 << 20 <= most_written(tmp_path) <= 16 << 30
