"""Mounts and swap as units of systemd: the words change, and the names where systemd wants it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kensho.guest.linux.adapt.boot.units import plan_units
from kensho.guest.linux.adapt.guest import LinuxGuest
from tests.guest.images_of import run, tool
from tests.guest.linux.adapt.boot.machines import (
    DATA,
    ROOT,
    SWAP,
    Part,
    guest_on,
    make_disk,
    root,
    tree_of,
)  # fmt: skip
from tests.guest.linux.adapt.making import codes, plant

UNITS = "etc/systemd/system"
MOUNT = "[Unit]\nDescription=data\n\n[Mount]\nWhat = /dev/sda3\nWhere=/srv/da-ta\nType=ext4\n"
WANTED = "\n[Install]\nWantedBy=swap.target\n"
SWAPPED = f"[Swap]\nWhat=/dev/sda2\nPriority=5\n{WANTED}"


def guest_with(folder: Path, *more: Path, **files: str) -> LinuxGuest:
    tree = tree_of(folder, etc__fstab="/dev/sda1 / ext4 a 0 1\n")
    plant(tree, files)
    return guest_on(
        make_disk(folder, root(tree), Part("swap"), Part("ext4", uuid=DATA), label="dos"), *more
    )


def test_a_mount_and_swap(tmp_path: Path) -> None:
    unit = "srv-da\\x2dta.mount"
    guest = guest_with(tmp_path, **{
        f"{UNITS}/{unit}": MOUNT,
        f"{UNITS}/dev-sda2.swap": SWAPPED,
        f"{UNITS}/swap.target.wants/dev-sda2.swap": f"->/{UNITS}/dev-sda2.swap",
        f"{UNITS}/tmp.mount": "->/dev/null",
        f"{UNITS}/stays.mount": f"[Mount]\nWhat=/dev/disk/by-uuid/{ROOT}\n",
    })  # fmt: skip
    plan_units(guest)
    link = f"/dev/disk/by-uuid/{SWAP}"
    name = run("systemd-escape", "--path", "--suffix=swap", link).strip()
    found = {edit.path: edit for edit in guest.draft.edits}
    assert set(found) == {
        f"/{UNITS}/{unit}", f"/{UNITS}/{name}", f"/{UNITS}/dev-sda2.swap",
        f"/{UNITS}/swap.target.wants/{name}", f"/{UNITS}/swap.target.wants/dev-sda2.swap",
    }  # fmt: skip
    assert (
        found[f"/{UNITS}/{unit}"].content
        == MOUNT.replace("/dev/sda3", f"/dev/disk/by-uuid/{DATA}").encode()
    )
    assert found[f"/{UNITS}/{name}"].content == SWAPPED.replace("/dev/sda2", link).encode()
    assert found[f"/{UNITS}/swap.target.wants/{name}"].target == f"/{UNITS}/{name}"
    assert found[f"/{UNITS}/dev-sda2.swap"].content is None
    assert codes(guest.draft) == []
    _verified(tmp_path, {f"{unit}": found[f"/{UNITS}/{unit}"].content,
                         name: found[f"/{UNITS}/{name}"].content})  # fmt: skip


def _verified(folder: Path, units: dict[str, bytes | None]) -> None:
    """Have systemd load them: swap of another name than its device's it does not."""
    for name, content in units.items():
        (folder / name).write_bytes(content or b"")
        told = subprocess.run(
            [tool("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", folder / name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "not match" not in told.stderr
        assert "Failed to" not in told.stderr


@pytest.mark.parametrize("spelt", ["", "Where=/srv\n"])
def test_a_part_of_a_unit(tmp_path: Path, spelt: str) -> None:
    """A drop-in says what is mounted; the place is in the name of the unit at least."""
    path = f"{UNITS}/srv.mount.d/device.conf"
    guest = guest_with(tmp_path, **{path: f"[Mount]\n{spelt}What=/dev/sda3\n"})
    plan_units(guest)
    assert guest.draft.text(f"/{path}").endswith(f"What=/dev/disk/by-uuid/{DATA}\n")


def test_what_is_named_only(tmp_path: Path) -> None:
    other = make_disk(tmp_path, Part("ext4"), Part("ext4"))
    guest = guest_with(tmp_path, other, **{
        f"{UNITS}/srv.mount": "[Mount]\nWhat=/dev/sdc1\nWhere=/srv\n",
        f"{UNITS}/dev-sda2.swap.d/x.conf": "[Swap]\nWhat=/dev/sda2\n",
        f"{UNITS}/backup.service": "[Unit]\nBindsTo=network.target dev-sdb1.device\nAfter=dev-sdb1.device\n",
        f"{UNITS}/fine.service": "[Unit]\nWants=dev-sdb1.device\nRequires=dev-mapper-a\\x2db.device\n",
    })  # fmt: skip
    plan_units(guest)
    assert guest.draft.edits == ()
    assert codes(guest.draft) == ["KF-860"] * 3
    assert {f.subject for f in guest.draft.findings} == {
        f"/{UNITS}/srv.mount", f"/{UNITS}/dev-sda2.swap.d/x.conf", f"/{UNITS}/backup.service"
    }  # fmt: skip
