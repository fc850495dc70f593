"""Verbs on a file system that is too small: what they say, and what they leave."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.small_guest import guest_disk
from tests.images import raw_disk

_SIZE = 8192  #: KiB
_SCRIPT = """
mount -t tmpfs -o size=$1k small "$2" || exit 99
head -c $3 /dev/zero > "$2/fill"
shift 3
"$@" 2>&1
code=$?
ls -A "$OUT"
exit $code
"""


def _in_a_small_folder(folder: Path, free: int, *arguments: object) -> tuple[int, str]:
    """Run kensho where ``folder`` has ``free`` KiB of room: exit code, what it said, names left."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    folder.mkdir()
    command = (
        "unshare", "--mount", "--map-root-user", "sh", "-c", _SCRIPT, "sh",
        _SIZE, folder, (_SIZE - free) * 1024, sys.executable, "-m", "kensho", *arguments,
    )  # fmt: skip
    done = subprocess.run(
        [str(word) for word in command],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": ":".join(sys.path), "OUT": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip("mounts of our own are not allowed here")
    return done.returncode, done.stdout


@pytest.mark.parametrize("free", [40, 400, 900])
def test_a_guest_is_not_called_damaged_for_want_of_room(tmp_path: Path, free: int) -> None:
    disk = guest_disk(tmp_path, boot=True)
    small = tmp_path / "small"
    code, said = _in_a_small_folder(
        small, free, "adapt", disk, "--for", "kvm,hyperv", "-o", small / "x.qcow2"
    )
    assert code == 14, said
    assert "KE-301" in said
    assert str(small) in said
    assert said.splitlines()[-1] == "fill"


def test_a_disk_without_room_is_named(tmp_path: Path) -> None:
    disk = raw_disk(tmp_path / "a.img", pieces=80)
    small = tmp_path / "small"
    code, said = _in_a_small_folder(small, 400, "disk", "convert", disk, small / "x.qcow2")
    assert code == 14, said
    assert f"KE-301: {small}/x.qcow2: " in said
    assert said.splitlines()[-1] == "fill"
