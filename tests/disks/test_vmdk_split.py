"""VMDK of several files: what is written is read by us and by QEMU."""

import pytest
from disk_helpers import MIB, make_content
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.disks import compare, copy_disk, create_disk, descriptor_of, open_disk
from kensho.disks.vmdk_split import PART
from kensho.model.errors import LimitError, UsageError
from kensho.storage import FileSink, FileSource, MemorySink, MemorySource

SUBFORMATS = list(descriptor_of("vmdk").folder_writers)


def write_files(content, subformat, name="disk.vmdk", **options):
    """Return the files of a disk with ``content``, by name."""
    files = {name: MemorySink()}

    def sibling_sink(other):
        assert other not in files
        files[other] = MemorySink()
        return files[other]

    writer = create_disk(
        "vmdk",
        subformat,
        files[name],
        len(content),
        identity=b"test",
        sibling_sink=sibling_sink,
        name=name,
        **options,
    )
    copy_disk(open_disk(MemorySource(content), format="raw"), writer)
    return {name: bytes(sink.data) for name, sink in files.items()}


def open_files(files, name="disk.vmdk"):
    return open_disk(MemorySource(files[name], name), sibling=lambda n: MemorySource(files[n], n))


@pytest.mark.parametrize("subformat", SUBFORMATS)
@settings(max_examples=15, deadline=None)
@given(
    size=st.integers(1, 3 * MIB),
    pieces=st.lists(st.tuples(st.integers(0, 3 * MIB), st.integers(1, 200_000)), max_size=5),
)
def test_what_is_written_is_read(subformat, size, pieces):
    content = make_content(size, [(at % size, n) for at, n in pieces])
    files = write_files(content, subformat)
    reader = open_files(files)
    assert reader.subformat == subformat
    assert reader.virtual_size == -(-size // 512) * 512
    assert compare(open_disk(MemorySource(content), format="raw"), reader) is None
    assert files == write_files(content, subformat)


@pytest.mark.parametrize("subformat", SUBFORMATS)
def test_qemu_reads_what_is_written(qemu, tmp_path, subformat):
    """Larger than two parts, with data across the first border and none in the second."""
    size = 2 * PART + 5 * MIB + 512
    raw = tmp_path / "raw"
    with FileSink(raw) as sink:
        sink.truncate(size)
        for at in (0, PART - 70_000, size - 300_000):
            sink.write_at(at, make_content(300_000, [(0, 300_000)], seed=at))
    sinks = []

    def sibling_sink(name):
        sinks.append(FileSink(tmp_path / name))
        return sinks[-1]

    out = tmp_path / "with blank.vmdk"
    with FileSource(raw) as source:
        reader = open_disk(source, format="raw")
        main = sibling_sink(out.name)
        copy_disk(
            reader,
            create_disk("vmdk", subformat, main, size, sibling_sink=sibling_sink, name=out.name),
        )
        for sink in sinks:
            sink.close()
        assert "identical" in qemu.run("compare", "-f", "vmdk", "-F", "raw", out, raw)
        with FileSource(out) as again:
            ours = open_disk(again, sibling=lambda name: FileSource(tmp_path / name))
            assert compare(ours, reader) is None
            ours.close()
    assert len(sinks) == (4 if "twoGb" in subformat else 2)
    assert all(path.stat().st_blocks * 512 < 4 * MIB for path in tmp_path.iterdir())


def test_an_empty_disk_has_all_its_files(qemu, tmp_path):
    for subformat in SUBFORMATS:
        for name, data in write_files(bytes(3 * MIB), subformat).items():
            (tmp_path / name).write_bytes(data)
        out = tmp_path / "disk.vmdk"
        qemu.judge(out, "vmdk", bytes(3 * MIB), check=False)


def test_names_of_parts():
    files = write_files(bytes(MIB), "twoGbMaxExtentSparse", name="Grüße.VMDK")
    assert list(files) == ["Grüße.VMDK", "Grüße-s001.vmdk"]
    assert open_files(files, "Grüße.VMDK").virtual_size == MIB
    for bad in ('a"b.vmdk', "a\nb.vmdk", ".vmdk", ""):
        with pytest.raises(UsageError):
            write_files(bytes(MIB), "monolithicFlat", name=bad)


@pytest.mark.parametrize("subformat", SUBFORMATS)
def test_what_cannot_be_written(subformat):
    with pytest.raises(UsageError):
        create_disk("vmdk", subformat, MemorySink(), MIB)
    for size in (0, 63 << 40):
        with pytest.raises(LimitError):
            create_disk("vmdk", subformat, MemorySink(), size, sibling_sink=lambda _: MemorySink())
