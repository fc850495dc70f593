"""Compressed blocks carried as they are: the same content, judged by qemu-img; damage is found."""

import pytest
from disk_helpers import KIB, MIB, Qemu, make_content, make_disk, open_bytes, read_all

from kensho.disks import content_root, copy_disk, create_disk
from kensho.model.errors import CorruptError, UsageError
from kensho.storage import MemorySink

# Text, noise that deflate does not make smaller, a grain of stored zeros, a size with a short end.
CONTENT = make_content(9 * MIB + 7 * 512, [(0, MIB), (3 * MIB + 77, 2 * MIB), (9 * MIB, 7 * 512)])
FORMS = {
    "so": ("vmdk", "streamOptimized"),
    "qcow2c": ("qcow2", "compressed"),
    "zstd": ("qcow2", "compressed-zstd"),
}
PAIRS = [(a, b) for a in ("so", "qcow2c") for b in ("so", "qcow2c")] + [("zstd", "zstd")]


def carry(blob, form, passthrough, **options):
    reader = open_bytes(blob)
    sink = MemorySink()
    writer = create_disk(*FORMS[form], sink, reader.virtual_size, identity=b"test")
    result = copy_disk(reader, writer, threads=2, passthrough=passthrough, **options)
    return bytes(sink.data), result


@pytest.mark.parametrize("passthrough", ["checked", "blind"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_any_to_any(source, target, passthrough, tmp_path):
    made, result = carry(make_disk(CONTENT, *FORMS[source]), target, passthrough)
    assert read_all(open_bytes(made)) == CONTENT
    assert 3 * MIB < result.data_bytes < 4 * MIB
    path = tmp_path / "made"
    path.write_bytes(made)
    Qemu(tmp_path).judge(path, FORMS[target][0], CONTENT)


@pytest.mark.parametrize("form", ["so", "qcow2c", "zstd"])
def test_onto_itself_it_stays_byte_for_byte(form):
    """kensho's own disks have no padding to lose and nothing that a check would change."""
    blob = make_disk(CONTENT, *FORMS[form])
    assert carry(blob, form, "checked")[0] == blob or form == "zstd"


@pytest.mark.parametrize(
    ("options", "target"),
    [("subformat=streamOptimized", "qcow2c"), ("subformat=streamOptimized", "so")],
)
def test_what_qemu_made(options, target, tmp_path):
    qemu = Qemu(tmp_path)
    blob = qemu.convert(CONTENT, "vmdk", options).read_bytes()
    for passthrough in ("checked", "blind"):
        made, _ = carry(blob, target, passthrough)
        path = tmp_path / passthrough
        path.write_bytes(made)
        qemu.judge(path, FORMS[target][0], CONTENT)


def test_compressed_clusters_qemu_made(tmp_path):
    qemu = Qemu(tmp_path)
    blob = qemu.convert(CONTENT, "qcow2", None, "-c").read_bytes()
    for target in ("so", "qcow2c"):
        made, _ = carry(blob, target, "blind")
        assert read_all(open_bytes(made)) == CONTENT


@pytest.mark.parametrize("target", ["so", "qcow2c"])
def test_subclusters_are_no_blocks(target, tmp_path):
    """Of a cluster, a QCOW2 with extended L2 stores any 2 KiB: the writers want whole blocks."""
    parts = [(60 * KIB, 8 * KIB), (256 * KIB, 2 * KIB), (310 * KIB, 2 * KIB), (MIB - KIB, 3 * KIB)]
    content = make_content(2 * MIB, parts)
    blob = Qemu(tmp_path).convert(content, "qcow2", "extended_l2=on").read_bytes()
    for passthrough, root in (("checked", True), ("blind", False)):
        made, _ = carry(blob, target, passthrough, root=root)
        assert read_all(open_bytes(made)) == content


def test_the_root_comes_along():
    made, result = carry(make_disk(CONTENT, "vmdk"), "qcow2c", "blind", root=True)
    assert result.content_root == content_root(open_bytes(CONTENT, format="raw"))
    assert read_all(open_bytes(made)) == CONTENT


def test_damage_is_found_where_it_is_looked_for():
    blob = bytearray(make_disk(CONTENT, "vmdk"))
    blob[64 * KIB + 5000] ^= 0x55  # within the first grain
    with pytest.raises(CorruptError):
        carry(bytes(blob), "qcow2c", "checked")
    made, _ = carry(bytes(blob), "so", "blind")  # carried along, and still found by a reader
    with pytest.raises(CorruptError):
        read_all(open_bytes(made))


@pytest.mark.parametrize(
    ("source", "target"), [("so", "zstd"), ("zstd", "so"), ("zstd", "qcow2c"), ("qcow2c", "zstd")]
)
def test_codecs_that_do_not_fit(source, target):
    with pytest.raises(UsageError):
        carry(make_disk(CONTENT, *FORMS[source]), target, "checked")


def test_nothing_compressed():
    reader = open_bytes(CONTENT, format="raw")
    writer = create_disk("qcow2", "compressed", MemorySink(), len(CONTENT))
    with pytest.raises(UsageError):
        copy_disk(reader, writer, passthrough="checked")
    writer = create_disk("raw", None, MemorySink(), len(CONTENT))
    with pytest.raises(UsageError):
        copy_disk(open_bytes(make_disk(CONTENT, "vmdk")), writer, passthrough="checked")
    writer = create_disk("vmdk", None, MemorySink(), len(CONTENT))
    with pytest.raises(UsageError):
        copy_disk(open_bytes(make_disk(CONTENT, "vmdk")), writer, passthrough="maybe")
