"""What guests may use: files as Linux writes them for containers, of both versions of its groups."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kensho import capacity

GIB = 1 << 30
Made = Callable[..., Path]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a function that makes /proc and groups; it returns the folder of the groups."""

    def make(groups: str, mounts: str, files: dict[str, str]) -> Path:
        proc, root = tmp_path / "proc", tmp_path / "groups"
        (proc / "self").mkdir(parents=True)
        (proc / "meminfo").write_text("MemTotal: 67108864 kB\nMemAvailable: 33554432 kB\n")
        (proc / "self/cgroup").write_text(groups)
        (proc / "self/mountinfo").write_text(mounts.replace("GROUPS", str(root)))
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        monkeypatch.setattr(capacity, "_PROC", proc)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
        return root

    return make


V2 = "30 23 0:26 / GROUPS rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:27 /docker/x GROUPS/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 23 0:28 /docker/x GROUPS/memory rw - cgroup cgroup rw,memory\n"
)


def test_without_bounds_it_is_the_machines(host: Made) -> None:
    host("0::/\n", V2, {"memory.stat": "anon 1\n"})
    assert (capacity.processors(), capacity.free_memory()) == (64, 32 * GIB)


def test_a_mount_whose_name_is_no_text_hides_no_bound(host: Made) -> None:
    root = host("0::/\n", V2, {"cpu.max": "100000 100000\n"})
    mounts = root.parent / "proc/self/mountinfo"
    odd = b"29 23 0:25 / /mnt/\xff rw - tmpfs tmpfs rw\n"
    mounts.write_bytes(odd + mounts.read_bytes())
    assert capacity.processors() == 1


def test_a_group_and_those_above_it_bound_both(host: Made) -> None:
    host("0::/pod/one\n", V2, {
        "pod/one/memory.max": "max\n", "pod/one/memory.current": "1\n",
        "pod/one/cpu.max": "max 100000\n",
        "pod/memory.max": f"{4 * GIB}\n", "pod/memory.current": f"{3 * GIB}\n",
        "pod/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
        "pod/cpu.max": "150000 100000\n",
    })  # fmt: skip
    assert capacity.processors() == 2  # one and a half
    assert capacity.free_memory() == GIB + GIB // 2


def test_the_first_version_as_a_container_sees_it(host: Made) -> None:
    groups = "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n0::/\n"
    host(groups, V1, {
        "memory/memory.limit_in_bytes": f"{2 * GIB}\n", "memory/memory.usage_in_bytes": f"{GIB}\n",
        "memory/memory.stat": "total_inactive_file 4096\n",
        "cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n",
    })  # fmt: skip
    assert (capacity.processors(), capacity.free_memory()) == (4, GIB + 4096)


def test_more_than_is_allowed_is_used_already(host: Made) -> None:
    host("0::/../elsewhere\n", V2, {
        "memory.max": "4096\n", "memory.current": "8192\n", "memory.stat": "", "cpu.max": "1000 100000\n",
    })  # fmt: skip
    assert (capacity.processors(), capacity.free_memory()) == (1, 0)


def test_here() -> None:
    assert 1 <= capacity.processors() <= (os.cpu_count() or 1)
    assert capacity.free_memory() > 0
