"""The script that reports, run by real shells on this machine, and its report read."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

import kensho.proof.inside
from kensho.guest.edit.draft import Draft
from kensho.guest.files.tree import GuestFiles
from kensho.proof.inside.plan import plan_report
from kensho.proof.inside.read import read_report
from tests.guest.images_of import ext, files_of

SCRIPT = str(files(kensho.proof.inside).joinpath("report.sh"))


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_it_says_what_the_kernel_says(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    port = tmp_path / "port"
    command = [shell, "sh", SCRIPT] if shell == "busybox" else [shell, SCRIPT]
    environment = os.environ | {"KENSHO_PORT": str(port), "KENSHO_WAIT": "0"}
    subprocess.run(command, env=environment, check=True)
    told = read_report("boot messages\n" + port.read_text() + "login: ")
    assert told is not None
    assert told.kernel == os.uname().release
    assert (
        told.root
        == subprocess.check_output(["findmnt", "-no", "SOURCE", "/"], text=True)
        .strip()
        .partition("[")[0]
    )
    devices = [p.parent for p in Path("/sys/class/net").glob("*/device")]
    assert [nic.name for nic in told.nics] == sorted(p.name for p in devices)
    for nic in told.nics:
        folder = Path("/sys/class/net") / nic.name
        assert nic.mac == (folder / "address").read_text().strip()
        driver = folder / "device/driver"
        if driver.exists():
            assert nic.drivers[0] == driver.resolve().name
    disk = Path("/sys/class/block") / Path(told.root).resolve().name
    if (disk / "device/driver").exists():
        assert told.drivers[0] == (disk / "device/driver").resolve().name


def test_shellcheck_has_nothing_to_say() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    subprocess.run(["shellcheck", "-e", "SC2046,SC2034", SCRIPT], check=True)


def test_only_a_whole_report_counts() -> None:
    half = "kensho-report system kernel=6.1 firmware=bios\r\nkensho-report root source=/dev/sda1 drivers=sd\r\n"
    assert read_report(half) is None
    told = read_report(
        "x\n"
        + half
        + "[ 9.1] kensho-report nic name=a drivers= mac=b state=up address=\nkensho-report end\n"
    )
    assert told is not None
    assert (told.root, told.drivers, told.nics[0].drivers) == ("/dev/sda1", ("sd",), ())
    assert read_report("kensho-report end\n") is None
    assert (
        read_report(
            "kensho-report system kernel=\x1b[31m\nkensho-report root source=x drivers=\nkensho-report end"
        )
        is not None
    )


def draft_of(tmp_path: Path, *files: str) -> Draft:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in files:
        (tree / name).parent.mkdir(parents=True)
        (tree / name).touch()
    return Draft(GuestFiles(files_of(ext(tmp_path / "root.img", tree))), "disk1")


def test_a_guest_of_systemd_starts_it(tmp_path: Path) -> None:
    draft = draft_of(tmp_path, "lib/systemd/systemd")
    assert plan_report(draft)
    paths = {edit.path for edit in draft.edits}
    assert "/usr/local/sbin/kensho-report" in paths
    assert any(path.endswith("multi-user.target.wants/kensho-report.service") for path in paths)


def test_a_guest_without_an_init_that_is_known_is_left_alone(tmp_path: Path) -> None:
    draft = draft_of(tmp_path)
    assert not plan_report(draft)
    assert draft.edits == ()
