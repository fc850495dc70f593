"""The NBD server: real clients, an exact one, and hostile ones."""

import os
import random
import shutil
import signal
import socket
import stat
import struct
import subprocess
import threading
import time

import pytest
from disk_helpers import KIB, MIB, make_content, make_disk
from nbd_helpers import (
    CACHE,
    DISC,
    EINVAL,
    EIO,
    EOVERFLOW,
    EPERM,
    FLUSH,
    READ,
    STATUS,
    TRIM,
    WRITE,
    ZEROES,
    Client,
    descriptors,
    names,
    serve_command,
    serving,
)

from kensho.disks import open_disk
from kensho.disks.nbd import Export, NbdServer, listen_tcp, listen_unix
from kensho.disks.nbd.server import MAX_CLIENTS
from kensho.model.errors import CorruptError, UsageError
from kensho.model.extent import Extent, Kind
from kensho.storage import MemorySource

SIZE = 5 * MIB + 1536
CONTENT = make_content(SIZE, [(0, 100 * KIB), (2 * MIB + 512, 70 * KIB), (SIZE - 300, 300)])


def needs(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def disk():
    packed = make_disk(CONTENT, "vmdk", "streamOptimized")
    return open_disk(MemorySource(packed))


class TestPeers:
    @needs("qemu-img", "qemu-io", "nbdinfo", "nbdcopy")
    def test_all_read_a_compressed_vmdk_over_tcp(self, tmp_path, disk):
        raw = tmp_path / "content.raw"
        raw.write_bytes(CONTENT)
        with serving(disk, "disk one") as ((host, port), server):
            uri = server.uri
            assert uri == f"nbd://{host}:{port}/disk%20one"
            info = run("nbdinfo", "--json", uri)
            assert f'"export-size": {SIZE}' in info
            assert '"is_read_only": true' in info
            assert "disk one" in run("nbdinfo", "--list", f"nbd://{host}:{port}")
            run("nbdcopy", uri, tmp_path / "copy.raw")
            assert (tmp_path / "copy.raw").read_bytes() == CONTENT
            assert "identical" in run("qemu-img", "compare", "-f", "raw", uri, raw)
            run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", uri, tmp_path / "o.vmdk")
            assert "5 MiB" in run("qemu-img", "info", uri)
            kinds = run("nbdinfo", "--map", uri).split()
            assert "hole,zero" in kinds
            assert "data" in kinds
            assert '"data": false' in run("qemu-img", "map", "--output=json", "-f", "raw", uri)
            told = subprocess.run(
                ["qemu-io", "-f", "raw", "-c", "write 0 512", uri], capture_output=True, text=True
            )
            assert told.returncode != 0

    @needs("qemu-img", "nbdcopy")
    def test_the_command_on_a_unix_socket(self, tmp_path):
        (tmp_path / "d.vmdk").write_bytes(make_disk(CONTENT, "vmdk", "streamOptimized"))
        (tmp_path / "d.raw").write_bytes(CONTENT)
        path = tmp_path / "s"
        with serve_command(tmp_path / "d.vmdk", "--socket", path) as (process, said):
            assert said["uri"] == f"nbd+unix:///?socket={path}"
            assert said["read_only"] is True
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            run("qemu-img", "compare", "-f", "raw", said["uri"], tmp_path / "d.raw")
            run("nbdcopy", said["uri"], tmp_path / "copy.raw")
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0
        assert not path.exists()
        assert (tmp_path / "copy.raw").read_bytes() == CONTENT

    @needs("nbdcopy")
    def test_once_ends_with_the_last_client(self, tmp_path):
        (tmp_path / "d.raw").write_bytes(CONTENT)
        with serve_command(tmp_path / "d.raw", "-f", "raw", "--port", 0, "--once") as (
            process,
            said,
        ):
            host, port = said["uri"].split("/")[2].split(":")
            Client((host, int(port))).close()  # looked, but chose nothing
            run("nbdcopy", said["uri"], tmp_path / "copy.raw")
            assert process.wait(120) == 0


class TestHandshake:
    def test_old_client_gets_export_name_zeroes_and_simple_replies(self):
        with serving(CONTENT, "d") as (address, _), Client(address, flags=1) as client:
            client.sock.sendall(struct.pack(">QII", 0x49484156454F5054, 1, 1) + b"d")
            size, flags = struct.unpack(">QH", client.get(10))
            assert client.get(124) == bytes(124)
            assert size == SIZE
            assert flags & 0b10
            assert not flags & 1 << 7  # no DF without structured replies
            assert client.read(0, SIZE) == CONTENT
            assert client.ask(READ, SIZE, 1) == (EINVAL, [])
            assert client.read(512, 0) == b""

    def test_unknown_name_ends_the_old_way_and_is_an_error_the_new_way(self):
        with serving(CONTENT, "d") as (address, _):
            with Client(address) as client, pytest.raises(EOFError):
                client.option(1, b"other")
            with Client(address) as client:
                assert client.option(7, struct.pack(">I5sH", 5, b"other", 0))[0][0] == 1 << 31 | 6
                assert client.go(b"d")[0] == SIZE

    def test_options(self):
        with serving(CONTENT, "d") as (address, _), Client(address) as client:
            assert client.option(3) == [(2, b"\0\0\0\1d"), (1, b"")]
            assert client.option(3, b"x")[0][0] == 1 << 31 | 3
            assert client.option(5)[0][0] == 1 << 31 | 2  # no TLS, by policy
            assert client.option(99, b"abc")[0][0] == 1 << 31 | 1
            assert client.option(10, names(b"d", b"base:allocation"))[0][0] == 1 << 31 | 3
            assert client.option(8) == [(1, b"")]
            assert client.option(9, names(b"d"))[0] == (4, b"\0\0\0\0base:allocation")
            assert client.option(9, names(b"d", b"base:"))[0][0] == 4
            assert client.option(10, names(b"d", b"base:", b"qemu:x")) == [(1, b"")]
            assert client.option(10, names(b"x", b"base:allocation"))[0][0] == 1 << 31 | 6
            wanted = struct.pack(">IsHHHHH", 1, b"d", 4, 0, 1, 2, 3)
            kinds = [d[:2] for k, d in client.option(6, wanted) if k == 3]
            assert kinds == [b"\0\0", b"\0\1", b"\0\3"]
            assert client.option(2) == [(1, b"")]
            with pytest.raises(EOFError):
                client.get(1)

    @pytest.mark.parametrize(
        ("option", "data"),
        [
            (7, b""),
            (7, b"\0\0"),
            (7, b"\xff\xff\xff\xff"),
            (6, struct.pack(">IH", 0, 9)),
            (6, struct.pack(">IHH", 0, 0, 1)),
            (9, struct.pack(">II", 0, 1)),
            (10, names(b"") + b"x"),
        ],
    )
    def test_malformed_options_are_answered(self, option, data):
        with serving(CONTENT) as (address, _), Client(address) as client:
            client.option(8)
            assert client.option(option, data)[-1][0] == 1 << 31 | 3
            assert client.go(structured=False)[0] == SIZE

    def test_too_long_options(self):
        with serving(CONTENT) as (address, _):
            with Client(address) as client:
                assert client.option(7, bytes(100 * KIB))[0][0] == 1 << 31 | 9
                assert client.go()[0] == SIZE
            with Client(address) as client, pytest.raises(EOFError):
                client.option(7, length=0xFFFFFFFF)
            with Client(address) as client, pytest.raises((EOFError, ConnectionError)):
                list(map(client.option, [8] * 300))

    def test_unknown_client_flags_end_it(self):
        with (
            serving(CONTENT) as (address, _),
            Client(address, flags=4) as client,
            pytest.raises(EOFError),
        ):
            client.get(1)


class TestTransmission:
    def test_reads_at_random_places(self, disk):
        rng = random.Random(3)
        with serving(disk) as (address, _), Client(address) as client:
            assert client.go()[0] == disk.virtual_size
            for _ in range(60):
                offset = rng.randrange(SIZE)
                length = min(rng.choice([1, 512, 70000, 2 * MIB]), SIZE - offset)
                flags = 4 * (length <= MIB and rng.random() < 0.3)
                assert client.read(offset, length, flags) == CONTENT[offset : offset + length]
            assert client.ask(READ, 0, 2 * MIB, 4)[0] == EOVERFLOW
            assert len(client.ask(READ, 0, 300 * KIB, 4)[1]) == 2  # one piece, and the end

    def test_holes_are_not_sent(self, disk):
        with serving(disk) as (address, _), Client(address) as client:
            client.go()
            _, chunks = client.ask(READ, 0, 2 * MIB)
            assert [kind for kind, _ in chunks] == [1, 2, 0]

    def test_status(self, disk):
        with serving(disk) as (address, _), Client(address) as client:
            client.go()
            whole = client.status(0, SIZE)
            assert sum(length for length, _ in whole) == SIZE
            assert [state for _, state in whole[:2]] == [0, 3]
            assert client.status(0, SIZE, 8) == whole[:1]
            assert client.status(3 * MIB, 100) == [(100, 3)]
            assert client.ask(STATUS, 0, 0)[0] == EINVAL
        with serving(disk) as (address, _), Client(address) as client:
            client.go(meta=False)
            assert client.ask(STATUS, 0, 512)[0] == EINVAL

    def test_refusals(self):
        with serving(CONTENT) as (address, _), Client(address) as client:
            client.go()
            assert client.ask(WRITE, 0, 100, payload=bytes(100))[0] == EPERM
            assert client.ask(WRITE, 0, 3 * MIB, payload=bytes(3 * MIB))[0] == EPERM
            assert client.ask(ZEROES, 0, 100)[0] == EPERM
            assert client.ask(TRIM, 0, 100)[0] == EPERM
            assert client.ask(FLUSH)[0] == 0
            assert client.ask(CACHE, 0, SIZE)[0] == 0
            assert client.ask(CACHE, 0, SIZE + 1)[0] == EINVAL
            assert client.ask(READ, 0, SIZE + 1)[0] == EINVAL
            assert client.ask(READ, 2**64 - 1, 2)[0] == EINVAL
            assert client.ask(READ, 0, 2**32 - 1)[0] == EINVAL
            assert client.ask(READ, 0, 512, flags=2)[0] == EINVAL
            assert client.ask(77, 0, 512)[0] == EINVAL
            assert client.read(0, 512) == CONTENT[:512]
            client.send(DISC)
            with pytest.raises(EOFError):
                client.get(1)

    def test_a_damaged_disk_is_an_io_error_not_the_end(self):
        class Damaged:
            virtual_size, format, subformat, details = SIZE, "x", "", {}
            parent, warnings, sources = None, (), ()

            def extents(self, start=0, end=None):
                yield Extent(start, min(end, MIB) - start, Kind.DATA)
                if end > MIB:
                    raise CorruptError("table damaged", path="/secret/place")

            def read_into(self, offset, buffer):
                if offset >= MIB:
                    raise CorruptError("grain damaged", path="/secret/place")

            def close(self): ...

        with serving(Damaged()) as (address, _):
            with Client(address) as client:
                client.go()
                error, chunks = client.ask(READ, 0, 2 * MIB)
                assert error == EIO
                assert not any(b"secret" in data for _, data in chunks)
                assert client.status(0, 2 * MIB) == [(MIB, 0)]
                assert client.read(0, 512) == bytes(512)
            with Client(address) as client:
                client.go(structured=False)
                assert client.ask(READ, MIB, 512)[0] == EIO
                with pytest.raises(EOFError):  # too late to say so
                    client.read(0, 2 * MIB)

    def test_writes_that_are_too_long_end_it(self):
        with serving(CONTENT) as (address, _), Client(address) as client:
            client.go()
            client.send(WRITE, 0, 33 * MIB)
            with pytest.raises((EOFError, ConnectionError)):
                client.get(1)


class TestServer:
    def test_limit_of_clients(self):
        with serving(CONTENT) as (address, _):
            clients = [Client(address) for _ in range(MAX_CLIENTS)]
            with pytest.raises((EOFError, ConnectionError)):
                Client(address)
            for client in clients:
                client.close()
            _until(lambda: _can_read(address))

    def test_stop_with_clients_that_idle_and_stall(self, monkeypatch):
        monkeypatch.setattr("kensho.disks.nbd.server._LEAVE_SECONDS", 0.5)
        before = set(threading.enumerate())
        with serving(CONTENT) as (address, server):
            idle, stalled = Client(address), Client(address)
            idle.go()
            stalled.go()
            for _ in range(8):  # asks, and never takes the answers
                stalled.send(READ, 0, SIZE)
            server.stop()
        assert set(threading.enumerate()) <= before  # others may have ended
        with pytest.raises((EOFError, ConnectionError)):
            idle.get(1)
        idle.close()
        stalled.close()

    def test_random_bytes_leave_it_serving(self):
        rng = random.Random(int(os.environ.get("KENSHO_FUZZ_SEED", "5")))
        greeting = struct.pack(">I", 3)
        option = struct.pack(">Q", 0x49484156454F5054)
        enter = greeting + option + struct.pack(">IIIH", 7, 6, 0, 0)
        request = struct.pack(">I", 0x25609513)
        with serving(CONTENT) as (address, _):
            files = descriptors()
            for number in range(150):
                start = [b"", greeting, greeting + option, enter, enter + request][number % 5]
                noise = rng.randbytes(rng.randrange(1, 400))
                if number % 3 == 0:  # small numbers go deeper than random ones
                    noise = bytes(b & 7 if rng.random() < 0.8 else b for b in noise)
                with socket.create_connection(address, timeout=120) as sock:
                    try:
                        sock.sendall(start + noise)
                        sock.shutdown(socket.SHUT_WR)
                        while sock.recv(1 << 16):
                            pass
                    except OSError:  # hung up on
                        pass
            assert _can_read(address)
            _until(lambda: descriptors() <= files + 1)

    def test_slow_hands_are_shaken_off(self, monkeypatch):
        monkeypatch.setattr("kensho.disks.nbd.server._HANDSHAKE_SECONDS", 0.2)
        with (
            serving(CONTENT) as (address, _),
            Client(address) as client,
            pytest.raises((EOFError, ConnectionError)),
        ):
            client.get(1)

    def test_a_dead_socket_is_replaced_and_a_live_one_is_not(self, tmp_path):
        path = str(tmp_path / "s")
        first = listen_unix(path)
        with pytest.raises(UsageError):
            listen_unix(path)
        first.close()
        listen_unix(path).close()
        with pytest.raises(UsageError):
            listen_unix(str(tmp_path / ("x" * 200)))

    def test_a_taken_port_is_an_error(self):
        with listen_tcp(port=0) as taken, pytest.raises(UsageError):
            listen_tcp(port=taken.getsockname()[1])

    def test_addresses(self, tmp_path, disk):
        path = str(tmp_path / "a b")
        server = NbdServer(listen_unix(path), Export(disk, "x/y"))
        server.stop()
        for name in ("a\nb", "x" * 256, "\udcff"):
            with pytest.raises(UsageError):
                Export(disk, name)
        assert server.uri == f"nbd+unix:///x%2Fy?socket={tmp_path}/a%20b"
        server.run()


def _can_read(address):
    try:
        with Client(address) as client:
            client.go()
            return client.read(0, 1000) == CONTENT[:1000]
    except (EOFError, ConnectionError):
        return False


def _until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
