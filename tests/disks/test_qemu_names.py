"""Backing names as QEMU writes them: files are found, all else is refused by name."""

import json

import pytest
from chain_helpers import opener
from disk_helpers import MIB, Qemu, make_content, make_disk, read_all

from kensho.disks import create_disk, open_disk
from kensho.disks._qemu_names import Backing, file_of
from kensho.disks.base import ParentRef
from kensho.model.errors import TruncatedError, UnsafePathError, UnsupportedError
from kensho.storage import FileSource, MemorySink, MemorySource
from kensho.storage.locator import sibling_opener

BASE = make_content(MIB, [(0, 5000), (300_000, 70_000)])


def over(name, fmt="raw"):
    """Return a QCOW2 that owns nothing and is based on ``name``."""
    sink = MemorySink()
    writer = create_disk("qcow2", None, sink, MIB, identity=b"x", parent=ParentRef(name, fmt))
    writer.finish()
    return bytes(sink.data)


def opened(name, files, fmt="raw"):
    top = MemorySource(over(name, fmt), "top.qcow2")
    return open_disk(top, sibling=opener(files), format="qcow2")


@pytest.mark.parametrize(
    "name",
    [
        "base.raw",
        "./base.raw",
        "file:base.raw",
        'json:{"driver":"raw","file":{"driver":"file","filename":"base.raw"}}',
        'json:{"file":{"filename":"base.raw"}}',
        'json:{"file.filename":"base.raw","file.driver":"file","driver":"raw"}',
        'json:{"driver":"file","filename":"base.raw"}',
        'json:{"driver":"raw","read-only":true,"cache":{"direct":true},"file.filename":"base.raw"}',
    ],
)
def test_files_are_found(name):
    assert read_all(opened(name, {"base.raw": BASE})) == BASE


def test_the_format_in_json_counts():
    # a QCOW2 that is to be read as raw, and a VHD by QEMU's name for it
    inner = make_disk(BASE, "qcow2")
    name = 'json:{"driver":"raw","file":{"driver":"file","filename":"b"}}'
    disk = opened(name, {"b": inner.ljust(MIB, b"\0")[:MIB]}, "qcow2")
    assert read_all(disk)[:4] == b"QFI\xfb"
    name = 'json:{"driver":"vpc","file":{"driver":"file","filename":"b"}}'
    assert read_all(opened(name, {"b": make_disk(BASE, "vhd", "fixed")})) == BASE


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nbd:localhost:10809", "nbd:"),
        ("nbd://host/export", "nbd://"),
        ("rbd:pool/image", "rbd:"),
        ("fat:rw:folder", "fat:"),
        ("blkdebug::base.raw", "blkdebug"),
        ("host_device:/dev/sda", "host_device"),
        ("json:", "json:"),
        ("json:[]", "json:"),
        ("json:" + "[" * 900, "json:"),
        ("json:" + '{"a":' * 150, "json:"),
        ("json:" + '{"a":' * 100 + "1" + "}" * 100, "a.a.a"),
        ('json:{"driver":"raw"}', "file name"),
        ('json:{"file":{"filename":7}}', "file name"),
        ('json:{"driver":["raw"],"file":{"filename":"base.raw"}}', "file name"),
        ('json:{"driver":"raw","file":{"driver":"nbd","host":"h"}}', "protocol"),
        ('json:{"driver":"raw","offset":512,"file":{"filename":"base.raw"}}', "'offset'"),
        ('json:{"driver":"raw","size":512,"file":{"filename":"base.raw"}}', "'size'"),
        ('json:{"driver":"qcow2","backing":null,"file":{"filename":"base.raw"}}', "'backing'"),
        ('json:{"driver":"qcow2","file":{"filename":"base.raw","locking":"off"}}', "locking"),
    ],
)
def test_what_is_no_plain_file_is_refused_by_name(name, words):
    with pytest.raises(UnsupportedError) as error:
        opened(name, {"base.raw": BASE})
    assert words in str(error.value)
    assert error.value.field == "backing_file"
    assert error.value.hint


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "file:/etc/passwd", "file:../x", "C:\\x", 'json:{"file":{"filename":"/x"}}',
     'json:{"driver":"raw","file":{"driver":"file","filename":"../base.raw"}}'],
)  # fmt: skip
def test_names_stay_in_the_folder(name):
    with pytest.raises(UnsafePathError):
        opened(name, {"base.raw": BASE})


def test_what_qemu_records(tmp_path, qemu):
    base = qemu.raw(BASE)
    for name in (f"file:{base.name}",
                 "json:" + json.dumps({"driver": "raw", "file": {"driver": "file", "filename": base.name}})):  # fmt: skip
        top = qemu.path(".qcow2")
        qemu.run("create", "-f", "qcow2", "-u", "-b", name, "-F", "raw", top, "1M")
        qemu.io(top, "write -P 7 64k 64k", fmt="qcow2")
        with FileSource(top) as source:
            disk = open_disk(source, sibling=lambda n: FileSource(tmp_path / n))
            expected = BASE[:65536] + disk_read(disk, 65536, 65536) + BASE[131072:]
            assert read_all(disk) == expected
            disk.close()


def disk_read(disk, at, length):
    buffer = bytearray(length)
    disk.read_into(at, buffer)
    return bytes(buffer)


@pytest.fixture
def qemu(tmp_path):
    import shutil

    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img is not installed")
    return Qemu(tmp_path)


def test_drive_letters_are_no_protocols():
    assert file_of("C:\\disks\\base.raw", "x") == Backing("C:\\disks\\base.raw")
    assert file_of("./a:b", "x") == Backing("./a:b")


PART = {"driver": "raw", "file": {"driver": "raw", "offset": 512, "size": MIB,
        "file": {"driver": "file", "filename": "box"}}}  # fmt: skip


def test_a_part_of_a_file():
    box = b"x" * 512 + BASE + b"y" * 700
    assert read_all(opened("json:" + json.dumps(PART), {"box": box})) == BASE
    with pytest.raises(TruncatedError):
        read_all(opened("json:" + json.dumps(PART), {"box": box[:-800]}))
    for bad in ({"offset": -1}, {"size": True}, {"size": None}, {"offset": "512"}):
        odd = PART | {"file": PART["file"] | bad}
        with pytest.raises(UnsupportedError, match="part of a file"):
            opened("json:" + json.dumps(odd), {"box": box})


def test_absolute_names_in_the_folder_of_the_disk(tmp_path):
    # As libvirt records them.
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "base.raw").write_bytes(BASE)
    (tmp_path / "outside.raw").write_bytes(BASE)
    top = folder / "top.qcow2"
    for name in (f"{folder}/sub/base.raw", f"{folder}/../images/sub/base.raw",
                 "json:" + json.dumps({"file": {"filename": f"{folder}/sub/base.raw"}})):  # fmt: skip
        top.write_bytes(over(name))
        with FileSource(top) as source:
            disk = open_disk(source, sibling=sibling_opener(top))
            assert read_all(disk) == BASE
            disk.close()
    (folder / "link").symlink_to(tmp_path / "outside.raw")
    for name in (f"{tmp_path}/outside.raw", f"{folder}/../outside.raw", f"{folder}/link"):
        top.write_bytes(over(name))
        with FileSource(top) as source, pytest.raises(UnsafePathError):
            open_disk(source, sibling=sibling_opener(top))
