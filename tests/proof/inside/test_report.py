"""The script that reports, run by real shells on this machine, and its report read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kensho.proof.inside
from kensho.guest.edit.draft import Draft
from kensho.guest.files.tree import GuestFiles
from kensho.proof.inside.plan import plan_report
from kensho.proof.inside.read import Inside, NicSeen, Reports, cksum, read_report
from kensho.proof.watch.serial import REPORT, SerialWatch
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


def test_the_checksum_is_that_of_cksum() -> None:
    for data in (b"", b"a", b"kensho-report", bytes(range(256)) * 9):
        told = subprocess.run(["cksum"], input=data, capture_output=True, check=True).stdout
        assert cksum(data) == int(told.split()[0])


def said(*lines: str) -> list[str]:
    """Return lines as the script says them."""
    whole = cksum("\n".join(lines).encode())
    bodies = [f"{whole} {n}/{len(lines)} {line}" for n, line in enumerate(lines, 1)]
    return [f"kensho-report {cksum(body.encode())} {body}" for body in bodies]


SYSTEM = "system kernel=6.1 firmware=bios"
ROOT = "root source=/dev/sda1 drivers=sd,ahci"
NIC = "nic name=a drivers=e1000 mac=b state=up address="
WHOLE = Inside("6.1", "bios", "/dev/sda1", ("sd", "ahci"), (NicSeen("a", ("e1000",), "b", "up"),))


def test_only_a_whole_report_counts() -> None:
    lines = said(SYSTEM, ROOT, NIC)
    assert read_report("\r\n".join(["x", *lines, "kensho-report end"])) == WHOLE
    for missing in range(3):
        rest = [line for n, line in enumerate(lines) if n != missing]
        assert read_report("\n".join([*rest, "kensho-report end"])) is None
    assert read_report("\n".join(said(SYSTEM))) is None  # no root
    # another report is another one, whatever numbers its lines have
    other = said(SYSTEM, ROOT, NIC.replace("address=", "address=1.2.3.4/8"))
    assert read_report("\n".join([*lines[:2], other[2]])) is None
    assert read_report("\n".join([*lines, *other[:2]])) == WHOLE
    unchecked = [re.sub(r"kensho-report \d+", "kensho-report 0", line) for line in lines]
    assert read_report("\n".join(unchecked)) == WHOLE  # a guest without cksum


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.sampled_from(
                (
                    "[    9.123456] random: crng init done\r\n",
                    "\x1b[K[  OK  ] Started x.\r\n",
                    "7",
                    "\n",
                )
            ),
        ),
        max_size=6,
    )
)
def test_what_others_write_in_between_is_not_taken_for_it(breaks: list[tuple[int, str]]) -> None:
    once = "\r\n".join([*said(SYSTEM, ROOT, NIC), "kensho-report end", ""])
    text = once
    for at, noise in breaks:
        text = text[: at % len(text)] + noise + text[at % len(text) :]
    assert read_report(text) in {None, WHOLE}
    assert read_report(text + once) == WHOLE
    watch = SerialWatch()
    for at in range(0, len(text), 7):
        watch.feed(text[at : at + 7].encode(), 1.0)
    assert (REPORT in watch.milestones) == (read_report(text) is not None)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from((SYSTEM, ROOT, "end")))
    )
)
def test_what_means_ill(lines: list[tuple[int, int, str]]) -> None:
    """Numbers that do not fit, and reports without end."""
    reports = Reports()
    for number, total, words in lines:
        reports.take(f"kensho-report 0 {number} {number}/{total} {words}")
    for n in range(2000):
        reports.take(f"kensho-report 0 {n} 1/500 {SYSTEM}")
    assert len(reports._parts) <= 9


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
