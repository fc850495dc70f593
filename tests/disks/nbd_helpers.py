"""A small NBD client that can also misbehave, and servers to talk to."""

import contextlib
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from kensho.disks import open_disk
from kensho.disks.nbd import Export, NbdServer, listen_tcp
from kensho.storage import MemorySource

OPT_MAGIC = 0x49484156454F5054
REQ_MAGIC = 0x25609513
READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZEROES, STATUS = range(8)
EPERM, EIO, EINVAL, ENOSPC, EOVERFLOW = 1, 5, 22, 28, 75


@contextlib.contextmanager
def serving(disk, name="", **options):
    """Serve in this process; yield the (host, port) and the server."""
    if isinstance(disk, bytes):
        disk = open_disk(MemorySource(disk), format="raw")
    listener = listen_tcp(port=0)
    address = listener.getsockname()
    server = NbdServer(listener, Export(disk, name), **options)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield address, server
    finally:
        server.stop()
        thread.join(120)
        assert not thread.is_alive()


@contextlib.contextmanager
def serve_command(*arguments, stop=signal.SIGTERM):
    """Run ``kensho disk serve``; yield the process and what it says about itself."""
    command = [sys.executable, "-m", "kensho.cli", "disk", "serve", *map(str, arguments), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read().decode()
        yield process, json.loads(line)
    finally:
        if process.poll() is None:
            process.send_signal(stop)
        process.wait(120)
        process.stdout.close()
        process.stderr.close()


class Client:
    """Speaks as much of the protocol as the tests need, on purpose without the product's code."""

    def __init__(self, address, flags=3):
        self.sock = socket.create_connection(address, timeout=120)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            magic, option_magic, self.flags = struct.unpack(">8sQH", self.get(18))
        except BaseException:
            self.sock.close()
            raise
        assert (magic, option_magic) == (b"NBDMAGIC", OPT_MAGIC)
        self.sock.sendall(struct.pack(">I", flags))
        self.structured = False
        self._cookie = 0

    def get(self, length):
        data = b""
        while len(data) < length:
            part = self.sock.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def option(self, number, data=b"", *, length=None):
        """Send an option; return its replies as (type, data)."""
        length = len(data) if length is None else length
        self.sock.sendall(struct.pack(">QII", OPT_MAGIC, number, length) + data)
        replies = []
        while not replies or not (replies[-1][0] == 1 or replies[-1][0] >> 31):
            magic, about, kind, size = struct.unpack(">QIII", self.get(20))
            assert (magic, about) == (0x3E889045565A9, number)
            replies.append((kind, self.get(size)))
        return replies

    def go(self, name=b"", *, structured=True, meta=True):
        """Enter transmission; return (size, flags)."""
        if structured:
            assert self.option(8) == [(1, b"")]
            self.structured = True
            if meta:
                assert self.option(10, names(name, b"base:allocation"))[-1][0] == 1
        replies = self.option(7, struct.pack(">I", len(name)) + name + struct.pack(">H", 0))
        assert replies[-1][0] == 1, replies
        return next(struct.unpack(">QH", d[2:]) for k, d in replies if k == 3 and d[:2] == b"\0\0")

    def send(self, command, offset=0, length=0, flags=0, payload=b""):
        self._cookie += 1
        head = struct.pack(">IHHQQI", REQ_MAGIC, flags, command, self._cookie, offset, length)
        self.sock.sendall(head + payload)

    def ask(self, command, offset=0, length=0, flags=0, payload=b""):
        """Send a request; return (error number, [(chunk type, data)])."""
        self.send(command, offset, length, flags, payload)
        chunks, error = [], 0
        while True:
            (magic,) = struct.unpack(">I", self.get(4))
            if magic == 0x67446698:
                error, cookie = struct.unpack(">IQ", self.get(12))
                assert cookie == self._cookie
                if command == READ and not error:
                    assert not self.structured
                    chunks.append((1, struct.pack(">Q", offset) + self.get(length)))
                return error, chunks
            assert magic == 0x668E33EF
            assert self.structured
            done, kind, cookie, size = struct.unpack(">HHQI", self.get(16))
            assert cookie == self._cookie
            data = self.get(size)
            if kind >> 15:
                error, text = struct.unpack(">IH", data[:6])
                assert len(data) >= 6 + text
            else:
                chunks.append((kind, data))
            if done:
                return error, chunks

    def read(self, offset, length, flags=0):
        """Return the bytes, put together from the chunks, which must cover the range once."""
        error, chunks = self.ask(READ, offset, length, flags)
        assert error == 0, error
        out, seen = bytearray(length), bytearray(length)
        for kind, data in chunks:
            if kind == 0:
                continue
            (at,) = struct.unpack(">Q", data[:8])
            body = data[8:] if kind == 1 else bytes(struct.unpack(">I", data[8:])[0])
            low = at - offset
            assert not any(seen[low : low + len(body)])
            out[low : low + len(body)] = body
            seen[low : low + len(body)] = b"\1" * len(body)
        assert all(seen)
        return bytes(out)

    def status(self, offset, length, flags=0):
        """Return [(length, state)]."""
        error, chunks = self.ask(STATUS, offset, length, flags)
        assert error == 0, error
        ((kind, data),) = chunks
        assert kind == 5
        values = struct.unpack(f">{len(data) // 4}I", data)
        return list(zip(values[1::2], values[2::2], strict=True))

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def names(export, *queries):
    """Return the data of a metadata context option."""
    parts = [struct.pack(">I", len(export)) + export, struct.pack(">I", len(queries))]
    return b"".join([*parts, *(struct.pack(">I", len(q)) + q for q in queries)])


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))
