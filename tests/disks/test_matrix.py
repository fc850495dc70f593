"""Every format that is written, from every one of them: the content arrives, and QEMU agrees."""

import subprocess

import pytest
from disk_helpers import MIB, QEMU_NAMES, WRITERS, make_content, make_disk, open_bytes, read_all

from kensho.disks import copy_disk, create_disk
from kensho.storage import FileSink

IMAGES = {
    "full": make_content(2 * MIB, [(0, 2 * MIB)], seed=1),
    "sparse": make_content(6 * MIB, [(3 * MIB + 4096, 70_000)], seed=2),
    "scattered": make_content(4 * MIB, [(n * 97 * 4096, 5000) for n in range(11)], seed=3),
}
_SOURCES = {}


def source(image, fmt, sub):
    """Return a disk in a format, made once."""
    key = (image, fmt, sub)
    if key not in _SOURCES:
        _SOURCES[key] = make_disk(IMAGES[image], fmt, sub)
    return _SOURCES[key]


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize(("fmt", "sub"), WRITERS)
def test_from_every_format(image, fmt, sub, tmp_path, qemu):
    raw = tmp_path / "content.raw"
    raw.write_bytes(IMAGES[image])
    for number, (from_fmt, from_sub) in enumerate(WRITERS):
        reader = open_bytes(source(image, from_fmt, from_sub), format=from_fmt)
        path = tmp_path / f"{number}.{fmt}"
        with FileSink(path) as sink:
            writer = create_disk(fmt, sub, sink, reader.virtual_size, identity=b"test")
            copy_disk(reader, writer, threads=2)
        assert read_all(open_bytes(path.read_bytes(), format=fmt)) == IMAGES[image]
        name = QEMU_NAMES.get(fmt, fmt)
        done = subprocess.run(
            ["qemu-img", "compare", "-f", "raw", "-F", name, raw, path], capture_output=True
        )
        assert done.returncode == 0, (from_fmt, from_sub, done.stdout + done.stderr)
        path.unlink()
