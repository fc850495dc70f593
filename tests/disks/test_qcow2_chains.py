"""Chains kept as chains: QEMU judges the QCOW2 ones, and makes those that are copied."""

import json

import pytest
from chain_helpers import keep_chain, open_named
from disk_helpers import KIB, MIB, make_content, read_all
from test_qcow2_features import scribble

from kensho.disks import create_disk, open_disk
from kensho.disks.base import ParentRef
from kensho.disks.chain import links_of
from kensho.disks.chain_copy import copy_chain
from kensho.model.errors import LocatorError, UsageError
from kensho.storage import FileSink, FileSource, MemorySink

SUBFORMATS = ["uncompressed", "compressed", "compressed-zstd", "v2", "v2-compressed"]


def make_chain(qemu, base_format="qcow2", sizes=("9M", "9M", "9M"), options="compat=1.1"):
    """Return the path of the top of a chain of three that QEMU wrote into at random."""
    content = make_content(9 * MIB, [(0, 2 * MIB), (5 * MIB + 4096, 100_000)])
    below, fmt = (
        qemu.convert(content, base_format, "force_size=on" if base_format == "vpc" else None),
        base_format,
    )
    for number, size in enumerate(sizes[1:], 1):
        path = qemu.path(".qcow2")
        backing = ["-b", below.name, "-F", fmt]
        qemu.run("create", "-f", "qcow2", *backing, "-o", options, path, size)
        scribble(qemu, path, number, 8 * MIB)
        below, fmt = path, "qcow2"
    return below


@pytest.mark.parametrize("sub", SUBFORMATS)
@pytest.mark.parametrize("base_format", ["raw", "vpc"])
def test_qcow2_chains_are_kept(qemu, sibling, tmp_path, sub, base_format):
    top = make_chain(qemu, base_format, options="extended_l2=on" if sub == "v2" else "compat=1.1")
    with FileSource(top) as source:
        disk = open_disk(source, sibling=sibling)
        files = keep_chain(disk, "qcow2", child=sub, base=sub)
        for name, link in zip(files, reversed(links_of(disk)), strict=True):
            (tmp_path / name).write_bytes(files[name])
            expected = read_all(link.disk)
            assert read_all(open_named(files, name)) == expected
            qemu.judge(tmp_path / name, "qcow2", expected)
        disk.close()
    told = json.loads(qemu.run("info", "--backing-chain", "--output=json", tmp_path / name))
    assert [one.get("backing-filename") for one in told] == ["layer1.qcow2", "layer0.qcow2", None]
    assert told[0]["backing-filename-format"] == "qcow2"
    version = told[0]["format-specific"]["data"]["compat"]
    assert version == ("0.10" if sub.startswith("v2") else "1.1")


@pytest.mark.parametrize("fmt", ["vhd", "vhdx", "vmdk"])
def test_qcow2_chains_become_others(qemu, sibling, tmp_path, fmt):
    top = make_chain(qemu)
    with FileSource(top) as source:
        disk = open_disk(source, sibling=sibling)
        files = keep_chain(disk, fmt)
        for name, link in zip(files, reversed(links_of(disk)), strict=True):
            assert read_all(open_named(files, name)) == read_all(link.disk)
            (tmp_path / name).write_bytes(files[name])
            if fmt == "vmdk":  # the only one of these whose children QEMU reads
                qemu.judge(tmp_path / name, "vmdk", read_all(link.disk))
        disk.close()


def test_chains_of_disks_that_grew(qemu, sibling):
    top = make_chain(qemu, sizes=("9M", "9M", "12M"))
    with FileSource(top) as source:
        disk = open_disk(source, sibling=sibling)
        for fmt in ("qcow2", "vhdx"):
            files = keep_chain(disk, fmt)
            assert read_all(open_named(files, f"layer2.{fmt}")) == read_all(disk)
        with pytest.raises(UsageError, match="one size"):
            keep_chain(disk, "vhd")
        disk.close()


def test_chains_in_files_are_copied_by_the_kernel(qemu, sibling, tmp_path):
    """The same bytes whether through memory or from file to file."""
    top = make_chain(qemu)
    with FileSource(top) as source:
        disk = open_disk(source, sibling=sibling)
        expected = keep_chain(disk, "vhdx")
        made = []

        def make(link, identity):
            name = f"layer{len(made)}.vhdx"
            sink = FileSink(tmp_path / name)
            parent = ParentRef(made[-1], "vhdx", identity) if made else None
            made.append(name)
            size = link.layer.virtual_size
            return create_disk("vhdx", None, sink, size, parent=parent, identity=name.encode())

        copy_chain(disk, make)
        disk.close()
    for name in made:
        assert (tmp_path / name).read_bytes() == expected[name]


def test_a_folder_below_has_its_own_names(qemu, tmp_path, sibling):
    """A backing file's name counts from the folder of the file it is in, as for QEMU."""
    (tmp_path / "base").mkdir()
    content = make_content(MIB, [(0, 300 * KIB)])
    qemu.run("convert", "-O", "qcow2", qemu.raw(content), tmp_path / "base/a.qcow2")
    qemu.run(
        "create",
        "-f",
        "qcow2",
        "-u",
        "-b",
        "a.qcow2",
        "-F",
        "qcow2",
        tmp_path / "base/b.qcow2",
        "1M",
    )
    qemu.run("create", "-f", "qcow2", "-b", "base/b.qcow2", "-F", "qcow2", tmp_path / "c.qcow2")
    with FileSource(tmp_path / "c.qcow2") as source:
        disk = open_disk(source, sibling=sibling)
        assert read_all(disk) == content
        assert [link.name for link in links_of(disk)] == ["", "base/b.qcow2", "base/a.qcow2"]
        disk.close()
        (tmp_path / "base/a.qcow2").unlink()
        with pytest.raises(LocatorError):
            open_disk(source, sibling=sibling)


def test_names_that_are_too_long():
    writer = create_disk("qcow2", None, MemorySink(), MIB, parent=ParentRef("x" * 2000, "raw"))
    with pytest.raises(UsageError):
        writer.finish()


def test_an_empty_child(qemu, tmp_path):
    """An empty child of a raw disk: nothing owned, everything the parent's."""
    content = make_content(3 * MIB, [(MIB, 5000)])
    raw = qemu.raw(content)
    sink = MemorySink()
    create_disk("qcow2", None, sink, 3 * MIB, parent=ParentRef(raw.name, "raw")).finish()
    (tmp_path / "c.qcow2").write_bytes(sink.data)
    qemu.judge(tmp_path / "c.qcow2", "qcow2", content)
