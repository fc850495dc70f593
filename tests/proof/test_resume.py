"""Trials that ended are kept when a proof is stopped, and taken over by the same proof alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from kensho.convert.events import Event, Message
from kensho.model.errors import LocatorError, UsageError
from kensho.proof.causes.likely import Cause
from kensho.proof.evidence.portability import Earlier, ProvenDisk
from kensho.proof.guests import Guest, Plug
from kensho.proof.profiles import profile
from kensho.proof.resume import Basis, Progress, basis_of, begun, unfinished
from tests.proof.evidence.made_up import ROOT, booted, judged

BASIS = Basis("programs", "disks", "asked")
Told = list[str]


def telling(told: Told) -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        assert isinstance(event, Message)
        told.append(event.text)

    return tell


def stopped(output: Path, *names: str, cause: Cause | None = None) -> Told:
    """Leave what a proof leaves that is stopped when these profiles were tried."""
    told: Told = []
    with suppress(KeyboardInterrupt), unfinished(output, telling(told)) as place:
        progress = begun(place, BASIS, telling(told), resume=True)
        for name in names:
            progress.record([booted(progress.folder, name, f"{name} login: ", cause=cause)])
        booted(progress.folder, "kvm-virtio", "half a lo")  # was under way
        raise KeyboardInterrupt
    return told


def again(output: Path, basis: Basis = BASIS, *, resume: bool = True) -> tuple[Progress, Told]:
    told: Told = []
    with unfinished(output, telling(told)) as place:
        progress = begun(place, basis, telling(told), resume=resume)
        there = sorted(path.name for path in progress.folder.iterdir())
        assert there == sorted(progress.taken)  # and nothing else
    assert list(output.parent.iterdir()) == []
    return progress, told


def test_what_was_tried_is_taken_over(tmp_path: Path) -> None:
    said = stopped(tmp_path / "proof", "vmware-ide", "xen-hvm")
    assert said == ["kept for the same command: what was tried, vmware-ide, xen-hvm"]
    stopped(tmp_path / "proof", "aws-nvme")  # by another run, which is stopped, too
    progress, told = again(tmp_path / "proof")
    assert list(progress.taken) == ["vmware-ide", "xen-hvm", "aws-nvme"]
    assert [trial.log.size for (trial,) in progress.taken.values() if trial.log] == [18, 15, 16]
    assert [one.profile for one in progress.earlier] == list(progress.taken)
    assert all("taken over, as it ended on 20" in words for words in told)


def test_a_changed_file_is_not(tmp_path: Path) -> None:
    stopped(tmp_path / "proof", "vmware-ide", "xen-hvm", "aws-nvme")
    evidence = tmp_path / ".proof.kensho-partial/evidence"
    (evidence / "vmware-ide/serial.log").write_text("web01 login: ")
    (evidence / "aws-nvme/screen1.png").unlink()
    progress, told = again(tmp_path / "proof")
    assert list(progress.taken) == ["xen-hvm"]
    assert sum("it is tried again" in words for words in told) == 2


@pytest.mark.parametrize("code", ["KF-994", "KF-995"])
def test_what_failed_here_is_tried_again(code: str, tmp_path: Path) -> None:
    stopped(tmp_path / "proof", "vmware-ide", cause=Cause(code, "QEMU ended", "make room"))
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_started_is_no_trial_that_ended(tmp_path: Path) -> None:
    with unfinished(tmp_path / "proof", telling([])) as place:
        progress = begun(place, BASIS, telling([]), resume=True)
        progress.record([judged()])
        assert b'"ended":[]' in (place / "journal.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [("programs", "another kensho"), ("disks", "other disks"), ("asked", "other machines")],
)
def test_another_proof_begins_anew(change: str, words: str, tmp_path: Path) -> None:
    stopped(tmp_path / "proof", "vmware-ide")
    other = msgspec.structs.replace(BASIS, **{change: "another"})
    progress, told = again(tmp_path / "proof", other)
    assert (progress.taken, progress.earlier) == ({}, ())
    assert words in told[0]
    assert "vmware-ide" in told[0]


def test_it_is_begun_anew_where_that_is_asked_for(tmp_path: Path) -> None:
    stopped(tmp_path / "proof", "vmware-ide")
    progress, told = again(tmp_path / "proof", resume=False)
    assert (progress.taken, len(told)) == ({}, 1)


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"basis": 1}'])
def test_a_journal_that_is_none_is_begun_anew(data: bytes, tmp_path: Path) -> None:
    stopped(tmp_path / "proof", "vmware-ide")
    (tmp_path / ".proof.kensho-partial/journal.json").write_bytes(data)
    assert again(tmp_path / "proof")[0].taken == {}


def test_what_others_may_have_put_there_is_not_taken(tmp_path: Path) -> None:
    partial = tmp_path / ".proof.kensho-partial"
    partial.mkdir()
    partial.chmod(0o777)
    with pytest.raises(LocatorError, match="not of this user alone"):
        again(tmp_path / "proof")
    partial.rmdir()
    (tmp_path / "else").mkdir()
    partial.symlink_to("else")
    with pytest.raises(LocatorError):
        again(tmp_path / "proof")
    assert list((tmp_path / "else").iterdir()) == []
    partial.unlink()
    partial.touch()
    with pytest.raises(LocatorError):
        again(tmp_path / "proof")


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        unfinished(tmp_path / "proof", telling([])),
        pytest.raises(UsageError, match="another run"),
        unfinished(tmp_path / "proof", telling([])),
    ):
        pass


def test_the_same_proof_is_of_the_same_disks_machines_and_questions() -> None:
    disks = (ProvenDisk("web01", "disk1", "web01.vmdk", 1 << 30, ROOT, ROOT),)
    other = (msgspec.structs.replace(disks[0], root_after="cd" * 32),)
    rows, fewer = [profile("vmware-ide"), profile("kvm-virtio")], [profile("vmware-ide")]

    def guest(mac: str = "52:54:00:12:34:56", memory: int = 1 << 29) -> Guest:
        return Guest(name="", folder="", disks=(), plugs=(Plug(mac),), memory=memory)

    known = basis_of(disks, [guest()], rows, (0,))
    assert basis_of(disks, [guest()], rows, (0,)) == known
    assert basis_of(other, [guest()], rows, (0,)).disks != known.disks
    for basis in (
        basis_of(disks, [guest("52:54:00:12:34:57")], rows, (0,)),
        basis_of(disks, [guest(memory=1 << 30)], rows, (0,)),
        basis_of(disks, [guest()], fewer, (0,)),
        basis_of(disks, [guest()], rows, (300,)),
    ):
        assert (basis.asked != known.asked, basis.disks) == (True, known.disks)


def test_when_it_ended_is_a_time(tmp_path: Path) -> None:
    stopped(tmp_path / "proof", "vmware-ide")
    (told,) = again(tmp_path / "proof")[0].earlier
    assert isinstance(told, Earlier)
    assert told.ended.endswith("+00:00")
