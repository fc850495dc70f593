"""Archives out of a pipe, written by the standard library and by GNU tar."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import threading
from contextlib import contextmanager, suppress

import pytest

from kensho.model.errors import TruncatedError, UnsupportedError
from kensho.storage.forward import ForwardSource
from kensho.storage.pipe import PipeReader
from kensho.storage.tar import iterate_members
from kensho.storage.window import WindowSource


@contextmanager
def piped(data):
    read, write = os.pipe()

    def feed():
        with suppress(BrokenPipeError), os.fdopen(write, "wb") as out:
            out.write(data)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield ForwardSource(PipeReader(read, "pipe"))
    finally:
        os.close(read)
        thread.join()


def archive(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


MEMBERS = {"a.ovf": b"x" * 700, "é" * 60: b"long", "empty": b"", "disk": bytes(range(256)) * 5000}


@pytest.mark.parametrize("cut", [0, 1024, 10240])
def test_members_in_order_with_or_without_the_end_of_the_archive(cut):
    blob = archive(MEMBERS)
    blob = blob[: len(blob) - len(blob) % 512] if not cut else blob.rstrip(b"\0")
    blob += bytes(-len(blob) % 512) if cut <= 1024 else bytes(cut)
    with piped(blob) as source:
        found = {}
        for member in iterate_members(source):
            window = WindowSource(source, member.offset, member.size, member.name)
            found[member.name] = window.read_at(0, member.size)
    assert found == MEMBERS


def test_members_may_be_skipped():
    with piped(archive(MEMBERS)) as source:
        assert [m.name for m in iterate_members(source)] == list(MEMBERS)


def test_a_pipe_that_ends_early():
    blob = archive(MEMBERS)
    for cut in (100, 200_000):
        with piped(blob[:cut]) as source, pytest.raises(TruncatedError):
            [source.read_at(m.offset, m.size) for m in iterate_members(source)]


def test_what_has_gone_by_is_gone():
    with piped(b"12345") as source:
        assert source.read_at(1, 2) == b"23"
        with pytest.raises(UnsupportedError):
            source.read_at(0, 1)
        assert source.size == 5


def test_gnu_tar(tmp_path):
    (tmp_path / "disk").write_bytes(b"d" * 3000)
    blob = subprocess.run(["tar", "c", "-C", tmp_path, "disk"], capture_output=True, check=True)
    with piped(blob.stdout) as source:
        assert [(m.name, m.size) for m in iterate_members(source)] == [("disk", 3000)]
