"""Volume groups made by LVM's own tools, without device-mapper: what lvs says is what is mapped."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kensho.disks import open_disk
from kensho.guest.volumes.scan import scan
from kensho.storage import FileSource
from tests.guest.images_of import MIB, run, tool

CONFIG = """devices {{ filter=["a|^{0}$|", "a|^{1}$|", "r|.*|"]
 use_devicesfile=0
 obtain_device_list_from_udev=0
 external_device_info_source="none" }}
global {{ use_lvmpolld=0
 locking_dir="{2}/lock" }}
activation {{ monitoring=0
 udev_sync=0
 udev_rules=0 }}
backup {{ backup=0
 archive=0 }}
"""


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[tuple[str, str]]:
    tool("lvm")
    if os.geteuid() != 0:
        pytest.skip("loop devices need root")
    made: list[str] = []
    try:
        for name in ("a", "b"):
            path = tmp_path / name
            path.write_bytes(b"")
            os.truncate(path, 64 * MIB)
            made.append(run("losetup", "--find", "--show", path).strip())
        yield made[0], made[1]
    finally:
        for device in made:
            subprocess.run(["losetup", "--detach", device], check=True)


def test_linear_and_striped(
    devices: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lvm.conf").write_text(CONFIG.format(*devices, tmp_path))
    monkeypatch.setenv("LVM_SYSTEM_DIR", str(tmp_path))
    monkeypatch.setenv("LVM_SUPPRESS_FD_WARNINGS", "1")

    def lvm(*words: str) -> str:
        return run("lvm", words[0], "--driverloaded", "n", *words[1:])

    idle = ("-an", "-Zn", "-Wn")
    lvm("pvcreate", *devices)
    lvm("vgcreate", "vg-x", *devices)
    lvm("lvcreate", *idle, "-L", "12M", "-n", "root-a", "vg-x")
    lvm("lvcreate", *idle, "-L", "8M", "-n", "swap", "vg-x")
    lvm("lvextend", "-L", "+20M", "vg-x/root-a", devices[0])
    lvm("lvcreate", *idle, "-i2", "-I64k", "-L", "16M", "-n", "stripe", "vg-x")
    for name, device in zip(("a", "b"), devices, strict=True):
        # a word in each mebibyte that says where it is
        with Path(device).open("r+b", buffering=0) as file:
            for at in range(2, 64):
                file.seek(at * MIB)
                file.write(f"{name}{at:02}".encode())
    found = scan([open_disk(FileSource(device)) for device in devices])
    views = {v.id: v.view for v in found.volumes if v.view is not None}
    told = lvm("lvs", "--segments", "--noheadings", "-o", "lv_name,seg_start_pe,seg_pe_ranges")
    checked = 0
    for line in told.splitlines():
        name, start, *ranges = line.split()
        view = views[f"vg-x/{name}"]
        place, _, extents = ranges[0].rpartition(":")
        first = int(extents.partition("-")[0])
        letter = "ab"[devices.index(place)]
        at = 1 + first * 4  # the first extent is at 1 MiB
        if at > 1:
            assert view.read(int(start) * 4 * MIB, 3) == f"{letter}{at:02}".encode()
            checked += 1
        if len(ranges) == 2:  # the second 64 KiB are on the other disk's first extent
            assert view.read(MIB * 2, 3) == f"{letter}{at + 1:02}".encode()
            assert view.read(MIB * 2 + 65536, 3) == b"b02"
    assert checked == 3
    assert found.find("vg-x/swap") is not None
