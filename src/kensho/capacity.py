"""What of this machine kensho and guests may use: processors and memory, within a container's bounds, too.

Spec: Linux' admin-guide/cgroup-v2.rst (cpu.max, memory.max), cgroup-v1/memory.rst and
scheduler/sched-bwc.rst; cgroups(7), proc_pid_mountinfo(5). A group is bounded by those above it, as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

_PROC = Path("/proc")


def processors() -> int:
    """Return how many processors this process may keep busy; at least 1."""
    found = len(os.sched_getaffinity(0))
    for folder in _groups("cpu"):
        quota, period = _quota(folder)
        if quota > 0 and period > 0:
            found = min(found, -(-quota // period))
    return max(found, 1)


def free_memory() -> int:
    """Return the bytes that programs started here can have, what is kept of files included."""
    return max(0, min(_free_in_all(), *map(_free_in, _groups("memory"))))


def _free_in_all() -> int:
    for line in (_PROC / "meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")


def _free_in(folder: Path) -> int:
    """Return the bytes that are left in a group; as good as endless where it has no bound."""
    for most, used, kept in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):  # "max" is no number, and no bound
            free = int((folder / most).read_text()) - int((folder / used).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return free + int(stat.get(kept, "0"))
    return 1 << 62


def _quota(folder: Path) -> tuple[int, int]:
    """Return the microseconds of processors that a group has in so many; 0 where it has no bound."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota), int(period)
    with suppress(OSError, ValueError):
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota, period = ((folder / name).read_text() for name in names)
        return int(quota), int(period)
    return 0, 0


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of the groups this process is in, and of those above, as far as they are seen."""
    with suppress(OSError, ValueError):
        paths: dict[str, str] = {}  # by controllers, none for those of version 2
        for line in (_PROC / "self/cgroup").read_text("utf-8", "replace").splitlines():
            _, names, path = line.split(":", 2)
            paths |= dict.fromkeys(names.split(","), path)
        for line in (_PROC / "self/mountinfo").read_text("utf-8", "replace").splitlines():
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            root, mount = before.split()[3:5]
            if kind == "cgroup2":
                yield from _upwards(Path(mount), root, paths.get("", "/"))
            elif kind == "cgroup" and controller in options.split(","):
                yield from _upwards(Path(mount), root, paths.get(controller, "/"))


def _upwards(mount: Path, root: str, path: str) -> Iterator[Path]:
    """Yield a group's folder, and those above, up to where groups are mounted from ``root``."""
    inside = PurePosixPath(path)
    inside = inside.relative_to(root) if inside.is_relative_to(root) else PurePosixPath()
    if ".." in inside.parts:  # a group outside of what this container sees
        inside = PurePosixPath()
    yield mount / inside
    yield from (mount / above for above in inside.parents)
