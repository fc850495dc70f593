"""e2fsprogs' debugfs and e2fsck as processes, given an image of ours and a fixed time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from kensho.model.errors import CorruptError, NoSpaceError, ToolMissingError

_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
_SECONDS = 600
_LEAST_ROOM = 1 << 20  #: neither program says why a write of its own failed
_BANNER = re.compile(r"^debugfs \d|^Allocated inode: \d+$")
_DAMAGED = "run e2fsck in the guest, or on a copy of its disk, and try again"


def check(image: Path, name: str, now: str) -> None:
    """Raise CorruptError unless e2fsck finds nothing wrong; the image stays as it is."""
    code, said = _e2fsck(image, "-n", name, now)
    if code:
        _demand_room(image)
        raise CorruptError(
            f"e2fsck finds the file system damaged: {said}", path=name, hint=_DAMAGED
        )


def repair(image: Path, how: str, name: str, now: str) -> None:
    """Let e2fsck put right what it can: ``-p`` what is safe, ``-y`` all; CorruptError if it cannot."""
    code, said = _e2fsck(image, how, name, now)
    if code not in {0, 1}:
        _demand_room(image)
        raise CorruptError(
            f"e2fsck cannot repair the file system: {said}", path=name, hint=_DAMAGED
        )


def is_clean(image: Path, name: str, now: str) -> bool:
    """Tell whether e2fsck finds nothing wrong."""
    return _e2fsck(image, "-n", name, now)[0] == 0


def debugfs(image: Path, lines: Iterable[str], name: str, now: str) -> None:
    """Run debugfs' commands; NoSpaceError when the file system is full, CorruptError for the rest.

    Relative names of files outside are those of the image's folder.
    """
    text = "".join(f"{line}\n" for line in lines)
    run = _run([_tool("debugfs"), "-w", "-f", "-", image.name], image.parent, name, now, text)
    # It ends with 0 whatever happened, and says so on its standard error.
    said = [line for line in run.stderr.splitlines() if line and not _BANNER.match(line)]
    if any("Could not allocate" in line or "No free space" in line for line in said):
        raise NoSpaceError(f"the guest's file system {name} is full", hint="make room in the guest")
    if run.returncode or said:
        _demand_room(image)
        raise CorruptError(f"debugfs: {' '.join(said)[:300]}", path=name)


def _demand_room(image: Path) -> None:
    """Raise NoSpaceError where the image itself had no room: what is wrong with it is no damage then."""
    room = shutil.disk_usage(image.parent).free
    if room < _LEAST_ROOM:
        raise NoSpaceError(
            f"{room} bytes are free, too little to change {image.name}", path=image.parent
        )


def _e2fsck(image: Path, how: str, name: str, now: str) -> tuple[int, str]:
    run = _run([_tool("e2fsck"), "-f", how, image.name], image.parent, name, now)
    return run.returncode, " ".join(run.stdout.split())[-300:]


def _tool(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise ToolMissingError(f"{name} is not installed", hint="apt-get install e2fsprogs")
    return found


def _run(
    command: list[str], folder: Path, name: str, now: str, text: str = ""
) -> subprocess.CompletedProcess[str]:
    # The time is the file system's own, so that the same edits make the same bytes.
    environment = {"PATH": _PATH, "LC_ALL": "C", "E2FSPROGS_FAKE_TIME": now, "E2FSCK_TIME": now}
    try:
        return subprocess.run(
            command, cwd=folder, input=text, capture_output=True, encoding="utf-8",
            errors="surrogateescape", env=environment, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise CorruptError(f"{command[0]} did not end", path=name) from error
