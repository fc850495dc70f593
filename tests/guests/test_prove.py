"""`kensho prove` of a guest that starts, and of what is broken in it: the cause is named for each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kensho.proof.watch.last_words import ROWS
from kensho.proof.watch.serial import plain
from tests.cli.conftest import Kensho, kensho
from tests.guests import recipe
from tests.guests.overlays import beside, kernels_of, starting
from tests.guests.settings import entry
from tests.guests.tiny import tiny_guest

pytestmark = pytest.mark.boot
__all__ = ["kensho"]

_PORT = "console=ttyS0,115200"
#: What becomes of the boot loader's entry, files that are gone, and the cause that has to be named.
BROKEN: dict[str, tuple[tuple[str, str], tuple[str, ...], str]] = {
    "wrong root": (("root=UUID=", "root=UUID=0000"), (), "KF-961"),
    # initramfs-tools takes /bin/sh when there is no init, which then waits for somebody who types
    "no init": (("", ""), ("/usr/sbin/init", "/usr/bin/sh"), "KF-962"),
    "panic": ((_PORT, f"{_PORT} init=/bin/false"), (), "KF-963"),
    "no driver for the adapter": ((_PORT, f"{_PORT} modprobe.blacklist=vmxnet3"), (), "KF-973"),
}


def _blamed(line: str) -> bool:
    """Tell whether a line would be taken for why a guest failed; of GRUB's no more than it means."""
    return any(row.pattern.search(line) for row in ROWS if not row.before)


def trial(
    kensho: Kensho,
    folder: Path,
    changed: tuple[str, str] = ("", ""),
    gone: tuple[str, ...] = (),
) -> tuple[int, dict, dict]:
    """Prove the generic guest on PVSCSI and VMXNET3; returns code, trial and statement."""
    disk = beside(recipe.build(recipe.guest("generic")), folder)
    version = next(v for v in kernels_of(disk) if recipe.flavour(v) == recipe.DEBIAN)
    guest = starting(disk, entry(version, "full"), folder / "guest.qcow2", changed, gone)
    proof = folder / "proof"
    kensho("platforms")  # takes what making the guest printed
    code, out, err = kensho("prove", guest, "--on", "vmware-pvscsi", "-o", proof, "--json")
    assert out, err
    (told,) = json.loads(out)["trials"]
    return code, told, json.loads((proof / "statement.json").read_text())


def test_it_comes_up_and_says_from_what(kensho: Kensho, tmp_path: Path) -> None:
    code, told, statement = trial(kensho, tmp_path)
    assert (code, told["outcome"], told["agrees"]) == (0, "pass", True), told
    assert {"sd", "vmw_pvscsi"} <= set(told["inside"]["drivers"])
    (nic,) = told["inside"]["nics"]
    assert nic["drivers"][0] == "vmxnet3"
    assert nic["mac"] == "52:54:00:12:34:56"  # nothing in this guest asks for an address
    assert {"boot loader", "kernel", "report"} <= set(told["milestones"])
    assert statement["predicate"]["trials"][0]["log"]["sha256"]
    log = (tmp_path / "proof/vmware-pvscsi/serial.log").read_text(errors="replace")
    assert not [line for line in map(plain, log.splitlines()) if _blamed(line)]
    assert statement["predicate"]["trials"][0]["memory"] == 512 << 20
    assert kensho("verify", tmp_path / "proof")[0] == 0  # nobody signed it, and it is whole


@pytest.mark.parametrize("what", BROKEN)
def test_the_cause_is_named(what: str, kensho: Kensho, tmp_path: Path) -> None:
    changed, gone, cause = BROKEN[what]
    code, told, _ = trial(kensho, tmp_path, changed, gone)
    assert (code, told["outcome"]) == (15, "fail"), told
    assert told["cause"]["code"] == cause, told
    assert told["cause"]["remedy"]


def test_a_guest_that_restarts_itself(kensho: Kensho, tmp_path: Path) -> None:
    disk = tiny_guest(tmp_path, "looping", "reboot -f\n")
    kensho("platforms")
    code, out, err = kensho("prove", disk, "--on", "vmware-ide", "-o", tmp_path / "p", "--json")
    assert out, err
    (told,) = json.loads(out)["trials"]
    assert (code, told["outcome"], told["cause"]["code"]) == (15, "fail", "KF-966"), told
    assert "restarted" in told["reason"]
