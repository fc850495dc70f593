"""A disk updated in place equals one that was converted anew, wherever the update was cut off."""

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from disk_helpers import KIB, MIB, QEMU_NAMES, Qemu, open_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.disks import content_root, open_disk
from kensho.disks.content import LEAF
from kensho.disks.hashes import CHANGEABLE, HashFile, HashLog, facts_of, hashes_path
from kensho.disks.transfer import How, Target, write_disk
from kensho.disks.update import is_updatable, update_disk, written_as
from kensho.model.errors import (
    CorruptError,
    LocatorError,
    UnsupportedError,
    UsageError,
    VerificationError,
)
from kensho.storage import FileSource
from kensho.storage.atomic import partial_path

SIZE = 5 * MIB + 70_000 // 512 * 512
KINDS = sorted(CHANGEABLE)


def content(seed=1, size=SIZE):
    rng = random.Random(seed)
    data = bytearray(size)
    for at in range(0, size, LEAF):
        if rng.random() < 0.4:
            data[at : at + LEAF] = rng.randbytes(min(LEAF, size - at))
    return bytes(data)


def edited(data, edits):
    out = bytearray(data)
    for at, piece in edits:
        out[at : at + len(piece)] = piece[: len(out) - at]
    return bytes(out)


def write(data, path, kind, **how):
    return write_disk(open_bytes(data, format="raw"), path, Target(*kind, len(data)),
                      How(root=True, identity=b"test", **how))  # fmt: skip


def update(data, path, kind=None, **options):
    facts = written_as(path)
    kind = kind or (facts.format, facts.subformat)
    reader = data if hasattr(data, "extents") else open_bytes(data, format="raw")
    return update_disk(reader, path, Target(*kind, reader.virtual_size), threads=2, **options)


def read_back(path, size):
    with FileSource(path) as source:
        reader = open_disk(source, format=written_as(path).format)
        out = bytearray(reader.virtual_size)
        reader.read_into(0, out)
        reader.close()
    assert not any(out[size:])
    return bytes(out[:size])


def changed_leaves(a, b):
    return sum(a[at : at + LEAF] != b[at : at + LEAF] for at in range(0, len(a), LEAF))


def names(folder):
    return sorted(p.name for p in folder.iterdir())


class Cut(Exception):  # noqa: N818 - it stands for a kill
    pass


class Cutting:
    """A reader that fails at its n-th read."""

    def __init__(self, inner, left):
        self._inner, self._left = inner, itertools.count(-left)

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def read_into(self, offset, buffer):
        if next(self._left) >= 0:
            raise Cut
        self._inner.read_into(offset, buffer)


EDITS = st.lists(
    st.tuples(
        st.integers(0, SIZE - 1),
        st.one_of(
            st.binary(min_size=1, max_size=700),
            st.builds(bytes, st.integers(1, 3 * LEAF)),
            st.builds(lambda n, b: bytes([b]) * n, st.integers(1, 2 * LEAF), st.integers(1, 255)),
        ),
    ),
    max_size=6,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(rounds=st.lists(EDITS, min_size=1, max_size=3), seed=st.integers(0, 99))
def test_updated_is_converted_anew(tmp_path, kind, rounds, seed):
    path = tmp_path / "disk"
    data = content(seed)
    write(data, path, kind, overwrite=True)
    for edits in rounds:
        before, data = data, edited(data, edits)
        result = update(data, path)
        assert result.blocks_written == changed_leaves(before, data)
        assert result.blocks_compared >= result.blocks_written
        assert read_back(path, SIZE) == data
        again = write(data, tmp_path / "anew", kind, overwrite=True)
        assert result.root == again.root == content_root(open_bytes(data, format="raw"))
        with HashFile(hashes_path(path)) as a, HashFile(hashes_path(tmp_path / "anew")) as b:
            assert a.leaves(0, SIZE) == b.leaves(0, SIZE)
    assert names(tmp_path) == ["anew", "anew.kensho-hashes", "disk", "disk.kensho-hashes"]


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")
@pytest.mark.parametrize("kind", [k for k in KINDS if not k[1].endswith("-4kn")])
def test_qemu_reads_the_updated_disk(tmp_path, kind):
    path = tmp_path / "disk"
    data = content()
    write(data, path, kind)
    data = edited(data, [(0, bytes(LEAF)), (200_000, b"new" * 50_000), (SIZE - 600, b"end" * 200)])
    update(data, path, verify=True)
    name = QEMU_NAMES.get(kind[0], kind[0])
    Qemu(tmp_path).judge(path, name, data, check=kind[0] in {"qcow2", "vdi"})


def test_nothing_changed_writes_nothing(tmp_path):
    path = tmp_path / "disk"
    write(content(), path, ("qcow2", "uncompressed"))
    before = path.read_bytes()
    for _ in range(2):
        checked = []
        result = update(content(), path, on_check=lambda *a: checked.append(a))  # noqa: B023
        assert result.blocks_written == 0
        assert not checked  # the second time neither: opening it does not count as a change
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reads", [2, 4])
def test_an_update_cut_off_is_hidden_and_finished_by_the_next_one(tmp_path, kind, reads):
    path = tmp_path / "disk"
    old = content()
    write(old, path, kind)
    new = edited(old, [(at, b"\1" * 9000) for at in range(0, SIZE, 300_000)])
    with pytest.raises(Cut):
        update(Cutting(open_bytes(new, format="raw"), reads), path)
    assert not path.exists()
    assert partial_path(path).exists()
    assert is_updatable(path)
    # What was written is not in the hashes, and the source changes again meanwhile.
    newer = edited(old, [(MIB, b"newer" * 1000)])
    result = update(newer, path)
    assert result.finished
    assert read_back(path, SIZE) == newer
    assert result.root == content_root(open_bytes(newer, format="raw"))
    assert names(tmp_path) == ["disk", "disk.kensho-hashes"]


def test_a_cut_before_the_first_change_leaves_the_disk_alone(tmp_path):
    path = tmp_path / "disk"
    write(content(), path, ("raw", "sparse"))
    with pytest.raises(Cut):
        update(Cutting(open_bytes(content(), format="raw"), 3), path)
    assert read_back(path, SIZE) == content()
    assert names(tmp_path) == ["disk", "disk.kensho-hashes"]


def test_a_conversion_anew_takes_the_place_of_a_cut_off_update(tmp_path):
    path = tmp_path / "disk"
    write(content(), path, ("raw", "sparse"))
    with pytest.raises(Cut):
        update(Cutting(open_bytes(content(2), format="raw"), 3), path)
    write_disk(open_bytes(content(3), format="raw"), path, Target("raw", "sparse", SIZE), How())
    assert path.read_bytes() == content(3)
    assert names(tmp_path) == ["disk"]


def test_a_copy_is_read_once_and_updated(tmp_path):
    write(content(), tmp_path / "disk", ("vdi", "fixed"))
    path = tmp_path / "copy"
    for name in ("disk", "disk.kensho-hashes"):
        shutil.copy(tmp_path / name, tmp_path / name.replace("disk", "copy"))
    checked = []
    data = edited(content(), [(5, b"five")])
    assert update(data, path, on_check=lambda *a: checked.append(a)).blocks_written == 1
    assert checked
    assert read_back(path, SIZE) == data


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_somebody_changed_is_refused(tmp_path, kind):
    path = tmp_path / "disk"
    write(b"\1" * SIZE, path, kind)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptError, match="changed since"):
        update(content(2), path)
    assert path.read_bytes() == data
    assert names(tmp_path) == ["disk", "disk.kensho-hashes"]


def test_what_cannot_be_updated_is_refused(tmp_path):
    path = tmp_path / "disk"
    data = content()
    with pytest.raises(UsageError, match="no block hashes"):
        update(data, path)
    write(data, path, ("qcow2", "compressed"))
    assert names(tmp_path) == ["disk"]
    write(data, path, ("raw", "sparse"), overwrite=True)
    with pytest.raises(UsageError, match="is raw sparse, not vdi fixed"):
        update(data, path, ("vdi", "fixed"))
    with pytest.raises(UsageError, match="source would need"):
        update(data + bytes(512), path)
    with pytest.raises(UsageError, match="same file"), FileSource(path) as source:
        update(open_disk(source, format="raw"), path)
    os.link(path, tmp_path / "other")
    with pytest.raises(UsageError, match="other names"):
        update(data, path)
    (tmp_path / "other").unlink()
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "link.kensho-hashes").symlink_to(hashes_path(path))
    with pytest.raises(UsageError, match="is a link"):
        update(data, tmp_path / "link")
    assert path.read_bytes() == data


def test_hashes_of_a_disk_that_was_replaced_are_forgotten(tmp_path):
    path = tmp_path / "disk"
    write(content(), path, ("raw", "sparse"))
    write_disk(open_bytes(content(2), format="raw"), path, Target("raw", "sparse", SIZE),
               How(overwrite=True))  # fmt: skip
    assert names(tmp_path) == ["disk"]


def test_hashes_never_replace_a_source(tmp_path):
    source = tmp_path / "disk.kensho-hashes"
    source.write_bytes(content())
    for how in (How(), How(root=True)):
        with FileSource(source) as file, pytest.raises(UsageError, match="same file"):
            write_disk(open_disk(file, format="raw"), tmp_path / "disk",
                       Target("raw", "sparse", SIZE), how)  # fmt: skip
    assert names(tmp_path) == ["disk.kensho-hashes"]


def test_a_dynamic_disk_with_forged_hashes_is_refused(tmp_path):
    path = tmp_path / "disk"
    root = write(content(), path, ("vdi", "dynamic")).root
    log = HashLog(path)
    log.commit(facts_of(path, "vdi", "dynamic", SIZE, root))
    with pytest.raises(UnsupportedError, match="in place"):
        update(content(2), path)
    log = HashLog(path)
    log.commit(facts_of(path, "vdi", "fixed", SIZE, root))
    with pytest.raises(CorruptError, match="laid out"):
        update(content(2), path)


def test_damaged_hashes_are_refused(tmp_path):
    path = tmp_path / "disk"
    write(content(), path, ("raw", "sparse"))
    good = hashes_path(path).read_bytes()
    rng = random.Random(1)
    for _ in range(15):
        bad = bytearray(good)
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        hashes_path(path).write_bytes(bad)
        with pytest.raises(CorruptError):
            update(content(2), path)
    for size in (0, 10, 30, len(good) - 1):
        hashes_path(path).write_bytes(good[:size])
        with pytest.raises(CorruptError):
            update(content(2), path)
    assert path.read_bytes() == content()


def test_verify_finds_what_was_not_written(tmp_path, monkeypatch):
    from kensho.disks.in_place import _FixedPlaces

    path = tmp_path / "disk"
    write(content(), path, ("raw", "sparse"))
    with monkeypatch.context() as patch:
        patch.setattr(_FixedPlaces, "write_at", lambda *_: None)  # a disk that forgets
        with pytest.raises(VerificationError, match="byte 7") as error:
            update(edited(content(), [(7, b"seven")]), path, verify=True)
    assert "same command" in error.value.hint
    assert not path.exists()
    assert update(edited(content(), [(7, b"seven")]), path, verify=True).verified
    assert read_back(path, SIZE) == edited(content(), [(7, b"seven")])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(st.integers(0, 200)), st.data())
def test_hashes_by_range(tmp_path, indexes, data):
    size = 200 * LEAF + 512
    leaves = [(i, i.to_bytes(32, "big")) for i in sorted(indexes)]
    path = tmp_path / "disk"
    path.write_bytes(b"")
    log = HashLog(path)
    for pair in leaves:
        log.add([pair])
    log.commit(facts_of(path, "raw", "sparse", size, "root"))
    start = data.draw(st.integers(0, 200)) * LEAF
    end = data.draw(st.integers(start, size))
    with HashFile(hashes_path(path)) as hashes:
        assert hashes.leaves(start, end) == [p for p in leaves if start <= p[0] * LEAF < end]
        spans = list(hashes.spans(MIB))
    covered = [i for low, high in spans for i in range(low // LEAF, -(-high // LEAF))]
    assert covered == sorted(indexes)
    assert all(high - low <= MIB and low // MIB == (high - 1) // MIB for low, high in spans)


def test_hashes_that_are_not_there(tmp_path):
    with pytest.raises(LocatorError):
        HashFile(tmp_path / "none")


CHILD = """
import sys
import time
from pathlib import Path
from kensho.disks.raw import RawDisk
from kensho.disks.transfer import Target
from kensho.disks.update import update_disk
from kensho.storage import FileSource
source, path, fmt, sub = sys.argv[1:5]
class Slow(RawDisk):  # so that the kill comes in the middle
    def read_into(self, offset, buffer):
        time.sleep(0.01)
        super().read_into(offset, buffer)
print("ready", flush=True)
with FileSource(source) as src:
    reader = Slow(src)
    update_disk(reader, Path(path), Target(fmt, sub, reader.virtual_size))
"""


@pytest.mark.parametrize("kind", [("raw", "sparse"), ("qcow2", "uncompressed")])
def test_killed_updates_are_finished_and_never_look_whole(tmp_path, kind):
    rng = random.Random(3)
    size = 24 * MIB
    old = rng.randbytes(size)
    new = edited(old, [(at, rng.randbytes(LEAF)) for at in range(0, size, 96 * KIB)])
    source, path = tmp_path / "source", tmp_path / "disk"
    source.write_bytes(new)
    killed = 0
    for _ in range(2):
        write(old, path, kind, overwrite=True)
        for attempt in range(4):
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, source, path, *kind], stdout=subprocess.PIPE
            )
            child.stdout.readline()
            if attempt < 3:
                time.sleep(rng.random() * 0.15)
                child.send_signal(signal.SIGKILL)
            child.communicate()
            killed += child.returncode == -signal.SIGKILL
            if path.exists():
                assert read_back(path, size) in {old, new}
            if child.returncode == 0:
                break
        assert read_back(path, size) == new
        assert {p.name for p in tmp_path.iterdir()} == {"source", "disk", "disk.kensho-hashes"}
    assert killed
    if kind[0] == "qcow2" and shutil.which("qemu-img"):  # clusters nobody uses at worst
        done = subprocess.run(["qemu-img", "check", path], capture_output=True, text=True)
        assert done.returncode in {0, 3}, done.stdout
        with contextlib.suppress(FileNotFoundError):
            Qemu(tmp_path).judge(path, "qcow2", new, check=False)


def test_two_updates_at_once(tmp_path):
    from kensho.disks.resume import leftovers

    path = tmp_path / "disk"
    write(content(), path, ("raw", "sparse"))
    from kensho.disks._journal import Journal

    journal = Journal(leftovers(path)[1], b"somebody else")
    with pytest.raises(UsageError, match="another run"):
        update(content(2), path)
    journal.remove()


def test_a_target_rounded_up_for_a_cloud(tmp_path):
    from kensho.disks.cloud import target_for_cloud

    path = tmp_path / "disk.vhd"
    size = 20 * MIB + 300
    target = target_for_cloud("azure", "disk.vhd", None, None, size)
    data = content(1, size)
    write_disk(open_bytes(data, format="raw"), path, target, How(root=True))
    shorter = content(2, size)[:-200]  # the rest of the last leaf is zero now
    update_disk(open_bytes(shorter, format="raw"), path, target)
    assert read_back(path, len(shorter)) == shorter
