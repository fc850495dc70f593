"""Overlays: random writes against a model, QEMU as the judge, crashes at any moment."""

import json
import random
import shutil
import signal
import subprocess
import threading
import time
from typing import ClassVar

import pytest
from disk_helpers import KIB, MIB, make_content, make_disk, read_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbd_helpers import (
    EINVAL,
    ENOSPC,
    FLUSH,
    TRIM,
    WRITE,
    ZEROES,
    Client,
    serve_command,
    serving,
)

from kensho.disks import open_disk
from kensho.disks.overlay import create_overlay, open_overlay
from kensho.disks.overlay.file import OverlayFile
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    NoSpaceError,
    UnsupportedError,
    UsageError,
)
from kensho.model.extent import Kind
from kensho.storage import FileSource, MemorySource

CLUSTER = 64 * KIB
SIZE = 20 * CLUSTER + 1536
CONTENT = make_content(SIZE, [(0, 3 * CLUSTER + 77), (9 * CLUSTER, 5000), (SIZE - 700, 700)])


def base_reader(content=CONTENT):
    return open_disk(MemorySource(content, name="base.raw"), format="raw")


@pytest.fixture
def overlay(tmp_path):
    """Return the path of an empty overlay over a raw file of CONTENT."""
    (tmp_path / "base.raw").write_bytes(CONTENT)
    create_overlay(tmp_path / "o.qcow2", SIZE, "base.raw", "raw")
    return tmp_path / "o.qcow2"


def check(path, *, leaks=False):
    """Let qemu-img check the file; no errors, and leaks only where they are allowed."""
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not installed")
    done = subprocess.run(
        ["qemu-img", "check", "--output=json", path], capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert not found.get("corruptions"), found
    assert not found.get("check-errors"), found
    if not leaks:
        assert not found.get("leaks"), found
    return found


def judge(path, content, tmp_path):
    """Assert that qemu and kensho read ``content`` through the overlay's own chain."""
    check(path)
    (tmp_path / "expected.raw").write_bytes(content)
    done = subprocess.run(
        ["qemu-img", "compare", "-f", "qcow2", "-F", "raw", path, tmp_path / "expected.raw"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with FileSource(path) as source:
        reader = open_disk(source, sibling=lambda name: FileSource(path.parent / name))
        assert read_all(reader) == content
        reader.close()


class Model:
    """What the disk must hold."""

    def __init__(self, disk, content=CONTENT):
        self.disk = disk
        self.bytes = bytearray(content)

    def write(self, offset, data):
        self.disk.write_at(offset, data)
        self.bytes[offset : offset + len(data)] = data

    def zero(self, offset, length):
        self.disk.zero(offset, length)
        self.bytes[offset : offset + length] = bytes(length)

    def discard(self, offset, length):
        self.disk.discard(offset, length)
        end = offset + length
        low = -(-offset // CLUSTER) * CLUSTER
        high = end if end == self.disk.virtual_size else end // CLUSTER * CLUSTER
        if low < high:
            self.bytes[low:high] = bytes(high - low)

    def check(self):
        assert read_all(self.disk) == self.bytes
        at = 0
        for extent in self.disk.extents():
            assert extent.start == at
            at = extent.end
            if extent.kind is not Kind.DATA:
                assert not any(self.bytes[extent.start : extent.end])
        assert at == len(self.bytes)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "zero", "discard", "flush", "reopen"]),
        st.integers(0, SIZE - 1),
        st.sampled_from([1, 511, 4096, CLUSTER, CLUSTER + 5, 5 * CLUSTER, SIZE]),
        st.booleans(),
    ),
    max_size=25,
)


class TestOverlay:
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operations=OPERATIONS, seed=st.integers(0, 99))
    def test_any_operations_give_what_a_plain_disk_would_hold(self, tmp_path, operations, seed):
        rng = random.Random(seed)
        path = tmp_path / "o.qcow2"
        path.unlink(missing_ok=True)
        (tmp_path / "base.raw").write_bytes(CONTENT)
        create_overlay(path, SIZE, "base.raw", "raw")
        model = Model(open_overlay(path, base_reader()))
        for what, offset, length, align in operations:
            start = offset // CLUSTER * CLUSTER if align else offset
            size = min(length, SIZE - start)
            if what == "write":
                model.write(start, rng.randbytes(size))
            elif what == "zero":
                model.zero(start, size)
            elif what == "discard":
                model.discard(start, size)
            elif what == "flush":
                model.disk.flush()
            else:
                model.disk.close()
                model.disk = open_overlay(path, base_reader())
        model.check()
        model.disk.close()
        judge(path, bytes(model.bytes), tmp_path)

    def test_a_base_that_ends_within_a_sector(self, tmp_path):
        content = make_content(CLUSTER + 100, [(CLUSTER, 100)])
        (tmp_path / "base.raw").write_bytes(content)
        path = tmp_path / "o.qcow2"
        create_overlay(path, len(content), "base.raw", "raw")
        disk = open_overlay(path, base_reader(content))
        assert disk.virtual_size == CLUSTER + 512
        disk.write_at(CLUSTER + 200, b"x")
        disk.close()
        judge(path, content + bytes(100) + b"x" + bytes(311), tmp_path)

    def test_room_given_up_is_used_again(self, overlay):
        disk = open_overlay(overlay, base_reader())
        for round_number in range(30):
            disk.write_at(0, bytes([round_number + 1]) * (10 * CLUSTER))
            disk.discard(0, 10 * CLUSTER)
            disk.flush()
        disk.close()
        assert overlay.stat().st_size < 40 * CLUSTER
        check(overlay)

    def test_zeros_where_nothing_is_need_no_tables(self, tmp_path):
        path = tmp_path / "o.qcow2"
        size = 1 << 46
        (tmp_path / "base.raw").write_bytes(bytes(512))
        create_overlay(path, size, "base.raw", "raw")

        class Empty:
            virtual_size, warnings = size, ()

            def extents(self, start=0, end=None):
                from kensho.model.extent import Extent

                yield Extent(start, end - start, Kind.HOLE)

            def read_into(self, offset, buffer):
                buffer[:] = bytes(len(buffer))

        disk = open_overlay(path, Empty())
        disk.discard(0, 1 << 32)
        disk.zero(5, 1 << 32)
        disk.write_at(size - 5, b"hello")
        assert sum(1 for _ in disk.extents()) == 2
        disk.close()
        assert path.stat().st_blocks * 512 < MIB
        check(path)

    def test_many_tables(self, tmp_path):
        path = tmp_path / "o.qcow2"
        size = 100 << 29
        (tmp_path / "base.raw").write_bytes(bytes(512))
        create_overlay(path, size, "base.raw", "raw")
        below = base_reader()
        below = type("Long", (), {
            "virtual_size": size, "warnings": (), "extents": lambda *_: iter(()),
            "read_into": lambda _, offset, view: view.__setitem__(slice(None), bytes(len(view))),
        })()  # fmt: skip
        disk = open_overlay(path, below)
        for table in range(100):
            disk.write_at((table << 29) + table * CLUSTER, bytes([table + 1]) * 10)
        for table in range(100):
            buffer = bytearray(10)
            disk.read_into((table << 29) + table * CLUSTER, buffer)
            assert buffer == bytes([table + 1]) * 10
        disk.close()
        check(path)

    def test_one_user_at_a_time(self, overlay):
        disk = open_overlay(overlay, base_reader())
        with pytest.raises(UsageError, match="another program"):
            open_overlay(overlay, base_reader())
        if shutil.which("qemu-img"):
            told = subprocess.run(["qemu-img", "check", overlay], capture_output=True, text=True)
            assert told.returncode != 0
            assert "lock" in told.stderr
        disk.close()
        disk.close()
        open_overlay(overlay, base_reader()).close()
        check(overlay)

    def test_qemu_that_has_it_open_keeps_us_out(self, qemu, overlay):
        with subprocess.Popen(
            ["qemu-io", "-f", "qcow2", overlay], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as peer:
            peer.stdin.write(b"read 0 512\n")
            peer.stdin.flush()
            while b"512 bytes" not in peer.stdout.readline():
                pass
            with pytest.raises(UsageError, match="another program"):
                open_overlay(overlay, base_reader())
            peer.stdin.close()
            peer.stdout.read()

    def test_overlays_made_and_used_by_qemu(self, qemu, tmp_path, overlay):
        overlay.unlink()
        qemu.run("create", "-f", "qcow2", "-b", "base.raw", "-F", "raw", overlay)
        disk = open_overlay(overlay, base_reader())
        model = Model(disk)
        model.write(CLUSTER - 5, b"between two clusters")
        disk.close()
        qemu.io(overlay, f"write -P 7 {9 * CLUSTER} 1000", f"write -z {CLUSTER} 64k", fmt="qcow2")
        model.bytes[9 * CLUSTER : 9 * CLUSTER + 1000] = b"\7" * 1000
        model.bytes[CLUSTER : 2 * CLUSTER] = bytes(CLUSTER)
        model.disk = open_overlay(overlay, base_reader())
        model.check()
        model.write(CLUSTER + 3, b"over allocated zeros")
        model.disk.close()
        judge(overlay, bytes(model.bytes), tmp_path)

    @pytest.mark.parametrize(
        ("options", "change"),
        [
            ("compat=0.10", ()),
            ("lazy_refcounts=on", ()),
            ("refcount_bits=64", ()),
            ("cluster_size=512", ()),
            ("extended_l2=on", ()),
            ("cluster_size=64k", ("snapshot", "-c", "s")),
            ("cluster_size=64k", ("bitmap", "--add", None, "b")),
        ],
    )
    def test_what_is_not_written_is_refused(self, qemu, overlay, options, change):
        overlay.unlink()
        qemu.run("create", "-f", "qcow2", "-b", "base.raw", "-F", "raw", "-o", options, overlay)
        if change:
            words = [overlay if word is None else word for word in change]
            qemu.run(*words, *([] if None in change else [overlay]))
        before = overlay.read_bytes()
        with pytest.raises(UnsupportedError):
            open_overlay(overlay, base_reader())
        assert overlay.read_bytes() == before

    def test_what_does_not_fit_is_refused(self, qemu, tmp_path, overlay):
        with pytest.raises(UsageError, match="bytes, not"):
            open_overlay(overlay, base_reader(bytes(MIB)))
        qemu.run("create", "-f", "qcow2", tmp_path / "plain.qcow2", str(SIZE))
        with pytest.raises(UsageError, match="no overlay"):
            open_overlay(tmp_path / "plain.qcow2", base_reader())
        with pytest.raises(KenshoError):
            open_overlay(tmp_path / "base.raw", base_reader())

    def test_damaged_tables_are_errors(self, overlay):
        disk = open_overlay(overlay, base_reader())
        disk.write_at(0, b"x" * CLUSTER)
        disk.close()
        raw = overlay.read_bytes()
        for _ in range(300):
            rng = random.Random(_)
            bad = bytearray(raw)
            for _ in range(3):
                table = rng.choice([0, 0, 1, 2, 3, 4, 5])
                at = min(table * CLUSTER + rng.randrange(120), len(bad) - 1)
                bad[at] = rng.randrange(256)
            overlay.write_bytes(bad)
            try:
                damaged = open_overlay(overlay, base_reader())
            except KenshoError:
                continue
            try:
                damaged.write_at(CLUSTER, b"y" * 3 * CLUSTER)
                read_all(damaged)
                damaged.flush()
                damaged.close()
            except KenshoError:
                pass
            finally:
                damaged._file.close()


class Recording(OverlayFile):
    """Keeps what is done to the file, to make the files a crash could leave of it."""

    log: ClassVar = []

    def write_at(self, offset, data):
        self.log.append(("write", offset, bytes(data)))
        super().write_at(offset, data)

    def write_parts(self, offset, parts):
        self.log.append(("write", offset, b"".join(parts)))
        super().write_parts(offset, parts)

    def truncate(self, size):
        self.log.append(("truncate", size, b""))
        super().truncate(size)

    def sync(self):
        self.log.append(("sync", 0, b""))
        super().sync()


def crashed(before, log, rng):
    """Return the file when the power fails after ``log``: what was not synced may be lost."""
    last = max((n for n, (what, *_) in enumerate(log) if what == "sync"), default=-1)
    out = bytearray(before)
    for number, (what, at, data) in enumerate(log):
        luck = 1.0 if number < last else rng.choice([0.0, 0.5, 1.0])
        if what == "truncate" and luck:
            del out[at:]
            out.extend(bytes(at - len(out)))
        step = 512 if luck < 1 else max(512, at % 512 + len(data))  # torn, or in one piece
        for start in range(at // 512 * 512, at + len(data), step):
            if data and rng.random() < luck:
                low, high = max(at, start), min(at + len(data), start + step)
                if len(out) < high:
                    out.extend(bytes(high - len(out)))
                out[low:high] = data[low - at : high - at]
    return bytes(out)


class TestCrash:
    def test_a_power_failure_anywhere_loses_only_what_was_not_flushed(
        self, overlay, tmp_path, monkeypatch
    ):
        rng = random.Random(11)
        monkeypatch.setattr("kensho.disks.overlay.opening.OverlayFile", Recording)
        monkeypatch.setattr(Recording, "log", [])
        before = overlay.read_bytes()
        model = Model(open_overlay(overlay, base_reader()))
        flushed, touched, moments = CONTENT, set(), []
        for number in range(60):
            start = rng.randrange(SIZE // 512) * 512
            size = min(rng.choice([512, 4096, CLUSTER, 4 * CLUSTER]), SIZE - start)
            what = rng.choice(["write", "write", "write", "discard", "zero", "flush"])
            if what == "flush":
                # What is in the log from now on may be lost; the rest is there.
                model.disk.flush()
                flushed, touched = bytes(model.bytes), set()
                moments.append((len(Recording.log), flushed, frozenset()))
                continue
            touched |= set(range(start // 512, -(-(start + size) // 512)))
            if what == "write":
                model.write(start, bytes([number + 1]) * size)
            else:
                getattr(model, what)(start, size)
            moments.append((len(Recording.log), flushed, frozenset(touched)))
        begun = len(Recording.log)
        model.disk.close()
        ends = range(begun, len(Recording.log) + 1)
        moments.extend((length, flushed, frozenset(touched)) for length in ends)
        victim = tmp_path / "crashed.qcow2"
        for length, safe, loose in rng.sample(moments, 16) + moments[-5:]:
            victim.write_bytes(crashed(before, Recording.log[:length], rng))
            check(victim, leaks=True)
            disk = open_overlay(victim, base_reader())
            held = read_all(disk)
            for sector in range(SIZE // 512):
                if sector not in loose:
                    assert held[sector * 512 :][:512] == safe[sector * 512 :][:512]
            disk.write_at(0, b"goes on" * 30000)
            disk.close()
            check(victim, leaks=True)

    def test_a_full_file_system_is_an_error_and_nothing_breaks(self, overlay, monkeypatch):
        disk = open_overlay(overlay, base_reader())
        disk.write_at(0, b"a" * CLUSTER)
        disk.flush()
        with monkeypatch.context() as patched:

            def full(self, *_):
                raise NoSpaceError("full", path=self.name)

            patched.setattr(OverlayFile, "write_parts", full)
            with pytest.raises(NoSpaceError):
                disk.write_at(5 * CLUSTER, b"b" * 3 * CLUSTER)
            patched.setattr(OverlayFile, "write_at", full)
            with pytest.raises(NoSpaceError):
                disk.flush() if disk._tables._dirty else full(disk._file)
        held = bytearray(4)
        disk.read_into(5 * CLUSTER, held)
        assert held == CONTENT[5 * CLUSTER :][:4]
        disk.write_at(5 * CLUSTER, b"c" * 100)
        disk.close()
        check(overlay)

    def test_nothing_is_written_after_a_sync_failed(self, overlay, monkeypatch):
        disk = open_overlay(overlay, base_reader())
        disk.write_at(0, b"a" * CLUSTER)
        with monkeypatch.context() as patched:

            def fails(_):
                raise OSError(5, "Input/output error")

            patched.setattr("os.fdatasync", fails)
            with pytest.raises(KenshoError):
                disk.flush()
        with pytest.raises(KenshoError):
            disk.write_at(0, b"b")
        with pytest.raises(KenshoError):
            disk.close()
        check(overlay, leaks=True)


class TestServed:
    def test_a_client_writes(self, tmp_path, overlay):
        disk = open_overlay(overlay, base_reader())
        model = Model(disk)
        with serving(disk) as (address, _), Client(address) as client:
            size, flags = client.go()
            assert size == SIZE
            assert not flags & 2
            data = bytes(range(256)) * 300
            assert client.ask(WRITE, 1000, len(data), 1, data)[0] == 0
            model.bytes[1000 : 1000 + len(data)] = data
            assert client.ask(ZEROES, 5 * CLUSTER, 2 * CLUSTER)[0] == 0
            assert client.ask(ZEROES, 8 * CLUSTER, 100, flags=2)[0] == 0
            assert client.ask(TRIM, 9 * CLUSTER, CLUSTER, flags=1)[0] == 0
            assert client.ask(FLUSH)[0] == 0
            model.bytes[5 * CLUSTER : 7 * CLUSTER] = bytes(2 * CLUSTER)
            model.bytes[9 * CLUSTER : 10 * CLUSTER] = bytes(CLUSTER)
            assert client.read(0, SIZE) == model.bytes
            assert client.ask(WRITE, SIZE, 10, payload=bytes(10))[0] == ENOSPC
            assert client.ask(ZEROES, SIZE - 1, 10)[0] == ENOSPC
            assert client.ask(TRIM, SIZE - 1, 10)[0] == EINVAL
            states = client.status(8 * CLUSTER, 2 * CLUSTER)
            assert states == [(CLUSTER, 0), (CLUSTER, 3)]
        disk.close()
        judge(overlay, bytes(model.bytes), tmp_path)

    def test_several_clients_at_once(self, tmp_path, overlay):
        disk = open_overlay(overlay, base_reader())
        expected = bytearray(CONTENT)

        def work(number):
            rng = random.Random(number)
            with Client(address) as client:
                client.go()
                for _ in range(40):
                    # Each has its own sectors of every cluster.
                    at = rng.randrange(20) * CLUSTER + number * 4096
                    data = rng.randbytes(4096)
                    assert client.ask(WRITE, at, 4096, payload=data)[0] == 0
                    expected[at : at + 4096] = data
                    assert client.read(at, 4096) == data

        with serving(disk) as (address, _):
            threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        disk.close()
        judge(overlay, bytes(expected), tmp_path)

    def test_errors_of_the_file_reach_the_client(self, overlay, monkeypatch):
        disk = open_overlay(overlay, base_reader())
        with serving(disk) as (address, _), Client(address) as client:
            client.go()
            with monkeypatch.context() as patched:

                def full(self, *_):
                    raise NoSpaceError("full", path=self.name)

                patched.setattr(OverlayFile, "write_parts", full)
                assert client.ask(WRITE, 0, 512, payload=bytes(512))[0] == ENOSPC
                patched.setattr("kensho.disks.overlay.disk.OverlayDisk.read_into", _damaged)
                assert client.ask(0, 0, 512)[0] == 5
            assert client.read(0, 512) == CONTENT[:512]
        disk.close()


def _damaged(*_):
    raise CorruptError("damaged")


class TestCommand:
    def test_qemu_io_writes_and_the_chain_stays_readable(self, qemu, tmp_path):
        (tmp_path / "base.raw").write_bytes(CONTENT)
        overlay = tmp_path / "new.qcow2"
        socket = tmp_path / "s"
        arguments = [tmp_path / "base.raw", "-f", "raw", "--overlay", overlay, "--socket", socket]
        expected = bytearray(CONTENT)
        for number in (1, 3):  # made, and opened again
            with serve_command(*arguments) as (_, said):
                at = number * 100_000
                out = qemu.io(
                    said["uri"],
                    f"write -P {number} {at} 50000",
                    f"write -z {8 * CLUSTER} 1k",
                    f"discard {3 * CLUSTER} {CLUSTER}",
                    "flush",
                )
                assert "wrote 50000/50000" in out
            expected[at : at + 50000] = bytes([number]) * 50000
            expected[8 * CLUSTER : 8 * CLUSTER + KIB] = bytes(KIB)
            expected[3 * CLUSTER : 4 * CLUSTER] = bytes(CLUSTER)
            judge(overlay, bytes(expected), tmp_path)
        assert (tmp_path / "base.raw").read_bytes() == CONTENT
        assert '"backing-filename": "base.raw"' in qemu.run("info", "--output=json", overlay)

    def test_another_base_is_refused(self, tmp_path):
        for name in ("base.raw", "other.raw"):
            (tmp_path / name).write_bytes(CONTENT)
        create_overlay(tmp_path / "o.qcow2", SIZE, "base.raw", "raw")
        arguments = [tmp_path / "other.raw", "-f", "raw", "--overlay", tmp_path / "o.qcow2"]
        with serve_command(*arguments, "--port", 0) as (process, said):
            assert "based on 'base.raw'" in said["message"]
            assert process.wait(120) == 2

    def test_a_member_of_an_archive_and_a_base_elsewhere(self, qemu, tmp_path):
        import tarfile

        (tmp_path / "in").mkdir()
        qemu.run("convert", "-O", "qcow2", "-c", qemu.raw(CONTENT), tmp_path / "in/d.qcow2")
        with tarfile.open(tmp_path / "a.ova", "w") as archive:
            archive.add(tmp_path / "in/d.qcow2", "d.qcow2")
        (tmp_path / "out").mkdir()
        expected = bytearray(CONTENT)
        expected[70000:71000] = b"\5" * 1000
        for number, source in enumerate([f"{tmp_path}/a.ova#d.qcow2", tmp_path / "in/d.qcow2"]):
            overlay = tmp_path / f"out/{number}.qcow2"
            with serve_command(source, "--overlay", overlay, "--socket", tmp_path / "s") as (
                _,
                said,
            ):
                qemu.io(said["uri"], "write -P 5 70000 1000")
            qemu.judge(overlay, "qcow2", bytes(expected))

    def test_kill_loses_nothing_that_was_flushed(self, qemu, tmp_path):
        rng = random.Random(8)
        (tmp_path / "base.raw").write_bytes(CONTENT)
        overlay = tmp_path / "o.qcow2"
        arguments = [tmp_path / "base.raw", "-f", "raw", "--overlay", overlay, "--port", 0]
        expected = bytearray(CONTENT)
        for _ in range(3):
            with serve_command(*arguments, stop=signal.SIGKILL) as (process, said):
                host, port = said["uri"].split("/")[2].split(":")
                with Client((host, int(port))) as client:
                    client.go()
                    timer = threading.Timer(0.1 + rng.random() / 3, process.kill)
                    timer.start()
                    unsure = _write_until_killed(client, rng, expected)
                    timer.join()
            check(overlay, leaks=True)
            with FileSource(overlay) as source:
                reader = open_disk(source, sibling=lambda name: FileSource(tmp_path / name))
                held = bytearray(read_all(reader))
                reader.close()
            held[unsure] = expected[unsure] = bytes(len(expected[unsure]))
            assert held == expected
            expected[unsure] = b"?" * len(expected[unsure])
            disk = open_overlay(overlay, base_reader())
            disk.write_at(unsure.start, bytes(expected[unsure]))
            disk.close()
        subprocess.run(["qemu-img", "check", "-q", "-r", "leaks", overlay], check=False)
        judge(overlay, bytes(expected), tmp_path)


def _write_until_killed(client, rng, expected):
    """Write with FUA; return the range of the write that got no answer."""
    while True:
        at = rng.randrange(SIZE // 512) * 512
        size = min(rng.choice([512, 4096, CLUSTER, 3 * CLUSTER]), SIZE - at)
        data = rng.randbytes(size)
        try:
            assert client.ask(WRITE, at, size, 1, data)[0] == 0
        except (EOFError, ConnectionError):
            return slice(at, at + size)
        expected[at : at + size] = data


# cld; xor ax,ax; mov ds,ax; mov es,ax; write itself to sector 2 (int 0x13, ax 0x0301);
# jc end; print the text to the serial port; end: hlt; jmp end
GUEST = bytes.fromhex(
    "fc 31c0 8ed8 8ec0 b80103 bb007c b90200 b600 cd13 720e be277c"
    "ac 84c0 7406 baf803 ee ebf5 f4 ebfd"
)


@pytest.mark.boot
def test_a_guest_boots_from_what_is_served_and_writes(tmp_path):
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64 is not installed")
    assert len(GUEST) == 0x27
    sector = (GUEST + b"tiny guest wrote\0").ljust(510, b"\0") + b"\x55\xaa"
    packed = make_disk(sector.ljust(2 * MIB, b"\0"), "vmdk", "streamOptimized")
    (tmp_path / "d.vmdk").write_bytes(packed)
    serial, overlay = tmp_path / "serial", tmp_path / "o.qcow2"
    arguments = [tmp_path / "d.vmdk", "--overlay", overlay, "--socket", tmp_path / "s"]
    with serve_command(*arguments) as (_, said):
        machine = ["qemu-system-x86_64", "-display", "none", "-no-reboot", "-net", "none"]
        drive = ["-drive", f"file={said['uri']},format=raw,if=ide", "-serial", f"file:{serial}"]
        with subprocess.Popen([*machine, *drive]) as guest:
            try:
                end = time.monotonic() + 300
                while not (serial.exists() and b"tiny guest wrote" in serial.read_bytes()):
                    assert guest.poll() is None
                    assert time.monotonic() < end
                    time.sleep(0.1)
                guest.terminate()
                assert guest.wait(120) == 0
            finally:
                guest.kill()
    assert (tmp_path / "d.vmdk").read_bytes() == packed
    check(overlay)
    with FileSource(overlay) as source:
        reader = open_disk(source, sibling=lambda name: FileSource(tmp_path / name))
        assert read_all(reader)[512:1024] == sector
        reader.close()
