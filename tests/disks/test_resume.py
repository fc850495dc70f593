"""A copy that is cut off anywhere goes on and ends in the same bytes as one that was not."""

import contextlib
import fcntl
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from disk_helpers import KIB, MIB, make_content, open_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import FORMATS, content_root, create_disk, open_disk
from kensho.disks._journal import Journal, has_checkpoint
from kensho.disks.base import PlacingWriter
from kensho.disks.resume import JournaledWriter, is_resumable, leftovers, write_disk_file
from kensho.disks.transfer import How, Target, source_key, write_disk
from kensho.model.errors import UsageError
from kensho.storage import FileSource, MemorySink

SIZE = 6 * MIB + 300
CONTENT = make_content(
    SIZE,
    [(4096, 5000), (MIB, 900 * KIB), (3 * MIB + 70_000, MIB), (5 * MIB, 300), (SIZE - 400, 400)],
)


def _placing():
    for descriptor in FORMATS:
        for sub in descriptor.writers:
            writer = create_disk(descriptor.name, sub, MemorySink(), MIB)
            if isinstance(writer, PlacingWriter):
                yield descriptor.name, sub


PLACING = list(_placing())


class Cut(Exception):  # noqa: N818 - it stands for a kill
    pass


@contextlib.contextmanager
def cut_at(number):
    """Fail when a writer is asked for its n-th place, counted from 0."""
    place, calls = JournaledWriter.place, itertools.count()

    def cutting(self, offset, length):
        if next(calls) >= number:
            raise Cut
        return place(self, offset, length)

    JournaledWriter.place = cutting
    try:
        yield
    finally:
        JournaledWriter.place = place


class Cutting:
    """A reader that fails at its n-th read."""

    def __init__(self, inner, left):
        self._inner, self._left = inner, left

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def read_into(self, offset, buffer):
        self._left -= 1
        if self._left < 0:
            raise Cut
        self._inner.read_into(offset, buffer)


def write(reader, path, fmt, sub, **options):
    return write_disk_file(
        reader, path, fmt, sub, key=b"one source", every=32 * KIB, threads=2, **options
    )


def raw_file(folder, content=CONTENT):
    path = folder / "source.raw"
    with path.open("wb") as file:
        file.truncate(len(content))
        for at in range(0, len(content), 4096):
            piece = content[at : at + 4096]
            if any(piece):
                file.seek(at)
                file.write(piece)
    return path


@pytest.mark.parametrize("kind", ["memory", "kernel"])
@pytest.mark.parametrize(("fmt", "sub"), PLACING)
def test_cut_anywhere_and_resumed_is_the_same_file(tmp_path, fmt, sub, kind):
    source = FileSource(raw_file(tmp_path))
    reader = open_disk(source, format="raw")
    if kind == "memory":
        reader = open_bytes(CONTENT, format="raw")
    whole = tmp_path / "whole"
    expected = write(reader, whole, fmt, sub)
    resumed = []
    path = tmp_path / "disk"
    for number in (0, 3, 1):
        with pytest.raises(Cut), cut_at(number):
            write(reader, path, fmt, sub, on_resume=resumed.append)
        assert not path.exists()
    result = write(reader, path, fmt, sub, root=True, on_resume=resumed.append)
    assert path.read_bytes() == whole.read_bytes()
    assert result.data_bytes == expected.data_bytes
    assert result.content_root == content_root(reader)
    assert resumed
    assert resumed == sorted(resumed)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    source.close()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    form=st.sampled_from(PLACING),
    pieces=st.lists(
        st.tuples(st.integers(0, 4 * MIB), st.integers(1, 400 * KIB)), min_size=1, max_size=6
    ),
    cuts=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 50)), max_size=3),
)
def test_random_disks_and_cuts(tmp_path_factory, form, pieces, cuts):
    folder = tmp_path_factory.mktemp("cuts")
    content = make_content(4 * MIB + 512, pieces)
    reader = open_bytes(content, format="raw")
    for places, reads in cuts:
        with contextlib.suppress(Cut), cut_at(places):
            write(Cutting(reader, reads), folder / "disk", *form)
            break
    write(reader, folder / "disk", *form)
    write(reader, folder / "whole", *form)
    assert (folder / "disk").read_bytes() == (folder / "whole").read_bytes()
    with FileSource(folder / "disk") as source:
        assert content_root(open_disk(source, format=form[0])) == content_root(reader)


def cut_off(tmp_path):
    path = tmp_path / "disk"
    with pytest.raises(Cut), cut_at(3):
        write(open_bytes(CONTENT, format="raw"), path, "qcow2", None)
    return path


def test_another_source_or_option_starts_again(tmp_path):
    path = cut_off(tmp_path)
    assert is_resumable(path)
    other = make_content(SIZE, [(0, MIB)], seed=9)
    resumed = []
    write_disk_file(
        open_bytes(other, format="raw"), path, "qcow2", key=b"another", on_resume=resumed.append
    )
    assert not resumed
    with FileSource(path) as source:
        assert content_root(open_disk(source)) == content_root(open_bytes(other, format="raw"))


@pytest.mark.parametrize("damage", ["torn", "flipped", "empty", "partial gone", "junk"])
def test_a_damaged_journal_only_costs_time(tmp_path, damage):
    path = cut_off(tmp_path)
    partial, journal = leftovers(path)
    data = bytearray(journal.read_bytes())
    if damage == "torn":
        del data[-5:]
    elif damage == "flipped":
        data[-3] ^= 0x40
    elif damage == "empty":
        data.clear()
    elif damage == "junk":
        data += os.urandom(50)
    else:
        partial.unlink()
    journal.write_bytes(data)
    reader = open_bytes(CONTENT, format="raw")
    write(reader, path, "qcow2", None)
    write(reader, tmp_path / "whole", "qcow2", None)
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_what_lies_behind_the_last_checkpoint_is_not_trusted(tmp_path):
    path = cut_off(tmp_path)
    partial, journal_at = leftovers(path)
    journal = Journal(journal_at, b"")  # another key: forgets all of it
    assert not journal.has_runs
    journal.close()
    assert not has_checkpoint(journal_at)
    with partial.open("r+b") as file:
        file.write(b"x" * 100_000)
    write(open_bytes(CONTENT, format="raw"), path, "qcow2", None)
    write(open_bytes(CONTENT, format="raw"), tmp_path / "whole", "qcow2", None)
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_compressed_disk_is_begun_again(tmp_path):
    path = tmp_path / "disk"
    reader = open_bytes(CONTENT, format="raw")
    with pytest.raises(Cut):
        write(Cutting(reader, 2), path, "vmdk", "streamOptimized")
    assert list(tmp_path.iterdir()) == []
    write(reader, path, "vmdk", "streamOptimized")
    with FileSource(path) as source:
        assert content_root(open_disk(source)) == content_root(reader)


def test_two_runs_do_not_write_one_file(tmp_path):
    journal = Journal(leftovers(tmp_path / "disk")[1], b"k")
    with pytest.raises(UsageError, match="another run"):
        write(open_bytes(CONTENT, format="raw"), tmp_path / "disk", "raw", None)
    for target in (Target("vmdk", "twoGbMaxExtentSparse", SIZE), Target("raw", "sparse", SIZE)):
        with pytest.raises(UsageError, match="another run"):  # those that are not resumed, too
            write_disk(open_bytes(CONTENT, format="raw"), tmp_path / "disk", target, How())
    journal.remove()


def test_a_journal_that_its_owner_removes_is_no_lock(tmp_path, monkeypatch):
    flock = fcntl.flock

    def removed_before(fd, how):
        (tmp_path / "journal").unlink()
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    with pytest.raises(UsageError, match="another run"):
        Journal(tmp_path / "journal", b"k")


def test_devices_are_begun_again():
    """Behind the same name and time there may be another disk by now."""
    with Path("/dev/zero").open("rb") as device:
        source = SimpleNamespace(name="d", size=9, kernel_file=lambda: (device.fileno(), 0))
        assert source_key(SimpleNamespace(sources=(source,), virtual_size=9)) is None


def test_kill_minus_nine_loses_nothing(tmp_path):
    script = Path(__file__).parents[2] / "bench" / "kill_resume.py"
    done = subprocess.run(
        [sys.executable, script, "-n", "20", "--work", tmp_path, "--mib", "24"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 kills" in done.stdout
    assert signal.SIGKILL.name in done.stdout
